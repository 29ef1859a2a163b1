# SPDX-License-Identifier: Apache-2.0
"""Consuming, acknowledging, prefetch, redelivery, cancellation, properties, RPC, transactions."""

import datetime
import decimal
import threading

import pika

from client import (
    bodies,
    channel,
    connect,
    expect_channel_error,
    expect_connection_error,
    message_count,
    parameters,
    publish_all,
    queue_on,
    take,
)
from interop_suite import BROKER, QUICK, expect, expect_true, poll, test


def settle(connection):
    """Runs the client's loop until nothing has come for a moment."""
    connection.process_data_events(time_limit=0.3)


def collector(ch, queue, **arguments):
    """A consumer that only gathers: the list of its (method, properties, body)."""
    got = []
    ch.basic_consume(queue, lambda _ch, *delivery: got.append(delivery), **arguments)
    return got


def wait_for(ch, got, count):
    poll(
        lambda: ch.connection.process_data_events(time_limit=0.02) or len(got) >= count,
        "%d deliveries" % count,
    )


@test
def publish_and_consume_in_order():
    ch = channel()
    queue = queue_on(ch)
    sent = [b"message %d" % n for n in range(1000 if QUICK else 5000)]
    publish_all(ch, queue, sent)
    taken = take(ch, queue, len(sent))
    expect(bodies(taken) == sent, True, "same bodies in the same order")
    expect([m.delivery_tag for m, _, _ in taken], list(range(1, len(sent) + 1)), "delivery tags")
    method = taken[0][0]
    expect((method.exchange, method.routing_key, method.redelivered), ("", queue, False), "method")


@test
def get_returns_message_count_and_get_empty():
    ch = channel()
    ch.confirm_delivery()
    queue = queue_on(ch)
    publish_all(ch, queue, [b"1", b"2", b"3"])
    left = []
    while True:
        method, _, body = ch.basic_get(queue, auto_ack=True)
        if method is None:
            break
        left.append((body, method.message_count))
    expect(left, [(b"1", 2), (b"2", 1), (b"3", 0)], "body, messages left")


@test
def prefetch_limits_unacked_per_consumer():
    ch = channel()
    queue = queue_on(ch)
    publish_all(ch, queue, [b"%d" % n for n in range(20)])
    ch.basic_qos(prefetch_count=3)
    got = collector(ch, queue)
    wait_for(ch, got, 3)
    settle(ch.connection)
    expect(len(got), 3, "deliveries before an ack")
    ch.basic_ack(got[0][0].delivery_tag)
    wait_for(ch, got, 4)
    settle(ch.connection)
    expect(len(got), 4, "deliveries after one ack")
    ch.basic_ack(got[3][0].delivery_tag, multiple=True)
    wait_for(ch, got, 7)
    settle(ch.connection)
    expect(len(got), 7, "deliveries after acking all")


@test
def global_prefetch_limits_the_channel():
    ch = channel()
    one, two = queue_on(ch), queue_on(ch)
    for queue in (one, two):
        publish_all(ch, queue, [b"%d" % n for n in range(10)])
    ch.basic_qos(prefetch_count=4, global_qos=True)
    got = collector(ch, one)
    more = collector(ch, two)
    poll(
        lambda: ch.connection.process_data_events(time_limit=0.02) or len(got) + len(more) >= 4,
        "4 deliveries",
    )
    settle(ch.connection)
    expect(len(got) + len(more), 4, "deliveries of both consumers together")
    ch.basic_qos(prefetch_count=6, global_qos=True)
    settle(ch.connection)
    expect(len(got) + len(more), 6, "deliveries after the limit was raised")


@test
def consumers_of_one_queue_share_in_turn():
    ch = channel()
    queue = queue_on(ch)
    ch.basic_qos(prefetch_count=10)
    lists = [collector(ch, queue) for _ in range(4)]
    publisher = channel()
    publisher.confirm_delivery()
    publish_all(publisher, queue, [b"%d" % n for n in range(20)])
    poll(
        lambda: ch.connection.process_data_events(time_limit=0.02) or sum(map(len, lists)) == 20,
        "all delivered",
    )
    expect([len(got) for got in lists], [5, 5, 5, 5], "deliveries of each")


