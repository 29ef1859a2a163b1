// SPDX-License-Identifier: Apache-2.0
//
// What a message carries must come out as it went in: the body of any size, every property, every type
// of a header table.

'use strict';

const { assert, publishConfirmed, test } = require('../harness');
const { randomBytes } = require('node:crypto');

async function roundTrip(t, body, options) {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q');
  await publishConfirmed(channel, '', queue, body, options);
  return channel.get(queue, { noAck: true });
}

test('all_properties', async (t) => {
  const options = {
    contentType: 'application/json',
    contentEncoding: 'gzip',
    headers: { h: 'v' },
    deliveryMode: 2,
    priority: 5,
    correlationId: 'correlation',
    replyTo: 'reply',
    expiration: '60000',
    messageId: 'message',
    timestamp: 1700000000,
    type: 'kind',
    userId: process.env.AMQP_USER || 'guest',
    appId: 'application',
  };
  const { properties } = await roundTrip(t, '{}', options);
  assert.deepEqual({ ...properties, clusterId: undefined }, { ...options, clusterId: undefined });
});

test('no_properties', async (t) => {
  const { properties } = await roundTrip(t, 'x', {});
  assert.deepEqual(properties.headers, {});
  assert.deepEqual(
    Object.entries(properties).filter(([name, value]) => name !== 'headers' && value !== undefined),
    [],
  );
});

test('header_table_types', async (t) => {
  const typed = (type, value) => ({ '!': type, value });
  const sent = {
    yes: true,
    no: false,
    int8: typed('int8', -128),
    uint8: typed('uint8', 255),
    int16: typed('int16', -32768),
    uint16: typed('uint16', 65535),
    int32: typed('int32', -2147483648),
    uint32: typed('uint32', 4294967295),
    int64: typed('int64', -9007199254740991),
    float: typed('float', 0.5),
    double: typed('double', Math.PI),
    decimal: typed('decimal', { places: 2, digits: 31415 }),
    string: 'hällo wörld',
    empty: '',
    long: 'x'.repeat(10000),
    bytes: Buffer.from([0, 1, 254, 255]),
    timestamp: typed('timestamp', 1700000000),
    nothing: null,
    array: [1, 'two', [true, null], { three: 3 }],
    emptyArray: [],
    table: { nested: { deeper: { deepest: 'value' } } },
    emptyTable: {},
  };
  const { headers } = (await roundTrip(t, 'x', { headers: sent })).properties;
  const kept = new Set(['decimal', 'timestamp']);
  const expected = Object.fromEntries(
    Object.entries(sent).map(([name, value]) => [name, value && value['!'] && !kept.has(name) ? value.value : value]),
  );
  assert.deepEqual(headers, expected);
  assert.deepEqual(Object.keys(headers), Object.keys(sent));
});

for (const [name, size] of [['frame_sized_messages', 131072], ['large_message', 8 * 1024 * 1024]]) {
  test(name, async (t) => {
    // Around the frame size lies where a body is cut; the ends of a large one are easily lost.
    const sizes = name === 'large_message' ? [size + 1] : [size - 9, size - 8, size - 7, 2 * (size - 8), size * 2];
    const channel = await t.confirmChannel();
    const queue = await t.queue(channel, 'q', { durable: true });
    for (const length of sizes) {
      const body = randomBytes(length);
      await publishConfirmed(channel, '', queue, body, { persistent: true });
      const { content } = await channel.get(queue, { noAck: true });
      assert.ok(content.equals(body), `${length} bytes`);
    }
  });
}

test('small_frames', async (t) => {
  const channel = await t.confirmChannel(await t.connect({ frameMax: 8192 }));
  const queue = await t.queue(channel, 'q');
  const body = randomBytes(100000);
  await publishConfirmed(channel, '', queue, body);
  assert.ok((await channel.get(queue, { noAck: true })).content.equals(body));
});
