// SPDX-License-Identifier: Apache-2.0
//
// What a queue's arguments make of its messages: time to live, dead letters, limits, priorities; and the
// reply queue that is none.

'use strict';

const { assert, assertChannelError, consume, eventually, publishConfirmed, test, text } = require('../harness');

const durable = (options) => ({ durable: true, ...options });

async function deadLetters(t, channel) {
  const exchange = await t.exchange(channel, 'dlx', 'fanout');
  const dead = await t.queue(channel, 'dead');
  await channel.bindQueue(dead, exchange, '');
  return { exchange, dead };
}

const take = (channel, queue) =>
  eventually(`a message in ${queue}`, () => channel.get(queue, { noAck: true }));

// x-death without its times, which must be there.
function deaths(message) {
  return message.properties.headers['x-death'].map(({ time, ...death }) => {
    assert.equal(time['!'], 'timestamp');
    return death;
  });
}

function firstDeath({ properties: { headers } }) {
  return ['reason', 'queue', 'exchange'].map((name) => headers[`x-first-death-${name}`]);
}

test('expired_messages_are_dead_lettered', async (t) => {
  const channel = await t.confirmChannel();
  const { exchange, dead } = await deadLetters(t, channel);
  const queue = await t.queue(channel, 'q', durable({ messageTtl: 50, deadLetterExchange: exchange }));
  await publishConfirmed(channel, '', queue, 'x', { persistent: true });
  const message = await take(channel, dead);
  assert.equal(message.fields.routingKey, queue);
  assert.deepEqual(deaths(message), [
    { count: 1, reason: 'expired', queue, exchange: '', 'routing-keys': [queue] },
  ]);
  assert.deepEqual(firstDeath(message), ['expired', queue, '']);
  assert.equal((await channel.checkQueue(queue)).messageCount, 0);
});

test('expiration_of_a_message_is_taken_off_and_told', async (t) => {
  const channel = await t.confirmChannel();
  const { exchange, dead } = await deadLetters(t, channel);
  const queue = await t.queue(channel, 'q', durable({ deadLetterExchange: exchange }));
  await publishConfirmed(channel, '', queue, 'x', { expiration: 40, headers: { mine: 1 } });
  const message = await take(channel, dead);
  assert.equal(message.properties.expiration, undefined);
  assert.equal(deaths(message)[0]['original-expiration'], '40');
  assert.equal(message.properties.headers.mine, 1);
});

test('rejected_messages_get_the_dead_letter_routing_key', async (t) => {
  const channel = await t.confirmChannel();
  const dead = await t.queue(channel, 'dead');
  const queue = await t.queue(channel, 'q', {
    durable: false,
    deadLetterExchange: '',
    deadLetterRoutingKey: dead,
  });
  const source = await t.exchange(channel, 'x', 'topic');
  await channel.bindQueue(queue, source, 'a.*');
  await publishConfirmed(channel, source, 'a.b', 'x');
  channel.nack(await channel.get(queue), false, false);
  const message = await take(channel, dead);
  assert.equal(message.fields.routingKey, dead);
  assert.deepEqual(deaths(message), [
    { count: 1, reason: 'rejected', queue, exchange: source, 'routing-keys': ['a.b'] },
  ]);
});

// The usual way to retry later: a work queue, and one whose messages expire back into it.
test('retry_queues_count_deaths', async (t) => {
  const channel = await t.confirmChannel();
  const [work, later] = [t.name('work'), t.name('later')];
  const to = (key) => ({ durable: false, deadLetterExchange: '', deadLetterRoutingKey: key });
  await t.queue(channel, 'work', to(later));
  await t.queue(channel, 'later', { ...to(work), messageTtl: 20 });
  const inbox = await consume(channel, work);
  await publishConfirmed(channel, '', work, 'x');
  const seen = [];
  while (seen.length < 4) {
    const message = await inbox.next();
    const list = message.properties.headers['x-death'] || [];
    seen.push(list.map(({ queue, reason, count }) => [queue, reason, count]));
    channel.reject(message, false);
  }
  const after = (count) => [[later, 'expired', count], [work, 'rejected', count]];
  assert.deepEqual(seen, [[], after(1), after(2), after(3)]);
});

test('max_length_drops_the_oldest', async (t) => {
  const channel = await t.confirmChannel();
  const { exchange, dead } = await deadLetters(t, channel);
  const queue = await t.queue(channel, 'q', durable({ maxLength: 2, deadLetterExchange: exchange }));
  for (const body of ['1', '2', '3']) await publishConfirmed(channel, '', queue, body);
  const dropped = await take(channel, dead);
  assert.equal(text(dropped), '1');
  assert.deepEqual(firstDeath(dropped), ['maxlen', queue, '']);
  assert.equal(text(await take(channel, queue)), '2');
  assert.equal(text(await take(channel, queue)), '3');
});

test('full_queue_nacks_publishes', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q', durable({ maxLength: 1, overflow: 'reject-publish' }));
  await publishConfirmed(channel, '', queue, '1');
  await assert.rejects(publishConfirmed(channel, '', queue, '2'), /nacked/);
  assert.equal(text(await take(channel, queue)), '1');
  await publishConfirmed(channel, '', queue, '3');
});

test('priorities_come_first', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q', durable({ maxPriority: 10 }));
  for (const [body, priority] of [['a', 0], ['b', 9], ['c', 5], ['d', 9], ['e', undefined], ['f', 99]])
    await publishConfirmed(channel, '', queue, body, { priority, persistent: true });
  const inbox = await consume(channel, queue, { noAck: true });
  assert.deepEqual((await inbox.take(6)).map(text), ['f', 'b', 'd', 'c', 'a', 'e']);
});

test('wrong_arguments_are_406', async (t) => {
  const name = t.name('wrong');
  for (const [argument, value, reason] of [
    ['x-message-ttl', -1, '{value_negative,-1}'],
    ['x-max-priority', 256, '{max_value_exceeded,256}'],
    ['x-expires', 0, '{value_zero,0}'],
  ]) {
    const channel = await t.channel();
    await assertChannelError(
      channel,
      406,
      `PRECONDITION_FAILED - invalid arg '${argument}' for queue '${name}' in vhost '/': ${reason}`,
      () => channel.assertQueue(name, { durable: false, arguments: { [argument]: value } }),
    );
  }
});

test('direct_reply_to', async (t) => {
  const [server, client] = [await t.channel(), await t.channel()];
  const requests = await t.queue(server, 'rpc');
  await server.consume(
    requests,
    (request) => {
      const { replyTo, correlationId } = request.properties;
      server.sendToQueue(replyTo, Buffer.from(`re: ${text(request)}`), { correlationId });
    },
    { noAck: true },
  );
  const replies = await consume(client, 'amq.rabbitmq.reply-to', { noAck: true });
  for (let i = 0; i < 5; i++)
    client.sendToQueue(requests, Buffer.from(`${i}`), { replyTo: 'amq.rabbitmq.reply-to', correlationId: `c${i}` });
  const got = await replies.take(5);
  assert.deepEqual(
    got.map((reply) => [reply.properties.correlationId, text(reply)]),
    [0, 1, 2, 3, 4].map((i) => [`c${i}`, `re: ${i}`]),
  );
  const other = await t.channel();
  await assertChannelError(other, 406, 'PRECONDITION_FAILED - reply consumer cannot acknowledge', () =>
    other.consume('amq.rabbitmq.reply-to', () => {}),
  );
});
