/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges, as far as clients change them: declaring and deleting. The default one, which has no
 * name, stands in a path as amq.default.
 */
#include <jansson.h>
#include <string.h>

#include "http/http_change.h"
#include "http/http_resources.h"

/* The name in a path. */
static const char *name_of(const struct http_call *call)
{
    return (const char *)http_exchange_name(http_call_parameter(call, "exchange")).data;
}

static bool has_exchange(const struct http_context *context, const struct http_call *call)
{
    return context->host->has_exchange(context->host_context, http_call_parameter(call, "vhost"),
                                       name_of(call));
}

/* RabbitMQ's default; what is no text has no type of that name. */
static bool need_type(struct http_call *call, struct bytes *type)
{
    const json_t *value = json_object_get(http_call_body(call), "type");
    const char *text = value == NULL ? "direct" : json_string_value(value);
    if (text == NULL)
        http_bad_request(call, "type must be a string");
    else if (http_need_name(call, "type", text))
        *type = bytes_of_text(text);
    else
        text = NULL;
    return text != NULL;
}

void http_put_exchange(const struct http_context *context, struct http_call *call)
{
    const char *name = name_of(call);
    const json_t *arguments = json_object_get(http_call_body(call), "arguments");
    struct amqp_method method = {.id = AMQP_EXCHANGE_DECLARE};
    struct amqp_exchange_declare *declare = &method.exchange_declare;
    struct buffer table = {0};
    if (http_need_entered_vhost(context, call) && http_need_name(call, "exchange", name) &&
        http_need_node(context, call) && need_type(call, &declare->type) &&
        http_need_flag(call, "durable", &declare->durable) &&
        http_need_flag(call, "auto_delete", &declare->auto_delete) &&
        http_need_flag(call, "internal", &declare->internal) &&
        http_need_table(call, "arguments", arguments, &table)) {
        declare->exchange = bytes_of_text(name);
        declare->arguments = buffer_bytes(&table);
        http_run_method(
            context, call, &method,
            &(struct http_change){.is_put = true, .is_new = !has_exchange(context, call)});
    }
    buffer_fini(&table);
}

void http_delete_exchange(const struct http_context *context, struct http_call *call)
{
    const char *name = name_of(call);
    struct amqp_method method = {.id = AMQP_EXCHANGE_DELETE};
    if (!http_need_entrance(context, call))
        return;
    if (!has_exchange(context, call)) {
        http_not_found(call);
        return;
    }
    method.exchange_delete.exchange = bytes_of_text(name);
    method.exchange_delete.if_unused = http_call_says(call, "if-unused", "true");
    http_run_method(context, call, &method, &(struct http_change){.is_put = false});
}
