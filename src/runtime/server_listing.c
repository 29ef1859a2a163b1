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
#include "broker/event_message.h"
#include "broker/status_rows.h"
#include "config/config.h"
#include "config/json_table.h"
#include "http/http_peer.h"
#include "net/control.h"
#include "runtime/gate.h"
#include "runtime/reactor.h"
#include "runtime/server_internal.h"

enum { SLICE_ROWS = 128 };

struct slice {
    struct vhost_listing listing;
    struct vhost_visitor keeper;
};

static void keep_slice(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct slice *slice = context;
    (void)now_ms;
    vhost_list(vhost, &slice->listing, &slice->keeper, SLICE_ROWS);
}

static struct vhost_visitor keeper_of(const struct vhost_visitor *visitor, struct status_rows *rows)
{
    return visitor->queue != NULL      ? status_rows_of_queues(rows)
           : visitor->exchange != NULL ? status_rows_of_exchanges(rows)
           : visitor->binding != NULL  ? status_rows_of_bindings(rows)
           : visitor->session != NULL  ? status_rows_of_sessions(rows)
           : visitor->channel != NULL  ? status_rows_of_channels(rows)
                                       : status_rows_of_consumers(rows);
}

static void show(const struct vhost_visitor *visitor, const void *row)
{
    if (visitor->queue != NULL)
        visitor->queue(visitor->context, row);
    else if (visitor->exchange != NULL)
        visitor->exchange(visitor->context, row);
    else if (visitor->binding != NULL)
        visitor->binding(visitor->context, row);
    else if (visitor->session != NULL)
        visitor->session(visitor->context, row);
    else if (visitor->channel != NULL)
        visitor->channel(visitor->context, row);
    else
        visitor->consumer(visitor->context, row);
}

