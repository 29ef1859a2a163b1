// SPDX-License-Identifier: Apache-2.0
//
// One virtual host: what waits in it, and who may use it.

import { api, ApiError, optional, path, query } from '../api.js';
import { ask, formDialog, notice } from '../dialog.js';
import { h } from '../dom.js';
import { badge, bytesRateChart, facts, heading, lengthChart, panel, rangeChoice, rateChart } from '../parts.js';
import { grantDialog, grantTopicDialog, permissionTable, topicPermissionTable } from '../permissions.js';
import { go, link } from '../router.js';
import { ages, dataLines, MESSAGE_RATES, QUEUE_LENGTHS, rangeOf, rateLines, valueLines } from '../samples.js';
import { isAdministrator } from '../session.js';
import { limitDialog, limitRows, limitTable } from './limits.js';
import { vhostDialog, vhostState } from './vhosts.js';

// Only an administrator may ask for one; the others find it among those that they may use.
async function vhostOf(name, how, signal) {
  if (isAdministrator()) return api.get(`vhosts/${path(name)}${how}`, { signal });
  const vhosts = await api.get(`vhosts${how}`, { signal });
  const found = vhosts.find((vhost) => vhost.name === name);
  if (found === undefined) throw new ApiError(404, 'There is none of this name, or you may not use it.');
  return found;
}

async function load({ names: [, name], search, signal }) {
  const where = `vhosts/${path(name)}`;
  const range = rangeOf(search);
  const ofAdministrators = (what) => (isAdministrator() ? optional(api.get(what, { signal }), []) : []);
  const [vhost, permissions, topicPermissions, users, limits] = await Promise.all([
    vhostOf(name, query({ ...ages(range), data_rates_age: range.age, data_rates_incr: range.step }), signal),
    ofAdministrators(`${where}/permissions`), ofAdministrators(`${where}/topic-permissions`),
    ofAdministrators('users?columns=name'), optional(api.get(`vhost-limits/${path(name)}`, { signal }), [])]);
  return { vhost, permissions, topicPermissions, limits: limitRows(limits, 'vhost'),
    users: users.map(({ name: user }) => user) };
}

function remove({ name }) {
  ask({
    title: 'Delete this virtual host', submit: 'Delete',
    intro: `All exchanges, queues and messages of ${name} are lost, and its connections are closed.`,
    fields: [{ name: 'again', label: 'Its name, once more', isRequired: true }],
    run: async ({ again }) => {
      if (again !== name) throw new Error('This is another name.');
      await api.delete(`vhosts/${path(name)}`);
      notice(`Virtual host ${name} is deleted.`);
      go('vhosts');
    },
  });
}

// RabbitMQ has that from 4.1 on.
function protectDialog({ name, protected_from_deletion: isProtected }, reload) {
  const where = `vhosts/${path(name)}/deletion/protection`;
  formDialog({
    title: isProtected ? 'Allow the deletion' : 'Protect this virtual host',
    submit: isProtected ? 'Allow it' : 'Protect',
    intro: isProtected ? `${name} can be deleted then.` : `${name} cannot be deleted until somebody allows it.`,
    run: async () => {
      await (isProtected ? api.delete(where) : api.post(where));
      notice(`Virtual host ${name} ${isProtected ? 'can be deleted' : 'is protected'} now.`);
      reload();
    },
  });
}

function draw({ vhost, permissions, topicPermissions, users, limits }, { search, reload }) {
  const about = { by: 'vhost', name: vhost.name, others: users, reload, canChange: isAdministrator() };
  return [
    heading({ title: vhost.name, above: { href: link('vhosts'), label: 'Virtual hosts' },
      badges: vhost.protected_from_deletion && badge('protected', 'it cannot be deleted'),
      actions: isAdministrator() ? [
        { label: 'Give permissions', isMain: true, run: () => grantDialog(about) },
        { label: 'Give topic permissions', run: () => grantTopicDialog(about) },
        { label: 'Set a limit', run: () => limitDialog('vhost', [vhost.name], reload) },
        { label: 'Change', run: () => vhostDialog(vhost, reload) },
        vhost.protected_from_deletion !== undefined && { run: () => protectDialog(vhost, reload),
          label: vhost.protected_from_deletion ? 'Allow deletion' : 'Protect' },
        { label: 'Delete', isDangerous: true, run: () => remove(vhost) },
      ] : [] }),
    rangeChoice(search),
    h('div', { class: 'charts', 'data-key': 'charts' },
      panel('lengths', 'Queued messages', lengthChart('lengths', 'Messages in its queues',
        valueLines(vhost, QUEUE_LENGTHS))),
      panel('rates', 'Rates', rateChart('rates', 'Messages per second',
        rateLines(vhost.message_stats ?? {}, MESSAGE_RATES)))),
    panel('data', 'Data', bytesRateChart('data', 'Bytes per second, of all its connections', dataLines(vhost))),
    panel('details', 'Details', facts([['State', vhostState(vhost)], ['Description', vhost.description],
      ['Tags', (vhost.tags ?? []).join(', ')], ['Tracing', vhost.tracing ? 'on' : 'off'],
      ['Queues are, where nobody says', vhost.default_queue_type !== 'undefined' && vhost.default_queue_type]])),
    panel('limits', 'Limits', limitTable('vhost', limits, { reload, isOfOne: true, canChange: isAdministrator() })),
    isAdministrator() && [
      panel('permissions', 'Permissions', permissionTable(permissions, about)),
      panel('topics', 'Topic permissions', topicPermissionTable(topicPermissions, about)),
    ],
  ];
}

export const vhostPage = { section: 'vhosts', title: ({ names }) => names[1], load, draw };
