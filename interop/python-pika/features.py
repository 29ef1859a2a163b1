# SPDX-License-Identifier: Apache-2.0
"""What a queue's arguments make of its messages: time to live, limits, dead letters,
priorities, single active consumers, quorum queues."""

import pika

from client import (
    bodies,
    channel,
    exchange_on,
    expect_channel_error,
    is_there,
    message_count,
    publish_all,
    queue_on,
    take,
)
from delivery import collector, wait_for
from interop_suite import expect, expect_true, poll, test, unique


def with_dead_letters(ch, arguments=(), **options):
    """(queue, queue of its dead letters, their exchange)"""
    exchange = exchange_on(ch, "fanout", durable=True)
    dead = queue_on(ch, "dead", durable=True)
    ch.queue_bind(dead, exchange)
    arguments = dict(arguments, **{"x-dead-letter-exchange": exchange})
    return queue_on(ch, durable=True, arguments=arguments, **options), dead, exchange


def confirming():
    ch = channel()
    ch.confirm_delivery()
    return ch


def deaths(properties):
    """x-death without its times, which must be there."""
    found = [dict(death) for death in properties.headers["x-death"]]
    for death in found:
        expect_true(death.pop("time").year >= 2024, "the time of a death")
    return found


def first_death(properties):
    return [properties.headers["x-first-death-" + name] for name in ("reason", "queue", "exchange")]


# --- time to live and dead letters -------------------------------------------------------------


@test
def expired_messages_of_a_queue_are_dead_lettered():
    ch = confirming()
    queue, dead, _ = with_dead_letters(ch, {"x-message-ttl": 100})
    publish_all(ch, queue, [b"1", b"2"])
    taken = take(ch, dead, 2)
    expect(bodies(taken), [b"1", b"2"], "bodies")
    method, properties, _ = taken[0]
    expect((method.routing_key, method.redelivered), (queue, False), "routing key, redelivered")
    death = {
        "count": 1,
        "reason": "expired",
        "queue": queue,
        "exchange": "",
        "routing-keys": [queue],
    }
    expect(deaths(properties), [death], "x-death")
    expect(first_death(properties), ["expired", queue, ""], "x-first-death-*")
    expect(message_count(ch, queue), 0, "messages left")


@test
def expiration_of_a_message_is_taken_off_and_told():
    ch = confirming()
    queue, dead, _ = with_dead_letters(ch)
    properties = pika.BasicProperties(expiration="80", delivery_mode=2, headers={"mine": 1})
    ch.basic_publish("", queue, b"x", properties)
    _, properties, _ = take(ch, dead, 1)[0]
    expect(properties.expiration, None, "expiration")
    expect(deaths(properties)[0]["original-expiration"], "80", "original-expiration")
    expect((properties.headers["mine"], properties.delivery_mode), (1, 2), "the rest")


@test
def message_that_waits_behind_a_longer_one():
    ch = confirming()
    queue = queue_on(ch)
    ch.basic_publish("", queue, b"short", pika.BasicProperties(expiration="1"))
    ch.basic_publish("", queue, b"long", pika.BasicProperties(expiration="60000"))
    poll(lambda: message_count(ch, queue) == 1, "the short one has expired")
    expect(bodies(take(ch, queue, 1)), [b"long"], "what is left")


@test
def rejected_messages_get_the_dead_letter_routing_key():
    ch = confirming()
    exchange = exchange_on(ch, "direct")
    dead = queue_on(ch, "dead")
    ch.queue_bind(dead, exchange, "buried")
    arguments = {"x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": "buried"}
    queue = queue_on(ch, arguments=arguments)
    source = exchange_on(ch, "topic")
    ch.queue_bind(queue, source, "a.*")
    headers = pika.BasicProperties(headers={"CC": ["a.cc"], "n": 1})
    ch.basic_publish(source, "a.b", b"x", headers)
    for _ in range(2):  # once for the key and once for CC would be twice: it is one queue
        method, _, _ = ch.basic_get(queue)
        if method:
            ch.basic_reject(method.delivery_tag, requeue=False)
    method, properties, _ = take(ch, dead, 1)[0]
    expect((method.exchange, method.routing_key), (exchange, "buried"), "exchange, routing key")
    expect(
        deaths(properties),
        [
            {
                "count": 1,
                "reason": "rejected",
                "queue": queue,
                "exchange": source,
                "routing-keys": ["a.b", "a.cc"],
            }
        ],
        "x-death",
    )
    expect("CC" in properties.headers, False, "CC, once the routing key is replaced")


