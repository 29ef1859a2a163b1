/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead letters: what a message looks like after it has died in a queue, and where it may go.
 *
 * The history stands in the header x-death: one table for each pair of queue and reason, the latest
 * death first, with a count, the time of the first, and the address that the message had. A
 * message that dies again for the same reason in the same queue counts up and comes to the front.
 * x-first-death-* tell of the first death, x-last-death-* of the last. A publisher may send such
 * headers, too (it publishes again what had died): with x-death nothing is the first death.
 *
 * A message that would come back to a queue in which it has died already, without anybody having
 * rejected it in between, would go round for ever: it does not go there
 * (https://www.rabbitmq.com/docs/dlx#cycles).
 */
#include "broker/dead_letter.h"

#include "amqp/error.h"
#include "amqp/properties.h"
#include "amqp/table.h"

static const char *const reason_names[] = {
    [DEATH_REJECTED] = "rejected",
    [DEATH_EXPIRED] = "expired",
    [DEATH_MAXLEN] = "maxlen",
    [DEATH_DELIVERY_LIMIT] = "delivery_limit",
};

/* A death that is being written down. */
struct death {
    const struct message *message;
    struct bytes queue;
    const char *reason;
    struct bytes headers; /* the message's, as they were */
    const struct amqp_properties *properties;
    uint64_t now_ms;
};

static bool field_is(struct bytes table, const char *name, struct bytes text)
{
    struct amqp_value value;
    return amqp_table_find(table, name, &value) && value.type == AMQP_TYPE_LONGSTR &&
           bytes_equal(value.bytes, text);
}

static bool is_same_death(const struct death *death, struct bytes table)
{
    return field_is(table, "queue", death->queue) &&
           field_is(table, "reason", bytes_of_text(death->reason));
}

/* The array of deaths so far; empty where there is none. */
static struct bytes history_of(struct bytes headers)
{
    struct amqp_value value;
    return amqp_table_find(headers, "x-death", &value) && value.type == AMQP_TYPE_ARRAY
               ? value.bytes
               : bytes_of(NULL, 0);
}

/* The next death of a history; what is not a table is passed over. */
static bool next_death(struct reader *reader, struct bytes *table)
{
    struct amqp_value value;
    while (amqp_array_next(reader, &value)) {
        if (value.type == AMQP_TYPE_TABLE) {
            *table = value.bytes;
            return true;
        }
    }
    return false;
}

/* --- writing it down */

static void add_routing_keys(struct buffer *table, const struct death *death)
{
    struct amqp_value copies, key;
    size_t begin = amqp_table_add_array_begin(table, "routing-keys");
    amqp_array_add_longstr(table, message_routing_key(death->message));
    if (amqp_table_find(death->headers, "CC", &copies) && copies.type == AMQP_TYPE_ARRAY) {
        struct reader reader = reader_of(copies.bytes);
        while (amqp_array_next(&reader, &key)) {
            if (key.type == AMQP_TYPE_LONGSTR)
                amqp_array_add_longstr(table, key.bytes);
        }
    }
    amqp_table_end(table, begin);
}

static void add_new_death(struct buffer *array, const struct death *death)
{
    size_t begin = amqp_array_add_table_begin(array);
    amqp_table_add_int(array, "count", 1);
    amqp_table_add_text(array, "reason", death->reason);
    amqp_table_add_longstr(array, "queue", death->queue);
    amqp_table_add_timestamp(array, "time", death->now_ms / 1000);
    amqp_table_add_longstr(array, "exchange", message_exchange(death->message));
    add_routing_keys(array, death);
    if (amqp_properties_has(death->properties, AMQP_PROPERTY_EXPIRATION))
        amqp_table_add_longstr(array, "original-expiration", death->properties->expiration);
    amqp_table_end(array, begin);
}

static void add_known_death(struct buffer *array, struct bytes table)
{
    struct reader reader = reader_of(table);
    struct amqp_field field;
    int64_t count;
    size_t begin = amqp_array_add_table_begin(array);
    while (amqp_table_next(&reader, &field)) {
        if (bytes_equal_text(field.name, "count") && amqp_value_get_integer(&field.value, &count))
            amqp_table_add_int(array, "count", count + 1);
        else
            amqp_table_add_field(array, &field);
    }
    amqp_table_end(array, begin);
}

static void add_history(struct buffer *headers, const struct death *death)
{
    struct bytes history = history_of(death->headers), table, same = {0};
    struct reader reader = reader_of(history);
    size_t begin = amqp_table_add_array_begin(headers, "x-death");
    while (same.data == NULL && next_death(&reader, &table)) {
        if (is_same_death(death, table))
            same = table;
    }
    if (same.data != NULL)
        add_known_death(headers, same);
    else
        add_new_death(headers, death);
    reader = reader_of(history);
    while (next_death(&reader, &table)) {
        struct amqp_value value = {.type = AMQP_TYPE_TABLE, .bytes = table};
        if (table.data != same.data)
            amqp_array_add_value(headers, &value);
    }
    amqp_table_end(headers, begin);
}

static const char *const first_death[] = {"x-first-death-exchange", "x-first-death-queue",
                                          "x-first-death-reason"};
static const char *const last_death[] = {"x-last-death-exchange", "x-last-death-queue",
                                         "x-last-death-reason"};

static bool is_any(struct bytes name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_text(name, names[i]))
            return true;
    }
    return false;
}

