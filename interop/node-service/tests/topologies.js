// SPDX-License-Identifier: Apache-2.0
//
// What frameworks of other languages declare, and how their messages go, replayed: MassTransit's exchanges
// for message types, NServiceBus's delays by binary digits in quorum queues, Laravel's queues for a delay.

'use strict';

const {
  assert,
  consume,
  eventually,
  publishConfirmed,
  test,
  text,
  unlessRabbitMQ,
} = require('../../node-amqplib/harness');
const exists = require('../exists');

const QUORUM = { 'x-queue-type': 'quorum' };

// --- MassTransit: an exchange for each type of message, bound to those of its interfaces and of the
// endpoints that consume it; an endpoint is an exchange and a quorum queue of the same name.

async function endpoint(t, channel, suffix) {
  const exchange = await t.exchange(channel, suffix, 'fanout', { durable: true });
  const queue = await t.queue(channel, suffix, { durable: true, arguments: QUORUM });
  await channel.bindQueue(queue, exchange, '');
  return queue;
}

async function messageType(t, channel, suffix, ...consumers) {
  const exchange = await t.exchange(channel, suffix, 'fanout', { durable: true });
  for (const consumer of consumers) await channel.bindExchange(consumer, exchange, '');
  return exchange;
}

test('masstransit_publishes_by_type', async (t) => {
  const channel = await t.confirmChannel();
  const audit = await endpoint(t, channel, 'audit');
  const orders = await endpoint(t, channel, 'orders');
  const event = await messageType(t, channel, 'Contracts:IEvent', audit);
  const orderEvent = await messageType(t, channel, 'Contracts:IOrderEvent', event);
  const submitted = await messageType(t, channel, 'Contracts:OrderSubmitted', orderEvent, event, orders);
  const stock = await messageType(t, channel, 'Contracts:StockReserved', event);
  const envelope = { contentType: 'application/vnd.masstransit+json', persistent: true, mandatory: true };
  await publishConfirmed(channel, submitted, '', 'order', envelope);
  await publishConfirmed(channel, stock, '', 'stock', envelope);
  await publishConfirmed(channel, orders, '', 'command', envelope); // sent to the endpoint itself
  // OrderSubmitted reaches the audit by two ways, and comes there once.
  const atAudit = await consume(channel, audit);
  assert.deepEqual((await atAudit.take(2)).map(text), ['order', 'stock']);
  const atOrders = await consume(channel, orders);
  assert.deepEqual((await atOrders.take(2)).map(text), ['order', 'command']);
  assert.equal((await channel.checkQueue(audit)).messageCount, 0);
  channel.ackAll();
});

test('masstransit_moves_faults_to_the_error_queue', async (t) => {
  const channel = await t.confirmChannel();
  const orders = await endpoint(t, channel, 'orders');
  const errors = await endpoint(t, channel, 'orders_error');
  const fault = await messageType(t, channel, 'MassTransit:Fault');
  await publishConfirmed(channel, orders, '', 'bad', { messageId: 'm', persistent: true });
  const inbox = await consume(channel, orders);
  const message = await inbox.next();
  const headers = { ...message.properties.headers, 'MT-Reason': 'fault', 'MT-Fault-Message': 'on purpose' };
  await publishConfirmed(channel, errors, '', message.content, { ...message.properties, headers });
  await publishConfirmed(channel, fault, '', '{}', { persistent: true }); // nobody listens to faults
  channel.ack(message);
  const moved = await eventually('the error', () => channel.get(errors, { noAck: true }));
  assert.equal(moved.properties.messageId, 'm');
  assert.equal(moved.properties.headers['MT-Reason'], 'fault');
});

test(
  'masstransit_redelivers_by_its_delay_exchange',
  async (t) => {
    const channel = await t.confirmChannel();
    const orders = await endpoint(t, channel, 'orders');
    const delay = await t.exchange(channel, 'orders_delay', 'x-delayed-message', {
      durable: true,
      arguments: { 'x-delayed-type': 'fanout' },
    });
    await channel.bindExchange(orders, delay, '');
    const startedMs = Date.now();
    await publishConfirmed(channel, delay, '', 'again', {
      persistent: true,
      headers: { 'x-delay': 500, 'MT-Redelivery-Count': '1' },
    });
    const inbox = await consume(channel, orders, { noAck: true });
    const message = await inbox.next();
    assert.ok(Date.now() - startedMs >= 500);
    assert.equal(message.properties.headers['MT-Redelivery-Count'], '1');
  },
  unlessRabbitMQ("Debian's RabbitMQ has no rabbitmq_delayed_message_exchange"),
);

// --- NServiceBus: conventional routing, and delays of up to 2^28 seconds by 28 quorum queues that
// dead-letter at least once.

const LEVELS = 28;

function level(t, number) {
  return `nsb.delay-level-${String(number).padStart(2, '0')}`;
}

async function delayInfrastructure(t, channel) {
  const delivery = await t.exchange(channel, 'nsb.delay-delivery', 'topic', { durable: true });
  let next = delivery;
  for (let number = 0; number < LEVELS; number++) {
    const exchange = await t.exchange(channel, level(t, number), 'topic', { durable: true });
    const queue = await t.queue(channel, level(t, number), {
      durable: true,
      arguments: {
        ...QUORUM,
        'x-dead-letter-strategy': 'at-least-once',
        'x-overflow': 'reject-publish',
        'x-message-ttl': 2 ** number * 1000,
        'x-dead-letter-exchange': next,
      },
    });
    const wildcards = '*.'.repeat(LEVELS - 1 - number);
    await channel.bindQueue(queue, exchange, `${wildcards}1.#`);
    await channel.bindExchange(next, exchange, `${wildcards}0.#`);
    next = exchange;
  }
  return { delivery, top: next };
}

