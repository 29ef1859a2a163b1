// SPDX-License-Identifier: Apache-2.0
//
// The queues, a page at a time: whatever their number, the server filters, sorts and cuts.

import { api, path } from '../api.js';
import { queueArguments } from '../arguments.js';
import { columnsButton, EXTRA, fieldsOf, figureColumn, rateColumn, shownColumns, textColumn, timeColumn }
  from '../columns.js';
import { formDialog, notice } from '../dialog.js';
import { h } from '../dom.js';
import { bytes, isFigure, moment, NOTHING, share } from '../format.js';
import { badge, heading, legend, queueLink, state } from '../parts.js';
import { go } from '../router.js';
import { isLeveret } from '../session.js';
import { filterBar, loadPage, notFound, pager, table } from '../table.js';

async function load({ search, signal, vhost }) {
  const where = vhost === '' ? 'queues' : `queues/${path(vhost)}`;
  return loadPage(where, search, signal, { columns: fieldsOf('queues', queueColumns(vhost), ['name', 'vhost']) });
}

const ARGUMENT_BADGES = [['x-message-ttl', 'TTL', 'messages expire'], ['x-expires', 'Exp', 'expires when unused'],
  ['x-max-length', 'Lim', 'limited in messages'], ['x-max-length-bytes', 'Lim B', 'limited in bytes'],
  ['x-overflow', 'Ovfl', 'what happens to those beyond the limit'], ['x-dead-letter-exchange', 'DLX', 'dead letters'],
  ['x-dead-letter-routing-key', 'DLK', 'routing key of dead letters'], ['x-max-priority', 'Pri', 'priorities'],
  ['x-single-active-consumer', 'SAC', 'one consumer is active'], ['x-delivery-limit', 'DL', 'deliveries are limited']];

// Of what is abbreviated: [abbreviation, meaning, word].
function features(queue) {
  return [
    queue.durable && ['D', 'durable: survives a restart', 'durable'],
    queue.auto_delete && ['AD', 'deleted with its last consumer', 'auto-delete'],
    (queue.exclusive || queue.owner_pid_details) && ['Excl', 'of one connection only', 'exclusive'],
  ].filter(Boolean);
}

// Likewise of its arguments: [abbreviation, meaning, argument].
function argumentFeatures(queue) {
  return ARGUMENT_BADGES.filter(([name]) => Object.hasOwn(queue.arguments ?? {}, name))
    .map(([name, text, meaning]) => [text, meaning, name]);
}

// What kind of queue it is, at a glance. inWords: on its own page, which has room, and shows the arguments.
export function queueBadges(queue, inWords) {
  const type = queue.type ?? queue.arguments?.['x-queue-type'] ?? 'classic';
  return h('span', { class: 'badges' }, badge(type, 'type of the queue', 'type'),
    features(queue).map(([text, meaning, word]) => badge(inWords ? word : text, meaning)),
    !inWords && argumentFeatures(queue).map(([text, meaning, name]) =>
      badge(text, `${name} = ${JSON.stringify(queue.arguments[name])}: ${meaning}`)),
    queue.policy && badge(queue.policy, `policy: ${queue.policy}`, 'policy'),
    queue.operator_policy && badge(queue.operator_policy, `operator policy: ${queue.operator_policy}`, 'policy'));
}

export function queueLegend(queues) {
  return queues.length > 0 && legend([...queues.flatMap((queue) => [...features(queue), ...argumentFeatures(queue)]),
    ['In', 'published to it'],
    ['Out', 'delivered to consumers or got'], ['Acked', 'acknowledged by consumers']]);
}

const KIND_FIELDS = ['type', 'durable', 'auto_delete', 'exclusive', 'owner_pid_details', 'arguments', 'policy',
  'operator_policy'];

