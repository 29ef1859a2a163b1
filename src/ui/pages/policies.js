// SPDX-License-Identifier: Apache-2.0
//
// Policies and operator policies: settings of all queues and exchanges whose names match. An address with a virtual
// host and a name shows those of that name.

import { api, ApiError, optional, path } from '../api.js';
import { OPERATOR_KEYS, policyKeys } from '../arguments.js';
import { ask, formDialog, notice } from '../dialog.js';
import { h } from '../dom.js';
import { number } from '../format.js';
import { argumentList, heading, panel, policyLink } from '../parts.js';
import { go, link } from '../router.js';
import { isAdministrator, mayMakePolicies } from '../session.js';
import { arranged, filterBar, notFound, table } from '../table.js';
import { vhostField } from './queues.js';

const KINDS = { policies: 'policy', 'operator-policies': 'operator policy' };
const APPLY_TO = ['all', 'queues', 'classic_queues', 'quorum_queues', 'streams', 'exchanges'];
const APPLY_TO_FOR_OPERATORS = ['queues', 'classic_queues', 'quorum_queues', 'streams'];

async function load({ names: [, ofOne, name], signal, vhost }) {
  const where = ofOne ?? vhost;
  const below = where === '' ? '' : `/${path(where)}`;
  const [policies, operatorPolicies] = await Promise.all([api.get(`policies${below}`, { signal }),
    optional(api.get(`operator-policies${below}`, { signal }), [])]);
  if (name === undefined) return { policies, operatorPolicies };
  const found = [policies, operatorPolicies].map((list) => list.filter((policy) => policy.name === name));
  if (found.every((list) => list.length === 0)) throw new ApiError(404, 'There is no policy of this name.');
  return { policies: found[0], operatorPolicies: found[1] };
}

function policyDialog(kind, { vhosts, vhost, reload }, policy) {
  const choices = kind === 'policies' ? APPLY_TO : APPLY_TO_FOR_OPERATORS;
  formDialog({
    title: policy ? `Change ${policy.name}` : kind === 'policies' ? 'Add a policy' : 'Add an operator policy',
    submit: policy ? 'Change' : 'Add', isWide: true,
    fields: [
      !policy && vhostField(vhosts, vhost),
      !policy && { name: 'name', label: 'Name', isRequired: true, isBrief: true },
      { name: 'pattern', label: 'Pattern', value: policy?.pattern, isRequired: true,
        hint: 'A regular expression for names: ^orders\\. for all that begin with "orders."' },
      { name: 'applyTo', label: 'Apply to', kind: 'select', options: choices, isBrief: true,
        value: policy?.['apply-to'] ?? choices[0] },
      { name: 'priority', label: 'Priority', kind: 'figure', value: policy?.priority ?? 0,
        isBrief: true, hint: 'Of several that match, the one with the highest counts.' },
      { name: 'definition', label: 'Definition', kind: 'table', value: policy?.definition,
        known: kind === 'policies' ? policyKeys() : OPERATOR_KEYS },
    ],
    run: async ({ vhost: chosen = policy?.vhost, name = policy?.name, pattern, applyTo, priority = 0, definition }) => {
      await api.put(`${kind}/${path(chosen, name)}`, { pattern, definition, priority, 'apply-to': applyTo });
      notice(`The ${KINDS[kind]} ${name} is set.`);
      reload();
    },
  });
}

function remove(kind, { vhost, name }, { names, reload }) {
  ask({
    title: `Delete this ${KINDS[kind]}`, submit: 'Delete',
    intro: `What ${name} says no longer holds for the queues and exchanges that it matches.`,
    run: async () => {
      await api.delete(`${kind}/${path(vhost, name)}`);
      notice(`The ${KINDS[kind]} ${name} is deleted.`);
      if (names.length > 1) go('policies');
      else reload();
    },
  });
}

const EMPTY = {
  policies: 'There are none. A policy gives limits, expiry or dead letters to all queues whose names match a pattern.',
  'operator-policies': 'There are none. An operator policy puts a limit to what applications and policies may ask for.',
};

function policyTable(kind, caption, policies, place, canChange) {
  const button = (label, onclick) => h('button', { type: 'button', class: 'small', onclick }, label);
  const columns = [
    { label: 'Name', sort: 'name', cell: ({ vhost, name }) => policyLink(vhost, name) },
    place.vhost === '' && { label: 'Virtual host', cell: ({ vhost }) => vhost },
    { label: 'Pattern', cell: ({ pattern }) => h('code', null, pattern) },
    { label: 'Apply to', cell: (policy) => policy['apply-to'] },
    { label: 'Definition', cell: ({ definition }) => argumentList(definition) },
    { label: 'Priority', kind: 'figure', sort: 'priority', cell: ({ priority }) => number(priority) },
    canChange && { label: 'Action', cell: (policy) => h('span', { class: 'actions' },
      button('Change', () => policyDialog(kind, place, policy)),
      button('Delete', () => remove(kind, policy, place))) },
  ];
  return table({ caption, columns, rows: arranged(policies, place.search), search: place.search,
    key: ({ vhost, name }) => `${vhost}/${name}`, empty: policies.length > 0 ? notFound('policy') : EMPTY[kind] });
}

function title({ names }) {
  return names[2] ?? 'Policies';
}

function draw({ policies, operatorPolicies }, place) {
  const isList = place.names.length === 1;
  return [
    heading({ title: title(place), above: !isList && { href: link('policies'), label: 'Policies' },
      kind: place.names[1], actions: isList ? [
        mayMakePolicies() && { label: 'Add a policy', isMain: true, run: () => policyDialog('policies', place) },
        isAdministrator() && { label: 'Add an operator policy', run: () => policyDialog('operator-policies', place) },
      ] : [] }),
    isList && filterBar(place.search, 'policies'),
    (isList || policies.length > 0) && panel('policies', 'Policies',
      policyTable('policies', 'Policies', policies, place, mayMakePolicies())),
    (isList || operatorPolicies.length > 0) && panel('operator', 'Operator policies',
      h('p', { class: 'intro' }, 'They hold together with a policy; of two limits the smaller one counts.'),
      policyTable('operator-policies', 'Operator policies', operatorPolicies, place, isAdministrator())),
  ];
}

export const policiesPage = { section: 'policies', title, load, draw };
