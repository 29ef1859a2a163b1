/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_WORKER_POOL_H
#define LEVERET_RUNTIME_WORKER_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/mailbox.h"

/*
 * Threads for work that blocks: questions to servers about users. They are started as work comes,
 * up to a number, and stay.
 */
struct worker_pool;

struct worker_pool *worker_pool_new(size_t threads_max);
/* What was submitted is run before this returns; nothing is taken any more. */
void worker_pool_end(struct worker_pool *pool);
/* It has been ended. */
void worker_pool_free(struct worker_pool *pool); /* NULL is allowed */

/* Any thread. The task's run is called by one of the pool's. false, and not taken, once the pool
 * has been ended. */
bool worker_pool_submit(struct worker_pool *pool, struct task *task);

#endif
