/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Getting messages from a queue, one after the other. What is to go back stays unacked until all
 * are there, and goes back with the end of the session, so that nothing is got twice and the queue
 * has its order again.
 *
 * The directory's thread only gathers them; rows are made of them by jobs, when the client takes
 * them. A client may ask for all of a long queue: what is gathered has a bound, above which the
 * answer has fewer messages than were asked for.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/properties.h"
#include "base/check.h"
#include "base/utf8.h"
#include "base/xmalloc.h"
#include "config/json_table.h"
#include "http/http_base64.h"
#include "http/http_change.h"
#include "http/http_job.h"
#include "http/http_resources.h"
#include "http/http_row.h"
#include "http/http_session.h"
#include "queue/message.h"

enum { GOT_BYTES_MAX = 64 << 20 };

struct got {
    struct message *message; /* a reference */
    uint64_t left;           /* in the queue behind it */
    bool is_redelivered;
};

struct getting {
    const struct http_context *context;
    const struct http_session_host *sessions;
    struct http_call *call;
    struct http_session *session;
    char *queue;     /* owned */
    struct got *got; /* owned */
    size_t got_count, got_capacity;
    bool has_no_ack, rejects, is_base64;
    json_int_t count; /* that are still wanted; < 0: all */
    json_int_t truncate;
    size_t bytes; /* that what was got keeps in memory */
    uint64_t last_tag;
};

static void free_getting(void *context)
{
    struct getting *getting = context;
    for (size_t i = 0; i < getting->got_count; i++)
        message_unref(getting->got[i].message);
    free(getting->got);
    free(getting->queue);
    free(getting);
}

/* --- a message as a row */

static json_t *json_of_bytes(struct bytes text)
{
    json_t *json = json_stringn((const char *)text.data, text.size);
    const struct amqp_value value = {.type = AMQP_TYPE_LONGSTR, .bytes = text};
    return json != NULL ? json : json_of_value(&value); /* no UTF-8 */
}

static json_t *json_of_properties(struct bytes raw)
{
    struct amqp_properties properties;
    CHECK(raw.size == 0 || amqp_properties_parse(raw, &properties));
    if (raw.size == 0 || properties.flags == 0)
        return json_array();
    const struct {
        const char *name;
        enum amqp_property property;
        struct bytes text;
    } texts[] = {
        {"content_type", AMQP_PROPERTY_CONTENT_TYPE, properties.content_type},
        {"content_encoding", AMQP_PROPERTY_CONTENT_ENCODING, properties.content_encoding},
        {"correlation_id", AMQP_PROPERTY_CORRELATION_ID, properties.correlation_id},
        {"reply_to", AMQP_PROPERTY_REPLY_TO, properties.reply_to},
        {"expiration", AMQP_PROPERTY_EXPIRATION, properties.expiration},
        {"message_id", AMQP_PROPERTY_MESSAGE_ID, properties.message_id},
        {"type", AMQP_PROPERTY_TYPE, properties.type},
        {"user_id", AMQP_PROPERTY_USER_ID, properties.user_id},
        {"app_id", AMQP_PROPERTY_APP_ID, properties.app_id},
        {"cluster_id", AMQP_PROPERTY_CLUSTER_ID, properties.cluster_id},
    };
    json_t *object = json_object();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (amqp_properties_has(&properties, texts[i].property))
            json_object_set_new(object, texts[i].name, json_of_bytes(texts[i].text));
    }
    if (amqp_properties_has(&properties, AMQP_PROPERTY_HEADERS))
        json_object_set_new(object, "headers", json_of_table(properties.headers));
    if (amqp_properties_has(&properties, AMQP_PROPERTY_DELIVERY_MODE))
        json_object_set_new(object, "delivery_mode", json_integer(properties.delivery_mode));
    if (amqp_properties_has(&properties, AMQP_PROPERTY_PRIORITY))
        json_object_set_new(object, "priority", json_integer(properties.priority));
    if (amqp_properties_has(&properties, AMQP_PROPERTY_TIMESTAMP))
        json_object_set_new(object, "timestamp", json_integer((json_int_t)properties.timestamp_s));
    return object;
}

static void put_payload(const struct getting *getting, struct http_row *row, struct bytes body)
{
    if (getting->truncate >= 0 && body.size > (uint64_t)getting->truncate)
        body.size = (size_t)getting->truncate;
    bool is_text = !getting->is_base64 && utf8_is_valid(body);
    struct buffer encoded = {0};
    if (!is_text)
        http_base64_encode(body, &encoded);
    struct bytes text = is_text ? body : buffer_bytes(&encoded);
    http_row_put(row, "payload", json_stringn((const char *)text.data, text.size));
    http_row_text(row, "payload_encoding", bytes_of_text(is_text ? "string" : "base64"));
    buffer_fini(&encoded);
}

static void fill_row(const void *context, size_t number, struct http_row *row)
{
    const struct getting *getting = context;
    const struct got *got = &getting->got[number];
    http_row_number(row, "payload_bytes", message_body(got->message).size);
    http_row_flag(row, "redelivered", got->is_redelivered);
    http_row_put(row, "exchange", json_of_bytes(message_exchange(got->message)));
    http_row_put(row, "routing_key", json_of_bytes(message_routing_key(got->message)));
    http_row_number(row, "message_count", got->left);
    http_row_put(row, "properties", json_of_properties(message_properties(got->message)));
    if (http_row_wants(row, "payload") || http_row_wants(row, "payload_encoding"))
        put_payload(getting, row, message_body(got->message));
}

/* --- one after the other */

struct gathered {
    struct getting *getting;
};

