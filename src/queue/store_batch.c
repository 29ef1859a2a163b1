/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of store operations: an array that grows, a cancelled insertion leaving a hole, because
 * its index is known to the entry of the message and must stay true.
 *
 * As bytes (all numbers are varints, runs are a size and the bytes):
 *
 *     version 2, number, time, count of messages, the messages, count of operations, the operations
 *
 * Each message stands once, in the order of first use, and operations name it by index: a body that
 * went to many queues is written once. Holes are left out.
 */
#include "queue/store_batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash_table.h"
#include "base/reader.h"
#include "base/xmalloc.h"

enum { encoding_version = 2 };

struct store_batch *store_batch_new(uint64_t number)
{
    struct store_batch *batch = xcalloc(1, sizeof *batch);
    batch->number = number;
    return batch;
}

void store_batch_free(struct store_batch *batch)
{
    if (batch == NULL)
        return;
    for (size_t i = 0; i < batch->count; i++) {
        message_unref(batch->operations[i].message);
        free(batch->operations[i].definition);
    }
    free(batch->operations);
    free(batch);
}

static bool has_message(uint8_t kind)
{
    return kind == STORE_INSERT || kind == STORE_DELAY_INSERT || kind == STORE_SPILL;
}

static bool has_expiry(uint8_t kind)
{
    return has_message(kind) || kind == STORE_DELAY_REMOVE || kind == STORE_DEDUP_PUT;
}

void store_batch_grow(struct store_batch *batch)
{
    batch->operations =
        xgrow(batch->operations, &batch->capacity, batch->count + 1, sizeof *batch->operations);
}

size_t store_batch_add(struct store_batch *batch, struct store_operation operation)
{
    CHECK(has_message(operation.kind) == (operation.message != NULL));
    *store_batch_place(batch, operation.message) = operation;
    return batch->count - 1;
}

struct message *store_batch_cancel(struct store_batch *batch, size_t index)
{
    CHECK(index < batch->count);
    struct store_operation *operation = &batch->operations[index];
    CHECK(has_message(operation->kind));
    struct message *message = operation->message;
    batch->bytes -= message_footprint(message);
    free(operation->definition);
    operation->kind = STORE_NOTHING;
    operation->message = NULL;
    operation->definition = NULL;
    batch->live--;
    return message;
}

struct store_definition *store_definition_copy(const struct store_definition *definition)
{
    size_t size = definition->name.size + definition->type.size + definition->destination.size +
                  definition->routing_key.size + definition->arguments.size;
    struct store_definition *copy = xmalloc(sizeof *copy + size);
    uint8_t *at = (uint8_t *)(copy + 1);
    *copy = *definition;
    copy->name = bytes_copy_to(&at, definition->name);
    copy->type = bytes_copy_to(&at, definition->type);
    copy->destination = bytes_copy_to(&at, definition->destination);
    copy->routing_key = bytes_copy_to(&at, definition->routing_key);
    copy->arguments = bytes_copy_to(&at, definition->arguments);
    return copy;
}

struct store_definition *store_key(struct bytes key)
{
    return store_definition_copy(&(struct store_definition){.name = key});
}

/* --- to bytes */

struct numbered_message {
    struct hash_node node;
    const struct message *message;
    uint64_t index;
};

static bool is_message(const struct hash_node *node, const void *key)
{
    return container_of(node, struct numbered_message, node)->message == key;
}

static uint64_t message_hash(const struct message *message)
{
    return hash_u64((uint64_t)(uintptr_t)message);
}

static const struct numbered_message *find_message(const struct hash_table *table,
                                                   const struct message *message)
{
    struct hash_node *node = hash_table_find(table, message_hash(message), is_message, message);
    return node != NULL ? container_of(node, struct numbered_message, node) : NULL;
}

static void append_run(struct buffer *buffer, struct bytes bytes)
{
    buffer_append_varint(buffer, bytes.size);
    buffer_append_bytes(buffer, bytes);
}

