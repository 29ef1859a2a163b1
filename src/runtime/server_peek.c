/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rabbitmq-queues peek: one message, its properties, and how it begins, as pairs of a name and a
 * value in RabbitMQ's order.
 */
#include <jansson.h>
#include <string.h>

#include "amqp/properties.h"
#include "config/config.h"
#include "config/json_table.h"
#include "net/control.h"
#include "queue/message.h"
#include "runtime/gate.h"
#include "runtime/server_internal.h"

enum { PAYLOAD_BYTES_MAX = 64 };

struct peek {
    struct bytes queue;
    uint64_t index;
    enum vhost_peek result;
    struct vhost_peeked peeked;
};

static void look(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct peek *peek = context;
    (void)now_ms;
    peek->result = vhost_peek(vhost, peek->queue, peek->index, &peek->peeked);
}

static void add(json_t *pairs, const char *name, json_t *value)
{
    json_array_append_new(pairs, json_pack("[s, o]", name, value));
}

static json_t *text(struct bytes bytes)
{
    const struct amqp_value value = {.type = AMQP_TYPE_LONGSTR, .bytes = bytes};
    return json_of_value(&value);
}

static void add_properties(json_t *pairs, const struct amqp_properties *properties)
{
    const struct {
        const char *name;
        enum amqp_property property;
        struct bytes text;
        uint64_t number;
    } all[] = {
        {"cluster_id", AMQP_PROPERTY_CLUSTER_ID, properties->cluster_id, 0},
        {"app_id", AMQP_PROPERTY_APP_ID, properties->app_id, 0},
        {"user_id", AMQP_PROPERTY_USER_ID, properties->user_id, 0},
        {"type", AMQP_PROPERTY_TYPE, properties->type, 0},
        {"timestamp", AMQP_PROPERTY_TIMESTAMP, {0}, properties->timestamp_s},
        {"message_id", AMQP_PROPERTY_MESSAGE_ID, properties->message_id, 0},
        {"expiration", AMQP_PROPERTY_EXPIRATION, properties->expiration, 0},
        {"reply_to", AMQP_PROPERTY_REPLY_TO, properties->reply_to, 0},
        {"correlation_id", AMQP_PROPERTY_CORRELATION_ID, properties->correlation_id, 0},
        {"priority", AMQP_PROPERTY_PRIORITY, {0}, properties->priority},
        {"delivery_mode", AMQP_PROPERTY_DELIVERY_MODE, {0}, properties->delivery_mode},
        {"content_encoding", AMQP_PROPERTY_CONTENT_ENCODING, properties->content_encoding, 0},
        {"content_type", AMQP_PROPERTY_CONTENT_TYPE, properties->content_type, 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (amqp_properties_has(properties, all[i].property))
            add(pairs, all[i].name,
                all[i].text.data != NULL ? text(all[i].text)
                                         : json_integer((json_int_t)all[i].number));
    }
}

static void add_headers(json_t *pairs, const struct amqp_properties *properties)
{
    const char *key;
    json_t *value, *headers;
    if (!amqp_properties_has(properties, AMQP_PROPERTY_HEADERS))
        return;
    headers = json_of_table(properties->headers);
    json_object_foreach(headers, key, value)
    {
        json_t *pair = json_array();
        json_array_append_new(pair, json_sprintf("header.%s", key));
        json_array_append(pair, value);
        json_array_append_new(pairs, pair);
    }
    json_decref(headers);
}

static json_t *describe(const struct vhost_peeked *peeked)
{
    const struct message *message = peeked->message;
    struct amqp_properties properties = {0};
    struct bytes payload = message_body(message), raw = message_properties(message);
    json_t *pairs = json_array();
    bool has_properties = raw.size > 0 && amqp_properties_parse(raw, &properties);
    payload.size = payload.size < PAYLOAD_BYTES_MAX ? payload.size : PAYLOAD_BYTES_MAX;
    if (has_properties)
        add_properties(pairs, &properties);
    add(pairs, "routing_keys", json_pack("[o]", text(message_routing_key(message))));
    add(pairs, "exchange", text(message_exchange(message)));
    add(pairs, "payload (max 64 bytes)", text(payload));
    if (has_properties)
        add_headers(pairs, &properties);
    add(pairs, "header.x-delivery-count", json_integer(peeked->failures));
    return pairs;
}

static void handle_peek(void *context, struct control_call *call)
{
    struct server *server = context;
    const char *vhost = control_text(call, "vhost"), *queue = control_text(call, "queue");
    json_int_t position = json_integer_value(json_object_get(control_arguments(call), "position"));
    struct gate *gate = server_find_gate(server, bytes_of_text(vhost != NULL ? vhost : "/"));
    struct peek peek = {.queue = bytes_of_text(queue != NULL ? queue : ""),
                        .index = position > 0 ? (uint64_t)position - 1 : UINT64_MAX,
                        .result = VHOST_PEEK_NO_QUEUE};
    if (gate != NULL) {
        gate_ask(gate, look, &peek);
        server_release_gate(server, gate);
    }
    switch (peek.result) {
    case VHOST_PEEK_FOUND:
        control_reply(call, json_pack("{s:s, s:o}", "node", server->config->node_name, "fields",
                                      describe(&peek.peeked)));
        message_unref(peek.peeked.message);
        break;
    case VHOST_PEEK_NO_QUEUE:
        control_fail(call, CONTROL_UNAVAILABLE, "Target queue was not found in virtual host '%s'",
                     vhost != NULL ? vhost : "/");
        break;
    case VHOST_PEEK_NO_MESSAGE:
        control_fail(call, CONTROL_UNAVAILABLE,
                     "Target queue does not have a message at that position");
        break;
    case VHOST_PEEK_IN_STORE:
        control_fail(call, CONTROL_UNAVAILABLE,
                     "The message at that position is in the store alone, and not read for this");
        break;
    }
}

void server_add_peek_command(struct server *server)
{
    static const struct control_command commands[] = {{"peek", handle_peek}};
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
