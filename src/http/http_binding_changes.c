/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binding and unbinding. A binding that goes is named by its properties key, in which its arguments
 * are but a hash: so it is looked for among those between the same two, by a job, before the
 * method of AMQP can name it.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "broker/vhost.h"
#include "http/http_change.h"
#include "http/http_job.h"
#include "http/http_resources.h"

/* --- methods, which are the same for both kinds but for their names */

struct binding_link {
    bool to_queue;
    const char *source, *destination;
    struct bytes key, arguments;
};

static struct binding_link link_in_path(const struct http_call *call, bool to_queue)
{
    const char *destination = http_call_parameter(call, "destination");
    struct bytes source = http_exchange_name(http_call_parameter(call, "source"));
    return (struct binding_link){
        .to_queue = to_queue,
        .source = (const char *)source.data,
        .destination = to_queue ? destination : (const char *)http_exchange_name(destination).data,
    };
}

static struct amqp_method method_to_bind(const struct binding_link *link)
{
    if (link->to_queue)
        return (struct amqp_method){.id = AMQP_QUEUE_BIND,
                                    .queue_bind = {.queue = bytes_of_text(link->destination),
                                                   .exchange = bytes_of_text(link->source),
                                                   .routing_key = link->key,
                                                   .arguments = link->arguments}};
    return (struct amqp_method){.id = AMQP_EXCHANGE_BIND,
                                .exchange_bind = {.destination = bytes_of_text(link->destination),
                                                  .source = bytes_of_text(link->source),
                                                  .routing_key = link->key,
                                                  .arguments = link->arguments}};
}

static struct amqp_method method_to_unbind(const struct binding_link *link)
{
    if (link->to_queue)
        return (struct amqp_method){.id = AMQP_QUEUE_UNBIND,
                                    .queue_unbind = {.queue = bytes_of_text(link->destination),
                                                     .exchange = bytes_of_text(link->source),
                                                     .routing_key = link->key,
                                                     .arguments = link->arguments}};
    return (struct amqp_method){.id = AMQP_EXCHANGE_UNBIND,
                                .exchange_unbind = {.destination = bytes_of_text(link->destination),
                                                    .source = bytes_of_text(link->source),
                                                    .routing_key = link->key,
                                                    .arguments = link->arguments}};
}

/* --- binding */

static void append_quoted(struct buffer *text, struct bytes name)
{
    static const char plain[] =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~";
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (c != '\0' && strchr(plain, c) != NULL)
            buffer_append_u8(text, c);
        else if (c == ' ')
            buffer_append_u8(text, '+');
        else
            buffer_append_format(text, "%%%02X", (unsigned)c);
    }
}

/* Relative to the path of the call. The caller frees it. */
static char *location_of(const struct binding_link *link)
{
    const struct binding_status status = {.key = link->key, .arguments = link->arguments};
    struct buffer key = {0}, text = {0};
    http_binding_append_properties_key(&key, &status);
    append_quoted(&text, bytes_of_text(link->destination));
    buffer_append_u8(&text, '/');
    append_quoted(&text, buffer_bytes(&key));
    char *location = xstrndup((const char *)text.data, text.size);
    buffer_fini(&key);
    buffer_fini(&text);
    return location;
}

static void bind_to(const struct http_context *context, struct http_call *call, bool to_queue)
{
    const json_t *arguments = json_object_get(http_call_body(call), "arguments");
    struct binding_link link = link_in_path(call, to_queue);
    char key[AMQP_SHORTSTR_MAX + 1];
    struct buffer table = {0};
    if (http_need_entered_vhost(context, call) && http_need_name(call, "source", link.source) &&
        http_need_name(call, "destination", link.destination) && http_need_routing_key(call, key) &&
        http_need_table(call, "arguments", arguments, &table)) {
        link.key = bytes_of_text(key);
        link.arguments = buffer_bytes(&table);
        const struct amqp_method method = method_to_bind(&link);
        http_run_method(context, call, &method,
                        &(struct http_change){.location = location_of(&link)});
    }
    buffer_fini(&table);
}

void http_bind_queue(const struct http_context *context, struct http_call *call)
{
    bind_to(context, call, true);
}

void http_bind_exchange(const struct http_context *context, struct http_call *call)
{
    bind_to(context, call, false);
}

/* --- unbinding */

/* What was found out of a binding. */
struct found {
    size_t key_size, arguments_size;
    uint8_t data[]; /* both */
};

static void find(struct http_job *job, bool to_queue)
{
    struct buffer key = {0}, arguments = {0};
    if (http_binding_find(job, to_queue, &key, &arguments)) {
        struct found *found = xmalloc(sizeof *found + key.size + arguments.size);
        found->key_size = key.size;
        found->arguments_size = arguments.size;
        if (key.size > 0)
            memcpy(found->data, key.data, key.size);
        if (arguments.size > 0)
            memcpy(found->data + key.size, arguments.data, arguments.size);
        job->state = found;
    } else {
        http_not_found(job->call);
    }
    buffer_fini(&key);
    buffer_fini(&arguments);
}

static void unbind(struct http_job *job, bool to_queue)
{
    const struct found *found = job->state;
    struct binding_link link = link_in_path(job->call, to_queue);
    link.key = bytes_of(found->data, found->key_size);
    link.arguments = bytes_of(found->data + found->key_size, found->arguments_size);
    const struct amqp_method method = method_to_unbind(&link);
    http_run_method(job->context, job->call, &method, &(struct http_change){.is_put = false});
}

static void find_to_queue(struct http_job *job)
{
    find(job, true);
}

static void find_to_exchange(struct http_job *job)
{
    find(job, false);
}

static void unbind_queue(struct http_job *job)
{
    unbind(job, true);
}

static void unbind_exchange(struct http_job *job)
{
    unbind(job, false);
}

static void find_and_unbind(const struct http_context *context, struct http_call *call,
                            http_job_function *run, http_job_function *done)
{
    struct http_job *job = http_job_new(context, call, run);
    job->done = done;
    if (http_job_take_vhosts(job))
        http_job_start(job);
}

void http_unbind_queue(const struct http_context *context, struct http_call *call)
{
    find_and_unbind(context, call, find_to_queue, unbind_queue);
}

void http_unbind_exchange(const struct http_context *context, struct http_call *call)
{
    find_and_unbind(context, call, find_to_exchange, unbind_exchange);
}
