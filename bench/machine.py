# SPDX-License-Identifier: Apache-2.0
"""What a figure depends on besides the broker: processor, kernel, and how long a sync takes."""

import os
import platform
import statistics
import time

SYNCS = 50
BLOCK = b"x" * 4096


def processor():
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def sync_us(folder):
    """The median of appending 4 KiB to a file in the folder and syncing it."""
    path = os.path.join(folder, "sync-probe")
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        times = []
        for _ in range(SYNCS):
            os.write(file, BLOCK)
            begin = time.perf_counter()
            os.fdatasync(file)
            times.append(time.perf_counter() - begin)
    finally:
        os.close(file)
        os.unlink(path)
    return statistics.median(times) * 1e6


def describe(folder):
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
        "sync_us": round(sync_us(folder), 1),
    }
