// SPDX-License-Identifier: Apache-2.0
//
// One user: its tags, and what it may do where.

import { api, optional, path } from '../api.js';
import { ask, notice } from '../dialog.js';
import { facts, heading, panel } from '../parts.js';
import { grantDialog, grantTopicDialog, permissionTable, topicPermissionTable } from '../permissions.js';
import { go, link } from '../router.js';
import { session } from '../session.js';
import { limitDialog, limitRows, limitTable } from './limits.js';
import { tagBadges, userDialog } from './users.js';

async function load({ names: [, name], signal }) {
  const where = `users/${path(name)}`;
  const [user, permissions, topicPermissions, limits] = await Promise.all([api.get(where, { signal }),
    api.get(`${where}/permissions`, { signal }), optional(api.get(`${where}/topic-permissions`, { signal }), []),
    optional(api.get(`user-limits/${path(name)}`, { signal }), [])]);
  return { user, permissions, topicPermissions, limits: limitRows(limits, 'user') };
}

function remove({ name }) {
  ask({
    title: 'Delete this user', submit: 'Delete',
    intro: name === session.user ? 'This is you. You will be logged out.' : `User ${name} cannot log in any more.`,
    run: async () => {
      await api.delete(`users/${path(name)}`);
      notice(`User ${name} is deleted.`);
      go('users');
    },
  });
}

function draw({ user, permissions, topicPermissions, limits }, { vhosts, reload }) {
  const about = { by: 'user', name: user.name, others: vhosts, reload, canChange: true };
  return [
    heading({ title: user.name, badges: tagBadges(user), above: { href: link('users'), label: 'Users' },
      actions: [
        { label: 'Give permissions', isMain: true, run: () => grantDialog(about) },
        { label: 'Give topic permissions', run: () => grantTopicDialog(about) },
        { label: 'Set a limit', run: () => limitDialog('user', [user.name], reload) },
        { label: 'Change password or tags', run: () => userDialog(user, reload) },
        { label: 'Delete', isDangerous: true, run: () => remove(user) },
      ] }),
    panel('details', 'Details', facts([['Password', user.password_hash ? 'yes' : 'no, other ways to log in only'],
      ['Hashed by', user.password_hash && user.hashing_algorithm, true]])),
    panel('permissions', 'Permissions', permissionTable(permissions, about)),
    panel('topics', 'Topic permissions', topicPermissionTable(topicPermissions, about)),
    panel('limits', 'Limits', limitTable('user', limits, { reload, isOfOne: true })),
  ];
}

export const userPage = { section: 'users', title: ({ names }) => names[1], load, draw };
