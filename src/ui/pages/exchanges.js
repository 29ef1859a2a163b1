// SPDX-License-Identifier: Apache-2.0
//
// The exchanges, a page at a time.

import { api, path } from '../api.js';
import { EXCHANGE_ARGUMENTS } from '../arguments.js';
import { formDialog, notice } from '../dialog.js';
import { h } from '../dom.js';
import { rate, rateOf } from '../format.js';
import { badge, exchangeLink, heading, legend } from '../parts.js';
import { go } from '../router.js';
import { session } from '../session.js';
import { filterBar, loadPage, pager, table } from '../table.js';
import { vhostField } from './queues.js';

const FIELDS = ['name', 'vhost', 'type', 'durable', 'auto_delete', 'internal', 'arguments', 'policy',
  'message_stats.publish_in_details.rate', 'message_stats.publish_out_details.rate'].join(',');

async function load({ search, signal, vhost }) {
  const where = vhost === '' ? 'exchanges' : `exchanges/${path(vhost)}`;
  return loadPage(where, search, signal, { columns: FIELDS });
}

// Of what is abbreviated: [abbreviation, meaning].
function features(exchange) {
  return [
    exchange.durable && ['D', 'durable: survives a restart'],
    exchange.auto_delete && ['AD', 'deleted with its last binding'],
    exchange.internal && ['I', 'internal: clients cannot publish to it'],
    exchange.arguments?.['alternate-exchange'] !== undefined && ['AE', 'has an alternate exchange'],
  ].filter(Boolean);
}

export function exchangeBadges(exchange) {
  return h('span', { class: 'badges' }, badge(exchange.type, 'type of the exchange', 'type'),
    features(exchange).map(([text, meaning]) => badge(text, meaning)),
    exchange.policy && badge(exchange.policy, `policy: ${exchange.policy}`, 'policy'));
}

function rateColumn(label, name) {
  return { label, kind: 'figure', sort: `message_stats.${name}_details.rate`,
    cell: ({ message_stats: stats }) => rate(rateOf(stats, name)) };
}

function columns(vhost) {
  return [
    { label: 'Name', sort: 'name', cell: (exchange) => exchangeLink(exchange.vhost, exchange.name) },
    vhost === '' && { label: 'Virtual host', sort: 'vhost', cell: (exchange) => exchange.vhost },
    { label: 'Kind', sort: 'type', cell: exchangeBadges },
    rateColumn('In', 'publish_in'),
    rateColumn('Out', 'publish_out'),
  ];
}

function types() {
  const known = (session.overview?.exchange_types ?? []).map(({ name }) => name).sort();
  return known.length > 0 ? known : ['direct', 'fanout', 'headers', 'topic'];
}

function declare({ vhosts, vhost }) {
  formDialog({
    title: 'Declare an exchange', submit: 'Declare', isWide: true,
    fields: [
      vhostField(vhosts, vhost),
      { name: 'name', label: 'Name', isRequired: true },
      { name: 'type', label: 'Type', kind: 'select', options: types() },
      { name: 'durable', label: 'Durable', kind: 'checkbox', value: true, hint: 'It survives a restart.' },
      { name: 'autoDelete', label: 'Delete with its last binding', kind: 'checkbox' },
      { name: 'internal', label: 'Internal', kind: 'checkbox', hint: 'Only other exchanges can publish to it.' },
      { name: 'arguments', label: 'Arguments', kind: 'table', known: EXCHANGE_ARGUMENTS },
    ],
    run: async (values) => {
      await api.put(`exchanges/${path(values.vhost, values.name)}`, { type: values.type, durable: values.durable,
        auto_delete: values.autoDelete, internal: values.internal, arguments: values.arguments });
      notice(`Exchange ${values.name} is declared.`);
      go('exchanges', values.vhost, values.name);
    },
  });
}

function draw(page, place) {
  return [
    heading({ title: 'Exchanges', actions: [{ label: 'Declare an exchange', isMain: true,
      run: () => declare(place) }] }),
    filterBar(place.search, 'exchanges'),
    table({ caption: 'Exchanges', columns: columns(place.vhost), rows: page.items, search: place.search,
      key: (exchange) => `${exchange.vhost}/${exchange.name}`, empty: 'No exchange has such a name.' }),
    pager(page, place.search, 'exchanges'),
    legend([...page.items.flatMap(features), ['In', 'published to it'], ['Out', 'that it gave to queues']]),
  ];
}

export const exchangesPage = { section: 'exchanges', title: () => 'Exchanges', load, draw };
