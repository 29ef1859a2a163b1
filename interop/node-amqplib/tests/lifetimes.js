// SPDX-License-Identifier: Apache-2.0
//
// Queues and exchanges that come and go with their users.

'use strict';

const { assert, consume, eventually, publishConfirmed, test, watch } = require('../harness');

// Whether the queue exists. Asking for a missing one costs a channel, so each question has its own.
async function exists(t, connection, queue) {
  const channel = watch(await connection.createChannel());
  try {
    await channel.checkQueue(queue);
    await channel.close();
    return true;
  } catch (error) {
    if (error.code === 404) return false;
    throw error;
  }
}

test('server_named_queue', async (t) => {
  const channel = await t.confirmChannel();
  const one = await channel.assertQueue('', { exclusive: true });
  const two = await channel.assertQueue('', { exclusive: true });
  assert.match(one.queue, /^amq\.gen-[A-Za-z0-9_-]{22}$/);
  assert.notEqual(one.queue, two.queue);
  await publishConfirmed(channel, '', one.queue, 'x');
  assert.equal((await channel.checkQueue(one.queue)).messageCount, 1);
});

test('exclusive_queue_vanishes_with_its_connection', async (t) => {
  const other = await t.connect();
  const owner = await t.connect();
  const channel = await t.channel(owner);
  const queue = await t.queue(channel, 'q', { exclusive: true });
  await owner.close();
  await eventually('the queue to be gone', async () => !(await exists(t, other, queue)));
});

test('exclusive_queue_survives_its_channel', async (t) => {
  const owner = await t.connect();
  const channel = await t.channel(owner);
  const queue = await t.queue(channel, 'q', { exclusive: true });
  await channel.close();
  assert.equal(await exists(t, owner, queue), true);
});

test('auto_delete_queue_vanishes_with_its_last_consumer', async (t) => {
  const connection = await t.connect();
  const channel = await t.channel(connection);
  const queue = await t.queue(channel, 'q', { autoDelete: true, durable: false });
  const one = await consume(channel, queue);
  const two = await consume(channel, queue);
  await channel.cancel(one.tag);
  assert.equal(await exists(t, connection, queue), true);
  await channel.cancel(two.tag);
  await eventually('the queue to be gone', async () => !(await exists(t, connection, queue)));
});

test('auto_delete_queue_vanishes_with_a_dropped_connection', async (t) => {
  const other = await t.connect();
  const owner = await t.connect();
  const channel = await t.channel(owner);
  const queue = await t.queue(channel, 'q', { autoDelete: true, durable: false });
  await consume(channel, queue);
  t.drop(owner);
  await eventually('the queue to be gone', async () => !(await exists(t, other, queue)));
});

test('auto_delete_exchange_vanishes_with_its_last_binding', async (t) => {
  const channel = await t.channel();
  const exchange = await t.exchange(channel, 'x', 'fanout', { autoDelete: true, durable: false });
  const queue = await t.queue(channel, 'q');
  await channel.bindQueue(queue, exchange, '');
  await channel.checkExchange(exchange);
  await channel.unbindQueue(queue, exchange, '');
  await assert.rejects(channel.checkExchange(exchange), (error) => error.code === 404);
});

test('deleting_a_queue_removes_its_bindings', async (t) => {
  const channel = await t.channel();
  const exchange = await t.exchange(channel, 'x', 'fanout', { autoDelete: true, durable: false });
  const queue = await t.queue(channel, 'q');
  await channel.bindQueue(queue, exchange, '');
  await channel.deleteQueue(queue);
  await assert.rejects(channel.checkExchange(exchange), (error) => error.code === 404);
});

test('declaring_again_is_idempotent', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q', { durable: true });
  await publishConfirmed(channel, '', queue, 'x');
  const again = await channel.assertQueue(queue, { durable: true });
  assert.deepEqual(again, { queue, messageCount: 1, consumerCount: 0 });
  const exchange = await t.exchange(channel, 'x', 'topic', { durable: true });
  await channel.assertExchange(exchange, 'topic', { durable: true });
});

test('deleting_what_is_missing_succeeds', async (t) => {
  const channel = await t.channel();
  assert.deepEqual(await channel.deleteQueue(t.name('missing')), { messageCount: 0 });
  await channel.deleteExchange(t.name('missing'));
});
