// SPDX-License-Identifier: Apache-2.0
//
// Addresses: what stands behind the "#", the same as in RabbitMQ's interface, so that old links go to the
// same place: #/queues/%2F/orders. What follows a "?" is how a list is looked at.

export function here() {
  const [where, search] = location.hash.replace(/^#\/?/, '').split('?', 2);
  const names = where.split('/').filter((part) => part !== '').map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { names, search: Object.fromEntries(new URLSearchParams(search ?? '')) };
}

export function link(...names) {
  return `#/${names.map((name) => encodeURIComponent(name)).join('/')}`;
}

function withSearch(changes) {
  const { names, search } = here();
  const next = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...search, ...changes })) {
    if (value !== undefined && value !== null && value !== '') next.set(name, value);
  }
  const text = next.toString();
  return text === '' ? link(...names) : `${link(...names)}?${text}`;
}

export function go(...names) {
  location.hash = link(...names);
}

// Another look at the same page. With `quietly` the step is not one for the browser's back.
export function look(changes, quietly) {
  const next = withSearch(changes);
  if (!quietly) {
    location.hash = next;
    return;
  }
  history.replaceState(null, '', next);
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}
