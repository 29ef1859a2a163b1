/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_DELAYED_H
#define LEVERET_BROKER_DELAYED_H

#include "broker/vhost_internal.h"

/* The messages that wait in an exchange of type x-delayed-message until they are due. */
struct delays;

/* lane: the exchange's number in the store, 0 where its delays are not stored. */
struct delays *delays_new(struct vhost *vhost, struct exchange *exchange, uint64_t lane);
void delays_free(struct delays *delays);

/* Has the message a header x-delay of 1 to 2^32 - 1 ms? Then a copy of it is kept, with the header
 * negated, and routed when it is due; false where the message is to be routed now. */
bool delays_take(struct delays *delays, const struct message *message);
/* Would it be kept? */
bool delays_want(const struct message *message);

/* What the store knows of the delays when the vhost is opened. */
void delays_restore(struct delays *delays, const struct store_delay_state *state);

/* The answer to a read of delays; messages that are wanted are taken out of it. */
void delays_read_done(struct delays *delays, struct store_read_result *result);

/* Messages that wait. */
uint64_t delays_count(const struct delays *delays);

/* Recounts what can be counted and aborts where it differs. For tests. */
void delays_check(const struct delays *delays);

#endif
