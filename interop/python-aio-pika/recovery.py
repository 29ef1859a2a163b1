# SPDX-License-Identifier: Apache-2.0
"""What is there again after the broker was restarted, and how the client comes back."""

import asyncio

from aiormq.exceptions import AMQPError

from client import (
    bodies,
    channel,
    connect,
    connect_robust,
    exchange_on,
    expect_channel_error,
    message_count,
    persistent,
    poll,
    publish,
    queue_on,
    take,
    test,
    within,
)
from interop_suite import Mismatch, crash_broker, expect, restart_broker, unique

MEGABYTES = bytes(range(256)) * 8192


async def restart():
    """In a thread, so that the client's own tasks go on."""
    await asyncio.to_thread(restart_broker)


async def until_confirmed(ch, name, body):
    """Publishes until the broker has confirmed it: what a program does after a lost connection."""

    async def confirmed():
        try:
            await ch.ready()
            await publish(ch, name, body)
            return True
        except (ConnectionError, RuntimeError, AMQPError):
            return False

    await poll(confirmed, "confirmed after the restart")


@test
async def robust_connection_restores_everything():
    """connect_robust: connection, channel, prefetch, exclusive queue, binding and consumers."""
    connection = await connect_robust()
    ch = await connection.channel()
    await ch.set_qos(prefetch_count=10)
    exchange = await exchange_on(ch, "topic", durable=True)
    durable = await queue_on(ch, durable=True)
    temporary = await ch.declare_queue(unique("temporary"), exclusive=True)
    await durable.bind(exchange, "to.#")
    await temporary.bind(exchange, "to.#")
    got = {durable.name: [], temporary.name: []}

    async def on_message(queue, message):
        got[queue].append((message.body, message.redelivered))
        await message.ack()

    await durable.consume(lambda message: on_message(durable.name, message))
    await temporary.consume(lambda message: on_message(temporary.name, message))
    await exchange.publish(persistent(b"before"), routing_key="to.both")
    await poll(lambda: all(len(messages) == 1 for messages in got.values()), "before")
    reconnected = asyncio.Event()
    connection.reconnect_callbacks.add(lambda *_: reconnected.set())

    await restart()

    await asyncio.wait_for(reconnected.wait(), 20)
    other = await channel()
    await (await other.get_exchange(exchange.name)).publish(
        persistent(b"after"), routing_key="to.both"
    )
    await poll(lambda: all(len(messages) == 2 for messages in got.values()), "after")
    wanted = [(b"before", False), (b"after", False)]
    expect(list(got.values()), [wanted, wanted], "messages of both consumers")
    await until_confirmed(ch, durable.name, b"by the restored channel")
    await poll(lambda: len(got[durable.name]) == 3, "the restored channel publishes")


@test
async def restart_keeps_what_is_durable():
    ch = await channel()
    durable = await queue_on(ch, durable=True)
    transient = await queue_on(ch)
    exchange = await exchange_on(ch, "topic", durable=True)
    sink = await exchange_on(ch, "fanout", durable=True)
    await sink.bind(exchange, "to.#")
    await durable.bind(sink)
    headers = {"n": [1, {"deep": True}]}
    for body in (b"acked", b"first", MEGABYTES, b"last"):
        await ch.default_exchange.publish(
            persistent(body, headers=headers), routing_key=durable.name
        )
    await (await durable.get()).ack()
    held = await durable.get()
    expect(held.body, b"first", "held unacked")

    await restart()

    ch = await channel()
    exchange = await ch.get_exchange(exchange.name)
    await exchange.publish(persistent(b"routed"), routing_key="to.sink")
    taken = await take(await ch.get_queue(durable.name), 4)
    expect(
        [len(body) if len(body) > 99 else body for body in bodies(taken)],
        [b"first", len(MEGABYTES), b"last", b"routed"],
        "messages",
    )
    expect(taken[1].body == MEGABYTES, True, "the large body")
    expect((taken[0].redelivered, taken[0].headers), (True, headers), "redelivered, headers")
    await expect_channel_error(
        404,
        "NOT_FOUND - no queue '%s' in vhost '/'" % transient.name,
        ch.declare_queue(transient.name, passive=True),
    )


@test
async def client_is_told_about_the_shutdown():
    connection = await connect()
    reasons = []
    connection.close_callbacks.add(lambda _connection, reason: reasons.append(reason))
    await restart()
    await poll(lambda: reasons, "the close callback")
    text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
    if text not in repr(reasons[0]):
        raise Mismatch("the reason: %r" % reasons[0])


@test
async def what_was_confirmed_survives_a_crash():
    """A hundred publishes under way at any time; what a lost connection took is published again."""
    connection = await connect_robust()
    ch = await connection.channel()
    queue = await queue_on(ch, durable=True)
    confirmed, crashed = set(), asyncio.Event()

    async def publish_until_confirmed(number):
        while number not in confirmed:
            try:
                await ch.ready()
                await publish(ch, queue.name, b"%d" % number)
                confirmed.add(number)
            except (ConnectionError, RuntimeError, AMQPError):
                await asyncio.sleep(0.1)

    async def publish_hundreds():
        while not crashed.is_set():
            first = len(confirmed)
            await asyncio.gather(*(publish_until_confirmed(first + n) for n in range(100)))

    publishing = asyncio.create_task(publish_hundreds())
    await poll(lambda: len(confirmed) >= 300, "publishing has begun")
    await asyncio.to_thread(crash_broker)
    crashed.set()
    await within(publishing, "all confirmed in the end", 50)
    reader = await channel()
    held = await message_count(reader, queue.name)
    taken = await take(await reader.get_queue(queue.name), held)
    expect(len(set(bodies(taken))), len(confirmed), "different messages")
