// SPDX-License-Identifier: Apache-2.0
//
// The queues in which most messages wait: what somebody who looks after a broker wants to see first, with whether they
// become more, and whether anybody takes them.

import { api, path, query } from './api.js';
import { h } from './dom.js';
import { duration, NOTHING, number, trend } from './format.js';
import { panel, queueLink, state } from './parts.js';
import { link } from './router.js';
import { session } from './session.js';
import { table } from './table.js';

const SHOWN = 5;
const FIELDS = 'name,vhost,messages,messages_details.rate,consumers';

const MANY = 5000;
const KEPT_MS = 20000;

// Of very many queues the server has to compare each with the others: what was found is good for a while.
let kept = { user: null, vhost: null, queues: [], until: 0 };

export async function loadLongest(vhost, signal) {
  if (kept.user === session.user && kept.vhost === vhost && Date.now() < kept.until) return kept.queues;
  const where = vhost === '' ? 'queues' : `queues/${path(vhost)}`;
  const page = await api.get(`${where}${query({ page: 1, page_size: SHOWN, columns: FIELDS, sort: 'messages',
    sort_reverse: true })}`, { signal });
  const queues = page.items.filter(({ messages }) => messages > 0);
  kept = { user: session.user, vhost, queues, until: page.total_count > MANY ? Date.now() + KEPT_MS : 0 };
  return queues;
}

// How long until the queue is empty if it goes on like that.
function rest({ messages, messages_details: details }) {
  return details?.rate < -0.05 ? duration((messages / -details.rate) * 1000) : NOTHING;
}

export function longestPanel(queues, vhost) {
  const columns = [
    { label: 'Queue', cell: (queue) => queueLink(queue.vhost, queue.name) },
    vhost === '' && { label: 'Virtual host', cell: (queue) => queue.vhost },
    { label: 'Messages', kind: 'figure', cell: ({ messages }) => number(messages) },
    { label: 'Change', kind: 'figure', cell: ({ messages_details: details }) => trend(details?.rate) },
    { label: 'Empty in', kind: 'figure', cell: rest },
    { label: 'Consumers', kind: 'figure', cell: ({ consumers }) => (consumers > 0 ? number(consumers)
      : state('none', 'warn')) },
  ];
  return panel('longest', 'Longest queues', queues.length === 0
    ? h('p', { class: 'intro' }, 'No messages wait: all queues are empty.') : [
      table({ caption: 'Longest queues', columns, rows: queues, key: (queue) => `${queue.vhost}/${queue.name}` }),
      h('p', { class: 'more' }, h('a', { href: `${link('queues')}?sort=messages&down=1` },
        'All queues, the longest first')),
    ]);
}
