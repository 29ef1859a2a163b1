# SPDX-License-Identifier: Apache-2.0
"""Tests as coroutines, and the connections, queues and messages that they want.

What a coroutine opens is closed in the loop that opened it, when the test is over.
"""

import asyncio
import contextlib
import contextvars
import logging
import ssl

import aio_pika
import aiormq
import interop_suite
from aio_pika import DeliveryMode, Message
from aiormq.channel import EXCEPTION_MAPPING as OF_CHANNELS
from aiormq.connection import EXCEPTION_MAPPING as OF_CONNECTIONS
from aiormq.exceptions import ChannelClosed, ConnectionClosed

from interop_suite import BROKER, Mismatch, expect, unique

# The client logs every error that the tests provoke.
logging.getLogger("aio_pika").setLevel(logging.CRITICAL)
logging.getLogger("aiormq").setLevel(logging.CRITICAL)

_cleanup = contextvars.ContextVar("what is closed when the test is over")


def test(function):
    """Registers a coroutine function as a test."""

    async def with_cleanup():
        async with contextlib.AsyncExitStack() as stack:
            _cleanup.set(stack)
            await function()

    def run():
        asyncio.run(with_cleanup())

    run.__name__ = function.__name__
    return interop_suite.test(run)


def defer(function, *arguments):
    """Awaits the function when the test is over, last deferred first."""
    _cleanup.get().push_async_callback(function, *arguments)


async def poll(condition, what, timeout_s=20):
    """The first true value of condition(), which may be a coroutine function."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        if asyncio.get_running_loop().time() > deadline:
            raise Mismatch("%s: not within %g s" % (what, timeout_s))
        await asyncio.sleep(0.02)


async def within(awaitable, what, timeout_s=20):
    try:
        return await asyncio.wait_for(awaitable, timeout_s)
    except asyncio.TimeoutError:
        raise Mismatch("%s: not within %g s" % (what, timeout_s)) from None


# --- connections -------------------------------------------------------------------------------


def parameters(**changes):
    values = dict(
        host=BROKER.host,
        port=BROKER.port,
        login=BROKER.user,
        password=BROKER.password,
        virtualhost=BROKER.vhost,
        timeout=20,
    )
    values.update(changes)
    return values


def tls_parameters(with_certificate=False, ca_file=None, **changes):
    context = ssl.create_default_context(cafile=ca_file or BROKER.ca_file)
    if with_certificate:
        context.load_cert_chain(BROKER.client_cert, BROKER.client_key)
    values = dict(host="localhost", port=BROKER.tls_port, ssl=True, ssl_context=context)
    values.update(changes)
    return parameters(**values)


async def connect(**changes):
    connection = await aio_pika.connect(**parameters(**changes))
    defer(close, connection)
    return connection


async def connect_robust(**changes):
    connection = await aio_pika.connect_robust(**parameters(reconnect_interval=0.2, **changes))
    defer(close, connection)
    return connection


async def connect_by(values):
    connection = await aio_pika.connect(**values)
    defer(close, connection)
    return connection


async def close(connection):
    try:
        await connection.close()
    except (ConnectionError, RuntimeError, aiormq.exceptions.AMQPError):
        pass  # the test itself ended it


async def channel(**options):
    return await (await connect()).channel(**options)


# --- what a broker holds -----------------------------------------------------------------------


async def queue_on(ch, name="queue", **options):
    """A queue of a name of its own, deleted after the test."""
    queue = await ch.declare_queue(unique(name), **options)
    if not options.get("exclusive"):
        defer(delete_queue, queue.name)
    return queue


async def exchange_on(ch, kind, name="exchange", **options):
    exchange = await ch.declare_exchange(unique(name), kind, **options)
    defer(delete_exchange, exchange.name)
    return exchange


async def delete_queue(name):
    async with await aio_pika.connect(**parameters()) as connection:
        await (await connection.channel()).queue_delete(name)


async def delete_exchange(name):
    async with await aio_pika.connect(**parameters()) as connection:
        await (await connection.channel()).exchange_delete(name)


async def is_there(name):
    async with await aio_pika.connect(**parameters()) as connection:
        try:
            await (await connection.channel()).declare_queue(name, passive=True)
            return True
        except aiormq.exceptions.ChannelNotFoundEntity:
            return False


async def counts(ch, name):
    """(messages, consumers) of a queue."""
    result = (await ch.declare_queue(name, passive=True)).declaration_result
    return result.message_count, result.consumer_count


async def message_count(ch, name):
    return (await counts(ch, name))[0]


# --- messages ----------------------------------------------------------------------------------


def persistent(body, **properties):
    return Message(body, delivery_mode=DeliveryMode.PERSISTENT, **properties)


async def publish(ch, name, *bodies):
    """To a queue, each with its confirm."""
    for body in bodies:
        await ch.default_exchange.publish(persistent(body), routing_key=name)


async def take(queue, count, no_ack=True, timeout_s=20):
    """Consumes that many messages."""
    taken = []

    async def consume():
        async with queue.iterator(no_ack=no_ack) as iterator:
            async for message in iterator:
                taken.append(message)
                if len(taken) == count:
                    return

    try:
        await asyncio.wait_for(consume(), timeout_s)
    except asyncio.TimeoutError:
        raise Mismatch("%d of %d messages after %g s" % (len(taken), count, timeout_s)) from None
    return taken


async def take_unacked(queue, count):
    return [await queue.get(no_ack=False) for _ in range(count)]


async def drain(ch, queue):
    """The bodies of all that is in a queue."""
    return bodies([await queue.get(no_ack=True) for _ in range(await message_count(ch, queue.name))])


def bodies(messages):
    return [message.body for message in messages]


async def collect(queue, **options):
    """A consumer that only gathers: (its messages, its tag)."""
    got = []

    async def on_message(message):
        got.append(message)

    return got, await queue.consume(on_message, **options)


# --- errors ------------------------------------------------------------------------------------


def reason_of(error):
    """(code, text) of a close: where the class tells the code, the client leaves it out."""
    codes = {kind: code for code, kind in (*OF_CHANNELS.items(), *OF_CONNECTIONS.items())}
    if len(error.args) == 1:
        return codes.get(type(error)), error.args[0]
    return tuple(error.args[:2])


async def expect_channel_error(code, text, action):
    """The awaitable must make the broker close the channel with this code and text."""
    try:
        await action
    except ChannelClosed as error:
        expect(reason_of(error), (code, text), "channel.close")
        return
    raise Mismatch("channel.close %d expected, but there was no error" % code)


async def expect_connection_error(code, text, action):
    try:
        await action
    except ConnectionClosed as error:
        expect(reason_of(error), (code, text), "connection.close")
        return
    raise Mismatch("connection.close %d expected, but there was no error" % code)
