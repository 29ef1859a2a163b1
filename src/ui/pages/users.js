// SPDX-License-Identifier: Apache-2.0
//
// The users.

import { api, optional, path } from '../api.js';
import { formDialog, notice } from '../dialog.js';
import { h } from '../dom.js';
import { NOTHING } from '../format.js';
import { badge, heading } from '../parts.js';
import { go, link } from '../router.js';
import { keepLogin, loginOf, session } from '../session.js';
import { arranged, filterBar, notFound, pageHere, pager, table } from '../table.js';

const TAGS = ['administrator', 'monitoring', 'policymaker', 'management', 'impersonator'];

async function load({ signal }) {
  const [users, permissions] = await Promise.all([api.get('users', { signal }),
    optional(api.get('permissions', { signal }), [])]);
  const vhosts = new Map(users.map(({ name }) => [name, []]));
  for (const { user, vhost } of permissions) vhosts.get(user)?.push(vhost);
  return users.map((user) => ({ ...user, vhosts: vhosts.get(user.name) }));
}

export function tagsOf({ tags }) {
  return (Array.isArray(tags) ? tags : tags.split(',')).filter((tag) => tag !== '');
}

export function tagBadges(user) {
  return h('span', { class: 'badges' }, tagsOf(user).map((tag) => badge(tag, 'tag')));
}

// Of a user that is there the password stays unless one is given.
export function userDialog(user, done) {
  const tags = user ? tagsOf(user) : [];
  formDialog({
    title: user ? `Change ${user.name}` : 'Add a user', submit: user ? 'Change' : 'Add',
    fields: [
      !user && { name: 'name', label: 'Name', isRequired: true },
      { name: 'password', label: 'Password', kind: 'password',
        hint: user ? 'Empty: it stays.' : 'Empty: nobody can log in by a password.' },
      { name: 'again', label: 'The same once more', kind: 'password' },
      user?.password_hash && { name: 'without', label: 'Without a password', kind: 'checkbox',
        hint: 'The user can log in by other ways only, such as a certificate.' },
      { name: 'tags', label: 'Tags', kind: 'checks', options: TAGS, value: tags, hint: 'An administrator may do ' +
        'everything, monitoring sees all, a policymaker makes policies, management sees what is its own. Without a ' +
        'tag a user cannot log in here.' },
      { name: 'others', label: 'Other tags', value: tags.filter((tag) => !TAGS.includes(tag)).join(','),
        hint: 'With commas between them.' },
    ],
    run: async (values) => {
      const name = user?.name ?? values.name;
      const others = (values.others ?? '').split(',').map((tag) => tag.trim()).filter((tag) => tag !== '');
      if (values.password !== values.again) throw new Error('The password is not the same both times.');
      if (values.without && values.password) throw new Error('There is a password, and there is to be none.');
      const secret = values.password !== undefined ? { password: values.password }
        : values.without ? { password_hash: '' }
        : { password_hash: user?.password_hash ?? '', hashing_algorithm: user?.hashing_algorithm };
      await api.put(`users/${path(name)}`, { ...secret, tags: [...values.tags, ...others].join(',') });
      // Who changes the own password goes on by the new one.
      if (name === session.user && values.password !== undefined) keepLogin(loginOf(name, values.password));
      notice(`User ${name} is ${user ? 'changed' : 'added'}.`);
      done(name);
    },
  });
}

const COLUMNS = [
  { label: 'Name', sort: 'name', cell: ({ name }) => h('a', { class: 'name', title: name, href: link('users', name) },
    name) },
  { label: 'Tags', cell: (user) => (tagsOf(user).length > 0 ? tagBadges(user) : NOTHING) },
  { label: 'May use the virtual hosts', cell: ({ vhosts }) => (vhosts.length > 0 ? vhosts.join(', ')
    : h('span', { class: 'state warn' }, 'none')) },
  { label: 'Password', cell: ({ password_hash: hash }) => (hash ? 'yes' : 'no') },
];

function draw(users, { search }) {
  const page = pageHere(arranged(users, search), search);
  return [
    heading({ title: 'Users', actions: [{ label: 'Add a user', isMain: true,
      run: () => userDialog(null, (name) => go('users', name)) }] }),
    filterBar(search, 'users'),
    table({ caption: 'Users', columns: COLUMNS, rows: page.items, search, key: ({ name }) => name,
      empty: notFound('user') }),
    pager(page, search, 'users'),
  ];
}

export const usersPage = { section: 'users', title: () => 'Users', load, draw };
