/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Durable exchanges, queues and bindings: a row each, keyed by its kind (the number of the PUT
 * operation) and by what makes it one of its kind: the name, or all the fields of a binding. Kinds
 * are numbered so that reading in the order of the key gives exchanges, then queues, then bindings,
 * the order in which they can be declared again. What was added to the rows later stands at their
 * end; it is not there in rows that version 1 wrote.
 */
#include "store/store_internal.h"

enum { kind_exchange = 1, kind_queue = 2, kind_binding = 3 };

static void append_run(struct buffer *buffer, struct bytes bytes)
{
    buffer_append_varint(buffer, bytes.size);
    buffer_append_bytes(buffer, bytes);
}

static struct bytes take_run(struct reader *reader)
{
    uint64_t size = reader_varint(reader);
    if (size > reader_left(reader))
        reader->failed = true;
    return reader_take(reader, reader->failed ? 0 : (size_t)size);
}

static int kind_of(uint8_t operation)
{
    switch (operation) {
    case STORE_EXCHANGE_PUT:
    case STORE_EXCHANGE_DELETE:
        return kind_exchange;
    case STORE_QUEUE_PUT:
    case STORE_QUEUE_DELETE:
        return kind_queue;
    default:
        return kind_binding;
    }
}

static void append_key(struct buffer *key, int kind, const struct store_definition *definition)
{
    if (kind != kind_binding) {
        buffer_append_bytes(key, definition->name);
        return;
    }
    append_run(key, definition->name);
    append_run(key, definition->destination);
    append_run(key, definition->routing_key);
    append_run(key, definition->arguments);
    buffer_append_u8(key, definition->destination_is_exchange);
}

static uint64_t key_hash(struct bytes key)
{
    return row_checksum(key, 0);
}

static void encode(struct buffer *row, int kind, struct bytes key,
                   const struct store_operation *operation)
{
    const struct store_definition *definition = operation->definition;
    row_begin(row);
    buffer_append_varint(row, operation->lane);
    append_run(row, definition->name);
    append_run(row, definition->type);
    append_run(row, definition->destination);
    append_run(row, definition->routing_key);
    append_run(row, definition->arguments);
    buffer_append_u8(row, (uint8_t)(definition->auto_delete | definition->internal << 1 |
                                    definition->destination_is_exchange << 2));
    if (kind == kind_queue)
        buffer_append_varint(row, operation->count);
    row_seal(row, ROW_DEFINITION, (uint64_t)kind, key_hash(key));
}

static void bind_key(sqlite3_stmt *statement, int kind, const struct buffer *key)
{
    sqlite3_bind_int(statement, 1, kind);
    sqlite3_bind_blob64(statement, 2, key->size > 0 ? key->data : (const uint8_t *)"", key->size,
                        SQLITE_STATIC);
}

/* Takes what stands under the key out of the sum. */
static bool subtract_old(struct store *store, int kind, const struct buffer *key)
{
    sqlite3_stmt *select = store->statements[SQL_DEFINITION_READ];
    bind_key(select, kind, key);
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW)
        store->head.definition_sum -= row_checksum_of(column_bytes(select, 0));
    sqlite3_reset(select);
    sqlite3_clear_bindings(select);
    return code == SQLITE_ROW || code == SQLITE_DONE || store_note(store, code, "a definition");
}

static bool write_row(struct store *store, enum statement statement, int kind,
                      const struct buffer *key)
{
    bind_key(store->statements[statement], kind, key);
    bool succeeded = store_step(store, statement);
    sqlite3_clear_bindings(store->statements[statement]);
    return succeeded;
}

bool definition_put(struct store *store, const struct store_operation *operation)
{
    int kind = kind_of(operation->kind);
    struct buffer key = {0};
    append_key(&key, kind, operation->definition);
    encode(&store->row, kind, buffer_bytes(&key), operation);
    sqlite3_bind_blob64(store->statements[SQL_DEFINITION_PUT], 3, store->row.data, store->row.size,
                        SQLITE_STATIC);
    bool succeeded =
        subtract_old(store, kind, &key) && write_row(store, SQL_DEFINITION_PUT, kind, &key);
    store->head.definition_sum += row_checksum_of(buffer_bytes(&store->row));
    buffer_fini(&key);
    return succeeded;
}