@test
def retry_by_two_queues_counts_its_deaths():
    """The usual way to retry later: a work queue, and a queue whose messages expire back into it."""
    ch = confirming()
    work, later = unique("work"), unique("later")
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": work, "x-message-ttl": 50}
    ch.queue_declare(later, exclusive=True, arguments=back)
    out = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": later}
    ch.queue_declare(work, exclusive=True, arguments=out)
    ch.basic_publish("", work, b"x", pika.BasicProperties(headers={"n": 1}))
    seen = []
    while len(seen) < 4:
        method, properties, _ = take(ch, work, 1, auto_ack=False)[0]
        deaths_here = properties.headers.get("x-death", [])
        seen.append([(d["queue"], d["reason"], d["count"]) for d in deaths_here])
        ch.basic_reject(method.delivery_tag, requeue=False)
    wanted = [[]] + [[(later, "expired", n), (work, "rejected", n)] for n in (1, 2, 3)]
    expect(seen, wanted, "deaths at each try")


@test
def cycle_without_a_rejection_drops_the_message():
    ch = confirming()
    name = unique("cycle")
    arguments = {
        "x-message-ttl": 20,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": name,
    }
    ch.queue_declare(name, exclusive=True, arguments=arguments)
    ch.basic_publish("", name, b"round and round")
    poll(lambda: message_count(ch, name) == 0, "dropped by the rule against cycles")


# --- limits ------------------------------------------------------------------------------------


@test
def max_length_drops_the_oldest():
    ch = confirming()
    queue, dead, _ = with_dead_letters(ch, {"x-max-length": 3})
    publish_all(ch, queue, [b"%d" % n for n in range(5)])
    expect(bodies(take(ch, queue, 3)), [b"2", b"3", b"4"], "what is left")
    taken = take(ch, dead, 2)
    expect(bodies(taken), [b"0", b"1"], "dead letters")
    expect(first_death(taken[0][1]), ["maxlen", queue, ""], "x-first-death-*")


@test
def max_length_bytes_drops_the_oldest():
    ch = confirming()
    queue = queue_on(ch, arguments={"x-max-length-bytes": 100})
    publish_all(ch, queue, [b"%d" % n * 40 for n in range(5)])
    expect([body[:1] for body in bodies(take(ch, queue, 2))], [b"3", b"4"], "what is left")


@test
def full_queue_rejects_publishes():
    ch = confirming()
    arguments = {"x-max-length": 2, "x-overflow": "reject-publish"}
    queue = queue_on(ch, arguments=arguments)
    publish_all(ch, queue, [b"1", b"2"])
    refused = 0
    for _ in range(2):
        try:
            ch.basic_publish("", queue, b"too many")
        except pika.exceptions.NackError:
            refused += 1
    expect(refused, 2, "nacks")
    expect(ch.basic_get(queue, auto_ack=True)[2], b"1", "the oldest")
    ch.basic_publish("", queue, b"3")
    expect(bodies(take(ch, queue, 2)), [b"2", b"3"], "what is left")


@test
def full_queue_rejects_to_its_dead_letters():
    ch = confirming()
    limits = {"x-max-length": 1, "x-overflow": "reject-publish-dlx"}
    queue, dead, _ = with_dead_letters(ch, limits)
    ch.basic_publish("", queue, b"1")
    try:
        ch.basic_publish("", queue, b"2")
        expect_true(False, "the publish into a full queue was acked")
    except pika.exceptions.NackError:
        pass
    taken = take(ch, dead, 1)
    expect((taken[0][2], first_death(taken[0][1])[0]), (b"2", "maxlen"), "body, reason")
    expect(bodies(take(ch, queue, 1)), [b"1"], "what is left")


# --- priorities --------------------------------------------------------------------------------


