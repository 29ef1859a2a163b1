// SPDX-License-Identifier: Apache-2.0
//
// Connections and channels as such: heartbeats, many channels, closing, AMQPLAIN.

'use strict';

const { amqp, assert, publishConfirmed, test, within } = require('../harness');
const { setTimeout: delay } = require('node:timers/promises');

test('heartbeats_keep_an_idle_connection', async (t) => {
  // Longer than the two intervals after which either side would give up; only time shows this.
  const connection = await t.connect({ heartbeat: 1 });
  assert.equal(connection.connection.heartbeat, 1);
  const channel = await t.confirmChannel(connection);
  const queue = await t.queue(channel, 'q');
  await delay(t.quick ? 4000 : 8000);
  await publishConfirmed(channel, '', queue, 'still here');
  assert.equal((await channel.checkQueue(queue)).messageCount, 1);
});

test('heartbeats_switched_off', async (t) => {
  const connection = await t.connect({ heartbeat: 0 });
  assert.equal(connection.connection.heartbeat, 0);
  await (await t.channel(connection)).checkExchange('amq.direct');
});

test('many_channels', async (t) => {
  const connection = await t.connect();
  const count = t.quick ? 200 : 1000;
  const channels = await Promise.all(Array.from({ length: count }, () => t.confirmChannel(connection)));
  const queue = await t.queue(channels[0], 'q');
  await Promise.all(channels.map((channel, i) => publishConfirmed(channel, '', queue, `${i}`)));
  assert.equal((await channels[count - 1].checkQueue(queue)).messageCount, count);
  await Promise.all(channels.slice(1).map((channel) => channel.close()));
  assert.equal((await channels[0].checkQueue(queue)).messageCount, count);
});

test('channel_numbers_are_reused', async (t) => {
  const connection = await t.connect({ channelMax: 4 });
  for (let i = 0; i < 100; i++) await (await t.channel(connection)).close();
  const open = await Promise.all([1, 2, 3, 4].map(() => t.channel(connection)));
  assert.deepEqual(open.map((channel) => channel.ch), [1, 2, 3, 4]);
});

test('many_connections', async (t) => {
  const count = t.quick ? 20 : 100;
  const connections = await Promise.all(Array.from({ length: count }, () => t.connect()));
  await Promise.all(connections.map(async (c) => (await t.channel(c)).checkExchange('amq.direct')));
});

test('close_is_clean', async (t) => {
  const connection = await t.connect();
  await t.channel(connection);
  await connection.close();
  assert.equal(await connection.closed.next(), undefined);
  assert.equal(connection.failed.items.length, 0);
});

test('publish_then_close_loses_nothing', async (t) => {
  const connection = await t.connect();
  const channel = await t.channel(connection);
  const queue = await t.queue(channel, 'q');
  for (let i = 0; i < 1000; i++) channel.sendToQueue(queue, Buffer.from('x'));
  await channel.close();
  await connection.close();
  assert.equal((await (await t.channel()).checkQueue(queue)).messageCount, 1000);
});

test('amqplain', async (t) => {
  const user = process.env.AMQP_USER || 'guest';
  const credentials = amqp.credentials.amqplain(user, process.env.AMQP_PASSWORD || 'guest');
  const connection = await t.connect({}, { credentials });
  await (await t.channel(connection)).checkExchange('amq.direct');
});

test('update_secret', async (t) => {
  const connection = await t.connect();
  const secret = Buffer.from(process.env.AMQP_PASSWORD || 'guest');
  await within(5000, 'update-secret-ok', connection.updateSecret(secret, 'rotation'));
  await (await t.channel(connection)).checkExchange('amq.direct');
});
