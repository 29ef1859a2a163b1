// SPDX-License-Identifier: Apache-2.0
//
// One node: what it uses of what it may, what its memory is used for, and what it is made of.

import { api, optional, path, query } from '../api.js';
import { h } from '../dom.js';
import { bytes, duration, number, share } from '../format.js';
import { badge, bytesChart, bytesRateChart, facts, gauge, heading, lengthChart, panel, rangeChoice, state }
  from '../parts.js';
import { resetAction } from '../reset.js';
import { link } from '../router.js';
import { columnsOf, rangeOf, rates, sinceStart, valueLines } from '../samples.js';
import { table } from '../table.js';

const MEMORY = [['mem_used', 'Used']];
const DISK = [['disk_free', 'Free']];
const OPEN = [['fd_used', 'Descriptors'], ['sockets_used', 'Sockets of clients']];
const DISK_DATA = [['io_read_bytes', 'Read'], ['io_write_bytes', 'Written']];
const NOW = ['name', 'running', 'mem_alarm', 'mem_limit', 'fd_used', 'fd_total', 'sockets_used', 'sockets_total',
  'disk_free_alarm', 'disk_free_limit', 'being_drained', 'uptime'];
const ABOUT = ['processors', 'os_pid', 'db_dir', 'log_files', 'config_files', 'enabled_plugins', 'auth_mechanisms',
  'exchange_types'];

// more: what else is of interest.
export async function loadNode(name, { age, step }, signal, more = []) {
  const columns = [...NOW, ...columnsOf([...MEMORY, ...DISK]), ...more].join(',');
  return api.get(`nodes/${path(name)}${query({ node_stats_age: age, node_stats_incr: step, columns })}`, { signal });
}

async function load({ names: [, name], search, signal }) {
  const more = [...ABOUT, ...columnsOf(OPEN), ...columnsOf(DISK_DATA)];
  const [node, memory, logins] = await Promise.all([loadNode(name, rangeOf(search), signal, more),
    optional(api.get(`nodes/${path(name)}/memory`, { signal }), null),
    optional(api.get(`auth/attempts/${path(name)}`, { signal }), [])]);
  return { node, memory: memory?.memory, logins };
}

// What it uses, with the limits.
export function nodeGauges(node) {
  return h('div', { class: 'gauges' },
    gauge('Memory', node.mem_used, node.mem_limit, bytes, node.mem_alarm),
    gauge('Descriptors', node.fd_used, node.fd_total, number),
    gauge('Sockets', node.sockets_used, node.sockets_total, number),
    h('div', { class: node.disk_free_alarm ? 'gauge alarmed' : 'gauge' }, h('span', null, 'Disk free'),
      h('strong', null, bytes(node.disk_free)), h('small', null, `alarm below ${bytes(node.disk_free_limit)}`)));
}

export function nodeCharts(node) {
  const disk = valueLines(node, DISK).map((line) => ({ ...sinceStart(line), colour: 3 }));
  return h('div', { class: 'charts' },
    bytesChart(`memory ${node.name}`, 'Memory', valueLines(node, MEMORY).map(sinceStart)),
    bytesChart(`disk ${node.name}`, 'Free disk', disk));
}

const PARTS = new Map(Object.entries({
  binary: 'Messages', connection_channels: 'Connections and channels', mgmt_db: 'Figures of this interface',
  other_system: 'Everything else, and free pieces', queue_procs: 'Classic queues', quorum_queue_procs: 'Quorum queues',
  stream_queue_procs: 'Streams', connection_readers: 'Reading of connections',
  connection_writers: 'Writing of connections', connection_other: 'Connections, the rest', code: 'Code',
  plugins: 'Plug-ins', msg_index: 'Index of messages', allocated_unused: 'Allocated and unused',
  reserved_unallocated: 'Reserved and not allocated',
}));

