// SPDX-License-Identifier: Apache-2.0
//
// Moving messages to another queue. Leveret answers a call after a few seconds, with what is left; so the dialog
// says how far it is, and who closes it stops there. RabbitMQ has its shovel for that, which works by itself.

import { api, path } from './api.js';
import { formDialog, notice } from './dialog.js';
import { h } from './dom.js';
import { number } from './format.js';
import { vhostField } from './pages/queues.js';
import { hasExtension } from './session.js';
import { namesLike } from './table.js';

function shovelDialog(queue, vhosts) {
  const uri = (vhost) => `amqp:///${encodeURIComponent(vhost)}`;
  formDialog({
    title: 'Move the messages', submit: 'Move',
    intro: 'Those that are ready now go to the end of another queue, each with a confirm.',
    fields: [{ ...vhostField(vhosts, queue.vhost), label: 'Virtual host of the other queue' },
      { name: 'to', label: 'To queue', isRequired: true }],
    run: async ({ vhost, to }) => {
      const name = `Move from ${queue.name}`;
      await api.put(`parameters/shovel/${path(queue.vhost, name)}`, { component: 'shovel', vhost: queue.vhost, name,
        value: { 'src-uri': uri(queue.vhost), 'src-queue': queue.name, 'src-delete-after': 'queue-length',
          'dest-uri': uri(vhost), 'dest-queue': to, 'prefetch-count': 1000, 'add-forward-headers': false,
          'ack-mode': 'on-confirm' } });
      notice(`The messages of ${queue.name} are on their way to ${to}.`);
    },
  });
}

function ownDialog(queue, reload) {
  const said = h('p', { role: 'status', class: 'intro' });
  const stop = h('button', { type: 'button', hidden: true, onclick: () => dialog.close() }, 'Stop');
  const dialog = formDialog({
    title: 'Move the messages', submit: 'Move',
    intro: 'The first ones that are ready go to the end of another queue of this virtual host, in their order. Each ' +
      'is in one of the two at any moment.',
    fields: [{ name: 'to', label: 'To queue', isRequired: true,
      namesLike: (text) => namesLike('queues', queue.vhost, text) },
    { name: 'count', label: 'How many at most', kind: 'figure', min: 1, hint: 'Empty: all that are ready now.' }],
    run: async ({ to, count }) => {
      let moved = 0;
      stop.hidden = false;
      try {
        for (let left = count; left !== 0 && dialog.isConnected;) {
          const answer = await api.post(`queues/${path(queue.vhost, queue.name)}/move`,
            { destination: to, ...(left === undefined ? {} : { count: left }) });
          moved += answer.moved;
          left = answer.remaining;
          said.textContent = `${number(moved)} moved, ${number(left)} to go.`;
        }
        notice(`${number(moved)} messages of ${queue.name} are in ${to} now.`);
      } finally {
        stop.hidden = true;
        reload();
      }
    },
  });
  dialog.append(h('div', { class: 'progress' }, said, stop));
}

export function moveDialog(queue, { vhosts, reload }) {
  if (hasExtension('shovel.js')) shovelDialog(queue, vhosts);
  else ownDialog(queue, reload);
}
