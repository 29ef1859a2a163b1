# SPDX-License-Identifier: Apache-2.0
"""Queues, exchanges and bindings: their life and what they route."""

import pika

from client import (
    bodies,
    channel,
    connect,
    exchange_on,
    expect_channel_error,
    expect_connection_error,
    is_there,
    message_count,
    publish_all,
    queue_on,
    take,
)
from interop_suite import expect, expect_true, poll, test, unique


def routed(ch, exchange, queues, messages):
    """Publishes (key, headers) pairs; for each queue the numbers of those that it got."""
    ch.confirm_delivery()
    for number, (key, headers) in enumerate(messages):
        properties = pika.BasicProperties(headers=headers)
        ch.basic_publish(exchange, key, b"%d" % number, properties)
    got = []
    for queue in queues:
        count = message_count(ch, queue)
        got.append([int(body) for body in bodies(take(ch, queue, count))] if count else [])
    return got


@test
def server_named_queue():
    ch = channel()
    name = ch.queue_declare("", exclusive=True).method.queue
    expect(name[:8], "amq.gen-", "prefix of " + name)
    expect(len(name), 30, "length of " + name)
    expect_true(ch.queue_declare("", exclusive=True).method.queue != name, "another name each time")
    ch.queue_bind("", "amq.fanout")  # the last declared queue
    ch.queue_bind(name, "amq.direct", routing_key=name)
    ch.basic_publish("amq.direct", name, b"x")
    expect(bodies(take(ch, name, 1)), [b"x"], "bodies")


@test
def declare_reports_messages_and_consumers():
    ch = channel()
    queue = queue_on(ch)
    ch.confirm_delivery()
    publish_all(ch, queue, [b"1", b"2", b"3"])
    other = channel()
    other.basic_qos(prefetch_count=1)
    other.basic_consume(queue, lambda *_: None)
    poll(lambda: message_count(ch, queue) == 2, "one of three is delivered")
    ok = ch.queue_declare(queue, passive=True).method
    expect((ok.message_count, ok.consumer_count), (2, 1), "messages, consumers")


@test
def exclusive_queue_vanishes_with_its_connection():
    owner = connect()
    queue = queue_on(owner.channel(), exclusive=True, durable=True)
    owner.close()
    poll(lambda: not is_there(queue), "the queue is gone")


@test
def auto_delete_queue_vanishes_after_its_last_consumer():
    ch = channel()
    queue = queue_on(ch, auto_delete=True)
    first = ch.basic_consume(queue, lambda *_: None)
    second = ch.basic_consume(queue, lambda *_: None)
    ch.basic_cancel(first)
    expect_true(is_there(queue), "there with one consumer left")
    ch.basic_cancel(second)
    poll(lambda: not is_there(queue), "gone after the last consumer")


@test
def auto_delete_queue_without_consumer_stays():
    ch = channel()
    queue = queue_on(ch, auto_delete=True)
    ch.basic_publish("", queue, b"x")
    expect(bodies(take_by_get(ch, queue)), [b"x"], "by basic.get")
    expect_true(is_there(queue), "basic.get is no consumer")


def take_by_get(ch, queue):
    method, properties, body = ch.basic_get(queue, auto_ack=True)
    return [(method, properties, body)] if method else []


@test
def auto_delete_exchange_vanishes_after_its_last_binding():
    ch = channel()
    exchange = exchange_on(ch, "direct", auto_delete=True)
    queue = queue_on(ch, exclusive=True)
    ch.queue_bind(queue, exchange, "a")
    ch.queue_unbind(queue, exchange, "a")
    expect_channel_error(
        404,
        "NOT_FOUND - no exchange '%s' in vhost '/'" % exchange,
        lambda: ch.exchange_declare(exchange, "direct", passive=True),
    )


@test
def purge_counts_and_leaves_unacked():
    ch = channel()
    ch.confirm_delivery()
    queue = queue_on(ch)
    publish_all(ch, queue, [b"%d" % n for n in range(10)])
    method, _, _ = ch.basic_get(queue)
    expect(ch.queue_purge(queue).method.message_count, 9, "purged")
    ch.basic_nack(method.delivery_tag)
    expect(bodies(take(ch, queue, 1)), [b"0"], "the unacked one came back")


@test
def delete_counts_and_missing_queue_is_no_error():
    ch = channel()
    ch.confirm_delivery()
    queue = queue_on(ch)
    publish_all(ch, queue, [b"1", b"2"])
    expect(ch.queue_delete(queue).method.message_count, 2, "deleted messages")
    expect(ch.queue_delete(queue).method.message_count, 0, "deleted again")