static void append_message(struct buffer *buffer, const struct message *message)
{
    buffer_append_u8(buffer, (uint8_t)(message->is_persistent | message->hides_bcc << 1));
    append_run(buffer, message_exchange(message));
    append_run(buffer, message_routing_key(message));
    append_run(buffer, message_properties(message));
    append_run(buffer, message_body(message));
}

static void append_definition(struct buffer *buffer, const struct store_definition *definition)
{
    append_run(buffer, definition->name);
    append_run(buffer, definition->type);
    append_run(buffer, definition->destination);
    append_run(buffer, definition->routing_key);
    append_run(buffer, definition->arguments);
    buffer_append_u8(buffer, (uint8_t)(definition->auto_delete | definition->internal << 1 |
                                       definition->destination_is_exchange << 2));
}

static void append_operation(struct buffer *buffer, const struct store_operation *operation,
                             const struct hash_table *messages)
{
    buffer_append_u8(buffer, operation->kind);
    buffer_append_varint(buffer, operation->lane);
    buffer_append_varint(buffer, operation->position);
    buffer_append_varint(buffer, operation->count);
    if (has_message(operation->kind))
        buffer_append_varint(buffer, find_message(messages, operation->message)->index);
    if (has_expiry(operation->kind))
        buffer_append_varint(buffer, operation->expiry_ms);
    buffer_append_u8(buffer, operation->definition != NULL);
    if (operation->definition != NULL)
        append_definition(buffer, operation->definition);
}

void store_batch_encode(const struct store_batch *batch, struct buffer *buffer)
{
    struct hash_table table;
    struct numbered_message *messages = xcalloc(batch->count, sizeof *messages);
    size_t message_count = 0;
    hash_table_init(&table);
    for (size_t i = 0; i < batch->count; i++) {
        const struct message *message = batch->operations[i].message;
        if (message == NULL || find_message(&table, message) != NULL)
            continue;
        messages[message_count] =
            (struct numbered_message){.message = message, .index = message_count};
        hash_table_insert(&table, &messages[message_count].node, message_hash(message));
        message_count++;
    }
    buffer_append_u8(buffer, encoding_version);
    buffer_append_varint(buffer, batch->number);
    buffer_append_varint(buffer, batch->time_ms);
    buffer_append_varint(buffer, message_count);
    for (size_t i = 0; i < message_count; i++)
        append_message(buffer, messages[i].message);
    buffer_append_varint(buffer, batch->live);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->operations[i].kind != STORE_NOTHING)
            append_operation(buffer, &batch->operations[i], &table);
    }
    hash_table_fini(&table);
    free(messages);
}

/* --- from bytes */

static struct bytes take_run(struct reader *reader)
{
    uint64_t size = reader_varint(reader);
    if (size > reader_left(reader)) {
        reader->failed = true;
        return bytes_of(NULL, 0);
    }
    return reader_take(reader, (size_t)size);
}

static struct message *take_message(struct reader *reader)
{
    uint8_t flags = reader_u8(reader);
    struct bytes exchange = take_run(reader);
    struct bytes routing_key = take_run(reader);
    struct bytes properties = take_run(reader);
    struct bytes body = take_run(reader);
    if (reader->failed || exchange.size > UINT8_MAX || routing_key.size > UINT8_MAX ||
        properties.size > UINT32_MAX || flags > 3)
        return NULL;
    struct message *message = message_new(exchange, routing_key, properties, body);
    message->is_persistent = (flags & 1) != 0;
    message->hides_bcc = (flags & 2) != 0;
    return message;
}

static struct store_definition *take_definition(struct reader *reader)
{
    struct store_definition definition = {
        .name = take_run(reader),
        .type = take_run(reader),
        .destination = take_run(reader),
        .routing_key = take_run(reader),
        .arguments = take_run(reader),
    };
    uint8_t flags = reader_u8(reader);
    definition.auto_delete = (flags & 1) != 0;
    definition.internal = (flags & 2) != 0;
    definition.destination_is_exchange = (flags & 4) != 0;
    return reader->failed || flags > 7 ? NULL : store_definition_copy(&definition);
}

