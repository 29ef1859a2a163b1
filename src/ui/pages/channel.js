// SPDX-License-Identifier: Apache-2.0
//
// One channel: its rates, its consumers, and what is under way on it.

import { api, path, query } from '../api.js';
import { consumerTable } from '../consumers.js';
import { moment, number } from '../format.js';
import { facts, heading, panel, rangeChoice, rateChart, state } from '../parts.js';
import { link } from '../router.js';
import { ages, MESSAGE_RATES, rangeOf, rateLines } from '../samples.js';
import { connectionLink } from './connections.js';

async function load({ names: [, name], search, signal }) {
  return api.get(`channels/${path(name)}${query(ages(rangeOf(search)))}`, { signal });
}

function details(channel) {
  return facts([
    ['State', state(channel.state)],
    ['Connection', channel.connection_details?.name && connectionLink(channel.connection_details.name)],
    ['User', channel.user], ['Virtual host', channel.vhost], ['Number', channel.number],
    ['Mode', channel.confirm ? 'publisher confirms' : channel.transactional ? 'transactions' : 'plain'],
    ['Prefetch of each consumer', number(channel.prefetch_count)],
    ['Prefetch of the channel', number(channel.global_prefetch_count)],
    ['Unacked', number(channel.messages_unacknowledged)], ['Unconfirmed', number(channel.messages_unconfirmed)],
    ['Published in a transaction', channel.transactional && number(channel.messages_uncommitted)],
    ['Acked in a transaction', channel.transactional && number(channel.acks_uncommitted)],
    ['Idle since', channel.idle_since && moment(channel.idle_since)], ['Node', channel.node],
  ]);
}

function draw(channel, { search }) {
  const consumers = channel.consumer_details ?? [];
  return [
    heading({ title: channel.name, above: { href: link('channels'), label: 'Channels' }, kind: channel.vhost }),
    rangeChoice(search),
    panel('rates', 'Rates', rateChart('rates', 'Messages per second',
      rateLines(channel.message_stats ?? {}, MESSAGE_RATES))),
    panel('details', 'Details', details(channel)),
    panel('consumers', `Consumers (${number(consumers.length)})`, consumerTable(consumers, { withChannel: false })),
  ];
}

export const channelPage = { section: 'channels', title: ({ names }) => names[1], load, draw };
