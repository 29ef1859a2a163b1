/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_RECENT_HISTORY_H
#define LEVERET_BROKER_RECENT_HISTORY_H

#include "broker/vhost_internal.h"

/* The last messages that went through an exchange of type x-recent-history, for those that are
 * bound to it later. */
struct recent_history;

/* lane: the exchange's number in the store, 0 where its history is not stored. */
struct recent_history *recent_history_new(struct vhost *vhost, const struct exchange *exchange,
                                          uint64_t lane);
void recent_history_free(struct recent_history *history);

/* Keeps the message, unless its headers say otherwise. */
void recent_history_add(struct recent_history *history, struct message *message);

/* A new binding: what is kept goes to its destination. */
void recent_history_replay(struct recent_history *history, const struct binding *binding);

/* What the store knows of the history when the vhost is opened, and the answers to reads. */
void recent_history_restore(struct recent_history *history, const struct store_delay_state *state);
void recent_history_read_done(struct recent_history *history, struct store_read_result *result);

#endif
