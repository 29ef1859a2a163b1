// SPDX-License-Identifier: Apache-2.0
//
// Channels, as their own list and their connection show them.

import { h } from './dom.js';
import { number, rate, rateOf } from './format.js';
import { badge, legend, state } from './parts.js';
import { link } from './router.js';
import { table } from './table.js';

// What the table shows of one.
export const CHANNEL_FIELDS = ['name', 'vhost', 'user', 'confirm', 'transactional', 'state', 'consumer_count',
  'prefetch_count', 'messages_unacknowledged', 'messages_unconfirmed',
  ...['publish', 'deliver_get', 'ack'].map((name) => `message_stats.${name}_details.rate`)].join(',');

// Of what is abbreviated: [abbreviation, meaning].
function modes(channel) {
  return [
    channel.confirm && ['C', 'publisher confirms'],
    channel.transactional && ['T', 'transactions'],
  ].filter(Boolean);
}

function mode(channel) {
  return h('span', { class: 'badges' }, modes(channel).map(([text, meaning]) => badge(text, meaning)));
}

function count(label, name) {
  return { label, kind: 'figure', sort: name, cell: (channel) => number(channel[name]) };
}

function rateColumn(label, name) {
  return { label, kind: 'figure', sort: `message_stats.${name}_details.rate`,
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
    count('Prefetch', 'prefetch_count'),
    count('Unacked', 'messages_unacknowledged'),
    count('Unconfirmed', 'messages_unconfirmed'),
    rateColumn('In', 'publish'),
    rateColumn('Out', 'deliver_get'),
    rateColumn('Acked', 'ack'),
  ];
  return table({ caption: 'Channels', columns: columns.map((column) => column && (vhost === 'hidden'
    ? { ...column, sort: undefined } : column)), rows: channels, search, key: ({ name }) => name,
  empty: search.name ? 'No channel has such a name.' : 'No channel is open.' });
}

export function channelLegend(channels) {
  return channels.length > 0 && legend([...channels.flatMap(modes), ['Prefetch', '0 is no limit'],
    ['In', 'published'], ['Out', 'delivered or got'], ['Acked', 'acknowledged by consumers']]);
}
