# SPDX-License-Identifier: Apache-2.0
"""Opening, authenticating, keeping and closing connections; TLS."""

import asyncio
import os
import ssl
import sys
import urllib.parse

import aio_pika
from aiormq.exceptions import (
    AMQPConnectionError,
    ConnectionClosed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from client import (
    channel,
    connect,
    connect_by,
    connect_robust,
    counts,
    defer,
    delete_queue,
    message_count,
    parameters,
    poll,
    publish,
    queue_on,
    take,
    test,
    tls_parameters,
    within,
)
from interop_suite import BROKER, QUICK, Mismatch, expect, expect_true, unique


async def works(connection):
    """A round trip of one message."""
    ch = await connection.channel()
    queue = await queue_on(ch, exclusive=True)
    await publish(ch, queue.name, b"hello")
    expect((await take(queue, 1))[0].body, b"hello", "body")
    await ch.close()


@test
async def connection_opens_and_closes_cleanly():
    connection = await connect()
    reasons = []
    connection.close_callbacks.add(lambda _connection, reason: reasons.append(reason))
    await works(connection)
    await connection.close()
    expect_true(connection.is_closed, "closed")
    expect(len(reasons), 1, "close callbacks")


def url():
    return "amqp://%s:%s@%s:%d/%s?heartbeat=30&name=interop" % (
        BROKER.user,
        BROKER.password,
        BROKER.host,
        BROKER.port,
        urllib.parse.quote(BROKER.vhost, safe=""),
    )


@test
async def connection_by_url():
    await works(await connect_by({"url": url()}))


@test
async def server_announces_itself():
    connection = await connect()
    properties = connection.transport.connection.server_properties
    expect(properties["product"], "RabbitMQ", "product")
    wanted = {"publisher_confirms", "basic.nack", "connection.blocked", "consumer_cancel_notify"}
    announced = {name for name, value in properties["capabilities"].items() if value is True}
    expect(sorted(wanted - announced), [], "capabilities that are not announced")


@test
async def many_channels_at_once():
    connection = await connect()
    count = 100 if QUICK else 500
    channels = await asyncio.gather(*(connection.channel() for _ in range(count)))
    queue = await queue_on(channels[0])
    await asyncio.gather(*(publish(ch, queue.name, b"x") for ch in channels))
    expect(await message_count(channels[-1], queue.name), count, "messages")
    await asyncio.gather(*(ch.close() for ch in channels))
    await works(connection)


@test
async def many_connections_at_once():
    connections = await asyncio.gather(*(connect() for _ in range(20 if QUICK else 100)))
    await asyncio.gather(*(connection.channel() for connection in connections))


@test
async def wrong_password_is_refused_with_403():
    try:
        await connect(password="wrong")
    except ProbableAuthenticationError as error:
        text = (
            "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN."
            " For details see the broker logfile."
        )
        expect(error.args, (text,), "connection.close")
        return
    raise Mismatch("a wrong password was accepted")


@test
async def missing_vhost_is_refused_with_530():
    """This client says only that it was closed instead of open-ok; other suites see the text."""
    try:
        await connect(virtualhost="no-such-vhost")
    except InvalidFrameError as error:
        expect_true("got <Connection.Close" in str(error), str(error))
        return
    raise Mismatch("a missing vhost was opened")


@test
async def robust_connection_fails_fast_on_a_wrong_password():
    try:
        await connect_robust(password="wrong")
    except AMQPConnectionError:
        return
    raise Mismatch("a wrong password was accepted")


@test
async def idle_connection_survives_by_heartbeats():
    connection = await connect(client_properties={"connection_name": "idle"}, heartbeat=1)
    await asyncio.sleep(4)
    await works(connection)


@test
async def update_secret_is_answered():
    connection = await connect()
    await within(connection.update_secret(BROKER.password, reason="rotated"), "update-secret-ok")
    await works(connection)


HOLDER = """
import asyncio, sys, aio_pika
async def main():
    connection = await aio_pika.connect(sys.argv[1])
    queue = await (await connection.channel()).get_queue(sys.argv[2])
    print((await queue.get()).body.decode(), flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@test
async def killed_client_gives_its_messages_back():
    ch = await channel()
    queue = await queue_on(ch, durable=True)
    await publish(ch, queue.name, b"kept")
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, url(), queue.name, stdout=asyncio.subprocess.PIPE
    )
    held = await within(holder.stdout.readline(), "the other client's message")
    holder.kill()
    await holder.wait()
    expect(held, b"kept\n", "what it held")
    (back,) = await take(queue, 1)
    expect((back.body, back.redelivered), (b"kept", True), "body, redelivered")


@test
async def closing_while_consuming_gives_back():
    connection = await connect()
    ch = await connection.channel()
    queue = await queue_on(ch)
    await publish(ch, queue.name, *(b"%d" % n for n in range(20)))
    await ch.set_qos(prefetch_count=5)
    await queue.consume(lambda message: asyncio.sleep(0))
    await connection.close()
    other = await channel()
    await poll(lambda: _is(other, queue.name, (20, 0)), "all messages are ready again")


async def _is(ch, name, wanted):
    return await counts(ch, name) == wanted


@test
async def named_connection_pool():
    """The pool of the client's documentation: connections and channels that many tasks share."""
    connections = aio_pika.pool.Pool(lambda: aio_pika.connect_robust(**parameters()), max_size=2)

    async def get_channel():
        async with connections.acquire() as connection:
            return await connection.channel()

    channels = aio_pika.pool.Pool(get_channel, max_size=10)
    name = unique("pool")
    defer(delete_queue, name)

    async def publisher(number):
        async with channels.acquire() as ch:
            await ch.declare_queue(name, durable=True)
            await publish(ch, name, b"%d" % number)

    async with connections, channels:
        await asyncio.gather(*(publisher(number) for number in range(50)))
    expect(await message_count(await channel(), name), 50, "messages")


# --- TLS ---------------------------------------------------------------------------------------


@test
async def tls_with_server_verified():
    await works(await connect_by(tls_parameters()))


@test
async def tls_mutual():
    await works(await connect_by(tls_parameters(with_certificate=True)))


@test
async def tls_version_1_2():
    values = tls_parameters()
    values["ssl_context"].maximum_version = ssl.TLSVersion.TLSv1_2
    await works(await connect_by(values))


@test
async def tls_by_url():
    values = "amqps://%s:%s@localhost:%d/%s?cafile=%s&certfile=%s&keyfile=%s" % (
        BROKER.user,
        BROKER.password,
        BROKER.tls_port,
        urllib.parse.quote(BROKER.vhost, safe=""),
        os.path.abspath(BROKER.ca_file),
        os.path.abspath(BROKER.client_cert),
        os.path.abspath(BROKER.client_key),
    )
    await works(await connect_by({"url": values}))


@test
async def tls_external_by_common_name():
    external = "amqps://localhost:%d/%s?auth=EXTERNAL" % (
        BROKER.tls_port,
        urllib.parse.quote(BROKER.vhost, safe=""),
    )
    context = ssl.create_default_context(cafile=BROKER.ca_file)
    context.load_cert_chain(BROKER.client_cert, BROKER.client_key)
    await works(await connect_by({"url": external, "ssl_context": context}))


@test
async def tls_with_another_authority_is_refused_by_the_client():
    values = tls_parameters()
    values["ssl_context"] = ssl.create_default_context()
    try:
        await connect_by(values)
    except (ssl.SSLCertVerificationError, AMQPConnectionError) as error:
        expect_true("certificate verify failed" in repr(error), repr(error))
        return
    raise Mismatch("connected without trusting the authority")


@test
async def tls_wrong_password_is_403():
    try:
        await connect_by(tls_parameters(password="wrong"))
    except ProbableAuthenticationError as error:
        expect_true("Login was refused" in str(error), str(error))
        return
    raise Mismatch("a wrong password was accepted")


@test
async def tls_carries_a_large_message():
    connection = await connect_by(tls_parameters())
    ch = await connection.channel()
    queue = await queue_on(ch, exclusive=True)
    body = bytes(range(251)) * 20000
    await publish(ch, queue.name, body)
    expect((await take(queue, 1))[0].body == body, True, "5 MB over TLS")


@test
async def plain_client_on_the_tls_port_is_refused():
    try:
        await connect(port=BROKER.tls_port)
    except (ConnectionClosed, ConnectionError, OSError):
        await works(await connect_by(tls_parameters()))
        return
    raise Mismatch("AMQP without TLS was accepted on the TLS port")