static bool is_rewritten(struct bytes name, bool is_first, bool has_own_key)
{
    return bytes_equal_text(name, "x-death") || is_any(name, last_death, 3) ||
           (is_first && is_any(name, first_death, 3)) ||
           (has_own_key && (bytes_equal_text(name, "CC") || bytes_equal_text(name, "BCC")));
}

static void add_one_death(struct buffer *headers, const char *const names[3],
                          const struct death *death)
{
    amqp_table_add_longstr(headers, names[0], message_exchange(death->message));
    amqp_table_add_longstr(headers, names[1], death->queue);
    amqp_table_add_text(headers, names[2], death->reason);
}

static void add_headers(struct buffer *headers, const struct death *death, bool has_own_key)
{
    struct reader reader = reader_of(death->headers);
    struct amqp_field field;
    struct amqp_value value;
    bool is_first = !amqp_table_find(death->headers, "x-death", &value);
    add_history(headers, death);
    while (amqp_table_next(&reader, &field)) {
        if (!is_rewritten(field.name, is_first, has_own_key))
            amqp_table_add_field(headers, &field);
    }
    if (is_first)
        add_one_death(headers, first_death, death);
    add_one_death(headers, last_death, death);
}

/* An argument or policy may be longer than what the wire can carry. */
static struct bytes cut(struct bytes text)
{
    return bytes_of(text.data, text.size < AMQP_SHORTSTR_MAX ? text.size : AMQP_SHORTSTR_MAX);
}

void dead_letter_address(const struct queue_settings *settings, const struct message *message,
                         struct bytes *exchange, struct bytes *routing_key)
{
    *exchange = cut(settings->dead_letter_exchange);
    *routing_key = settings->dead_letter_routing_key.data != NULL
                       ? cut(settings->dead_letter_routing_key)
                       : message_routing_key(message);
}

struct message *dead_letter_new(struct message *message, const struct queue *queue,
                                enum death_reason reason, uint64_t now_ms)
{
    const struct queue_settings *settings = queue->settings;
    struct amqp_properties properties = {0};
    struct buffer headers = {0}, raw = {0};
    bool has_own_key = settings->dead_letter_routing_key.data != NULL;
    bool is_valid = amqp_properties_parse(message_properties(message), &properties);
    struct death death = {
        .message = message,
        .queue = queue->name,
        .reason = reason_names[reason],
        .headers = is_valid ? properties.headers : bytes_of(NULL, 0),
        .properties = &properties,
        .now_ms = now_ms,
    };
    add_headers(&headers, &death, has_own_key);
    properties.headers = buffer_bytes(&headers);
    properties.flags =
        (uint16_t)((properties.flags | AMQP_PROPERTY_HEADERS) & ~AMQP_PROPERTY_EXPIRATION);
    amqp_properties_encode(&raw, &properties);
    struct bytes exchange, key;
    dead_letter_address(settings, message, &exchange, &key);
    struct message *letter = message_readdress(message, exchange, key, buffer_bytes(&raw));
    buffer_fini(&headers);
    buffer_fini(&raw);
    return letter;
}

/* --- where it may go */

bool dead_letter_has_history(const struct message *message)
{
    struct bytes properties = message_properties(message), headers;
    return (amqp_properties_flags(properties) & AMQP_PROPERTY_HEADERS) != 0 &&
           amqp_properties_headers(properties, &headers) && history_of(headers).size > 0;
}

bool dead_letter_returns_to(const struct message *message, struct bytes queue)
{
    struct bytes headers, table;
    if (!amqp_properties_headers(message_properties(message), &headers))
        return false;
    struct reader reader = reader_of(history_of(headers));
    while (next_death(&reader, &table)) {
        if (field_is(table, "reason", bytes_of_text("rejected")))
            return false;
        if (field_is(table, "queue", queue))
            return true;
    }
    return false;
}
