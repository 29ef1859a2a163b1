/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing connections: one by its name, or all of a user. Who is no administrator may close its own
 * alone. A job asks the vhosts, one after the other; what is in none of them,
 * because it is only about to log in, is not found.
 */
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "broker/vhost.h"
#include "http/http_call.h"
#include "http/http_job.h"
#include "http/http_resources.h"

struct closing {
    struct session_choice choice;
    struct amqp_error reason;
};

static void end_chosen(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct closing *closing = context;
    vhost_end_chosen(vhost, &closing->choice, &closing->reason, now_ms);
}

static void close_chosen(const struct http_job *job, struct closing *closing)
{
    const char *excuse = http_call_excuse(job->call);
    amqp_error_set(&closing->reason, AMQP_CONNECTION_FORCED, "%s",
                   excuse != NULL ? excuse : "Closed via management plugin");
    for (size_t i = 0; i < job->vhost_count; i++)
        http_job_ask(job, job->vhosts[i].gate, end_chosen, closing);
}

static void refuse(struct http_call *call)
{
    http_not_authorised(call, "User not authorised to access object");
}

/* --- one */

static void close_one(struct http_job *job)
{
    struct http_call *call = job->call;
    bool is_administrator = http_call_has_tag(call, "administrator");
    struct closing closing = {.choice = {.name = bytes_of_text(http_call_parameter(call, "name")),
                                         .user = is_administrator ? NULL : http_call_user(call)}};
    close_chosen(job, &closing);
    if (closing.choice.ended > 0)
        http_reply_done(call);
    else if (closing.choice.refused > 0)
        refuse(call);
    else
        http_not_found(call);
}

void http_close_connection(const struct http_context *context, struct http_call *call)
{
    http_job_answer_all(context, call, close_one);
}

/* --- all of a user */

static void close_all(struct http_job *job)
{
    struct closing closing = {.choice = {.user = http_call_parameter(job->call, "user")}};
    close_chosen(job, &closing);
    http_reply_done(job->call);
}

/* RabbitMQ breaks where it is not an administrator who asks. */
void http_close_connections_of(const struct http_context *context, struct http_call *call)
{
    bool is_own = strcmp(http_call_parameter(call, "user"), http_call_user(call)) == 0;
    if (is_own || http_call_has_tag(call, "administrator"))
        http_job_answer_all(context, call, close_all);
    else
        refuse(call);
}
