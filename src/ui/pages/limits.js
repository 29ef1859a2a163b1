// SPDX-License-Identifier: Apache-2.0
//
// Limits: how many connections and queues a virtual host may have, how many connections and channels a user. The page
// of one of them has its own.

import { api, optional, path } from '../api.js';
import { ask, formDialog, notice } from '../dialog.js';
import { h } from '../dom.js';
import { number } from '../format.js';
import { heading, panel } from '../parts.js';
import { link } from '../router.js';
import { isAdministrator } from '../session.js';
import { chosenAmong } from '../settings.js';
import { table } from '../table.js';

const KINDS = {
  vhost: { where: 'vhost-limits', label: 'Virtual host', names: ['max-connections', 'max-queues'] },
  user: { where: 'user-limits', label: 'User', names: ['max-connections', 'max-channels'] },
};

export function limitRows(limits, kind) {
  return limits.flatMap((limit) => Object.entries(limit.value).map(([name, value]) =>
    ({ of: limit[kind], name, value })));
}

async function load({ signal }) {
  const [vhosts, users, names] = await Promise.all([api.get('vhost-limits', { signal }),
    optional(api.get('user-limits', { signal }), []), optional(api.get('users?columns=name', { signal }), [])]);
  return { vhost: limitRows(vhosts, 'vhost'), user: limitRows(users, 'user'), users: names.map(({ name }) => name) };
}

// of: the names of those that the limit may be for; limit: the row of one that is there.
export function limitDialog(kind, of, reload, limit) {
  const { where, label, names } = KINDS[kind];
  formDialog({
    title: limit ? `Change ${limit.name} of ${limit.of}` : `Set a limit of a ${label.toLowerCase()}`,
    submit: limit ? 'Change' : 'Set',
    fields: [
      !limit && { name: 'of', label, kind: 'select', options: of, value: chosenAmong(of) },
      !limit && { name: 'name', label: 'Limit', kind: 'select', options: names },
      { name: 'value', label: 'At most', kind: 'figure', value: limit?.value, isRequired: true,
        hint: 'A negative number: no limit.' },
    ],
    run: async ({ of: chosen = limit?.of, name = limit?.name, value }) => {
      await api.put(`${where}/${path(chosen, name)}`, { value });
      notice('The limit is set.');
      reload();
    },
  });
}

function remove(kind, { of, name }, reload) {
  ask({
    title: 'Take this limit away', submit: 'Take away', intro: `${name} of ${of} is then without a limit.`,
    run: async () => {
      await api.delete(`${KINDS[kind].where}/${path(of, name)}`);
      notice('The limit is gone.');
      reload();
    },
  });
}

function button(label, onclick) {
  return h('button', { type: 'button', class: 'small', onclick }, label);
}

// isOfOne: the rows are, whose page says its name.
export function limitTable(kind, rows, { reload, isOfOne, canChange = true }) {
  const columns = [
    !isOfOne && { label: KINDS[kind].label, cell: ({ of }) =>
      h('a', { class: 'name', href: link(`${kind}s`, of) }, of) },
    { label: 'Limit', cell: ({ name }) => name },
    { label: 'At most', kind: 'figure', cell: ({ value }) => number(value) },
    canChange && { label: 'Action', cell: (row) => h('span', { class: 'actions' },
      button('Change', () => limitDialog(kind, null, reload, row)),
      button('Take away', () => remove(kind, row, reload))) },
  ];
  return table({ caption: `Limits of ${kind === 'vhost' ? 'virtual hosts' : 'users'}`, columns, rows,
    key: ({ of, name }) => `${of}/${name}`, empty: kind === 'vhost'
    ? 'There are none: a virtual host may have as many connections and queues as there is room for.'
    : 'There are none: a user may have as many connections and channels as there is room for.' });
}

function draw({ vhost, user, users }, { vhosts, reload }) {
  return [
    heading({ title: 'Limits', actions: isAdministrator() ? [
      { label: 'Limit a virtual host', isMain: true, run: () => limitDialog('vhost', vhosts, reload) },
      { label: 'Limit a user', run: () => limitDialog('user', users, reload) },
    ] : [] }),
    panel('vhosts', 'Virtual hosts', limitTable('vhost', vhost, { reload, canChange: isAdministrator() })),
    (isAdministrator() || user.length > 0) &&
      panel('users', 'Users', limitTable('user', user, { reload, canChange: isAdministrator() })),
  ];
}

export const limitsPage = { section: 'limits', title: () => 'Limits', load, draw };
