// SPDX-License-Identifier: Apache-2.0
//
// Definitions: everything that was declared, as a file, and from a file.

import { api, path } from '../api.js';
import { formDialog, notice } from '../dialog.js';
import { h } from '../dom.js';
import { heading, panel } from '../parts.js';

function below(vhost) {
  return vhost === '' ? 'definitions' : `definitions/${path(vhost)}`;
}

function save(text, name) {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}

function exportDialog(vhosts) {
  formDialog({
    title: 'Export definitions', submit: 'Export',
    fields: [{ name: 'vhost', label: 'Of', kind: 'select',
      options: [['', 'all virtual hosts, with users and permissions'], ...vhosts.map((name) => [name, name])] }],
    run: async ({ vhost }) => {
      const definitions = await api.get(below(vhost), { isText: true });
      const day = new Date().toISOString().slice(0, 10);
      save(definitions, `definitions-${vhost === '' ? '' : `${vhost.replaceAll('/', '_')}-`}${day}.json`);
      notice('The definitions are exported.');
    },
  });
}

async function contentOf(file) {
  const text = await file.text();
  try {
    JSON.parse(text);
  } catch {
    throw new Error(`${file.name} is not JSON.`);
  }
  return text;
}

function importDialog(vhosts, reload) {
  formDialog({
    title: 'Import definitions', submit: 'Import',
    intro: 'What is in the file is added; what is there already and differs is refused or, as users and policies, ' +
      'replaced. Nothing is deleted.',
    fields: [
      { name: 'file', label: 'File', kind: 'file', accept: '.json,application/json', isRequired: true },
      { name: 'vhost', label: 'Into', kind: 'select',
        options: [['', 'the virtual hosts that the file names'], ...vhosts.map((name) => [name, name])] },
    ],
    run: async ({ file, vhost }) => {
      await api.post(below(vhost), await contentOf(file), { isText: true });
      notice(`${file.name} is imported.`);
      reload();
    },
  });
}

function draw(data, { vhosts, reload }) {
  return [
    heading({ title: 'Definitions' }),
    panel('export', 'Export', h('p', { class: 'intro' }, 'Virtual hosts, users, permissions, policies, parameters, ' +
      'exchanges, queues and bindings, without messages, as a JSON file that RabbitMQ reads as well. Passwords are ' +
      'in it as hashes: keep it safe.'),
    h('button', { type: 'button', class: 'main', onclick: () => exportDialog(vhosts) }, 'Export definitions')),
    panel('import', 'Import', h('p', { class: 'intro' }, 'From a file that Leveret or RabbitMQ exported.'),
      h('button', { type: 'button', onclick: () => importDialog(vhosts, reload) }, 'Import definitions')),
  ];
}

export const definitionsPage = { section: 'definitions', title: () => 'Definitions', load: async () => null, draw };
