# SPDX-License-Identifier: Apache-2.0
"""What a figure depends on besides the broker: processor, kernel, how long a sync takes, and who
else is using the machine."""

import os
import platform
import statistics
import time

SYNCS = 50
BLOCK = b"x" * 4096
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


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


def busy_seconds():
    """Processor time that all programs together have used since the start of the machine."""
    with open("/proc/stat") as lines:
        user, nice, system, _, _, irq, soft_irq = map(int, next(lines).split()[1:8])
    return (user + nice + system + irq + soft_irq) / TICKS_PER_S


def process_seconds(process_id):
    """Processor time of a process with all its threads."""
    with open("/proc/%d/stat" % process_id) as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def describe(folder):
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
        "sync_us": round(sync_us(folder), 1),
    }
