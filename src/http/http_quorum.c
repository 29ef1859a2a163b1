/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replicas of quorum queues. The one that a queue has is on this node, which is alone: it cannot be
 * added again, nor be taken away, and nothing grows or shrinks.
 */
#include <string.h>

#include "broker/status_rows.h"
#include "broker/vhost.h"
#include "config/config.h"
#include "http/http_call.h"
#include "http/http_job.h"
#include "http/http_resources.h"

/* --- what is asked for */

struct search {
    struct bytes name;
    const char *type; /* of the queue, or NULL */
};

static void find_queue(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct search *search = context;
    struct queue_status status;
    (void)now_ms;
    if (vhost_queue_status(vhost, search->name, &status))
        search->type = status.type;
}

/* The type of the path's queue; NULL, answered, where it is not there. */
static const char *need_queue(struct http_job *job)
{
    struct search search = {bytes_of_text(http_call_parameter(job->call, "queue")), NULL};
    for (size_t i = 0; i < job->vhost_count; i++)
        http_job_ask(job, job->vhosts[i].gate, find_queue, &search);
    if (search.type == NULL)
        http_not_found(job->call);
    return search.type;
}

/* Why what is about replicas cannot be done with a queue of the type; NULL: it can. */
static const char *refusal_of(const char *type)
{
    if (strcmp(type, "quorum") == 0)
        return NULL;
    return strcmp(type, "classic") == 0 ? "classic_queue_not_supported" : "not_quorum_queue";
}

/* Does the configuration let nobody change them? Answered then. */
static bool are_fixed(const struct http_context *context, struct http_call *call)
{
    if (!context->config->quorum_replicas_fixed)
        return false;
    http_not_allowed(call, "Broker settings disallow quorum queue replica operations.");
    return true;
}

/* --- what is told */

/* There is no log of Raft whose places could be told. */
static json_t *member_of(const char *node)
{
    static const char *const of_log[] = {"Last Log Index", "Last Written",   "Last Applied",
                                         "Commit Index",   "Snapshot Index", "Term",
                                         "Machine Version"};
    json_t *row = json_pack("{s:s, s:s, s:s}", "Node Name", node, "Raft State", "leader",
                            "Membership", "voter");
    for (size_t i = 0; i < sizeof of_log / sizeof of_log[0]; i++)
        json_object_set_new(row, of_log[i], json_string(""));
    return row;
}

static void run_status(struct http_job *job)
{
    const char *type = need_queue(job);
    if (type == NULL)
        return;
    if (refusal_of(type) != NULL)
        http_reply_failed(job->call,
                          json_pack("{s:s, s:s}", "status", "failed", "reason", refusal_of(type)));
    else
        http_reply(job->call, json_pack("[o]", member_of(job->context->config->node_name)));
}

static void get_status(const struct http_context *context, struct http_call *call)
{
    http_job_answer(context, call, run_status);
}

/* --- changes */

/* The body's node is this one; it is the member that there is. */
static void change(struct http_job *job, const char *refusal)
{
    static const char *const keys[] = {"node"};
    const char *type = need_queue(job), *node;
    if (type == NULL || !http_need_texts(job->call, keys, &node, 1))
        return;
    if (strcmp(node, job->context->config->node_name) != 0)
        http_bad_request(job->call, "Node is not a cluster member");
    else if (refusal_of(type) != NULL || refusal != NULL)
        http_unavailable(job->call, refusal_of(type) != NULL ? refusal_of(type) : refusal);
    else
        http_reply_done(job->call);
}

static void run_add(struct http_job *job)
{
    change(job, NULL);
}

static void run_delete(struct http_job *job)
{
    change(job, "last_node");
}

static void add_member(const struct http_context *context, struct http_call *call)
{
    if (!are_fixed(context, call))
        http_job_answer(context, call, run_add);
}

static void delete_member(const struct http_context *context, struct http_call *call)
{
    if (!are_fixed(context, call))
        http_job_answer(context, call, run_delete);
}

static void grow(const struct http_context *context, struct http_call *call)
{
    static const char *const keys[] = {"vhost_pattern", "queue_pattern", "strategy"};
    if (!are_fixed(context, call) && http_need_node_in_path(context, call) &&
        http_need_keys(call, keys, sizeof keys / sizeof keys[0]))
        http_reply_done(call);
}

static void shrink(const struct http_context *context, struct http_call *call)
{
    if (!are_fixed(context, call) && http_need_node_in_path(context, call))
        http_reply_accepted(call);
}

const struct http_route http_quorum_routes[] = {
    {"/queues/quorum/:vhost/:queue/status", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .get = get_status},
    {"/queues/quorum/:vhost/:queue/replicas/add", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .post = add_member},
    {"/queues/quorum/:vhost/:queue/replicas/delete", HTTP_FOR_ADMINISTRATORS,
     HTTP_FOR_ADMINISTRATORS, .delete = delete_member},
    {"/queues/quorum/replicas/on/:node/grow", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .post = grow},
    {"/queues/quorum/replicas/on/:node/shrink", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .delete = shrink},
    {.pattern = NULL},
};
