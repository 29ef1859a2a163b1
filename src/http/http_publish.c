/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing one message: with a confirm, so that it is safe when the client has its answer, and
 * mandatory, so that the answer can say whether a queue took it.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/properties.h"
#include "base/xmalloc.h"
#include "http/http_base64.h"
#include "http/http_change.h"
#include "http/http_resources.h"
#include "http/http_session.h"
#include "queue/message.h"

/* --- properties */

static bool refuse_value(struct http_call *call, const char *what, const char *name)
{
    http_bad_request_json(call, json_pack("[s, s]", what, name));
    return false;
}

struct reading {
    struct http_call *call;
    const json_t *json;
    struct amqp_properties *properties;
};

static bool read_text(const struct reading *reading, const char *name, enum amqp_property property,
                      struct bytes *text)
{
    const json_t *value = json_object_get(reading->json, name);
    if (value == NULL)
        return true;
    if (!json_is_string(value))
        return refuse_value(reading->call, "not_string", name);
    *text = bytes_of(json_string_value(value), json_string_length(value));
    if (text->size > AMQP_SHORTSTR_MAX) {
        http_bad_request(reading->call, "%s should be less than %d bytes, actually was %zu\n", name,
                         AMQP_SHORTSTR_MAX, text->size);
        return false;
    }
    reading->properties->flags |= (uint16_t)property;
    return true;
}

/* RabbitMQ takes more than the octet that there is on the wire. */
static bool read_number(const struct reading *reading, const char *name,
                        enum amqp_property property, uint64_t max, uint64_t *number)
{
    const json_t *value = json_object_get(reading->json, name);
    if (value == NULL)
        return true;
    if (!json_is_integer(value))
        return refuse_value(reading->call, "not_int", name);
    if (json_integer_value(value) < 0 || (uint64_t)json_integer_value(value) > max) {
        http_bad_request(reading->call, "%s must be from 0 to %llu", name, (unsigned long long)max);
        return false;
    }
    *number = (uint64_t)json_integer_value(value);
    reading->properties->flags |= (uint16_t)property;
    return true;
}

static bool read_headers(const struct reading *reading, struct buffer *table)
{
    const json_t *headers = json_object_get(reading->json, "headers");
    if (headers == NULL)
        return true;
    if (!http_need_table(reading->call, "headers", headers, table))
        return false;
    reading->properties->headers = buffer_bytes(table);
    reading->properties->flags |= (uint16_t)AMQP_PROPERTY_HEADERS;
    return true;
}

static bool read_texts(const struct reading *reading)
{
    struct amqp_properties *properties = reading->properties;
    const struct {
        const char *name;
        enum amqp_property property;
        struct bytes *text;
    } texts[] = {
        {"content_type", AMQP_PROPERTY_CONTENT_TYPE, &properties->content_type},
        {"content_encoding", AMQP_PROPERTY_CONTENT_ENCODING, &properties->content_encoding},
        {"correlation_id", AMQP_PROPERTY_CORRELATION_ID, &properties->correlation_id},
        {"reply_to", AMQP_PROPERTY_REPLY_TO, &properties->reply_to},
        {"expiration", AMQP_PROPERTY_EXPIRATION, &properties->expiration},
        {"message_id", AMQP_PROPERTY_MESSAGE_ID, &properties->message_id},
        {"type", AMQP_PROPERTY_TYPE, &properties->type},
        {"user_id", AMQP_PROPERTY_USER_ID, &properties->user_id},
        {"app_id", AMQP_PROPERTY_APP_ID, &properties->app_id},
        {"cluster_id", AMQP_PROPERTY_CLUSTER_ID, &properties->cluster_id},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (!read_text(reading, texts[i].name, texts[i].property, texts[i].text))
            return false;
    }
    return true;
}

/* Appends them as they stand in a content header. False, answered, where one cannot be. */
static bool read_properties(struct http_call *call, const json_t *json, struct buffer *raw)
{
    struct amqp_properties properties = {0};
    const struct reading reading = {call, json, &properties};
    struct buffer table = {0};
    uint64_t delivery_mode = 0, priority = 0;
    bool is_right =
        read_headers(&reading, &table) &&
        read_number(&reading, "delivery_mode", AMQP_PROPERTY_DELIVERY_MODE, UINT8_MAX,
                    &delivery_mode) &&
        read_number(&reading, "priority", AMQP_PROPERTY_PRIORITY, UINT8_MAX, &priority) &&
        read_number(&reading, "timestamp", AMQP_PROPERTY_TIMESTAMP, INT64_MAX,
                    &properties.timestamp_s) &&
        read_texts(&reading);
    properties.delivery_mode = (uint8_t)delivery_mode;
    properties.priority = (uint8_t)priority;
    if (is_right)
        amqp_properties_encode(raw, &properties);
    buffer_fini(&table);
    return is_right;
}

