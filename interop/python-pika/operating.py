# SPDX-License-Identifier: Apache-2.0
"""What an operator changes while clients are connected: policies, topic permissions, the memory that
is free."""

import pika
from pika.exceptions import ChannelClosedByBroker

from client import (
    bodies,
    connect,
    exchange_on,
    message_count,
    publish_all,
    queue_on,
    take,
)
from features import confirming, first_death, with_dead_letters
from interop_suite import BROKER, Mismatch, defer, expect, expect_true, poll, test, unique


def set_policy(pattern, definition, target="queues"):
    """A policy that goes when the test is over; its name."""
    name = unique("policy")
    BROKER.ctl("set_policy", name, pattern, definition, "--apply-to", target)
    defer(BROKER.ctl, "clear_policy", name)
    return name


@test
def policy_changes_a_queue_at_once():
    ch = confirming()
    queue = queue_on(ch)
    publish_all(ch, queue, [b"%d" % n for n in range(5)])
    policy = unique("policy")
    BROKER.ctl("set_policy", policy, "^%s$" % queue, '{"max-length":2}', "--apply-to", "queues")
    try:
        poll(lambda: message_count(ch, queue) == 2, "cut down to the policy's length")
        publish_all(ch, queue, [b"new"])
        expect(bodies(take(ch, queue, 2)), [b"4", b"new"], "what is left")
    finally:
        BROKER.ctl("clear_policy", policy)
    publish_all(ch, queue, [b"%d" % n for n in range(5)])
    poll(lambda: message_count(ch, queue) == 5, "no limit without the policy")


@test
def policy_and_argument_the_lower_limit_counts():
    ch = confirming()
    queue, dead, _ = with_dead_letters(ch, {"x-max-length": 3})
    set_policy("^%s$" % queue.replace(".", "[.]"), '{"max-length":1}')
    publish_all(ch, queue, [b"1", b"2"])
    (dropped,) = take(ch, dead, 1)
    expect((dropped[2], first_death(dropped[1])[0]), (b"1", "maxlen"), "body, reason")


@test
def policy_gives_an_exchange_an_alternate():
    ch = confirming()
    exchange, alternate = exchange_on(ch, "direct"), exchange_on(ch, "fanout")
    queue = queue_on(ch)
    ch.queue_bind(queue, alternate)
    set_policy("^%s$" % exchange, '{"alternate-exchange":"%s"}' % alternate, "exchanges")
    ch.basic_publish(exchange, "nowhere", b"x", mandatory=True)
    expect(bodies(take(ch, queue, 1)), [b"x"], "by the alternate exchange")


@test
def policy_shards_an_exchange():
    """Consumers of all shards name the exchange. The shards stay when the policy goes."""
    ch = confirming()
    exchange = exchange_on(ch, "x-modulus-hash")
    set_policy("^%s$" % exchange, '{"shards-per-node":3}', "exchanges")
    sent = sorted(b"%d" % n for n in range(300))
    for body in sent:
        ch.basic_publish(exchange, body.decode(), body, mandatory=True)
    consumers = [connect().channel() for _ in range(3)]
    taken = [[] for _ in consumers]
    for consumer, mine in zip(consumers, taken):
        on_message = lambda _ch, _method, _properties, body, mine=mine: mine.append(body)
        consumer.basic_consume(exchange, on_message, auto_ack=True)

    def is_all_taken():
        for consumer in consumers:
            consumer.connection.process_data_events(0.05)
        return sum(map(len, taken)) >= len(sent)

    poll(is_all_taken, "all messages")
    expect(sorted(sum(taken, [])), sent, "each of them once")
    expect_true(all(taken), "a consumer has no shard of its own")


def expect_refused(text, action):
    """RabbitMQ says from 3.13 on which of the permissions it is."""
    try:
        action()
    except ChannelClosedByBroker as error:
        expect(error.reply_code, 403, "reply code")
        expect_true(error.reply_text.endswith(text), error.reply_text)
        return
    raise Mismatch("nothing was refused")


@test
def topic_permissions_are_obeyed():
    ch = confirming()
    exchange, queue, user = exchange_on(ch, "topic"), queue_on(ch), unique("user")
    ch.queue_bind(queue, exchange, "#")
    BROKER.ctl("add_user", user, "secret")
    defer(BROKER.ctl, "delete_user", user)
    BROKER.ctl("set_permissions", user, ".*", ".*", ".*")
    BROKER.ctl("set_topic_permissions", user, exchange, "^{username}[.]", "^open[.]")
    limited = connect(credentials=pika.PlainCredentials(user, "secret"))
    publisher, reader = limited.channel(), limited.channel()
    publisher.confirm_delivery()
    publisher.basic_publish(exchange, user + ".news", b"x")
    expect(bodies(take(ch, queue, 1)), [b"x"], "what may be published")
    for key, action in (
        ("other.news", lambda: publisher.basic_publish(exchange, "other.news", b"x")),
        ("closed.#", lambda: reader.queue_bind(queue, exchange, "closed.#")),
    ):
        text = "access to topic '%s' in exchange '%s' in vhost '/' refused for user '%s'"
        expect_refused(text % (key, exchange, user), action)
    limited.channel().queue_bind(queue, exchange, "open.#")


@test
def alarm_blocks_publishers_while_consumers_go_on():
    ch = confirming()
    queue = queue_on(ch)
    publish_all(ch, queue, [b"before"])
    publisher, told = connect(), []
    publisher.add_on_connection_blocked_callback(lambda _c, frame: told.append(frame.method.reason))
    publisher.add_on_connection_unblocked_callback(lambda _c, _frame: told.append("released"))
    blocked = publisher.channel()
    BROKER.ctl("set_vm_memory_high_watermark", "0.00001")
    try:
        blocked.basic_publish("", queue, b"after")
        poll(lambda: (publisher.process_data_events(0.1), told)[1], "connection.blocked")
        expect(told, ["low on memory"], "its reason")
        consumer = connect().channel()
        expect(bodies(take(consumer, queue, 1)), [b"before"], "to a consumer")
    finally:
        BROKER.ctl("set_vm_memory_high_watermark", "0.9")
    poll(lambda: (publisher.process_data_events(0.1), len(told) == 2)[1], "connection.unblocked")
    expect(told[1:], ["released"], "what came")
    expect(bodies(take(ch, queue, 1)), [b"after"], "what had to wait")
