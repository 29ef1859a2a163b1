// SPDX-License-Identifier: Apache-2.0
//
// Channels, as their own list and their connection show them.

import { h } from './dom.js';
import { number, rate, rateOf } from './format.js';
import { badge, state } from './parts.js';
import { link } from './router.js';
import { table } from './table.js';

function mode(channel) {
  return h('span', { class: 'badges' }, channel.confirm && badge('C', 'publisher confirms'),
    channel.transactional && badge('T', 'transactions'));
}

function count(label, name, hint) {
  return { label, kind: 'figure', sort: name, hint, cell: (channel) => number(channel[name]) };
}

function rateColumn(label, name, hint) {
  return { label, kind: 'figure', hint, sort: `message_stats.${name}_details.rate`,
    cell: ({ message_stats: stats }) => rate(rateOf(stats, name)) };
}

export function channelTable(channels, { search, vhost = 'hidden' }) {
  const columns = [
    { label: 'Channel', sort: 'name', cell: ({ name }) =>
      h('a', { class: 'name', title: name, href: link('channels', name) }, name) },
    vhost === '' && { label: 'Virtual host', sort: 'vhost', cell: (channel) => channel.vhost },
    { label: 'User', sort: 'user', cell: ({ user }) => user },
    { label: 'Mode', cell: mode },
    { label: 'State', sort: 'state', cell: (channel) => state(channel.state) },
    count('Consumers', 'consumer_count'),
    count('Prefetch', 'prefetch_count', '0: no limit'),
    count('Unacked', 'messages_unacknowledged'),
    count('Unconfirmed', 'messages_unconfirmed'),
    rateColumn('In', 'publish', 'published'),
    rateColumn('Out', 'deliver_get', 'delivered or got'),
    rateColumn('Acked', 'ack', 'acknowledged'),
  ];
  return table({ caption: 'Channels', columns: columns.map((column) => column && (vhost === 'hidden'
    ? { ...column, sort: undefined } : column)), rows: channels, search, key: ({ name }) => name,
  empty: search.name ? 'No channel has such a name.' : 'No channel is open.' });
}
