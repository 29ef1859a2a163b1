/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_KEEPING_H
#define LEVERET_BROKER_KEEPING_H

#include "broker/vhost_internal.h"

/* What some types of exchange keep of the messages that pass: delays, a history, known values. */

/* Gives a new exchange what its type keeps, once its flags are set: under a number of the store
 * where that is to outlive a restart (exchange->lane then is not 0). */
void exchange_keep(struct vhost *vhost, struct exchange *exchange);
/* Likewise for an exchange that the store gave back under this number. */
void exchange_keep_restored(struct vhost *vhost, struct exchange *exchange, uint64_t lane);
void exchange_keep_nothing(struct vhost *vhost, struct exchange *exchange);

/* What the store kept under the numbers of exchanges, after these are there. */
void exchange_restore_kept(struct vhost *vhost, const struct store_opened *opened);
void exchange_read_done(struct vhost *vhost, struct store_read_result *result);

/* A message is about to be routed by an exchange that keeps something. */
enum passage {
    PASSAGE_ROUTE,
    PASSAGE_WAIT, /* it is kept, and will be routed later */
    PASSAGE_DROP, /* it goes nowhere from here */
};
enum passage exchange_pass(struct vhost *vhost, struct exchange *exchange, struct message *message);
/* What exchange_pass would say now. */
enum passage exchange_foresee(struct vhost *vhost, struct exchange *exchange,
                              const struct message *message);

/* A binding was made, by a client or from definitions. */
void exchange_bound(const struct binding *binding);

void exchange_check_kept(const struct exchange *exchange);

#endif
