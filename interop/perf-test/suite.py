# SPDX-License-Identifier: Apache-2.0
"""PerfTest, with the options that people use: each run ends because all was sent and all came, and not by its time."""

import os
import subprocess

from interop_suite import BROKER, Mismatch, expect, expect_true, main, test, unique

LIBRARIES = os.environ["PERF_TEST_LIBRARIES"]
LIMIT_S = 40
ALL_SENT, ALL_CAME = "Producer reached message limit", "Consumer reached message limit"


def perf_test(*words, uri=None, count=1000):
    """Its output, of a run that sends and takes so many."""
    address = uri or "amqp://%s:%s@%s:%d/%%2F" % (BROKER.user, BROKER.password, BROKER.host, BROKER.port)
    java = ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", LIBRARIES + "/*"]
    java.append("com.rabbitmq.perf.PerfTest")
    limits = ["-C", str(count), "-D", str(count), "-z", str(LIMIT_S)]
    done = subprocess.run([*java, "-h", address, *limits, *words], capture_output=True, text=True)
    said = done.stdout + done.stderr
    expect(done.returncode, 0, "exit status, after " + said[-400:])
    expect_true(ALL_SENT in said and ALL_CAME in said, "all came: " + said[-400:])
    if "exception" in said.lower():
        raise Mismatch(said[-400:])
    return said


def queue(*words):
    """One of its own, that goes with its consumer."""
    return ["-u", unique("perf"), "-ad", "true", *words]


@test
def messages_come_without_acks():
    perf_test(*queue("-a"))


@test
def messages_come_with_acks_of_several():
    perf_test(*queue("-q", "50", "-A", "10"))


@test
def persistent_messages_are_confirmed():
    perf_test(*queue("-f", "persistent", "-c", "100", "-s", "1024", "-q", "100"))


@test
def messages_are_mandatory_and_have_a_body_of_json():
    perf_test(*queue("-f", "mandatory", "-jb", "-s", "2000", "-T", "application/json"))


@test
def transactions_of_both_sides():
    perf_test(*queue("-m", "10", "-n", "10"))


@test
def consumers_poll():
    perf_test(*queue("-po"))


@test
def nacked_messages_are_not_requeued():
    perf_test(*queue("-na", "-re", "false"))


@test
def several_producers_and_consumers_on_several_channels():
    perf_test(*queue("-x", "2", "-y", "2", "-X", "2", "-Y", "2"), count=250)


@test
def a_topic_exchange_routes():
    perf_test(*queue("-t", "topic", "-e", unique("perf"), "-k", "perf.eu"))


@test
def queues_by_a_pattern():
    pattern = unique("perf") + "-%d"
    perf_test("-qp", pattern, "-qpf", "1", "-qpt", "3", "-x", "3", "-y", "3", "-ad", "true", count=200)


@test
def priorities_and_limits():
    perf_test(*queue("-mp", "priority=5", "-qa", "x-max-priority=10,x-max-length=100000", "-ca", "x-priority=3"))


@test
def a_quorum_queue():
    name = unique("perf")
    try:
        perf_test("-qq", "-u", name, "-c", "50", "-q", "100")
    finally:
        BROKER.ctl("delete_queue", name)


@test
def sizes_and_rates_that_vary():
    perf_test(*queue("-vs", "100:1", "-vs", "5000:1", "-r", "500"))


main()
