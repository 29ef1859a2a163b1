// SPDX-License-Identifier: Apache-2.0
//
// The connections: who is there, and how much comes from and goes to each.

import { path } from '../api.js';
import { h } from '../dom.js';
import { bytes, isFigure, NOTHING, number } from '../format.js';
import { heading, state } from '../parts.js';
import { link } from '../router.js';
import { filterBar, loadPage, pager, table } from '../table.js';

const FIELDS = ['name', 'user_provided_name', 'client_properties.connection_name', 'vhost', 'user', 'state', 'ssl',
  'protocol', 'channels', 'recv_oct_details.rate', 'send_oct_details.rate'].join(',');

async function load({ search, signal, vhost }) {
  const where = vhost === '' ? 'connections' : `vhosts/${path(vhost)}/connections`;
  return loadPage(where, search, signal, { columns: FIELDS });
}

export function connectionLink(name) {
  return h('a', { class: 'name', title: name, href: link('connections', name) }, name);
}

// What the client calls itself.
export function givenName(connection) {
  return connection.user_provided_name ?? connection.client_properties?.connection_name;
}

export function bytesRate(value) {
  return isFigure(value) ? `${bytes(Math.round(value))}/s` : NOTHING;
}

function columns(vhost) {
  return [
    { label: 'Name', sort: 'name', cell: (connection) => [connectionLink(connection.name),
      givenName(connection) && h('small', { class: 'name' }, givenName(connection))] },
    vhost === '' && { label: 'Virtual host', sort: 'vhost', cell: (connection) => connection.vhost },
    { label: 'User', sort: 'user', cell: ({ user }) => user },
    { label: 'State', sort: 'state', cell: (connection) => state(connection.state) },
    { label: 'TLS', sort: 'ssl', cell: ({ ssl }) => (ssl ? 'yes' : 'no') },
    { label: 'Protocol', sort: 'protocol', cell: ({ protocol }) => protocol },
    { label: 'Channels', kind: 'figure', sort: 'channels', cell: ({ channels }) => number(channels) },
    { label: 'From client', kind: 'figure', sort: 'recv_oct_details.rate',
      cell: (connection) => bytesRate(connection.recv_oct_details?.rate) },
    { label: 'To client', kind: 'figure', sort: 'send_oct_details.rate',
      cell: (connection) => bytesRate(connection.send_oct_details?.rate) },
  ];
}

function draw(page, { search, vhost }) {
  return [
    heading({ title: 'Connections' }),
    filterBar(search, 'connections'),
    table({ caption: 'Connections', columns: columns(vhost), rows: page.items, search, key: ({ name }) => name,
      empty: search.name ? 'No connection has such a name.'
        : 'Nobody is connected. The overview says on which ports applications can connect.' }),
    pager(page, search, 'connections'),
  ];
}

export const connectionsPage = { section: 'connections', title: () => 'Connections', load, draw };
