// SPDX-License-Identifier: Apache-2.0
//
// The overview: what flows, what waits, how the node is.

import { alarmsOf } from '../alarms.js';
import { api, optional, query } from '../api.js';
import { h } from '../dom.js';
import { duration, number, plural } from '../format.js';
import { loadLongest, longestPanel } from '../longest.js';
import { facts, heading, lengthChart, panel, rangeChoice, rateChart, state } from '../parts.js';
import { resetAction } from '../reset.js';
import { link } from '../router.js';
import { ages, columnsOf, MESSAGE_RATES, QUEUE_LENGTHS, rangeOf, rateLines, valueLines } from '../samples.js';
import { session } from '../session.js';
import { table } from '../table.js';
import { loadNode, nodeCharts, nodeGauges } from './node.js';

const CHURN = [['connection_created', 'Connections opened', true], ['connection_closed', 'Connections closed', true],
  ['channel_created', 'Channels opened'], ['channel_closed', 'Channels closed'], ['queue_declared', 'Queues declared'],
  ['queue_created', 'Queues created'], ['queue_deleted', 'Queues deleted']];

const FIELDS = ['leveret_version', 'rabbitmq_version', 'product_name', 'product_version', 'cluster_name', 'node',
  'rates_mode', 'object_totals', 'listeners', 'exchange_types', ...columnsOf(MESSAGE_RATES, 'message_stats'),
  ...columnsOf(QUEUE_LENGTHS, 'queue_totals'), ...columnsOf(CHURN, 'churn_rates')].join(',');

async function nodesOf(range, signal) {
  return Promise.all(session.nodes.map(async (node) => (!node.running ? node
    : optional(loadNode(node.name, range, signal), node))));
}

async function load({ search, signal, vhost }) {
  const range = rangeOf(search);
  const [overview, nodes, longest] = await Promise.all([
    api.get(`overview${query({ ...ages(range), columns: FIELDS })}`, { signal }), nodesOf(range, signal),
    loadLongest(vhost, signal)]);
  return { overview, nodes, longest };
}

function alarms(nodes) {
  return alarmsOf(nodes).map(({ text }) => h('p', { class: 'banner alarm', role: 'alert', 'data-key': text }, text));
}

// That all is well is worth a line as well.
function health(overview, nodes) {
  const [node] = nodes;
  if (node === undefined || alarmsOf(nodes).length > 0) return null;
  const version = overview.leveret_version ? `Leveret ${overview.leveret_version}`
    : `RabbitMQ ${overview.rabbitmq_version}`;
  return h('p', { class: 'health', 'data-key': 'health' }, state('running'),
    ` for ${duration(Math.min(...nodes.map(({ uptime }) => uptime)))} · no alarms · ${version}`);
}

const COUNTS = [['connections', 'connection', 'connections'], ['channels', 'channel', 'channels'],
  ['exchanges', 'exchange', 'exchanges'], ['queues', 'queue', 'queues'], ['consumers', 'consumer', 'consumers']];

function counts({ object_totals: totals = {} }) {
  return h('ul', { class: 'counts', 'data-key': 'counts', 'aria-label': 'How many there are' },
    COUNTS.filter(([name]) => totals[name] !== undefined).map(([name, one, many]) => {
      const content = [h('strong', null, number(totals[name])), h('span', null, totals[name] === 1 ? one : many)];
      return h('li', null, name === 'consumers' ? h('div', null, content) : h('a', { href: link(name) }, content));
    }));
}

function nodePanel(node) {
  return panel(`node ${node.name}`, `Node ${node.name}`, nodeGauges(node), nodeCharts(node),
    h('p', { class: 'more' }, h('a', { href: link('nodes', node.name) }, 'Its memory by use, and all about it')));
}

const LISTENERS = [
  { label: 'Protocol', cell: ({ protocol }) => protocol },
  { label: 'Address', cell: ({ ip_address: address }) => address },
  { label: 'Port', kind: 'figure', cell: ({ port }) => String(port) },
  { label: 'Node', cell: ({ node }) => node },
];

function about(overview, nodes) {
  const own = overview.leveret_version && `Leveret ${overview.leveret_version}`;
  return panel('about', 'About', facts([['Version', own], [own ? 'Answers as' : 'Version',
    `${overview.product_name ?? 'RabbitMQ'} ${overview.product_version ?? overview.rabbitmq_version}`],
  ['Cluster', overview.cluster_name], ['Node', overview.node], ['Rates', overview.rates_mode],
  ['State', nodes.length > 0 && state(nodes.every(({ running }) => running) ? 'running' : 'down')],
  ['Nodes', nodes.length > 1 && plural(nodes.length, 'node', 'nodes')],
  ['Exchange types', (overview.exchange_types ?? []).map(({ name }) => name).join(', '), true]]));
}

function draw({ overview, nodes, longest }, { search, vhost, reload }) {
  return [
    heading({ title: 'Overview', actions: [resetAction(reload)] }),
    alarms(nodes), health(overview, nodes), counts(overview), rangeChoice(search),
    h('div', { class: 'charts', 'data-key': 'charts' },
      panel('rates', 'Message rates', rateChart('rates', 'Messages per second',
        rateLines(overview.message_stats ?? {}, MESSAGE_RATES))),
      panel('lengths', 'Queued messages', lengthChart('lengths', 'Messages in all queues',
        valueLines(overview.queue_totals, QUEUE_LENGTHS)))),
    longestPanel(longest, vhost),
    nodes.map(nodePanel),
    panel('churn', 'Comings and goings', rateChart('churn', 'Connections, channels and queues per second',
      rateLines(overview.churn_rates ?? {}, CHURN))),
    panel('listeners', 'Listeners', table({ caption: 'Listeners', columns: LISTENERS, rows: overview.listeners ?? [],
      key: ({ protocol, ip_address: address, port }) => `${protocol} ${address} ${port}` })),
    about(overview, nodes),
  ];
}

export const overviewPage = { section: '', title: () => 'Overview', load, draw };
