// SPDX-License-Identifier: Apache-2.0
//
// Small pieces that several pages are made of.

import { chart } from './chart.js';
import { h } from './dom.js';
import { brief, bytes, bytesRate, exchangeName, isFigure, NOTHING, number, rate } from './format.js';
import { link, look } from './router.js';
import { RANGES, rangeOf } from './samples.js';

// The top of a page: where it belongs to, its name, what else it is called, what can be done.
export function heading({ title, kind, above, below, badges, actions = [] }) {
  return h('div', { class: 'heading', 'data-key': 'heading' },
    above && h('p', { class: 'above' }, h('a', { href: above.href }, above.label), kind && ` · virtual host ${kind}`),
    h('div', { class: 'heading-line' }, h('h1', null, title, badges && h('span', { class: 'badges' }, badges)),
      h('div', { class: 'actions' }, actions.filter(Boolean).map(({ label, run, isDangerous, isMain }) =>
        h('button', { type: 'button', class: isDangerous ? 'danger' : isMain ? 'main' : null, onclick: run },
          label)))),
    below && h('p', { class: 'above' }, below));
}

export function panel(key, title, ...content) {
  return h('section', { class: 'panel', 'data-key': key, 'aria-label': title }, h('h2', null, title), content);
}

// A fact is [label, value, isLong]; one without a value is left out, a long one has the room of two.
export function facts(list) {
  const known = list.filter((fact) => fact && ![undefined, null, '', false].includes(fact[1]));
  return h('dl', { class: 'facts' }, known.map(([label, value, isLong]) =>
    h('div', { class: isLong ? 'long' : null }, h('dt', null, label), h('dd', null, value))));
}

export function badge(text, title, kind) {
  return h('span', { class: kind ? `badge ${kind}` : 'badge', title }, text);
}

// The arguments of something, one per line.
export function argumentList(table) {
  const entries = Object.entries(table ?? {});
  if (entries.length === 0) return NOTHING;
  return h('dl', { class: 'arguments' }, entries.map(([name, value]) => h('div', null, h('dt', null, name),
    h('dd', null, typeof value === 'string' && value !== '' ? value : JSON.stringify(value)))));
}

// Those, as a fact; none is no fact.
export function argumentsFact(label, table) {
  return Object.keys(table ?? {}).length > 0 && [label, argumentList(table), true];
}

export function exchangeLink(vhost, name) {
  return h('a', { class: 'name', title: exchangeName(name),
    href: link('exchanges', vhost, name === '' ? 'amq.default' : name) }, exchangeName(name));
}

export function queueLink(vhost, name) {
  return h('a', { class: 'name', title: name, href: link('queues', vhost, name) }, name);
}

export function policyLink(vhost, name) {
  return h('a', { class: 'name', href: link('policies', vhost, name) }, name);
}

const STATES = new Map(Object.entries({ running: 'good', idle: 'calm', flow: 'warn', blocked: 'bad', blocking: 'warn',
  down: 'bad', stopped: 'bad', crashed: 'bad', minority: 'bad', terminated: 'bad' }));

// kind: how good that is, of states that are not those of RabbitMQ.
export function state(name, kind = STATES.get(name) ?? 'calm') {
  return h('span', { class: `state ${kind}` }, name ?? NOTHING);
}

// What abbreviations mean, those that are there: [abbreviation, meaning], which may come more than once.
export function legend(pairs) {
  const meanings = new Map(pairs);
  return meanings.size > 0 && h('dl', { class: 'key', 'data-key': 'legend' }, [...meanings].map(([name, meaning]) =>
    h('div', null, h('dt', null, name), h('dd', null, meaning))));
}

// How far back the charts of a page go.
export function rangeChoice(search) {
  return h('label', { class: 'choice range', 'data-key': 'range' }, h('span', null, 'Charts show the'),
    h('select', { value: rangeOf(search).name, onchange: (event) => look({ range: event.target.value }, true) },
      RANGES.map(({ name, label }) => h('option', { value: name }, label))));
}

export function rateChart(id, title, lines) {
  return chart(id, { title, lines, figure: rate, axis: brief });
}

export function lengthChart(id, title, lines) {
  return chart(id, { title, lines, figure: number, axis: brief, least: 4 });
}

export function bytesRateChart(id, title, lines) {
  return chart(id, { title, lines, figure: bytesRate, axis: bytes, base: 1024, least: 1024 });
}

export function bytesChart(id, title, lines) {
  return chart(id, { title, lines, figure: bytes, base: 1024, least: 1024 });
}

// A figure with its share of a limit.
export function gauge(label, used, limit, write, isAlarmed) {
  const share = isFigure(used) && isFigure(limit) && limit > 0 ? Math.min(1, used / limit) : 0;
  return h('div', { class: isAlarmed ? 'gauge alarmed' : 'gauge' }, h('span', null, label),
    h('strong', null, write(used)),
    h('meter', { value: share, min: '0', max: '1', 'aria-label': `${label}, share of the limit` }),
    h('small', null, isFigure(limit) ? `of ${write(limit)}` : 'no limit'));
}
