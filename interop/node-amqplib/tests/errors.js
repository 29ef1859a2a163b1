// SPDX-License-Identifier: Apache-2.0
//
// Mistakes, and what the broker answers: the code, the text, and that only what had to close was closed.

'use strict';

const { assert, assertChannelError, assertReply, consume, publishConfirmed, test } = require('../harness');

test('passive_declare_of_a_missing_queue_404', async (t) => {
  const connection = await t.connect();
  const channel = await t.channel(connection);
  const queue = t.name('missing');
  const reply = `NOT_FOUND - no queue '${queue}' in vhost '/'`;
  await assertChannelError(channel, 404, reply, () => channel.checkQueue(queue));
  await (await t.channel(connection)).checkExchange('amq.topic');
});

test('passive_declare_of_a_missing_exchange_404', async (t) => {
  const channel = await t.channel();
  const exchange = t.name('missing');
  const reply = `NOT_FOUND - no exchange '${exchange}' in vhost '/'`;
  await assertChannelError(channel, 404, reply, () => channel.checkExchange(exchange));
});

test('redeclare_of_a_queue_inequivalent_406', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel, 'q', { durable: false });
  const reply =
    `PRECONDITION_FAILED - inequivalent arg 'durable' for queue '${queue}' in vhost '/': ` +
    `received 'true' but current is 'false'`;
  await assertChannelError(channel, 406, reply, () => channel.assertQueue(queue, { durable: true }));
});

test('redeclare_of_an_exchange_inequivalent_406', async (t) => {
  const channel = await t.channel();
  const exchange = await t.exchange(channel, 'x', 'direct');
  const reply =
    `PRECONDITION_FAILED - inequivalent arg 'type' for exchange '${exchange}' in vhost '/': ` +
    `received 'fanout' but current is 'direct'`;
  await assertChannelError(channel, 406, reply, () =>
    channel.assertExchange(exchange, 'fanout', { durable: false }),
  );
});

test('publish_to_a_missing_exchange_404', async (t) => {
  const connection = await t.connect();
  const channel = await t.channel(connection);
  const exchange = t.name('missing');
  channel.publish(exchange, '', Buffer.from('x'));
  assertReply(await channel.failed.next(), 404, `NOT_FOUND - no exchange '${exchange}' in vhost '/'`);
  await (await t.channel(connection)).checkExchange('amq.topic');
});

test('bind_to_a_missing_exchange_404', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel, 'q');
  const exchange = t.name('missing');
  const reply = `NOT_FOUND - no exchange '${exchange}' in vhost '/'`;
  await assertChannelError(channel, 404, reply, () => channel.bindQueue(queue, exchange, ''));
});

test('consume_from_a_missing_queue_404', async (t) => {
  const channel = await t.channel();
  const queue = t.name('missing');
  const reply = `NOT_FOUND - no queue '${queue}' in vhost '/'`;
  await assertChannelError(channel, 404, reply, () => channel.consume(queue, () => {}));
});

test('exclusive_queue_of_another_connection_405', async (t) => {
  const owner = await t.channel();
  const queue = await t.queue(owner, 'q', { exclusive: true });
  const other = await t.channel();
  const reply =
    `RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '${queue}' in vhost '/'. ` +
    'It could be originally declared on another connection or the exclusive property value ' +
    'does not match that of the original declaration.';
  await assertChannelError(other, 405, reply, () => other.consume(queue, () => {}));
  await owner.checkQueue(queue);
});

test('second_exclusive_consumer_403', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel, 'q');
  await consume(channel, queue, { exclusive: true });
  const other = await t.channel();
  const reply = `ACCESS_REFUSED - queue '${queue}' in vhost '/' in exclusive use`;
  await assertChannelError(other, 403, reply, () => other.consume(queue, () => {}));
});

test('reserved_queue_name_403', async (t) => {
  const channel = await t.channel();
  const reply = `ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'`;
  await assertChannelError(channel, 403, reply, () => channel.assertQueue('amq.mine'));
});

test('delete_of_a_queue_in_use_406', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel, 'q');
  const inbox = await consume(channel, queue);
  const other = await t.channel();
  const reply = `PRECONDITION_FAILED - queue '${queue}' in vhost '/' in use`;
  await assertChannelError(other, 406, reply, () => other.deleteQueue(queue, { ifUnused: true }));
  await channel.cancel(inbox.tag);
});

test('delete_of_a_queue_not_empty_406', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q');
  await publishConfirmed(channel, '', queue, 'x');
  const reply = `PRECONDITION_FAILED - queue '${queue}' in vhost '/' not empty`;
  await assertChannelError(channel, 406, reply, () => channel.deleteQueue(queue, { ifEmpty: true }));
});

test('double_ack_406', async (t) => {
  const channel = await t.confirmChannel();
  const queue = await t.queue(channel, 'q');
  await publishConfirmed(channel, '', queue, 'x');
  const message = await channel.get(queue);
  channel.ack(message);
  channel.ack(message);
  assertReply(await channel.failed.next(), 406, 'PRECONDITION_FAILED - unknown delivery tag 1');
});

test('wrong_user_id_406', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel, 'q');
  channel.sendToQueue(queue, Buffer.from('x'), { userId: 'somebody' });
  const user = process.env.AMQP_USER || 'guest';
  const reply = `PRECONDITION_FAILED - user_id property set to 'somebody' but authenticated user was '${user}'`;
  assertReply(await channel.failed.next(), 406, reply);
});

test('invalid_expiration_406', async (t) => {
  const channel = await t.channel();
  const queue = await t.queue(channel, 'q');
  channel.sendToQueue(queue, Buffer.from('x'), { expiration: 'soon' });
  assertReply(await channel.failed.next(), 406, `PRECONDITION_FAILED - invalid expiration 'soon': no_integer`);
});

test('reused_consumer_tag_530', async (t) => {
  const connection = await t.connect();
  const channel = await t.channel(connection);
  const queue = await t.queue(channel, 'q');
  await consume(channel, queue, { consumerTag: 'twice' });
  await assert.rejects(channel.consume(queue, () => {}, { consumerTag: 'twice' }));
  assertReply(await connection.failed.next(), 530, `NOT_ALLOWED - attempt to reuse consumer tag 'twice'`);
});

test('wrong_password_403', async (t) => {
  await assert.rejects(t.connect({ password: 'wrong' }), (error) => {
    const reply =
      'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. ' +
      'For details see the broker logfile.';
    assert.ok(error.message.includes('403 (ACCESS-REFUSED)'), error.message);
    assert.ok(error.message.includes(`"${reply}"`), error.message);
    return true;
  });
});

test('missing_vhost_is_refused', async (t) => {
  // The client says that it was a connection.close, but neither its code nor its text.
  await assert.rejects(t.connect({ vhost: 'missing' }), /Expected ConnectionOpenOk; got <ConnectionClose /);
});

test('errors_leave_other_channels_alone', async (t) => {
  const connection = await t.connect();
  const healthy = await t.confirmChannel(connection);
  const queue = await t.queue(healthy, 'q');
  const inbox = await consume(healthy, queue, { noAck: true });
  for (let i = 0; i < 20; i++) {
    const channel = await t.channel(connection);
    await assert.rejects(channel.checkQueue(t.name('missing')), (error) => error.code === 404);
    await publishConfirmed(healthy, '', queue, `${i}`);
    assert.equal((await inbox.next()).content.toString(), `${i}`);
  }
});
