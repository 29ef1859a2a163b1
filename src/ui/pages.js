// SPDX-License-Identifier: Apache-2.0
//
// All pages, by the first word of their address. A page: {section: which entry of the navigation it belongs to,
// title(place), load(place): its data, draw(data, place): its nodes}. place: {names, search, signal, vhost, vhosts,
// reload}.

import { h } from './dom.js';
import { link } from './router.js';
import { overviewPage } from './pages/overview.js';
import { queuePage } from './pages/queue.js';
import { queuesPage } from './pages/queues.js';

const LISTS = { '': overviewPage, queues: queuesPage };
const THINGS = { queues: [3, queuePage] };

const unknownPage = {
  section: null,
  title: () => 'No such page',
  load: async () => null,
  draw: () => [h('h1', null, 'No such page'), h('p', null, 'The address names nothing. ',
    h('a', { href: link() }, 'To the overview'))],
};

export function pageAt(names) {
  const [first = ''] = names;
  if (names.length <= 1) return LISTS[first] ?? unknownPage;
  const [length, page] = THINGS[first] ?? [];
  return names.length === length ? page : unknownPage;
}
