/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The threads in which the stores block. Work waits in one list and is done by whoever is free: a
 * commit, a read, a slice of maintenance, a checkpoint. Results go into the gate of the vhost, and
 * the thread that brings them runs the gate if nobody else does.
 *
 * A full disk is not a failure: the batch is put aside and tried again until there is space, and
 * the gate is told, so that publishers stop while consumers go on; the thread goes on with other
 * work, such as the reads that these consumers need. Only a vhost that is being closed cannot wait
 * for ever: it gives the batch up, and with it every later one, which may build on it. Nothing of
 * them was confirmed. Every other failure ends the process: what the disk holds is then unknown,
 * and only a start that reads it again can tell.
 */
#include "runtime/store_pool.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "queue/message_cache.h"
#include "runtime/clock.h"
#include "runtime/gate.h"
#include "runtime/log.h"
#include "runtime/scheduling.h"
#include "store/store.h"

enum { full_retry_ms = 200, full_tries_before_giving_up = 5 };

enum work_kind { WORK_COMMIT, WORK_PAUSE, WORK_MAINTAIN, WORK_READ, WORK_CHECKPOINT };

struct work {
    struct work *next;
    enum work_kind kind;
    struct gate *gate;
    struct store_batch *batch; /* commit; owned */
    struct store_read *reads;  /* read; owned, */
    size_t read_count;         /* so many */
    unsigned full_count;       /* commit: how often the disk was full */
    uint64_t due_ms;           /* when to try again */
};

struct store_pool {
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    struct work *first, *last;
    struct work *first_delayed, *last_delayed; /* in the order in which they are due */
    bool is_stopping;
    size_t thread_count;
    pthread_t *threads;            /* owned */
    struct message_pool *messages; /* borrowed; NULL: malloc's alone */
    store_pool_failure *on_failure;
};

static void append(struct work **first, struct work **last, struct work *work)
{
    work->next = NULL;
    if (*last != NULL)
        (*last)->next = work;
    else
        *first = work;
    *last = work;
}

static struct work *take_first(struct work **first, struct work **last)
{
    struct work *work = *first;
    if (work != NULL)
        *first = work->next;
    if (*first == NULL)
        *last = NULL;
    return work;
}

static void give(struct store_pool *pool, struct work work)
{
    struct work *copy = xmemdup(&work, sizeof work);
    pthread_mutex_lock(&pool->mutex);
    append(&pool->first, &pool->last, copy);
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_signal(&pool->has_work); /* who wakes up finds the mutex free */
}

static void give_later(struct store_pool *pool, struct work work)
{
    struct work *copy = xmemdup(&work, sizeof work);
    copy->due_ms = clock_steady_ms() + full_retry_ms;
    pthread_mutex_lock(&pool->mutex);
    append(&pool->first_delayed, &pool->last_delayed, copy);
    pthread_cond_signal(&pool->has_work);
    pthread_mutex_unlock(&pool->mutex);
}

void store_pool_commit(struct store_pool *pool, struct gate *gate, struct store_batch *batch)
{
    give(pool, (struct work){.kind = WORK_COMMIT, .gate = gate, .batch = batch});
}

void store_pool_pause(struct store_pool *pool, struct gate *gate)
{
    give(pool, (struct work){.kind = WORK_PAUSE, .gate = gate});
}

void store_pool_maintain(struct store_pool *pool, struct gate *gate)
{
    give(pool, (struct work){.kind = WORK_MAINTAIN, .gate = gate});
}

void store_pool_read(struct store_pool *pool, struct gate *gate, struct store_read *reads,
                     size_t count)
{
    give(pool, (struct work){.kind = WORK_READ, .gate = gate, .reads = reads, .read_count = count});
}

static void fail(struct store_pool *pool, struct gate *gate)
{
    pool->on_failure(gate_name(gate), store_error(gate_store(gate)));
}

static void start_checkpoint(struct store_pool *pool, struct gate *gate)
{
    if (gate_begin_checkpoint(gate))
        give(pool, (struct work){.kind = WORK_CHECKPOINT, .gate = gate});
}

/* true where the batch is to be tried again. */
static bool wait_for_space(struct store_pool *pool, const struct work *work)
{
    struct work again = *work;
    again.full_count++;
    if (work->full_count == 0)
        gate_set_disk_full(work->gate, true);
    if (again.full_count >= full_tries_before_giving_up && gate_is_draining(work->gate)) {
        log_error("vhost '%s': the disk is full, what was not confirmed is not kept",
                  gate_name(work->gate));
        gate_give_up(work->gate);
        return false;
    }
    give_later(pool, again);
    return true;
}

