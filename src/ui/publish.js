// SPDX-License-Identifier: Apache-2.0
//
// Publishing a message, to an exchange or through the default exchange to a queue.

import { api, path } from './api.js';
import { PROPERTIES } from './arguments.js';
import { formDialog, notice } from './dialog.js';

const ENCODINGS = [['string', 'text'], ['base64', 'base64: any bytes']];
const DELIVERY_MODES = [['2', 'persistent'], ['1', 'transient']];

function messageOf(values) {
  const headers = values.headers;
  return { routing_key: values.routingKey ?? '', payload: values.payload, payload_encoding: values.encoding,
    properties: { ...values.properties, delivery_mode: Number(values.mode),
      ...(Object.keys(headers).length > 0 && { headers }) } };
}

export function publishDialog({ vhost, exchange, routingKey, reload }) {
  const isToQueue = routingKey !== undefined;
  formDialog({
    title: isToQueue ? 'Publish to this queue' : 'Publish a message', submit: 'Publish', isWide: true,
    fields: [
      !isToQueue && { name: 'routingKey', label: 'Routing key' },
      { name: 'payload', label: 'Payload', kind: 'area', rows: 6 },
      { name: 'encoding', label: 'The payload is', kind: 'select', options: ENCODINGS, isBrief: true },
      { name: 'mode', label: 'Delivery mode', kind: 'select', options: DELIVERY_MODES, isBrief: true },
      { name: 'headers', label: 'Headers', kind: 'table' },
      { name: 'properties', label: 'Properties', kind: 'table', known: PROPERTIES },
    ],
    run: async (values) => {
      const message = messageOf(isToQueue ? { ...values, routingKey } : values);
      const answer = await api.post(`exchanges/${path(vhost, exchange)}/publish`, message);
      if (answer?.routed === false) throw new Error('The message was not routed: no queue takes this routing key.');
      notice('The message is published.');
      reload();
    },
  });
}
