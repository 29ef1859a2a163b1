/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_STORE_POOL_H
#define LEVERET_RUNTIME_STORE_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/store_batch.h"

/* The threads that talk to the stores. Work for one store's writer is given one piece at a time
 * (the gate sees to that); reads and checkpoints run beside it. */
struct gate;
struct store_pool;

/* Called when a store has failed: says why, and does not return. */
typedef void store_pool_failure(const char *vhost, const char *reason);

struct message_pool;

/* messages is borrowed: what the threads make and free of them passes through it; NULL: it does
 * not.
 */
struct store_pool *store_pool_new(size_t thread_count, struct message_pool *messages,
                                  store_pool_failure *on_failure);
/* Waits for the work that was given; no more comes. */
void store_pool_free(struct store_pool *pool);

/* The batch passes; gate_committed says when it is on disk. */
void store_pool_commit(struct store_pool *pool, struct gate *gate, struct store_batch *batch);
/* The gate's writer does nothing for a moment (gate_pause, where nobody else needs the thread). */
void store_pool_pause(struct store_pool *pool, struct gate *gate);
void store_pool_maintain(struct store_pool *pool, struct gate *gate);
/* Requests that are answered together; the array passes. */
void store_pool_read(struct store_pool *pool, struct gate *gate, struct store_read *reads,
                     size_t count);

#endif
