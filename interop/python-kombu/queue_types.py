# SPDX-License-Identifier: Apache-2.0
"""Quorum queues, and queues that go when nobody uses them."""

import time

import amqp

from client import bodies, confirming, publish, simple_queue, take
from features import dead, dead_letters
from interop_suite import expect, poll, test

QUORUM = {"x-queue-type": "quorum"}


@test
def kombu_expired_queue_is_deleted():
    conn = confirming()
    queue = simple_queue(conn.default_channel, expires=0.3)

    def gone():
        time.sleep(0.6)  # asking is a use of the queue
        try:
            with conn.channel() as channel:
                queue(channel).queue_declare(passive=True)
            return False
        except amqp.NotFound:
            return True

    poll(gone, "deleted when nobody used it")


@test
def kombu_quorum_queue():
    conn = confirming()
    exchange, buried = dead_letters(conn)
    arguments = dict(QUORUM, **dead(exchange), **{"x-delivery-limit": 1})
    queue = simple_queue(conn.default_channel, queue_arguments=arguments)
    publish(conn.default_channel, queue.name, "poison")
    counts = []
    for _ in range(2):
        message = poll(queue.get, "the message")
        counts.append(message.headers.get("x-delivery-count"))
        message.requeue()
    expect(counts, [0, 1], "x-delivery-count, which basic.get always tells")
    ((body, message),) = take(conn, buried, 1)
    expect((body, message.headers["x-first-death-reason"]), ("poison", "delivery_limit"), "buried")
    publish(conn.default_channel, queue.name, "good")
    expect(bodies(take(conn, queue, 1, prefetch=1)), ["good"], "bodies")
