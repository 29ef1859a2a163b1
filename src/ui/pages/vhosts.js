// SPDX-License-Identifier: Apache-2.0
//
// The virtual hosts.

import { api, path } from '../api.js';
import { columnsButton, EXTRA, fieldsOf, figureColumn, octetColumn, rateColumn, shownColumns } from '../columns.js';
import { formDialog, notice } from '../dialog.js';
import { h } from '../dom.js';
import { badge, heading, state } from '../parts.js';
import { go, link } from '../router.js';
import { isAdministrator, isLeveret } from '../session.js';
import { filterBar, loadPage, notFound, pager, table } from '../table.js';

const DEFAULT_TYPES = [['', 'classic'], ['quorum', 'quorum'], ['stream', 'stream']];

async function load({ search, signal }) {
  return loadPage('vhosts', search, signal, { columns: fieldsOf('vhosts', COLUMNS, ['name']) });
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
  { label: 'Description', fields: ['description', 'tags'], cell: ({ description, tags }) => [description, ' ',
    h('span', { class: 'badges' }, (tags ?? []).filter((tag) => tag !== '').map((tag) => badge(tag, 'tag')))] },
  { label: 'State', fields: ['cluster_state'], cell: vhostState },
  figureColumn('Ready', 'messages_ready'),
  figureColumn('Unacked', 'messages_unacknowledged'),
  figureColumn('All', 'messages', EXTRA),
  octetColumn('From clients', 'recv_oct', EXTRA),
  octetColumn('To clients', 'send_oct', EXTRA),
  rateColumn('In', 'publish'),
  rateColumn('Out', 'deliver_get'),
  { label: 'Queues by default', ...EXTRA, fields: ['default_queue_type'],
    cell: ({ default_queue_type: type }) => (type && type !== 'undefined' ? type : 'classic') },
  { label: 'Tracing', fields: ['tracing'], cell: ({ tracing }) => (tracing ? state('on', 'warn') : 'no') },
];

function draw(page, { search, reload }) {
  return [
    heading({ title: 'Virtual hosts', actions: [isAdministrator() && { label: 'Add a virtual host', isMain: true,
      run: () => vhostDialog(null, (name) => go('vhosts', name)) }] }),
    filterBar(search, 'virtual hosts', 'name', columnsButton('vhosts', COLUMNS, reload)),
    table({ caption: 'Virtual hosts', columns: shownColumns('vhosts', COLUMNS), rows: page.items, search,
      key: ({ name }) => name, empty: notFound('virtual host') }),
    pager(page, search, 'virtual hosts'),
  ];
}

export const vhostsPage = { section: 'vhosts', title: () => 'Virtual hosts', load, draw };
