// SPDX-License-Identifier: Apache-2.0
//
// Tables of things. Long ones are the server's: it filters, sorts and cuts pages, so that fifty thousand queues
// cost as much as a hundred. How a table is looked at stands in the address.

import { api, ApiError, path, query } from './api.js';
import { h } from './dom.js';
import { number } from './format.js';
import { here, link, look } from './router.js';

const PAGE_SIZES = ['25', '100', '250', '500'];

// The parameters of a list that the server cuts into pages.
function pageQuery({ page = 1, size = 100, name = '', regex, sort, down }) {
  return { page, page_size: size, name, use_regex: regex === '1', sort,
    sort_reverse: sort ? down === '1' : undefined };
}

// The page of a list that the server sends whole.
export function pageHere(rows, { page = 1, size = 100 }) {
  const pageSize = Number(size);
  const pageCount = Math.max(1, Math.ceil(rows.length / pageSize));
  const at = Math.min(Math.max(1, Number(page)), pageCount);
  return { items: rows.slice((at - 1) * pageSize, at * pageSize), page: at, page_count: pageCount,
    page_size: pageSize, filtered_count: rows.length, total_count: rows.length };
}

// A list as a page, also from a server that answers without pages, as RabbitMQ does of bindings.
function pageOf(answer, search, isWanted) {
  return Array.isArray(answer) ? pageHere(answer.filter(isWanted), search) : answer;
}

// The page that the address asks for. That may be behind the last one, since lists become shorter: then it is the
// first; and what is typed may not be a regular expression yet: then nothing is found, and it is said why. more: other
// parameters of the query; isWanted: says of a row what they say, for a server that does not know them.
export async function loadPage(where, search, signal, more, isWanted = () => true) {
  try {
    return pageOf(await api.get(`${where}${query({ ...pageQuery(search), ...more })}`, { signal }), search, isWanted);
  } catch (error) {
    const isRefused = error instanceof ApiError && error.status === 400;
    const { page, ...others } = search;
    if (isRefused && page !== undefined) return loadPage(where, others, signal, more, isWanted);
    if (isRefused && search.regex === '1') {
      return { ...pageHere([], search), refusal: 'This is not a regular expression.' };
    }
    throw error;
  }
}

const SUGGESTED = 20;

// The names of queues or exchanges of a virtual host that are like a text, to be suggested.
export async function namesLike(kind, vhost, text) {
  const asked = query({ page: 1, page_size: SUGGESTED, name: text, columns: 'name' });
  const { items } = await api.get(`${kind}/${path(vhost)}${asked}`);
  return items.map(({ name }) => name).filter((name) => name !== '');
}

// For a list in which the filter finds nothing.
export function notFound(thing) {
  return `No ${thing} has such a name: clear the filter to see all.`;
}

const WIDE = 24;

// A long name may be broken anywhere, and is cut; the whole of it is in its title.
function content(column, row) {
  const cell = column.cell(row);
  if (typeof cell !== 'string' || cell.length < WIDE) return cell;
  return h('span', { class: 'name', title: cell }, cell);
}

// Asks the address, not what is drawn: a second click may come before the first one's rows.
function flip(column) {
  const { search } = here();
  const first = column.kind === 'figure' ? '1' : '';
  const down = search.sort !== column.sort ? first : search.down === '1' ? '' : '1';
  look({ sort: column.sort, down, page: '' });
}

function headerCell(column, search) {
  const attributes = { scope: 'col', class: column.kind, title: column.hint };
  if (!column.sort) return h('th', attributes, column.label);
  const isSorted = search.sort === column.sort;
  const isDown = isSorted && search.down === '1';
  return h('th', { ...attributes, 'aria-sort': isSorted ? (isDown ? 'descending' : 'ascending') : null },
    h('button', { type: 'button', class: 'sort', onclick: () => flip(column) }, column.label,
      h('span', { 'aria-hidden': 'true', class: 'arrow' }, isSorted ? (isDown ? '▼' : '▲') : '')));
}

