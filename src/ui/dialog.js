// SPDX-License-Identifier: Apache-2.0
//
// Dialogs: questions and forms in front of the page. They are the browser's <dialog>, which keeps the focus
// inside, ends with Escape and gives the focus back.

import { h, freshId } from './dom.js';
import { fieldset } from './form.js';
import { session } from './session.js';

function show(title, content, isWide) {
  const id = freshId('dialog');
  const close = h('button', { type: 'button', class: 'quiet', 'aria-label': 'Close', onclick: () => dialog.close() },
    '✕');
  const dialog = h('dialog', { 'aria-labelledby': id, class: isWide ? 'wide' : null },
    h('header', null, h('h2', { id }, title), close), content);
  dialog.onclose = () => dialog.remove();
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function busy(form, isBusy) {
  form.setAttribute('aria-busy', String(isBusy));
  for (const button of form.querySelectorAll('button')) button.disabled = isBusy;
}

// A form that is a dialog. fields: see form.js; run: gets their values, and what it throws is shown in the
// form, which stays. The dialog is closed when run is done, but where it keeps open.
export function formDialog({ title, intro, fields = [], submit, isDangerous, isWide, keepsOpen, run }) {
  const parts = fieldset(fields);
  const alert = h('p', { class: 'refusal', role: 'alert', hidden: true });
  const onsubmit = async (event) => {
    event.preventDefault();
    alert.hidden = true;
    busy(form, true);
    try {
      await run(parts.read());
      if (keepsOpen) busy(form, false);
      else dialog.close();
    } catch (error) {
      alert.textContent = error.message;
      alert.hidden = false;
      busy(form, false);
      // Who has left the form hears it all the same.
      if (!dialog.open && session.user !== null) notice(error.message, true);
    }
  };
  const form = h('form', { onsubmit, autocomplete: 'off' }, intro && h('p', { class: 'intro' }, intro), parts.nodes,
    alert, h('footer', null,
      h('button', { type: 'button', onclick: () => dialog.close() },
        keepsOpen ? 'Close' : 'Cancel'),
      h('button', { type: 'submit', class: isDangerous ? 'danger' : 'main' }, submit)));
  const dialog = show(title, form, isWide);
  (form.querySelector('input, select, textarea') ?? form.querySelector('footer button')).focus();
  return dialog;
}

// A question before something that cannot be taken back.
export function ask({ title, intro, submit, run, fields }) {
  return formDialog({ title, intro, submit, run, fields, isDangerous: true });
}

// The last thing said stays a while; what failed stays until somebody closes it.
export function notice(text, isFailure) {
  const close = h('button', { type: 'button', class: 'quiet', 'aria-label': 'Dismiss', onclick: () => box.remove() },
    '✕');
  const box = h('div', { class: isFailure ? 'notice failure' : 'notice', role: isFailure ? 'alert' : null },
    h('span', null, text), close);
  document.getElementById('notices').replaceChildren(box);
  if (!isFailure) setTimeout(() => box.remove(), 6000);
}