export function queueColumns(vhost) {
  return [
    { label: 'Name', sort: 'name', cell: (queue) => queueLink(queue.vhost, queue.name) },
    vhost === '' && textColumn('Virtual host', 'vhost'),
    { label: 'Kind', kind: 'minor', cell: (queue) => queueBadges(queue), fields: KIND_FIELDS },
    textColumn('Policy', 'policy', EXTRA),
    textColumn('Operator policy', 'operator_policy', EXTRA),
    { label: 'State', sort: 'state', cell: (queue) => state(queue.state), fields: ['state'] },
    figureColumn('Ready', 'messages_ready'),
    figureColumn('Unacked', 'messages_unacknowledged'),
    figureColumn('All', 'messages'),
    figureColumn('Persistent', 'messages_persistent', EXTRA),
    figureColumn('In memory', 'messages_ram', EXTRA),
    figureColumn('Bytes', 'message_bytes', EXTRA, bytes),
    figureColumn('Bytes ready', 'message_bytes_ready', EXTRA, bytes),
    figureColumn('Bytes unacked', 'message_bytes_unacknowledged', EXTRA, bytes),
    figureColumn('Bytes persistent', 'message_bytes_persistent', EXTRA, bytes),
    figureColumn('Bytes in memory', 'message_bytes_ram', EXTRA, bytes),
    figureColumn('Memory', 'memory', EXTRA, bytes),
    figureColumn('Consumers', 'consumers'),
    figureColumn('Can take', 'consumer_capacity', { isExtra: true, hint: 'how often a consumer could take a message' },
      share),
    rateColumn('In', 'publish'),
    rateColumn('Out', 'deliver_get'),
    rateColumn('Acked', 'ack'),
    rateColumn('Redelivered', 'redeliver', EXTRA),
    timeColumn('First message', 'head_message_timestamp', { isExtra: true,
      cell: ({ head_message_timestamp: time }) => (isFigure(time) ? moment(time * 1000) : NOTHING) }),
    timeColumn('Idle since', 'idle_since', EXTRA),
    textColumn('Node', 'node', EXTRA),
  ];
}

const TYPES = [['', 'as the virtual host says'], ['classic', 'classic'], ['quorum', 'quorum'], ['stream', 'stream']];

function types() {
  return isLeveret() ? TYPES.filter(([name]) => name !== 'stream') : TYPES;
}

export function vhostField(vhosts, vhost) {
  return { name: 'vhost', label: 'Virtual host', kind: 'select', options: vhosts, isBrief: true,
    value: vhost !== '' ? vhost : (vhosts.includes('/') ? '/' : vhosts[0]) };
}

async function declare(values) {
  const table = { ...values.arguments };
  if (values.type !== '') table['x-queue-type'] = values.type;
  await api.put(`queues/${path(values.vhost, values.name)}`, { durable: values.durable,
    auto_delete: values.autoDelete, arguments: table });
}

export function declareQueue({ vhosts, vhost }, type = '') {
  formDialog({
    title: 'Declare a queue', submit: 'Declare', isWide: true,
    fields: [
      vhostField(vhosts, vhost),
      { name: 'name', label: 'Name', isRequired: true, isBrief: true },
      { name: 'type', label: 'Type', kind: 'select', options: types(), value: type },
      { name: 'durable', label: 'Durable', kind: 'checkbox', value: true, hint: 'It survives a restart.' },
      { name: 'autoDelete', label: 'Delete with its last consumer', kind: 'checkbox' },
      { name: 'arguments', label: 'Arguments', kind: 'table', known: queueArguments() },
    ],
    run: async (values) => {
      await declare(values);
      notice(`Queue ${values.name} is declared.`);
      go('queues', values.vhost, values.name);
    },
  });
}

function draw(page, place) {
  const columns = queueColumns(place.vhost);
  return [
    heading({ title: 'Queues', actions: [{ label: 'Declare a queue', isMain: true, run: () => declareQueue(place) }] }),
    filterBar(place.search, 'queues', 'name', columnsButton('queues', columns, place.reload)),
    table({ caption: 'Queues', columns: shownColumns('queues', columns), rows: page.items, search: place.search,
      key: (queue) => `${queue.vhost}/${queue.name}`,
      empty: place.search.name ? notFound('queue')
        : 'There are no queues yet. Declare one here, or let an application declare its own.' }),
    pager(page, place.search, 'queues'),
    queueLegend(page.items),
  ];
}

export const queuesPage = { section: 'queues', title: () => 'Queues', load, draw };
