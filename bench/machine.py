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


def tree_of(process_id):
    """The process and those below it: a broker may have helpers."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name) as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
        except OSError:
            continue  # It has ended meanwhile.
        children.setdefault(parent, []).append(int(name))
    tree = [process_id]
    for member in tree:
        tree += children.get(member, [])
    return tree


def memory_bytes(process_id):
    """What the tree holds: each process's share of its pages (PSS), and its pages (RSS)."""
    found = {"Pss": 0, "Rss": 0}
    for member in tree_of(process_id):
        try:
            with open("/proc/%d/smaps_rollup" % member) as lines:
                for line in lines:
                    name, _, rest = line.partition(":")
                    if name in found:
                        found[name] += int(rest.split()[0]) * 1024
        except OSError:
            continue
    return {"pss": found["Pss"], "rss": found["Rss"]}


def resident_bytes(process_id, name="VmRSS"):
    """What a process has resident: now, or the most so far (VmHWM)."""
    with open("/proc/%d/status" % process_id) as status:
        for line in status:
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
    return 0


def memory_gib():
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def file_system(folder):
    """The type of the file system that the folder is on."""
    best, kind = "", "unknown"
    with open("/proc/self/mounts") as lines:
        for line in lines:
            point, found = line.split()[1:3]
            inside = (os.path.realpath(folder) + "/").startswith(point.rstrip("/") + "/")
            if inside and len(point) >= len(best):
                best, kind = point, found
    return kind


def describe(folder):
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory_gib(), 1),
        "file_system": file_system(folder),
        "kernel": platform.release(),
        "load_average": os.getloadavg()[0],
        "sync_us": round(sync_us(folder), 1),
    }
