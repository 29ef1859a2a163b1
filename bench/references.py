# SPDX-License-Identifier: Apache-2.0
"""What some figures are compared with besides RabbitMQ: the disk alone, and the store alone.

Each is measured in the same rounds as the brokers, in the same folder, because how fast a disk is
changes from minute to minute.
"""

import json
import os
import statistics
import subprocess
import tempfile
import time

from brokers import BrokenRun

BYTES = 1024
STORE_LAYOUT = "packed"


def append_and_sync_us(options):
    """The median time to append 1 KiB to a growing file and to sync it."""
    block, times = os.urandom(BYTES), []
    with tempfile.TemporaryFile(dir=options.dir) as file:
        end = time.monotonic() + options.time
        while time.monotonic() < end:
            begin = time.perf_counter()
            os.write(file.fileno(), block)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e6


def store_per_s(options):
    """What bench-store writes in the layout of the broker, in one lane."""
    program = os.path.join(os.path.dirname(options.leveretd), "bench-store")
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        command = [program, "--json", "--dir", folder, "--layouts", STORE_LAYOUT]
        command += ["--workloads", "fill", "--lanes", "1", "--sizes", str(BYTES)]
        command += ["--quick"] if options.quick else []
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise BrokenRun("bench-store failed")
    return next(cell["per_second"] for cell in json.loads(done.stdout) if cell["workload"] == "fill")


REFERENCES = {"append and sync": append_and_sync_us, "store": store_per_s}
