// SPDX-License-Identifier: Apache-2.0
//
// Quorum queues and single active consumers.

'use strict';

const { assert, assertChannelError, consume, eventually, publishConfirmed, test, text } = require('../harness');

const quorum = (options) => ({ durable: true, arguments: { 'x-queue-type': 'quorum' }, ...options });

test('single_active_consumer_hands_over', async (t) => {
  const publisher = await t.confirmChannel();
  const queue = await t.queue(publisher, 'q', { durable: false, arguments: { 'x-single-active-consumer': true } });
  const [one, two] = [await t.channel(), await t.channel()];
  const first = await consume(one, queue, { noAck: true });
  const second = await consume(two, queue, { noAck: true });
  for (const body of ['1', '2']) await publishConfirmed(publisher, '', queue, body);
  assert.deepEqual((await first.take(2)).map(text), ['1', '2']);
  assert.equal(second.items.length, 0);
  await one.cancel(first.tag);
  await publishConfirmed(publisher, '', queue, '3');
  assert.equal(text(await second.next()), '3');
});

test('quorum_queue_counts_deliveries', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q', quorum());
  const inbox = await consume(channel, queue);
  await publishConfirmed(channel, '', queue, 'x', { persistent: true });
  const seen = [];
  while (seen.length < 3) {
    const message = await inbox.next();
    seen.push([message.properties.headers['x-delivery-count'], message.fields.redelivered]);
    channel.nack(message);
  }
  assert.deepEqual(seen, [[undefined, false], [1, true], [2, true]]);
});

test('quorum_queue_buries_poison', async (t) => {
  const channel = await t.confirmChannel();
  const exchange = await t.exchange(channel, 'dlx', 'fanout');
  const dead = await t.queue(channel, 'dead');
  await channel.bindQueue(dead, exchange, '');
  const options = quorum({ deadLetterExchange: exchange });
  options.arguments['x-delivery-limit'] = 1;
  const queue = await t.queue(channel, 'q', options);
  const inbox = await consume(channel, queue);
  await publishConfirmed(channel, '', queue, 'poison', { persistent: true });
  for (let i = 0; i < 2; i++) channel.nack(await inbox.next());
  const buried = await eventually('the dead letter', () => channel.get(dead, { noAck: true }));
  assert.equal(buried.properties.headers['x-first-death-reason'], 'delivery_limit');
});

test('quorum_queue_must_be_durable', async (t) => {
  const channel = await t.channel();
  const name = t.name('q');
  await assertChannelError(
    channel,
    406,
    `PRECONDITION_FAILED - invalid property 'non-durable' for queue '${name}' in vhost '/'`,
    () => channel.assertQueue(name, quorum({ durable: false })),
  );
});
