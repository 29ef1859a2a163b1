# SPDX-License-Identifier: Apache-2.0
"""What a queue's arguments make of its messages: time to live, dead letters, limits, priorities, single
active consumers, quorum queues."""

import asyncio

from aio_pika import ExchangeType, Message
from aio_pika.exceptions import DeliveryError

from client import (
    bodies,
    channel,
    collect,
    drain,
    exchange_on,
    expect_channel_error,
    is_there,
    message_count,
    persistent,
    poll,
    publish,
    queue_on,
    take,
    test,
)
from interop_suite import Mismatch, expect, expect_true, unique

QUORUM = {"x-queue-type": "quorum"}


async def with_dead_letters(ch, **arguments):
    """(queue, queue of its dead letters)"""
    exchange = await exchange_on(ch, ExchangeType.FANOUT)
    dead = await queue_on(ch, "dead")
    await dead.bind(exchange)
    given = {"x-" + name.replace("_", "-"): value for name, value in arguments.items()}
    given["x-dead-letter-exchange"] = exchange.name
    return await queue_on(ch, durable=True, arguments=given), dead


def deaths(message):
    """x-death without its times, which must be there."""
    found = [dict(death) for death in message.headers["x-death"]]
    for death in found:
        expect_true(death.pop("time").year >= 2024, "the time of a death")
    return found


def first_death(message):
    return [message.headers["x-first-death-" + name] for name in ("reason", "queue", "exchange")]


@test
async def expired_messages_are_dead_lettered():
    ch = await channel()
    queue, dead = await with_dead_letters(ch, message_ttl=50)
    await publish(ch, queue.name, b"1", b"2")
    taken = await take(dead, 2)
    expect(bodies(taken), [b"1", b"2"], "bodies")
    death = {
        "count": 1,
        "reason": "expired",
        "queue": queue.name,
        "exchange": "",
        "routing-keys": [queue.name],
    }
    expect(deaths(taken[0]), [death], "x-death")
    expect(first_death(taken[0]), ["expired", queue.name, ""], "x-first-death-*")


@test
async def expiration_of_a_message_is_taken_off_and_told():
    ch = await channel()
    queue, dead = await with_dead_letters(ch)
    await ch.default_exchange.publish(persistent(b"x", expiration=0.04), routing_key=queue.name)
    (message,) = await take(dead, 1)
    expect(message.expiration, None, "expiration")
    expect(deaths(message)[0]["original-expiration"], "40", "original-expiration")


@test
async def rejected_messages_get_the_dead_letter_routing_key():
    ch = await channel()
    dead = await queue_on(ch, "dead")
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name}
    queue = await queue_on(ch, arguments=arguments)
    await publish(ch, queue.name, b"x")
    await (await queue.get()).reject(requeue=False)
    (message,) = await take(dead, 1)
    expect(message.routing_key, dead.name, "routing key")
    expect(deaths(message)[0]["reason"], "rejected", "reason")
    expect(deaths(message)[0]["routing-keys"], [queue.name], "routing-keys")


@test
async def retry_by_two_queues_counts_its_deaths():
    ch = await channel()
    work, later = unique("work"), unique("later")
    out = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": later}
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": work, "x-message-ttl": 20}
    working = await ch.declare_queue(work, exclusive=True, arguments=out)
    await ch.declare_queue(later, exclusive=True, arguments=back)
    await publish(ch, work, b"x")
    seen = []
    async with working.iterator() as iterator:
        async for message in iterator:
            found = message.headers.get("x-death", [])
            seen.append([(d["queue"], d["reason"], d["count"]) for d in found])
            await message.reject(requeue=False)
            if len(seen) == 4:
                break
    wanted = [[]] + [[(later, "expired", n), (work, "rejected", n)] for n in (1, 2, 3)]
    expect(seen, wanted, "deaths at each try")


