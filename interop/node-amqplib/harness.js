// SPDX-License-Identifier: Apache-2.0
//
// The small test harness of this suite. A test is a name and an async function that gets a context: the
// context opens connections, makes names that are unique to the run, and afterwards removes every queue
// and exchange that the test declared, over a connection of its own because the test's may be dead.
// Nothing here sleeps to wait for the broker: what is awaited is an event, or polled with a deadline.

'use strict';

const amqp = require('amqplib');
const assert = require('node:assert/strict');
const { exec } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const { setTimeout: delay } = require('node:timers/promises');

const TEST_TIMEOUT_MS = 30000;
const RESTART_TIMEOUT_MS = 120000;
const WAIT_MS = 10000;

const quick = process.env.INTEROP_QUICK === '1';
const run = randomBytes(4).toString('hex');
const tests = [];
let contexts = 0;

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

function broker() {
  return {
    protocol: 'amqp',
    hostname: process.env.AMQP_HOST || '127.0.0.1',
    port: Number(required('AMQP_PORT')),
    username: process.env.AMQP_USER || 'guest',
    password: process.env.AMQP_PASSWORD || 'guest',
    vhost: encodeURIComponent(process.env.AMQP_VHOST || '/'),
  };
}

// Rejects when `promise` takes longer than `ms`; what is the subject of the message.
async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing after ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// Calls `probe` until it returns something true.
async function eventually(what, probe, ms = WAIT_MS) {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not so after ${ms} ms`);
    await delay(20);
  }
}

// A FIFO between an event source and a test that awaits its events one by one.
class Inbox {
  constructor(what) {
    this.what = what;
    this.items = [];
    this.waiting = [];
  }

  put(item) {
    const waiter = this.waiting.shift();
    if (waiter) waiter(item);
    else this.items.push(item);
  }

  async next(ms = WAIT_MS) {
    if (this.items.length > 0) return this.items.shift();
    return within(ms, this.what, new Promise((resolve) => this.waiting.push(resolve)));
  }

  async take(count) {
    const taken = [];
    while (taken.length < count) taken.push(await this.next());
    return taken;
  }
}

class Context {
  constructor() {
    this.number = ++contexts;
    this.quick = quick;
    this.connections = [];
    this.queues = new Set();
    this.exchanges = new Set();
  }

  // Short, because a reply text that names it is cut off at 255 bytes.
  name(suffix) {
    return `js.${run}.${this.number}.${suffix}`;
  }

  // Opens a connection; `overrides` change where and as whom, `options` are the client's own.
  async connect(overrides = {}, options = {}) {
    const connection = await amqp.connect({ ...broker(), ...overrides }, options);
    this.connections.push(connection);
    connection.failed = new Inbox('the connection to fail');
    connection.closed = new Inbox('the connection to be closed');
    connection.on('error', (error) => connection.failed.put(error));
    connection.on('close', (reason) => connection.closed.put(reason));
    return connection;
  }

  // Cuts the socket without a word, as a crash of the client would.
  drop(connection) {
    connection.connection.stream.destroy();
    this.connections = this.connections.filter((other) => other !== connection);
  }

  async channel(connection, confirms = false) {
    const from = connection || (await this.connect());
    const channel = await (confirms ? from.createConfirmChannel() : from.createChannel());
    return watch(channel);
  }

  confirmChannel(connection) {
    return this.channel(connection, true);
  }

  async queue(channel, suffix, options = { durable: false }) {
    const name = this.name(suffix);
    this.queues.add(name);
    await channel.assertQueue(name, options);
    return name;
  }

  async exchange(channel, suffix, type, options = { durable: false }) {
    const name = this.name(suffix);
    this.exchanges.add(name);
    await channel.assertExchange(name, type, options);
    return name;
  }

  // Restarts the broker and returns once it accepts connections again.
  restartBroker() {
    return shell(required('BROKER_RESTART'));
  }

  // The same after a SIGKILL.
  crashBroker() {
    return shell(required('BROKER_CRASH'));
  }

  async cleanUp() {
    for (const connection of this.connections) await connection.close().catch(() => {});
    if (this.queues.size === 0 && this.exchanges.size === 0) return;
    const connection = await amqp.connect(broker());
    connection.on('error', () => {});
    const channel = watch(await connection.createChannel());
    for (const name of this.queues) await channel.deleteQueue(name);
    for (const name of this.exchanges) await channel.deleteExchange(name);
    await connection.close();
  }
}

function shell(command) {
  return new Promise((resolve, reject) => {
    exec(command, { timeout: RESTART_TIMEOUT_MS }, (error, stdout, stderr) => {
      if (error) reject(new Error(`${command}: ${stderr || error.message}`));
      else resolve();
    });
  });
}

// Gives a channel inboxes for what the broker may say without being asked.
function watch(channel) {
  channel.failed = new Inbox('the channel to be closed by the broker');
  channel.returned = new Inbox('a returned message');
  channel.on('error', (error) => channel.failed.put(error));
  channel.on('return', (message) => channel.returned.put(message));
  return channel;
}

// Consumes into an inbox; a cancellation by the broker arrives as null.
async function consume(channel, queue, options) {
  const inbox = new Inbox(`a delivery from ${queue}`);
  const { consumerTag } = await channel.consume(queue, (message) => inbox.put(message), options);
  inbox.tag = consumerTag;
  return inbox;
}

// Publishes on a confirm channel and resolves when the broker has confirmed it.
function publishConfirmed(channel, exchange, key, body, options) {
  return within(
    WAIT_MS,
    'the confirm',
    new Promise((resolve, reject) => {
      channel.publish(exchange, key, Buffer.from(body), options, (error) =>
        error ? reject(error) : resolve(),
      );
    }),
  );
}

const text = (message) => message.content.toString();

function assertReply(error, code, reply) {
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.includes(`"${reply}"`), `expected "${reply}", got ${error.message}`);
}

// The operation must fail, and close its channel, with this code and this text.
async function assertChannelError(channel, code, reply, operation) {
  await assert.rejects(operation(), (error) => {
    assertReply(error, code, reply);
    return true;
  });
  assertReply(await channel.failed.next(), code, reply);
}

function test(name, body, { timeout = TEST_TIMEOUT_MS, skip = null } = {}) {
  tests.push({ name, body, timeout, skip });
}

function testWithRestart(name, body, options) {
  test(name, body, { timeout: RESTART_TIMEOUT_MS + TEST_TIMEOUT_MS, ...options });
}

// The option of a test that needs something which the RabbitMQ at hand has not: other brokers run it.
function unlessRabbitMQ(reason) {
  return { skip: process.env.BROKER_NAME === 'rabbitmq' ? reason : null };
}

async function runOne({ name, body, timeout, skip }) {
  if (skip) {
    console.log(`skip ${name}: ${skip}`);
    return true;
  }
  const context = new Context();
  let failure = null;
  try {
    await within(timeout, 'the test', Promise.resolve(body(context)));
  } catch (error) {
    failure = error;
  }
  try {
    await within(WAIT_MS, 'cleaning up', context.cleanUp());
  } catch (error) {
    failure = failure || error;
  }
  if (failure) console.log(`not ok ${name}: ${failure.message.replace(/\s+/g, ' ')}`);
  else console.log(`ok ${name}`);
  return failure === null;
}

async function runAll(names) {
  const unknown = names.filter((name) => !tests.some((known) => known.name === name));
  if (unknown.length > 0) throw new Error(`no such test: ${unknown.join(' ')}`);
  const version = require('./package.json').dependencies.amqplib;
  console.log(`# amqplib ${version}, node ${process.version}`);
  let failed = 0;
  for (const one of tests) {
    if (names.length > 0 && !names.includes(one.name)) continue;
    if (!(await runOne(one))) failed++;
  }
  return failed;
}

module.exports = {
  amqp,
  assert,
  Inbox,
  assertChannelError,
  assertReply,
  broker,
  consume,
  eventually,
  publishConfirmed,
  required,
  runAll,
  test,
  testWithRestart,
  text,
  unlessRabbitMQ,
  watch,
  within,
};
