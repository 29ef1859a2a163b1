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
    static const char *const protocols[] = {[LOGIN_BY_HTTP] = "http", [LOGIN_BY_AMQP] = "amqp091"};
    if (!http_need_monitored_node(context, call))
        return;
    json_t *rows = json_array();
    for (unsigned i = 0; i < LOGIN_PROTOCOLS; i++) {
        uint64_t succeeded, failed;
        login_counts_read(context->logins, i, &succeeded, &failed);
        if (succeeded + failed > 0)
            json_array_append_new(rows,
                                  json_pack("{s:s, s:I, s:I, s:I}", "protocol", protocols[i],
                                            "auth_attempts", (json_int_t)(succeeded + failed),
                                            "auth_attempts_failed", (json_int_t)failed,
                                            "auth_attempts_succeeded", (json_int_t)succeeded));
    }
    http_reply_list(call, rows, NULL);
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
