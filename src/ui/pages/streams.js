// SPDX-License-Identifier: Apache-2.0
//
// The streams: the queues of that type.

import { api, path, query } from '../api.js';
import { heading } from '../parts.js';
import { arranged, filterBar, table } from '../table.js';
import { declareQueue, queueColumns } from './queues.js';

const COLUMNS = 'name,vhost,type,durable,auto_delete,arguments,policy,operator_policy,state,messages,messages_ready,' +
  'messages_unacknowledged,consumers,message_stats';
const PAGE_SIZE = 500;

// No filter of the API goes by the type: all pages are asked for, and what is no stream is left out.
async function load({ signal, vhost }) {
  const where = vhost === '' ? 'queues' : `queues/${path(vhost)}`;
  const found = [];
  let last = 1;
  for (let page = 1; page <= last; page += 1) {
    const asked = query({ page, page_size: PAGE_SIZE, columns: COLUMNS });
    const answer = await api.get(`${where}${asked}`, { signal });
    found.push(...answer.items.filter(({ type }) => type === 'stream'));
    last = answer.page_count;
  }
  return found;
}

function draw(streams, place) {
  return [
    heading({ title: 'Streams', actions: [{ label: 'Declare a stream', isMain: true,
      run: () => declareQueue(place, 'stream') }] }),
    filterBar(place.search, 'streams'),
    table({ caption: 'Streams', columns: queueColumns(place.vhost), rows: arranged(streams, place.search),
      search: place.search, key: (queue) => `${queue.vhost}/${queue.name}`, empty: 'There are no streams.' }),
  ];
}

export const streamsPage = { section: 'streams', title: () => 'Streams', load, draw };