@test
def consumer_priority():
    ch = channel()
    queue = queue_on(ch)
    ch.basic_qos(prefetch_count=2)
    low = collector(ch, queue, arguments={"x-priority": 1})
    high = collector(ch, queue, arguments={"x-priority": 9})
    publisher = channel()
    publisher.confirm_delivery()
    publish_all(publisher, queue, [b"1", b"2", b"3"])
    poll(
        lambda: ch.connection.process_data_events(time_limit=0.02) or len(low) + len(high) == 3,
        "all delivered",
    )
    expect((len(high), len(low)), (2, 1), "high until its prefetch is full, then low")


@test
def nack_with_requeue_redelivers_in_the_original_order():
    ch = channel()
    ch.confirm_delivery()
    queue = queue_on(ch)
    sent = [b"%d" % n for n in range(5)]
    publish_all(ch, queue, sent)
    taken = take_unacked(ch, queue, 3)
    ch.basic_nack(taken[-1][0].delivery_tag, multiple=True, requeue=True)
    again = take(ch, queue, 5)
    expect(bodies(again), sent, "bodies")
    expect([m.redelivered for m, _, _ in again], [True] * 3 + [False] * 2, "redelivered")


def take_unacked(ch, queue, count):
    taken = [ch.basic_get(queue) for _ in range(count)]
    expect_true(all(method for method, _, _ in taken), "%d messages" % count)
    return taken


@test
def reject_without_requeue_drops():
    ch = channel()
    ch.confirm_delivery()
    queue = queue_on(ch)
    publish_all(ch, queue, [b"drop", b"keep"])
    ch.basic_reject(take_unacked(ch, queue, 1)[0][0].delivery_tag, requeue=False)
    expect(bodies(take(ch, queue, 1)), [b"keep"], "bodies")
    expect(message_count(ch, queue), 0, "messages left")


@test
def reject_with_requeue_comes_back():
    ch = channel()
    queue = queue_on(ch)
    ch.basic_publish("", queue, b"x")
    ch.basic_reject(take_unacked(ch, queue, 1)[0][0].delivery_tag, requeue=True)
    method, _, body = take(ch, queue, 1)[0]
    expect((body, method.redelivered), (b"x", True), "body, redelivered")


@test
def recover_redelivers_what_is_unacked():
    ch = channel()
    queue = queue_on(ch)
    publish_all(ch, queue, [b"1", b"2"])
    take_unacked(ch, queue, 2)
    ch.basic_recover(requeue=True)
    again = take(ch, queue, 2)
    expect(bodies(again), [b"1", b"2"], "bodies")
    expect([m.redelivered for m, _, _ in again], [True, True], "redelivered")


@test
def closing_the_channel_requeues():
    connection = connect()
    ch = connection.channel()
    queue = queue_on(ch)
    ch.basic_publish("", queue, b"x")
    take_unacked(ch, queue, 1)
    ch.close()
    method, _, body = take(connection.channel(), queue, 1)[0]
    expect((body, method.redelivered), (b"x", True), "body, redelivered")


@test
def double_ack_is_406():
    ch = channel()
    queue = queue_on(ch)
    ch.basic_publish("", queue, b"x")
    tag = take_unacked(ch, queue, 1)[0][0].delivery_tag
    ch.basic_ack(tag)

    def again():
        ch.basic_ack(tag)
        message_count(ch, queue)

    expect_channel_error(406, "PRECONDITION_FAILED - unknown delivery tag %d" % tag, again)


@test
def ack_of_an_unknown_tag_is_406():
    ch = channel()

    def unknown():
        ch.basic_nack(77, multiple=True)
        ch.queue_declare("", exclusive=True)

    expect_channel_error(406, "PRECONDITION_FAILED - unknown delivery tag 77", unknown)


@test
def cancelled_consumer_gets_nothing_more():
    ch = channel()
    queue = queue_on(ch)
    got = []
    tag = ch.basic_consume(queue, lambda _ch, *delivery: got.append(delivery))
    ch.basic_publish("", queue, b"1")
    wait_for(ch, got, 1)
    ch.basic_cancel(tag)
    ch.basic_publish("", queue, b"2")
    settle(ch.connection)
    expect(len(got), 1, "deliveries")
    ch.basic_ack(got[0][0].delivery_tag)
    expect(bodies(take(ch, queue, 1)), [b"2"], "what is left")