/* --- the message */

static bool read_payload(struct http_call *call, struct buffer *payload)
{
    json_t *text = json_object_get(http_call_body(call), "payload");
    json_t *encoding = json_object_get(http_call_body(call), "payload_encoding");
    const char *name = json_is_string(encoding) ? json_string_value(encoding) : "";
    if (!json_is_string(text)) {
        http_bad_request(call, "payload_not_string");
        return false;
    }
    if (strcmp(name, "string") == 0) {
        buffer_append(payload, json_string_value(text), json_string_length(text));
        return true;
    }
    if (strcmp(name, "base64") != 0) {
        http_bad_request_json(call, json_pack("[s, O]", "unsupported_encoding", encoding));
        return false;
    }
    if (http_base64_decode(json_string_value(text), payload))
        return true;
    http_bad_request_json(call, json_pack("[s, O]", "not_base64", text));
    return false;
}

/* NULL, answered, where the call does not say one. */
static struct message *read_message(struct http_call *call)
{
    static const char *const keys[] = {"routing_key", "properties", "payload", "payload_encoding"};
    struct bytes exchange = http_exchange_name(http_call_parameter(call, "exchange"));
    char key[AMQP_SHORTSTR_MAX + 1];
    struct buffer payload = {0}, raw = {0};
    struct message *message = NULL;
    if (http_need_keys(call, keys, sizeof keys / sizeof keys[0]) &&
        http_need_name(call, "exchange", (const char *)exchange.data) &&
        read_payload(call, &payload) && http_need_routing_key(call, key) &&
        read_properties(call, json_object_get(http_call_body(call), "properties"), &raw)) {
        message =
            message_new(exchange, bytes_of_text(key), buffer_bytes(&raw), buffer_bytes(&payload));
        message->is_persistent = amqp_properties_is_persistent(buffer_bytes(&raw));
    }
    buffer_fini(&payload);
    buffer_fini(&raw);
    return message;
}

/* --- publishing */

struct publishing {
    const struct http_session_host *sessions;
    struct http_call *call;
    struct http_session *session;
    bool is_returned;
};

static void on_method(void *context, const struct amqp_method *method, struct message *message)
{
    struct publishing *publishing = context;
    (void)message;
    publishing->is_returned |= method->id == AMQP_BASIC_RETURN;
}

static void on_settled(void *context, bool is_confirmed)
{
    struct publishing *publishing = context;
    publishing->sessions->close(publishing->session);
    if (is_confirmed)
        http_reply(publishing->call, json_pack("{s:b}", "routed", !publishing->is_returned));
    else
        http_bad_request(publishing->call,
                         "rejected Unable to publish message. Check queue limits.");
    free(publishing);
}

static void on_error(void *context, const struct amqp_error *error)
{
    struct publishing *publishing = context;
    http_refuse_session(publishing->call, error);
    free(publishing);
}

void http_publish(const struct http_context *context, struct http_call *call)
{
    static const struct http_session_events events = {on_method, on_settled, on_error};
    static const struct amqp_method confirm = {.id = AMQP_CONFIRM_SELECT};
    const struct http_session_host *sessions = context->host->sessions;
    if (!http_need_entrance(context, call))
        return;
    struct message *message = read_message(call);
    if (message == NULL)
        return;
    struct publishing *publishing = xcalloc(1, sizeof *publishing);
    *publishing = (struct publishing){.sessions = sessions, .call = call};
    publishing->session =
        sessions->open(context->host_context, call, http_call_parameter(call, "vhost"), false,
                       &events, publishing);
    if (publishing->session == NULL) {
        http_not_authorised(call, "Access refused.");
        message_unref(message);
        free(publishing);
        return;
    }
    sessions->send(publishing->session, &confirm);
    sessions->publish(publishing->session, message);
}
