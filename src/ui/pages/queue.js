// SPDX-License-Identifier: Apache-2.0
//
// One queue: what waits in it, who takes from it, what is bound to it, and all that can be done to it.

import { api, optional, path, query } from '../api.js';
import { bindDialog, bindingTable, NO_BINDINGS } from '../bindings.js';
import { consumerTable } from '../consumers.js';
import { ask, notice } from '../dialog.js';
import { h } from '../dom.js';
import { bytes, isFigure, moment, number, plural, rate, rateOf, share, trend } from '../format.js';
import { getDialog } from '../get.js';
import { bindingGraph } from '../graph.js';
import { moveDialog } from '../move.js';
import { argumentsFact, facts, gauge, heading, lengthChart, panel, policyLink, rangeChoice, rateChart, state }
  from '../parts.js';
import { publishDialog } from '../publish.js';
import { go, link } from '../router.js';
import { ages, MESSAGE_RATES, QUEUE_LENGTHS, rangeOf, rateLines, valueLines } from '../samples.js';
import { loadPage, table } from '../table.js';
import { queueBadges } from './queues.js';

async function load({ names: [, vhost, name], search, signal }) {
  const where = `queues/${path(vhost, name)}`;
  const [queue, bindings] = await Promise.all([
    api.get(`${where}${query(ages(rangeOf(search)))}`, { signal }),
    optional(loadPage(`${where}/bindings`, search, signal), NO_BINDINGS),
  ]);
  return { queue, bindings };
}

function purge(queue, reload) {
  ask({
    title: 'Purge this queue', submit: 'Purge',
    intro: `All messages that are ready in ${queue.name} are lost. Those that a consumer has stay.`,
    run: async () => {
      await api.delete(`queues/${path(queue.vhost, queue.name)}/contents`);
      notice(`Queue ${queue.name} is empty.`);
      reload();
    },
  });
}

function remove(queue) {
  ask({
    title: 'Delete this queue', submit: 'Delete',
    intro: `Queue ${queue.name} and its ${number(queue.messages ?? 0)} messages are lost.`,
    fields: [
      { name: 'ifEmpty', label: 'Only if it is empty', kind: 'checkbox' },
      { name: 'ifUnused', label: 'Only if it has no consumers', kind: 'checkbox' },
    ],
    run: async ({ ifEmpty, ifUnused }) => {
      const only = query({ 'if-empty': ifEmpty || null, 'if-unused': ifUnused || null });
      await api.delete(`queues/${path(queue.vhost, queue.name)}${only}`);
      notice(`Queue ${queue.name} is deleted.`);
      go('queues');
    },
  });
}

function actions(queue, place) {
  const { reload } = place;
  const isStream = queue.type === 'stream';
  return [
    { label: 'Publish', isMain: true,
      run: () => publishDialog({ vhost: queue.vhost, exchange: 'amq.default', routingKey: queue.name, reload }) },
    !isStream && { label: 'Get messages', run: () => getDialog(queue, reload) },
    !isStream && { label: 'Move messages', run: () => moveDialog(queue, place) },
    { label: 'Bind', run: () => bindDialog({ vhost: queue.vhost, type: 'queue', destination: queue.name, reload }) },
    !isStream && { label: 'Purge', isDangerous: true, run: () => purge(queue, reload) },
    { label: 'Delete', isDangerous: true, run: () => remove(queue) },
  ];
}

// What is there now, and how it changes.
function figures(queue) {
  const { message_stats: stats } = queue;
  // What has never happened is not counted.
  const speed = (name) => rate(rateOf(stats, name) ?? (stats ? 0 : undefined));
  const change = (name) => queue[`${name}_details`] && trend(queue[`${name}_details`].rate);
  return [
    [number(queue.messages_ready), 'Ready', change('messages_ready')],
    [number(queue.messages_unacknowledged), 'Unacked', change('messages_unacknowledged')],
    [number(queue.messages), 'All', change('messages')],
    [number(queue.consumers), 'Consumers'],
    [speed('publish'), 'Published'],
    [speed('deliver_get'), 'Delivered'],
    [speed('ack'), 'Acknowledged'],
  ].map(([value, label, more]) => h('li', null, h('div', null, h('strong', null, value), h('span', null, label),
    more !== undefined && h('small', null, more))));
}

