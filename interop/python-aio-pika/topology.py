# SPDX-License-Identifier: Apache-2.0
"""Queues, exchanges and bindings: their life, what they route, and their errors."""

from aio_pika import ExchangeType, Message
from aiormq.exceptions import ChannelClosed, ConnectionClosed

from client import (
    channel,
    connect,
    counts,
    drain,
    exchange_on,
    expect_channel_error,
    is_there,
    poll,
    publish,
    queue_on,
    reason_of,
    test,
)
from interop_suite import Mismatch, expect, expect_true, unique


async def routed(ch, exchange, queues, messages):
    """Publishes (key, headers) pairs; for each queue the numbers of those that it got."""
    for number, (key, headers) in enumerate(messages):
        message = Message(b"%d" % number, headers=headers)
        await exchange.publish(message, routing_key=key, mandatory=False)
    return [[int(body) for body in await drain(ch, queue)] for queue in queues]


@test
async def server_named_queue():
    ch = await channel()
    queue = await ch.declare_queue(exclusive=True)
    expect_true(queue.name.startswith("amq.gen-"), "name: " + queue.name)
    await publish(ch, queue.name, b"x")
    expect(await drain(ch, queue), [b"x"], "bodies")


@test
async def declare_counts():
    ch = await channel()
    queue = await queue_on(ch)
    await publish(ch, queue.name, b"1", b"2", b"3")
    other = await channel()
    await other.set_qos(prefetch_count=1)
    await (await other.get_queue(queue.name)).consume(lambda message: None)

    async def settled():
        return await counts(ch, queue.name) == (2, 1)

    await poll(settled, "two ready, one consumer")


@test
async def exclusive_queue_vanishes_with_its_connection():
    owner = await connect()
    queue = await queue_on(await owner.channel(), exclusive=True)
    await owner.close()

    async def gone():
        return not await is_there(queue.name)

    await poll(gone, "the queue is gone")


@test
async def auto_delete_queue_vanishes_after_its_last_consumer():
    ch = await channel()
    queue = await queue_on(ch, auto_delete=True)
    tags = [await queue.consume(lambda message: None) for _ in range(2)]
    await queue.cancel(tags[0])
    expect_true(await is_there(queue.name), "there with one consumer left")
    await queue.cancel(tags[1])

    async def gone():
        return not await is_there(queue.name)

    await poll(gone, "gone after the last consumer")


@test
async def purge_and_delete_count():
    ch = await channel()
    queue = await queue_on(ch)
    await publish(ch, queue.name, b"1", b"2", b"3")
    expect((await queue.purge()).message_count, 3, "purged")
    await publish(ch, queue.name, b"4", b"5")
    deleted = await queue.delete(if_unused=False, if_empty=False)
    expect(deleted.message_count, 2, "deleted")


@test
async def delete_if_empty_and_if_unused():
    ch = await channel()
    queue = await queue_on(ch)
    await publish(ch, queue.name, b"x")
    await expect_channel_error(
        406,
        "PRECONDITION_FAILED - queue '%s' in vhost '/' not empty" % queue.name,
        queue.delete(if_unused=False, if_empty=True),
    )
    ch = await channel()
    queue = await ch.get_queue(queue.name)
    await queue.consume(lambda message: None)
    other = await channel()
    await expect_channel_error(
        406,
        "PRECONDITION_FAILED - queue '%s' in vhost '/' in use" % queue.name,
        other.queue_delete(queue.name, if_unused=True),
    )


# --- routing -----------------------------------------------------------------------------------


@test
async def direct_exchange():
    ch = await channel()
    exchange = await exchange_on(ch, ExchangeType.DIRECT)
    one, two = await queue_on(ch), await queue_on(ch)
    for queue, key in ((one, "a"), (two, "a"), (two, "b")):
        await queue.bind(exchange, key)
    messages = [("a", None), ("b", None), ("c", None)]
    expect(await routed(ch, exchange, [one, two], messages), [[0], [0, 1]], "routed")
    await two.unbind(exchange, "a")
    expect(await routed(ch, exchange, [one, two], messages), [[0], [1]], "after unbinding")


@test
async def fanout_exchange():
    ch = await channel()
    exchange = await exchange_on(ch, ExchangeType.FANOUT)
    queues = [await queue_on(ch) for _ in range(5)]
    for queue in queues:
        await queue.bind(exchange)
    expect(await routed(ch, exchange, queues, [("x", None)]), [[0]] * 5, "routed")


@test
async def topic_exchange():
    ch = await channel()
    exchange = await exchange_on(ch, ExchangeType.TOPIC)
    patterns = {
        "*.orange.*": [0, 1],
        "*.*.rabbit": [0],
        "lazy.#": [1, 2, 3],
        "#": [0, 1, 2, 3, 4, 5],
        "#.orange": [4],
        "*": [2, 4],
        "": [5],
    }
    queues = [await queue_on(ch) for _ in patterns]
    for queue, pattern in zip(queues, patterns):
        await queue.bind(exchange, pattern)
    keys = ["quick.orange.rabbit", "lazy.orange.fox", "lazy", "lazy.", "orange", ""]
    got = await routed(ch, exchange, queues, [(key, None) for key in keys])
    expect(dict(zip(patterns, got)), patterns, "routed")


