/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of what is in a vhost. The core is asked for a slice at a time, between which it serves its
 * clients: a hundred thousand queues take as long as they take, and stop nobody. Under the gate a
 * slice is only copied; what becomes of the rows is a job's, on a thread of its own.
 */
#include "runtime/server_listing.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "config/json_table.h"
#include "net/control.h"
#include "runtime/gate.h"
#include "runtime/server_internal.h"

enum { SLICE_ROWS = 128 };

/* A copy of what a visitor is shown; the texts are owned. */
union kept_row {
    struct queue_status queue;
    struct exchange_status exchange;
    struct binding_status binding;
};

struct kept_slice {
    struct vhost_listing listing;
    struct vhost_visitor keeper; /* fills what follows */
    union kept_row *rows;        /* owned */
    size_t count, capacity;
};

static void keep(struct bytes *text)
{
    if (text->data != NULL)
        text->data = xmemdup(text->data, text->size);
}

static void let_go(const struct bytes *text)
{
    free((void *)(uintptr_t)text->data);
}

static union kept_row *add_row(struct kept_slice *slice)
{
    slice->rows = xgrow(slice->rows, &slice->capacity, slice->count + 1, sizeof slice->rows[0]);
    return &slice->rows[slice->count++];
}

static void keep_queue(void *context, const struct queue_status *status)
{
    struct queue_status *copy = &add_row(context)->queue;
    *copy = *status;
    keep(&copy->name);
    keep(&copy->arguments);
    keep(&copy->policy);
    keep(&copy->operator_policy);
}

static void show_queue(const struct vhost_visitor *visitor, const struct queue_status *status)
{
    visitor->queue(visitor->context, status);
    let_go(&status->name);
    let_go(&status->arguments);
    let_go(&status->policy);
    let_go(&status->operator_policy);
}

static void keep_exchange(void *context, const struct exchange_status *status)
{
    struct exchange_status *copy = &add_row(context)->exchange;
    *copy = *status;
    keep(&copy->name);
    keep(&copy->type);
    keep(&copy->arguments);
    keep(&copy->policy);
}

static void show_exchange(const struct vhost_visitor *visitor, const struct exchange_status *status)
{
    visitor->exchange(visitor->context, status);
    let_go(&status->name);
    let_go(&status->type);
    let_go(&status->arguments);
    let_go(&status->policy);
}

static void keep_binding(void *context, const struct binding_status *status)
{
    struct binding_status *copy = &add_row(context)->binding;
    *copy = *status;
    keep(&copy->source);
    keep(&copy->destination);
    keep(&copy->key);
    keep(&copy->arguments);
}

static void show_binding(const struct vhost_visitor *visitor, const struct binding_status *status)
{
    visitor->binding(visitor->context, status);
    let_go(&status->source);
    let_go(&status->destination);
    let_go(&status->key);
    let_go(&status->arguments);
}

static void keep_slice(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct kept_slice *slice = context;
    (void)now_ms;
    vhost_list(vhost, &slice->listing, &slice->keeper, SLICE_ROWS);
}

static void show_slice(const struct kept_slice *slice, const struct vhost_visitor *visitor)
{
    for (size_t i = 0; i < slice->count; i++) {
        if (visitor->queue != NULL)
            show_queue(visitor, &slice->rows[i].queue);
        else if (visitor->exchange != NULL)
            show_exchange(visitor, &slice->rows[i].exchange);
        else
            show_binding(visitor, &slice->rows[i].binding);
    }
}

void server_list(const struct server *server, struct gate *gate,
                 const struct vhost_visitor *visitor)
{
    struct kept_slice slice = {0};
    slice.keeper = (struct vhost_visitor){
        .queue = visitor->queue != NULL ? keep_queue : NULL,
        .exchange = visitor->exchange != NULL ? keep_exchange : NULL,
        .binding = visitor->binding != NULL ? keep_binding : NULL,
        .context = &slice,
    };
    while (!slice.listing.is_done && !server_is_ending(server)) {
        slice.count = 0;
        gate_ask(gate, keep_slice, &slice);
        show_slice(&slice, visitor);
    }
    free(slice.rows);
}

/* --- rows */

static json_t *text(struct bytes name)
{
    return control_json_text(name);
}

/* As rabbitmqctl has it in JSON: a list of [name, type, value], those of a table likewise. */
static json_t *arguments(struct bytes table)
{
    json_t *list = json_array();
    struct reader reader = reader_of(table);
    struct amqp_field field;
    while (amqp_table_next(&reader, &field)) {
        bool is_table = field.value.type == AMQP_TYPE_TABLE;
        json_array_append_new(
            list, json_pack("[o, s, o]", text(field.name), amqp_value_type_name(field.value.type),
                            is_table ? arguments(field.value.bytes) : json_of_value(&field.value)));
    }
    return list;
}

