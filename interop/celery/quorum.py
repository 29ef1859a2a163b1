# SPDX-License-Identifier: Apache-2.0
"""Quorum queues: Celery's native delayed delivery, which keeps a task with an ETA in the broker, in
28 queues with a time to live that dead-letter to one another; delivery limits; dead letters."""

import datetime
import time

import amqp
import kombu

from interop_suite import (
    BROKER,
    QUICK,
    Mismatch,
    defer,
    expect,
    expect_true,
    poll,
    test,
    unique,
)
from worker import RESULT_TIMEOUT_S, Site, add_site, marks, message_count, started, url

SITE = add_site(Site("quorum", "quorum"))
LEVELS = 28
DELAYED = ["celery_delayed_%d" % level for level in range(LEVELS)]
DELIVERY_EXCHANGE = "celery_delayed_delivery"

# Celery's names are fixed, so what it declared goes with the suite.
SITE.queues += DELAYED + [DELIVERY_EXCHANGE]


def channel():
    conn = kombu.Connection(url(), connect_timeout=10)
    defer(conn.release)
    return conn.default_channel


# --- quorum queues -----------------------------------------------------------------------------


@test
def celery_quorum_worker_starts():
    log = started(SITE).text()
    expect_true("Global QoS is disabled" in log, "the worker found a quorum queue")


@test
def celery_quorum_tasks_and_results():
    started(SITE)
    count = 50 if QUICK else 300
    results = [SITE.call("add", n, n) for n in range(count)]
    got = [result.get(timeout=RESULT_TIMEOUT_S) for result in results]
    expect(got, [2 * n for n in range(count)], "results")


@test
def celery_quorum_queue_cannot_become_a_classic_one():
    started(SITE)
    queue = kombu.Queue(SITE.queue, exchange=kombu.Exchange(""))
    try:
        queue(channel()).declare()
    except amqp.PreconditionFailed as error:
        expect(
            error.reply_text,
            "PRECONDITION_FAILED - inequivalent arg 'x-dead-letter-exchange' for queue '%s' in vhost"
            " '%s': received none but current is the value '%s' of type 'longstr'"
            % (SITE.queue, BROKER.vhost, SITE.queue),
            "reply text",
        )
        return
    raise Mismatch("a quorum queue was declared as a classic one")


@test
def celery_quorum_inspect_and_ping():
    name = started(SITE).name
    expect(SITE.inspect().ping(), {name: {"ok": "pong"}}, "reply")
    queues = SITE.inspect().active_queues()[name]
    expect([queue["name"] for queue in queues], [SITE.queue], "queues")
    expect(queues[0]["queue_arguments"]["x-queue-type"], "quorum", "type of the queue")


# --- native delayed delivery -------------------------------------------------------------------


@test
def celery_delayed_queues_are_there():
    started(SITE)
    asked = channel()
    for name in DELAYED:
        expect(message_count(asked, name), 0, "messages in " + name)
        asked.exchange_declare(name, "topic", passive=True)
    asked.exchange_declare(DELIVERY_EXCHANGE, "topic", passive=True)


@test
def celery_delayed_task_waits_in_the_broker():
    started(SITE)
    sent_at = time.time()
    result = SITE.call("delivery", countdown=3)
    asked = channel()
    # 3 is 11 in binary: it waits 2 s in the queue of level 1 and then 1 s in that of level 0.
    for level in (1, 0):
        poll(lambda: message_count(asked, DELAYED[level]) == 1, "it waits in level %d" % level)
        expect(SITE.inspect().scheduled(), {SITE.worker.name: []}, "scheduled by the worker")
    came = result.get(timeout=RESULT_TIMEOUT_S)
    expect_true(3 <= came["at"] - sent_at <= 12, "ran after %.2f s" % (came["at"] - sent_at))
    expect(came["routing_key"], "0." * 26 + "1.1." + SITE.queue, "routing key")


