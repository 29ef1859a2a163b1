// SPDX-License-Identifier: Apache-2.0
//
// Channels, as their own list and their connection show them.

import { EXTRA, figureColumn, rateColumn, shownColumns, textColumn, timeColumn } from './columns.js';
import { h } from './dom.js';
import { badge, legend, state } from './parts.js';
import { link } from './router.js';
import { notFound, table } from './table.js';

// Of what is abbreviated: [abbreviation, meaning].
function modes(channel) {
  return [
    channel.confirm && ['C', 'publisher confirms'],
    channel.transactional && ['T', 'transactions'],
  ].filter(Boolean);
}

function mode(channel) {
  return h('span', { class: 'badges few' }, modes(channel).map(([text, meaning]) => badge(text, meaning)));
}

export function channelColumns(vhost) {
  return [
    { label: 'Channel', sort: 'name', cell: ({ name }) =>
      h('a', { class: 'name', title: name, href: link('channels', name) }, name) },
    vhost === '' && textColumn('Virtual host', 'vhost'),
    textColumn('User', 'user'),
    { label: 'Mode', cell: mode, fields: ['confirm', 'transactional'] },
    { label: 'State', sort: 'state', fields: ['state'], cell: (channel) => state(channel.state) },
    figureColumn('Consumers', 'consumer_count'),
    figureColumn('Prefetch', 'prefetch_count'),
    figureColumn('Prefetch of the channel', 'global_prefetch_count', EXTRA),
    figureColumn('Unacked', 'messages_unacknowledged'),
    figureColumn('Unconfirmed', 'messages_unconfirmed'),
    figureColumn('Uncommitted', 'messages_uncommitted', EXTRA),
    figureColumn('Acks uncommitted', 'acks_uncommitted', EXTRA),
    rateColumn('In', 'publish'),
    rateColumn('Confirmed', 'confirm', EXTRA),
    rateColumn('Returned', 'return_unroutable', { isExtra: true, hint: 'unroutable, given back to the publisher' }),
    rateColumn('Dropped', 'drop_unroutable', { isExtra: true, hint: 'unroutable, gone' }),
    rateColumn('Out', 'deliver_get'),
    rateColumn('Redelivered', 'redeliver', EXTRA),
    rateColumn('Acked', 'ack'),
    timeColumn('Idle since', 'idle_since', EXTRA),
  ];
}

// search: of the page, where the table is its list.
export function channelTable(channels, columns, search = {}) {
  return table({ caption: 'Channels', columns, rows: channels, search, key: ({ name }) => name,
    empty: search.name ? notFound('channel')
      : 'No channel is open. An application opens one to publish or consume.' });
}

// The same of one connection, which is short.
export function channelsOfConnection(channels) {
  const columns = shownColumns('channels', channelColumns(null));
  return channelTable(channels, columns.map((column) => ({ ...column, sort: undefined })));
}

export function channelLegend(channels) {
  return channels.length > 0 && legend([...channels.flatMap(modes), ['Prefetch', '0 is no limit'],
    ['In', 'published'], ['Out', 'delivered or got'], ['Acked', 'acknowledged by consumers']]);
}