@test
def consumer_is_told_when_its_queue_is_deleted():
    ch = channel()
    queue = queue_on(ch)
    cancelled = []
    ch.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
    tag = ch.basic_consume(queue, lambda *_: None)
    channel().queue_delete(queue)
    wait_for(ch, cancelled, 1)
    expect(cancelled, [tag], "cancelled consumers")
    ch.queue_declare("", exclusive=True)  # the channel lives on


# --- content -----------------------------------------------------------------------------------


@test
def all_properties_round_trip():
    ch = channel()
    queue = queue_on(ch)
    wanted = dict(
        content_type="application/json",
        content_encoding="gzip",
        headers={"k": "v"},
        delivery_mode=2,
        priority=7,
        correlation_id="correlation",
        reply_to="reply",
        expiration="600000",
        message_id="id",
        timestamp=1700000000,
        type="kind",
        user_id=BROKER.user,
        app_id="application",
        cluster_id="cluster",
    )
    ch.basic_publish("", queue, b"x", pika.BasicProperties(**wanted))
    _, properties, _ = take(ch, queue, 1)[0]
    expect({k: getattr(properties, k) for k in wanted}, wanted, "properties")


@test
def absent_and_empty_properties_stay_so():
    ch = channel()
    queue = queue_on(ch)
    ch.basic_publish("", queue, b"", pika.BasicProperties())
    ch.basic_publish("", queue, b"", pika.BasicProperties(content_type="", headers={}))
    first, second = (properties for _, properties, _ in take(ch, queue, 2))
    expect((first.content_type, first.headers, first.delivery_mode), (None,) * 3, "absent")
    expect((second.content_type, second.headers), ("", {}), "empty")


@test
def header_types_round_trip():
    ch = channel()
    queue = queue_on(ch)
    headers = {
        "bool": True,
        "int": -(2**31),
        "long": 2**62,
        "negative long": -(2**63),
        "decimal": decimal.Decimal("3.14159"),
        "string": "text \u20ac \U0001f407",
        "empty": "",
        "bytes": b"\x00\xff\xfe",
        "time": datetime.datetime(2024, 2, 29, 12, 30, 1, tzinfo=datetime.timezone.utc),
        "void": None,
        "array": [1, "two", [3, [4, None]], {"five": 5}],
        "table": {"a": {"b": {"c": [True, False]}}},
        "": "a name without letters",
        "long name " + "x" * 240: 1,
    }
    ch.basic_publish("", queue, b"x", pika.BasicProperties(headers=headers))
    expect(take(ch, queue, 1)[0][1].headers, headers, "headers")


@test
def large_header_table_round_trips():
    ch = channel()
    queue = queue_on(ch)
    headers = {"key-%05d" % n: "value-%d" % n for n in range(2000)}
    ch.basic_publish("", queue, b"x", pika.BasicProperties(headers=headers))
    expect(take(ch, queue, 1)[0][1].headers == headers, True, "2000 headers")


@test
def empty_body():
    ch = channel()
    queue = queue_on(ch)
    publish_all(ch, queue, [b"", b"x", b""])
    expect(bodies(take(ch, queue, 3)), [b"", b"x", b""], "bodies")


@test
def bodies_around_the_frame_size():
    ch = channel()
    queue = queue_on(ch)
    ch.confirm_delivery()
    limit = 131072 - 8
    sizes = [1, limit - 1, limit, limit + 1, 2 * limit, 2 * limit + 1]
    for size in sizes:
        ch.basic_publish("", queue, b"%x" % (size % 16) * size)
    expect([len(body) for body in bodies(take(ch, queue, len(sizes)))], sizes, "sizes")


@test
def message_of_several_megabytes():
    ch = channel()
    ch.confirm_delivery()
    queue = queue_on(ch, durable=True)
    body = bytes(range(253)) * (20000 if QUICK else 60000)
    persistent = pika.BasicProperties(delivery_mode=2)
    ch.basic_publish("", queue, body, persistent)
    ch.basic_publish("", queue, b"after", persistent)
    taken = bodies(take(ch, queue, 2))
    expect((taken[0] == body, taken[1]), (True, b"after"), "the large one, the one after")


# --- patterns ----------------------------------------------------------------------------------


