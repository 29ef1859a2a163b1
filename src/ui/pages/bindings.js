// SPDX-License-Identifier: Apache-2.0
//
// The bindings of a virtual host, a page at a time, and the page as a drawing: who publishes where, and where it ends.

import { path } from '../api.js';
import { bindDialog, bindingTable } from '../bindings.js';
import { number } from '../format.js';
import { bindingGraph } from '../graph.js';
import { h } from '../dom.js';
import { heading, panel } from '../parts.js';
import { link } from '../router.js';
import { filterBar, loadPage } from '../table.js';

function vhostOf({ vhost, vhosts }) {
  if (vhost !== '') return vhost;
  return vhosts.includes('/') || vhosts.length === 0 ? '/' : vhosts[0];
}

// Every queue is bound to the default exchange: that says nothing.
async function load(place) {
  const vhost = vhostOf(place);
  const { search, signal } = place;
  const page = await loadPage(`bindings/${path(vhost)}`, search, signal, { default_exchange: false },
    ({ source }) => source !== '');
  return { vhost, page };
}

function draw({ vhost, page }, { reload, search, vhost: chosen, vhosts }) {
  return [
    heading({ title: 'Bindings', above: { href: link('vhosts', vhost), label: `Virtual host ${vhost}` },
      actions: [{ label: 'Bind', isMain: true, run: () => bindDialog({ vhost, reload }) }] }),
    chosen === '' && vhosts.length > 1 && h('p', { class: 'intro' },
      'Bindings are shown of one virtual host at a time: choose another one above.'),
    filterBar(search, 'bindings', 'exchange, queue or key'),
    panel('graph', 'Drawing', bindingGraph(page.items, page.filtered_count, vhost) ?? (search.name ? 'Nothing is found.'
      : 'Nothing is bound but each queue to the default exchange, by its name. Bind a queue to an exchange to have ' +
        'the messages of that exchange in it.')),
    panel('table', `Table (${number(page.filtered_count)})`, bindingTable(page, { reload, search })),
  ];
}

export const bindingsPage = { section: 'bindings', title: () => 'Bindings', load, draw };
