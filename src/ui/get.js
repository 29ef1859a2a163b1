// SPDX-License-Identifier: Apache-2.0
//
// Getting messages out of a queue to look at them: asked for in a dialog, shown in the same one.

import { api, path } from './api.js';
import { formDialog } from './dialog.js';
import { h } from './dom.js';
import { bytes, exchangeName, number } from './format.js';
import { argumentList, badge, facts } from './parts.js';

const MODES = [['ack_requeue_true', 'go back into the queue'], ['ack_requeue_false', 'are taken out for good'],
  ['reject_requeue_true', 'are rejected, and go back'], ['reject_requeue_false', 'are rejected, as dead letters']];
const TRUNCATE_BYTES = 50000;

function bare(text) {
  return text.replace(/\s+/g, '');
}

// JSON is easier to read with its lines broken; but what JavaScript would change, such as a long number, stays as
// it is.
function readable(message) {
  if (message.payload_encoding !== 'string' || !/^\s*[[{]/.test(message.payload)) return message.payload;
  try {
    const broken = JSON.stringify(JSON.parse(message.payload), null, 2);
    return bare(broken) === bare(message.payload) ? broken : message.payload;
  } catch {
    return message.payload;
  }
}

function card(message, index) {
  const { headers, ...properties } = message.properties;
  const isCut = message.payload_encoding === 'string' && message.payload_bytes > TRUNCATE_BYTES;
  return h('article', { class: 'message', 'aria-label': `Message ${index + 1}` },
    h('h3', null, `Message ${index + 1}`, message.redelivered && badge('redelivered', 'it was delivered before')),
    facts([['Exchange', exchangeName(message.exchange)], ['Routing key', h('code', null, message.routing_key)],
      ['Left behind it', number(message.message_count)], ['Size', bytes(message.payload_bytes)],
      ['Properties', Object.keys(properties).length > 0 && argumentList(properties)],
      ['Headers', headers && argumentList(headers)]]),
    h('p', { class: 'hint' }, message.payload_encoding === 'base64' ? 'Payload, as base64' : 'Payload',
      isCut && `, the first ${bytes(TRUNCATE_BYTES)}`),
    h('pre', { tabindex: '0' }, readable(message)));
}

export function getDialog(queue, reload) {
  const results = h('div', { class: 'messages', 'aria-live': 'polite' });
  const dialog = formDialog({
    title: `Get messages from ${queue.name}`, submit: 'Get', isWide: true,
    intro: 'What goes back is marked as redelivered, and a queue with a delivery limit counts it.',
    fields: [
      { name: 'count', label: 'How many', kind: 'figure', value: 1, min: 1, isRequired: true, isBrief: true },
      { name: 'mode', label: 'The messages', kind: 'select', options: MODES, isBrief: true },
      { name: 'encoding', label: 'Show payloads', kind: 'select', isBrief: true,
        options: [['auto', 'as text, where they are'], ['base64', 'as base64']] },
    ],
    keepsOpen: true,
    run: async ({ count, mode, encoding }) => {
      const messages = await api.post(`queues/${path(queue.vhost, queue.name)}/get`, { count, ackmode: mode, encoding,
        truncate: TRUNCATE_BYTES });
      results.replaceChildren(...(messages.length > 0 ? messages.map(card) : [h('p', null, 'The queue is empty.')]));
      reload();
    },
  });
  dialog.append(results);
}
