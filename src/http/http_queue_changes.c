/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues, as far as clients change them: declaring, deleting, purging. RabbitMQ's body of a PUT has
 * the fields of queue.declare; what is not said is false, also durable.
 */
#include <jansson.h>
#include <string.h>

#include "http/http_change.h"
#include "http/http_resources.h"

static bool has_queue(const struct http_context *context, const struct http_call *call)
{
    return context->host->has_queue(context->host_context, http_call_parameter(call, "vhost"),
                                    http_call_parameter(call, "name"));
}

void http_put_queue(const struct http_context *context, struct http_call *call)
{
    const char *name = http_call_parameter(call, "name");
    const json_t *arguments = json_object_get(http_call_body(call), "arguments");
    struct amqp_method method = {.id = AMQP_QUEUE_DECLARE};
    struct amqp_queue_declare *declare = &method.queue_declare;
    struct buffer table = {0};
    if (http_need_entered_vhost(context, call) && http_need_name(call, "queue", name) &&
        http_need_node(context, call) && http_need_flag(call, "durable", &declare->durable) &&
        http_need_flag(call, "auto_delete", &declare->auto_delete) &&
        http_need_table(call, "arguments", arguments, &table)) {
        declare->queue = bytes_of_text(name);
        declare->arguments = buffer_bytes(&table);
        http_run_method(context, call, &method,
                        &(struct http_change){.is_put = true, .is_new = !has_queue(context, call)});
    }
    buffer_fini(&table);
}

/* As in RabbitMQ a vhost that is not there has no queue of that name. */
static bool need_queue(const struct http_context *context, struct http_call *call)
{
    if (!http_need_entrance(context, call))
        return false;
    if (has_queue(context, call))
        return true;
    http_not_found(call);
    return false;
}

void http_delete_queue(const struct http_context *context, struct http_call *call)
{
    struct amqp_method method = {.id = AMQP_QUEUE_DELETE};
    if (!need_queue(context, call))
        return;
    method.queue_delete.queue = bytes_of_text(http_call_parameter(call, "name"));
    method.queue_delete.if_empty = http_call_says(call, "if-empty", "true");
    method.queue_delete.if_unused = http_call_says(call, "if-unused", "true");
    http_run_method(context, call, &method, &(struct http_change){.is_put = false});
}

void http_purge_queue(const struct http_context *context, struct http_call *call)
{
    struct amqp_method method = {.id = AMQP_QUEUE_PURGE};
    if (!need_queue(context, call))
        return;
    method.queue_purge.queue = bytes_of_text(http_call_parameter(call, "name"));
    http_run_method(context, call, &method, &(struct http_change){.is_put = false});
}

/* There are no mirrors, and so nothing to do. */
void http_act_on_queue(const struct http_context *context, struct http_call *call)
{
    static const char *const keys[] = {"action"};
    json_t *action = json_object_get(http_call_body(call), "action");
    const char *name = json_string_value(action);
    if (!http_need_keys(call, keys, 1))
        return;
    if (!has_queue(context, call))
        http_not_found(call);
    else if (name != NULL && (strcmp(name, "sync") == 0 || strcmp(name, "cancel_sync") == 0))
        http_reply_done(call);
    else
        http_bad_request_json(call, json_pack("[s, O]", "unknown", action));
}

const struct http_route http_queue_routes[] = {
    {"/queues/:vhost/:name", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "bad_request", .get = http_get_queue, .put = http_put_queue,
     .delete = http_delete_queue},
    {"/queues/:vhost/:name/contents", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .lists_vhosts = true, .takes_any_accept = true, .delete = http_purge_queue},
    {"/queues/:vhost/:name/actions", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .takes_any_accept = true, .post = http_act_on_queue},
    {"/queues/:vhost/:name/get", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .post = http_get_messages},
    {"/queues/:vhost/:name/move", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .post = http_move_messages},
    {.pattern = NULL},
};
