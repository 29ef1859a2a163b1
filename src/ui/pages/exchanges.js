// SPDX-License-Identifier: Apache-2.0
//
// The exchanges, a page at a time.

import { api, path } from '../api.js';
import { EXCHANGE_ARGUMENTS } from '../arguments.js';
import { columnsButton, EXTRA, fieldsOf, rateColumn, shownColumns, textColumn } from '../columns.js';
import { formDialog, notice } from '../dialog.js';
import { h } from '../dom.js';
import { argumentList, badge, exchangeLink, heading, legend } from '../parts.js';
import { go } from '../router.js';
import { session } from '../session.js';
import { filterBar, loadPage, notFound, pager, table } from '../table.js';
import { vhostField } from './queues.js';

async function load({ search, signal, vhost }) {
  const where = vhost === '' ? 'exchanges' : `exchanges/${path(vhost)}`;
  return loadPage(where, search, signal, { columns: fieldsOf('exchanges', columnsOf(vhost), ['name', 'vhost']) });
}

// Of what is abbreviated: [abbreviation, meaning, word].
function features(exchange) {
  return [
    exchange.durable && ['D', 'durable: survives a restart', 'durable'],
    exchange.auto_delete && ['AD', 'deleted with its last binding', 'auto-delete'],
    exchange.internal && ['I', 'internal: clients cannot publish to it', 'internal'],
    exchange.arguments?.['alternate-exchange'] !== undefined && ['AE', 'has an alternate exchange',
      'alternate exchange'],
  ].filter(Boolean);
}

// inWords: on its own page, which has room.
export function exchangeBadges(exchange, inWords) {
  return h('span', { class: 'badges' }, badge(exchange.type, 'type of the exchange', 'type'),
    features(exchange).map(([text, meaning, word]) => badge(inWords ? word : text, meaning)),
    exchange.policy && badge(exchange.policy, `policy: ${exchange.policy}`, 'policy'));
}

const KIND_FIELDS = ['type', 'durable', 'auto_delete', 'internal', 'arguments', 'policy'];

function columnsOf(vhost) {
  return [
    { label: 'Name', sort: 'name', cell: (exchange) => exchangeLink(exchange.vhost, exchange.name) },
    vhost === '' && textColumn('Virtual host', 'vhost'),
    { label: 'Kind', sort: 'type', cell: (exchange) => exchangeBadges(exchange), fields: KIND_FIELDS },
    { label: 'Arguments', ...EXTRA, fields: ['arguments'], cell: (exchange) => argumentList(exchange.arguments) },
    textColumn('Policy', 'policy', EXTRA),
    textColumn('Declared by', 'user_who_performed_action', EXTRA),
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
      { name: 'name', label: 'Name', isRequired: true, isBrief: true },
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
  const columns = columnsOf(place.vhost);
  return [
    heading({ title: 'Exchanges', actions: [{ label: 'Declare an exchange', isMain: true,
      run: () => declare(place) }] }),
    filterBar(place.search, 'exchanges', 'name', columnsButton('exchanges', columns, place.reload)),
    table({ caption: 'Exchanges', columns: shownColumns('exchanges', columns), rows: page.items,
      search: place.search,
      key: (exchange) => `${exchange.vhost}/${exchange.name}`, empty: notFound('exchange') }),
    pager(page, place.search, 'exchanges'),
    legend([...page.items.flatMap(features), ['In', 'published to it'], ['Out', 'that it gave to queues']]),
  ];
}

export const exchangesPage = { section: 'exchanges', title: () => 'Exchanges', load, draw };
