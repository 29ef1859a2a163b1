# SPDX-License-Identifier: Apache-2.0
"""kombu's names for what a queue's arguments make of its messages: time to live, dead letters, limits,
priorities."""

import amqp
import kombu
from kombu.exceptions import OperationalError

from client import (
    bodies,
    confirming,
    connection,
    declared,
    expect_error,
    publish,
    simple_queue,
    take,
)
from interop_suite import expect, expect_true, poll, test, unique


def dead_letters(conn):
    """(exchange, queue of what arrives at it)"""
    exchange = kombu.Exchange(unique("dlx"), type="fanout", durable=False)
    queue = declared(kombu.Queue(unique("dead"), exchange=exchange, durable=False), conn.default_channel)
    return exchange, queue


def dead(exchange):
    return {"x-dead-letter-exchange": exchange.name}


def deaths(message):
    """x-death without its times, which must be there."""
    found = [dict(death) for death in message.headers["x-death"]]
    for death in found:
        expect_true(death.pop("time").year >= 2024, "the time of a death")
    return found


@test
def kombu_expired_messages_are_dead_lettered():
    conn = confirming()
    exchange, buried = dead_letters(conn)
    queue = simple_queue(conn.default_channel, message_ttl=0.05, queue_arguments=dead(exchange))
    publish(conn.default_channel, queue.name, {"n": 1})
    ((body, message),) = take(conn, buried, 1)
    expect(body, {"n": 1}, "body")
    death = {
        "count": 1,
        "reason": "expired",
        "queue": queue.name,
        "exchange": "",
        "routing-keys": [queue.name],
    }
    expect(deaths(message), [death], "x-death")


@test
def kombu_expiration_of_a_message():
    conn = confirming()
    exchange, buried = dead_letters(conn)
    queue = simple_queue(conn.default_channel, queue_arguments=dead(exchange))
    publish(conn.default_channel, queue.name, {"n": 1}, expiration=0.04)
    ((_, message),) = take(conn, buried, 1)
    expect(deaths(message)[0]["original-expiration"], "40", "original-expiration")
    expect(message.properties.get("expiration"), None, "expiration")


@test
def kombu_rejected_messages_are_dead_lettered():
    conn = confirming()
    exchange, buried = dead_letters(conn)
    queue = simple_queue(conn.default_channel, queue_arguments=dead(exchange))
    publish(conn.default_channel, queue.name, {"n": 1})
    poll(lambda: queue.get(), "the message").reject()
    ((_, message),) = take(conn, buried, 1)
    expect(message.headers["x-first-death-reason"], "rejected", "x-first-death-reason")
    expect(message.headers["x-first-death-queue"], queue.name, "x-first-death-queue")


@test
def kombu_max_length_drops_the_oldest():
    conn = confirming()
    queue = simple_queue(conn.default_channel, max_length=2)
    publish(conn.default_channel, queue.name, 1, 2, 3)
    expect(bodies(take(conn, queue, 2)), [2, 3], "what is left")


@test
def kombu_full_queue_refuses():
    conn = confirming()
    overflow = {"x-overflow": "reject-publish"}
    queue = simple_queue(conn.default_channel, max_length=1, queue_arguments=overflow)
    publish(conn.default_channel, queue.name, 1)
    try:
        publish(conn.default_channel, queue.name, 2)
        expect_true(False, "a full queue took a message")
    except (amqp.exceptions.MessageNacked, OperationalError):
        pass
    expect(bodies(take(conn, queue, 1)), [1], "what is left")


@test
def kombu_priorities_come_first():
    conn = confirming()
    queue = simple_queue(conn.default_channel, max_priority=9)
    for body, priority in ((1, 0), (2, 9), (3, 5), (4, 9), (5, 0)):
        publish(conn.default_channel, queue.name, body, priority=priority)
    expect(bodies(take(conn, queue, 5)), [2, 4, 3, 1, 5], "in this order")


@test
def kombu_wrong_argument_is_406():
    conn = connection()
    name = unique("wrong")
    queue = kombu.Queue(name, exchange=kombu.Exchange(""), max_priority=256)
    expect_error(
        amqp.PreconditionFailed,
        406,
        "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue '%s' in vhost '/':"
        " {max_value_exceeded,256}" % name,
        lambda: queue(conn.default_channel).declare(),
    )
