// SPDX-License-Identifier: Apache-2.0
//
// Elements, made and brought up to date. A page is drawn as a function of its data: h() builds the whole
// of it anew, morph() then changes what is on the screen to look like it, so that focus, selection and what
// somebody is typing stay. Text only ever becomes text: nothing here parses HTML, so a queue may have any name.

const SVG = 'http://www.w3.org/2000/svg';
const SVG_NAMES = new Set(['svg', 'g', 'path', 'line', 'rect', 'circle', 'text', 'title', 'tspan']);
const HANDLERS = ['onclick', 'oninput', 'onchange', 'onsubmit', 'onkeydown', 'onpointermove', 'onpointerleave',
  'onclose', 'onfocus', 'onblur'];

function append(parent, child) {
  if (child === null || child === undefined || child === false) return;
  if (Array.isArray(child)) child.forEach((one) => append(parent, one));
  else parent.append(child instanceof Node ? child : String(child));
}

function set(element, name, value) {
  if (name.startsWith('on')) element[name] = value;
  else if (name === 'value' || name === 'checked' || name === 'selected') element[name] = value;
  else if (value === true) element.setAttribute(name, '');
  else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
}

function build(element, attributes, children) {
  append(element, children);
  // After the children: a select takes its value from them.
  for (const [name, value] of Object.entries(attributes ?? {})) set(element, name, value);
  return element;
}

// An element; attributes of false, null and undefined are left out, children likewise.
export function h(name, attributes, ...children) {
  return build(document.createElement(name), attributes, children);
}

export function svg(name, attributes, ...children) {
  if (!SVG_NAMES.has(name)) throw new Error(`no element of a drawing: ${name}`);
  return build(document.createElementNS(SVG, name), attributes, children);
}

function copyAttributes(old, fresh) {
  for (const name of old.getAttributeNames()) {
    // Whether a dialog or details is open is the reader's.
    if (!fresh.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
  }
  for (const name of fresh.getAttributeNames()) {
    const value = fresh.getAttribute(name);
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const name of HANDLERS) {
    if (old[name] !== fresh[name]) old[name] = fresh[name];
  }
}

function copyValue(old, fresh) {
  if (document.activeElement === old) return;
  if ('value' in fresh && old.value !== fresh.value) old.value = fresh.value;
  if ('checked' in fresh && old.checked !== fresh.checked) old.checked = fresh.checked;
}

function keyOf(node) {
  return node instanceof Element ? node.getAttribute('data-key') : null;
}

function isAlike(old, fresh) {
  return old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName && keyOf(old) === keyOf(fresh);
}

function morphNode(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  // What draws or keeps itself, such as a chart.
  if (fresh.hasAttribute('data-own')) return;
  copyAttributes(old, fresh);
  morphChildren(old, fresh);
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(old.nodeName)) copyValue(old, fresh);
}

function morphChildren(old, fresh) {
  const keyed = new Map();
  for (const child of old.childNodes) {
    const key = keyOf(child);
    if (key !== null) keyed.set(key, child);
  }
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = keyOf(wanted);
    const known = key !== null ? keyed.get(key) : place;
    keyed.delete(key);
    if (known && isAlike(known, wanted)) {
      if (known !== place) old.insertBefore(known, place);
      else place = place.nextSibling;
      morphNode(known, wanted);
    } else {
      old.insertBefore(wanted, place);
      if (key === null && place !== null && keyOf(place) === null) {
        const gone = place;
        place = place.nextSibling;
        gone.remove();
      }
    }
  }
  while (place !== null) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

// Makes the children of an element look like these.
export function morph(element, ...children) {
  const fresh = document.createElement(element.nodeName);
  append(fresh, children);
  morphChildren(element, fresh);
}

// An id that no other element has.
let count = 0;
export function freshId(stem) {
  count += 1;
  return `${stem}-${count}`;
}
