// SPDX-License-Identifier: Apache-2.0
//
// The delayed exchange (x-delayed-message) by what the plug-in's documentation says of it: a message with
// the header x-delay is routed after so many milliseconds, by the type that x-delayed-type names; one
// without it at once. https://github.com/rabbitmq/rabbitmq-delayed-message-exchange

'use strict';

const {
  assert,
  assertChannelError,
  consume,
  eventually,
  publishConfirmed,
  test,
  testWithRestart,
  text,
  unlessRabbitMQ,
} = require('../../node-amqplib/harness');

const ONLY = unlessRabbitMQ("Debian's RabbitMQ has no rabbitmq_delayed_message_exchange");
const LATE_MS = 5000;

async function delayed(t, channel, type = 'direct', suffix = 'delayed') {
  const options = { durable: true, arguments: { 'x-delayed-type': type } };
  return t.exchange(channel, suffix, 'x-delayed-message', options);
}

async function boundQueue(t, channel, exchange, key = 'key', suffix = 'q', args = undefined) {
  const queue = await t.queue(channel, suffix, { durable: true });
  await channel.bindQueue(queue, exchange, key, args);
  return queue;
}

function publishLater(channel, exchange, key, body, delayMs, options = {}) {
  const headers = { ...options.headers, 'x-delay': delayMs };
  return publishConfirmed(channel, exchange, key, body, { persistent: true, ...options, headers });
}

test(
  'delayed_messages_come_in_the_order_of_their_times',
  async (t) => {
    const channel = await t.confirmChannel();
    const exchange = await delayed(t, channel);
    const inbox = await consume(channel, await boundQueue(t, channel, exchange), { noAck: true });
    const startedMs = Date.now();
    for (const delayMs of [800, 200, 600, 400]) await publishLater(channel, exchange, 'key', `${delayMs}`, delayMs);
    for (const delayMs of [200, 400, 600, 800]) {
      const message = await inbox.next();
      const tookMs = Date.now() - startedMs;
      assert.equal(text(message), `${delayMs}`);
      assert.ok(tookMs >= delayMs && tookMs < delayMs + LATE_MS, `${delayMs} ms became ${tookMs}`);
      assert.equal(message.properties.headers['x-delay'], -delayMs, 'negated, so that it is not delayed again');
      assert.equal(message.fields.exchange, exchange);
      assert.equal(message.fields.routingKey, 'key');
      assert.equal(message.fields.redelivered, false);
    }
  },
  ONLY,
);

test(
  'delayed_messages_of_one_time_keep_their_order',
  async (t) => {
    const channel = await t.confirmChannel();
    const exchange = await delayed(t, channel);
    const inbox = await consume(channel, await boundQueue(t, channel, exchange), { noAck: true });
    const count = t.quick ? 500 : 10000;
    for (let i = 0; i < count; i++) {
      const options = { persistent: true, headers: { 'x-delay': 500 } };
      channel.publish(exchange, 'key', Buffer.from(`${i}`), options);
    }
    await channel.waitForConfirms();
    for (let i = 0; i < count; i++) assert.equal(text(await inbox.next()), `${i}`);
  },
  ONLY,
);

test(
  'delayed_exchange_routes_at_once_what_has_no_delay',
  async (t) => {
    const channel = await t.confirmChannel();
    const exchange = await delayed(t, channel);
    const queue = await boundQueue(t, channel, exchange);
    await publishConfirmed(channel, exchange, 'key', 'plain');
    await publishConfirmed(channel, exchange, 'key', 'other headers', { headers: { a: 1 } });
    for (const delayMs of [0, -500]) await publishLater(channel, exchange, 'key', `${delayMs}`, delayMs);
    for (const body of ['plain', 'other headers', '0', '-500']) {
      const message = await channel.get(queue, { noAck: true });
      assert.equal(message && text(message), body);
    }
  },
  ONLY,
);

test(
  'delayed_exchange_routes_by_its_type',
  async (t) => {
    const channel = await t.confirmChannel();
    const types = {
      direct: [['key', 'a'], ['other', null]],
      topic: [['key.x', 'a'], ['other', null], ['b.c.d', 'b']],
      fanout: [['any', 'a']],
    };
    const keys = { direct: { a: 'key' }, topic: { a: 'key.*', b: 'b.#' }, fanout: { a: '' } };
    for (const [type, messages] of Object.entries(types)) {
      const exchange = await delayed(t, channel, type, type);
      const queues = {};
      for (const [suffix, key] of Object.entries(keys[type]))
        queues[suffix] = await boundQueue(t, channel, exchange, key, `${type}.${suffix}`);
      for (const [key] of messages) await publishLater(channel, exchange, key, key, 100);
      for (const [key, suffix] of messages) {
        if (suffix === null) continue;
        const get = () => channel.get(queues[suffix], { noAck: true });
        assert.equal(text(await eventually(`a message by ${type}`, get)), key);
      }
      for (const queue of Object.values(queues)) assert.equal(await channel.get(queue), false);
    }
    const exchange = await delayed(t, channel, 'headers', 'headers');
    const queue = await boundQueue(t, channel, exchange, '', 'headers.a', { 'x-match': 'all', colour: 'red' });
    for (const colour of ['blue', 'red'])
      await publishLater(channel, exchange, '', colour, 100, { headers: { colour } });
    assert.equal(text(await eventually('a message by headers', () => channel.get(queue, { noAck: true }))), 'red');
  },
  ONLY,
);

