// SPDX-License-Identifier: Apache-2.0
//
// The service of ../service.js as real processes: each test runs with both ways in which its jobs can wait.

'use strict';

const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const {
  Inbox,
  assert,
  consume,
  eventually,
  publishConfirmed,
  test,
  testWithRestart,
  unlessRabbitMQ,
  within,
} = require('../../node-amqplib/harness');
const exists = require('../exists');

const NO_PLUGIN = "Debian's RabbitMQ has no rabbitmq_delayed_message_exchange";
const WAYS = { queues: {}, exchange: unlessRabbitMQ(NO_PLUGIN) };
const RESTART_DELAY_MS = 5000;
const ALL_DONE_MS = 60000;
const LATE_MS = 5000; // a loaded machine is late, but no job may be early

class Service {
  static async start(t, delays, count = 1) {
    const service = new Service(t, delays);
    service.processes = [];
    for (let i = 0; i < count; i++) service.processes.push(await service.spawn());
    service.channel = await t.confirmChannel();
    const queue = await t.queue(service.channel, 'observer', { exclusive: true });
    await service.channel.bindQueue(queue, `${service.name}.events`, 'job.#');
    service.events = await consume(service.channel, queue, { noAck: true });
    return service;
  }

  constructor(t, delays) {
    this.t = t;
    this.delays = delays;
    this.name = t.name(delays);
    for (const queue of ['work', 'dead', 'requests']) t.queues.add(`${this.name}.${queue}`);
    for (const exchange of ['jobs', 'events', 'delayed']) t.exchanges.add(`${this.name}.${exchange}`);
  }

