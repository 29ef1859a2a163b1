# SPDX-License-Identifier: Apache-2.0
"""Opening, negotiating, authenticating, keeping and closing connections; TLS."""

import socket
import ssl
import time
import urllib.parse

import pika
from pika.exceptions import (
    AMQPConnectionError,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from client import (
    channel,
    connect,
    opened,
    parameters,
    queue_on,
    take,
    tls_parameters,
)
from interop_suite import BROKER, QUICK, Mismatch, expect, expect_true, poll, test

CAPABILITIES = {
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
}


def works(connection):
    """A round trip of one message."""
    ch = connection.channel()
    queue = queue_on(ch, exclusive=True)
    ch.basic_publish("", queue, b"hello")
    expect(take(ch, queue, 1)[0][2], b"hello", "body")


@test
def connection_opens_and_closes_cleanly():
    connection = connect()
    expect_true(connection.is_open, "open")
    works(connection)
    connection.close()
    expect_true(connection.is_closed, "closed")


@test
def connection_by_url():
    url = "amqp://%s:%s@%s:%d/%s?heartbeat=30&connection_attempts=1" % (
        BROKER.user,
        BROKER.password,
        BROKER.host,
        BROKER.port,
        urllib.parse.quote(BROKER.vhost, safe=""),
    )
    works(opened(pika.BlockingConnection(pika.URLParameters(url))))


@test
def server_announces_itself_and_its_capabilities():
    connection = connect()
    properties = connection._impl.server_properties
    expect(properties["product"], "RabbitMQ", "product, which kombu and others look at")
    expect_true(len(properties["version"].split(".")) >= 3, "version: %(version)r" % properties)
    lacking = CAPABILITIES - {k for k, v in properties["capabilities"].items() if v is True}
    expect(sorted(lacking), [], "capabilities that are not announced")
    expect_true(connection.publisher_confirms_supported, "publisher confirms")
    expect_true(connection.consumer_cancel_notify_supported, "consumer cancel notification")
    expect_true(connection.exchange_exchange_bindings_supported, "e2e bindings")
    expect_true(connection.basic_nack_supported, "basic.nack")


@test
def client_tunes_down_frame_max_and_messages_still_pass():
    connection = connect(frame_max=8192, channel_max=7, heartbeat=17)
    tuned = connection._impl.params
    expect((tuned.frame_max, tuned.channel_max, tuned.heartbeat), (8192, 7, 17), "tuned")
    ch = connection.channel()
    queue = queue_on(ch, exclusive=True)
    body = bytes(range(256)) * 400
    ch.basic_publish("", queue, body)
    expect(take(ch, queue, 1)[0][2] == body, True, "100 KB in frames of 8 KB")


@test
def server_default_limits():
    tuned = connect()._impl.params
    expect((tuned.frame_max, tuned.channel_max), (131072, 2047), "frame_max, channel_max")


@test
def many_channels_on_one_connection():
    connection = connect()
    channels = [connection.channel() for _ in range(100 if QUICK else 500)]
    queues = [queue_on(ch, exclusive=True) for ch in channels]
    for number, (ch, queue) in enumerate(zip(channels, queues)):
        ch.basic_publish("", queue, b"%d" % number)
    for number, (ch, queue) in enumerate(zip(channels, queues)):
        method, _, body = ch.basic_get(queue, auto_ack=True)
        expect_true(method is not None, "message on channel %d" % ch.channel_number)
        expect(body, b"%d" % number, "body")
    for ch in channels:
        ch.close()
    again = connection.channel()
    expect(again.channel_number, 1, "a closed channel's number is used again")
    works(connection)


@test
def too_many_channels_close_the_connection():
    connection = connect(channel_max=3)
    for _ in range(3):
        connection.channel()
    try:
        connection.channel(4)  # a number of our own: the client does not count then
    except ConnectionClosedByBroker as error:
        expect(error.reply_code, 530, "reply code")
        expect(
            error.reply_text,
            "NOT_ALLOWED - number of channels opened (3) has reached the negotiated channel_max"
            " (3)",
            "reply text",
        )
        return
    raise Mismatch("the fourth channel was opened")


@test
def wrong_password_is_refused_with_403():
    try:
        connect(credentials=pika.PlainCredentials(BROKER.user, "wrong"))
    except ProbableAuthenticationError as error:
        text = (
            "(403) 'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN."
            " For details see the broker logfile.'"
        )
        expect_true(text in str(error), str(error))
        return
    raise Mismatch("a wrong password was accepted")


@test
def unknown_user_is_refused_like_a_wrong_password():
    try:
        connect(credentials=pika.PlainCredentials("nobody", BROKER.password))
    except ProbableAuthenticationError as error:
        expect_true("ACCESS_REFUSED - Login was refused using" in str(error), str(error))
        return
    raise Mismatch("an unknown user was accepted")


@test
def missing_vhost_is_refused_with_530():
    try:
        connect(virtual_host="no-such-vhost")
    except ProbableAccessDeniedError as error:
        text = "(530) 'NOT_ALLOWED - vhost no-such-vhost not found'"
        expect_true(text in str(error), str(error))
        return
    raise Mismatch("a missing vhost was opened")


@test
def idle_connection_survives_by_heartbeats():
    connection = connect(heartbeat=1)
    connection.sleep(4)
    expect_true(connection.is_open, "open after four times the heartbeat")
    works(connection)


@test
def silent_client_is_disconnected():
    connection = connect(heartbeat=1)
    sock = _socket_of(connection)
    sock.settimeout(20)
    started = time.monotonic()
    # Reads what the server sends and answers nothing: pika's loop does not run here.
    try:
        while sock.recv(4096):
            pass
    except ConnectionResetError:
        pass
    waited_s = time.monotonic() - started
    expect_true(1 <= waited_s <= 10, "disconnected after %.1f s" % waited_s)


def _socket_of(connection):
    sock = connection._impl._transport._sock
    sock.setblocking(True)
    return sock


@test
def update_secret_is_answered():
    connection = connect()
    connection.update_secret(BROKER.password, "rotated")
    works(connection)


@test
def half_open_connections_disturb_nobody():
    stalled = [socket.create_connection((BROKER.host, BROKER.port)) for _ in range(20)]
    for sock in stalled[:10]:
        sock.sendall(b"AMQP\x00\x00\x09\x01")
    works(connect())
    for sock in stalled:
        sock.close()
    works(connect())


@test
def connection_that_vanishes_gives_its_messages_back():
    ch = channel()
    queue = queue_on(ch, durable=True)
    ch.basic_publish("", queue, b"kept")
    lost = connect()
    method, _, _ = lost.channel().basic_get(queue)
    expect_true(method is not None, "message")
    _socket_of(lost).shutdown(2)

    def again():
        method, _, body = ch.basic_get(queue, auto_ack=True)
        return method and (method.redelivered, body)

    expect(poll(again, "message back"), (True, b"kept"), "redelivered, body")


# --- TLS ---------------------------------------------------------------------------------------


@test
def tls_with_server_verified():
    works(opened(pika.BlockingConnection(tls_parameters())))


@test
def tls_by_address():
    works(opened(pika.BlockingConnection(tls_parameters(host="127.0.0.1"))))


@test
def tls_version_1_2():
    wanted = tls_parameters()
    wanted.ssl_options.context.maximum_version = ssl.TLSVersion.TLSv1_2
    works(opened(pika.BlockingConnection(wanted)))


@test
def tls_version_1_3():
    wanted = tls_parameters()
    wanted.ssl_options.context.minimum_version = ssl.TLSVersion.TLSv1_3
    works(opened(pika.BlockingConnection(wanted)))


@test
def tls_mutual_with_plain():
    works(opened(pika.BlockingConnection(tls_parameters(with_certificate=True))))


@test
def tls_external_by_common_name():
    wanted = tls_parameters(
        with_certificate=True, credentials=pika.credentials.ExternalCredentials()
    )
    works(opened(pika.BlockingConnection(wanted)))


@test
def tls_with_another_authority_is_refused_by_the_client():
    wanted = tls_parameters()
    wanted.ssl_options.context = ssl.create_default_context()
    try:
        pika.BlockingConnection(wanted)
    except ssl.SSLCertVerificationError:
        return
    raise Mismatch("connected without trusting the authority")


@test
def tls_carries_a_large_message():
    connection = opened(pika.BlockingConnection(tls_parameters()))
    ch = connection.channel()
    ch.confirm_delivery()
    queue = queue_on(ch, exclusive=True)
    body = bytes(range(251)) * 20000
    ch.basic_publish("", queue, body)
    expect(take(ch, queue, 1)[0][2] == body, True, "5 MB over TLS")


@test
def plain_client_on_the_tls_port_is_refused():
    try:
        pika.BlockingConnection(parameters(port=BROKER.tls_port))
    except AMQPConnectionError:
        works(opened(pika.BlockingConnection(tls_parameters())))
        return
    raise Mismatch("AMQP without TLS was accepted on the TLS port")
