/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BENCH_CORE_DRIVER_H
#define LEVERET_BENCH_CORE_DRIVER_H

#include <stdint.h>

#include "broker/vhost.h"
#include "queue/message_cache.h"

/* A vhost with one session and its channel 1, driven as the runtime does it, without threads. */
struct driver {
    struct access *access;
    struct vhost *vhost;
    struct session *session;
    struct command_batch *batch; /* what the next turn applies */
    struct effect_chain effects; /* of the last turn */
    struct store_batch *stored;  /* on its way to the disk, or NULL */
    struct message_cache messages;
};

void driver_init(struct driver *driver);
void driver_fini(struct driver *driver);

/* --- commands of the next turn */

struct command *driver_command(struct driver *driver, enum command_kind kind);
/* properties: see amqp/properties.h. */
void driver_publish(struct driver *driver, const char *exchange, const char *key,
                    struct bytes properties);
/* round_messages times the same. */
void driver_publish_round(struct driver *driver, const char *exchange, const char *key,
                          struct bytes properties);
void driver_ack(struct driver *driver, uint64_t tag);
void driver_method(struct driver *driver, const struct amqp_method *method);

/* The two that are measured: the runtime applies a batch and takes what came of it; the store says
 * that what it was given is on disk. */
void measured_turn(struct driver *driver);
void measured_commit(struct driver *driver);

/* Frees what the last turn has made; how many effects of that kind there were. */
size_t driver_collect(struct driver *driver, enum effect_kind kind);
/* A turn and a commit that are not measured, and their effects forgotten. */
void driver_turn(struct driver *driver);

/* --- methods, at once */

void driver_exchange(struct driver *driver, const char *name, const char *type);
void driver_queue(struct driver *driver, const char *name, bool is_durable);
void driver_bind(struct driver *driver, const char *queue, const char *exchange, const char *key,
                 struct bytes arguments);
void driver_consume(struct driver *driver, const char *queue, bool no_ack);
/* The queue's only consumer. */
void driver_cancel(struct driver *driver, const char *queue);
void driver_purge(struct driver *driver, const char *queue);

#endif
