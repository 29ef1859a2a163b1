// SPDX-License-Identifier: Apache-2.0
//
// What stands around every page: the way to the others, which virtual host is looked at, how often, and who looks.

import { alarmsOf } from './alarms.js';
import { h, morph } from './dom.js';
import { link } from './router.js';
import { isAdministrator, session } from './session.js';
import { chooseRefresh, chosenVhost, REFRESHES, refreshSeconds } from './settings.js';
import { chooseTheme, theme, THEMES } from './theme.js';

function sections() {
  return [
    ['Look', [['', 'Overview'], ['connections', 'Connections'], ['channels', 'Channels']]],
    ['Route', [['exchanges', 'Exchanges'], ['queues', 'Queues'], ['streams', 'Streams'], ['bindings', 'Bindings']]],
    ['Administer', [
      isAdministrator() && ['users', 'Users'],
      ['vhosts', 'Virtual hosts'],
      ['policies', 'Policies'],
      ['limits', 'Limits'],
      isAdministrator() && ['definitions', 'Definitions'],
      ['cluster-name', 'Cluster'],
    ].filter(Boolean)],
  ];
}

function navigation(section) {
  return h('nav', { class: 'sections', 'aria-label': 'Pages' }, sections().map(([label, links]) => [
    h('h2', null, label),
    h('ul', null, links.map(([name, title]) => h('li', null,
      h('a', { href: name === '' ? '#/' : link(name), 'aria-current': name === section ? 'page' : null }, title)))),
  ]));
}

// The options say what they are about, for where the label is out of sight.
function choice(label, options, value, onchange) {
  return h('label', { class: 'choice' }, h('span', null, label),
    h('select', { value, onchange: (event) => onchange(event.target.value) },
      options.map(([one, name]) => h('option', { value: one }, name))));
}

function vhostChoice(vhosts, vhostChanged) {
  const chosen = chosenVhost();
  const names = chosen === '' || vhosts.includes(chosen) ? vhosts : [chosen, ...vhosts];
  const options = [['', 'All virtual hosts'], ...names.map((name) => [name, name])];
  return choice('Virtual host', options, chosen, vhostChanged);
}

function header(state) {
  return h('header', { class: 'top' },
    h('a', { class: 'brand', href: '#/' }, h('img', { src: 'icon.svg', alt: '', width: '28', height: '28' }),
      'Leveret'),
    h('span', { class: 'cluster', title: session.overview?.cluster_name }, session.overview?.cluster_name),
    h('div', { class: 'alarms', 'aria-live': 'polite' }, alarmsOf(session.nodes).map(({ short, text }) =>
      h('a', { href: '#/', title: text, 'data-key': text }, short))),
    h('div', { class: 'choices' },
      vhostChoice(state.vhosts, state.vhostChanged),
      choice('Refresh', REFRESHES, refreshSeconds(), (value) => {
        chooseRefresh(value);
        state.refreshChanged();
      }),
      h('button', { type: 'button', class: 'quiet', onclick: state.reload, title: 'Refresh now',
        'aria-label': 'Refresh now' }, '↻'),
      choice('Colours', THEMES, theme(), chooseTheme),
      h('span', { class: 'user', title: session.tags.join(', ') }, session.user),
      h('button', { type: 'button', onclick: state.logOut }, 'Log out')));
}

export function drawFrame(app, state) {
  morph(app,
    h('a', { class: 'skip', href: '#page', 'data-key': 'skip', onclick: (event) => {
      event.preventDefault();
      focusPage();
    } }, 'Skip to the page'),
    h('div', { class: 'frame', 'data-key': 'frame' }, header(state), navigation(state.page.section),
      h('main', { id: 'page', tabindex: '-1', 'data-own': true })));
}

// On a small screen the ways to the pages are one line, of which a part is seen.
export function showSection() {
  const line = document.querySelector('.sections');
  const current = line?.querySelector('[aria-current]');
  if (current) line.scrollLeft = current.offsetLeft - (line.clientWidth - current.offsetWidth) / 2;
}

// For who does not see that the page has changed.
export function focusPage() {
  const page = document.getElementById('page');
  page?.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}
