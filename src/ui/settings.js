// SPDX-License-Identifier: Apache-2.0
//
// What a reader has chosen about looking: of which virtual host, and how often.

const VHOST = 'leveret.vhost';
const REFRESH = 'leveret.refresh';

export const REFRESHES = [['2', 'every 2 s'], ['5', 'every 5 s'], ['30', 'every 30 s'], ['0', 'by hand']];

// Empty: all of them.
export function chosenVhost() {
  return sessionStorage.getItem(VHOST) ?? '';
}

export function chooseVhost(name) {
  sessionStorage.setItem(VHOST, name);
}

// The chosen one if it is among these; what is not is no value of a form.
export function chosenAmong(names) {
  return names.includes(chosenVhost()) ? chosenVhost() : undefined;
}

// Who logs in next may not know it.
export function forgetVhost() {
  sessionStorage.removeItem(VHOST);
}

export function refreshSeconds() {
  const kept = localStorage.getItem(REFRESH);
  return REFRESHES.some(([value]) => value === kept) ? kept : '5';
}

export function chooseRefresh(value) {
  localStorage.setItem(REFRESH, value);
}
