# SPDX-License-Identifier: Apache-2.0
"""The exchange types that users install as plug-ins."""

import time

import pika
from pika.exceptions import ConnectionClosedByBroker

from client import bodies, channel, connect, exchange_on, message_count, queue_on, take
from features import confirming
from interop_suite import expect, expect_true, poll, skip_without_plugin, test

KEYS = ["key.%d" % n for n in range(300)]


def hashing(ch, **arguments):
    """(exchange, three queues of equal weight)"""
    exchange = exchange_on(ch, "x-consistent-hash", arguments=arguments or None)
    queues = [queue_on(ch) for _ in range(3)]
    for queue in queues:
        ch.queue_bind(queue, exchange, "10")
    return exchange, queues


@test
def consistent_hash_divides_and_keeps_keys_together():
    ch = confirming()
    exchange, queues = hashing(ch)
    for turn in (b"first", b"second"):
        for key in KEYS:
            ch.basic_publish(exchange, key, turn, mandatory=True)
    counts = [message_count(ch, queue) for queue in queues]
    expect(sum(counts), 2 * len(KEYS), "messages in all")
    expect_true(min(counts) > 60, "each queue has its part: %s" % counts)
    for queue, count in zip(queues, counts):
        taken = take(ch, queue, count)
        keys = [method.routing_key for method, _, _ in taken]
        expect(keys[: count // 2], keys[count // 2 :], "the same keys in both turns")


@test
def consistent_hash_of_a_header():
    ch = confirming()
    exchange, queues = hashing(ch, **{"hash-header": "customer"})
    for key in KEYS[:100]:
        ch.basic_publish(exchange, key, b"", pika.BasicProperties(headers={"customer": "one"}))
    expect(sorted(message_count(ch, queue) for queue in queues), [0, 0, 100], "all in one queue")


def delayed_exchange(ch, kind):
    try:
        return exchange_on(ch, "x-delayed-message", arguments={"x-delayed-type": kind})
    except ConnectionClosedByBroker as error:
        skip_without_plugin(error)


@test
def delayed_messages_come_when_they_are_due():
    ch = channel()
    exchange = delayed_exchange(ch, "topic")
    ch.confirm_delivery()
    queue = queue_on(ch)
    ch.queue_bind(queue, exchange, "to.#")
    started = time.monotonic()
    for body, delay_ms in ((b"late", 900), (b"soon", 300), (b"now", 0)):
        headers = {"x-delay": delay_ms} if delay_ms else {}
        ch.basic_publish(exchange, "to.queue", body, pika.BasicProperties(headers=headers))
    taken = take(ch, queue, 3)
    expect(bodies(taken), [b"now", b"soon", b"late"], "in the order of their times")
    expect_true(time.monotonic() - started > 0.7, "the last one waited for its time")
    expect([p.headers.get("x-delay") for _, p, _ in taken], [None, -300, -900], "x-delay, negated")


@test
def delayed_messages_of_a_closed_connection_come():
    publisher = connect()
    ch = publisher.channel()
    exchange = delayed_exchange(ch, "fanout")
    ch.confirm_delivery()
    reader = channel()
    queue = queue_on(reader)
    reader.queue_bind(queue, exchange)
    ch.basic_publish(exchange, "", b"x", pika.BasicProperties(headers={"x-delay": 500}))
    publisher.close()
    expect(message_count(reader, queue), 0, "messages at first")
    poll(lambda: message_count(reader, queue) == 1, "the message is due")