  async spawn() {
    const environment = { ...process.env, SERVICE_NAME: this.name, SERVICE_DELAYS: this.delays };
    const service = spawn(process.execPath, [path.join(__dirname, '..', 'service.js')], {
      env: environment,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const ready = new Inbox('the service to be ready');
    service.stdout.on('data', () => ready.put(true));
    service.ready = ready;
    service.ended = once(service, 'exit');
    this.t.connections.push({ close: async () => void service.kill('SIGKILL') }); // ended with the test
    await ready.next();
    return service;
  }

  submit(job, channel = this.channel) {
    return publishConfirmed(channel, `${this.name}.jobs`, 'work', JSON.stringify(job), { persistent: true });
  }

  // Submits a job that the service shall see after its time only.
  async submitLater(job, delayMs) {
    const body = JSON.stringify(job);
    if (this.delays === 'exchange') {
      const options = { persistent: true, headers: { 'x-delay': delayMs } };
      return publishConfirmed(this.channel, `${this.name}.delayed`, 'work', body, options);
    }
    const queue = `${this.name}.wait.${delayMs}`;
    this.t.queues.add(queue);
    await this.channel.assertQueue(queue, {
      durable: true,
      messageTtl: delayMs,
      expires: delayMs + 60000,
      deadLetterExchange: `${this.name}.jobs`,
      deadLetterRoutingKey: 'work',
    });
    return publishConfirmed(this.channel, '', queue, body, { persistent: true });
  }

  async nextEvent() {
    const message = await this.events.next();
    return { what: message.fields.routingKey.slice('job.'.length), ...JSON.parse(message.content) };
  }

  async nextEvents(count) {
    const events = [];
    while (events.length < count) events.push(await this.nextEvent());
    return events;
  }

  // Waits until every job of these identifiers is done; how often each of them was.
  async allDone(ids) {
    const counts = new Map();
    while (!ids.every((id) => counts.has(id))) {
      const event = await this.nextEvent();
      if (event.what === 'done') counts.set(event.id, (counts.get(event.id) || 0) + 1);
    }
    return counts;
  }
}

function assertTime(fromMs, toMs, delayMs) {
  const tookMs = toMs - fromMs;
  assert.ok(tookMs >= delayMs - 5 && tookMs <= delayMs + LATE_MS, `${delayMs} ms became ${tookMs}`);
}

for (const [delays, options] of Object.entries(WAYS)) {
  test(
    `service_runs_jobs_in_their_time_by_${delays}`,
    async (t) => {
      const service = await Service.start(t, delays);
      const startedMs = Date.now();
      for (const delayMs of [900, 300, 600]) await service.submitLater({ id: delayMs }, delayMs);
      await service.submit({ id: 0 });
      const events = await service.nextEvents(4);
      assert.deepEqual(events.map(({ what, id }) => `${what} ${id}`), ['done 0', 'done 300', 'done 600', 'done 900']);
      for (const { id, atMs } of events) assertTime(startedMs, atMs, id);
    },
    options,
  );

  test(
    `service_retries_with_growing_delays_by_${delays}`,
    async (t) => {
      const service = await Service.start(t, delays);
      await service.submit({ id: 'flaky', failures: 2 });
      const events = await service.nextEvents(3);
      assert.deepEqual(events.map(({ what, attempt }) => `${what} ${attempt}`), ['retried 1', 'retried 2', 'done 3']);
      // From about its publish to the next attempt: the event follows the confirm.
      assertTime(events[0].atMs, events[1].atMs, 150);
      assertTime(events[1].atMs, events[2].atMs, 350);
    },
    options,
  );

  test(
    `service_gives_up_to_dead_letters_by_${delays}`,
    async (t) => {
      const service = await Service.start(t, delays);
      await service.submit({ id: 'hopeless', failures: 100 });
      const events = await service.nextEvents(3);
      assert.deepEqual(events.map(({ what }) => what), ['retried', 'retried', 'failed']);
      const dead = `${service.name}.dead`;
      const message = await eventually('a dead letter', () => service.channel.get(dead, { noAck: true }));
      const death = message.properties.headers['x-death'][0];
      assert.deepEqual([death.queue, death.reason, death.count], [`${service.name}.work`, 'rejected', 1]);
      assert.equal(JSON.parse(message.content).id, 'hopeless');
      assert.equal(message.properties.headers.attempt, 3);
    },
    options,
  );
}

test('service_wait_queues_go_when_they_are_not_used', async (t) => {
  const service = await Service.start(t, 'queues');
  await service.submit({ id: 'flaky', failures: 1 });
  await service.nextEvents(2);
  const queue = `${service.name}.wait.200`;
  assert.equal(await exists(t, queue), true);
  await eventually('the queue is gone', async () => !(await exists(t, queue)));
});

test('service_answers_requests', async (t) => {
  const service = await Service.start(t, 'queues');
  for (const id of [1, 2, 3]) await service.submit({ id });
  await service.allDone([1, 2, 3]);
  const replies = await consume(service.channel, 'amq.rabbitmq.reply-to', { noAck: true });
  const options = { replyTo: 'amq.rabbitmq.reply-to', correlationId: 'c' };
  await publishConfirmed(service.channel, '', `${service.name}.requests`, '', options);
  const reply = await replies.next();
  assert.equal(reply.properties.correlationId, 'c');
  assert.deepEqual(JSON.parse(reply.content), { done: 3, pid: service.processes[0].pid });
});

test('service_instances_share_jobs_and_take_over', async (t) => {
  const service = await Service.start(t, 'queues', 2);
  const ids = [...Array(20).keys()];
  for (const id of ids) await service.submit({ id, takesMs: 60000 });
  const started = await service.nextEvents(10); // each has as many as it prefetches
  const pids = service.processes.map(({ pid }) => pid);
  for (const pid of pids) assert.equal(started.filter((event) => event.pid === pid).length, 5);
  service.processes[0].kill('SIGKILL');
  service.processes[1].kill('SIGKILL');
  await Promise.all(service.processes.map(({ ended }) => ended));
  const channel = await t.channel();
  const work = `${service.name}.work`;
  await eventually('all jobs are back', async () => (await channel.checkQueue(work)).messageCount === 20);
  const left = [];
  for (const id of ids) {
    const message = await channel.get(work, { noAck: true });
    assert.equal(JSON.parse(message.content).id, id, 'in their order');
    left.push(message.fields.redelivered);
  }
  const seen = new Set(started.map(({ id }) => id));
  assert.deepEqual(left, ids.map((id) => seen.has(id)), 'redelivered');
});

test('service_ends_when_its_jobs_are_done', async (t) => {
  const service = await Service.start(t, 'queues');
  for (let id = 0; id < 8; id++) await service.submit({ id, takesMs: 500 });
  await service.nextEvents(5);
  service.processes[0].kill('SIGTERM');
  assert.deepEqual(await within(10000, 'the end', service.processes[0].ended), [0, null]);
  await service.allDone([0, 1, 2, 3, 4]);
  const channel = await t.channel();
  const work = `${service.name}.work`;
  await eventually('the others wait', async () => (await channel.checkQueue(work)).messageCount === 3);
});

for (const [delays, options] of Object.entries(WAYS)) {
  testWithRestart(
    `service_and_waiting_jobs_survive_a_restart_by_${delays}`,
    async (t) => {
      const service = await Service.start(t, delays);
      const ids = [...Array(t.quick ? 20 : 200).keys()];
      const startedMs = Date.now();
      // Long enough that none is due before the restart, even on a loaded machine.
      await Promise.all(ids.map((id) => service.submitLater({ id }, RESTART_DELAY_MS)));
      service.processes[0].ready.items = [];

      await t.restartBroker();

      await service.processes[0].ready.next(30000);
      const channel = await t.channel();
      const work = `${service.name}.work`;
      await eventually('the jobs are done', async () => {
        const { messageCount } = await channel.checkQueue(work);
        return messageCount === 0 && Date.now() - startedMs > RESTART_DELAY_MS + 500;
      }, ALL_DONE_MS);
      const requests = await t.confirmChannel();
      const replies = await consume(requests, 'amq.rabbitmq.reply-to', { noAck: true });
      await eventually('every job was done', async () => {
        const request = { replyTo: 'amq.rabbitmq.reply-to' };
        await publishConfirmed(requests, '', `${service.name}.requests`, '', request);
        return JSON.parse((await replies.next()).content).done === ids.length;
      }, ALL_DONE_MS);
    },
    options,
  );
}
