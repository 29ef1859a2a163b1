# SPDX-License-Identifier: Apache-2.0
"""kombu's connections, queues and exchanges as the tests of this suite want them."""

import socket
import ssl

import kombu

from interop_suite import BROKER, Mismatch, defer, expect, unique


def url():
    return "amqp://%s:%s@%s:%d/%s" % (
        BROKER.user,
        BROKER.password,
        BROKER.host,
        BROKER.port,
        "/" if BROKER.vhost == "/" else BROKER.vhost,
    )


def connection(**changes):
    """A connection that opens when it is first used and is closed after the test."""
    values = dict(
        hostname=BROKER.host,
        port=BROKER.port,
        userid=BROKER.user,
        password=BROKER.password,
        virtual_host=BROKER.vhost,
        transport="pyamqp",
        connect_timeout=10,
    )
    values.update(changes)
    made = kombu.Connection(**values)
    defer(made.release)
    return made


def confirming(**changes):
    return connection(transport_options={"confirm_publish": True}, **changes)


def tls(with_certificate=False, **changes):
    options = dict(
        ca_certs=BROKER.ca_file, cert_reqs=ssl.CERT_REQUIRED, server_hostname="localhost"
    )
    if with_certificate:
        options.update(certfile=BROKER.client_cert, keyfile=BROKER.client_key)
    return connection(port=BROKER.tls_port, ssl=options, **changes)


def declared(entity, channel):
    """Declares a queue or an exchange that is deleted after the test."""
    bound = entity(channel)
    bound.declare()
    defer(_delete, entity)
    return bound


def _delete(entity):
    with kombu.Connection(url()) as conn:
        entity(conn.default_channel).delete()


def simple_queue(channel, **arguments):
    """A durable queue of a name of its own that the default exchange routes to."""
    return declared(kombu.Queue(unique("queue"), exchange=kombu.Exchange(""), **arguments), channel)


def publish(channel, routing_key, *bodies, **arguments):
    producer = kombu.Producer(channel)
    for body in bodies:
        producer.publish(body, routing_key=routing_key, **arguments)


ACCEPT = ["json", "pickle", "application/octet-stream", "text/plain"]


def take(conn, queue, count, timeout_s=20, prefetch=0):
    """Consumes and acks that many messages; a list of (body, message)."""
    taken = []

    def on_message(body, message):
        taken.append((body, message))
        message.ack()

    with conn.Consumer(queue, callbacks=[on_message], accept=ACCEPT) as consumer:
        if prefetch:
            consumer.qos(prefetch_count=prefetch)
        while len(taken) < count:
            try:
                conn.drain_events(timeout=timeout_s)
            except socket.timeout:
                raise Mismatch("%d of %d messages" % (len(taken), count)) from None
    return taken


def bodies(taken):
    return [body for body, _message in taken]


def drain(conn, until, what, timeout_s=20):
    """Runs the client's loop until the condition holds."""
    while not until():
        try:
            conn.drain_events(timeout=timeout_s)
        except socket.timeout:
            raise Mismatch("%s: not within %g s" % (what, timeout_s)) from None


def stays_quiet(conn, seconds=0.3):
    try:
        while True:
            conn.drain_events(timeout=seconds)
    except socket.timeout:
        pass


def expect_error(kind, code, text, action):
    """The action must raise py-amqp's exception of this kind, code and text."""
    try:
        action()
    except kind as error:
        expect((error.reply_code, error.reply_text), (code, text), "reply")
        return
    raise Mismatch("%s expected, but there was no error" % kind.__name__)
