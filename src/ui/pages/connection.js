// SPDX-License-Identifier: Apache-2.0
//
// One connection: who is at its other end, its channels, and closing it.

import { api, optional, path, query } from '../api.js';
import { channelLegend, channelsOfConnection } from '../channels.js';
import { ask, notice } from '../dialog.js';
import { h } from '../dom.js';
import { bytes, moment, number } from '../format.js';
import { argumentsFact, bytesRateChart, facts, heading, panel, rangeChoice, state } from '../parts.js';
import { go, link } from '../router.js';
import { dataLines, rangeOf } from '../samples.js';
import { givenName } from './connections.js';

async function load({ names: [, name], search, signal }) {
  const { age, step } = rangeOf(search);
  const where = `connections/${path(name)}`;
  const [connection, channels] = await Promise.all([
    api.get(`${where}${query({ data_rates_age: age, data_rates_incr: step })}`, { signal }),
    optional(api.get(`${where}/channels`, { signal }), []),
  ]);
  return { connection, channels };
}

function close({ name }) {
  ask({
    title: 'Close this connection', submit: 'Close it',
    intro: `${name} is closed. What its consumers had not acknowledged goes back to the queues. A client that ` +
      'connects again by itself will.',
    fields: [{ name: 'reason', label: 'Reason', value: 'Closed via management interface',
      hint: 'The client is told, and it stands in the log.' }],
    run: async ({ reason }) => {
      // A header may have nothing but plain characters.
      const said = (reason ?? '').replace(/[^\x20-\x7e]/g, '?');
      await api.delete(`connections/${path(name)}`, { headers: said === '' ? {} : { 'X-Reason': said } });
      notice('The connection is closed.');
      go('connections');
    },
  });
}

function details(connection) {
  const { capabilities, ...client } = connection.client_properties ?? {};
  const can = Object.entries(capabilities ?? {}).filter(([, value]) => value === true).map(([name]) => name);
  return facts([
    ['State', state(connection.state)], ['Name given by the client', givenName(connection)],
    ['User', connection.user], ['Virtual host', connection.vhost],
    ['Protocol', connection.protocol], ['Login by', connection.auth_mechanism],
    ['TLS', connection.ssl ? [connection.ssl_protocol, connection.ssl_cipher].filter(Boolean).join(', ') : 'no'],
    ['Key exchange', connection.ssl_key_exchange], ['Hash', connection.ssl_hash],
    ['Client certificate', connection.peer_cert_subject], ['Issued by', connection.peer_cert_issuer],
    ['Valid', connection.peer_cert_validity],
    ['Connected', moment(connection.connected_at)], ['Heartbeat', connection.timeout && `${connection.timeout} s`],
    ['Largest frame', bytes(connection.frame_max)],
    ['Channels at most', connection.channel_max && number(connection.channel_max)],
    ['From client, in all', bytes(connection.recv_oct)], ['To client, in all', bytes(connection.send_oct)],
    ['Waiting to be sent', bytes(connection.send_pend)], ['Node', connection.node],
    argumentsFact('Client', client),
    ['Client can', can.join(', '), true],
  ]);
}

function draw({ connection, channels }, { search }) {
  return [
    heading({ title: givenName(connection) ?? connection.name, below: givenName(connection) && connection.name,
      above: { href: link('connections'), label: 'Connections' },
      kind: connection.vhost, actions: [{ label: 'Close', isDangerous: true, run: () => close(connection) }] }),
    rangeChoice(search),
    panel('data', 'Data', bytesRateChart('data', 'Bytes per second', dataLines(connection))),
    panel('details', 'Details', details(connection)),
    panel('channels', `Channels (${number(channels.length)})`, channelsOfConnection(channels),
      channelLegend(channels)),
  ];
}

export const connectionPage = { section: 'connections', title: ({ names }) => names[1], load, draw };
