// SPDX-License-Identifier: Apache-2.0
//
// The arguments and keys that RabbitMQ knows, each with the type of its value, to be suggested in forms.

export const QUEUE_ARGUMENTS = {
  'x-message-ttl': 'number',
  'x-expires': 'number',
  'x-max-length': 'number',
  'x-max-length-bytes': 'number',
  'x-overflow': 'string',
  'x-dead-letter-exchange': 'string',
  'x-dead-letter-routing-key': 'string',
  'x-dead-letter-strategy': 'string',
  'x-max-priority': 'number',
  'x-single-active-consumer': 'boolean',
  'x-delivery-limit': 'number',
  'x-consumer-timeout': 'number',
  'x-queue-mode': 'string',
  'x-queue-version': 'number',
  'x-queue-leader-locator': 'string',
  'x-max-age': 'string',
  'x-stream-max-segment-size-bytes': 'number',
  'x-message-deduplication': 'boolean',
};

export const EXCHANGE_ARGUMENTS = {
  'alternate-exchange': 'string',
  'x-delayed-type': 'string',
  'hash-header': 'string',
  'hash-property': 'string',
  'x-cache-size': 'number',
  'x-cache-ttl': 'number',
};

export const BINDING_ARGUMENTS = { 'x-match': 'string' };

export const POLICY_KEYS = {
  'message-ttl': 'number',
  'expires': 'number',
  'max-length': 'number',
  'max-length-bytes': 'number',
  'overflow': 'string',
  'dead-letter-exchange': 'string',
  'dead-letter-routing-key': 'string',
  'dead-letter-strategy': 'string',
  'delivery-limit': 'number',
  'consumer-timeout': 'number',
  'alternate-exchange': 'string',
  'max-age': 'string',
  'queue-mode': 'string',
  'queue-version': 'number',
  'stream-max-segment-size-bytes': 'number',
};

export const PROPERTIES = {
  content_type: 'string',
  content_encoding: 'string',
  priority: 'number',
  correlation_id: 'string',
  reply_to: 'string',
  expiration: 'string',
  message_id: 'string',
  timestamp: 'number',
  type: 'string',
  user_id: 'string',
  app_id: 'string',
  cluster_id: 'string',
};
