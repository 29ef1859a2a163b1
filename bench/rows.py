# SPDX-License-Identifier: Apache-2.0
"""What bench/run measures: one row per workload, with the figures taken from it and their targets.

A row is what leveret-perf is told to do, on a broker that was started for it; a figure is a number in
the JSON that came of it, and a target is how it has to compare with another. In-flight bounds keep a
broker that accepts faster than it delivers from being credited for a queue that only grows.
"""

import dataclasses

RABBITMQ = "RabbitMQ"
LEVERET = "Leveret"


@dataclasses.dataclass(frozen=True)
class Target:
    """Leveret's median divided by that of `against`: at least so much, or at most."""

    ratio: float
    against: str = RABBITMQ
    is_at_most: bool = False

    def is_met(self, ratio):
        return ratio <= self.ratio if self.is_at_most else ratio >= self.ratio

    def text(self):
        return "%s %g" % ("at most" if self.is_at_most else "at least", self.ratio)


@dataclasses.dataclass(frozen=True)
class Figure:
    title: str
    path: tuple  # of names, into the result
    unit: str
    targets: tuple = ()

    def of(self, result):
        for key in self.path:
            result = result[key]
        return result


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    figures: tuple
    options: tuple  # of leveret-perf
    before: tuple = ()  # of a run before, on the same broker, that is not measured
    is_tls: bool = False
    held: dict = None  # with --idle: how many, by the broker's name
    reference: str = None  # measured in the same rounds: see references.py
    other_reactors: tuple = ()  # measured too, where the server would choose another number
    backlog: int = 0  # what "BACKLOG" in the options stands for
    quick_backlog: int = 0

    def command(self, options, is_quick):
        backlog = str(self.quick_backlog if is_quick else self.backlog)
        return [backlog if option == "BACKLOG" else option for option in options]


def words(text):
    return tuple(text.split())


def delivered(title, ratio):
    return (Figure(title, ("delivered_per_s",), "/s", (Target(ratio),)),)


def cycles(title, ratio=None):
    targets = (Target(ratio),) if ratio else ()
    return (Figure(title, ("cycles_per_s",), "/s", targets),)


def bytes_each(title, ratio):
    return (Figure(title, ("bytes_each",), "B", (Target(ratio, is_at_most=True),)),)


def latency(title, path, ratio=None, against=RABBITMQ):
    targets = (Target(ratio, against, is_at_most=True),) if ratio else ()
    return Figure(title, path, "us", targets)


DURABLE = words("--size 1024 --persistent --durable")
ACKED = words("--ack 64 --prefetch 1000")
PERSISTENT = DURABLE + ACKED + words("--confirm 256 --in-flight 50000")

ROWS = (
    Row(
        "transient",
        delivered("1 publisher, 1 consumer, 16 B transient, no acks", 30),
        words("--size 16 --in-flight 1000000"),
        other_reactors=(2,),
    ),
    Row(
        "transient-1k",
        delivered("1 publisher, 1 consumer, 1 KiB transient, no acks", 12),
        words("--size 1024 --in-flight 50000"),
        other_reactors=(2,),
    ),
    Row(
        "four",
        delivered("4 publishers, 4 consumers, 4 queues, 16 B", 24),
        words("--publishers 4 --consumers 4 --queues 4 --size 16 --in-flight 1000000"),
        other_reactors=(2,),
    ),
    Row(
        "persistent",
        delivered("1 KiB persistent, confirms (window 256), acks every 64", 10),
        PERSISTENT,
        other_reactors=(2,),
    ),
    Row(
        "standing",
        delivered("1 KiB persistent, confirms, acks, 50,000 messages standing", 4)
        + (Figure("rows written per message", ("written_per_message",), ""),),
        PERSISTENT + words("--standing 50000"),
    ),
    Row(
        "fill",
        (
            Figure(
                "1 KiB persistent, confirms (window 1000), nobody reads",
                ("confirmed_per_s",),
                "/s",
                (Target(6), Target(0.6, "store")),
            ),
        ),
        DURABLE + words("--confirm 1000 --consumers 0"),
        reference="store",
    ),
    Row(
        "fanout",
        delivered("fan-out, 1 publisher to 50 queues with consumers, 16 B", 15),
        words("--exchange-type fanout --queues 50 --consumers 50 --size 16 --in-flight 1000000"),
        other_reactors=(2,),
    ),
    Row(
        "topic",
        delivered("topic exchange with 10,000 bindings, 1 publisher, 16 B", 10),
        words("--exchange-type topic --bindings 10000 --size 16 --in-flight 100000"),
    ),
    Row(
        "headers",
        (Figure("headers exchange with 100 bindings, 1 publisher, 16 B", ("delivered_per_s",), "/s"),),
        words("--exchange-type headers --bindings 100 --size 16 --in-flight 10000"),
    ),
    Row(
        "drain",
        delivered("draining a backlog of a million 1 KiB messages, acks every 64", 15),
        words("--drain --durable") + ACKED,
        before=DURABLE + words("--confirm 1000 --fill BACKLOG"),
        backlog=1000000,
        quick_backlog=20000,
    ),
    Row(
        "latency",
        (
            latency("publish to deliver, idle broker, p50", ("latency_us", "p50"), 0.4),
            latency("publish to deliver, idle broker, p99", ("latency_us", "p99"), 0.4),
        ),
        words("--ping --size 16 --rate 1000"),
        other_reactors=(2,),
    ),
    Row(
        "confirm",
        (
            latency("publish to confirm, 1 KiB persistent, one at a time, p50",
                    ("confirm_latency_us", "p50"), 1.5, "append and sync"),
        ),
        DURABLE + words("--ping-confirm"),
        reference="append and sync",
    ),
    Row(
        "tls",
        delivered("TLS 1.3, 1 KiB, 1 publisher, 1 consumer", 6),
        words("--tls --insecure --size 1024 --in-flight 50000"),
        is_tls=True,
        other_reactors=(2,),
    ),
    Row(
        "connections",
        cycles("connections opened and closed, by 10 clients", 8),
        words("--churn connections"),
    ),
    Row(
        "channels",
        cycles("channels opened and closed, by 10 clients"),
        words("--churn channels"),
    ),
    Row(
        "queues",
        cycles("queues declared and deleted, by 10 clients", 8),
        words("--churn queues"),
    ),
    Row(
        "bindings",
        cycles("bindings made and removed, by 10 clients"),
        words("--churn bindings --exchange-type topic"),
    ),
    Row(
        "idle-connections",
        bytes_each("memory of an idle connection with a channel and a consumer", 0.1),
        words("--idle connections --queues 100 --patience 120"),
        held={RABBITMQ: 10000, LEVERET: 50000},
    ),
    Row(
        "idle-queues",
        bytes_each("memory of a queue", 0.05),
        words("--idle queues --keep --patience 600"),
        held={RABBITMQ: 20000, LEVERET: 1000000},
    ),
)  # fmt: skip