def serve(queue, stop):
    """An RPC server with a connection of its own, until stop is set."""
    connection = pika.BlockingConnection(parameters())
    ch = connection.channel()
    ch.basic_qos(prefetch_count=1)

    def on_request(_ch, method, properties, body):
        reply = pika.BasicProperties(correlation_id=properties.correlation_id)
        ch.basic_publish("", properties.reply_to, b"%d" % (int(body) ** 2), reply)
        ch.basic_ack(method.delivery_tag)

    ch.basic_consume(queue, on_request)
    while not stop.is_set():
        connection.process_data_events(time_limit=0.05)
    connection.close()


@test
def rpc_with_reply_queue_and_correlation_id():
    ch = channel()
    requests = queue_on(ch)
    replies = ch.queue_declare("", exclusive=True).method.queue
    stop = threading.Event()
    servers = [threading.Thread(target=serve, args=(requests, stop)) for _ in range(2)]
    for server in servers:
        server.start()
    try:
        for number in range(50):
            properties = pika.BasicProperties(reply_to=replies, correlation_id=str(number))
            ch.basic_publish("", requests, b"%d" % number, properties)
        answers = {p.correlation_id: int(body) for _, p, body in take(ch, replies, 50)}
    finally:
        stop.set()
        for server in servers:
            server.join()
    expect(answers, {str(n): n * n for n in range(50)}, "answers by correlation id")


@test
def work_queue_with_slow_and_fast_worker():
    ch = channel()
    queue = queue_on(ch)
    sent = [b"%d" % n for n in range(40)]
    slow, fast = channel(), channel()
    slow.basic_qos(prefetch_count=1)
    fast.basic_qos(prefetch_count=1)
    held = collector(slow, queue)
    done = []

    def work(_ch, method, _properties, body):
        done.append(body)
        fast.basic_ack(method.delivery_tag)

    fast.basic_consume(queue, work)
    publish_all(ch, queue, sent)
    wait_for(slow, held, 1)
    wait_for(fast, done, 39)
    slow.connection.close()
    wait_for(fast, done, 40)
    expect(sorted(done, key=int), sent, "every message exactly once")


# --- transactions ------------------------------------------------------------------------------


@test
def transaction_commit_publishes():
    ch, watcher = channel(), channel()
    queue = queue_on(ch)
    ch.tx_select()
    publish_all(ch, queue, [b"1", b"2"])
    expect(message_count(watcher, queue), 0, "messages before the commit")
    ch.tx_commit()
    poll(lambda: message_count(watcher, queue) == 2, "both messages after the commit")


@test
def transaction_rollback_discards():
    ch = channel()
    queue = queue_on(ch)
    ch.tx_select()
    publish_all(ch, queue, [b"discarded"])
    ch.tx_rollback()
    publish_all(ch, queue, [b"kept"])
    ch.tx_commit()
    expect(bodies(take_unacked(ch, queue, 1)), [b"kept"], "bodies")


@test
def transaction_covers_acks():
    connection = connect()
    setup = connection.channel()
    queue = queue_on(setup)
    setup.confirm_delivery()
    publish_all(setup, queue, [b"x"])
    ch = connection.channel()
    ch.tx_select()
    ch.basic_ack(take_unacked(ch, queue, 1)[0][0].delivery_tag)
    ch.tx_rollback()
    ch.close()
    ch = connection.channel()
    ch.tx_select()
    taken = take_unacked(ch, queue, 1)
    expect(taken[0][0].redelivered, True, "redelivered after the rollback")
    ch.basic_ack(taken[0][0].delivery_tag)
    ch.tx_commit()
    ch.close()
    expect(message_count(setup, queue), 0, "messages after the commit")


@test
def commit_without_a_transaction_is_406():
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - channel is not transactional",
        lambda: _commit(channel()),
    )


def _commit(ch):
    ch._impl._send_method(pika.spec.Tx.Commit())
    ch.queue_declare("", exclusive=True)


@test
def confirm_on_a_transactional_channel_is_406():
    ch = channel()
    ch.tx_select()
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - cannot switch from tx to confirm mode",
        ch.confirm_delivery,
    )


@test
def unimplemented_requests_close_the_connection():
    expect_connection_error(
        540,
        "NOT_IMPLEMENTED - prefetch_size!=0 (10)",
        lambda: channel().basic_qos(prefetch_size=10),
    )
    expect_connection_error(
        540, "NOT_IMPLEMENTED - active=false", lambda: channel().flow(False)
    )
    expect_connection_error(
        540, "NOT_IMPLEMENTED - requeue=false", lambda: channel().basic_recover(requeue=False)
    )
