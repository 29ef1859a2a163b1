# SPDX-License-Identifier: Apache-2.0
"""Consuming, acknowledging, prefetch, redelivery, cancellation, and the client's patterns."""

import asyncio

from aio_pika import Message
from aio_pika.exceptions import QueueEmpty
from aio_pika.patterns import RPC, Master

from client import (
    bodies,
    channel,
    collect,
    connect,
    counts,
    defer,
    delete_exchange,
    delete_queue,
    expect_channel_error,
    expect_connection_error,
    message_count,
    poll,
    publish,
    queue_on,
    take,
    take_unacked,
    test,
    within,
)
from interop_suite import QUICK, Mismatch, expect, expect_true, unique


@test
async def publish_and_consume_in_order():
    ch = await channel()
    queue = await queue_on(ch)
    sent = [b"message %d" % n for n in range(500 if QUICK else 3000)]
    await asyncio.gather(*(publish(ch, queue.name, body) for body in sent))
    taken = await take(queue, len(sent))
    expect(bodies(taken) == sent, True, "same bodies in the same order")
    expect([m.delivery_tag for m in taken], list(range(1, len(sent) + 1)), "delivery tags")


@test
async def get_counts_what_is_left():
    ch = await channel()
    queue = await queue_on(ch)
    await publish(ch, queue.name, b"1", b"2", b"3")
    got = [await queue.get(no_ack=True) for _ in range(3)]
    expect([(m.body, m.message_count) for m in got], [(b"1", 2), (b"2", 1), (b"3", 0)], "left")
    expect(await queue.get(no_ack=True, fail=False), None, "get-empty")
    try:
        await queue.get(no_ack=True)
    except QueueEmpty:
        return
    raise Mismatch("a message came out of an empty queue")


@test
async def prefetch_limits_unacked():
    ch = await channel()
    queue = await queue_on(ch)
    await publish(ch, queue.name, *(b"%d" % n for n in range(20)))
    await ch.set_qos(prefetch_count=3)
    got, _ = await collect(queue)
    watcher = await channel()
    await poll(lambda: len(got) == 3, "3 deliveries")
    expect(await counts(watcher, queue.name), (17, 1), "ready, consumers")
    await got[0].ack()
    await poll(lambda: len(got) == 4, "one more after an ack")
    await got[3].ack(multiple=True)
    await poll(lambda: len(got) == 7, "three more after acking all")
    expect(await message_count(watcher, queue.name), 13, "ready")


@test
async def prefetch_of_the_whole_channel():
    connection = await connect()
    ch = await connection.channel()
    one, two = await queue_on(ch), await queue_on(ch)
    for queue in (one, two):
        await publish(ch, queue.name, *(b"%d" % n for n in range(10)))
    await ch.set_qos(prefetch_count=4, global_=True)
    got, _ = await collect(one)
    more, _ = await collect(two)
    watcher = await channel()

    async def ready():
        return await message_count(watcher, one.name) + await message_count(watcher, two.name)

    await poll(lambda: len(got) + len(more) == 4, "4 deliveries of both consumers together")
    expect(await ready(), 16, "ready in both")


@test
async def consumers_share_in_turn():
    ch = await channel()
    queue = await queue_on(ch)
    await ch.set_qos(prefetch_count=10)
    lists = [(await collect(queue))[0] for _ in range(4)]
    await publish(await channel(), queue.name, *(b"%d" % n for n in range(20)))
    await poll(lambda: sum(map(len, lists)) == 20, "all delivered")
    expect([len(got) for got in lists], [5, 5, 5, 5], "deliveries of each")


@test
async def consumer_priority():
    ch = await channel()
    queue = await queue_on(ch)
    await ch.set_qos(prefetch_count=2)
    low, _ = await collect(queue, arguments={"x-priority": 1})
    high, _ = await collect(queue, arguments={"x-priority": 9})
    await publish(await channel(), queue.name, b"1", b"2", b"3")
    await poll(lambda: len(low) + len(high) == 3, "all delivered")
    expect((len(high), len(low)), (2, 1), "high until its prefetch is full, then low")


@test
async def exclusive_consumer_is_alone():
    ch = await channel()
    queue = await queue_on(ch)
    await collect(queue, exclusive=True)
    other = await (await channel()).get_queue(queue.name)
    await expect_channel_error(
        403,
        "ACCESS_REFUSED - queue '%s' in vhost '/' in exclusive use" % queue.name,
        collect(other),
    )


@test
async def nack_with_requeue_keeps_the_order():
    ch = await channel()
    queue = await queue_on(ch)
    sent = [b"%d" % n for n in range(5)]
    await publish(ch, queue.name, *sent)
    taken = await take_unacked(queue, 3)
    await taken[-1].nack(multiple=True, requeue=True)
    again = await take(queue, 5)
    expect(bodies(again), sent, "bodies")
    expect([m.redelivered for m in again], [True] * 3 + [False] * 2, "redelivered")


@test
async def reject_requeues_or_drops():
    ch = await channel()
    queue = await queue_on(ch)
    await publish(ch, queue.name, b"drop", b"keep")
    await (await queue.get()).reject(requeue=True)
    again = await queue.get()
    expect((again.body, again.redelivered), (b"drop", True), "body, redelivered")
    await again.reject(requeue=False)
    expect(bodies(await take(queue, 1)), [b"keep"], "bodies")
    expect(await message_count(ch, queue.name), 0, "messages left")