// columns: [{label, cell: (row) => node or text, kind: 'figure' or none, sort, hint}], the first one names its
// row; key: tells rows apart; empty: what to say where there are none.
export function table({ caption, columns, rows, key, search = {}, empty = 'Nothing here' }) {
  const shown = columns.filter(Boolean);
  const body = rows.map((row) => h('tr', { 'data-key': key(row) }, shown.map((column, index) =>
    h(index === 0 ? 'th' : 'td', { scope: index === 0 ? 'row' : null, class: column.kind }, content(column, row)))));
  const nothing = h('tr', null, h('td', { colspan: shown.length, class: 'nothing' }, h('span', null, empty)));
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': `Table: ${caption}` },
    h('table', null, h('caption', { class: 'unseen' }, caption),
      h('thead', null, h('tr', null, shown.map((column) => headerCell(column, search)))),
      h('tbody', null, rows.length > 0 ? body : nothing)));
}

let typing = 0;

// Looks for what has been typed when the typing has stopped, unless another page is looked at by then.
function later(changes) {
  const page = link(...here().names);
  clearTimeout(typing);
  typing = setTimeout(() => {
    if (link(...here().names) === page) look(changes, true);
  }, 250);
}

// what: of many; by: of what of them something is looked for; more: nodes beside it.
export function filterBar(search, what, by = 'name', ...more) {
  return h('form', { class: 'filter', role: 'search', onsubmit: (event) => event.preventDefault() },
    h('label', { class: 'unseen', for: 'filter' }, `Filter ${what} by ${by}`),
    h('input', { id: 'filter', type: 'search', placeholder: `Filter by ${by}`, value: search.name ?? '',
      spellcheck: 'false', autocomplete: 'off', oninput: (event) => later({ name: event.target.value, page: '' }) }),
    h('label', { class: 'check' }, h('input', { type: 'checkbox', checked: search.regex === '1',
      onchange: (event) => look({ regex: event.target.checked ? '1' : '', page: '' }, true) }), 'Regular expression'),
    more);
}

function step(label, symbol, page, isThere) {
  return h('button', { type: 'button', 'aria-label': label, title: label, disabled: !isThere,
    onclick: () => look({ page: page <= 1 ? '' : page }) }, symbol);
}

export function pager(page, search, what) {
  const first = page.filtered_count === 0 ? 0 : (page.page - 1) * page.page_size + 1;
  const last = first === 0 ? 0 : first + page.items.length - 1;
  const among = page.filtered_count < page.total_count ? ` (of ${number(page.total_count)} in all)` : '';
  return h('nav', { class: 'pager', 'aria-label': `Pages of ${what}` },
    h('p', { 'aria-live': 'polite' },
      page.refusal ?? (first === 0 ? `None${among}`
        : `${number(first)} to ${number(last)} of ${number(page.filtered_count)}${among}`)),
    h('div', { class: 'steps' },
      step('First page', '«', 1, page.page > 1),
      step('Previous page', '‹', page.page - 1, page.page > 1),
      h('span', null, `Page ${number(page.page)} of ${number(Math.max(1, page.page_count))}`),
      step('Next page', '›', page.page + 1, page.page < page.page_count),
      step('Last page', '»', page.page_count, page.page < page.page_count)),
    h('label', { class: 'check' }, 'Rows', h('select', { value: search.size ?? '100',
      onchange: (event) => look({ size: event.target.value, page: '' }) },
    PAGE_SIZES.map((size) => h('option', { value: size }, size)))));
}

function valueAt(row, where) {
  return where.split('.').reduce((value, name) => value?.[name], row);
}

// For short lists, which the server sends whole: the same filter and order, here.
export function arranged(rows, search, byDefault = 'name') {
  const wanted = (search.name ?? '').toLowerCase();
  let found = rows;
  if (wanted !== '' && search.regex === '1') {
    try {
      const pattern = new RegExp(search.name, 'i');
      found = rows.filter(({ name }) => pattern.test(name));
    } catch {
      found = [];
    }
  } else if (wanted !== '') found = rows.filter(({ name }) => name.toLowerCase().includes(wanted));
  const sort = search.sort ?? byDefault;
  const sign = search.sort && search.down === '1' ? -1 : 1;
  return [...found].sort((one, other) => {
    const [a, b] = [valueAt(one, sort) ?? '', valueAt(other, sort) ?? ''];
    if (typeof a === 'number' || typeof b === 'number') return sign * (Number(a || 0) - Number(b || 0));
    return sign * String(a).localeCompare(String(b), 'en', { numeric: true });
  });
}
