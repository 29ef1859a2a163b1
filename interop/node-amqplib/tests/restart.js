// SPDX-License-Identifier: Apache-2.0
//
// The broker restarts under its clients: what was durable is still there, what was not is gone, and the
// client's own recovery finds its way back.

'use strict';

const { setTimeout: delay } = require('node:timers/promises');

const {
  assert,
  assertReply,
  consume,
  eventually,
  Inbox,
  publishConfirmed,
  testWithRestart,
  text,
  watch,
} = require('../harness');

testWithRestart('durable_things_survive_a_restart', async (t) => {
  const connection = await t.connect();
  const channel = await t.confirmChannel(connection);
  const exchange = await t.exchange(channel, 'x', 'topic', { durable: true });
  const target = await t.exchange(channel, 'target', 'fanout', { durable: true });
  const durable = await t.queue(channel, 'durable', { durable: true });
  const transient = await t.queue(channel, 'transient', { durable: false });
  await channel.bindQueue(durable, target, '');
  await channel.bindExchange(target, exchange, 'kept.*');
  const headers = { count: 7, list: ['a', null] };
  for (let i = 0; i < 50; i++)
    await publishConfirmed(channel, exchange, 'kept.yes', `${i}`, { persistent: true, headers });
  await publishConfirmed(channel, '', durable, 'not persistent', { persistent: false });
  for (let i = 0; i < 10; i++) channel.ack(await channel.get(durable));
  await channel.checkQueue(durable);

  await t.restartBroker();

  assertReply(
    await connection.closed.next(),
    320,
    `CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'`,
  );
  const after = await t.confirmChannel();
  assert.equal((await after.checkQueue(durable)).messageCount, 40);
  for (let i = 10; i < 50; i++) {
    const message = await after.get(durable, { noAck: true });
    assert.equal(text(message), `${i}`);
    assert.equal(message.fields.exchange, exchange);
    assert.equal(message.fields.routingKey, 'kept.yes');
    assert.equal(message.fields.redelivered, false);
    assert.deepEqual(message.properties.headers, headers);
    assert.equal(message.properties.deliveryMode, 2);
  }
  await publishConfirmed(after, exchange, 'kept.again', 'by the old bindings');
  assert.equal(text(await after.get(durable, { noAck: true })), 'by the old bindings');
  await assert.rejects(after.checkQueue(transient), (error) => error.code === 404);
});

testWithRestart('client_recovers_after_a_restart', async (t) => {
  const queue = t.name('q');
  t.queues.add(queue);
  const deliveries = new Inbox('a delivery to the recovering consumer');
  let consumer;
  const setup = async (connection) => {
    consumer = watch(await connection.createChannel());
    await consumer.assertQueue(queue, { durable: true });
    await consumer.consume(queue, (message) => deliveries.put(message));
  };
  const recovering = await t.connect({}, { recovery: { initialDelay: 100, maxDelay: 500, setup } });
  const states = new Inbox('the connection to change its state');
  recovering.on('disconnect', () => states.put('disconnect'));
  recovering.on('connect', () => states.put('connect'));

  await publishConfirmed(await t.confirmChannel(), '', queue, 'before', { persistent: true });
  assert.equal((await deliveries.next()).fields.redelivered, false);

  await t.restartBroker();

  assert.equal(await states.next(), 'disconnect');
  assert.equal(await states.next(), 'connect');
  const again = await deliveries.next();
  assert.equal(text(again), 'before');
  assert.equal(again.fields.redelivered, true);
  consumer.ack(again);
  const publisher = watch(await recovering.createConfirmChannel());
  await publishConfirmed(publisher, '', queue, 'after', { persistent: true });
  const next = await deliveries.next();
  assert.equal(text(next), 'after');
  consumer.ack(next);
  assert.equal((await consumer.checkQueue(queue)).messageCount, 0);
});

// Publishes numbers in batches, each until it is confirmed, on a new channel after each that was lost; the
// connection recovers by itself.
async function publishNumbers(connection, queue, confirmed) {
  while (!confirmed.isEnough) {
    try {
      const channel = watch(await connection.createConfirmChannel());
      while (!confirmed.isEnough) {
        const batch = Array.from({ length: 100 }, (_, i) => `${confirmed.count + i}`);
        await Promise.all(batch.map((body) => publishConfirmed(channel, '', queue, body, { persistent: true })));
        confirmed.count += batch.length;
      }
    } catch {
      await delay(100);
    }
  }
}

testWithRestart('what_was_confirmed_survives_a_crash', async (t) => {
  const queue = await t.queue(await t.channel(), 'durable', { durable: true });
  const recovering = await t.connect({}, { recovery: { initialDelay: 100, maxDelay: 500 } });
  const confirmed = { count: 0, isEnough: false };
  const publishing = publishNumbers(recovering, queue, confirmed);
  await eventually('publishing has begun', () => confirmed.count >= 500);
  await t.crashBroker();
  const before = confirmed.count;
  await eventually('publishing goes on', () => confirmed.count > before, 60000);
  confirmed.isEnough = true;
  await publishing;
  const inbox = await consume(await t.channel(), queue, { noAck: true });
  const bodies = new Set();
  while (bodies.size < confirmed.count) bodies.add(text(await inbox.next()));
});
