// SPDX-License-Identifier: Apache-2.0
//
// The bindings of a virtual host as a drawing: who publishes where, and where it ends. Of very many only those
// of one exchange can be drawn, on its own page.

import { api, path, query } from '../api.js';
import { bindDialog, bindingTable } from '../bindings.js';
import { h } from '../dom.js';
import { number } from '../format.js';
import { bindingGraph } from '../graph.js';
import { heading, panel } from '../parts.js';
import { link } from '../router.js';

const QUEUES_MAX = 2000;

function vhostOf({ vhost, vhosts }) {
  if (vhost !== '') return vhost;
  return vhosts.includes('/') || vhosts.length === 0 ? '/' : vhosts[0];
}

async function load(place) {
  const vhost = vhostOf(place);
  const { signal } = place;
  const count = await api.get(`queues/${path(vhost)}${query({ page: 1, page_size: 1, columns: 'name' })}`, { signal });
  if (count.total_count > QUEUES_MAX) return { vhost, queues: count.total_count, bindings: null };
  const bindings = await api.get(`bindings/${path(vhost)}`, { signal });
  // Every queue is bound to the default exchange: that says nothing.
  return { vhost, bindings: bindings.filter(({ source }) => source !== '') };
}

function tooMany({ queues }) {
  return h('p', { class: 'failure-page' }, `${number(queues)} queues are too many for one drawing. `,
    h('a', { href: link('exchanges') }, 'Choose an exchange'), 'Its page draws what is bound to it.');
}

function draw(data, { reload, search }) {
  const { vhost, bindings } = data;
  return [
    heading({ title: 'Bindings', above: { href: link('vhosts', vhost), label: `Virtual host ${vhost}` },
      actions: [{ label: 'Bind', isMain: true, run: () => bindDialog({ vhost, reload }) }] }),
    bindings === null ? tooMany(data) : [
      panel('graph', 'Drawing', bindingGraph(bindings, vhost) ??
        'Nothing is bound but each queue to the default exchange, by its name.'),
      panel('table', `Table (${number(bindings.length)})`, bindingTable(bindings, { vhost, reload, search })),
    ],
  ];
}

export const bindingsPage = { section: 'bindings', title: () => 'Bindings', load, draw };
