/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_DEDUPLICATION_H
#define LEVERET_BROKER_DEDUPLICATION_H

#include "broker/vhost_internal.h"

/* The values of x-deduplication-header that went through an exchange of type
 * x-message-deduplication. */
struct deduplication;

/* lane: the exchange's number in the store, 0 where its keys are not stored. */
struct deduplication *deduplication_new(struct vhost *vhost, struct bytes arguments, uint64_t lane);
void deduplication_free(struct deduplication *deduplication);

/* Do the arguments ask for keys that outlive a restart? */
bool deduplication_is_persistent(struct bytes arguments);

/* May the message pass? It may where it has no such header, or a value that is not known; which is
 * known from then on. */
bool deduplication_pass(struct deduplication *deduplication, const struct message *message);
/* Has it a value that is known? */
bool deduplication_knows(struct deduplication *deduplication, const struct message *message);

/* The size and the time to live are these from now on (of a policy); 0: the arguments' own. */
void deduplication_resize(struct deduplication *deduplication, uint64_t size_max, uint64_t ttl_ms);

/* A key that the store held when the vhost was opened, in the order of their positions. */
void deduplication_restore(struct deduplication *deduplication,
                           const struct store_operation *operation);
void deduplication_restore_end(struct deduplication *deduplication,
                               const struct store_delay_state *state);

/* The bytes under which the message's value is known, appended to an empty buffer: equal for equal
 * values. false where it has none. */
bool deduplication_key(const struct message *message, struct buffer *key);

#endif
