// SPDX-License-Identifier: Apache-2.0
//
// The streams: the queues of that type.

import { api, optional, path } from '../api.js';
import { h } from '../dom.js';
import { number } from '../format.js';
import { heading } from '../parts.js';
import { arranged, filterBar, table } from '../table.js';
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

async function load({ search, signal, vhost }) {
  const found = arranged(await namesOf(vhost, signal), { name: search.name, regex: search.regex });
  const streams = await Promise.all(found.slice(0, SHOWN_MAX).map((stream) =>
    optional(api.get(`queues/${path(stream.vhost, stream.name)}`, { signal }), null)));
  return { streams: streams.filter((stream) => stream !== null), count: found.length };
}

function draw({ streams, count }, place) {
  return [
    heading({ title: 'Streams', actions: [{ label: 'Declare a stream', isMain: true,
      run: () => declareQueue(place, 'stream') }] }),
    filterBar(place.search, 'streams'),
    table({ caption: 'Streams', columns: queueColumns(place.vhost), rows: arranged(streams, place.search),
      search: place.search, key: (queue) => `${queue.vhost}/${queue.name}`, empty: 'There are no streams.' }),
    count > SHOWN_MAX && h('p', { class: 'more' }, `The first ${SHOWN_MAX} of ${number(count)} are shown.`),
  ];
}

export const streamsPage = { section: 'streams', title: () => 'Streams', load, draw };
