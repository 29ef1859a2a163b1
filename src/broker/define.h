/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_DEFINE_H
#define LEVERET_BROKER_DEFINE_H

#include "broker/vhost.h"

/*
 * Exchanges, queues and bindings as definitions.json has them: made without a session and without a
 * look at permissions. What is there already stays as it is. Everything is borrowed; arguments are
 * valid field tables. Each returns false with an error where the definition is wrong.
 */

/* Whose doing it is, until this is called again; borrowed. NULL: nobody's but the broker's. */
void vhost_act_for(struct vhost *vhost, const char *user);

bool vhost_define_exchange(struct vhost *vhost, const struct exchange_status *exchange,
                           struct amqp_error *error) __attribute__((warn_unused_result));

struct queue_definition {
    struct bytes name;
    struct bytes arguments;
    const char *type; /* "quorum"; NULL: what the arguments or the vhost say */
    bool is_durable, is_auto_delete;
};
bool vhost_define_queue(struct vhost *vhost, const struct queue_definition *queue,
                        struct amqp_error *error) __attribute__((warn_unused_result));

bool vhost_define_binding(struct vhost *vhost, const struct binding_status *binding,
                          struct amqp_error *error) __attribute__((warn_unused_result));

/* The number of the batch with which everything so far is on disk, and whether it is there. */
uint64_t vhost_latest_batch(const struct vhost *vhost);
bool vhost_is_stored(const struct vhost *vhost, uint64_t batch);
/* Operations that wait for the batch before them to be stored. */
size_t vhost_unstored_count(const struct vhost *vhost);

#endif
