// SPDX-License-Identifier: Apache-2.0
//
// The arguments and keys that RabbitMQ knows, to be suggested in forms: of each the type of its value, what it does,
// and which values there are, where they are few.

import { isLeveret } from './session.js';

const OVERFLOW = ['drop-head', 'reject-publish', 'reject-publish-dlx'];
const STRATEGIES = ['at-most-once', 'at-least-once'];

// What queues take as an argument, with "x-" before it, and by a policy.
const OF_BOTH = {
  'message-ttl': { type: 'number', hint: 'Milliseconds after which a message expires.' },
  'expires': { type: 'number', hint: 'Milliseconds after which the queue is deleted when nobody uses it.' },
  'max-length': { type: 'number', hint: 'So many messages wait at most.' },
  'max-length-bytes': { type: 'number', hint: 'So many bytes of messages wait at most.' },
  'overflow': { type: 'string', hint: 'What happens beyond these limits.', values: OVERFLOW },
  'dead-letter-exchange': { type: 'string', hint: 'Where messages go that expire, are rejected or overflow.' },
  'dead-letter-routing-key': { type: 'string', hint: 'Their routing key there; else they keep their own.' },
  'dead-letter-strategy': { type: 'string', hint: 'How safely a quorum queue hands them over.', values: STRATEGIES },
  'delivery-limit': { type: 'number', hint: 'So often a quorum queue delivers a message before it is a dead letter.' },
  'consumer-timeout': { type: 'number', hint: 'Milliseconds in which a consumer has to acknowledge.' },
};

const OF_STREAMS = {
  'max-age': { type: 'string', hint: 'How long a stream keeps messages: 7D, 12h.' },
  'stream-max-segment-size-bytes': { type: 'number', hint: 'How large a file of a stream becomes.' },
};

function withPrefix(known) {
  return Object.fromEntries(Object.entries(known).map(([name, what]) => [`x-${name}`, what]));
}

const OF_QUEUES = {
  ...withPrefix(OF_BOTH),
  'x-max-priority': { type: 'number', hint: 'Priorities of messages, from 0 to this; up to 10 is usual.' },
  'x-single-active-consumer': { type: 'boolean', hint: 'One consumer gets messages, the next one when it is gone.',
    values: ['true'] },
  'x-message-deduplication': { type: 'boolean', hint: 'Of messages with the same x-deduplication-header one is kept.',
    values: ['true'] },
};

export function queueArguments() {
  return isLeveret() ? OF_QUEUES : { ...OF_QUEUES, ...withPrefix(OF_STREAMS) };
}

export const EXCHANGE_ARGUMENTS = {
  'alternate-exchange': { type: 'string', hint: 'Where messages go that no binding takes.' },
  'x-delayed-type': { type: 'string', hint: 'x-delayed-message: how it routes when the time has come.',
    values: ['direct', 'fanout', 'headers', 'topic'] },
  'hash-header': { type: 'string', hint: 'x-consistent-hash: the header that is hashed, not the routing key.' },
  'hash-property': { type: 'string', hint: 'x-consistent-hash: the property that is hashed.',
    values: ['correlation_id', 'message_id', 'timestamp'] },
  'x-recent-history-length': { type: 'number', hint: 'x-recent-history: so many messages a new binding gets.' },
  'x-cache-size': { type: 'number', hint: 'x-message-deduplication: so many values are remembered.' },
  'x-cache-ttl': { type: 'number', hint: 'x-message-deduplication: for so many milliseconds.' },
};

export const BINDING_ARGUMENTS = {
  'x-match': { type: 'string', hint: 'headers: whether all of the other arguments have to match, or any.',
    values: ['all', 'any', 'all-with-x', 'any-with-x'] },
};

const OF_EXCHANGES = { 'alternate-exchange': EXCHANGE_ARGUMENTS['alternate-exchange'] };

export function policyKeys() {
  return { ...OF_BOTH, ...OF_EXCHANGES, ...(isLeveret() ? {} : OF_STREAMS) };
}

const LIMITS_OF_OPERATORS = ['message-ttl', 'expires', 'max-length', 'max-length-bytes', 'delivery-limit'];

export const OPERATOR_KEYS = Object.fromEntries(LIMITS_OF_OPERATORS.map((name) => [name, OF_BOTH[name]]));

export const PROPERTIES = {
  content_type: { type: 'string', hint: 'What the payload is.', values: ['application/json', 'text/plain'] },
  content_encoding: { type: 'string', hint: 'How it is packed, such as gzip.' },
  priority: { type: 'number', hint: 'For queues with priorities.' },
  correlation_id: { type: 'string', hint: 'Which question an answer belongs to.' },
  reply_to: { type: 'string', hint: 'The queue for the answer.' },
  expiration: { type: 'string', hint: 'Milliseconds after which this message expires, as text.' },
  message_id: { type: 'string', hint: 'A name of this message.' },
  timestamp: { type: 'number', hint: 'Seconds since 1970.' },
  type: { type: 'string', hint: 'Which kind of message it is, for applications.' },
  user_id: { type: 'string', hint: 'Who publishes: your own name, or it is refused.' },
  app_id: { type: 'string', hint: 'Which application publishes.' },
};
