# SPDX-License-Identifier: Apache-2.0
"""What bench/run measures: one row per workload, with the target it has to reach.

A row is a command line of leveret-perf, the figure that is taken from its JSON, and how much better
than the other broker's that figure has to be. In-flight bounds keep a broker that accepts faster than
it delivers from being credited for a queue that only grows; nothing measured so far comes near them
except by falling behind.
"""

import collections

Row = collections.namedtuple("Row", "name title figure unit target is_lower_better options")

PERSISTENT = [
    "--size", "1024", "--persistent", "--durable", "--confirm", "256", "--ack", "64",
    "--prefetch", "1000", "--in-flight", "50000",
]  # fmt: skip

ROWS = [
    Row(
        name="transient",
        title="1 to 1, 16 B transient, no acks",
        figure=("delivered_per_s",),
        unit="/s",
        target=10.0,
        is_lower_better=False,
        options=["--size", "16", "--in-flight", "1000000"],
    ),
    Row(
        name="persistent",
        title="1 to 1, 1 KiB persistent, confirms 256, acks of 64",
        figure=("delivered_per_s",),
        unit="/s",
        target=5.0,
        is_lower_better=False,
        options=PERSISTENT,
    ),
    Row(
        name="standing",
        title="the same, 50,000 messages standing",
        figure=("delivered_per_s",),
        unit="/s",
        target=3.0,
        is_lower_better=False,
        options=PERSISTENT + ["--standing", "50000"],
    ),
    Row(
        name="latency",
        title="publish to deliver, idle broker, p50",
        figure=("latency_us", "p50"),
        unit="us",
        target=1.0,
        is_lower_better=True,
        options=["--ping", "--size", "16", "--rate", "1000"],
    ),
]


def figure_of(row, result):
    """The row's figure out of what leveret-perf printed."""
    for key in row.figure:
        result = result[key]
    return result


def ratio_of(row, leveret, other):
    """How many times better Leveret is; above 1 is better whatever the unit."""
    worse, better = (leveret, other) if row.is_lower_better else (other, leveret)
    return better / worse if worse else float("inf")


def is_met(row, ratio):
    # A latency has to be below the other's, a rate has to reach its multiple.
    return ratio > row.target if row.is_lower_better else ratio >= row.target
