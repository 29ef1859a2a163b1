// SPDX-License-Identifier: Apache-2.0
//
// A job service as a team would write it on amqplib. Jobs wait for their time in the broker, are retried
// with growing delays when they fail, and end in a queue of dead jobs when they fail too often. What
// happens to them is published as events; how many were done is told by request and reply.
//
// SERVICE_NAME is the prefix of its queues and exchanges, SERVICE_DELAYS how jobs wait:
//   exchange  in an exchange of type x-delayed-message
//   queues    in a queue for each delay, with a time to live and a dead letter exchange, which goes when
//             it is not used any longer
// SIGTERM ends it when what it is working at is done. It prints READY once it consumes.

'use strict';

const amqp = require('amqplib');
const { setTimeout: sleep } = require('node:timers/promises');

const ATTEMPTS_MAX = 3;
const RETRY_DELAY_MS = 200;
const PREFETCH = 5;
const UNUSED_QUEUE_MS = 2000;

const name = process.env.SERVICE_NAME;
const delays = process.env.SERVICE_DELAYS;
const names = {
  jobs: `${name}.jobs`,
  work: `${name}.work`,
  dead: `${name}.dead`,
  events: `${name}.events`,
  delayed: `${name}.delayed`,
  requests: `${name}.requests`,
};

let done = 0;
let running = 0;
let isEnding = false;

async function declare(channel) {
  await channel.assertExchange(names.jobs, 'direct', { durable: true });
  await channel.assertExchange(names.events, 'topic', { durable: true });
  await channel.assertQueue(names.dead, { durable: true });
  await channel.assertQueue(names.work, {
    durable: true,
    deadLetterExchange: '',
    deadLetterRoutingKey: names.dead,
  });
  await channel.bindQueue(names.work, names.jobs, 'work');
  await channel.assertQueue(names.requests, { durable: false, autoDelete: true });
  if (delays === 'exchange') {
    const options = { durable: true, arguments: { 'x-delayed-type': 'direct' } };
    await channel.assertExchange(names.delayed, 'x-delayed-message', options);
    await channel.bindQueue(names.work, names.delayed, 'work');
  }
}

// Resolves when the broker has confirmed it.
function publish(channel, exchange, key, content, options) {
  return new Promise((resolve, reject) => {
    const body = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    const properties = { persistent: true, contentType: 'application/json', ...options };
    channel.publish(exchange, key, body, properties, (error) => (error ? reject(error) : resolve()));
  });
}

async function publishLater(channel, content, headers, delayMs) {
  if (delays === 'exchange') {
    const options = { headers: { ...headers, 'x-delay': delayMs } };
    return publish(channel, names.delayed, 'work', content, options);
  }
  const queue = `${name}.wait.${delayMs}`;
  await channel.assertQueue(queue, {
    durable: true,
    messageTtl: delayMs,
    expires: delayMs + UNUSED_QUEUE_MS,
    deadLetterExchange: names.jobs,
    deadLetterRoutingKey: 'work',
  });
  return publish(channel, '', queue, content, { headers });
}

function tell(channel, what, job, more) {
  return publish(channel, names.events, `job.${what}`, { id: job.id, atMs: Date.now(), ...more });
}

async function perform(channel, message) {
  const job = JSON.parse(message.content);
  const attempt = message.properties.headers.attempt || 1;
  if (job.takesMs) {
    await tell(channel, 'started', job, { pid: process.pid });
    await sleep(job.takesMs);
  }
  if (attempt > (job.failures || 0)) {
    done++;
    await tell(channel, 'done', job, { attempt, redelivered: message.fields.redelivered });
    channel.ack(message);
  } else if (attempt < ATTEMPTS_MAX) {
    const delayMs = RETRY_DELAY_MS * 2 ** (attempt - 1);
    await publishLater(channel, message.content, { attempt: attempt + 1 }, delayMs);
    await tell(channel, 'retried', job, { attempt });
    channel.ack(message);
  } else {
    await tell(channel, 'failed', job, { attempt });
    channel.nack(message, false, false);
  }
}

async function onJob(channel, message) {
  if (message === null) throw new Error('the work queue is gone');
  running++;
  try {
    await perform(channel, message);
  } catch (error) {
    console.error(`job given up: ${error.message}`); // the connection is gone; it comes again
  } finally {
    running--;
  }
}

function onRequest(channel, message) {
  const { replyTo, correlationId } = message.properties;
  const reply = Buffer.from(JSON.stringify({ done, pid: process.pid }));
  channel.publish('', replyTo, reply, { correlationId });
}

let consuming = null;

async function setUp(connection) {
  connection.on('error', (error) => console.error(`connection: ${error.message}`));
  const channel = await connection.createConfirmChannel();
  channel.on('error', (error) => console.error(`channel: ${error.message}`));
  await declare(channel);
  await channel.prefetch(PREFETCH);
  const { consumerTag } = await channel.consume(names.work, (message) => onJob(channel, message));
  await channel.consume(names.requests, (message) => onRequest(channel, message), { noAck: true });
  consuming = { connection, channel, consumerTag };
  console.log('READY');
}

async function end() {
  if (isEnding) return;
  isEnding = true;
  await consuming.channel.cancel(consuming.consumerTag);
  while (running > 0) await sleep(10);
  await consuming.channel.waitForConfirms();
  await consuming.connection.close();
  process.exit(0);
}

async function main() {
  const server = {
    protocol: 'amqp',
    hostname: process.env.AMQP_HOST,
    port: Number(process.env.AMQP_PORT),
    username: process.env.AMQP_USER,
    password: process.env.AMQP_PASSWORD,
    vhost: encodeURIComponent(process.env.AMQP_VHOST),
  };
  process.on('SIGTERM', end);
  await amqp.connect(server, { recovery: { initialDelay: 100, maxDelay: 500, setup: setUp } });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