// What somebody should know before anything else.
function warnings(queue) {
  const isStuck = queue.consumers === 0 && queue.messages_ready > 0;
  return isStuck && h('p', { class: 'banner stale', 'data-key': 'stuck' },
    `${plural(queue.messages_ready, 'message waits', 'messages wait')}, and nobody consumes.`);
}

// How full it is where it has a limit: the smaller one of its argument and its policy's.
function fill(queue, what, count, write) {
  const limits = [queue.arguments?.[`x-${what}`], queue.effective_policy_definition?.[what]].filter(isFigure);
  if (limits.length === 0 || !isFigure(count)) return null;
  return gauge('Ready', count, Math.min(...limits), write);
}

function details(queue) {
  const capacity = queue.consumer_capacity ?? queue.consumer_utilisation;
  return facts([
    ['State', state(queue.state)], ['Node', queue.node], ['Leader', queue.leader],
    ['Members', (queue.members ?? []).join(', ')],
    ['Policy', queue.policy && policyLink(queue.vhost, queue.policy)],
    ['Operator policy', queue.operator_policy && policyLink(queue.vhost, queue.operator_policy)],
    argumentsFact('Effective definition', queue.effective_policy_definition),
    argumentsFact('Arguments', queue.arguments),
    ['Limit of messages', fill(queue, 'max-length', queue.messages_ready, number)],
    ['Limit of bytes', fill(queue, 'max-length-bytes', queue.message_bytes_ready, bytes)],
    ['Consumers can take', queue.consumers > 0 && isFigure(capacity) && `${share(capacity)} of the time`],
    ['Active consumer', queue.single_active_consumer_tag],
    ['Owner', queue.owner_pid_details?.name &&
      h('a', { href: link('connections', queue.owner_pid_details.name) }, queue.owner_pid_details.name)],
    ['Memory of the queue', bytes(queue.memory)],
    ['Time of the first message', queue.head_message_timestamp && moment(queue.head_message_timestamp * 1000)],
    ['Idle since', queue.idle_since && moment(queue.idle_since)],
  ]);
}

const PARTS = [['All', ''], ['Ready', '_ready'], ['Unacked', '_unacknowledged'], ['In memory', '_ram'],
  ['Persistent', '_persistent']];

// How many messages there are and how large their bodies are, and which part of them is where.
function contents(queue) {
  const figure = ([label, suffix]) => ({ label, kind: 'figure',
    cell: ({ stem, write }) => write(queue[`${stem}${suffix}`]) });
  const rows = [{ stem: 'messages', label: 'Messages', write: number },
    { stem: 'message_bytes', label: 'Bodies', write: bytes }];
  return table({ caption: 'Messages and bytes', rows, key: ({ stem }) => stem,
    columns: [{ label: 'Counted', cell: ({ label }) => label }, ...PARTS.map(figure)] });
}

function draw({ queue, bindings }, place) {
  const where = { vhost: queue.vhost, reload: place.reload, search: place.search };
  return [
    heading({ title: queue.name, badges: queueBadges(queue, true), above: { href: link('queues'), label: 'Queues' },
      kind: queue.vhost, actions: actions(queue, place) }),
    warnings(queue),
    h('ul', { class: 'counts', 'data-key': 'counts', 'aria-label': 'Messages and consumers' }, figures(queue)),
    rangeChoice(place.search),
    h('div', { class: 'charts', 'data-key': 'charts' },
      panel('lengths', 'Messages', lengthChart('lengths', 'Messages in the queue', valueLines(queue, QUEUE_LENGTHS))),
      panel('rates', 'Rates', rateChart('rates', 'Messages per second',
        rateLines(queue.message_stats ?? {}, MESSAGE_RATES)))),
    panel('details', 'Details', details(queue), contents(queue)),
    panel('consumers', `Consumers (${number((queue.consumer_details ?? []).length)})`,
      consumerTable(queue.consumer_details ?? [], { withChannel: true })),
    panel('bindings', `Bindings (${number(bindings.total_count)})`,
      bindingGraph(bindings.items, bindings.filtered_count, queue.vhost),
      bindingTable(bindings, { ...where, hides: 'destination' })),
  ];
}

export const queuePage = { section: 'queues', title: ({ names }) => names[2], load, draw };
