// SPDX-License-Identifier: Apache-2.0
//
// The start, and the turn that everything goes through: find the page of the address, load its data, draw it,
// and again after a while. A page that is no longer looked at is not loaded.

import { loadNodes } from './alarms.js';
import { api, ApiError, optional, query } from './api.js';
import { drawCharts, forgetCharts } from './chart.js';
import { h, morph } from './dom.js';
import { drawFrame, focusPage, showSection } from './frame.js';
import { drawLogin } from './login.js';
import { pageAt } from './pages.js';
import { heading } from './parts.js';
import { go, here, link } from './router.js';
import { endSession, hasLogin, session, whenSessionEnds } from './session.js';
import { chooseVhost, chosenVhost, forgetVhost, refreshSeconds } from './settings.js';
import { applyTheme } from './theme.js';

const PATIENCE_MS = 10000;
const FRAME = `overview${query({ columns: 'cluster_name,leveret_version,exchange_types' })}`;

const app = document.getElementById('app');
const turn = { where: null, data: undefined, failure: null, timer: 0, loading: null, vhosts: [] };

function isRefreshing() {
  return refreshSeconds() !== '0' && !document.hidden && session.user !== null;
}

function again() {
  clearTimeout(turn.timer);
  if (isRefreshing()) turn.timer = setTimeout(load, Number(refreshSeconds()) * 1000);
}

function place(signal) {
  return { ...here(), signal, vhost: chosenVhost(), vhosts: turn.vhosts, reload: load };
}

const GONE = 'It was deleted or closed meanwhile, or there never was one of this name.';

function failureOf(page, error, at) {
  const isGone = error instanceof ApiError && error.status === 404;
  return h('div', { class: 'failure-page', role: 'alert' },
    h('h1', null, page.title(at), isGone ? ' is not there' : ' cannot be shown'),
    h('p', null, isGone && error.message === 'Not Found' ? GONE : error.message),
    h('p', null, h('button', { type: 'button', onclick: load }, 'Try again')),
    at.names.length > 1 && h('p', null, h('a', { href: link(at.names[0]) }, 'Back to the list')));
}

function stale(error) {
  return h('p', { class: 'banner stale', role: 'alert', 'data-key': 'stale' },
    `${error.message}. What you see is older.`);
}

function whereNow() {
  return JSON.stringify(here().names);
}

// Where the address has changed the event that says so is on its way, and what was loaded is another page's.
function draw() {
  if (session.user === null || turn.where !== whereNow()) return;
  const page = pageAt(here().names);
  const at = place(null);
  const title = page.title(at);
  document.title = `${title} · Leveret`;
  drawFrame(app, { page, vhosts: turn.vhosts, reload: load, refreshChanged: again, logOut, vhostChanged });
  const body = turn.data !== undefined ? page.draw(turn.data, at)
    : turn.failure ? failureOf(page, turn.failure, at)
      : [heading({ title }), h('p', { class: 'loading' }, 'Loading …')];
  morph(document.getElementById('page'),
    turn.failure && turn.data !== undefined ? stale(turn.failure) : null, body);
  drawCharts(app);
}

async function loadFrame(signal) {
  const [overview, vhosts, nodes] = await Promise.all([optional(api.get(FRAME, { signal }), session.overview),
    optional(api.get('vhosts?columns=name', { signal }), []), loadNodes(signal, session.nodes)]);
  session.overview = overview;
  session.nodes = nodes;
  turn.vhosts = vhosts.map(({ name }) => name);
}

// What stands around a page is loaded also where the page fails.
async function loadAll(page, signal) {
  const [data, frame] = await Promise.allSettled([page.load(place(signal)), loadFrame(signal)]);
  const failed = [data, frame].find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
  return data.value;
}

// What hangs may still come; until then the reader knows that it does not.
function losePatience() {
  turn.failure = new ApiError(0, 'The server has not answered for a while');
  draw();
}

async function load() {
  clearTimeout(turn.timer);
  turn.loading?.abort();
  const loading = new AbortController();
  turn.loading = loading;
  const patience = setTimeout(losePatience, PATIENCE_MS);
  try {
    turn.data = await loadAll(pageAt(here().names), loading.signal);
    turn.failure = null;
  } catch (error) {
    if (loading.signal.aborted) return;
    if (!(error instanceof ApiError)) console.error(error);
    turn.failure = error;
    if (error instanceof ApiError && error.status !== 0) turn.data = undefined;
  } finally {
    clearTimeout(patience);
  }
  if (loading.signal.aborted) return;
  draw();
  again();
}

function onAddress() {
  if (session.user === null) return;
  const where = whereNow();
  const isOther = turn.where !== null && turn.where !== where;
  if (turn.where !== where) {
    turn.where = where;
    turn.data = undefined;
    turn.failure = null;
    forgetCharts();
    for (const dialog of document.querySelectorAll('dialog')) dialog.close();
    draw();
    showSection();
  }
  if (isOther) focusPage();
  load();
}

function vhostChanged(name) {
  chooseVhost(name);
  const { names } = here();
  if (names.length > 1) go(names[0]);
  else load();
}

function stop() {
  clearTimeout(turn.timer);
  turn.loading?.abort();
  turn.where = null;
  turn.data = undefined;
  turn.vhosts = [];
  forgetVhost();
  forgetCharts();
  for (const dialog of document.querySelectorAll('dialog')) dialog.close();
}

function logOut() {
  endSession('You are logged out.');
}

async function enter() {
  const [who, overview, extensions] = await Promise.all([api.get('whoami'), optional(api.get(FRAME), null),
    optional(api.get('extensions'), [])]);
  // Before version 3.9 tags were one text.
  session.tags = Array.isArray(who.tags) ? who.tags : who.tags.split(',');
  session.overview = overview;
  session.extensions = extensions;
  session.nodes = await loadNodes(undefined, []);
  session.user = who.name;
  app.replaceChildren();
  onAddress();
}

function showLogin(said) {
  document.title = 'Log in · Leveret';
  drawLogin(app, said, enter);
}

async function start() {
  applyTheme();
  whenSessionEnds((why) => {
    stop();
    showLogin(why);
  });
  window.addEventListener('hashchange', onAddress);
  document.addEventListener('visibilitychange', () => {
    if (isRefreshing()) load();
  });
  if (!hasLogin()) {
    showLogin('');
    return;
  }
  try {
    await enter();
  } catch (error) {
    if (hasLogin()) showLogin(error.message);
  }
}

start();
