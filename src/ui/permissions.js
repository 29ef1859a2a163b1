// SPDX-License-Identifier: Apache-2.0
//
// Permissions, as a user and a virtual host show them: what of them may be configured, written and read.

import { api, path } from './api.js';
import { ask, formDialog, notice } from './dialog.js';
import { h } from './dom.js';
import { exchangeName } from './format.js';
import { link } from './router.js';
import { isLeveret } from './session.js';
import { chosenAmong } from './settings.js';
import { table } from './table.js';

const PATTERNS = 'Names that match the regular expression; ^$ matches none.';

function otherField(other, options) {
  const field = { name: 'other', kind: 'select', options };
  return other === 'vhost' ? { ...field, label: 'Virtual host', value: chosenAmong(options) }
    : { ...field, label: 'User' };
}

// by: "user" or "vhost", which the page is about; others: the names that the other one may be.
export function grantDialog({ by, name, others, reload, permission }) {
  const other = by === 'user' ? 'vhost' : 'user';
  formDialog({
    title: permission ? 'Change the permissions' : 'Give permissions', submit: permission ? 'Change' : 'Give',
    fields: [
      !permission && otherField(other, others),
      { name: 'configure', label: 'Configure', value: permission?.configure ?? '.*', hint: PATTERNS },
      { name: 'write', label: 'Write', value: permission?.write ?? '.*' },
      { name: 'read', label: 'Read', value: permission?.read ?? '.*' },
    ],
    run: async ({ other: chosen, configure = '', write = '', read = '' }) => {
      const both = { [by]: name, [other]: permission?.[other] ?? chosen };
      await api.put(`permissions/${path(both.vhost, both.user)}`, { configure, write, read });
      notice('The permissions are set.');
      reload();
    },
  });
}

export function grantTopicDialog({ by, name, others, reload, permission }) {
  const other = by === 'user' ? 'vhost' : 'user';
  formDialog({
    title: permission ? 'Change the topic permissions' : 'Give topic permissions',
    submit: permission ? 'Change' : 'Give',
    fields: [
      !permission && otherField(other, others),
      !permission && { name: 'exchange', label: 'Exchange', value: 'amq.topic', isRequired: true },
      { name: 'write', label: 'Write', value: permission?.write ?? '.*',
        hint: 'Routing keys that match the regular expression.' },
      { name: 'read', label: 'Read', value: permission?.read ?? '.*' },
    ],
    run: async ({ other: chosen, exchange = permission?.exchange, write = '', read = '' }) => {
      const both = { [by]: name, [other]: permission?.[other] ?? chosen };
      await api.put(`topic-permissions/${path(both.vhost, both.user)}`, { exchange, write, read });
      notice('The topic permissions are set.');
      reload();
    },
  });
}

function revoke({ user, vhost }, reload) {
  ask({
    title: 'Take the permissions away', submit: 'Take away',
    intro: `${user} can then do nothing in the virtual host ${vhost}.`,
    run: async () => {
      await api.delete(`permissions/${path(vhost, user)}`);
      notice('The permissions are gone.');
      reload();
    },
  });
}

// RabbitMQ takes away those of all exchanges of the virtual host at once.
function revokeTopic({ user, vhost, exchange }, reload) {
  const isOne = isLeveret();
  const named = exchange === '' ? 'amq.default' : exchange;
  ask({
    title: 'Take the topic permissions away', submit: 'Take away',
    intro: isOne ? `Routing keys of ${exchangeName(exchange)} then no longer matter for ${user}.`
      : `Routing keys then no longer matter for ${user} in the virtual host ${vhost}, whatever the exchange.`,
    run: async () => {
      await api.delete(`topic-permissions/${isOne ? path(vhost, user, named) : path(vhost, user)}`);
      notice('The topic permissions are gone.');
      reload();
    },
  });
}

function code(label, name) {
  return { label, cell: (permission) => h('code', null, permission[name]) };
}

function other(by) {
  return by === 'user'
    ? { label: 'Virtual host', cell: ({ vhost }) => h('a', { class: 'name', href: link('vhosts', vhost) }, vhost) }
    : { label: 'User', cell: ({ user }) => h('a', { class: 'name', href: link('users', user) }, user) };
}

function button(label, onclick) {
  return h('button', { type: 'button', class: 'small', onclick }, label);
}

export function permissionTable(permissions, { by, name, reload, canChange }) {
  const columns = [other(by), code('Configure', 'configure'), code('Write', 'write'), code('Read', 'read'),
    canChange && { label: 'Action', cell: (permission) => h('span', { class: 'actions' },
      button('Change', () => grantDialog({ by, name, reload, permission })),
      button('Take away', () => revoke(permission, reload))) }];
  return table({ caption: 'Permissions', columns, rows: permissions, key: ({ user, vhost }) => `${user}/${vhost}`,
    empty: by === 'user' ? 'The user may use no virtual host until you give permissions.'
      : 'No user may use the virtual host until you give permissions.' });
}

export function topicPermissionTable(permissions, { by, name, reload, canChange }) {
  const columns = [other(by), { label: 'Exchange', cell: ({ exchange }) => exchangeName(exchange) },
    code('Write', 'write'), code('Read', 'read'),
    canChange && { label: 'Action', cell: (permission) => h('span', { class: 'actions' },
      button('Change', () => grantTopicDialog({ by, name, reload, permission })),
      button('Take away', () => revokeTopic(permission, reload))) }];
  return table({ caption: 'Topic permissions', columns, rows: permissions,
    key: ({ user, vhost, exchange }) => `${user}/${vhost}/${exchange}`,
    empty: 'There are none: any routing key is allowed.' });
}
