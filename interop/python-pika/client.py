# SPDX-License-Identifier: Apache-2.0
"""Connections, queues and messages as the tests of this suite want them."""

import ssl

import pika
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker, StreamLostError

from interop_suite import BROKER, Mismatch, defer, expect, unique


def parameters(**changes):
    values = dict(
        host=BROKER.host,
        port=BROKER.port,
        virtual_host=BROKER.vhost,
        credentials=pika.PlainCredentials(BROKER.user, BROKER.password),
        blocked_connection_timeout=30,
        socket_timeout=10,
        stack_timeout=30,
    )
    values.update(changes)
    return pika.ConnectionParameters(**values)


def tls_parameters(with_certificate=False, credentials=None, ca_file=None, host="localhost"):
    context = ssl.create_default_context(cafile=ca_file or BROKER.ca_file)
    if with_certificate:
        context.load_cert_chain(BROKER.client_cert, BROKER.client_key)
    changes = dict(
        host=host, port=BROKER.tls_port, ssl_options=pika.SSLOptions(context, server_hostname=host)
    )
    if credentials:
        changes["credentials"] = credentials
    return parameters(**changes)


def connect(**changes):
    return opened(pika.BlockingConnection(parameters(**changes)))


def opened(connection):
    defer(close, connection)
    return connection


def close(connection):
    try:
        if connection.is_open:
            connection.close()
    except StreamLostError:
        pass  # the test itself ended it


def channel(**changes):
    return connect(**changes).channel()


def queue_on(ch, name="queue", **arguments):
    """A queue of a name of its own, deleted after the test; the name."""
    name = unique(name)
    ch.queue_declare(name, **arguments)
    if not arguments.get("exclusive"):
        defer(delete_queue, name)
    return name


def exchange_on(ch, kind, name="exchange", **arguments):
    name = unique(name)
    ch.exchange_declare(name, kind, **arguments)
    defer(delete_exchange, name)
    return name


def delete_queue(name):
    connection = pika.BlockingConnection(parameters())
    connection.channel().queue_delete(name)
    connection.close()


def delete_exchange(name):
    connection = pika.BlockingConnection(parameters())
    connection.channel().exchange_delete(name)
    connection.close()


def take(ch, queue, count, timeout_s=20, auto_ack=True):
    """Consumes that many messages: a list of (method, properties, body)."""
    taken = []
    for method, properties, body in ch.consume(
        queue, auto_ack=auto_ack, inactivity_timeout=timeout_s
    ):
        if method is None:
            raise Mismatch("%d of %d messages after %g s" % (len(taken), count, timeout_s))
        taken.append((method, properties, body))
        if len(taken) == count:
            break
    ch.cancel()
    return taken


def bodies(taken):
    return [body for _method, _properties, body in taken]


def publish_all(ch, queue, messages):
    for body in messages:
        ch.basic_publish("", queue, body)


def is_there(queue):
    """Whether the queue exists, asked over a connection of its own."""
    connection = pika.BlockingConnection(parameters())
    try:
        connection.channel().queue_declare(queue, passive=True)
        return True
    except ChannelClosedByBroker as error:
        if error.reply_code == 404:
            return False
        raise
    finally:
        connection.close()


def message_count(ch, queue):
    return ch.queue_declare(queue, passive=True).method.message_count


def expect_channel_error(code, text, action):
    """The action must make the broker close the channel with this code and text."""
    try:
        action()
    except ChannelClosedByBroker as error:
        expect((error.reply_code, error.reply_text), (code, text), "channel.close")
        return
    raise Mismatch("channel.close %d expected, but there was no error" % code)


def expect_connection_error(code, text, action):
    try:
        action()
    except ConnectionClosedByBroker as error:
        expect((error.reply_code, error.reply_text), (code, text), "connection.close")
        return
    raise Mismatch("connection.close %d expected, but there was no error" % code)
