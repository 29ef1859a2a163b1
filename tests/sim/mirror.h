/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_TESTS_SIM_MIRROR_H
#define LEVERET_TESTS_SIM_MIRROR_H

#include "oracle.h"
#include "sim_random.h"

/*
 * A second vhost that gets the same inputs as the first and serves several reactors, whose effects
 * are taken at any time, one reactor now, another later. What every connection gets, and what the
 * store gets, must be the same. See mirror.c.
 */
struct mirror;

struct mirror *mirror_new(struct oracle *oracle, size_t reactor_count);
void mirror_free(struct mirror *mirror);

/* A life begins, over what the first vhost found, and ends. */
void mirror_open(struct mirror *mirror, const struct vhost_config *config,
                 const struct access *access, const struct store_opened *opened);
void mirror_close(struct mirror *mirror);

/* The inputs, before the first vhost consumes them. */
void mirror_apply(struct mirror *mirror, const struct command_batch *batch, uint64_t now_ms);
void mirror_complete(struct mirror *mirror, uint64_t number, uint64_t now_ms);
void mirror_read_done(struct mirror *mirror, const struct store_read_result *result,
                      uint64_t now_ms);
/* The set passes. */
void mirror_set_policies(struct mirror *mirror, struct policies *policies);
void mirror_set_alarms(struct mirror *mirror, unsigned alarms, uint64_t now_ms);
void mirror_stop(struct mirror *mirror, struct amqp_error *reason, uint64_t now_ms);

/* The first vhost gave this batch to the store. */
void mirror_submitted(struct mirror *mirror, const struct store_batch *batch);
/* The first vhost made this effect. */
void mirror_expect(struct mirror *mirror, const struct effect *effect);
/* Some reactors look into their mailboxes. */
void mirror_take_some(struct mirror *mirror, struct sim_random *random);
/* All do, and every connection has got the same. */
void mirror_compare(struct mirror *mirror);

#endif
