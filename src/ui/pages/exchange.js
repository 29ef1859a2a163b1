// SPDX-License-Identifier: Apache-2.0
//
// One exchange: what goes through it, from where and to where, and what can be done to it.

import { api, optional, path, query } from '../api.js';
import { bindDialog, bindingTable, NO_BINDINGS } from '../bindings.js';
import { ask, notice } from '../dialog.js';
import { exchangeName, number } from '../format.js';
import { bindingGraph } from '../graph.js';
import { argumentsFact, facts, heading, panel, policyLink, rangeChoice, rateChart } from '../parts.js';
import { publishDialog } from '../publish.js';
import { go, link } from '../router.js';
import { ages, rangeOf, rateLines } from '../samples.js';
import { loadPage } from '../table.js';
import { exchangeBadges } from './exchanges.js';

const RATES = [['publish_in', 'In', true], ['publish_out', 'Out', true]];

async function load({ names: [, vhost, name], search, signal }) {
  const where = `exchanges/${path(vhost, name)}`;
  // The default exchange is bound to every queue: there is nothing to see, and very much of it.
  const isDefault = name === 'amq.default';
  const bindings = (end) => (isDefault ? NO_BINDINGS
    : optional(loadPage(`${where}/bindings/${end}`, search, signal), NO_BINDINGS));
  const [exchange, from, to] = await Promise.all([
    api.get(`${where}${query(ages(rangeOf(search)))}`, { signal }), bindings('source'), bindings('destination')]);
  return { exchange, from, to, isDefault };
}

function remove({ vhost, name }) {
  ask({
    title: 'Delete this exchange', submit: 'Delete',
    intro: `Exchange ${name} and its bindings are gone then. Who publishes to it gets an error.`,
    fields: [{ name: 'ifUnused', label: 'Only if nothing is bound to it', kind: 'checkbox' }],
    run: async ({ ifUnused }) => {
      await api.delete(`exchanges/${path(vhost, name)}${query({ 'if-unused': ifUnused || null })}`);
      notice(`Exchange ${name} is deleted.`);
      go('exchanges');
    },
  });
}

function actions({ vhost, name, internal }, { reload }, isDefault) {
  const isOwn = !isDefault && !name.startsWith('amq.');
  return [
    !internal && { label: 'Publish', isMain: true,
      run: () => publishDialog({ vhost, exchange: isDefault ? 'amq.default' : name, reload }) },
    !isDefault && { label: 'Bind', run: () => bindDialog({ vhost, source: name, reload }) },
    isOwn && { label: 'Delete', isDangerous: true, run: () => remove({ vhost, name }) },
  ];
}

function bindingPanels({ exchange, from, to }, { reload, search }) {
  const where = { vhost: exchange.vhost, reload, search };
  return [
    panel('graph', 'Ways', bindingGraph([...to.items, ...from.items], to.filtered_count + from.filtered_count,
      exchange.vhost) ?? 'Nothing is bound.'),
    panel('from', `To queues and exchanges (${number(from.total_count)})`,
      bindingTable(from, { ...where, hides: 'source', caption: 'Bindings to others' })),
    to.total_count > 0 && panel('to', `From other exchanges (${number(to.total_count)})`,
      bindingTable(to, { ...where, hides: 'destination', caption: 'Bindings from others' })),
  ];
}

function draw(data, place) {
  const { exchange, isDefault } = data;
  return [
    heading({ title: exchangeName(exchange.name), badges: exchangeBadges(exchange, true),
      above: { href: link('exchanges'), label: 'Exchanges' }, kind: exchange.vhost,
      actions: actions(exchange, place, isDefault) }),
    rangeChoice(place.search),
    panel('rates', 'Rates', rateChart('rates', 'Messages per second', rateLines(exchange.message_stats ?? {}, RATES))),
    panel('details', 'Details', facts([['Type', exchange.type],
      ['Policy', exchange.policy && policyLink(exchange.vhost, exchange.policy)],
      argumentsFact('Arguments', exchange.arguments), ['Declared by', exchange.user_who_performed_action],
      ['Bindings', isDefault && 'to every queue, by its name as the routing key']])),
    !isDefault && bindingPanels(data, place),
  ];
}

export const exchangePage = { section: 'exchanges',
  title: ({ names }) => (names[2] === 'amq.default' ? exchangeName('') : names[2]), load, draw };
