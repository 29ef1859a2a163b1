// SPDX-License-Identifier: Apache-2.0
//
// Publishing: confirms one by one, in batches and asynchronously, and messages that come back.

'use strict';

const { assert, amqp, broker, consume, publishConfirmed, test, text, within } = require('../harness');

test('publish_and_consume', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel, 'q');
  const inbox = await consume(channel, queue);
  for (let i = 0; i < 100; i++) channel.sendToQueue(queue, Buffer.from(`message ${i}`));
  const messages = await inbox.take(100);
  messages.forEach((message, i) => {
    assert.equal(text(message), `message ${i}`);
    assert.equal(message.fields.redelivered, false);
    assert.equal(message.fields.exchange, '');
    assert.equal(message.fields.routingKey, queue);
    assert.equal(message.fields.consumerTag, inbox.tag);
    channel.ack(message);
  });
  assert.deepEqual(await channel.checkQueue(queue), { queue, messageCount: 0, consumerCount: 1 });
});

test('publish_and_get', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q');
  for (const body of ['one', 'two']) await publishConfirmed(channel, '', queue, body);
  const first = await channel.get(queue, { noAck: true });
  assert.equal(text(first), 'one');
  assert.equal(first.fields.messageCount, 1);
  const second = await channel.get(queue);
  assert.equal(text(second), 'two');
  assert.equal(second.fields.messageCount, 0);
  channel.ack(second);
  assert.equal(await channel.get(queue), false);
});

test('empty_message', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel, 'q');
  const inbox = await consume(channel, queue, { noAck: true });
  channel.sendToQueue(queue, Buffer.alloc(0));
  assert.equal((await inbox.next()).content.length, 0);
});

test('confirm_single', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q', { durable: true });
  for (let i = 0; i < 20; i++) {
    await publishConfirmed(channel, '', queue, `${i}`, { persistent: true });
    assert.equal((await channel.checkQueue(queue)).messageCount, i + 1);
  }
});

test('confirm_batch', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q', { durable: true });
  for (let batch = 1; batch <= 5; batch++) {
    for (let i = 0; i < 200; i++) channel.sendToQueue(queue, Buffer.from('x'), { persistent: true });
    await within(10000, 'the batch to be confirmed', channel.waitForConfirms());
    assert.equal((await channel.checkQueue(queue)).messageCount, batch * 200);
  }
});

test('confirm_async', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q', { durable: true });
  const count = t.quick ? 2000 : 10000;
  const confirmed = new Array(count).fill(0);
  for (let i = 0; i < count; i++) {
    channel.sendToQueue(queue, Buffer.from('x'), { persistent: true }, (error) => {
      if (!error) confirmed[i]++;
    });
  }
  await within(20000, 'all confirms', channel.waitForConfirms());
  assert.ok(confirmed.every((times) => times === 1));
  assert.equal((await channel.checkQueue(queue)).messageCount, count);
});

test('mandatory_return', async (t) => {
  const channel = await t.channel();
  const key = t.name('nowhere');
  channel.publish('amq.direct', key, Buffer.from('back'), { mandatory: true, messageId: 'm1' });
  const { fields, properties, content } = await channel.returned.next();
  assert.equal(fields.replyCode, 312);
  assert.equal(fields.replyText, 'NO_ROUTE');
  assert.equal(fields.exchange, 'amq.direct');
  assert.equal(fields.routingKey, key);
  assert.equal(properties.messageId, 'm1');
  assert.equal(content.toString(), 'back');
});

test('return_comes_before_its_confirm', async (t) => {
  const channel = await t.confirmChannel();
  const order = [];
  channel.on('return', () => order.push('return'));
  const key = t.name('nowhere');
  await publishConfirmed(channel, '', key, 'x', { mandatory: true }).then(() => order.push('confirm'));
  assert.deepEqual(order, ['return', 'confirm']);
});

test('routable_mandatory_is_not_returned', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q');
  await publishConfirmed(channel, '', queue, 'x', { mandatory: true });
  assert.equal(channel.returned.items.length, 0);
  assert.equal((await channel.checkQueue(queue)).messageCount, 1);
});

test('callback_api', async (t) => {
  const callbacks = require('amqplib/callback_api');
  const queue = t.name('q');
  const body = await within(
    10000,
    'the callback round trip',
    new Promise((resolve, reject) => {
      const or = (next) => (error, value) => (error ? reject(error) : next(value));
      const publish = (connection, channel) => {
        const done = ({ content }) => connection.close(or(() => resolve(content.toString())));
        channel.consume(queue, done, { noAck: true }, or(() => channel.sendToQueue(queue, Buffer.from('hi'))));
      };
      const declare = (connection) =>
        connection.createChannel(
          or((channel) => channel.assertQueue(queue, { exclusive: true }, or(() => publish(connection, channel)))),
        );
      callbacks.connect(broker(), or(declare));
    }),
  );
  assert.equal(body, 'hi');
});

test('connect_by_url', async () => {
  const { hostname, port, username, password, vhost } = broker();
  const connection = await amqp.connect(`amqp://${username}:${password}@${hostname}:${port}/${vhost}?heartbeat=30`);
  const properties = connection.connection.serverProperties;
  assert.equal(properties.product, 'RabbitMQ');
  for (const name of ['publisher_confirms', 'basic.nack', 'consumer_cancel_notify', 'connection.blocked'])
    assert.equal(properties.capabilities[name], true, name);
  await connection.close();
});