static void run_answer(struct http_job *job)
{
    struct getting *getting = ((const struct gathered *)job->state)->getting;
    const struct http_list list = {getting->got_count, NULL,          fill_row, getting,
                                   free_getting,       getting->bytes};
    http_reply_rows(job->call, &list);
}

static void answer(struct getting *getting)
{
    if (getting->rejects && getting->last_tag > 0) {
        const struct amqp_method nack = {
            .id = AMQP_BASIC_NACK,
            .basic_nack = {.delivery_tag = getting->last_tag, .multiple = true}};
        getting->sessions->send(getting->session, &nack);
    }
    getting->sessions->close(getting->session);
    struct http_job *job = http_job_new(getting->context, getting->call, run_answer);
    job->state = xmemdup(&(struct gathered){getting}, sizeof(struct gathered));
    http_job_start(job);
}

static void get_next(struct getting *getting)
{
    const struct amqp_method get = {
        .id = AMQP_BASIC_GET,
        .basic_get = {.queue = bytes_of_text(getting->queue), .no_ack = getting->has_no_ack}};
    if (getting->count == 0 || getting->bytes > GOT_BYTES_MAX)
        answer(getting);
    else
        getting->sessions->send(getting->session, &get);
}

static void on_method(void *context, const struct amqp_method *method, struct message *message)
{
    struct getting *getting = context;
    if (method->id != AMQP_BASIC_GET_OK) {
        answer(getting);
        return;
    }
    getting->got =
        xgrow(getting->got, &getting->got_capacity, getting->got_count + 1, sizeof getting->got[0]);
    getting->got[getting->got_count++] = (struct got){
        message_ref(message), method->basic_get_ok.message_count, method->basic_get_ok.redelivered};
    getting->bytes += message_footprint(message) + sizeof getting->got[0];
    getting->last_tag = method->basic_get_ok.delivery_tag;
    if (getting->count > 0)
        getting->count--;
    get_next(getting);
}

static void on_settled(void *context, bool is_confirmed)
{
    (void)context, (void)is_confirmed;
}

static void on_error(void *context, const struct amqp_error *error)
{
    struct getting *getting = context;
    http_refuse_reading(getting->call, error);
    free_getting(getting);
}

/* --- what the client wants */

static const double integer_max = 1e15; /* more than there are messages */

/* A number, or a text that is one; false, answered, where it is none. */
static bool read_integer(struct http_call *call, const char *key, json_int_t *number)
{
    json_t *value = json_object_get(http_call_body(call), key);
    const char *text = json_string_value(value);
    char *end;
    if (value == NULL)
        return true;
    if (json_is_integer(value)) {
        *number = json_integer_value(value);
        return true;
    }
    if (json_is_real(value)) {
        double real = json_real_value(value);
        *number = (json_int_t)(real < -integer_max  ? -integer_max
                               : real > integer_max ? integer_max
                                                    : real);
        return true;
    }
    if (text != NULL) {
        *number = strtoll(text, &end, 10);
        if (end != text && *end == '\0')
            return true;
    }
    http_bad_request_json(call, json_pack("[s, O]", "not_integer", value));
    return false;
}

static bool read_mode(struct http_call *call, struct getting *getting)
{
    static const struct {
        const char *name;
        bool has_no_ack, rejects;
    } modes[] = {{"ack_requeue_true", false, false},
                 {"ack_requeue_false", true, false},
                 {"reject_requeue_true", false, false},
                 {"reject_requeue_false", false, true}};
    const char *name = json_string_value(json_object_get(http_call_body(call), "ackmode"));
    for (size_t i = 0; name != NULL && i < sizeof modes / sizeof modes[0]; i++) {
        if (strcmp(name, modes[i].name) != 0)
            continue;
        getting->has_no_ack = modes[i].has_no_ack;
        getting->rejects = modes[i].rejects;
        return true;
    }
    http_bad_request(call, "ackmode must be ack_requeue_true, ack_requeue_false, "
                           "reject_requeue_true or reject_requeue_false");
    return false;
}

static bool read_encoding(struct http_call *call, struct getting *getting)
{
    const char *name = json_string_value(json_object_get(http_call_body(call), "encoding"));
    getting->is_base64 = name != NULL && strcmp(name, "base64") == 0;
    if (getting->is_base64 || (name != NULL && strcmp(name, "auto") == 0))
        return true;
    http_bad_request(call, "Unsupported encoding. Please use auto or base64.");
    return false;
}

static bool read_wishes(struct http_call *call, struct getting *getting)
{
    static const char *const keys[] = {"ackmode", "count", "encoding"};
    return http_need_keys(call, keys, sizeof keys / sizeof keys[0]) &&
           read_integer(call, "count", &getting->count) &&
           read_integer(call, "truncate", &getting->truncate) && read_encoding(call, getting) &&
           read_mode(call, getting) &&
           http_need_name(call, "queue", http_call_parameter(call, "name"));
}

void http_get_messages(const struct http_context *context, struct http_call *call)
{
    static const struct http_session_events events = {on_method, on_settled, on_error};
    const struct http_session_host *sessions = context->host->sessions;
    struct getting wishes = {
        .context = context, .sessions = sessions, .call = call, .truncate = -1};
    if (!http_need_entrance(context, call) || !read_wishes(call, &wishes))
        return;
    struct getting *getting = xmemdup(&wishes, sizeof wishes);
    getting->queue = xstrdup(http_call_parameter(call, "name"));
    getting->session = sessions->open(context->host_context, call,
                                      http_call_parameter(call, "vhost"), false, &events, getting);
    if (getting->session == NULL) {
        http_not_authorised(call, "Access refused.");
        free_getting(getting);
        return;
    }
    get_next(getting);
}
