// SPDX-License-Identifier: Apache-2.0
//
// Who is logged in. The credentials are in the tab's session storage and nowhere else: they go when it is closed.

const KEY = 'leveret.login';

let onEnd = () => {};

export const session = { user: null, tags: [], overview: null, nodes: [], extensions: [] };

function basic(name, password) {
  const bytes = new TextEncoder().encode(`${name}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

export function authorization() {
  return sessionStorage.getItem(KEY) ?? '';
}

export function hasLogin() {
  return sessionStorage.getItem(KEY) !== null;
}

export function loginOf(name, password) {
  return basic(name, password);
}

export function keepLogin(login) {
  sessionStorage.setItem(KEY, login);
}

export function whenSessionEnds(then) {
  onEnd = then;
}

export function endSession(why) {
  sessionStorage.removeItem(KEY);
  session.user = null;
  session.tags = [];
  onEnd(why);
}

// Tags are those of RabbitMQ; who administers may do all, who monitors or makes policies a part.
export function isAdministrator() {
  return session.tags.includes('administrator');
}

export function mayMonitor() {
  return isAdministrator() || session.tags.includes('monitoring');
}

export function mayMakePolicies() {
  return isAdministrator() || session.tags.includes('policymaker');
}

// What answers may be a RabbitMQ as well.
export function isLeveret() {
  return session.overview?.leveret_version !== undefined;
}

export function hasExtension(script) {
  return session.extensions.some((extension) => extension.javascript === script);
}
