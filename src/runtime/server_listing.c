/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of what is in a vhost. The core is asked for a slice at a time, between which it serves its
 * clients: a hundred thousand queues take as long as they take, and stop nobody.
 */
#include "runtime/server_listing.h"

#include <jansson.h>

#include "config/json_table.h"
#include "net/control.h"
#include "runtime/gate.h"
#include "runtime/server_internal.h"

enum { SLICE_ROWS = 256 };

struct listing_call {
    struct vhost_listing listing;
    const struct vhost_visitor *visitor;
};

static void list_slice(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct listing_call *call = context;
    (void)now_ms;
    vhost_list(vhost, &call->listing, call->visitor, SLICE_ROWS);
}

void server_list(struct gate *gate, const struct vhost_visitor *visitor)
{
    struct listing_call call = {.visitor = visitor};
    while (!call.listing.is_done)
        gate_call(gate, list_slice, &call);
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

static void reply_list(struct server *server, struct control_call *call,
                       const struct vhost_visitor *visitors, size_t count)
{
    struct gate *gate = need_gate(server, call);
    if (gate == NULL)
        return;
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++) {
        struct vhost_visitor visitor = visitors[i];
        visitor.context = rows;
        server_list(gate, &visitor);
    }
    server_release_gate(server, gate);
    control_reply(call, rows);
}

static void handle_list_queues(void *context, struct control_call *call)
{
    static const struct vhost_visitor visitors[] = {{.queue = add_queue}};
    reply_list(context, call, visitors, 1);
}

static void handle_list_exchanges(void *context, struct control_call *call)
{
    static const struct vhost_visitor visitors[] = {{.exchange = add_exchange}};
    reply_list(context, call, visitors, 1);
}

static void handle_list_bindings(void *context, struct control_call *call)
{
    static const struct vhost_visitor visitors[] = {{.queue = add_own_binding},
                                                    {.binding = add_binding}};
    reply_list(context, call, visitors, 2);
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