test(
  'delayed_message_is_routed_when_its_time_comes',
  async (t) => {
    const channel = await t.confirmChannel();
    const exchange = await delayed(t, channel);
    const early = await boundQueue(t, channel, exchange, 'key', 'early');
    await publishLater(channel, exchange, 'key', 'text', 500);
    const late = await boundQueue(t, channel, exchange, 'key', 'late');
    await channel.unbindQueue(early, exchange, 'key');
    assert.equal(text(await eventually('a message', () => channel.get(late, { noAck: true }))), 'text');
    assert.equal(await channel.get(early), false);
  },
  ONLY,
);

test(
  'delayed_message_is_confirmed_when_stored_and_never_returned',
  async (t) => {
    const channel = await t.confirmChannel();
    const exchange = await delayed(t, channel);
    const queue = await boundQueue(t, channel, exchange);
    await publishLater(channel, exchange, 'nowhere', 'lost', 100, { mandatory: true });
    await publishLater(channel, exchange, 'key', 'kept', 60000, { mandatory: true });
    await publishLater(channel, exchange, 'key', 'in time', 200);
    await eventually('a message', async () => (await channel.checkQueue(queue)).messageCount === 1);
    assert.equal(channel.returned.items.length, 0);
    assert.equal(text(await channel.get(queue, { noAck: true })), 'in time');
  },
  ONLY,
);

test(
  'delayed_message_keeps_its_properties',
  async (t) => {
    const channel = await t.confirmChannel();
    const exchange = await delayed(t, channel);
    const queue = await boundQueue(t, channel, exchange);
    const options = {
      persistent: true,
      priority: 3,
      correlationId: 'c',
      replyTo: 'r',
      messageId: 'm',
      timestamp: 1700000000,
      type: 't',
      appId: 'a',
      contentType: 'text/plain',
      contentEncoding: 'utf-8',
      headers: { text: '\u20ac', list: [1, 'b'], table: { k: true } },
    };
    await publishLater(channel, exchange, 'key', 'text', 50, options);
    const message = await eventually('a message', () => channel.get(queue, { noAck: true }));
    const got = message.properties;
    assert.deepEqual(got.headers, { ...options.headers, 'x-delay': -50 });
    for (const key of ['priority', 'correlationId', 'replyTo', 'messageId', 'timestamp', 'type', 'appId'])
      assert.equal(got[key], options[key], key);
    assert.deepEqual([got.contentType, got.contentEncoding, got.deliveryMode], ['text/plain', 'utf-8', 2]);
  },
  ONLY,
);

test(
  'delayed_exchange_passes_on_to_another_exchange',
  async (t) => {
    const channel = await t.confirmChannel();
    const exchange = await delayed(t, channel, 'topic');
    const target = await t.exchange(channel, 'target', 'fanout', { durable: true });
    await channel.bindExchange(target, exchange, 'a.#');
    const queue = await boundQueue(t, channel, target, '');
    await publishLater(channel, exchange, 'a.b', 'text', 100);
    assert.equal(await channel.get(queue), false);
    assert.equal(text(await eventually('a message', () => channel.get(queue, { noAck: true }))), 'text');
  },
  ONLY,
);

test(
  'delayed_exchange_takes_its_messages_along',
  async (t) => {
    const channel = await t.confirmChannel();
    const exchange = await delayed(t, channel);
    const queue = await boundQueue(t, channel, exchange);
    await publishLater(channel, exchange, 'key', 'gone', 300);
    await channel.deleteExchange(exchange);
    await delayed(t, channel);
    await channel.bindQueue(queue, exchange, 'key');
    await publishLater(channel, exchange, 'key', 'kept', 600);
    assert.equal(text(await eventually('a message', () => channel.get(queue, { noAck: true }))), 'kept');
  },
  ONLY,
);

test(
  'delayed_exchange_needs_the_type_behind_it',
  async (t) => {
    const replies = [
      [undefined, "Invalid argument, 'x-delayed-type' must be an existing exchange type"],
      [{ 'x-delayed-type': 'no-such-type' }, "unknown exchange type 'no-such-type'"],
    ];
    for (const [args, reply] of replies) {
      const channel = await t.channel();
      const options = { durable: true, arguments: args };
      await assertChannelError(channel, 406, `PRECONDITION_FAILED - ${reply}`, () =>
        channel.assertExchange(t.name('wrong'), 'x-delayed-message', options),
      );
    }
  },
  ONLY,
);

testWithRestart(
  'delayed_messages_survive_a_restart',
  async (t) => {
    const channel = await t.confirmChannel();
    const exchange = await delayed(t, channel);
    const queue = await boundQueue(t, channel, exchange);
    const all = [...Array(100).keys()].map((i) => publishLater(channel, exchange, 'key', `${i}`, 5000));
    all.push(publishLater(channel, exchange, 'key', 'overdue', 1));
    await Promise.all(all);

    await t.restartBroker();

    const after = await t.confirmChannel();
    const count = async () => (await after.checkQueue(queue)).messageCount;
    await eventually('all come', async () => (await count()) === 101);
    const bodies = [];
    for (let i = 0; i < 101; i++) bodies.push(text(await after.get(queue, { noAck: true })));
    assert.deepEqual(bodies, ['overdue', ...[...Array(100).keys()].map((i) => `${i}`)]);
    await publishLater(after, exchange, 'key', 'after', 100);
    assert.equal(text(await eventually('a message', () => after.get(queue, { noAck: true }))), 'after');
  },
  ONLY,
);
