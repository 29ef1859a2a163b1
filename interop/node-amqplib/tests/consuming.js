// SPDX-License-Identifier: Apache-2.0
//
// Consuming: prefetch, acknowledgements, requeueing, cancelling, request and reply.

'use strict';

const { assert, consume, eventually, publishConfirmed, test, text } = require('../harness');

async function queueOf(t, bodies) {
  const publisher = await t.confirmChannel();
  const queue = await t.queue(publisher, 'q');
  for (const body of bodies) await publishConfirmed(publisher, '', queue, body);
  return { queue, publisher };
}

const ready = async (channel, queue) => (await channel.checkQueue(queue)).messageCount;

test('prefetch_per_consumer', async (t) => {
  const { queue, publisher } = await queueOf(t, [...'0123456789']);
  const channel = await t.channel();
  await channel.prefetch(3);
  const inbox = await consume(channel, queue);
  const first = await inbox.take(3);
  assert.equal(await ready(publisher, queue), 7);
  channel.ack(first[1]);
  assert.equal(text(await inbox.next()), '3');
  await eventually('6 ready', async () => (await ready(publisher, queue)) === 6);
  assert.equal(inbox.items.length, 0);
});

test('prefetch_per_channel', async (t) => {
  const { queue, publisher } = await queueOf(t, [...'0123456789']);
  const channel = await t.channel();
  await channel.prefetch(4, true);
  const one = await consume(channel, queue);
  const two = await consume(channel, queue);
  await eventually('4 delivered', () => one.items.length + two.items.length === 4);
  assert.equal(await ready(publisher, queue), 6);
  channel.ackAll();
  await eventually('8 delivered', () => one.items.length + two.items.length === 8);
  assert.equal(await ready(publisher, queue), 2);
});

test('work_is_shared_round_robin', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q');
  const one = await consume(channel, queue, { noAck: true });
  const two = await consume(channel, queue, { noAck: true });
  for (let i = 0; i < 10; i++) await publishConfirmed(channel, '', queue, `${i}`);
  assert.deepEqual((await one.take(5)).map(text).map(Number).map((n) => n % 2), Array(5).fill(0));
  assert.deepEqual((await two.take(5)).map(text).map(Number).map((n) => n % 2), Array(5).fill(1));
});

test('nack_requeues_in_place', async (t) => {
  const { queue } = await queueOf(t, ['a', 'b', 'c']);
  const channel = await t.channel();
  const first = await channel.get(queue);
  assert.equal(first.fields.redelivered, false);
  channel.nack(first);
  for (const [body, redelivered] of [['a', true], ['b', false], ['c', false]]) {
    const message = await channel.get(queue);
    assert.equal(text(message), body);
    assert.equal(message.fields.redelivered, redelivered);
    channel.ack(message);
  }
});

test('nack_all_and_multiple', async (t) => {
  const { queue, publisher } = await queueOf(t, [...'012345']);
  const channel = await t.channel();
  const inbox = await consume(channel, queue);
  const messages = await inbox.take(6);
  await channel.cancel(inbox.tag);
  channel.nack(messages[1], true, false);
  channel.ack(messages[3], true);
  channel.nackAll(true);
  await channel.close();
  assert.equal(await ready(publisher, queue), 2);
  for (const body of ['4', '5']) {
    const message = await publisher.get(queue, { noAck: true });
    assert.equal(text(message), body);
    assert.equal(message.fields.redelivered, true);
  }
});

test('reject_without_requeue_drops', async (t) => {
  const { queue, publisher } = await queueOf(t, ['gone', 'kept']);
  const channel = await t.channel();
  channel.reject(await channel.get(queue), false);
  await channel.close();
  assert.equal(text(await publisher.get(queue, { noAck: true })), 'kept');
  assert.equal(await publisher.get(queue), false);
});

test('closing_a_channel_requeues', async (t) => {
  const { queue, publisher } = await queueOf(t, ['a', 'b']);
  const channel = await t.channel();
  const inbox = await consume(channel, queue);
  channel.ack(await inbox.next());
  await inbox.next();
  await channel.close();
  await eventually('b to be back', async () => (await ready(publisher, queue)) === 1);
  const message = await publisher.get(queue, { noAck: true });
  assert.equal(text(message), 'b');
  assert.equal(message.fields.redelivered, true);
});

test('recover_redelivers', async (t) => {
  const { queue } = await queueOf(t, ['a', 'b']);
  const channel = await t.channel();
  const inbox = await consume(channel, queue);
  await inbox.take(2);
  await channel.recover();
  const again = await inbox.take(2);
  assert.deepEqual(again.map(text), ['a', 'b']);
  assert.ok(again.every((message) => message.fields.redelivered));
  channel.ackAll();
});

test('cancelled_consumer_gets_nothing', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q');
  const inbox = await consume(channel, queue);
  const { consumerTag } = await channel.cancel(inbox.tag);
  assert.equal(consumerTag, inbox.tag);
  await publishConfirmed(channel, '', queue, 'x');
  const { messageCount, consumerCount } = await channel.checkQueue(queue);
  assert.deepEqual([messageCount, consumerCount, inbox.items.length], [1, 0, 0]);
});

test('consumer_tag_of_the_client', async (t) => {
  const { queue } = await queueOf(t, ['x']);
  const channel = await t.channel();
  const inbox = await consume(channel, queue, { consumerTag: 'mine', noAck: true });
  assert.equal(inbox.tag, 'mine');
  assert.equal((await inbox.next()).fields.consumerTag, 'mine');
});

test('cancel_notification_on_queue_delete', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel, 'q');
  const inbox = await consume(channel, queue);
  await (await t.channel()).deleteQueue(queue);
  assert.equal(await inbox.next(), null);
  await channel.checkExchange('amq.direct');
});

test('purge_and_delete_count_messages', async (t) => {
  const { queue, publisher } = await queueOf(t, ['a', 'b', 'c']);
  const channel = await t.channel();
  await channel.get(queue);
  assert.deepEqual(await channel.purgeQueue(queue), { messageCount: 2 });
  await publishConfirmed(publisher, '', queue, 'd');
  assert.deepEqual(await publisher.deleteQueue(queue), { messageCount: 1 });
});

test('rpc', async (t) => {
  const server = await t.channel();
  const requests = await t.queue(server, 'requests');
  const answer = ({ content, properties }) => {
    const reply = Buffer.from(`${Number(content.toString()) ** 2}`);
    server.sendToQueue(properties.replyTo, reply, { correlationId: properties.correlationId });
  };
  await server.consume(requests, answer, { noAck: true });

  const client = await t.channel();
  const { queue: replyTo } = await client.assertQueue('', { exclusive: true });
  const replies = await consume(client, replyTo, { noAck: true });
  for (let i = 0; i < 50; i++)
    client.sendToQueue(requests, Buffer.from(`${i}`), { replyTo, correlationId: `request-${i}` });
  const received = new Map();
  for (const reply of await replies.take(50)) received.set(reply.properties.correlationId, text(reply));
  for (let i = 0; i < 50; i++) assert.equal(received.get(`request-${i}`), `${i * i}`);
});