// Of two ways of counting what is resident counts.
function memoryTable(memory) {
  const total = memory.total?.rss ?? memory.total;
  const parts = Object.entries(memory).filter(([name, value]) => name !== 'total' && value > 0)
    .map(([name, value]) => ({ name, value })).sort((a, b) => b.value - a.value);
  const columns = [
    { label: 'Used for', cell: ({ name }) => PARTS.get(name) ?? name.replaceAll('_', ' ') },
    { label: 'Memory', kind: 'figure', cell: ({ value }) => bytes(value) },
    { label: 'Share', kind: 'figure', cell: ({ value }) => share(value / total) },
    { label: 'Of all', cell: ({ name, value }) => h('meter', { value: value / total, min: '0', max: '1',
      'aria-label': `${PARTS.get(name) ?? name}, share of the memory` }) },
  ];
  return table({ caption: 'Memory by use', columns, rows: parts, key: ({ name }) => name,
    empty: 'The server does not say what its memory is used for.' });
}

// What was read and written since the sample before; none is older than the server.
function diskData(node) {
  return DISK_DATA.map(([name, label]) => {
    const details = node[`${name}_details`];
    const samples = (details?.samples ?? []).filter(({ sample }) => sample > 0);
    return { label, now: details?.rate, points: rates({ samples }) };
  });
}

const PROTOCOLS = new Map(Object.entries({ http: 'HTTP', amqp091: 'AMQP 0-9-1' }));

const LOGINS = [
  { label: 'By', cell: ({ protocol }) => PROTOCOLS.get(protocol) ?? protocol },
  { label: 'Tried', kind: 'figure', cell: ({ auth_attempts: count }) => number(count) },
  { label: 'Let in', kind: 'figure', cell: ({ auth_attempts_succeeded: count }) => number(count) },
  { label: 'Refused', kind: 'figure', cell: ({ auth_attempts_failed: count }) => number(count) },
];

function loginPanel(logins) {
  return logins.length > 0 && panel('logins', 'Logins since the start', table({ caption: 'Logins', columns: LOGINS,
    rows: logins, key: ({ protocol }) => protocol }));
}

function badges(names) {
  return names?.length > 0 && h('span', { class: 'badges' }, names.map((name) => badge(name)));
}

function about(node) {
  return facts([
    ['State', state(node.being_drained ? 'drained' : node.running ? 'running' : 'down',
      node.being_drained ? 'warn' : undefined)],
    ['Running for', duration(node.uptime)], ['Cores', number(node.processors)],
    ['Process', node.os_pid], ['Data', node.db_dir], ['Files of the log', (node.log_files ?? []).join(', ')],
    ['Files of the configuration', (node.config_files ?? []).join(', ')],
    ['Ways to log in', badges((node.auth_mechanisms ?? []).filter(({ enabled }) => enabled).map(({ name }) => name)),
      true],
    ['Exchange types', badges((node.exchange_types ?? []).map(({ name }) => name)), true],
    ['Plug-ins, or what they would do', badges(node.enabled_plugins), true],
  ]);
}

function draw({ node, memory, logins }, { search, reload }) {
  return [
    heading({ title: `Node ${node.name}`, above: { href: link(), label: 'Overview' },
      actions: [resetAction(reload, node.name)] }),
    rangeChoice(search),
    panel('use', 'What it uses', nodeGauges(node), nodeCharts(node),
      h('div', { class: 'charts', 'data-key': 'more' },
        lengthChart(`open ${node.name}`, 'Open descriptors and sockets', valueLines(node, OPEN).map(sinceStart)),
        bytesRateChart(`data ${node.name}`, 'Bytes from and to the disk, per second', diskData(node)))),
    memory && panel('memory', 'Memory', memoryTable(memory)),
    loginPanel(logins),
    panel('about', 'About', about(node)),
  ];
}

export const nodePage = { section: '', title: ({ names }) => `Node ${names[1]}`, load, draw };
