/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CC and BCC. Most messages have no headers at all and are told apart by one bit of their property
 * flags. What has BCC keeps it in the queue, because a dead letter goes to all keys that the
 * message came with, and is written anew for each client that gets it.
 */
#include "broker/copies.h"

#include <stdlib.h>

#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/xmalloc.h"

static bool headers_of(const struct message *message, struct bytes *headers)
{
    return message_has(message, AMQP_PROPERTY_HEADERS) &&
           amqp_properties_headers(message_properties(message), headers);
}

static bool check_one(struct bytes headers, const char *name, struct amqp_error *error)
{
    struct amqp_value value;
    return !amqp_table_find(headers, name, &value) || value.type == AMQP_TYPE_ARRAY ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "invalid message: {unacceptable_type_in_header,\"%s\",%s}", name,
                          amqp_value_type_name(value.type));
}

bool copies_check(const struct message *message, struct amqp_error *error)
{
    struct bytes headers;
    return !headers_of(message, &headers) ||
           (check_one(headers, "CC", error) && check_one(headers, "BCC", error));
}

bool copies_has_any(const struct message *message)
{
    struct bytes headers;
    struct amqp_value value;
    return headers_of(message, &headers) &&
           (amqp_table_find(headers, "CC", &value) || amqp_table_find(headers, "BCC", &value));
}

struct key_list {
    struct bytes *keys;
    size_t count;
    size_t capacity;
};

static void add_key(struct key_list *list, struct bytes key)
{
    list->keys = xgrow(list->keys, &list->capacity, list->count + 1, sizeof *list->keys);
    list->keys[list->count++] = key;
}

static void add_keys(struct key_list *list, struct bytes headers, const char *name)
{
    struct amqp_value value, member;
    if (!amqp_table_find(headers, name, &value) || value.type != AMQP_TYPE_ARRAY)
        return;
    struct reader reader = reader_of(value.bytes);
    while (amqp_array_next(&reader, &member)) {
        if (member.type == AMQP_TYPE_LONGSTR)
            add_key(list, member.bytes);
    }
}

struct bytes *copies_keys(const struct message *message, size_t *count)
{
    struct key_list list = {0};
    struct bytes headers;
    add_key(&list, message_routing_key(message));
    if (headers_of(message, &headers)) {
        add_keys(&list, headers, "CC");
        add_keys(&list, headers, "BCC");
    }
    *count = list.count;
    return list.keys;
}

static struct message *rewrite_without_bcc(struct message *message, struct bytes headers)
{
    struct amqp_properties properties;
    struct amqp_field field;
    struct buffer kept = {0}, raw = {0};
    struct reader reader = reader_of(headers);
    while (amqp_table_next(&reader, &field)) {
        if (!bytes_equal_text(field.name, "BCC"))
            amqp_table_add_field(&kept, &field);
    }
    if (!amqp_properties_parse(message_properties(message), &properties))
        return NULL;
    properties.headers = buffer_bytes(&kept);
    amqp_properties_encode(&raw, &properties);
    struct message *copy = message_readdress(message, message_exchange(message),
                                             message_routing_key(message), buffer_bytes(&raw));
    copy->hides_bcc = false;
    buffer_fini(&kept);
    buffer_fini(&raw);
    return copy;
}

void copies_note_bcc(struct message *message)
{
    struct bytes headers;
    struct amqp_value value;
    bool has_bcc = headers_of(message, &headers) && amqp_table_find(headers, "BCC", &value);
    if (message->hides_bcc != has_bcc)
        message->hides_bcc = has_bcc;
}

struct message *copies_hide_bcc(struct message *message)
{
    struct bytes headers;
    struct amqp_value value;
    if (!headers_of(message, &headers) || !amqp_table_find(headers, "BCC", &value))
        return message;
    struct message *copy = rewrite_without_bcc(message, headers);
    if (copy == NULL)
        return message;
    message_unref(message);
    return copy;
}
