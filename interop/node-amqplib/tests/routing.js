// SPDX-License-Identifier: Apache-2.0
//
// The exchange types, exchange-to-exchange bindings and alternate exchanges. Each test publishes with
// confirms, so that what a queue holds afterwards is final.

'use strict';

const { assert, publishConfirmed, test, text } = require('../harness');

async function drain(channel, queue) {
  const bodies = [];
  for (;;) {
    const message = await channel.get(queue, { noAck: true });
    if (!message) return bodies;
    bodies.push(text(message));
  }
}

test('direct_routing', async (t) => {
  const channel = await t.confirmChannel();
  const exchange = await t.exchange(channel, 'x', 'direct');
  const [one, two] = [await t.queue(channel, 'one'), await t.queue(channel, 'two')];
  await channel.bindQueue(one, exchange, 'red');
  await channel.bindQueue(one, exchange, 'green');
  await channel.bindQueue(two, exchange, 'green');
  for (const key of ['red', 'green', 'blue']) await publishConfirmed(channel, exchange, key, key);
  await channel.unbindQueue(one, exchange, 'green');
  await publishConfirmed(channel, exchange, 'green', 'later');
  assert.deepEqual(await drain(channel, one), ['red', 'green']);
  assert.deepEqual(await drain(channel, two), ['green', 'later']);
});

test('topic_routing', async (t) => {
  const channel = await t.confirmChannel();
  const exchange = await t.exchange(channel, 'x', 'topic');
  const keys = ['a', 'a.b', 'a.b.c', 'x.b', 'x.b.c', '', 'b'];
  const expected = {
    'a.b': ['a.b'],
    'a.*': ['a.b'],
    'a.#': ['a', 'a.b', 'a.b.c'],
    '*.b': ['a.b', 'x.b'],
    '#.b': ['a.b', 'x.b', 'b'],
    '#.b.#': ['a.b', 'a.b.c', 'x.b', 'x.b.c', 'b'],
    '*': ['a', 'b'],
    '#': keys,
    'a*': [],
  };
  const queues = new Map();
  for (const pattern of Object.keys(expected)) {
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, exchange, pattern);
    queues.set(pattern, queue);
  }
  for (const key of keys) await publishConfirmed(channel, exchange, key, key);
  for (const [pattern, queue] of queues)
    assert.deepEqual(await drain(channel, queue), expected[pattern], `pattern ${pattern}`);
});

test('fanout_routing', async (t) => {
  const channel = await t.confirmChannel();
  const exchange = await t.exchange(channel, 'x', 'fanout');
  const queues = [];
  for (let i = 0; i < 10; i++) {
    queues.push(await t.queue(channel, `q${i}`));
    await channel.bindQueue(queues[i], exchange, i % 2 ? 'ignored' : '');
  }
  await publishConfirmed(channel, exchange, 'whatever', 'to all');
  for (const queue of queues) assert.deepEqual(await drain(channel, queue), ['to all']);
});

test('one_copy_for_several_bindings', async (t) => {
  const channel = await t.confirmChannel();
  const exchange = await t.exchange(channel, 'x', 'topic');
  const queue = await t.queue(channel, 'q');
  for (const pattern of ['#', 'a.*', 'a.b']) await channel.bindQueue(queue, exchange, pattern);
  await publishConfirmed(channel, exchange, 'a.b', 'once');
  assert.deepEqual(await drain(channel, queue), ['once']);
});

test('headers_routing', async (t) => {
  const channel = await t.confirmChannel();
  const exchange = await t.exchange(channel, 'x', 'headers');
  const [all, any] = [await t.queue(channel, 'all'), await t.queue(channel, 'any')];
  await channel.bindQueue(all, exchange, '', { 'x-match': 'all', kind: 'report', size: 7 });
  await channel.bindQueue(any, exchange, '', { 'x-match': 'any', kind: 'report', size: 7 });
  const messages = {
    both: { kind: 'report', size: 7 },
    kind: { kind: 'report', size: 8 },
    size: { size: 7 },
    more: { kind: 'report', size: 7, other: true },
    none: { kind: 'letter' },
  };
  for (const [body, headers] of Object.entries(messages))
    await publishConfirmed(channel, exchange, '', body, { headers });
  await publishConfirmed(channel, exchange, '', 'without');
  assert.deepEqual(await drain(channel, all), ['both', 'more']);
  assert.deepEqual(await drain(channel, any), ['both', 'kind', 'size', 'more']);
});

test('exchange_to_exchange', async (t) => {
  const channel = await t.confirmChannel();
  const source = await t.exchange(channel, 'source', 'topic');
  const target = await t.exchange(channel, 'target', 'direct');
  const queue = await t.queue(channel, 'q');
  await channel.bindQueue(queue, target, 'a.b');
  await channel.bindExchange(target, source, 'a.*');
  for (const key of ['a.b', 'a.c', 'b.b']) await publishConfirmed(channel, source, key, key);
  await channel.unbindExchange(target, source, 'a.*');
  await publishConfirmed(channel, source, 'a.b', 'after unbind');
  assert.deepEqual(await drain(channel, queue), ['a.b']);
});

test('alternate_exchange', async (t) => {
  const channel = await t.confirmChannel();
  const other = await t.exchange(channel, 'other', 'fanout');
  const main = await t.exchange(channel, 'main', 'direct', { durable: false, alternateExchange: other });
  const [known, unknown] = [await t.queue(channel, 'known'), await t.queue(channel, 'unknown')];
  await channel.bindQueue(known, main, 'known');
  await channel.bindQueue(unknown, other, '');
  for (const key of ['known', 'unknown'])
    await publishConfirmed(channel, main, key, key, { mandatory: true });
  assert.deepEqual(await drain(channel, known), ['known']);
  assert.deepEqual(await drain(channel, unknown), ['unknown']);
  assert.equal(channel.returned.items.length, 0);
});

test('cc_and_bcc', async (t) => {
  const channel = await t.confirmChannel();
  const [to, cc, bcc] = [await t.queue(channel, 'to'), await t.queue(channel, 'cc'), await t.queue(channel, 'bcc')];
  await publishConfirmed(channel, '', to, 'x', { CC: [cc], BCC: [bcc] });
  for (const queue of [to, cc, bcc]) {
    const message = await channel.get(queue, { noAck: true });
    assert.equal(text(message), 'x');
    assert.deepEqual(message.properties.headers.CC, [cc]);
    assert.equal(message.properties.headers.BCC, undefined);
  }
});
