// SPDX-License-Identifier: Apache-2.0
//
// The cluster as a whole: its name, and its feature flags.

import { api, optional, path } from '../api.js';
import { ask, formDialog, notice } from '../dialog.js';
import { h } from '../dom.js';
import { facts, heading, panel, state } from '../parts.js';
import { isAdministrator } from '../session.js';
import { table } from '../table.js';

async function load({ signal }) {
  const [{ name }, flags] = await Promise.all([api.get('cluster-name', { signal }),
    optional(api.get('feature-flags', { signal }), [])]);
  return { name, flags };
}

function nameDialog(name, reload) {
  formDialog({
    title: 'Change the name of the cluster', submit: 'Change',
    fields: [{ name: 'name', label: 'Name', value: name, isRequired: true,
      hint: 'Clients that connect from now on are told this name.' }],
    run: async (values) => {
      await api.put('cluster-name', values);
      notice(`The cluster is ${values.name} now.`);
      reload();
    },
  });
}

function enable({ name }, reload) {
  ask({
    title: 'Enable this feature flag', submit: 'Enable', intro: `${name} cannot be disabled again.`,
    run: async () => {
      await api.put(`feature-flags/${path(name)}/enable`, {});
      notice(`${name} is enabled.`);
      reload();
    },
  });
}

function flagTable(flags, reload) {
  const columns = [
    { label: 'Name', cell: ({ name }) => h('span', { class: 'name' }, name) },
    { label: 'State', cell: (flag) => (flag.state === 'disabled'
      ? h('button', { type: 'button', class: 'small', onclick: () => enable(flag, reload) }, 'Enable')
      : state(flag.state, flag.state === 'enabled' ? 'good' : 'warn')) },
    { label: 'What it is', cell: ({ desc }) => desc },
  ];
  return table({ caption: 'Feature flags', columns, rows: flags, key: ({ name }) => name,
    empty: 'The server has none, or does not tell you of them.' });
}

function draw({ name, flags }, { reload }) {
  return [
    heading({ title: 'Cluster', actions: [isAdministrator() && { label: 'Change the name', isMain: true,
      run: () => nameDialog(name, reload) }] }),
    panel('name', 'Name', facts([['Name', name]])),
    panel('flags', 'Feature flags', h('p', { class: 'intro' }, 'What all nodes of a cluster have to know before it ' +
      'is used. Tools look here for what a server can do.'), flagTable(flags, reload)),
  ];
}

export const clusterPage = { section: 'cluster-name', title: () => 'Cluster', load, draw };
