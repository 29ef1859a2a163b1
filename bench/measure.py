# SPDX-License-Identifier: Apache-2.0
"""One run of one row on one broker, which is started for it and gone afterwards."""

import json
import os
import resource
import subprocess
import sys
import time

import machine
from brokers import BrokenRun

RUN_TIMEOUT_S = 900
QUICK_HELD = 500
SPARE_DESCRIPTORS = 1000
SETTLE_S, QUICK_SETTLE_S = 20, 2


class Usage:
    """Who used the processors between the making of it and `until_now`, in cores.

    What other programs took is missing in the figures of that run; a little of it is the kernel's
    own work, which is accounted to nobody.
    """

    def __init__(self, broker_process_id):
        self.broker_process_id = broker_process_id
        self.before = self.read()

    def read(self):
        children = os.times()
        return (
            time.monotonic(),
            machine.busy_seconds(),
            machine.process_seconds(self.broker_process_id),
            children.children_user + children.children_system,
        )

    def until_now(self):
        elapsed, busy, broker, generator = (
            now - before for now, before in zip(self.read(), self.before)
        )
        return {
            "broker_cores": round(broker / elapsed, 3),
            "other_programs_cores": round(max(0, busy - broker - generator) / elapsed, 3),
        }


def raise_descriptor_limit():
    """For the children: a connection is a descriptor of the broker's and of the generator's."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def generate(row, broker, running, arguments, options):
    """Runs leveret-perf: what it found."""
    command = [options.leveret_perf, "--json", "--port", running.port] + arguments
    command += ["--live"] if options.live else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=RUN_TIMEOUT_S)
    if not done.stdout:
        raise BrokenRun("%s, %s: leveret-perf found no figures" % (row.name, broker.name))
    result = json.loads(done.stdout)
    if not result["ok"]:
        raise BrokenRun("%s, %s: messages were lost or changed" % (row.name, broker.name))
    if row.is_tls and result.get("tls") != "TLSv1.3":
        raise BrokenRun("%s, %s: not TLS 1.3 but %s" % (row.name, broker.name, result.get("tls")))
    return result


def counts_of(status):
    """What Leveret counts, over all vhosts; {} of RabbitMQ."""
    keys = ("messages_published", "messages_delivered", "gate_held_ns", "store_messages_written")
    vhosts = status.get("vhosts", ())
    return {key: sum(vhost[key] for vhost in vhosts) for key in keys} if vhosts else {}


def lock_figures(before, after):
    """The time inside the lock for each delivery, or for each publish where nothing is delivered, and
    how many of those a second has room for."""
    counted = {key: after[key] - before[key] for key in after}
    messages = counted.get("messages_delivered") or counted.get("messages_published")
    if not messages:
        return {}
    held_ns = counted["gate_held_ns"] / messages
    return {"lock_ns": round(held_ns, 1), "lock_bound_per_s": round(1e9 / held_ns)}


def measure_load(row, broker, options):
    with broker.started(options.dir, row.is_tls) as running:
        if row.before:
            generate(row, broker, running, row.command(row.before, options.quick), options)
        arguments = row.command(row.options, options.quick)
        if "--churn" not in arguments:
            arguments.append("--latency")
        arguments += ["--time", str(options.time), "--warmup", str(options.warmup)]
        before = counts_of(running.status())
        usage = Usage(running.process_id)
        result = generate(row, broker, running, arguments, options)
        result.update(usage.until_now())
        after = counts_of(running.status())
        result.update(lock_figures(before, after))
        if after.get("store_messages_written") and result.get("published"):
            result["written_per_message"] = round(
                after["store_messages_written"] / result["published"], 3)
        result["reactors"] = running.reactors()
    return result


def held_count(row, broker, options):
    wanted = row.held[broker.kind]
    if options.quick:
        return min(wanted, QUICK_HELD)
    if "connections" not in row.options:
        return wanted
    possible = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - SPARE_DESCRIPTORS
    if possible < wanted:
        print("  %s, %s: %d instead of %d, because no more files may be open (ulimit -Hn)"
              % (row.name, broker.name, possible, wanted), file=sys.stderr)  # fmt: skip
    return min(wanted, possible)


def measure_held(row, broker, options):
    """The memory that the broker has more while it holds them, for each."""
    count = held_count(row, broker, options)
    settle_s = QUICK_SETTLE_S if options.quick else SETTLE_S
    with broker.started(options.dir) as running:
        time.sleep(settle_s)
        before = machine.memory_bytes(running.process_id)
        command = [options.leveret_perf, "--json", "--port", running.port, "--count", str(count)]
        command += [*row.options, *(["--live"] if options.live else [])]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            told = process.stdout.readline()
            time.sleep(settle_s)
            after = machine.memory_bytes(running.process_id)
            rest, _ = process.communicate(timeout=RUN_TIMEOUT_S)
        finally:
            process.kill()
            process.wait()
        reactors = running.reactors()
    if not told or not rest or not json.loads(rest)["ok"]:
        raise BrokenRun("%s, %s: not all were held" % (row.name, broker.name))
    return {
        "held": count,
        "seconds": json.loads(told)["seconds"],
        "before": before,
        "after": after,
        "bytes_each": round((after["pss"] - before["pss"]) / count, 1),
        "rss_each": round((after["rss"] - before["rss"]) / count, 1),
        "reactors": reactors,
    }


def measure(row, broker, options):
    return (measure_held if row.held else measure_load)(row, broker, options)
