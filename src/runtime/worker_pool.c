/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue and its threads. One more thread is started when work comes and none is idle: a server
 * that does not answer then holds as many as it can, and the others' work waits only when all that
 * are allowed are held. Each piece of work has a timeout of its own, so that this ends.
 */
#include "runtime/worker_pool.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"

struct worker_pool {
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    struct task *first, *last;
    size_t waiting_count; /* tasks */
    size_t idle_count;    /* threads */
    size_t thread_count, thread_max;
    bool is_ending;
    pthread_t threads[];
};

static struct task *take_locked(struct worker_pool *pool)
{
    struct task *task = pool->first;
    if (task == NULL)
        return NULL;
    pool->first = task->next;
    pool->waiting_count--;
    return task;
}

static void *work(void *context)
{
    struct worker_pool *pool = context;
    pthread_mutex_lock(&pool->mutex);
    for (;;) {
        struct task *task = take_locked(pool);
        if (task != NULL) {
            pthread_mutex_unlock(&pool->mutex);
            task->run(task);
            pthread_mutex_lock(&pool->mutex);
            continue;
        }
        if (pool->is_ending)
            break;
        pool->idle_count++;
        pthread_cond_wait(&pool->has_work, &pool->mutex);
        pool->idle_count--;
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

struct worker_pool *worker_pool_new(size_t threads_max)
{
    struct worker_pool *pool = xcalloc(1, sizeof *pool + threads_max * sizeof pool->threads[0]);
    CHECK(threads_max > 0);
    CHECK(pthread_mutex_init(&pool->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&pool->has_work, NULL) == 0);
    pool->thread_max = threads_max;
    return pool;
}

void worker_pool_end(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->is_ending = true;
    pthread_cond_broadcast(&pool->has_work);
    pthread_mutex_unlock(&pool->mutex);
    for (size_t i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
}

void worker_pool_free(struct worker_pool *pool)
{
    if (pool == NULL)
        return;
    CHECK(pool->is_ending && pool->first == NULL);
    pthread_cond_destroy(&pool->has_work);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

bool worker_pool_submit(struct worker_pool *pool, struct task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&pool->mutex);
    if (pool->is_ending) {
        pthread_mutex_unlock(&pool->mutex);
        return false;
    }
    if (pool->first == NULL)
        pool->first = task;
    else
        pool->last->next = task;
    pool->last = task;
    pool->waiting_count++;
    if (pool->waiting_count > pool->idle_count && pool->thread_count < pool->thread_max) {
        pthread_t *thread = &pool->threads[pool->thread_count];
        /* Where the system has no more threads to give, those that are there do the work. */
        bool is_started = pthread_create(thread, NULL, work, pool) == 0;
        CHECK(is_started || pool->thread_count > 0);
        pool->thread_count += is_started;
    }
    pthread_cond_signal(&pool->has_work);
    pthread_mutex_unlock(&pool->mutex);
    return true;
}
