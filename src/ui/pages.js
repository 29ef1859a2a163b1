// SPDX-License-Identifier: Apache-2.0
//
// All pages, by the first word of their address. A page: {section: which entry of the navigation it belongs to,
// title(place), load(place): its data, draw(data, place): its nodes}. place: {names, search, signal, vhost, vhosts,
// reload}.

import { h } from './dom.js';
import { link } from './router.js';
import { bindingsPage } from './pages/bindings.js';
import { channelPage } from './pages/channel.js';
import { channelsPage } from './pages/channels.js';
import { clusterPage } from './pages/cluster.js';
import { connectionPage } from './pages/connection.js';
import { connectionsPage } from './pages/connections.js';
import { definitionsPage } from './pages/definitions.js';
import { exchangePage } from './pages/exchange.js';
import { exchangesPage } from './pages/exchanges.js';
import { limitsPage } from './pages/limits.js';
import { nodePage } from './pages/node.js';
import { overviewPage } from './pages/overview.js';
import { policiesPage } from './pages/policies.js';
import { queuePage } from './pages/queue.js';
import { queuesPage } from './pages/queues.js';
import { streamsPage } from './pages/streams.js';
import { userPage } from './pages/user.js';
import { usersPage } from './pages/users.js';
import { vhostPage } from './pages/vhost.js';
import { vhostsPage } from './pages/vhosts.js';

const LISTS = new Map(Object.entries({
  '': overviewPage,
  bindings: bindingsPage,
  channels: channelsPage,
  'cluster-name': clusterPage,
  connections: connectionsPage,
  definitions: definitionsPage,
  exchanges: exchangesPage,
  'feature-flags': clusterPage,
  limits: limitsPage,
  policies: policiesPage,
  queues: queuesPage,
  streams: streamsPage,
  users: usersPage,
  vhosts: vhostsPage,
}));

// By how many names the address of one has.
const THINGS = new Map(Object.entries({
  channels: [2, channelPage],
  connections: [2, connectionPage],
  exchanges: [3, exchangePage],
  nodes: [2, nodePage],
  policies: [3, policiesPage],
  queues: [3, queuePage],
  users: [2, userPage],
  vhosts: [2, vhostPage],
}));

const unknownPage = {
  section: null,
  title: () => 'No such page',
  load: async () => null,
  draw: () => [h('h1', null, 'No such page'), h('p', null, 'The address names nothing. ',
    h('a', { href: link() }, 'To the overview'))],
};

export function pageAt(names) {
  const [first = ''] = names;
  const list = names.length <= 1 && LISTS.get(first);
  const [length, page] = THINGS.get(first) ?? [];
  return list || (names.length === length ? page : unknownPage);
}
