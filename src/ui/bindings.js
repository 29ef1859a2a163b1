// SPDX-License-Identifier: Apache-2.0
//
// Bindings: their table, making one, taking one away.

import { api, path } from './api.js';
import { BINDING_ARGUMENTS } from './arguments.js';
import { ask, formDialog, notice } from './dialog.js';
import { h } from './dom.js';
import { exchangeName } from './format.js';
import { argumentList, exchangeLink, queueLink } from './parts.js';
import { namesLike, pager, table } from './table.js';

export const NO_BINDINGS = { items: [], page: 1, page_count: 1, filtered_count: 0, total_count: 0 };
const FEW = 100; // rows, of which nobody wants to see fewer

function unbind(binding, reload) {
  ask({
    title: 'Unbind', submit: 'Unbind',
    intro: `${binding.destination} gets no more messages from ${exchangeName(binding.source)} by the key ` +
      `"${binding.routing_key}".`,
    run: async () => {
      const type = binding.destination_type === 'queue' ? 'q' : 'e';
      const where = path(binding.vhost, 'e', binding.source, type, binding.destination, binding.properties_key);
      await api.delete(`bindings/${where}`);
      notice('The binding is gone.');
      reload();
    },
  });
}

// page: of bindings, as loadPage gives it. hides: "source" or "destination", which all of them have in common.
export function bindingTable(page, { reload, hides, search, caption = 'Bindings' }) {
  const columns = [
    hides !== 'source' && { label: 'From', sort: 'source', cell: ({ vhost, source }) => exchangeLink(vhost, source) },
    hides !== 'destination' && { label: 'To', sort: 'destination', cell: (binding) =>
      (binding.destination_type === 'queue' ? queueLink : exchangeLink)(binding.vhost, binding.destination) },
    hides !== 'destination' && { label: 'Kind', sort: 'destination_type', cell: ({ destination_type: type }) => type },
    { label: 'Routing key', sort: 'routing_key', cell: ({ routing_key: key }) => h('code', null, key) },
    { label: 'Arguments', cell: (binding) => argumentList(binding.arguments) },
    { label: 'Action', cell: (binding) => (binding.source === '' ? 'always there' : h('button', { type: 'button',
      class: 'small', onclick: () => unbind(binding, reload) }, 'Unbind')) },
  ];
  const key = ({ source, destination_type: type, destination, properties_key: props }) =>
    [source, type, destination, props].map(encodeURIComponent).join('/');
  return [
    table({ caption, columns, rows: page.items, search, key,
      empty: search.name ? 'No binding has that in its names or its key: clear the filter to see all.'
        : 'Nothing is bound: Bind, above, makes a binding.' }),
    (page.page_count > 1 || page.filtered_count > FEW || page.refusal) && pager(page, search, caption.toLowerCase()),
  ];
}

// Of the source and the destination one is given, the other is asked for. type: what the destination is.
export function bindDialog({ vhost, source, type, destination, reload }) {
  formDialog({
    title: 'Bind', submit: 'Bind', isWide: true,
    fields: [
      source === undefined && { name: 'source', label: 'From exchange', isRequired: true,
        namesLike: (text) => namesLike('exchanges', vhost, text) },
      type === undefined && { name: 'type', label: 'To', kind: 'select',
        options: [['q', 'a queue'], ['e', 'an exchange']] },
      destination === undefined && { name: 'destination', label: 'Name of it', isRequired: true,
        namesLike: async (text) => (await Promise.all(['queues', 'exchanges'].map((kind) =>
          namesLike(kind, vhost, text)))).flat() },
      { name: 'key', label: 'Routing key' },
      { name: 'arguments', label: 'Arguments', kind: 'table', known: BINDING_ARGUMENTS },
    ],
    run: async (values) => {
      const kind = values.type ?? (type === 'queue' ? 'q' : 'e');
      const where = path(vhost, 'e', source ?? values.source, kind, destination ?? values.destination);
      await api.post(`bindings/${where}`, { routing_key: values.key ?? '', arguments: values.arguments });
      notice('The binding is made.');
      reload();
    },
  });
}
