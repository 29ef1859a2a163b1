/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lists and their threads. One more thread is started when work comes and none is idle: a
 * server that does not answer then holds as many as it can, and the others' work waits only when
 * all that are allowed are held. Each piece of work has a timeout of its own, so that this ends.
 *
 * Strangers come in any number and name the slowest of the servers: they get a part of the threads
 * only, whoever is in comes before them, and no more of them wait than can be served in time.
 *
 * At the end nobody waits for a server. The libraries that ask one sit in poll or connect, deep
 * down, where nothing but a signal reaches them; it is sent again and again, since one that comes
 * just before such a call is lost.
 */
#include "runtime/worker_pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "runtime/clock.h"

enum { rank_count = WORK_FOR_STRANGERS + 1, interrupt_ms = 10 };

struct worker_pool {
    struct worker_pool_limits limits;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t has_work, is_done;
    struct list waiting[rank_count];
    size_t waiting_count[rank_count];
    size_t idle_count;     /* threads */
    size_t stranger_count; /* threads that work for strangers */
    size_t thread_count, live_count;
    bool is_ending;
    pthread_t threads[];
};

/* --- what waits; the caller holds the mutex */

/* How much of it may be begun. */
static size_t ready_count_locked(const struct worker_pool *pool, enum work_rank rank)
{
    size_t waiting = pool->waiting_count[rank];
    size_t free_threads = pool->limits.stranger_threads_max - pool->stranger_count;
    return rank == WORK_FOR_STRANGERS && waiting > free_threads ? free_threads : waiting;
}

static void forget_locked(struct worker_pool *pool, struct work *work)
{
    list_remove(&work->node);
    pool->waiting_count[work->rank]--;
}

/* NULL where there is nothing to do for one more thread. */
static struct work *take_locked(struct worker_pool *pool)
{
    for (size_t rank = 0; rank < rank_count && !pool->is_ending; rank++) {
        if (ready_count_locked(pool, (enum work_rank)rank) == 0)
            continue;
        struct work *work = list_entry(list_front(&pool->waiting[rank]), struct work, node);
        forget_locked(pool, work);
        return work;
    }
    return NULL;
}

/* --- the threads */

/* The work may be gone when its run returns. */
static void run_locked(struct worker_pool *pool, struct work *work)
{
    bool is_strangers = work->rank == WORK_FOR_STRANGERS;
    pool->stranger_count += is_strangers;
    pthread_mutex_unlock(&pool->mutex);
    work->run(work);
    pthread_mutex_lock(&pool->mutex);
    pool->stranger_count -= is_strangers;
}

static void *serve(void *context)
{
    struct worker_pool *pool = context;
    prctl(PR_SET_NAME, pool->limits.thread_name);
    pthread_mutex_lock(&pool->mutex);
    while (!pool->is_ending) {
        struct work *work = take_locked(pool);
        if (work != NULL) {
            run_locked(pool, work);
            continue;
        }
        pool->idle_count++;
        pthread_cond_wait(&pool->has_work, &pool->mutex);
        pool->idle_count--;
    }
    pool->live_count--;
    pthread_cond_signal(&pool->is_done);
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

static void need_thread_locked(struct worker_pool *pool)
{
    size_t ready_count =
        ready_count_locked(pool, WORK_FOR_USERS) + ready_count_locked(pool, WORK_FOR_STRANGERS);
    if (ready_count <= pool->idle_count || pool->thread_count == pool->limits.threads_max)
        return;
    /* Where the system has no more threads to give, those that are there do the work. */
    bool is_started = pthread_create(&pool->threads[pool->thread_count], NULL, serve, pool) == 0;
    CHECK(is_started || pool->thread_count > 0);
    pool->thread_count += is_started;
    pool->live_count += is_started;
}

/* --- the pool */

static void on_interrupt(int number)
{
    (void)number;
}

struct worker_pool *worker_pool_new(const struct worker_pool_limits *limits)
{
    struct sigaction action = {.sa_handler = on_interrupt}; /* without SA_RESTART */
    struct worker_pool *pool =
        xcalloc(1, sizeof *pool + limits->threads_max * sizeof pool->threads[0]);
    CHECK(limits->stranger_threads_max > 0 && limits->threads_max >= limits->stranger_threads_max);
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    CHECK(pthread_mutex_init(&pool->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&pool->has_work, NULL) == 0);
    clock_init_condition(&pool->is_done);
    for (size_t rank = 0; rank < rank_count; rank++)
        list_init(&pool->waiting[rank]);
    pool->limits = *limits;
    return pool;
}

static void wait_for_end_locked(struct worker_pool *pool)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += interrupt_ms * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&pool->is_done, &pool->mutex, &until);
}

void worker_pool_end(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->is_ending = true;
    pthread_cond_broadcast(&pool->has_work);
    while (pool->live_count > 0) {
        for (size_t i = 0; i < pool->thread_count; i++)
            pthread_kill(pool->threads[i], SIGUSR2);
        wait_for_end_locked(pool);
    }
    pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
}

void worker_pool_free(struct worker_pool *pool)
{
    if (pool == NULL)
        return;
    CHECK(pool->is_ending);
    for (size_t rank = 0; rank < rank_count; rank++)
        CHECK(list_is_empty(&pool->waiting[rank]));
    pthread_cond_destroy(&pool->has_work);
    pthread_cond_destroy(&pool->is_done);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

static bool has_place_locked(const struct worker_pool *pool, enum work_rank rank)
{
    return rank != WORK_FOR_STRANGERS || pool->waiting_count[rank] < pool->limits.strangers_max;
}

bool worker_pool_submit(struct worker_pool *pool, struct work *work)
{
    pthread_mutex_lock(&pool->mutex);
    bool is_taken = !pool->is_ending && has_place_locked(pool, work->rank);
    if (is_taken) {
        list_push_back(&pool->waiting[work->rank], &work->node);
        pool->waiting_count[work->rank]++;
        need_thread_locked(pool);
        pthread_cond_signal(&pool->has_work);
    }
    pthread_mutex_unlock(&pool->mutex);
    return is_taken;
}

bool worker_pool_cancel(struct worker_pool *pool, struct work *work)
{
    pthread_mutex_lock(&pool->mutex);
    bool is_waiting = list_node_is_linked(&work->node);
    if (is_waiting)
        forget_locked(pool, work);
    pthread_mutex_unlock(&pool->mutex);
    return is_waiting;
}
