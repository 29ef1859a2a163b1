// SPDX-License-Identifier: Apache-2.0
//
// The virtual hosts.

import { api, path } from '../api.js';
import { formDialog, notice } from '../dialog.js';
import { h } from '../dom.js';
import { number, rate, rateOf } from '../format.js';
import { badge, heading, state } from '../parts.js';
import { go, link } from '../router.js';
import { isAdministrator, isLeveret } from '../session.js';
import { filterBar, loadPage, notFound, pager, table } from '../table.js';

const DEFAULT_TYPES = [['', 'classic'], ['quorum', 'quorum'], ['stream', 'stream']];

async function load({ search, signal }) {
  return loadPage('vhosts', search, signal);
}

export function vhostState({ cluster_state: states }) {
  const all = Object.values(states ?? {});
  return state(all.length === 0 || all.every((one) => one === 'running') ? 'running' : 'down');
}

export function vhostDialog(vhost, done) {
  formDialog({
    title: vhost ? `Change ${vhost.name}` : 'Add a virtual host', submit: vhost ? 'Change' : 'Add',
    fields: [
      !vhost && { name: 'name', label: 'Name', isRequired: true },
      { name: 'description', label: 'Description', value: vhost?.description },
      { name: 'tags', label: 'Tags', value: (vhost?.tags ?? []).join(','), hint: 'With commas between them.' },
      !vhost && { name: 'type', label: 'Queues are, where nobody says', kind: 'select',
        options: DEFAULT_TYPES.filter(([name]) => name !== 'stream' || !isLeveret()) },
      { name: 'tracing', label: 'Tracing', kind: 'checkbox', value: vhost?.tracing === true,
        hint: 'Copies of all messages go to the exchange amq.rabbitmq.trace, which costs much.' },
    ],
    run: async ({ name = vhost?.name, description = '', tags = '', type, tracing }) => {
      await api.put(`vhosts/${path(name)}`, { description, tags, tracing,
        ...(type && { default_queue_type: type }) });
      notice(`Virtual host ${name} is ${vhost ? 'changed' : 'added'}.`);
      done(name);
    },
  });
}

const COLUMNS = [
  { label: 'Name', sort: 'name', cell: ({ name }) =>
    h('a', { class: 'name', title: name, href: link('vhosts', name) }, name) },
  { label: 'Description', cell: ({ description, tags }) => [description, ' ', h('span', { class: 'badges' },
    (tags ?? []).filter((tag) => tag !== '').map((tag) => badge(tag, 'tag')))] },
  { label: 'State', cell: vhostState },
  { label: 'Ready', kind: 'figure', sort: 'messages_ready', cell: ({ messages_ready: count }) => number(count) },
  { label: 'Unacked', kind: 'figure', sort: 'messages_unacknowledged',
    cell: ({ messages_unacknowledged: count }) => number(count) },
  { label: 'In', kind: 'figure', cell: ({ message_stats: stats }) => rate(rateOf(stats, 'publish')) },
  { label: 'Out', kind: 'figure', cell: ({ message_stats: stats }) => rate(rateOf(stats, 'deliver_get')) },
  { label: 'Tracing', cell: ({ tracing }) => (tracing ? state('flow') : 'no') },
];

function draw(page, { search }) {
  return [
    heading({ title: 'Virtual hosts', actions: [isAdministrator() && { label: 'Add a virtual host', isMain: true,
      run: () => vhostDialog(null, (name) => go('vhosts', name)) }] }),
    filterBar(search, 'virtual hosts'),
    table({ caption: 'Virtual hosts', columns: COLUMNS, rows: page.items, search, key: ({ name }) => name,
      empty: notFound('virtual host') }),
    pager(page, search, 'virtual hosts'),
  ];
}

export const vhostsPage = { section: 'vhosts', title: () => 'Virtual hosts', load, draw };
