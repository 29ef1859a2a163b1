/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs: a call's way to another thread and back. Its answer is only noted there; it leaves when the
 * job is done, so that nobody but the job has the call meanwhile; and it begins when the handler
 * has returned, for the same reason.
 */
#include "http/http_job.h"

#include <stdlib.h>
#include <string.h>

#include "auth/directory.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/status_rows.h"
#include "broker/vhost.h"
#include "http/http_internal.h"

enum { SLICE_ROWS = 128 };

static void release_vhosts(struct http_job *job)
{
    const struct http_context *context = job->context;
    for (size_t i = 0; i < job->vhost_count; i++)
        context->host->release_vhost(context->host_context, job->vhosts[i].gate);
}

void http_job_free(struct http_job *job)
{
    if (job == NULL)
        return;
    for (size_t i = 0; i < job->vhost_count; i++)
        free(job->vhosts[i].name);
    free(job->vhosts);
    free(job->state);
    free(job);
}

static void run(struct control_work *work)
{
    struct http_job *job = container_of(work, struct http_job, work);
    const struct http_context *context = job->context;
    job->call->is_held = true;
    if (context->host->is_ending(context->host_context))
        http_refuse_at_end(job->call);
    else
        job->run(job);
    job->call->is_held = false;
}

static void end(struct control_work *work)
{
    struct http_job *job = container_of(work, struct http_job, work);
    if (job->call->status == 0) {
        job->done(job);
        release_vhosts(job);
        http_job_free(job);
        return;
    }
    release_vhosts(job);
    job->call->job = job; /* rows that are still to be written need it */
    http_call_answered(job->call);
}

/* --- long answers */

struct writing {
    struct control_work work;
    struct http_call *call;
};

static void write_rows(struct control_work *work)
{
    http_rows_write(container_of(work, struct writing, work)->call);
}

static void end_writing(struct control_work *work)
{
    struct writing *writing = container_of(work, struct writing, work);
    http_call_answered(writing->call);
    free(writing);
}

void http_job_write_rows(const struct http_context *context, struct http_call *call)
{
    struct writing *writing = xmalloc(sizeof *writing);
    *writing = (struct writing){{write_rows, end_writing}, call};
    context->host->submit(context->host_context, &writing->work);
}

/* --- jobs */

struct http_job *http_job_new(const struct http_context *context, struct http_call *call,
                              http_job_function *run_job)
{
    struct http_job *job = xcalloc(1, sizeof *job);
    job->work = (struct control_work){run, end};
    job->context = context;
    job->call = call;
    job->run = run_job;
    return job;
}

bool http_job_take_vhost(struct http_job *job, const char *name)
{
    const struct http_context *context = job->context;
    struct gate *gate = context->host->take_vhost(context->host_context, name);
    if (gate == NULL)
        return false;
    job->vhosts =
        xgrow(job->vhosts, &job->vhost_capacity, job->vhost_count + 1, sizeof job->vhosts[0]);
    job->vhosts[job->vhost_count++] = (struct http_job_vhost){xstrdup(name), gate};
    return true;
}

static int compare_vhosts(const void *a, const void *b)
{
    const struct http_job_vhost *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Who monitors sees that there is a vhost, but not what is in it. */
static bool need_vhost(const struct http_context *context, struct http_call *call)
{
    const char *vhost = http_call_parameter(call, "vhost");
    if (!directory_has_vhost(context->directory, vhost))
        http_not_found(call);
    else if (!http_call_may_enter(call, vhost))
        http_not_authorised(call, "User not authorised to access virtual host");
    else
        return true;
    return false;
}

static void take_all(struct http_job *job, bool is_all)
{
    const struct directory *directory = job->context->directory;
    for (size_t i = 0; i < directory_vhost_count(directory); i++) {
        const char *name = directory_vhost(directory, i).name;
        if (is_all || http_call_may_enter(job->call, name))
            (void)http_job_take_vhost(job, name);
    }
    if (job->vhost_count > 1)
        qsort(job->vhosts, job->vhost_count, sizeof job->vhosts[0], compare_vhosts);
}

bool http_job_take_vhosts(struct http_job *job)
{
    if (http_route_parameter(job->call->route, &job->call->path, "vhost") != NULL) {
        if (!need_vhost(job->context, job->call)) {
            http_job_free(job);
            return false;
        }
        (void)http_job_take_vhost(job, http_call_parameter(job->call, "vhost"));
        return true;
    }
    take_all(job, false);
    return true;
}

void http_job_start(struct http_job *job)
{
    if (job->call->is_held)
        job->call->work = &job->work;
    else
        job->context->host->submit(job->context->host_context, &job->work);
}

void http_job_answer(const struct http_context *context, struct http_call *call,
                     http_job_function *run_job)
{
    struct http_job *job = http_job_new(context, call, run_job);
    if (http_job_take_vhosts(job))
        http_job_start(job);
}

void http_job_answer_all(const struct http_context *context, struct http_call *call,
                         http_job_function *run_job)
{
    struct http_job *job = http_job_new(context, call, run_job);
    const char *vhost = http_route_parameter(call->route, &call->path, "vhost");
    if (vhost != NULL && !directory_has_vhost(context->directory, vhost)) {
        http_job_free(job);
        http_not_found(call);
        return;
    }
    if (vhost != NULL)
        (void)http_job_take_vhost(job, vhost);
    else
        take_all(job, true);
    http_job_start(job);
}

void http_job_ask(const struct http_job *job, struct gate *gate,
                  void (*function)(struct vhost *vhost, uint64_t now_ms, void *context),
                  void *context)
{
    job->context->host->ask(job->context->host_context, gate, function, context);
}

struct slice {
    struct vhost_listing listing;
    const struct vhost_visitor *visitor;
};

static void list_slice(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct slice *slice = context;
    (void)now_ms;
    vhost_list(vhost, &slice->listing, slice->visitor, SLICE_ROWS);
}

void http_job_list(const struct http_job *job, struct gate *gate,
                   const struct vhost_visitor *visitor, struct status_rows *kept)
{
    const struct http_context *context = job->context;
    struct slice slice = {.visitor = visitor};
    while (!slice.listing.is_done && !context->host->is_ending(context->host_context)) {
        status_rows_reserve(kept, SLICE_ROWS);
        http_job_ask(job, gate, list_slice, &slice);
    }
}
