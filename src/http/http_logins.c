/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many logins the node has seen, and forgetting them. They are not counted by who tried and
 * from where, as they are not in RabbitMQ by default.
 */
#include "auth/login_counts.h"
#include "http/http_call.h"
#include "http/http_resources.h"

static void get_logins(const struct http_context *context, struct http_call *call)
{
    if (http_need_monitored_node(context, call))
        http_reply_list(call, login_counts_json(context->logins), NULL);
}

static void delete_logins(const struct http_context *context, struct http_call *call)
{
    if (!http_need_monitored_node(context, call))
        return;
    login_counts_forget(context->logins);
    http_reply_done(call);
}

static void get_sources(const struct http_context *context, struct http_call *call)
{
    if (http_need_monitored_node(context, call))
        http_reply_list(call, json_array(), NULL);
}

static void delete_sources(const struct http_context *context, struct http_call *call)
{
    if (http_need_monitored_node(context, call))
        http_reply_done(call);
}

const struct http_route http_login_routes[] = {
    {"/auth/attempts/:node", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_logins,
     .delete = delete_logins},
    {"/auth/attempts/:node/source", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_sources,
     .delete = delete_sources},
    {.pattern = NULL},
};