@test
def delete_if_empty_and_if_unused():
    ch = channel()
    ch.confirm_delivery()
    queue = queue_on(ch)
    ch.basic_publish("", queue, b"x")
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - queue '%s' in vhost '/' not empty" % queue,
        lambda: ch.queue_delete(queue, if_empty=True),
    )
    ch = channel()
    ch.queue_purge(queue)
    ch.basic_consume(queue, lambda *_: None)
    other = channel()
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - queue '%s' in vhost '/' in use" % queue,
        lambda: other.queue_delete(queue, if_unused=True),
    )
    expect_true(is_there(queue), "still there")


# --- routing -----------------------------------------------------------------------------------


@test
def direct_exchange_routes_by_key():
    ch = channel()
    exchange = exchange_on(ch, "direct")
    one, two = queue_on(ch), queue_on(ch)
    ch.queue_bind(one, exchange, "a")
    ch.queue_bind(two, exchange, "a")
    ch.queue_bind(two, exchange, "b")
    got = routed(ch, exchange, [one, two], [("a", None), ("b", None), ("c", None)])
    expect(got, [[0], [0, 1]], "routed")


@test
def fanout_exchange_routes_to_all():
    ch = channel()
    exchange = exchange_on(ch, "fanout")
    queues = [queue_on(ch) for _ in range(5)]
    for number, queue in enumerate(queues):
        ch.queue_bind(queue, exchange, "ignored-%d" % number)
    expect(routed(ch, exchange, queues, [("x", None), ("", None)]), [[0, 1]] * 5, "routed")


@test
def topic_exchange_routes_by_pattern():
    ch = channel()
    exchange = exchange_on(ch, "topic")
    patterns = {
        "*.orange.*": [0, 1],
        "*.*.rabbit": [0],
        "lazy.#": [1, 2, 3, 4],
        "#": [0, 1, 2, 3, 4, 5, 6],
        "#.orange": [5],
        "lazy.#.end": [3],
        "*": [2, 5],
        "": [6],
    }
    queues = [queue_on(ch) for _ in patterns]
    for queue, pattern in zip(queues, patterns):
        ch.queue_bind(queue, exchange, pattern)
    keys = ["quick.orange.rabbit", "lazy.orange.fox", "lazy", "lazy.a.b.end", "lazy.", "orange", ""]
    got = routed(ch, exchange, queues, [(key, None) for key in keys])
    expect(dict(zip(patterns, got)), patterns, "routed")


@test
def topic_exchange_delivers_once_for_several_bindings():
    ch = channel()
    exchange = exchange_on(ch, "topic")
    queue = queue_on(ch)
    for pattern in ("a.*", "a.#", "*.b", "#"):
        ch.queue_bind(queue, exchange, pattern)
    expect(routed(ch, exchange, [queue], [("a.b", None)]), [[0]], "routed")
    ch.queue_unbind(queue, exchange, "a.*")
    ch.queue_unbind(queue, exchange, "#")
    expect(routed(ch, exchange, [queue], [("a.b", None), ("c", None)]), [[0]], "after unbinding")


@test
def headers_exchange_routes_by_headers():
    ch = channel()
    exchange = exchange_on(ch, "headers")
    bindings = {
        "all": {"x-match": "all", "format": "pdf", "pages": 3},
        "any": {"x-match": "any", "format": "pdf", "pages": 3},
        "default": {"format": "zip"},
        "presence": {"x-match": "all", "urgent": None},
        "x-": {"x-match": "all", "x-kind": "ignored", "format": "txt"},
        "empty": {},
    }
    queues = [queue_on(ch) for _ in bindings]
    for queue, arguments in zip(queues, bindings.values()):
        ch.queue_bind(queue, exchange, arguments=arguments)
    messages = [
        {"format": "pdf", "pages": 3},
        {"format": "pdf", "pages": 4},
        {"format": "zip", "urgent": True},
        {"format": "txt"},
        None,
    ]
    got = routed(ch, exchange, queues, [("", headers) for headers in messages])
    wanted = {
        "all": [0],
        "any": [0, 1],
        "default": [2],
        "presence": [2],
        "x-": [3],
        "empty": [0, 1, 2, 3, 4],
    }
    expect(dict(zip(bindings, got)), wanted, "routed")


