/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_WORKER_POOL_H
#define LEVERET_RUNTIME_WORKER_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

/*
 * Threads for work that blocks: questions to servers about users. They are started as work comes,
 * up to a number, and stay.
 */
struct worker_pool;

/* For whom it is done. */
enum work_rank {
    WORK_FOR_USERS,     /* who has logged in: served first */
    WORK_FOR_STRANGERS, /* who has not: some threads and some places to wait are not for them */
};

/* One piece of it, a part of what it needs. */
struct work {
    struct list_node node; /* linked while it waits */
    enum work_rank rank;
    void (*run)(struct work *work); /* called by one of the pool's threads */
};

struct worker_pool_limits {
    const char *thread_name; /* what the system shows them by, of at most 15 bytes */
    size_t threads_max;
    size_t stranger_threads_max; /* of them */
    size_t strangers_max;        /* that wait */
};

struct worker_pool *worker_pool_new(const struct worker_pool_limits *limits);
/* Starts nothing any more and returns when what runs has returned, whose system calls are
 * interrupted (EINTR) for as long as that takes; it must have been told before that it is to end.
 * What waited can still be cancelled. */
void worker_pool_end(struct worker_pool *pool);
/* It has been ended, and nothing waits. */
void worker_pool_free(struct worker_pool *pool); /* NULL is allowed */

/* Any thread. false, and not taken, where too many strangers wait or the pool has been ended. */
bool worker_pool_submit(struct worker_pool *pool, struct work *work);
/* Any thread, for work that was submitted and, as far as the caller knows, has not returned. True
 * where it had not begun, and will not. */
bool worker_pool_cancel(struct worker_pool *pool, struct work *work);

#endif
