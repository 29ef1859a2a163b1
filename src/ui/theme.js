// SPDX-License-Identifier: Apache-2.0
//
// Light or dark: as the system says, until somebody chooses.

const KEY = 'leveret.theme';
const NAMES = { auto: 'as the system', light: 'light', dark: 'dark' };

export const THEMES = Object.entries(NAMES);

export function theme() {
  const kept = localStorage.getItem(KEY);
  return kept in NAMES ? kept : 'auto';
}

export function applyTheme() {
  document.documentElement.dataset.theme = theme();
}

export function chooseTheme(name) {
  localStorage.setItem(KEY, name);
  applyTheme();
}
