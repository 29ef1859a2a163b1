// SPDX-License-Identifier: Apache-2.0
//
// The way in: a name and a password, tried on the server before the page shows anything.

import { api } from './api.js';
import { h } from './dom.js';
import { endSession, keepLogin, loginOf } from './session.js';

async function logIn(form, alert, enter) {
  const login = loginOf(form.elements.user.value, form.elements.password.value);
  const button = form.querySelector('button');
  button.disabled = true;
  alert.textContent = '';
  try {
    await api.get('whoami', { login });
    keepLogin(login);
    await enter();
  } catch (error) {
    const said = error.message;
    if (document.getElementById('login-alert') === alert) alert.textContent = said;
    else endSession(said);
    form.elements.password.select();
  } finally {
    button.disabled = false;
  }
}

export function drawLogin(app, said, enter) {
  const alert = h('p', { id: 'login-alert', class: 'refusal', role: 'alert' }, said);
  const form = h('form', { class: 'login', onsubmit: (event) => {
    event.preventDefault();
    logIn(form, alert, enter);
  } },
  h('img', { src: 'icon.svg', alt: '', width: '56', height: '56' }), h('h1', null, 'Leveret'),
  h('div', { class: 'field' }, h('label', { for: 'user' }, 'User'),
    h('input', { id: 'user', name: 'user', type: 'text', required: true, autocomplete: 'username',
      autocapitalize: 'none', spellcheck: 'false' })),
  h('div', { class: 'field' }, h('label', { for: 'password' }, 'Password'),
    h('input', { id: 'password', name: 'password', type: 'password', autocomplete: 'current-password' })),
  alert, h('button', { type: 'submit', class: 'main' }, 'Log in'));
  app.replaceChildren(h('main', { class: 'login-page' }, form));
  form.elements.user.focus();
}