@test
def priorities_come_first():
    ch = confirming()
    queue = queue_on(ch, arguments={"x-max-priority": 5})
    for body, priority in ((b"a", 0), (b"b", 5), (b"c", 3), (b"d", 5), (b"e", None), (b"f", 200)):
        ch.basic_publish("", queue, body, pika.BasicProperties(priority=priority))
    expect(bodies(take(ch, queue, 6)), [b"b", b"d", b"f", b"c", b"a", b"e"], "in this order")


@test
def requeued_priority_keeps_its_place():
    ch = confirming()
    queue = queue_on(ch, arguments={"x-max-priority": 2})
    for body, priority in ((b"a", 1), (b"b", 2), (b"c", 2)):
        ch.basic_publish("", queue, body, pika.BasicProperties(priority=priority))
    method, _, body = ch.basic_get(queue)
    expect(body, b"b", "first")
    ch.basic_nack(method.delivery_tag)
    expect(bodies(take(ch, queue, 3)), [b"b", b"c", b"a"], "in this order")


# --- arguments ---------------------------------------------------------------------------------


@test
def wrong_arguments_are_406():
    name = unique("wrong")
    for arguments, text in (
        ({"x-message-ttl": -1}, "invalid arg 'x-message-ttl' for %s: {value_negative,-1}"),
        ({"x-expires": 0}, "invalid arg 'x-expires' for %s: {value_zero,0}"),
        (
            {"x-max-length": "ten"},
            "invalid arg 'x-max-length' for %s: \"expected integer, got longstr\"",
        ),
        ({"x-max-priority": 256}, "invalid arg 'x-max-priority' for %s: {max_value_exceeded,256}"),
        (
            {"x-dead-letter-routing-key": "k"},
            "invalid arg 'x-dead-letter-routing-key' for %s: routing_key_but_no_dlx_defined",
        ),
        (
            {"x-queue-type": "odd"},
            "invalid arg 'x-queue-type' for %s: \"unsupported queue type 'odd'\"",
        ),
    ):
        resource = "queue '%s' in vhost '/'" % name
        expect_channel_error(
            406,
            "PRECONDITION_FAILED - " + text % resource,
            lambda: channel().queue_declare(name, durable=True, arguments=arguments),
        )
        expect_true(not is_there(name), "nothing was declared with %r" % arguments)


@test
def other_arguments_are_406():
    ch = channel()
    queue = queue_on(ch, arguments={"x-message-ttl": 60000})
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue '%s' in vhost '/':"
        " received '1000' but current is '60000'" % queue,
        lambda: ch.queue_declare(queue, arguments={"x-message-ttl": 1000}),
    )
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue '%s' in vhost '/':"
        " received none but current is the value '60000' of type 'signedint'" % queue,
        lambda: channel().queue_declare(queue),
    )


# --- direct reply-to ---------------------------------------------------------------------------


@test
def direct_reply_to():
    server, caller = channel(), channel()
    requests = queue_on(server)
    replies = collector(caller, "amq.rabbitmq.reply-to", auto_ack=True)
    for number in range(3):
        properties = pika.BasicProperties(
            reply_to="amq.rabbitmq.reply-to", correlation_id=str(number)
        )
        caller.basic_publish("", requests, b"%d" % number, properties)
    for _, properties, body in take(server, requests, 3):
        expect_true(properties.reply_to.startswith("amq.rabbitmq.reply-to."), properties.reply_to)
        answer = pika.BasicProperties(correlation_id=properties.correlation_id)
        server.basic_publish("", properties.reply_to, b"re: " + body, answer)
    wait_for(caller, replies, 3)
    got = [(properties.correlation_id, body) for _, properties, body in replies]
    expect(got, [(str(n), b"re: %d" % n) for n in range(3)], "replies")


@test
def direct_reply_to_has_its_rules():
    name = "amq.rabbitmq.reply-to"
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - reply consumer cannot acknowledge",
        lambda: channel().basic_consume(name, lambda *_: None),
    )
    ch = channel()
    collector(ch, name, auto_ack=True)
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - reply consumer already set",
        lambda: collector(ch, name, auto_ack=True),
    )
    ch = confirming()
    properties = pika.BasicProperties(reply_to=name)
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - fast reply consumer does not exist",
        lambda: ch.basic_publish("", "x", b"x", properties),
    )