static void add_queue(void *context, const struct queue_status *status)
{
    json_t *row =
        json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:b, s:b, s:b}", "name", text(status->name),
                  "messages", (json_int_t)(status->ready + status->unacked), "messages_ready",
                  (json_int_t)status->ready, "messages_unacknowledged", (json_int_t)status->unacked,
                  "consumers", (json_int_t)status->consumers, "message_bytes_ready",
                  (json_int_t)status->ready_bytes, "durable", status->is_durable, "auto_delete",
                  status->is_auto_delete, "exclusive", status->is_exclusive);
    json_object_set_new(row, "arguments", arguments(status->arguments));
    json_object_set_new(row, "policy", text(status->policy));
    json_object_set_new(row, "operator_policy", text(status->operator_policy));
    json_object_set_new(row, "type", json_string(status->type));
    json_array_append_new(context, row);
}

static void add_exchange(void *context, const struct exchange_status *status)
{
    json_array_append_new(
        context, json_pack("{s:o, s:o, s:b, s:b, s:b, s:o, s:o}", "name", text(status->name),
                           "type", text(status->type), "durable", status->is_durable, "auto_delete",
                           status->is_auto_delete, "internal", status->is_internal, "arguments",
                           arguments(status->arguments), "policy", text(status->policy)));
}

static void add_binding(void *context, const struct binding_status *status)
{
    json_array_append_new(
        context,
        json_pack("{s:o, s:s, s:o, s:s, s:o, s:o}", "source_name", text(status->source),
                  "source_kind", "exchange", "destination_name", text(status->destination),
                  "destination_kind", status->to_queue ? "queue" : "exchange", "routing_key",
                  text(status->key), "arguments", arguments(status->arguments)));
}

/* That of the default exchange, which is nowhere kept: every queue has one. */
static void add_own_binding(void *context, const struct queue_status *status)
{
    const struct binding_status binding = {
        .source = bytes_of_text(""),
        .destination = status->name,
        .key = status->name,
        .arguments = bytes_of_text(""),
        .to_queue = true,
    };
    add_binding(context, &binding);
}

/* --- commands */

static struct gate *need_gate(struct server *server, struct control_call *call)
{
    const char *name = control_text(call, "vhost");
    struct gate *gate = server_find_gate(server, bytes_of_text(name != NULL ? name : "/"));
    if (gate == NULL)
        control_fail(call, CONTROL_DATA, "Virtual host '%s' does not exist",
                     name != NULL ? name : "/");
    return gate;
}

struct listing_job {
    struct control_work work;
    struct server *server;
    struct control_call *call;
    struct gate *gate; /* a reference */
    const struct vhost_visitor *visitors;
    size_t count;
    struct buffer reply; /* owned */
};

static void run_listing(struct control_work *work)
{
    struct listing_job *job = container_of(work, struct listing_job, work);
    json_t *rows = json_array();
    for (size_t i = 0; i < job->count; i++) {
        struct vhost_visitor visitor = job->visitors[i];
        visitor.context = rows;
        server_list(job->server, job->gate, &visitor);
    }
    control_print_reply(rows, &job->reply);
}

static void end_listing(struct control_work *work)
{
    struct listing_job *job = container_of(work, struct listing_job, work);
    server_release_gate(job->server, job->gate);
    control_reply_printed(job->call, &job->reply);
    free(job);
}

static void submit_listing(struct server *server, struct control_call *call,
                           const struct vhost_visitor *visitors, size_t count)
{
    struct gate *gate = need_gate(server, call);
    if (gate == NULL)
        return;
    struct listing_job *job = xmalloc(sizeof *job);
    *job = (struct listing_job){
        .work = {run_listing, end_listing},
        .server = server,
        .call = call,
        .gate = gate,
        .visitors = visitors,
        .count = count,
    };
    server_submit_job(server, &job->work);
}

static void handle_list_queues(void *context, struct control_call *call)
{
    static const struct vhost_visitor visitors[] = {{.queue = add_queue}};
    submit_listing(context, call, visitors, 1);
}

static void handle_list_exchanges(void *context, struct control_call *call)
{
    static const struct vhost_visitor visitors[] = {{.exchange = add_exchange}};
    submit_listing(context, call, visitors, 1);
}

static void handle_list_bindings(void *context, struct control_call *call)
{
    static const struct vhost_visitor visitors[] = {{.queue = add_own_binding},
                                                    {.binding = add_binding}};
    submit_listing(context, call, visitors, 2);
}

void server_add_listing_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"list_queues", handle_list_queues},
        {"list_exchanges", handle_list_exchanges},
        {"list_bindings", handle_list_bindings},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
