# SPDX-License-Identifier: Apache-2.0
"""Publisher confirms and returned messages; the asynchronous adapter."""

import pika
from pika.exceptions import UnroutableError

from client import (
    bodies,
    channel,
    exchange_on,
    expect_channel_error,
    message_count,
    parameters,
    queue_on,
    take,
)
from interop_suite import QUICK, Mismatch, expect, test, unique

PERSISTENT = pika.BasicProperties(delivery_mode=2)


@test
def confirm_each_message():
    ch = channel()
    ch.confirm_delivery()
    queue = queue_on(ch, durable=True)
    for number in range(50 if QUICK else 200):
        ch.basic_publish("", queue, b"%d" % number, PERSISTENT, mandatory=True)
    expect(message_count(ch, queue), 50 if QUICK else 200, "messages")


@test
def mandatory_unroutable_message_is_returned():
    ch = channel()
    ch.confirm_delivery()
    exchange = exchange_on(ch, "direct")
    properties = pika.BasicProperties(message_id="m1", headers={"k": [1]})
    try:
        ch.basic_publish(exchange, "nowhere", b"body", properties, mandatory=True)
    except UnroutableError as error:
        (returned,) = error.messages
        method = returned.method
        expect(
            (method.reply_code, method.reply_text, method.exchange, method.routing_key),
            (312, "NO_ROUTE", exchange, "nowhere"),
            "basic.return",
        )
        expect(returned.body, b"body", "body")
        expect(returned.properties.message_id, "m1", "message id")
        expect(returned.properties.headers, {"k": [1]}, "headers")
        return
    raise Mismatch("the message was not returned")


@test
def return_without_confirms():
    ch = channel()
    returned = []
    ch.add_on_return_callback(lambda _ch, method, _properties, body: returned.append(body))
    exchange = exchange_on(ch, "direct")
    ch.basic_publish(exchange, "nowhere", b"back", mandatory=True)
    ch.basic_publish(exchange, "nowhere", b"dropped", mandatory=False)
    ch.queue_declare("", exclusive=True)
    ch.connection.process_data_events(time_limit=0)
    expect(returned, [b"back"], "returned bodies")


@test
def unroutable_message_without_mandatory_is_confirmed():
    ch = channel()
    ch.confirm_delivery()
    ch.basic_publish(exchange_on(ch, "fanout"), "", b"x")


@test
def publish_to_a_missing_exchange_is_404():
    ch = channel()
    ch.confirm_delivery()
    missing = unique("missing")
    expect_channel_error(
        404,
        "NOT_FOUND - no exchange '%s' in vhost '/'" % missing,
        lambda: ch.basic_publish(missing, "", b"x"),
    )


@test
def wrong_user_id_is_406():
    ch = channel()
    ch.confirm_delivery()
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was"
        " 'guest'",
        lambda: ch.basic_publish("", "x", b"x", pika.BasicProperties(user_id="somebody")),
    )


@test
def wrong_expiration_is_406():
    ch = channel()
    ch.confirm_delivery()
    expect_channel_error(
        406,
        "PRECONDITION_FAILED - invalid expiration 'soon': no_integer",
        lambda: ch.basic_publish("", "x", b"x", pika.BasicProperties(expiration="soon")),
    )


# --- the asynchronous adapter ------------------------------------------------------------------


class AsyncPublisher:
    """Publishes without waiting, counts what is confirmed and returned, then stops its loop."""

    def __init__(self, queue, count, unroutable_every=0):
        self.queue = queue
        self.count = count
        self.unroutable_every = unroutable_every
        self.unconfirmed = set(range(1, count + 1))
        self.nacked = set()
        self.returned = []
        self.confirmed_before_return = []
        self.error = None
        self.connection = pika.SelectConnection(
            parameters(),
            on_open_callback=self.on_open,
            on_open_error_callback=self.on_error,
            on_close_callback=self.on_close,
        )

    def run(self):
        self.connection.ioloop.start()
        if self.error:
            raise self.error

    def on_error(self, _connection, error):
        self.error = error
        self.connection.ioloop.stop()

    def on_close(self, _connection, reason):
        if self.unconfirmed:
            self.error = reason
        self.connection.ioloop.stop()

    def on_open(self, connection):
        connection.channel(on_open_callback=self.on_channel)

    def on_channel(self, ch):
        self.channel = ch
        ch.add_on_return_callback(self.on_return)
        ch.confirm_delivery(self.on_confirm, callback=self.publish)

    def is_unroutable(self, tag):
        return self.unroutable_every and tag % self.unroutable_every == 0

    def publish(self, _frame):
        for tag in range(1, self.count + 1):
            key = unique("nowhere") if self.is_unroutable(tag) else self.queue
            self.channel.basic_publish("", key, b"%d" % tag, PERSISTENT, mandatory=True)

    def on_return(self, _ch, _method, _properties, body):
        self.returned.append(int(body))
        if int(body) not in self.unconfirmed:
            self.confirmed_before_return.append(int(body))

    def on_confirm(self, frame):
        tag = frame.method.delivery_tag
        tags = {t for t in self.unconfirmed if t <= tag} if frame.method.multiple else {tag}
        if not tags <= self.unconfirmed:
            self.error = Mismatch("confirmed twice: %s" % sorted(tags - self.unconfirmed))
            self.connection.close()
            return
        if isinstance(frame.method, pika.spec.Basic.Nack):
            self.nacked |= tags
        self.unconfirmed -= tags
        if not self.unconfirmed:
            self.connection.close()


@test
def asynchronous_confirms_of_a_stream_of_messages():
    ch = channel()
    queue = queue_on(ch, durable=True)
    count = 1000 if QUICK else 5000
    publisher = AsyncPublisher(queue, count)
    publisher.run()
    expect((len(publisher.unconfirmed), len(publisher.nacked)), (0, 0), "unconfirmed, nacked")
    expect(message_count(ch, queue), count, "messages")
    wanted = [b"%d" % n for n in range(1, count + 1)]
    expect(bodies(take(ch, queue, count)) == wanted, True, "in the order of publishing")


@test
def asynchronous_returns_come_before_their_confirms():
    ch = channel()
    queue = queue_on(ch, durable=True)
    publisher = AsyncPublisher(queue, 300, unroutable_every=3)
    publisher.run()
    expect(publisher.returned, list(range(3, 301, 3)), "returned")
    expect(publisher.confirmed_before_return, [], "confirmed before their return")
    expect(message_count(ch, queue), 200, "messages")


@test
def asynchronous_consumer_with_acks():
    ch = channel()
    ch.confirm_delivery()
    queue = queue_on(ch, durable=True)
    for number in range(200):
        ch.basic_publish("", queue, b"%d" % number)
    got = []

    def on_message(consumer, method, _properties, body):
        got.append(int(body))
        consumer.basic_ack(method.delivery_tag)
        if len(got) == 200:
            consumer.connection.close()

    def on_channel(consumer):
        consumer.basic_qos(
            prefetch_count=10, callback=lambda _f: consumer.basic_consume(queue, on_message)
        )

    connection = pika.SelectConnection(
        parameters(),
        on_open_callback=lambda c: c.channel(on_open_callback=on_channel),
        on_open_error_callback=lambda c, _error: c.ioloop.stop(),
        on_close_callback=lambda c, _reason: c.ioloop.stop(),
    )
    connection.ioloop.start()
    expect(got, list(range(200)), "messages")
    expect(message_count(ch, queue), 0, "messages left")
