# SPDX-License-Identifier: Apache-2.0
"""Publisher confirms, returned messages, transactions, properties and bodies."""

import asyncio
import datetime
import decimal

from aio_pika import DeliveryMode, Message
from aiormq import spec
from aiormq.exceptions import PublishError

from client import (
    bodies,
    channel,
    drain,
    exchange_on,
    expect_channel_error,
    message_count,
    persistent,
    publish,
    queue_on,
    take,
    test,
)
from interop_suite import BROKER, QUICK, Mismatch, expect, expect_true, unique


@test
async def confirm_of_each_message():
    ch = await channel()
    queue = await queue_on(ch, durable=True)
    for number in range(50 if QUICK else 300):
        confirm = await ch.default_exchange.publish(persistent(b"x"), routing_key=queue.name)
        expect(
            (type(confirm), confirm.delivery_tag), (spec.Basic.Ack, number + 1), "confirm, its tag"
        )


@test
async def confirms_of_a_stream_of_messages():
    ch = await channel()
    queue = await queue_on(ch, durable=True)
    count = 1000 if QUICK else 5000
    sent = [b"%d" % n for n in range(count)]
    await asyncio.gather(
        *(ch.default_exchange.publish(persistent(body), routing_key=queue.name) for body in sent)
    )
    expect(await message_count(ch, queue.name), count, "messages")
    expect(bodies(await take(queue, count)) == sent, True, "in the order of publishing")


@test
async def publishing_without_confirms():
    ch = await channel(publisher_confirms=False)
    queue = await queue_on(ch)
    for number in range(1000):
        nothing = await ch.default_exchange.publish(Message(b"%d" % number), routing_key=queue.name)
        expect(nothing, None, "result")
    expect(bodies(await take(queue, 1000))[-1], b"999", "the last")


@test
async def unroutable_message_is_returned():
    ch = await channel(on_return_raises=True)
    exchange = await exchange_on(ch, "direct")
    message = persistent(b"body", message_id="m1", headers={"k": [1]})
    try:
        await exchange.publish(message, routing_key="nowhere")
    except PublishError as error:
        returned = error.message
        method = returned.delivery
        expect(
            (method.reply_code, method.reply_text, method.exchange, method.routing_key),
            (312, "NO_ROUTE", exchange.name, "nowhere"),
            "basic.return",
        )
        expect(returned.body, b"body", "body")
        expect(returned.header.properties.headers, {"k": [1]}, "headers")
        return
    raise Mismatch("the message was not returned")


@test
async def return_callback():
    ch = await channel()
    exchange = await exchange_on(ch, "direct")
    returned = []
    ch.return_callbacks.add(lambda _channel, message: returned.append(message.body))
    await exchange.publish(Message(b"back"), routing_key="nowhere")
    await exchange.publish(Message(b"dropped"), routing_key="nowhere", mandatory=False)
    expect(returned, [b"back"], "returned bodies")


@test
async def publish_to_a_missing_exchange_is_404():
    ch = await channel()
    missing = unique("missing")
    exchange = await ch.get_exchange(missing, ensure=False)
    await expect_channel_error(
        404,
        "NOT_FOUND - no exchange '%s' in vhost '/'" % missing,
        exchange.publish(Message(b"x"), routing_key=""),
    )


@test
async def wrong_user_id_is_406():
    ch = await channel()
    await expect_channel_error(
        406,
        "PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was"
        " 'guest'",
        ch.default_exchange.publish(Message(b"x", user_id="somebody"), routing_key="x"),
    )


@test
async def transaction_commits():
    ch = await channel(publisher_confirms=False)
    queue = await queue_on(ch)
    watcher = await channel()
    async with ch.transaction():
        for body in (b"1", b"2"):
            await ch.default_exchange.publish(Message(body), routing_key=queue.name)
        expect(await message_count(watcher, queue.name), 0, "messages before the commit")
    expect(await message_count(watcher, queue.name), 2, "messages after the commit")


@test
async def transaction_rolls_back_on_an_exception():
    ch = await channel(publisher_confirms=False)
    queue = await queue_on(ch)

    class Failure(Exception):
        pass

    try:
        async with ch.transaction():
            await ch.default_exchange.publish(Message(b"never"), routing_key=queue.name)
            raise Failure
    except Failure:
        pass
    expect(await message_count(await channel(), queue.name), 0, "messages")


# --- content -----------------------------------------------------------------------------------


@test
async def all_properties_round_trip():
    ch = await channel()
    queue = await queue_on(ch)
    wanted = dict(
        content_type="application/json",
        content_encoding="gzip",
        headers={"k": "v"},
        delivery_mode=DeliveryMode.PERSISTENT,
        priority=7,
        correlation_id="correlation",
        reply_to="reply",
        expiration=600.0,
        message_id="id",
        timestamp=datetime.datetime(2024, 2, 29, 12, 30, 1, tzinfo=datetime.timezone.utc),
        type="kind",
        user_id=BROKER.user,
        app_id="application",
    )
    await ch.default_exchange.publish(Message(b"x", **wanted), routing_key=queue.name)
    (got,) = await take(queue, 1)
    expect({name: getattr(got, name) for name in wanted}, wanted, "properties")


@test
async def header_types_round_trip():
    ch = await channel()
    queue = await queue_on(ch)
    headers = {
        "bool": True,
        "int": -(2**31),
        "long": 2**62,
        "negative long": -(2**63),
        "double": 3.25,
        "decimal": decimal.Decimal("3.14159"),
        "string": "text \u20ac \U0001f407",
        "empty": "",
        "time": datetime.datetime(2024, 2, 29, 12, 30, 1, tzinfo=datetime.timezone.utc),
        "void": None,
        "array": [1, "two", [3, [4, None]], {"five": 5}],
        "table": {"a": {"b": {"c": [True, False]}}},
    }
    await ch.default_exchange.publish(Message(b"x", headers=headers), routing_key=queue.name)
    expect((await take(queue, 1))[0].headers, headers, "headers")


@test
async def bodies_around_the_frame_size():
    ch = await channel()
    queue = await queue_on(ch)
    limit = 131072 - 8
    sizes = [0, 1, limit - 1, limit, limit + 1, 2 * limit, 2 * limit + 1]
    await publish(ch, queue.name, *(b"%x" % (size % 16) * size for size in sizes))
    got = [len(body) for body in bodies(await take(queue, len(sizes)))]
    expect(got, sizes, "sizes")


@test
async def message_of_several_megabytes():
    ch = await channel()
    queue = await queue_on(ch, durable=True)
    body = bytes(range(253)) * (20000 if QUICK else 60000)
    await publish(ch, queue.name, body, b"after")
    got = await drain(ch, queue)
    expect((got[0] == body, got[1:]), (True, [b"after"]), "the large one, the one after")


@test
async def many_publishers_on_one_channel():
    ch = await channel()
    queue = await queue_on(ch)

    async def publisher(number):
        await publish(ch, queue.name, *(b"%d.%d" % (number, n) for n in range(20)))

    await asyncio.gather(*(publisher(number) for number in range(10)))
    got = [tuple(map(int, body.split(b"."))) for body in bodies(await take(queue, 200))]
    expect_true(len(set(got)) == 200, "each once")
    for number in range(10):
        expect([n for p, n in got if p == number], list(range(20)), "order of %d" % number)