static void commit(struct store_pool *pool, const struct work *work)
{
    struct gate *gate = work->gate;
    struct store *store = gate_store(gate);
    enum store_result result =
        gate_has_given_up(gate) ? STORE_OK : store_commit(store, work->batch);
    if (result == STORE_FAILED)
        fail(pool, gate);
    if (result == STORE_FULL && wait_for_space(pool, work))
        return;
    uint64_t number = work->batch->number;
    bool wants_checkpoint = store_wants_checkpoint(store);
    store_batch_free(work->batch);
    if (wants_checkpoint)
        start_checkpoint(pool, gate);
    gate_committed(gate, number, store_is_short_of_space(store));
}

static void maintain(struct store_pool *pool, struct gate *gate)
{
    bool has_more = false;
    enum store_result result = store_maintain(gate_store(gate), true, &has_more);
    if (result == STORE_FAILED)
        fail(pool, gate);
    if (store_wants_checkpoint(gate_store(gate)))
        start_checkpoint(pool, gate);
    bool is_short = store_is_short_of_space(gate_store(gate));
    gate_set_disk_full(gate, is_short);
    gate_maintained(gate, has_more && result == STORE_OK, is_short);
}

static bool has_work(struct store_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    bool has_any = pool->first != NULL;
    pthread_mutex_unlock(&pool->mutex);
    return has_any;
}

/* No thread sleeps while others wait for one: it took a moment to come to this one, too. */
static void wait_a_moment(struct store_pool *pool, struct gate *gate)
{
    if (!has_work(pool))
        gate_pause(gate);
    gate_paused(gate);
}

static void read_rows(struct store_pool *pool, const struct work *work)
{
    struct store_read_result **results =
        xcalloc(work->read_count, sizeof(struct store_read_result *));
    if (!store_read_together(gate_store(work->gate), work->reads, work->read_count, results))
        fail(pool, work->gate);
    gate_reads_done(work->gate, results, work->read_count);
    free(results);
    free(work->reads);
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
        commit(pool, work);
        break;
    case WORK_PAUSE:
        wait_a_moment(pool, work->gate);
        break;
    case WORK_MAINTAIN:
        maintain(pool, work->gate);
        break;
    case WORK_READ:
        read_rows(pool, work);
        break;
    case WORK_CHECKPOINT:
        checkpoint(pool, work->gate);
        break;
    }
    free(work);
}

static void wait_locked(struct store_pool *pool)
{
    if (pool->first_delayed == NULL) {
        pthread_cond_wait(&pool->has_work, &pool->mutex);
        return;
    }
    uint64_t due_ms = pool->first_delayed->due_ms;
    struct timespec due = {.tv_sec = (time_t)(due_ms / 1000),
                           .tv_nsec = (long)(due_ms % 1000) * 1000000};
    pthread_cond_timedwait(&pool->has_work, &pool->mutex, &due);
}

static struct work *take_locked(struct store_pool *pool)
{
    if (pool->first_delayed != NULL && pool->first_delayed->due_ms <= clock_steady_ms())
        return take_first(&pool->first_delayed, &pool->last_delayed);
    return take_first(&pool->first, &pool->last);
}

/* The next piece of work, or NULL when the pool stops and nothing is left. */
static struct work *take(struct store_pool *pool)
{
    struct work *work;
    pthread_mutex_lock(&pool->mutex);
    while ((work = take_locked(pool)) == NULL &&
           !(pool->is_stopping && pool->first_delayed == NULL))
        wait_locked(pool);
    pthread_mutex_unlock(&pool->mutex);
    return work;
}

static void *run(void *context)
{
    struct store_pool *pool = context;
    struct message_cache cache = {.pool = pool->messages, .bytes_max = message_cache_bytes_one_way};
    struct work *work;
    prctl(PR_SET_NAME, "store");
    scheduling_prefer_latency();
    if (pool->messages != NULL)
        message_cache_use(&cache);
    while ((work = take(pool)) != NULL)
        do_work(pool, work);
    message_cache_use(NULL);
    message_cache_fini(&cache);
    return NULL;
}

struct store_pool *store_pool_new(size_t thread_count, struct message_pool *messages,
                                  store_pool_failure *on_failure)
{
    struct store_pool *pool = xcalloc(1, sizeof *pool);
    pool->thread_count = thread_count;
    pool->messages = messages;
    pool->on_failure = on_failure;
    pool->threads = xcalloc(thread_count, sizeof *pool->threads);
    CHECK(pthread_mutex_init(&pool->mutex, NULL) == 0);
    clock_init_condition(&pool->has_work);
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