void server_list(const struct server *server, struct gate *gate,
                 const struct vhost_visitor *visitor)
{
    struct status_rows rows = {0};
    struct slice slice = {.keeper = keeper_of(visitor, &rows)};
    while (!slice.listing.is_done && !server_is_ending(server)) {
        status_rows_reserve(&rows, SLICE_ROWS);
        gate_ask(gate, keep_slice, &slice);
        for (size_t i = 0; i < rows.count; i++)
            show(visitor, rows.rows[i]);
        status_rows_clear(&rows);
    }
    status_rows_fini(&rows);
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

static int compare_fields(const void *a, const void *b)
{
    const json_t *const *one = a, *const *other = b;
    return strcmp(json_string_value(json_array_get(*one, 0)),
                  json_string_value(json_array_get(*other, 0)));
}

/* Those of bindings stand in the order of their names. */
static json_t *sorted_arguments(struct bytes table)
{
    json_t *list = arguments(table), *sorted = json_array();
    size_t count = json_array_size(list);
    json_t **fields = xcalloc(count + 1, sizeof fields[0]);
    for (size_t i = 0; i < count; i++)
        fields[i] = json_array_get(list, i);
    qsort(fields, count, sizeof fields[0], compare_fields);
    for (size_t i = 0; i < count; i++)
        json_array_append(sorted, fields[i]);
    free(fields);
    json_decref(list);
    return sorted;
}

/* What rows are made for. */
struct rows {
    json_t *json; /* an array */
    const struct server *server;
    const char *vhost;
};

static void put_text(json_t *row, const char *name, struct bytes value)
{
    json_object_set_new(row, name, text(value));
}

static void put_number(json_t *row, const char *name, uint64_t value)
{
    json_object_set_new(row, name, json_integer((json_int_t)value));
}

static void put_flag(json_t *row, const char *name, bool value)
{
    json_object_set_new(row, name, json_boolean(value));
}

/* Of a connection (serial 0) or of a channel. */
static void put_pid(const struct rows *rows, json_t *row, const char *name, uint64_t connection,
                    uint64_t serial)
{
    char pid[EVENT_PID_SIZE];
    const struct event_source source = {
        .node_name = rows->server->config->node_name,
        .started_s = rows->server->started_wall_ms / 1000,
        .connection = connection,
    };
    put_text(row, name, bytes_of_text(event_pid(&source, serial, pid)));
}

static void put_messages(json_t *row, const struct queue_status *status)
{
    uint64_t paged_out_bytes = status->ready_bytes - status->ram_bytes;
    uint64_t bytes = status->ready_bytes + status->unacked_bytes;
    put_number(row, "messages", status->ready + status->unacked);
    put_number(row, "messages_ready", status->ready);
    put_number(row, "messages_unacknowledged", status->unacked);
    put_number(row, "messages_ready_ram", status->ram);
    put_number(row, "messages_unacknowledged_ram", status->unacked);
    put_number(row, "messages_ram", status->ram + status->unacked);
    put_number(row, "message_bytes", bytes);
    put_number(row, "message_bytes_ready", status->ready_bytes);
    put_number(row, "message_bytes_unacknowledged", status->unacked_bytes);
    put_number(row, "messages_persistent", status->persistent);
    put_number(row, "message_bytes_persistent", status->persistent_bytes);
    put_number(row, "message_bytes_ram", bytes - paged_out_bytes);
    put_number(row, "disk_reads", status->counters.disk_reads);
    put_number(row, "disk_writes", status->counters.disk_writes);
    put_number(row, "memory", status->memory_bytes);
}

/* Who has a replica of a quorum queue is this node alone. */
static void put_replicas(const struct rows *rows, json_t *row, const struct queue_status *status)
{
    const char *node = rows->server->config->node_name;
    bool is_quorum = strcmp(status->type, "quorum") == 0;
    json_object_set_new(row, "leader", json_string(is_quorum ? node : ""));
    json_object_set_new(row, "members", is_quorum ? json_pack("[s]", node) : json_string(""));
    json_object_set_new(row, "online", is_quorum ? json_pack("[s]", node) : json_string(""));
}

/* There is no process: its number is made of the name, and scripts look at the node in it. */
static void put_queue_pid(const struct rows *rows, json_t *row, struct bytes name)
{
    enum { NUMBERS = 1 << 24 };
    put_pid(rows, row, "pid", 1 + bytes_hash(name, 0) % NUMBERS, 0);
}

static void add_queue(void *context, const struct queue_status *status)
{
    const struct rows *rows = context;
    json_t *row = json_object();
    put_text(row, "name", status->name);
    put_messages(row, status);
    put_number(row, "consumers", status->consumers);
    json_object_set_new(row, "consumer_capacity", json_real(status->taker_share));
    json_object_set_new(row, "consumer_utilisation", json_real(status->taker_share));
    put_flag(row, "durable", status->is_durable);
    put_flag(row, "auto_delete", status->is_auto_delete);
    put_flag(row, "exclusive", status->is_exclusive);
    json_object_set_new(row, "arguments", arguments(status->arguments));
    put_text(row, "policy", policy_name(status->policy));
    put_text(row, "operator_policy", policy_name(status->operator_policy));
    put_text(row, "type", bytes_of_text(status->type));
    put_text(row, "state", bytes_of_text("running"));
    put_text(row, "exclusive_consumer_tag", status->exclusive_tag);
    put_text(row, "single_active_consumer_tag", status->single_tag);
    put_text(row, "owner_pid", bytes_of_text(""));
    put_text(row, "head_message_timestamp", bytes_of_text(""));
    put_text(row, "slave_pids", bytes_of_text(""));
    put_queue_pid(rows, row, status->name);
    put_replicas(rows, row, status);
    put_text(row, "synchronised_slave_pids", bytes_of_text(""));
    if (status->owner.data != NULL)
        put_pid(rows, row, "owner_pid", status->owner_number, 0);
    if (status->head_timestamp_s > 0)
        put_number(row, "head_message_timestamp", status->head_timestamp_s);
    json_array_append_new(rows->json, row);
}

static void add_channel(void *context, const struct channel_status *status)
{
    const struct rows *rows = context;
    json_t *row = json_object();
    struct buffer name = {0};
    buffer_append_bytes(&name, status->connection_name);
    buffer_append_format(&name, " (%u)", (unsigned)status->number);
    put_pid(rows, row, "pid", status->connection_number, status->serial);
    put_pid(rows, row, "connection", status->connection_number, 0);
    put_text(row, "name", buffer_bytes(&name));
    put_number(row, "number", status->number);
    put_text(row, "user", status->user);
    put_text(row, "vhost", bytes_of_text(rows->vhost));
    put_flag(row, "transactional", status->has_transactions);
    put_flag(row, "confirm", status->has_confirms);
    put_number(row, "consumer_count", status->consumers);
    put_number(row, "messages_unacknowledged", status->unacked);
    put_number(row, "messages_uncommitted", status->uncommitted);
    put_number(row, "acks_uncommitted", status->acks_uncommitted);
    put_number(row, "messages_unconfirmed", status->unconfirmed);
    put_number(row, "prefetch_count", status->prefetch_count);
    put_number(row, "global_prefetch_count", status->prefetch_global);
    buffer_fini(&name);
    json_array_append_new(rows->json, row);
}

static void add_consumer(void *context, const struct consumer_status *status)
{
    const struct rows *rows = context;
    json_t *row = json_object();
    put_text(row, "queue_name", status->queue);
    put_pid(rows, row, "channel_pid", status->connection_number, status->channel_serial);
    put_text(row, "consumer_tag", status->tag);
    put_flag(row, "ack_required", status->is_ack_required);
    put_number(row, "prefetch_count", status->prefetch_count);
    put_flag(row, "active", status->is_active);
    put_text(row, "activity_status", bytes_of_text(status->activity));
    json_object_set_new(row, "arguments",
                        status->priority != 0 ? json_pack("[[s, s, i]]", "x-priority", "signedint",
                                                          (int)status->priority)
                                              : json_array());
    json_array_append_new(rows->json, row);
}

static void add_exchange(void *context, const struct exchange_status *status)
{
    const struct rows *rows = context;
    json_array_append_new(rows->json,
                          json_pack("{s:o, s:o, s:b, s:b, s:b, s:o, s:o}", "name",
                                    text(status->name), "type", text(status->type), "durable",
                                    status->is_durable, "auto_delete", status->is_auto_delete,
                                    "internal", status->is_internal, "arguments",
                                    arguments(status->arguments), "policy", text(status->policy)));
}

static void add_binding(void *context, const struct binding_status *status)
{
    const struct rows *rows = context;
    json_array_append_new(
        rows->json,
        json_pack("{s:o, s:s, s:o, s:s, s:o, s:o}", "source_name", text(status->source),
                  "source_kind", "exchange", "destination_name", text(status->destination),
                  "destination_kind", status->to_queue ? "queue" : "exchange", "routing_key",
                  text(status->key), "arguments", sorted_arguments(status->arguments)));
}

static void add_own_binding(void *context, const struct queue_status *status)
{
    const struct binding_status binding = binding_status_of_default(status);
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
    struct gate **gates; /* owned, a reference each */
    size_t gate_count;
    const struct vhost_visitor *visitors; /* one after the other */
    size_t count;
    bool lists_connections; /* instead */
    struct buffer reply;    /* owned */
};

static void add_connection(void *context, const struct http_peer *peer,
                           const struct session_status *session);

static void run_listing(struct control_work *work)
{
    struct listing_job *job = container_of(work, struct listing_job, work);
    struct rows rows = {json_array(), job->server, NULL};
    if (job->lists_connections)
        server_list_peers(job->server, job->gates, job->gate_count, add_connection, &rows);
    for (size_t i = 0; i < job->gate_count; i++) {
        rows.vhost = gate_name(job->gates[i]);
        for (size_t k = 0; k < job->count; k++) {
            struct vhost_visitor visitor = job->visitors[k];
            visitor.context = &rows;
            server_list(job->server, job->gates[i], &visitor);
        }
    }
    control_print_reply(rows.json, &job->reply);
}

static void end_listing(struct control_work *work)
{
    struct listing_job *job = container_of(work, struct listing_job, work);
    for (size_t i = 0; i < job->gate_count; i++)
        server_release_gate(job->server, job->gates[i]);
    free(job->gates);
    control_reply_printed(job->call, &job->reply);
    free(job);
}

static void submit(struct server *server, struct control_call *call, struct listing_job content)
{
    struct listing_job *job = xmalloc(sizeof *job);
    *job = content;
    job->work = (struct control_work){run_listing, end_listing};
    job->server = server;
    job->call = call;
    server_submit_job(server, &job->work);
}

static void submit_listing(struct server *server, struct control_call *call,
                           const struct vhost_visitor *visitors, size_t count)
{
    struct gate *gate = need_gate(server, call);
    if (gate == NULL)
        return;
    struct gate **gates = xmemdup(&gate, sizeof gate);
    submit(server, call,
           (struct listing_job){
               .gates = gates, .gate_count = 1, .visitors = visitors, .count = count});
}

static void handle_list_queues(void *context, struct control_call *call)
{
    static const struct vhost_visitor visitors[] = {{.queue = add_queue}};
    const json_t *arguments = control_arguments(call);
    bool is_elsewhere = json_is_true(json_object_get(arguments, "offline")) &&
                        !json_is_true(json_object_get(arguments, "online"));
    if (is_elsewhere) /* on other nodes, of which there are none */
        control_reply(call, json_array());
    else
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

static void handle_list_consumers(void *context, struct control_call *call)
{
    static const struct vhost_visitor visitors[] = {{.consumer = add_consumer}};
    submit_listing(context, call, visitors, 1);
}

static void handle_list_channels(void *context, struct control_call *call)
{
    static const struct vhost_visitor visitors[] = {{.channel = add_channel}};
    struct gate **gates;
    size_t count = server_take_gates(context, &gates);
    submit(context, call,
           (struct listing_job){
               .gates = gates, .gate_count = count, .visitors = visitors, .count = 1});
}

/* --- connections, of which the reactors know the most */

static void put_tls(json_t *row, const struct http_peer *peer)
{
    put_flag(row, "ssl", peer->is_tls);
    put_text(row, "ssl_protocol", peer->protocol);
    put_text(row, "ssl_key_exchange", peer->key_exchange);
    put_text(row, "ssl_cipher", peer->cipher);
    put_text(row, "ssl_hash", peer->hash);
    put_text(row, "peer_cert_subject", peer->subject);
    put_text(row, "peer_cert_issuer", peer->issuer);
    put_text(row, "peer_cert_validity", peer->validity);
}

static void put_socket(json_t *row, const struct http_peer *peer)
{
    put_text(row, "host", peer->host);
    put_number(row, "port", peer->port);
    put_text(row, "peer_host", peer->peer_host);
    put_number(row, "peer_port", peer->peer_port);
    put_number(row, "recv_oct", peer->read_bytes);
    put_number(row, "recv_cnt", peer->reads);
    put_number(row, "send_oct", peer->written_bytes);
    put_number(row, "send_cnt", peer->writes);
    put_number(row, "send_pend", peer->unwritten_bytes);
}

static void add_connection(void *context, const struct http_peer *peer,
                           const struct session_status *session)
{
    const struct rows *rows = context;
    json_t *row = json_object();
    put_pid(rows, row, "pid", peer->number, 0);
    put_text(row, "name", peer->name);
    put_text(row, "user", peer->user);
    put_text(row, "vhost", bytes_of_text(gate_name(peer->gate)));
    put_text(row, "state", http_peer_state(peer, session));
    put_text(row, "protocol", bytes_of_text("{0,9,1}"));
    put_text(row, "auth_mechanism", peer->mechanism);
    put_number(row, "channels", session->channels);
    put_number(row, "channel_max", peer->channel_max);
    put_number(row, "frame_max", peer->frame_max);
    put_number(row, "timeout", peer->heartbeat_s);
    put_number(row, "connected_at", peer->connected_ms);
    json_object_set_new(row, "client_properties", arguments(peer->client_properties));
    put_socket(row, peer);
    put_tls(row, peer);
    json_array_append_new(rows->json, row);
}

void server_list_peers(const struct server *server, struct gate *const *gates, size_t gate_count,
                       server_peer_visitor *visit, void *context)
{
    struct status_rows peers = {0}, sessions = {0};
    struct vhost_visitor visitor = status_rows_of_sessions(&sessions);
    for (size_t i = 0; i < server->reactor_count; i++)
        reactor_list(server->reactors[i], &peers);
    for (size_t i = 0; i < gate_count; i++) {
        struct slice slice = {.keeper = visitor};
        while (!slice.listing.is_done && !server_is_ending(server)) {
            status_rows_reserve(&sessions, SLICE_ROWS);
            gate_ask(gates[i], keep_slice, &slice);
        }
    }
    http_peer_sort_sessions(&sessions);
    for (size_t i = 0; i < peers.count; i++) {
        const struct http_peer *peer = peers.rows[i];
        const struct session_status *session = http_peer_session(peer, &sessions);
        if (session != NULL)
            visit(context, peer, session);
    }
    status_rows_fini(&peers);
    status_rows_fini(&sessions);
}

static void handle_list_connections(void *context, struct control_call *call)
{
    struct gate **gates;
    size_t count = server_take_gates(context, &gates);
    submit(context, call,
           (struct listing_job){.gates = gates, .gate_count = count, .lists_connections = true});
}

void server_add_listing_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"list_channels", handle_list_channels},   {"list_connections", handle_list_connections},
        {"list_consumers", handle_list_consumers}, {"list_queues", handle_list_queues},
        {"list_exchanges", handle_list_exchanges}, {"list_bindings", handle_list_bindings},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
