// SPDX-License-Identifier: Apache-2.0
//
// Fields of forms, from descriptions: {name, label, kind, value, hint, options, isRequired, isBrief, namesLike, known}.
// A kind makes the control and reads its value; an empty optional text or number is left out of what is read. isBrief:
// it can share a line; namesLike: promises names that are like a text; known: names for the lines of a table, as in
// arguments.js.

import { h, freshId } from './dom.js';

function control(name, attributes, field, id) {
  return h(name, { id, name: field.name, required: field.isRequired ? true : null,
    'aria-describedby': field.hint ? `${id}-hint` : null, ...attributes });
}

// What there is of what is typed, when the typing has stopped. Without an answer there is nothing to choose from.
function suggest(input, list, namesLike) {
  let typing = 0;
  const ask = async () => {
    const names = await namesLike(input.value).catch(() => []);
    list.replaceChildren(...names.map((value) => h('option', { value })));
  };
  input.onfocus = ask;
  input.oninput = () => {
    clearTimeout(typing);
    typing = setTimeout(ask, 250);
  };
}

function text(type) {
  return (field, id) => {
    const list = field.namesLike && h('datalist', { id: `${id}-list` });
    const input = control('input', { type, value: field.value ?? '', list: list ? `${id}-list` : null,
      autocomplete: type === 'password' ? 'new-password' : 'off', spellcheck: 'false' }, field, id);
    if (list) suggest(input, list, field.namesLike);
    return { node: list ? [input, list] : input, read: () => (input.value === '' ? undefined : input.value) };
  };
}

function figure(field, id) {
  const input = control('input', { type: 'number', value: field.value ?? '', min: field.min ?? null, step: '1' },
    field, id);
  return { node: input, read: () => (input.value === '' ? undefined : Number(input.value)) };
}

function area(field, id) {
  const input = control('textarea', { rows: field.rows ?? 5, value: field.value ?? '', spellcheck: 'false' }, field,
    id);
  return { node: input, read: () => input.value };
}

function select(field, id) {
  const options = field.options.map((option) => (Array.isArray(option) ? option : [option, option]));
  const input = control('select', { value: field.value ?? options[0][0] },
    field, id);
  input.append(...options.map(([value, label]) => h('option', { value }, label)));
  if (field.value !== undefined) input.value = field.value;
  return { node: input, read: () => input.value };
}

function checkbox(field, id) {
  const input = control('input', { type: 'checkbox', checked: field.value === true }, field, id);
  return { node: input, read: () => input.checked, isBeside: true };
}

function file(field, id) {
  const input = control('input', { type: 'file', accept: field.accept ?? null }, field, id);
  return { node: input, read: () => input.files[0] };
}

const TYPES = [['string', 'Text'], ['number', 'Number'], ['boolean', 'Yes or no'], ['list', 'List (JSON)'],
  ['json', 'Table (JSON)']];

function typed(key, type, value) {
  if (type === 'string') return value;
  if (type === 'number') {
    if (value.trim() === '' || !Number.isFinite(Number(value))) throw new Error(`${key}: ${value} is not a number`);
    return Number(value);
  }
  if (type === 'boolean') {
    if (!['true', 'false'].includes(value.trim())) throw new Error(`${key}: neither true nor false`);
    return value.trim() === 'true';
  }
  try {
    return JSON.parse(value);
  } catch {
    throw new Error(`${key}: ${value} is not JSON`);
  }
}

export function typeOf(value) {
  if (Array.isArray(value)) return 'list';
  if (value !== null && typeof value === 'object') return 'json';
  return ['number', 'boolean'].includes(typeof value) ? typeof value : 'string';
}

function valuesOf({ values = [] } = {}, id) {
  return h('datalist', { id }, values.map((value) => h('option', { value })));
}