@test
def default_exchange_routes_to_the_queue_of_that_name():
    ch = channel()
    queue = queue_on(ch)
    expect(routed(ch, "", [queue], [(queue, None)]), [[0]], "routed")


@test
def exchange_to_exchange_bindings():
    ch = channel()
    source, middle, sink = (exchange_on(ch, kind) for kind in ("topic", "fanout", "direct"))
    queue, other = queue_on(ch), queue_on(ch)
    ch.exchange_bind(middle, source, "a.#")
    ch.exchange_bind(sink, middle)
    ch.queue_bind(queue, sink, "a.b")
    ch.queue_bind(other, middle)
    messages = [("a.b", None), ("a.c", None), ("b", None)]
    expect(routed(ch, source, [queue, other], messages), [[0], [0, 1]], "routed")
    ch.exchange_unbind(middle, source, "a.#")
    expect(routed(ch, source, [queue, other], messages), [[], []], "after unbinding")


@test
def cycle_of_exchanges_delivers_once():
    ch = channel()
    one, two = exchange_on(ch, "fanout"), exchange_on(ch, "fanout")
    queue = queue_on(ch)
    ch.exchange_bind(one, two)
    ch.exchange_bind(two, one)
    ch.queue_bind(queue, two)
    expect(routed(ch, one, [queue], [("", None)]), [[0]], "routed")


@test
def alternate_exchange_takes_what_is_not_routed():
    ch = channel()
    alternate = exchange_on(ch, "fanout")
    exchange = exchange_on(ch, "direct", arguments={"alternate-exchange": alternate})
    queue, rest = queue_on(ch), queue_on(ch)
    ch.queue_bind(queue, exchange, "a")
    ch.queue_bind(rest, alternate)
    expect(routed(ch, exchange, [queue, rest], [("a", None), ("b", None)]), [[0], [1]], "routed")


@test
def internal_exchange_takes_messages_from_exchanges_only():
    ch = channel()
    source = exchange_on(ch, "fanout")
    internal = exchange_on(ch, "fanout", internal=True)
    queue = queue_on(ch)
    ch.exchange_bind(internal, source)
    ch.queue_bind(queue, internal)
    expect(routed(ch, source, [queue], [("", None)]), [[0]], "routed")
    other = channel()
    other.confirm_delivery()
    expect_channel_error(
        403,
        "ACCESS_REFUSED - cannot publish to internal exchange '%s' in vhost '/'" % internal,
        lambda: other.basic_publish(internal, "", b"x"),
    )


@test
def sender_selected_distribution():
    ch = channel()
    one, two, three = queue_on(ch), queue_on(ch), queue_on(ch)
    ch.confirm_delivery()
    headers = {"CC": [two], "BCC": [three]}
    ch.basic_publish("", one, b"x", pika.BasicProperties(headers=headers))
    for queue in (one, two, three):
        _, properties, body = take(ch, queue, 1)[0]
        expect(body, b"x", "body")
        expect(properties.headers, {"CC": [two]}, "BCC is removed")


@test
def predeclared_exchanges():
    ch = channel()
    for name, kind in {
        "amq.direct": "direct",
        "amq.fanout": "fanout",
        "amq.topic": "topic",
        "amq.headers": "headers",
        "amq.match": "headers",
    }.items():
        ch.exchange_declare(name, kind, durable=True)
    ch.exchange_declare("amq.rabbitmq.trace", passive=True)


# --- errors ------------------------------------------------------------------------------------


@test
def passive_declare_of_missing_things_is_404():
    queue, exchange = unique("missing"), unique("missing")
    expect_channel_error(
        404,
        "NOT_FOUND - no queue '%s' in vhost '/'" % queue,
        lambda: channel().queue_declare(queue, passive=True),
    )
    expect_channel_error(
        404,
        "NOT_FOUND - no exchange '%s' in vhost '/'" % exchange,
        lambda: channel().exchange_declare(exchange, passive=True),
    )


@test
def operations_on_missing_things_are_404():
    queue, exchange = unique("missing"), unique("missing")
    no_queue = "NOT_FOUND - no queue '%s' in vhost '/'" % queue
    no_exchange = "NOT_FOUND - no exchange '%s' in vhost '/'" % exchange
    expect_channel_error(404, no_queue, lambda: channel().basic_get(queue))
    expect_channel_error(404, no_queue, lambda: channel().basic_consume(queue, lambda *_: None))
    expect_channel_error(404, no_queue, lambda: channel().queue_purge(queue))
    expect_channel_error(404, no_queue, lambda: channel().queue_bind(queue, "amq.direct", "a"))
    ch = channel()
    own = queue_on(ch, exclusive=True)
    expect_channel_error(404, no_exchange, lambda: ch.queue_bind(own, exchange, "a"))
    expect_channel_error(
        404, no_exchange, lambda: channel().exchange_bind(exchange, "amq.direct", "a")
    )