@test
async def unused_queue_expires():
    ch = await channel()
    queue = await queue_on(ch, arguments={"x-expires": 300})

    async def gone():
        await asyncio.sleep(0.6)  # asking is a use of the queue
        return not await is_there(queue.name)

    await poll(gone, "deleted when nobody used it")


@test
async def max_length_drops_the_oldest():
    ch = await channel()
    queue, dead = await with_dead_letters(ch, max_length=2)
    await publish(ch, queue.name, b"1", b"2", b"3")
    (dropped,) = await take(dead, 1)
    expect((dropped.body, first_death(dropped)[0]), (b"1", "maxlen"), "body, reason")
    expect(await drain(ch, queue), [b"2", b"3"], "what is left")


@test
async def full_queue_nacks_publishes():
    ch = await channel()
    queue = await queue_on(ch, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    await publish(ch, queue.name, b"1")
    try:
        await publish(ch, queue.name, b"2")
    except DeliveryError as error:
        expect(error.frame.name, "Basic.Nack", "the frame")
        expect(await drain(ch, queue), [b"1"], "what is left")
        return
    raise Mismatch("a full queue took a message")


@test
async def priorities_come_first():
    ch = await channel()
    queue = await queue_on(ch, arguments={"x-max-priority": 5})
    for body, priority in ((b"a", 0), (b"b", 5), (b"c", 3), (b"d", 5), (b"e", 0), (b"f", 200)):
        message = Message(body, priority=priority)
        await ch.default_exchange.publish(message, routing_key=queue.name)
    expect(await drain(ch, queue), [b"b", b"d", b"f", b"c", b"a", b"e"], "in this order")


@test
async def single_active_consumer_hands_over():
    one, two, publisher = await channel(), await channel(), await channel()
    queue = await queue_on(one, arguments={"x-single-active-consumer": True})
    first, tag = await collect(queue, no_ack=True)
    second, _ = await collect(await two.get_queue(queue.name), no_ack=True)
    await publish(publisher, queue.name, b"1", b"2")
    await poll(lambda: len(first) == 2, "both to the first")
    expect(second, [], "deliveries to the one that waits")
    await queue.cancel(tag)
    await publish(publisher, queue.name, b"3")
    await poll(lambda: bodies(second) == [b"3"], "the second takes over")


@test
async def quorum_queue_counts_deliveries_and_buries_poison():
    ch = await channel()
    queue, dead = await with_dead_letters(ch, queue_type="quorum", delivery_limit=2)
    await publish(ch, queue.name, b"poison")
    seen = []
    async with queue.iterator() as iterator:
        async for message in iterator:
            seen.append((message.headers.get("x-delivery-count"), message.redelivered))
            await message.nack(requeue=True)
            if len(seen) == 3:
                break
    expect(seen, [(None, False), (1, True), (2, True)], "x-delivery-count, redelivered")
    expect(first_death((await take(dead, 1))[0])[0], "delivery_limit", "reason")
    expect(await message_count(ch, queue.name), 0, "messages left")


@test
async def quorum_queue_must_be_durable():
    name = unique("quorum")
    ch = await channel()
    await expect_channel_error(
        406,
        "PRECONDITION_FAILED - invalid property 'non-durable' for queue '%s' in vhost '/'" % name,
        ch.declare_queue(name, durable=False, arguments=QUORUM),
    )


@test
async def wrong_arguments_are_406():
    name = unique("wrong")
    for argument, value, reason in (
        ("x-message-ttl", -1, "{value_negative,-1}"),
        ("x-expires", 0, "{value_zero,0}"),
        ("x-max-priority", 256, "{max_value_exceeded,256}"),
    ):
        ch = await channel()
        await expect_channel_error(
            406,
            "PRECONDITION_FAILED - invalid arg '%s' for queue '%s' in vhost '/': %s"
            % (argument, name, reason),
            ch.declare_queue(name, arguments={argument: value}),
        )