@test
async def processing_context_acks_or_rejects():
    """message.process(): an ack at its end, a rejection on an exception."""
    ch = await channel()
    queue = await queue_on(ch)
    await publish(ch, queue.name, b"good", b"bad", b"again")
    async with (await queue.get()).process():
        pass
    for requeue in (False, True):
        try:
            async with (await queue.get()).process(requeue=requeue):
                raise ValueError
        except ValueError:
            pass
    left = await take(queue, 1)
    expect((left[0].body, left[0].redelivered), (b"again", True), "what is left")


@test
async def double_ack_is_406():
    ch = await channel()
    queue = await queue_on(ch)
    await publish(ch, queue.name, b"x")
    message = await queue.get()
    await message.ack()
    underlay = await ch.get_underlay_channel()
    await underlay.basic_ack(message.delivery_tag)
    await expect_channel_error(
        406,
        "PRECONDITION_FAILED - unknown delivery tag %d" % message.delivery_tag,
        message_count(ch, queue.name),
    )


@test
async def cancelled_consumer_gets_nothing_more():
    ch = await channel()
    queue = await queue_on(ch)
    got, tag = await collect(queue, no_ack=True)
    await publish(ch, queue.name, b"1")
    await poll(lambda: len(got) == 1, "a delivery")
    await queue.cancel(tag)
    await publish(ch, queue.name, b"2")
    expect(bodies(await take(queue, 1)), [b"2"], "what is left")
    expect(len(got), 1, "deliveries")


@test
async def consumer_is_told_when_its_queue_is_deleted():
    ch = await channel()
    queue = await queue_on(ch)
    cancelled = asyncio.Queue()
    underlay = await ch.get_underlay_channel()
    underlay.on_consumer_cancel_callbacks.add(cancelled.put)
    _, tag = await collect(queue)
    await (await channel()).queue_delete(queue.name)
    frame = await within(cancelled.get(), "basic.cancel")
    expect(frame.consumer_tag, tag, "cancelled consumer")
    await queue_on(ch, exclusive=True)  # the channel lives on


@test
async def consumer_tag_used_twice_closes_the_connection():
    ch = await channel()
    queue = await queue_on(ch)
    _, tag = await collect(queue)
    underlay = await ch.get_underlay_channel()
    underlay.consumers.clear()  # the client would refuse the tag itself
    await expect_connection_error(
        530,
        "NOT_ALLOWED - attempt to reuse consumer tag '%s'" % tag,
        collect(queue, consumer_tag=tag),
    )


# --- patterns ----------------------------------------------------------------------------------


@test
async def rpc_pattern():
    """The client's RPC class: a reply queue, a dead letter exchange for timeouts, correlation ids."""
    server, caller = await channel(), await channel()
    name = unique("method")
    defer(delete_queue, name)
    defer(delete_exchange, "rpc.dlx")
    serving = await RPC.create(server)

    async def square(*, number):
        if number == 13:
            raise ValueError("unlucky")
        return number**2

    await serving.register(name, square, auto_delete=False)
    calling = await RPC.create(caller)
    answers = await asyncio.gather(*(calling.call(name, {"number": n}) for n in range(10)))
    expect(answers, [n * n for n in range(10)], "answers")
    try:
        await calling.call(name, {"number": 13})
    except ValueError as error:
        expect(error.args, ("unlucky",), "the server's exception")
        return
    finally:
        await calling.close()
        await serving.close()
    raise Mismatch("no exception came back")


@test
async def direct_reply_to():
    connection = await connect()
    server, caller = await connection.channel(), await connection.channel()
    requests = await queue_on(server, exclusive=True)
    reply_to = []

    async def answer(message):
        reply_to.append(message.reply_to)
        reply = Message(b"%d" % int(message.body) ** 2, correlation_id=message.correlation_id)
        await server.default_exchange.publish(reply, routing_key=message.reply_to)

    await requests.consume(answer, no_ack=True)
    pseudo = await caller.get_queue("amq.rabbitmq.reply-to", ensure=False)
    replies, _ = await collect(pseudo, no_ack=True)
    for number in range(5):
        request = Message(
            b"%d" % number, reply_to="amq.rabbitmq.reply-to", correlation_id=str(number)
        )
        await caller.default_exchange.publish(request, routing_key=requests.name)
    await poll(lambda: len(replies) == 5, "5 replies")
    got = {message.correlation_id: message.body for message in replies}
    expect(got, {str(n): b"%d" % n**2 for n in range(5)}, "replies by correlation id")
    expect_true(reply_to[0].startswith("amq.rabbitmq.reply-to."), "reply-to: %s" % reply_to[0])
    await caller.close()
    unroutable = await server.default_exchange.publish(Message(b"late"), routing_key=reply_to[0])
    expect(unroutable.delivery.reply_text, "NO_ROUTE", "a reply to one who has gone")


@test
async def direct_reply_to_needs_no_ack():
    ch = await channel()
    pseudo = await ch.get_queue("amq.rabbitmq.reply-to", ensure=False)
    await expect_channel_error(
        406,
        "PRECONDITION_FAILED - reply consumer cannot acknowledge",
        collect(pseudo),
    )


@test
async def master_and_workers():
    """The client's Master class: durable tasks, workers with a prefetch."""
    name = unique("task")
    defer(delete_queue, name)
    done = []

    async def work(*, number):
        done.append(number)

    workers = []
    for _ in range(3):
        ch = await channel()
        await ch.set_qos(prefetch_count=1)
        workers.append(await Master(ch).create_worker(name, work, durable=True))
    master = Master(await channel())
    for number in range(60):
        await master.create_task(name, {"number": number})
    await poll(lambda: len(done) == 60, "60 tasks done")
    expect(sorted(done), list(range(60)), "every task once")
    for worker in workers:
        await worker.close()