static bool is_possible(const struct store_operation *operation)
{
    switch (operation->kind) {
    case STORE_QUEUE_PUT:
    case STORE_QUEUE_DELETE:
    case STORE_SPILL_FORGET:
        return operation->count >= 1 && operation->count <= STORE_LANES_MAX;
    case STORE_ATTEMPTS:
        return operation->count <= UINT16_MAX;
    case STORE_DEDUP_PUT:
        return operation->definition != NULL;
    default:
        return true;
    }
}

struct message_list {
    struct message **messages;
    size_t count;
};

static bool take_operation(struct reader *reader, const struct message_list *list,
                           struct store_batch *batch)
{
    struct store_operation operation = {.kind = reader_u8(reader)};
    operation.lane = reader_varint(reader);
    operation.position = reader_varint(reader);
    operation.count = reader_varint(reader);
    if (has_message(operation.kind)) {
        uint64_t index = reader_varint(reader);
        if (reader->failed || index >= list->count)
            return false;
        operation.message = message_ref(list->messages[index]);
    }
    if (has_expiry(operation.kind))
        operation.expiry_ms = reader_varint(reader);
    bool has_definition = reader_u8(reader) != 0;
    if (has_definition)
        operation.definition = take_definition(reader);
    store_batch_add(batch, operation);
    return !reader->failed && has_definition == (operation.definition != NULL) &&
           operation.kind > STORE_NOTHING && operation.kind <= STORE_OPERATION_LAST &&
           is_possible(&operation);
}

static bool take_messages(struct reader *reader, struct message_list *list)
{
    uint64_t count = reader_varint(reader);
    if (count > reader_left(reader))
        return false;
    list->messages = xcalloc((size_t)count, sizeof *list->messages);
    while (list->count < count) {
        struct message *message = take_message(reader);
        if (message == NULL)
            return false;
        list->messages[list->count++] = message;
    }
    return true;
}

static bool take_batch(struct reader *reader, struct store_batch *batch, struct message_list *list)
{
    if (reader_u8(reader) != encoding_version)
        return false;
    batch->number = reader_varint(reader);
    batch->time_ms = reader_varint(reader);
    if (!take_messages(reader, list))
        return false;
    uint64_t count = reader_varint(reader);
    for (uint64_t i = 0; i < count; i++) {
        if (!take_operation(reader, list, batch))
            return false;
    }
    return !reader->failed && reader_left(reader) == 0;
}

struct store_batch *store_batch_decode(struct bytes bytes)
{
    struct reader reader = reader_of(bytes);
    struct store_batch *batch = store_batch_new(0);
    struct message_list list = {0};
    if (!take_batch(&reader, batch, &list)) {
        store_batch_free(batch);
        batch = NULL;
    }
    for (size_t i = 0; i < list.count; i++)
        message_unref(list.messages[i]);
    free(list.messages);
    return batch;
}

void store_read_result_free(struct store_read_result *result)
{
    if (result == NULL)
        return;
    for (size_t i = 0; i < result->count; i++)
        message_unref(result->rows[i].message);
    free(result->rows);
    free(result);
}

void store_opened_add_value(struct store_opened *opened, struct store_value value, struct bytes key)
{
    value.key_offset = opened->keys.size;
    value.key_size = key.size;
    buffer_append_bytes(&opened->keys, key);
    opened->values = xgrow(opened->values, &opened->value_capacity, opened->value_count + 1,
                           sizeof *opened->values);
    opened->values[opened->value_count++] = value;
}

void store_opened_fini(struct store_opened *opened)
{
    store_batch_free(opened->definitions);
    free(opened->lanes);
    free(opened->delays);
    free(opened->values);
    buffer_fini(&opened->keys);
    *opened = (struct store_opened){0};
}