bool definition_delete(struct store *store, const struct store_operation *operation)
{
    int kind = kind_of(operation->kind);
    struct buffer key = {0};
    append_key(&key, kind, operation->definition);
    bool succeeded =
        subtract_old(store, kind, &key) && write_row(store, SQL_DEFINITION_DELETE, kind, &key);
    buffer_fini(&key);
    return succeeded;
}

bool definition_decode(int kind, struct bytes key, struct bytes row,
                       struct store_operation *operation, struct store_definition *definition)
{
    static const uint8_t operations[] = {[kind_exchange] = STORE_EXCHANGE_PUT,
                                         [kind_queue] = STORE_QUEUE_PUT,
                                         [kind_binding] = STORE_BINDING_PUT};
    struct reader reader;
    if (kind < kind_exchange || kind > kind_binding ||
        !row_open(row, ROW_DEFINITION, (uint64_t)kind, key_hash(key), &reader))
        return false;
    *operation = (struct store_operation){.kind = operations[kind]};
    operation->lane = reader_varint(&reader);
    definition->name = take_run(&reader);
    definition->type = take_run(&reader);
    definition->destination = take_run(&reader);
    definition->routing_key = take_run(&reader);
    definition->arguments = take_run(&reader);
    uint8_t flags = reader_u8(&reader);
    definition->auto_delete = (flags & 1) != 0;
    definition->internal = (flags & 2) != 0;
    definition->destination_is_exchange = (flags & 4) != 0;
    if (kind == kind_queue)
        operation->count = reader_left(&reader) > 0 ? reader_varint(&reader) : 1;
    return !reader.failed && reader_left(&reader) == 0 &&
           (kind != kind_queue || (operation->count >= 1 && operation->count <= STORE_LANES_MAX));
}

static bool lacks(struct store *store, const struct store_definition *definition, const char *kind,
                  const char *what)
{
    return store_note_damage(store, "%s %.*s has no %s", kind, (int)definition->name.size,
                             (const char *)definition->name.data, what);
}

/* What goes with a definition. Version 1 made a queue's lane with it. */
static bool settle(struct store *store, const struct store_operation *operation,
                   const struct store_definition *definition)
{
    if (operation->kind == STORE_QUEUE_PUT) {
        stored_queue_ranges_add(store, operation->lane, operation->count);
        if (!store->has_lane_count && stored_lane_find(store, operation->lane) == NULL)
            return lacks(store, definition, "queue", "lane");
    } else if (operation->kind == STORE_EXCHANGE_PUT && operation->lane != 0) {
        const struct stored_shelf *shelf = shelf_find(store, operation->lane);
        if (shelf == NULL || shelf->is_gone)
            return lacks(store, definition, "exchange", "shelf");
    }
    return true;
}

static bool load_row(struct store *store, struct store_batch *batch, sqlite3_stmt *select,
                     uint64_t *sum)
{
    struct store_operation operation;
    struct store_definition definition;
    if (!definition_decode(sqlite3_column_int(select, 0), column_bytes(select, 1),
                           column_bytes(select, 2), &operation, &definition))
        return store_note_damage(store, "a definition of kind %d", sqlite3_column_int(select, 0));
    *sum += row_checksum_of(column_bytes(select, 2));
    if (!settle(store, &operation, &definition))
        return false;
    if (batch == NULL)
        return true;
    operation.definition = store_definition_copy(&definition);
    store_batch_add(batch, operation);
    return true;
}

bool definition_load(struct store *store, struct store_batch *batch)
{
    sqlite3_stmt *select = NULL;
    int code = sqlite3_prepare_v2(
        store->db, "SELECT kind, key, data FROM definition ORDER BY kind, key", -1, &select, NULL);
    if (code != SQLITE_OK)
        return store_note(store, code, "reading definitions");
    bool succeeded = true;
    uint64_t sum = 0;
    while (succeeded && (code = sqlite3_step(select)) == SQLITE_ROW)
        succeeded = load_row(store, batch, select, &sum);
    if (succeeded && code != SQLITE_DONE)
        succeeded = store_note(store, code, "reading definitions");
    sqlite3_finalize(select);
    if (succeeded && sum != store->head.definition_sum)
        return store_note_damage(store, "definitions are missing");
    return succeeded;
}
