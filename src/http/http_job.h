/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_JOB_H
#define LEVERET_HTTP_HTTP_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http_call.h"
#include "net/control.h"

struct gate;
struct status_rows;
struct vhost;
struct vhost_visitor;

/*
 * How a call is answered that asks vhosts: by a job, on a thread of its own, because a vhost may
 * take its time and have very much to tell. A handler makes a job, takes with it the vhosts that it
 * is about, and starts it; run answers the call as a handler would. Where the directory has to do
 * with it as well, run notes what is to be done and does not answer, and done, back on the
 * directory's thread, does both.
 *
 * The call stays until it is answered, even where its client has gone; the vhosts stay as long as
 * the job, even where they are deleted. When the server ends, a job that has not begun answers that
 * it does, and http_job_list stops early.
 */
struct http_job;
typedef void http_job_function(struct http_job *job);

struct http_job_vhost {
    char *name;        /* owned */
    struct gate *gate; /* a reference */
};

struct http_job {
    struct control_work work;
    const struct http_context *context; /* the directory is not for run */
    struct http_call *call;
    struct http_job_vhost *vhosts; /* owned; in the order of their names */
    size_t vhost_count, vhost_capacity;
    http_job_function *run;
    http_job_function *done; /* where run has not answered; it answers, at once or later */
    void *state;             /* of the two; freed with free() */
};

/* The directory's thread, as the next three; the job frees itself. */
struct http_job *http_job_new(const struct http_context *context, struct http_call *call,
                              http_job_function *run);
/* False where no vhost of that name runs. */
bool http_job_take_vhost(struct http_job *job, const char *name);
/* Those that the call's user may enter; the path's alone, where it has one. False, answered, and
 * the job is gone, where the path names one that is not there, or not for the user. */
bool http_job_take_vhosts(struct http_job *job) __attribute__((warn_unused_result));
void http_job_start(struct http_job *job);

/* The three together, for a handler that does nothing else. */
void http_job_answer(const struct http_context *context, struct http_call *call,
                     http_job_function *run);

/* The same whatever vhosts the user may enter, for what goes by whose it is (http_call_sees_user).
 */
void http_job_answer_all(const struct http_context *context, struct http_call *call,
                         http_job_function *run);

/* In run: has the function run with the core in hand, to which it does as little as possible. */
void http_job_ask(const struct http_job *job, struct gate *gate,
                  void (*function)(struct vhost *vhost, uint64_t now_ms, void *context),
                  void *context);
/* In run: what there is of one kind in the vhost, a slice at a time, for which the core is asked
 * each time: the visitor has it in hand, and copies to kept. */
void http_job_list(const struct http_job *job, struct gate *gate,
                   const struct vhost_visitor *visitor, struct status_rows *kept);

#endif
