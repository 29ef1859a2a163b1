// SPDX-License-Identifier: Apache-2.0
//
// The channels of all connections.

import { path } from '../api.js';
import { CHANNEL_FIELDS, channelLegend, channelTable } from '../channels.js';
import { heading } from '../parts.js';
import { filterBar, loadPage, pager } from '../table.js';

async function load({ search, signal, vhost }) {
  const where = vhost === '' ? 'channels' : `vhosts/${path(vhost)}/channels`;
  return loadPage(where, search, signal, { columns: CHANNEL_FIELDS });
}

function draw(page, { search, vhost }) {
  return [heading({ title: 'Channels' }), filterBar(search, 'channels'), channelTable(page.items, { search, vhost }),
    pager(page, search, 'channels'), channelLegend(page.items)];
}

export const channelsPage = { section: 'channels', title: () => 'Channels', load, draw };
