# SPDX-License-Identifier: Apache-2.0
"""Quorum queues, single active consumers, queues that go when nobody uses them."""

import time

import pika

from client import (
    bodies,
    channel,
    expect_channel_error,
    is_there,
    message_count,
    publish_all,
    queue_on,
    take,
)
from delivery import collector, settle, wait_for
from features import confirming, first_death, with_dead_letters
from interop_suite import expect, expect_true, poll, restart_broker, test, unique

QUORUM = {"x-queue-type": "quorum"}


@test
def expired_queue_is_deleted():
    ch = channel()
    queue = queue_on(ch, arguments={"x-expires": 300})
    expect_true(is_there(queue), "there at first")

    def gone():
        time.sleep(0.6)  # asking is a use of the queue
        return not is_there(queue)

    poll(gone, "deleted when nobody used it")


@test
def single_active_consumer_hands_over():
    ch = confirming()
    queue = queue_on(ch, arguments={"x-single-active-consumer": True})
    one, two = channel(), channel()
    first = []
    tag = one.basic_consume(queue, lambda _ch, *delivery: first.append(delivery), auto_ack=True)
    second = collector(two, queue, auto_ack=True)
    publish_all(ch, queue, [b"1", b"2"])
    wait_for(one, first, 2)
    settle(two.connection)
    expect(second, [], "deliveries to the one that waits")
    one.basic_cancel(tag)
    publish_all(ch, queue, [b"3"])
    wait_for(two, second, 1)
    expect(second[0][2], b"3", "the second takes over")


@test
def exclusive_consumer_on_a_single_active_queue_is_403():
    ch = channel()
    queue = queue_on(ch, arguments={"x-single-active-consumer": True})
    expect_channel_error(
        403,
        "ACCESS_REFUSED - queue '%s' in vhost '/' in exclusive use" % queue,
        lambda: channel().basic_consume(queue, lambda *_: None, exclusive=True),
    )


# --- quorum queues -----------------------------------------------------------------------------


@test
def quorum_queue_counts_deliveries():
    ch = confirming()
    queue = queue_on(ch, durable=True, arguments=QUORUM)
    publish_all(ch, queue, [b"x"])
    counts = []
    for _ in range(3):
        method, properties, _ = take(ch, queue, 1, auto_ack=False)[0]
        headers = properties.headers or {}
        counts.append((headers.get("x-delivery-count"), method.redelivered))
        ch.basic_nack(method.delivery_tag, requeue=True)
    expect(counts, [(None, False), (1, True), (2, True)], "x-delivery-count, redelivered")


@test
def quorum_queue_buries_poison():
    ch = confirming()
    arguments = dict(QUORUM, **{"x-delivery-limit": 2})
    queue, dead, _ = with_dead_letters(ch, arguments)
    publish_all(ch, queue, [b"poison"])
    for _ in range(3):
        method, _, _ = take(ch, queue, 1, auto_ack=False)[0]
        ch.basic_nack(method.delivery_tag, requeue=True)
    _, properties, body = take(ch, dead, 1)[0]
    expect((body, first_death(properties)[0]), (b"poison", "delivery_limit"), "body, reason")


@test
def quorum_queue_survives_a_restart():
    ch = confirming()
    queue = queue_on(ch, durable=True, arguments=QUORUM)
    publish_all(ch, queue, [b"1", b"2"])
    method, _, _ = take(ch, queue, 1, auto_ack=False)[0]
    ch.basic_nack(method.delivery_tag, requeue=True)
    poll(lambda: message_count(ch, queue) == 2, "both are ready")
    restart_broker()
    again = confirming()
    poll(lambda: message_count(again, queue) == 2, "both are there")
    expect(sorted(bodies(take(again, queue, 2))), [b"1", b"2"], "bodies")


@test
def quorum_queue_must_be_durable_and_shared():
    for options, property_name in (
        ({"durable": False}, "non-durable"),
        ({"durable": True, "exclusive": True}, "exclusive-owner"),
        ({"durable": True, "auto_delete": True}, "auto-delete"),
    ):
        name = unique("quorum")
        expect_channel_error(
            406,
            "PRECONDITION_FAILED - invalid property '%s' for queue '%s' in vhost '/'"
            % (property_name, name),
            lambda: channel().queue_declare(name, arguments=QUORUM, **options),
        )


@test
def quorum_queue_has_no_global_prefetch():
    ch = channel()
    queue = queue_on(ch, durable=True, arguments=QUORUM)
    other = channel()
    other.basic_qos(prefetch_count=5, global_qos=True)
    try:
        other.basic_consume(queue, lambda *_: None)
    except pika.exceptions.ConnectionClosedByBroker as error:
        expect(
            (error.reply_code, error.reply_text),
            (540, "NOT_IMPLEMENTED - queue '%s' in vhost '/' does not support global qos" % queue),
            "connection.close",
        )
        return
    expect_true(False, "a quorum queue took a consumer with a global prefetch")
