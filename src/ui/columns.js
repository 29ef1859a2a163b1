// SPDX-License-Identifier: Apache-2.0
//
// Which columns of a list its reader wants to see, kept in the browser. A column of table.js has more here: fields, the
// names in the API of what its cells show, since the server is asked for nothing else; and isExtra where it is shown
// only to who has chosen it.

import { formDialog } from './dialog.js';
import { h } from './dom.js';
import { bytesRate, moment, NOTHING, number, rate, rateOf } from './format.js';

const KEY = 'leveret.columns';

// By list and label what differs from the usual.
function choices() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

// The first column names its row, and is always there.
export function shownColumns(list, columns) {
  const chosen = choices()[list] ?? {};
  return columns.filter(Boolean).filter(({ label, isExtra }, index) => index === 0 || (chosen[label] ?? !isExtra));
}

// What to ask the server for.
export function fieldsOf(list, columns, always = []) {
  return [...new Set([...always, ...shownColumns(list, columns).flatMap(({ fields = [] }) => fields)])].join(',');
}

function choose(list, columns, reload) {
  const [first, ...others] = columns.filter(Boolean);
  formDialog({
    title: `Columns of the ${list === 'vhosts' ? 'virtual hosts' : list}`, submit: 'Show', isWide: true,
    fields: [{ name: 'shown', label: `Beside ${first.label.toLowerCase()}`, kind: 'checks',
      options: others.map(({ label }) => label), value: shownColumns(list, columns).map(({ label }) => label) }],
    run: async ({ shown }) => {
      const unusual = others.filter(({ label, isExtra }) => shown.includes(label) === Boolean(isExtra));
      const chosen = Object.fromEntries(unusual.map(({ label }) => [label, shown.includes(label)]));
      localStorage.setItem(KEY, JSON.stringify({ ...choices(), [list]: chosen }));
      reload();
    },
  });
}

export function columnsButton(list, columns, reload) {
  return h('button', { type: 'button', class: 'columns', onclick: () => choose(list, columns, reload) }, 'Columns');
}

export const EXTRA = { isExtra: true };

export function textColumn(label, name, more) {
  return { label, sort: name, fields: [name], cell: (row) => row[name] || NOTHING, ...more };
}

export function figureColumn(label, name, more, write = number) {
  return { label, kind: 'figure', sort: name, fields: [name], cell: (row) => write(row[name]), ...more };
}

export function timeColumn(label, name, more) {
  return { label, kind: 'short', sort: name, fields: [name], cell: (row) => moment(row[name]), ...more };
}

// How many bytes in a second, of a connection or of all those of a virtual host.
export function octetColumn(label, name, more) {
  const field = `${name}_details.rate`;
  return { label, kind: 'figure', sort: field, fields: [field],
    cell: (row) => bytesRate(row[`${name}_details`]?.rate), ...more };
}

// How often in a second, of what is counted in message_stats.
export function rateColumn(label, name, more) {
  const field = `message_stats.${name}_details.rate`;
  return { label, kind: 'figure', sort: field, fields: [field],
    cell: ({ message_stats: stats }) => rate(rateOf(stats, name)), ...more };
}