@test
def inequivalent_declare_of_a_queue_is_406():
    ch = channel()
    queue = queue_on(ch, durable=True)
    ch.queue_declare(queue, durable=True)
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '%s' in vhost '/':"
        " received 'false' but current is 'true'" % queue,
        lambda: ch.queue_declare(queue, durable=False),
    )
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue '%s' in vhost '/':"
        " received 'true' but current is 'false'" % queue,
        lambda: channel().queue_declare(queue, durable=True, auto_delete=True),
    )


@test
def inequivalent_declare_of_an_exchange_is_406():
    ch = channel()
    exchange = exchange_on(ch, "direct")
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '%s' in vhost '/':"
        " received 'fanout' but current is 'direct'" % exchange,
        lambda: ch.exchange_declare(exchange, "fanout"),
    )


@test
def exclusive_queue_is_locked_for_others():
    queue = queue_on(channel(), exclusive=True)
    text = (
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '%s' in vhost '/'. It"
        " could be originally declared on another connection or the exclusive property value does"
        " not match that of the original declaration." % queue
    )
    if len(text) > 255:
        text = text[:252] + "..."
    expect_channel_error(405, text, lambda: channel().queue_declare(queue, exclusive=True))
    expect_channel_error(405, text, lambda: channel().queue_declare(queue, passive=True))
    expect_channel_error(405, text, lambda: channel().basic_get(queue))
    expect_channel_error(405, text, lambda: channel().queue_delete(queue))


@test
def reserved_names_are_403():
    expect_channel_error(
        403,
        "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
        lambda: channel().queue_declare("amq.mine"),
    )
    expect_channel_error(
        403,
        "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
        lambda: channel().exchange_declare("amq.mine", "direct"),
    )
    expect_channel_error(
        403,
        "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed",
        lambda: channel().exchange_delete("amq.topic"),
    )


@test
def default_exchange_cannot_be_changed():
    text = "ACCESS_REFUSED - operation not permitted on the default exchange"
    ch = channel()
    queue = queue_on(ch, exclusive=True)
    expect_channel_error(403, text, lambda: ch.queue_bind(queue, "", "key"))
    expect_channel_error(403, text, lambda: channel().exchange_delete(""))


@test
def exchange_delete_if_unused_is_406_while_bound():
    ch = channel()
    exchange = exchange_on(ch, "direct")
    queue = queue_on(ch)
    ch.queue_bind(queue, exchange, "a")
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - exchange '%s' in vhost '/' in use" % exchange,
        lambda: ch.exchange_delete(exchange, if_unused=True),
    )


@test
def channel_error_leaves_connection_and_other_channels():
    connection = connect()
    good, bad = connection.channel(), connection.channel()
    queue = queue_on(good, exclusive=True)
    missing = unique("missing")
    expect_channel_error(
        404,
        "NOT_FOUND - no queue '%s' in vhost '/'" % missing,
        lambda: bad.queue_declare(missing, passive=True),
    )
    good.basic_publish("", queue, b"x")
    expect(bodies(take(good, queue, 1)), [b"x"], "bodies")
    expect(connection.channel().channel_number, bad.channel_number, "the number is free again")


@test
def exclusive_consumer_is_alone():
    ch = channel()
    queue = queue_on(ch)
    ch.basic_consume(queue, lambda *_: None, exclusive=True)
    expect_channel_error(
        403,
        "ACCESS_REFUSED - queue '%s' in vhost '/' in exclusive use" % queue,
        lambda: channel().basic_consume(queue, lambda *_: None),
    )


@test
def consumer_tag_used_twice_closes_the_connection():
    connection = connect()
    ch = connection.channel()
    queue = queue_on(ch)
    tag = ch.basic_consume(queue, lambda *_: None)
    # The blocking adapter checks the tag itself; the raw method goes past it.
    ch._impl._send_method(pika.spec.Basic.Consume(queue=queue, consumer_tag=tag))
    expect_connection_error(
        530,
        "NOT_ALLOWED - attempt to reuse consumer tag '%s'" % tag,
        lambda: ch.queue_declare(queue, passive=True),
    )
