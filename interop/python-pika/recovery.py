# SPDX-License-Identifier: Apache-2.0
"""What is there again after the broker was restarted."""

import threading
import time

import pika
from pika.exceptions import AMQPError

from client import (
    bodies,
    channel,
    connect,
    exchange_on,
    expect_channel_error,
    message_count,
    parameters,
    queue_on,
    take,
)
from interop_suite import Mismatch, crash_broker, expect, poll, restart_broker, test

PERSISTENT = pika.BasicProperties(delivery_mode=2, headers={"n": [1, {"deep": True}]})
MEGABYTES = bytes(range(256)) * 8192


class Worker(threading.Thread):
    """Consumes the way pika's documentation tells to: connects again whenever it is thrown out."""

    def __init__(self, queue):
        super().__init__(daemon=True)
        self.queue = queue
        self.got = []
        self.connections = 0
        self.reasons = []
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            try:
                self.consume()
            except AMQPError as error:
                self.reasons.append(error)
                self.stopping.wait(0.1)

    def consume(self):
        connection = pika.BlockingConnection(parameters())
        self.connections += 1
        ch = connection.channel()
        for method, _properties, body in ch.consume(self.queue, inactivity_timeout=0.1):
            if method:
                self.got.append(body)
                ch.basic_ack(method.delivery_tag)
            if self.stopping.is_set():
                break
        connection.close()


@test
def restart_keeps_what_is_durable_and_clients_come_back():
    setup = channel()
    setup.confirm_delivery()
    durable = queue_on(setup, durable=True)
    transient = queue_on(setup)
    busy = queue_on(setup, durable=True)
    exchange = exchange_on(setup, "topic", durable=True)
    sink = exchange_on(setup, "fanout", durable=True)
    lost_exchange = exchange_on(setup, "topic")
    setup.exchange_bind(sink, exchange, "to.#")
    setup.queue_bind(durable, sink)
    for body in (b"first", MEGABYTES, b"acked", b"last"):
        setup.basic_publish("", durable, body, PERSISTENT)
    setup.basic_publish("", durable, b"transient")
    _discard(setup, durable, b"acked")
    holder = channel()
    held = holder.basic_get(durable)
    expect(held[2], b"first", "held unacked")
    worker = Worker(busy)
    worker.start()
    setup.basic_publish("", busy, b"before", PERSISTENT)
    poll(lambda: worker.got == [b"before"], "the worker works")

    restart_broker()

    ch = channel()
    ch.confirm_delivery()
    ch.basic_publish("", busy, b"after", PERSISTENT)
    poll(lambda: worker.got == [b"before", b"after"], "the worker is back")
    worker.stopping.set()
    worker.join(20)
    expect(worker.connections, 2, "connections of the worker")
    ch.basic_publish(exchange, "to.sink", b"routed", PERSISTENT)
    taken = take(ch, durable, 4)
    expect(
        [len(body) if len(body) > 99 else body for body in bodies(taken)],
        [b"first", len(MEGABYTES), b"last", b"routed"],
        "messages",
    )
    expect(taken[1][2] == MEGABYTES, True, "the large body")
    expect(taken[0][0].redelivered, True, "redelivered, of the one that was held")
    expect(taken[0][1].headers, {"n": [1, {"deep": True}]}, "headers")
    expect(message_count(ch, durable), 0, "messages left")
    expect_channel_error(
        404,
        "NOT_FOUND - no queue '%s' in vhost '/'" % transient,
        lambda: channel().queue_declare(transient, passive=True),
    )
    expect_channel_error(
        404,
        "NOT_FOUND - no exchange '%s' in vhost '/'" % lost_exchange,
        lambda: channel().exchange_declare(lost_exchange, passive=True),
    )


def _discard(ch, queue, unwanted):
    """Acks one message of a queue and gives the others back."""
    tags = []
    while True:
        method, _, body = ch.basic_get(queue)
        if method is None:
            raise Mismatch("%r is not in the queue" % unwanted)
        if body == unwanted:
            ch.basic_ack(method.delivery_tag)
            break
        tags.append(method.delivery_tag)
    for tag in tags:
        ch.basic_nack(tag, requeue=True)


@test
def clients_are_told_about_the_shutdown():
    idle = connect()
    closed = []
    idle._impl.add_on_close_callback(lambda _c, reason: closed.append(reason))
    restart_broker()
    try:
        idle.process_data_events(time_limit=5)
    except AMQPError:
        pass
    expect(len(closed), 1, "close callbacks")
    expect(closed[0].reply_code, 320, "reply code")
    expect(
        closed[0].reply_text,
        "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
        "reply text",
    )


class Publisher(threading.Thread):
    """Publishes numbers, each until it is confirmed, and connects again as often as that takes."""

    def __init__(self, queue):
        super().__init__(daemon=True)
        self.queue = queue
        self.confirmed = 0
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.is_set():
            try:
                self.publish()
            except (AMQPError, OSError):
                time.sleep(0.1)

    def publish(self):
        connection = pika.BlockingConnection(parameters())
        ch = connection.channel()
        ch.confirm_delivery()
        while not self.stopping.is_set():
            ch.basic_publish("", self.queue, b"%d" % self.confirmed, PERSISTENT)
            self.confirmed += 1
        connection.close()


@test
def what_was_confirmed_survives_a_crash():
    queue = queue_on(channel(), durable=True)
    publisher = Publisher(queue)
    publisher.start()
    poll(lambda: publisher.confirmed >= 100, "publishing has begun")
    crash_broker()
    before = publisher.confirmed
    poll(lambda: publisher.confirmed >= before + 100, "publishing goes on", 50)
    publisher.stopping.set()
    publisher.join(20)
    ch = channel()
    taken = take(ch, queue, message_count(ch, queue))
    expect(len(set(bodies(taken))), publisher.confirmed, "different messages")
