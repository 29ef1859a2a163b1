// SPDX-License-Identifier: Apache-2.0
//
// The channels of all connections.

import { path } from '../api.js';
import { channelColumns, channelLegend, channelTable } from '../channels.js';
import { columnsButton, fieldsOf, shownColumns } from '../columns.js';
import { heading } from '../parts.js';
import { filterBar, loadPage, pager } from '../table.js';

async function load({ search, signal, vhost }) {
  const where = vhost === '' ? 'channels' : `vhosts/${path(vhost)}/channels`;
  return loadPage(where, search, signal, { columns: fieldsOf('channels', channelColumns(vhost), ['name', 'vhost']) });
}

function draw(page, { search, vhost, reload }) {
  const columns = channelColumns(vhost);
  return [
    heading({ title: 'Channels' }),
    filterBar(search, 'channels', 'name', columnsButton('channels', columns, reload)),
    channelTable(page.items, shownColumns('channels', columns), search),
    pager(page, search, 'channels'),
    channelLegend(page.items),
  ];
}

export const channelsPage = { section: 'channels', title: () => 'Channels', load, draw };
