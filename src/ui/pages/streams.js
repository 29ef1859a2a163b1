// SPDX-License-Identifier: Apache-2.0
//
// The streams: the queues of that type. Leveret has none yet, and says so rather than to show an empty list.

import { api, optional, path } from '../api.js';
import { shownColumns } from '../columns.js';
import { h } from '../dom.js';
import { number } from '../format.js';
import { heading, panel } from '../parts.js';
import { link } from '../router.js';
import { isLeveret } from '../session.js';
import { arranged, filterBar, notFound, table } from '../table.js';
import { declareQueue, queueColumns } from './queues.js';

const SHOWN_MAX = 100;
const MANY = 2000;
const KEPT_MS = 60000;

// What was found among very many queues is kept for a minute.
let kept = { vhost: null, names: [], until: 0 };

// No filter of the API goes by the type: all queues are asked for it, and nothing else of them.
async function namesOf(vhost, signal) {
  if (kept.vhost === vhost && Date.now() < kept.until) return kept.names;
  const where = vhost === '' ? 'queues' : `queues/${path(vhost)}`;
  const all = await api.get(`${where}?columns=name,vhost,type`, { signal });
  const names = all.filter(({ type }) => type === 'stream');
  kept = { vhost, names, until: all.length > MANY ? Date.now() + KEPT_MS : 0 };
  return names;
}

const INSTEAD = [
  ['Work that is done once, safely', 'a quorum queue: durable, with a limit of deliveries and dead letters'],
  ['Each consumer gets all that comes', 'a fanout or topic exchange, and a queue for each consumer'],
  ['Who comes late gets what came last', 'an exchange of the type x-recent-history: its argument ' +
    'x-recent-history-length says how many messages a queue gets when it is bound'],
  ['A long backlog', 'a queue with max-length-bytes and the overflow drop-head'],
];

function thereAreNone() {
  return [
    heading({ title: 'Streams' }),
    panel('none', 'Leveret has no streams yet', h('p', { class: 'intro' }, 'A queue that is declared with the ' +
      'argument x-queue-type of stream is refused, as are definitions that have one. What a policy says of streams ' +
      'is kept, and has no effect.'),
    h('h3', null, 'What there is instead'),
    h('dl', { class: 'instead' }, INSTEAD.map(([want, what]) => h('div', null, h('dt', null, want),
      h('dd', null, what)))),
    h('p', { class: 'above' }, h('a', { href: link('queues') }, 'To the queues'), ' · ',
      h('a', { href: link('exchanges') }, 'To the exchanges'))),
  ];
}

async function load({ search, signal, vhost }) {
  if (isLeveret()) return null;
  const found = arranged(await namesOf(vhost, signal), { name: search.name, regex: search.regex });
  const streams = await Promise.all(found.slice(0, SHOWN_MAX).map((stream) =>
    optional(api.get(`queues/${path(stream.vhost, stream.name)}`, { signal }), null)));
  return { streams: streams.filter((stream) => stream !== null), count: found.length };
}

function draw(data, place) {
  if (data === null) return thereAreNone();
  const { streams, count } = data;
  return [
    heading({ title: 'Streams', actions: [{ label: 'Declare a stream', isMain: true,
      run: () => declareQueue(place, 'stream') }] }),
    filterBar(place.search, 'streams'),
    table({ caption: 'Streams', columns: shownColumns('queues', queueColumns(place.vhost)), search: place.search,
      rows: arranged(streams, place.search), key: (queue) => `${queue.vhost}/${queue.name}`,
      empty: place.search.name ? notFound('stream')
        : 'There are no streams yet. Declare one here, or let an application declare its own.' }),
    count > SHOWN_MAX && h('p', { class: 'more' }, `The first ${SHOWN_MAX} of ${number(count)} are shown.`),
  ];
}

export const streamsPage = { section: 'streams', title: () => 'Streams', load, draw };
