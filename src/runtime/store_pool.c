/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads in which the stores block. Work waits in one list and is done by whoever is free: a
 * commit, a read, a slice of maintenance, a checkpoint. Results go into the gate of the vhost, and
 * the thread that brings them runs the gate if nobody else does.
 *
 * A full disk is not a failure: the batch is tried again until there is space, and the gate is
 * told, so that publishers stop while consumers go on. Every other failure ends the process: what
 * the disk holds is then unknown, and only a start that reads it again can tell.
 */
#include "runtime/store_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "runtime/gate.h"
#include "store/store.h"

enum { full_retry_ms = 200 };

enum work_kind { WORK_COMMIT, WORK_MAINTAIN, WORK_READ, WORK_CHECKPOINT };

struct work {
    struct work *next;
    enum work_kind kind;
    struct gate *gate;
    struct store_batch *batch; /* commit; owned */
    struct store_read read;    /* read */
};

struct store_pool {
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    struct work *first, *last;
    bool is_stopping;
    size_t thread_count;
    pthread_t *threads; /* owned */
    store_pool_failure *on_failure;
};

static void give(struct store_pool *pool, struct work work)
{
    struct work *copy = xmemdup(&work, sizeof work);
    pthread_mutex_lock(&pool->mutex);
    if (pool->last != NULL)
        pool->last->next = copy;
    else
        pool->first = copy;
    pool->last = copy;
    pthread_cond_signal(&pool->has_work);
    pthread_mutex_unlock(&pool->mutex);
}

void store_pool_commit(struct store_pool *pool, struct gate *gate, struct store_batch *batch)
{
    give(pool, (struct work){.kind = WORK_COMMIT, .gate = gate, .batch = batch});
}

void store_pool_maintain(struct store_pool *pool, struct gate *gate)
{
    give(pool, (struct work){.kind = WORK_MAINTAIN, .gate = gate});
}

void store_pool_read(struct store_pool *pool, struct gate *gate, const struct store_read *read)
{
    give(pool, (struct work){.kind = WORK_READ, .gate = gate, .read = *read});
}

static void fail(struct store_pool *pool, struct gate *gate)
{
    pool->on_failure(gate_name(gate), store_error(gate_store(gate)));
}

static void wait_for_space(void)
{
    struct timespec pause = {.tv_nsec = full_retry_ms * 1000000};
    nanosleep(&pause, NULL);
}

static void start_checkpoint(struct store_pool *pool, struct gate *gate)
{
    if (gate_begin_checkpoint(gate))
        give(pool, (struct work){.kind = WORK_CHECKPOINT, .gate = gate});
}

static void commit(struct store_pool *pool, struct gate *gate, struct store_batch *batch)
{
    struct store *store = gate_store(gate);
    bool was_full = false;
    enum store_result result;
    while ((result = store_commit(store, batch)) == STORE_FULL) {
        if (!was_full)
            gate_set_disk_full(gate, true);
        was_full = true;
        wait_for_space();
    }
    if (result == STORE_FAILED)
        fail(pool, gate);
    if (was_full)
        gate_set_disk_full(gate, false);
    uint64_t number = batch->number;
    bool wants_checkpoint = store_wants_checkpoint(store);
    store_batch_free(batch);
    if (wants_checkpoint)
        start_checkpoint(pool, gate);
    gate_committed(gate, number, true);
}

static void maintain(struct store_pool *pool, struct gate *gate)
{
    bool has_more = false;
    enum store_result result = store_maintain(gate_store(gate), true, &has_more);
    if (result == STORE_FAILED)
        fail(pool, gate);
    if (store_wants_checkpoint(gate_store(gate)))
        start_checkpoint(pool, gate);
    gate_committed(gate, 0, has_more && result == STORE_OK);
}

static void read_rows(struct store_pool *pool, struct gate *gate, const struct store_read *read)
{
    struct store_read_result *result = store_read(gate_store(gate), read);
    if (result == NULL)
        fail(pool, gate);
    gate_read_done(gate, result);
}

static void checkpoint(struct store_pool *pool, struct gate *gate)
{
    if (store_checkpoint(gate_store(gate)) == STORE_FAILED)
        fail(pool, gate);
    gate_end_checkpoint(gate);
}

static void do_work(struct store_pool *pool, struct work *work)
{
    switch (work->kind) {
    case WORK_COMMIT:
        commit(pool, work->gate, work->batch);
        break;
    case WORK_MAINTAIN:
        maintain(pool, work->gate);
        break;
    case WORK_READ:
        read_rows(pool, work->gate, &work->read);
        break;
    case WORK_CHECKPOINT:
        checkpoint(pool, work->gate);
        break;
    }
    free(work);
}

/* The next piece of work, or NULL when the pool stops and nothing is left. */
static struct work *take(struct store_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    while (pool->first == NULL && !pool->is_stopping)
        pthread_cond_wait(&pool->has_work, &pool->mutex);
    struct work *work = pool->first;
    if (work != NULL)
        pool->first = work->next;
    if (pool->first == NULL)
        pool->last = NULL;
    pthread_mutex_unlock(&pool->mutex);
    return work;
}

static void *run(void *context)
{
    struct store_pool *pool = context;
    struct work *work;
    while ((work = take(pool)) != NULL)
        do_work(pool, work);
    return NULL;
}

struct store_pool *store_pool_new(size_t thread_count, store_pool_failure *on_failure)
{
    struct store_pool *pool = xcalloc(1, sizeof *pool);
    pool->thread_count = thread_count;
    pool->on_failure = on_failure;
    pool->threads = xcalloc(thread_count, sizeof *pool->threads);
    CHECK(pthread_mutex_init(&pool->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&pool->has_work, NULL) == 0);
    for (size_t i = 0; i < thread_count; i++)
        CHECK(pthread_create(&pool->threads[i], NULL, run, pool) == 0);
    return pool;
}

void store_pool_free(struct store_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->is_stopping = true;
    pthread_cond_broadcast(&pool->has_work);
    pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_mutex_destroy(&pool->mutex);
    pthread_cond_destroy(&pool->has_work);
    free(pool->threads);
    free(pool);
}