@test
def celery_delayed_tasks_each_run_once_and_in_time():
    started(SITE)
    count = 30 if QUICK else 200
    sent = []
    for number in range(count):
        delay_s = 1 + number % 3
        sent.append((time.time(), delay_s, SITE.call("delivery", countdown=delay_s)))
    for sent_at, delay_s, result in sent:
        took_s = result.get(timeout=RESULT_TIMEOUT_S)["at"] - sent_at
        expect_true(delay_s <= took_s <= delay_s + 10, "%d s became %.2f s" % (delay_s, took_s))
    asked = channel()
    expect([message_count(asked, name) for name in DELAYED], [0] * LEVELS, "messages that wait")


@test
def celery_delayed_by_an_eta():
    started(SITE)
    sent_at = time.time()
    eta = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2.5)
    took_s = SITE.value("delivery", eta=eta)["at"] - sent_at
    expect_true(2 <= took_s <= 12, "ran after %.2f s" % took_s)


@test
def celery_delayed_retries():
    started(SITE)
    sent_at = time.time()
    expect(SITE.value("flaky", 2, 1), 3, "times tried")
    took_s = time.time() - sent_at
    expect_true(2 <= took_s <= 12, "tried for %.2f s" % took_s)


@test
def celery_delayed_for_years():
    """Every level has a queue of its own, whichever the leading bit of the delay is."""
    started(SITE)
    asked = channel()
    levels = [27, 20, 13] if QUICK else list(range(27, 9, -1))
    for level in levels:
        result = SITE.call("add", 1, 1, countdown=2**level + 7)
        poll(lambda: message_count(asked, DELAYED[level]) == 1, "it waits in level %d" % level)
        body = asked.basic_get(DELAYED[level], no_ack=True)
        expect(body.headers["id"], result.id, "task that waits in level %d" % level)


# --- dead letters ------------------------------------------------------------------------------


def dead_letter(result):
    """The task's message in the queue of dead letters: its newest death."""
    asked = channel()

    def get():
        message = asked.basic_get(SITE.queue + ".dead", no_ack=True)
        if message is None:
            return None
        expect(message.headers["id"], result.id, "dead task")
        return message

    message = poll(get, "the task is dead-lettered")
    expect(message.headers["x-first-death-queue"], message.headers["x-death"][0]["queue"], "queue")
    return message.headers["x-death"][0]


def expect_death(death, queue, reason, routing_key=None):
    expect(
        (death["queue"], death["reason"], death["count"], death["exchange"], death["routing-keys"]),
        (queue, reason, 1, SITE.queue, [routing_key or queue]),
        "death",
    )


@test
def celery_rejected_task_is_dead_lettered():
    started(SITE)
    expect_death(dead_letter(SITE.call("refuses")), SITE.queue, "rejected")


@test
def celery_task_in_a_queue_with_ttl_is_dead_lettered():
    started(SITE)
    short = SITE.queue + ".short"
    expect_death(dead_letter(SITE.call("add", 1, 1, queue=short)), short, "expired")


@test
def celery_expired_task_is_dead_lettered():
    """`expires` is also the message's expiration, so that nobody has to come for it."""
    started(SITE)
    short = SITE.queue + ".short"
    sent_at = time.time()
    death = dead_letter(SITE.call("add", 1, 1, queue=short, expires=0.2))
    expect_death(death, short, "expired")
    expect(death.get("original-expiration"), "200", "original expiration")
    expect_true(time.time() - sent_at >= 0.2, "it waited")


@test
def celery_poison_task_is_dead_lettered():
    """It kills its process whenever it runs: the third delivery is the last."""
    started(SITE)
    name = unique("poison")
    expect_death(dead_letter(SITE.call("dies_always", name)), SITE.queue, "delivery_limit")
    expect(marks(name), 3, "times that it ran")
    expect(SITE.value("add", 1, 1), 2, "a task after that")