@test
async def headers_exchange():
    ch = await channel()
    exchange = await exchange_on(ch, ExchangeType.HEADERS)
    bindings = {
        "all": {"x-match": "all", "format": "pdf", "pages": 3},
        "any": {"x-match": "any", "format": "pdf", "pages": 3},
        "default": {"format": "zip"},
        "presence": {"x-match": "all", "urgent": None},
    }
    queues = [await queue_on(ch) for _ in bindings]
    for queue, arguments in zip(queues, bindings.values()):
        await queue.bind(exchange, arguments=arguments)
    messages = [
        {"format": "pdf", "pages": 3},
        {"format": "pdf", "pages": 4},
        {"format": "zip", "urgent": True},
        None,
    ]
    got = await routed(ch, exchange, queues, [("", headers) for headers in messages])
    wanted = {"all": [0], "any": [0, 1], "default": [2], "presence": [2]}
    expect(dict(zip(bindings, got)), wanted, "routed")


@test
async def exchange_to_exchange_bindings():
    ch = await channel()
    source = await exchange_on(ch, ExchangeType.TOPIC)
    target = await exchange_on(ch, ExchangeType.FANOUT)
    queue = await queue_on(ch)
    await target.bind(source, "a.#")
    await queue.bind(target)
    messages = [("a.b", None), ("b", None)]
    expect(await routed(ch, source, [queue], messages), [[0]], "routed")
    await target.unbind(source, "a.#")
    expect(await routed(ch, source, [queue], messages), [[]], "after unbinding")


@test
async def alternate_exchange():
    ch = await channel()
    alternate = await exchange_on(ch, ExchangeType.FANOUT)
    arguments = {"alternate-exchange": alternate.name}
    exchange = await exchange_on(ch, ExchangeType.DIRECT, arguments=arguments)
    queue, rest = await queue_on(ch), await queue_on(ch)
    await queue.bind(exchange, "a")
    await rest.bind(alternate)
    got = await routed(ch, exchange, [queue, rest], [("a", None), ("b", None)])
    expect(got, [[0], [1]], "routed")


# --- errors ------------------------------------------------------------------------------------


@test
async def missing_things_are_404():
    queue, exchange = unique("missing"), unique("missing")
    no_queue = "NOT_FOUND - no queue '%s' in vhost '/'" % queue
    no_exchange = "NOT_FOUND - no exchange '%s' in vhost '/'" % exchange
    ch = await channel()
    await expect_channel_error(404, no_queue, ch.declare_queue(queue, passive=True))
    ch = await channel()
    await expect_channel_error(404, no_queue, (await ch.get_queue(queue, ensure=False)).get())
    ch = await channel()
    await expect_channel_error(404, no_exchange, ch.declare_exchange(exchange, passive=True))
    ch = await channel()
    await expect_channel_error(404, no_exchange, (await queue_on(ch)).bind(exchange, "a"))


@test
async def inequivalent_declare_is_406():
    ch = await channel()
    queue = await queue_on(ch, durable=True)
    await expect_channel_error(
        406,
        "PRECONDITION_FAILED - inequivalent arg 'durable' for queue '%s' in vhost '/':"
        " received 'false' but current is 'true'" % queue.name,
        ch.declare_queue(queue.name, durable=False),
    )
    ch = await channel()
    exchange = await exchange_on(ch, "direct")
    await expect_channel_error(
        406,
        "PRECONDITION_FAILED - inequivalent arg 'type' for exchange '%s' in vhost '/':"
        " received 'fanout' but current is 'direct'" % exchange.name,
        ch.declare_exchange(exchange.name, "fanout"),
    )


@test
async def exclusive_queue_is_locked_for_others():
    queue = await queue_on(await channel(), "q", exclusive=True)
    text = (
        "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '%s' in vhost '/'. It"
        " could be originally declared on another connection or the exclusive property value does"
        " not match that of the original declaration." % queue.name
    )
    other = await channel()
    await expect_channel_error(405, text[:255], other.declare_queue(queue.name, passive=True))


@test
async def reserved_names_are_403():
    await expect_channel_error(
        403,
        "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
        (await channel()).declare_queue("amq.mine"),
    )
    await expect_channel_error(
        403,
        "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
        (await channel()).declare_exchange("amq.mine", "direct"),
    )


@test
async def unknown_exchange_type_is_refused():
    """Up to 3.13.0 a connection error (503), since then one of the channel (406)."""
    try:
        await (await channel()).declare_exchange(unique("exchange"), "nonsense")
    except (ConnectionClosed, ChannelClosed) as error:
        code, text = reason_of(error)
        name = {503: "COMMAND_INVALID", 406: "PRECONDITION_FAILED"}.get(code)
        expect(text, "%s - unknown exchange type 'nonsense'" % name, "reply text")
        return
    raise Mismatch("an exchange of an unknown type was declared")


@test
async def connection_lives_on_after_a_channel_error():
    connection = await connect()
    bad, good = await connection.channel(), await connection.channel()
    missing = unique("missing")
    await expect_channel_error(
        404,
        "NOT_FOUND - no queue '%s' in vhost '/'" % missing,
        bad.declare_queue(missing, passive=True),
    )
    expect_true(bad.is_closed, "the bad channel is closed")
    queue = await queue_on(good)
    await publish(good, queue.name, b"x")
    await bad.reopen()
    expect(await drain(bad, await bad.get_queue(queue.name)), [b"x"], "after reopening")
