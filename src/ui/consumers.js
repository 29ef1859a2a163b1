// SPDX-License-Identifier: Apache-2.0
//
// Consumers, as their queue and their channel show them.

import { h } from './dom.js';
import { number } from './format.js';
import { argumentList, queueLink, state } from './parts.js';
import { link } from './router.js';
import { table } from './table.js';

function isActive(consumer) {
  return consumer.active ?? consumer.activity_status !== 'waiting';
}

export function consumerTable(consumers, { withChannel }) {
  const columns = [
    { label: 'Tag', cell: ({ consumer_tag: tag }) => h('span', { class: 'name' }, tag) },
    withChannel ? { label: 'Channel', cell: ({ channel_details: channel }) =>
      h('a', { class: 'name', href: link('channels', channel.name) }, channel.name) }
      : { label: 'Queue', cell: ({ queue }) => queueLink(queue.vhost, queue.name) },
    { label: 'Acknowledges', cell: ({ ack_required: does }) => (does ? 'yes' : 'no') },
    { label: 'Exclusive', cell: ({ exclusive }) => (exclusive ? 'yes' : 'no') },
    { label: 'Prefetch', kind: 'figure',
      cell: ({ prefetch_count: count }) => (count > 0 ? number(count) : 'no limit') },
    { label: 'State', cell: (consumer) => state(isActive(consumer) ? 'running' : 'waiting') },
    { label: 'Arguments', cell: (consumer) => argumentList(consumer.arguments) },
  ];
  return table({ caption: 'Consumers', columns, rows: consumers, empty: withChannel
    ? 'Nobody consumes. Messages wait until an application does.'
    : 'The channel has no consumers: it publishes, or has nothing to do.',
    key: (consumer) => `${consumer.channel_details?.name} ${consumer.consumer_tag}` });
}
