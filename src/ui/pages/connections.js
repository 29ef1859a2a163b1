// SPDX-License-Identifier: Apache-2.0
//
// The connections: who is there, and how much comes from and goes to each.

import { path } from '../api.js';
import { columnsButton, EXTRA, fieldsOf, figureColumn, octetColumn, shownColumns, textColumn, timeColumn }
  from '../columns.js';
import { h } from '../dom.js';
import { bytes, NOTHING } from '../format.js';
import { heading, state } from '../parts.js';
import { link } from '../router.js';
import { filterBar, loadPage, notFound, pager, table } from '../table.js';

const NAMES = ['name', 'user_provided_name', 'client_properties.connection_name', 'vhost'];

async function load({ search, signal, vhost }) {
  const where = vhost === '' ? 'connections' : `vhosts/${path(vhost)}/connections`;
  return loadPage(where, search, signal, { columns: fieldsOf('connections', columnsOf(vhost), NAMES) });
}

export function connectionLink(name) {
  return h('a', { class: 'name', title: name, href: link('connections', name) }, name);
}

// What the client calls itself.
export function givenName(connection) {
  return connection.user_provided_name ?? connection.client_properties?.connection_name;
}

const CLIENT = ['product', 'version', 'platform'];

function columnsOf(vhost) {
  return [
    { label: 'Name', sort: 'name', cell: (connection) => [connectionLink(connection.name),
      givenName(connection) && h('small', { class: 'name' }, givenName(connection))] },
    vhost === '' && textColumn('Virtual host', 'vhost'),
    textColumn('User', 'user'),
    { label: 'State', sort: 'state', fields: ['state'], cell: (connection) => state(connection.state) },
    { label: 'TLS', sort: 'ssl', fields: ['ssl'], cell: ({ ssl }) => (ssl ? 'yes' : 'no') },
    textColumn('Version of TLS', 'ssl_protocol', EXTRA),
    textColumn('Cipher', 'ssl_cipher', EXTRA),
    textColumn('Protocol', 'protocol', { kind: 'short' }),
    textColumn('Login by', 'auth_mechanism', EXTRA),
    { label: 'Client', ...EXTRA, fields: CLIENT.map((name) => `client_properties.${name}`),
      cell: ({ client_properties: client = {} }) => CLIENT.map((name) => client[name]).filter(Boolean).join(' ') },
    timeColumn('Connected', 'connected_at', EXTRA),
    figureColumn('Channels', 'channels'),
    figureColumn('Channels at most', 'channel_max', EXTRA),
    figureColumn('Largest frame', 'frame_max', EXTRA, bytes),
    figureColumn('Heartbeat', 'timeout', EXTRA, (value) => (value > 0 ? `${value} s` : NOTHING)),
    octetColumn('From client', 'recv_oct'),
    octetColumn('To client', 'send_oct'),
    figureColumn('From client in all', 'recv_oct', EXTRA, bytes),
    figureColumn('To client in all', 'send_oct', EXTRA, bytes),
    figureColumn('Waiting to be sent', 'send_pend', EXTRA, bytes),
  ];
}

function draw(page, { search, vhost, reload }) {
  const columns = columnsOf(vhost);
  return [
    heading({ title: 'Connections' }),
    filterBar(search, 'connections', 'name', columnsButton('connections', columns, reload)),
    table({ caption: 'Connections', columns: shownColumns('connections', columns), rows: page.items, search,
      key: ({ name }) => name,
      empty: search.name ? notFound('connection')
        : 'Nobody is connected. The overview says on which ports applications can connect.' }),
    pager(page, search, 'connections'),
  ];
}

export const connectionsPage = { section: 'connections', title: () => 'Connections', load, draw };