test('nservicebus_delays_by_binary_digits', async (t) => {
  const channel = await t.confirmChannel();
  const { delivery, top } = await delayInfrastructure(t, channel);
  const sales = await t.queue(channel, 'Sales', { durable: true, arguments: QUORUM });
  const endpointExchange = await t.exchange(channel, 'Sales', 'fanout', { durable: true });
  await channel.bindQueue(sales, endpointExchange, '');
  await channel.bindExchange(endpointExchange, delivery, `#.${sales}`);
  const startedMs = Date.now();
  for (const seconds of [3, 1, 0]) {
    const digits = seconds.toString(2).padStart(LEVELS, '0').split('').join('.');
    await publishConfirmed(channel, top, `${digits}.${sales}`, `${seconds}`, { persistent: true, mandatory: true });
  }
  const inbox = await consume(channel, sales, { noAck: true });
  for (const seconds of [0, 1, 3]) {
    const message = await inbox.next();
    assert.equal(text(message), `${seconds}`);
    const tookMs = Date.now() - startedMs;
    assert.ok(tookMs >= seconds * 1000 && tookMs < seconds * 1000 + 8000, `${seconds} s became ${tookMs} ms`);
    if (seconds === 3) {
      const deaths = message.properties.headers['x-death'].map(({ queue, reason, count }) => [queue, reason, count]);
      const queues = [0, 1].map((number) => t.name(level(t, number)));
      assert.deepEqual(deaths, queues.map((queue) => [queue, 'expired', 1]));
    }
  }
  const years = `${'1.'.repeat(LEVELS)}${sales}`;
  await publishConfirmed(channel, top, years, 'in eight years', { persistent: true, mandatory: true });
  const highest = t.name(level(t, LEVELS - 1));
  await eventually('it waits', async () => (await channel.checkQueue(highest)).messageCount === 1);
});

test('nservicebus_publishes_through_a_hierarchy_of_types', async (t) => {
  const channel = await t.confirmChannel();
  const names = ['System.Object', 'Events:IEvent', 'Events:Placed'];
  const exchanges = [];
  for (const name of names) exchanges.push(await t.exchange(channel, name, 'fanout', { durable: true }));
  await channel.bindExchange(exchanges[0], exchanges[1], '');
  await channel.bindExchange(exchanges[1], exchanges[2], '');
  const subscribers = [];
  for (const [i, suffix] of ['all', 'events', 'placed'].entries()) {
    const queue = await endpoint(t, channel, suffix);
    await channel.bindExchange(queue, exchanges[i], '');
    subscribers.push(queue);
  }
  await publishConfirmed(channel, exchanges[2], '', 'placed', { persistent: true });
  await publishConfirmed(channel, exchanges[1], '', 'event', { persistent: true });
  const wanted = [['placed', 'event'], ['placed', 'event'], ['placed']];
  for (const [i, queue] of subscribers.entries()) {
    const inbox = await consume(channel, queue, { noAck: true });
    assert.deepEqual((await inbox.take(wanted[i].length)).map(text), wanted[i]);
    assert.equal((await channel.checkQueue(queue)).messageCount, 0);
  }
});

// A message that fails: nacked again and again, a quorum queue with a delivery limit gives it to the errors.
test('nservicebus_poison_message_goes_to_the_error_queue', async (t) => {
  const channel = await t.confirmChannel();
  const errors = await t.queue(channel, 'error', { durable: true, arguments: QUORUM });
  const sales = await t.queue(channel, 'Sales', {
    durable: true,
    arguments: {
      ...QUORUM,
      'x-delivery-limit': 5,
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': errors,
    },
  });
  await publishConfirmed(channel, '', sales, 'poison', { persistent: true });
  await publishConfirmed(channel, '', sales, 'good', { persistent: true });
  const inbox = await consume(channel, sales);
  const counts = [];
  let hasGood = false;
  while (counts.length < 6 || !hasGood) {
    const message = await inbox.next();
    if (text(message) === 'good') {
      hasGood = true;
      channel.ack(message);
      continue;
    }
    counts.push(message.properties.headers['x-delivery-count'] || 0);
    channel.nack(message);
  }
  assert.deepEqual(counts, [0, 1, 2, 3, 4, 5]);
  const dead = await eventually('the error', () => channel.get(errors, { noAck: true }));
  assert.equal(dead.properties.headers['x-death'][0].reason, 'delivery_limit');
});

// --- Laravel (and others): `later` declares a queue for each delay, which brings the message back and goes
// when it was not used for twice its delay.

test('laravel_delays_by_queues_that_expire', async (t) => {
  const channel = await t.confirmChannel();
  const jobs = await t.queue(channel, 'default', { durable: true, maxPriority: 10 });
  const later = async (body, delayMs, options) => {
    const queue = await t.queue(channel, `default.delay.${delayMs}`, {
      durable: true,
      deadLetterExchange: '',
      deadLetterRoutingKey: jobs,
      messageTtl: delayMs,
      expires: delayMs * 2,
    });
    await publishConfirmed(channel, '', queue, body, { persistent: true, ...options });
    return queue;
  };
  const startedMs = Date.now();
  const queue = await later('first', 600);
  await later('second', 600);
  await later('soon', 300);
  const inbox = await consume(channel, jobs, { noAck: true });
  assert.deepEqual((await inbox.take(3)).map(text), ['soon', 'first', 'second']);
  assert.ok(Date.now() - startedMs >= 600);
  assert.equal(await exists(t, queue), true);
  await eventually('the queue is gone', async () => !(await exists(t, queue)));
  await later('after it was gone', 600);
  assert.equal(text(await inbox.next()), 'after it was gone');
});
