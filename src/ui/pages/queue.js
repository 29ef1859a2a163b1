// SPDX-License-Identifier: Apache-2.0
//
// One queue: what waits in it, who takes from it, what is bound to it, and all that can be done to it.

import { api, optional, path, query } from '../api.js';
import { bindDialog, bindingTable } from '../bindings.js';
import { consumerTable } from '../consumers.js';
import { ask, notice } from '../dialog.js';
import { h } from '../dom.js';
import { bytes, isFigure, moment, number } from '../format.js';
import { getDialog } from '../get.js';
import { bindingGraph } from '../graph.js';
import { moveDialog } from '../move.js';
import { argumentList, facts, heading, lengthChart, panel, rangeChoice, rateChart, state } from '../parts.js';
import { publishDialog } from '../publish.js';
import { go, link } from '../router.js';
import { ages, MESSAGE_RATES, QUEUE_LENGTHS, rangeOf, rateLines, valueLines } from '../samples.js';
import { queueBadges } from './queues.js';

async function load({ names: [, vhost, name], search, signal }) {
  const where = `queues/${path(vhost, name)}`;
  const [queue, bindings] = await Promise.all([
    api.get(`${where}${query(ages(rangeOf(search)))}`, { signal }),
    optional(api.get(`${where}/bindings`, { signal }), []),
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

function figures(queue) {
  return [['Ready', 'messages_ready'], ['Unacked', 'messages_unacknowledged'], ['All', 'messages'],
    ['Consumers', 'consumers']].map(([label, name]) =>
    h('li', null, h('div', null, h('strong', null, number(queue[name])), h('span', null, label))));
}

function details(queue) {
  const share = queue.consumer_capacity ?? queue.consumer_utilisation;
  return facts([
    ['State', state(queue.state)], ['Node', queue.node], ['Leader', queue.leader],
    ['Members', (queue.members ?? []).join(', ')],
    ['Policy', queue.policy && h('a', { href: link('policies') }, queue.policy)],
    ['Operator policy', queue.operator_policy],
    ['Effective definition', Object.keys(queue.effective_policy_definition ?? {}).length > 0 &&
      argumentList(queue.effective_policy_definition)],
    ['Arguments', argumentList(queue.arguments)],
    ['Consumers can take', queue.consumers > 0 && isFigure(share) && `${Math.round(share * 100)} % of the time`],
    ['Active consumer', queue.single_active_consumer_tag],
    ['Owner', queue.owner_pid_details?.name &&
      h('a', { href: link('connections', queue.owner_pid_details.name) }, queue.owner_pid_details.name)],
    ['Bodies', bytes(queue.message_bytes)], ['Of ready messages', bytes(queue.message_bytes_ready)],
    ['Of unacked ones', bytes(queue.message_bytes_unacknowledged)],
    ['In memory', isFigure(queue.messages_ram) &&
      `${number(queue.messages_ram)} messages, ${bytes(queue.message_bytes_ram)}`],
    ['Persistent', isFigure(queue.messages_persistent) &&
      `${number(queue.messages_persistent)} messages, ${bytes(queue.message_bytes_persistent)}`],
    ['Memory of the queue', bytes(queue.memory)],
    ['Time of the first message', queue.head_message_timestamp && moment(queue.head_message_timestamp * 1000)],
    ['Idle since', queue.idle_since && moment(queue.idle_since)],
  ], true);
}

function draw({ queue, bindings }, place) {
  const where = { vhost: queue.vhost, reload: place.reload, search: place.search };
  return [
    heading({ title: queue.name, badges: queueBadges(queue), above: { href: link('queues'), label: 'Queues' },
      kind: queue.vhost, actions: actions(queue, place) }),
    h('ul', { class: 'counts', 'data-key': 'counts', 'aria-label': 'Messages and consumers' }, figures(queue)),
    rangeChoice(place.search),
    h('div', { class: 'charts', 'data-key': 'charts' },
      panel('lengths', 'Messages', lengthChart('lengths', 'Messages in the queue', valueLines(queue, QUEUE_LENGTHS))),
      panel('rates', 'Rates', rateChart('rates', 'Messages per second',
        rateLines(queue.message_stats ?? {}, MESSAGE_RATES)))),
    panel('details', 'Details', details(queue)),
    panel('consumers', `Consumers (${number((queue.consumer_details ?? []).length)})`,
      consumerTable(queue.consumer_details ?? [], { withChannel: true })),
    panel('bindings', `Bindings (${number(bindings.length)})`, bindingGraph(bindings, queue.vhost),
      bindingTable(bindings, { ...where, hides: 'destination' })),
  ];
}

export const queuePage = { section: 'queues', title: ({ names }) => names[2], load, draw };
