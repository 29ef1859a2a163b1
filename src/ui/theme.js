// SPDX-License-Identifier: Apache-2.0
//
// Light or dark: as the system says, until somebody chooses.

const KEY = 'leveret.theme';
const NAMES = { auto: 'System colours', light: 'Light', dark: 'Dark' };

export const THEMES = Object.entries(NAMES);

export function theme() {
  const kept = localStorage.getItem(KEY);
  return kept !== null && Object.hasOwn(NAMES, kept) ? kept : 'auto';
}

const system = matchMedia('(prefers-color-scheme: dark)');

export function applyTheme() {
  const systems = system.matches ? 'dark' : 'light';
  document.documentElement.dataset.theme = theme() === 'auto' ? systems : theme();
}

system.addEventListener('change', applyTheme);

export function chooseTheme(name) {
  localStorage.setItem(KEY, name);
  applyTheme();
}
