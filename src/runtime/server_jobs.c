/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands about very many objects run on threads of their own. The main thread accepts connections
 * and keeps the timers of the vhosts, so it must not format a hundred thousand rows; and the pool
 * that asks about logins must not be full of administrators.
 *
 * A job asks a core through its gate like anybody else, a bounded number of objects at a time, and
 * does with the answer what it likes before it asks again. Only the main thread touches the
 * directory and answers calls: that is what the job's second half is for.
 */
#include "runtime/server_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/list.h"
#include "base/xmalloc.h"
#include "net/control.h"
#include "runtime/worker_pool.h"

/* Nothing here is for strangers. */
static const struct worker_pool_limits limits = {
    .thread_name = "jobs", .threads_max = 4, .stranger_threads_max = 1};

struct job {
    struct work work; /* the first half */
    struct task task; /* the second one */
    struct list_node in_jobs;
    struct server *server;
    struct control_work *content; /* frees itself */
};

void server_start_jobs(struct server *server)
{
    list_init(&server->unfinished_jobs);
    list_init(&server->definitions_line);
    server->jobs = worker_pool_new(&limits);
}

static void finish(struct task *task)
{
    struct job *job = container_of(task, struct job, task);
    list_remove(&job->in_jobs);
    job->content->done(job->content);
    free(job);
}

static void run(struct work *work)
{
    struct job *job = container_of(work, struct job, work);
    job->content->run(job->content);
    mailbox_post_task(&job->server->mailbox, &job->task);
}

void server_submit_job(void *context, struct control_work *content)
{
    struct server *server = context;
    struct job *job = xcalloc(1, sizeof *job);
    job->work = (struct work){.rank = WORK_FOR_USERS, .run = run};
    job->task.run = finish;
    job->server = server;
    job->content = content;
    list_push_back(&server->unfinished_jobs, &job->in_jobs);
    if (worker_pool_submit(server->jobs, &job->work))
        return;
    content->run(content);
    finish(&job->task);
}

bool server_is_ending(const struct server *server)
{
    return atomic_load_explicit(&server->is_ending, memory_order_relaxed);
}

/* What has not begun is done here: some of it is to free something. */
void server_end_jobs(struct server *server)
{
    atomic_store_explicit(&server->is_ending, true, memory_order_relaxed);
    worker_pool_end(server->jobs);
    list_for_each(&server->unfinished_jobs, node)
    {
        struct job *job = list_entry(node, struct job, in_jobs);
        if (worker_pool_cancel(server->jobs, &job->work))
            run(&job->work);
    }
}