function tableRow(field, key, value) {
  const known = (name) => (Object.hasOwn(field.known ?? {}, name) ? field.known[name] : undefined);
  const id = freshId('line');
  const name = h('input', { type: 'text', value: key, 'aria-label': `${field.label}: name`, spellcheck: 'false',
    placeholder: 'name', list: field.listId });
  const shown = value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);
  const content = h('input', { type: 'text', value: shown, 'aria-label': `${field.label}: value`,
    placeholder: 'value', spellcheck: 'false', list: `${id}-values`, 'aria-describedby': `${id}-hint` });
  const type = h('select', { 'aria-label': `${field.label}: type of the value` },
    TYPES.map(([one, label]) => h('option', { value: one }, label)));
  type.value = value === undefined ? 'string' : typeOf(value);
  const hint = h('p', { class: 'hint', id: `${id}-hint` });
  const row = h('div', { class: 'table-row' }, name, content, type,
    h('button', { type: 'button', class: 'quiet', 'aria-label': `${field.label}: remove this line`,
      onclick: () => row.remove() }, '✕'), hint);
  row.say = () => {
    const what = known(name.value);
    hint.textContent = what?.hint ?? '';
    row.querySelector('datalist')?.remove();
    row.append(valuesOf(what, `${id}-values`));
    if (what && content.value === '') type.value = what.type;
  };
  name.onchange = row.say;
  row.say();
  row.named = () => name.value;
  row.take = (wanted) => {
    name.value = wanted;
    row.say();
    content.focus();
  };
  row.read = () => (name.value === '' ? [] : [[name.value, typed(name.value, type.value, content.value)]]);
  return row;
}

// Of the lines of a table, which may have any name: also those that every object of JavaScript has.
function readRows(rows, label) {
  const entries = rows.flatMap((row) => row.read());
  const names = entries.map(([name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`${label}: ${twice} is there twice`);
  return Object.fromEntries(entries);
}

// A table of AMQP: names, values, and of what type they are.
function table(field, id) {
  const described = { ...field, listId: `${id}-list` };
  const rows = h('div', { class: 'table-rows' });
  const add = (key, value) => {
    const row = tableRow(described, key, value);
    rows.append(row);
    return row;
  };
  Object.entries(field.value ?? {}).forEach(([key, value]) => add(key, value));
  if (rows.childElementCount === 0) add('', undefined);
  const more = h('button', { type: 'button', class: 'small', onclick: () => add('', undefined).firstChild.focus() },
    'Add a line');
  const list = h('datalist', { id: described.listId },
    Object.keys(field.known ?? {}).map((value) => h('option', { value })));
  const take = (name) => {
    const lines = [...rows.children];
    const line = lines.find((row) => row.named() === name) ?? lines.find((row) => row.named() === '')
      ?? add('', undefined);
    line.take(name);
  };
  return { node: [rows, more, list, field.known && suggestions(field, take)], isGroup: true,
    read: () => readRows([...rows.children], field.label) };
}

// What the server knows, each with what it does; a click makes a line of it.
function suggestions({ known }, take) {
  return h('details', { class: 'known' }, h('summary', null, 'Choose from what there is'),
    h('ul', null, Object.entries(known).map(([name, { hint }]) => h('li', null,
      h('button', { type: 'button', class: 'small', onclick: () => take(name) }, name), ' ', h('span', null, hint)))));
}

// Some of a few.
function checks(field, id) {
  const boxes = field.options.map((value, index) => h('input', { type: 'checkbox', id: `${id}-${index}`,
    checked: field.value.includes(value) }));
  return { node: h('div', { class: 'checks' }, field.options.map((value, index) =>
    h('label', { class: 'check' }, boxes[index], value))), isGroup: true,
  read: () => field.options.filter((value, index) => boxes[index].checked) };
}

const KINDS = { text: text('text'), password: text('password'), figure, area, select, checkbox, checks, file, table };

function label(field, id, part) {
  const hint = field.hint && h('p', { class: 'hint', id: `${id}-hint` }, field.hint);
  if (part.isGroup) {
    return h('fieldset', { class: 'field', id: `${id}-group` }, h('legend', null, field.label), part.node, hint);
  }
  const name = h('label', { for: id }, field.label, field.isRequired && h('span', { class: 'required' }, ' required'));
  if (part.isBeside) return h('div', { class: 'field beside' }, part.node, h('div', null, name, hint));
  return h('div', { class: field.isBrief ? 'field brief' : 'field' }, name, part.node, hint);
}

// The nodes of all fields, and a function that reads their values; that throws what is wrong with one.
export function fieldset(fields) {
  const parts = fields.filter(Boolean).map((field) => {
    const id = freshId('field');
    const part = KINDS[field.kind ?? 'text'](field, id);
    return { field, read: part.read, node: label(field, id, part) };
  });
  const read = () => {
    const found = {};
    for (const part of parts) {
      const value = part.read();
      if (value !== undefined) found[part.field.name] = value;
    }
    return found;
  };
  return { nodes: parts.map(({ node }) => node), read };
}
