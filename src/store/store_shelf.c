/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an exchange keeps under its number, its shelf: messages that are not due yet, and the keys
 * by which it knows messages again. Both have tables of their own, in the order in which they are
 * asked for: delays by the time when they are due, so that only the next ones are ever in memory
 * and those that were routed leave whole pages; keys by their position, so that the oldest go first
 * and new ones come at the end, wherever their hashes would lie.
 *
 * The shelf's row says how many of each there are and which numbers were used. It is written with
 * every transaction that changes one of them: exchanges that keep something are few. Rows that are
 * missing are found out by these counts.
 *
 * An exchange may leave millions of rows behind when it is deleted. Then its shelf is gone, which
 * is a mark in its row, and the rows are deleted in slices with the commits after and in idle
 * moments; the shelf's row is the last one to go. Numbers are never used again, so nobody meets
 * what is left.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "store/store_internal.h"

enum {
    row_bytes = 2 << 10, /* rows that are larger count for more, where many are deleted */
    keep_bytes = 1 << 20,
};

static bool is_shelf(const struct hash_node *node, const void *key)
{
    return container_of(node, struct stored_shelf, by_id)->id == *(const uint64_t *)key;
}

struct stored_shelf *shelf_find(const struct store *store, uint64_t id)
{
    struct hash_node *node = hash_table_find(&store->shelves, hash_u64(id), is_shelf, &id);
    return node != NULL ? container_of(node, struct stored_shelf, by_id) : NULL;
}

static struct stored_shelf *add_shelf(struct store *store, uint64_t id)
{
    struct stored_shelf *shelf = xcalloc(1, sizeof *shelf);
    shelf->id = id;
    shelf->end = 1;
    list_node_init(&shelf->changed_node);
    list_node_init(&shelf->gone_node);
    hash_table_insert(&store->shelves, &shelf->by_id, hash_u64(id));
    return shelf;
}

static void free_shelf(struct store *store, struct stored_shelf *shelf)
{
    list_remove(&shelf->changed_node);
    list_remove(&shelf->gone_node);
    hash_table_remove(&store->shelves, &shelf->by_id);
    free(shelf);
}

void shelf_clear(struct store *store)
{
    struct hash_node *node;
    size_t cursor = 0;
    while ((node = hash_table_remaining(&store->shelves, &cursor)) != NULL)
        free_shelf(store, container_of(node, struct stored_shelf, by_id));
    store->shelved.delays = store->shelved.keys = store->shelved.gone = 0;
}

static void change(struct store *store, struct stored_shelf *shelf)
{
    list_remove(&shelf->changed_node);
    list_push_back(&store->changed_shelves, &shelf->changed_node);
}

static struct stored_shelf *need_shelf(struct store *store, uint64_t id)
{
    struct stored_shelf *shelf = shelf_find(store, id);
    CHECK(shelf != NULL && !shelf->is_gone);
    change(store, shelf);
    return shelf;
}

/* --- the shelf's row */

static bool write_row(struct store *store, struct stored_shelf *shelf)
{
    row_begin(&store->row);
    buffer_append_varint(&store->row, shelf->end);
    buffer_append_varint(&store->row, shelf->delays);
    buffer_append_varint(&store->row, shelf->keys);
    buffer_append_u8(&store->row, shelf->is_gone);
    row_seal(&store->row, ROW_SHELF, shelf->id, 0);
    return store_put(store, SQL_SHELF_PUT, shelf->id, &store->row);
}

bool shelf_row_open(struct bytes row, uint64_t id, struct shelf_row *shelf)
{
    struct reader reader;
    if (!row_open(row, ROW_SHELF, id, 0, &reader))
        return false;
    shelf->end = reader_varint(&reader);
    shelf->delays = reader_varint(&reader);
    shelf->keys = reader_varint(&reader);
    shelf->is_gone = reader_u8(&reader) != 0;
    return !reader.failed;
}

bool shelf_write_changed(struct store *store)
{
    struct list_node *node;
    bool succeeded = true;
    while (succeeded && (node = list_front(&store->changed_shelves)) != NULL) {
        struct stored_shelf *shelf = list_entry(node, struct stored_shelf, changed_node);
        list_remove(node);
        if (!shelf->is_gone || shelf->delays + shelf->keys > 0) {
            succeeded = write_row(store, shelf);
            continue;
        }
        succeeded = store_delete(store, SQL_SHELF_DELETE, shelf->id);
        free_shelf(store, shelf);
    }
    return succeeded;
}

/* --- exchanges */

bool shelf_put(struct store *store, uint64_t id)
{
    if (id == 0 || shelf_find(store, id) != NULL)
        return true;
    if (id >= store->head.lane_next)
        store->head.lane_next = id + 1;
    change(store, add_shelf(store, id));
    return true;
}

static void leave(struct store *store, struct stored_shelf *shelf)
{
    shelf->is_gone = true;
    store->shelved.gone += shelf->delays + shelf->keys;
    list_push_back(&store->gone_shelves, &shelf->gone_node);
}

bool shelf_delete(struct store *store, uint64_t id)
{
    if (id == 0)
        return true;
    struct stored_shelf *shelf = need_shelf(store, id);
    leave(store, shelf);
    store->shelved.delays -= shelf->delays;
    store->shelved.keys -= shelf->keys;
    return true;
}

static void take_position(struct stored_shelf *shelf, uint64_t position)
{
    if (position >= shelf->end)
        shelf->end = position + 1;
}

/* --- delays */

static void append_run(struct buffer *row, struct bytes bytes)
{
    buffer_append_varint(row, bytes.size);
    buffer_append_bytes(row, bytes);
}

static struct bytes take_run(struct reader *reader)
{
    uint64_t size = reader_varint(reader);
    if (size > reader_left(reader))
        reader->failed = true;
    return reader_take(reader, reader->failed ? 0 : (size_t)size);
}

static void encode_delay(struct buffer *row, const struct store_operation *operation)
{
    const struct message *message = operation->message;
    row_begin(row);
    buffer_append_varint(row, operation->expiry_ms);
    buffer_append_u8(row, (uint8_t)(message->is_persistent | message->hides_bcc << 1));
    append_run(row, message_exchange(message));
    append_run(row, message_routing_key(message));
    append_run(row, message_properties(message));
    buffer_append_bytes(row, message_body(message));
    row_seal(row, ROW_DELAY, operation->lane, operation->position);
}

struct message *delay_message(uint64_t shelf, uint64_t due_ms, uint64_t id, struct bytes row)
{
    struct reader reader;
    if (!row_open(row, ROW_DELAY, shelf, id, &reader) || reader_varint(&reader) != due_ms)
        return NULL;
    uint8_t flags = reader_u8(&reader);
    struct bytes exchange = take_run(&reader);
    struct bytes routing_key = take_run(&reader);
    struct bytes properties = take_run(&reader);
    if (reader.failed || exchange.size > UINT8_MAX || routing_key.size > UINT8_MAX)
        return NULL;
    struct bytes body = reader_take(&reader, reader_left(&reader));
    struct message *message = message_new(exchange, routing_key, properties, body);
    message->is_persistent = (flags & 1) != 0;
    message->hides_bcc = (flags & 2) != 0;
    return message;
}

/* A large message is not kept for the rows that follow. */
static void trim_row(struct store *store)
{
    if (store->row.capacity <= keep_bytes)
        return;
    buffer_fini(&store->row);
    buffer_init(&store->row);
}

bool shelf_delay_insert(struct store *store, const struct store_operation *operation)
{
    struct stored_shelf *shelf = need_shelf(store, operation->lane);
    sqlite3_stmt *insert = store->statements[SQL_DELAY_INSERT];
    encode_delay(&store->row, operation);
    sqlite3_bind_int64(insert, 1, (int64_t)shelf->id);
    sqlite3_bind_int64(insert, 2, (int64_t)operation->expiry_ms);
    sqlite3_bind_int64(insert, 3, (int64_t)operation->position);
    sqlite3_bind_blob64(insert, 4, store->row.data, store->row.size, SQLITE_STATIC);
    bool succeeded = store_step(store, SQL_DELAY_INSERT);
    sqlite3_clear_bindings(insert);
    trim_row(store);
    take_position(shelf, operation->position);
    shelf->delays++;
    store->shelved.delays++;
    store->written++;
    return succeeded;
}

static bool has_too_many_rows(struct store *store, const struct stored_shelf *shelf)
{
    return store_note_damage(store, "exchange number %llu has more than it keeps",
                             (unsigned long long)shelf->id);
}

bool shelf_delay_remove(struct store *store, const struct store_operation *operation)
{
    struct stored_shelf *shelf = need_shelf(store, operation->lane);
    sqlite3_stmt *delete = store->statements[SQL_DELAY_DELETE];
    sqlite3_bind_int64(delete, 1, (int64_t)shelf->id);
    sqlite3_bind_int64(delete, 2, (int64_t)operation->expiry_ms);
    sqlite3_bind_int64(delete, 3, (int64_t)operation->position);
    if (!store_step(store, SQL_DELAY_DELETE))
        return false;
    if (sqlite3_changes(store->db) != 1)
        return store_note_damage(store, "there is no delay %llu of exchange number %llu",
                                 (unsigned long long)operation->position,
                                 (unsigned long long)shelf->id);
    if (shelf->delays == 0)
        return has_too_many_rows(store, shelf);
    shelf->delays--;
    store->shelved.delays--;
    return true;
}

/* --- keys */

bool shelf_key_put(struct store *store, const struct store_operation *operation)
{
    struct stored_shelf *shelf = need_shelf(store, operation->lane);
    sqlite3_stmt *insert = store->statements[SQL_DEDUP_INSERT];
    row_begin(&store->row);
    buffer_append_varint(&store->row, operation->expiry_ms);
    buffer_append_bytes(&store->row, operation->definition->name);
    row_seal(&store->row, ROW_DEDUP, shelf->id, operation->position);
    sqlite3_bind_int64(insert, 1, (int64_t)shelf->id);
    sqlite3_bind_int64(insert, 2, (int64_t)operation->position);
    sqlite3_bind_blob64(insert, 3, store->row.data, store->row.size, SQLITE_STATIC);
    take_position(shelf, operation->position);
    shelf->keys++;
    store->shelved.keys++;
    return store_step(store, SQL_DEDUP_INSERT);
}

bool shelf_key_remove(struct store *store, const struct store_operation *operation)
{
    struct stored_shelf *shelf = need_shelf(store, operation->lane);
    sqlite3_stmt *delete = store->statements[SQL_DEDUP_DELETE];
    uint64_t end = operation->position + operation->count;
    if (end < operation->position || end > INT64_MAX)
        end = INT64_MAX;
    sqlite3_bind_int64(delete, 1, (int64_t)shelf->id);
    sqlite3_bind_int64(delete, 2, (int64_t)operation->position);
    sqlite3_bind_int64(delete, 3, (int64_t)end);
    if (!store_step(store, SQL_DEDUP_DELETE))
        return false;
    uint64_t deleted = (uint64_t)sqlite3_changes(store->db);
    if (deleted > shelf->keys)
        return has_too_many_rows(store, shelf);
    shelf->keys -= deleted;
    store->shelved.keys -= deleted;
    return true;
}

/* --- opening */

static bool load_row(struct store *store, uint64_t id, struct bytes row)
{
    struct shelf_row found;
    if (!shelf_row_open(row, id, &found) || id >= store->head.lane_next)
        return store_note_damage(store, "what exchange number %llu keeps", (unsigned long long)id);
    struct stored_shelf *shelf = add_shelf(store, id);
    shelf->end = found.end;
    shelf->delays = found.delays;
    shelf->keys = found.keys;
    if (found.is_gone) {
        leave(store, shelf);
        return true;
    }
    store->shelved.delays += shelf->delays;
    store->shelved.keys += shelf->keys;
    return true;
}

bool shelf_load(struct store *store)
{
    return store_load_rows(store, "SELECT id, data FROM shelf", load_row);
}

static int compare_states(const void *a, const void *b)
{
    const struct store_delay_state *left = a, *right = b;
    return (left->lane > right->lane) - (left->lane < right->lane);
}

/* When the first delay is due; damage where there is none. */
static bool read_first_due(struct store *store, struct store_delay_state *state)
{
    sqlite3_stmt *select = store->statements[SQL_DELAY_FIRST];
    sqlite3_bind_int64(select, 1, (int64_t)state->lane);
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW)
        state->first_due_ms = (uint64_t)sqlite3_column_int64(select, 0);
    sqlite3_reset(select);
    if (code == SQLITE_DONE)
        return store_note_damage(store, "there are no delays of exchange number %llu",
                                 (unsigned long long)state->lane);
    return code == SQLITE_ROW || store_note(store, code, "reading delays");
}

bool shelf_list(struct store *store, struct store_opened *opened)
{
    bool succeeded = true;
    struct hash_node *node = NULL;
    opened->delays = xcalloc(store->shelves.count, sizeof *opened->delays);
    while (succeeded && (node = hash_table_next(&store->shelves, node)) != NULL) {
        const struct stored_shelf *shelf = container_of(node, struct stored_shelf, by_id);
        if (shelf->is_gone)
            continue;
        struct store_delay_state *state = &opened->delays[opened->delay_count++];
        *state = (struct store_delay_state){
            .lane = shelf->id, .end = shelf->end, .count = shelf->delays};
        succeeded = shelf->delays == 0 || read_first_due(store, state);
    }
    if (opened->delay_count > 0)
        qsort(opened->delays, opened->delay_count, sizeof *opened->delays, compare_states);
    return succeeded;
}

static bool load_key(struct store *store, struct store_batch *batch, sqlite3_stmt *select,
                     struct stored_shelf *shelf, uint64_t position)
{
    struct reader reader;
    if (!row_open(column_bytes(select, 1), ROW_DEDUP, shelf->id, position, &reader))
        return store_note_damage(store, "a key of exchange number %llu",
                                 (unsigned long long)shelf->id);
    struct store_operation put = {.kind = STORE_DEDUP_PUT, .lane = shelf->id, .position = position};
    put.expiry_ms = reader_varint(&reader);
    put.definition = store_key(reader_take(&reader, reader_left(&reader)));
    store_batch_add(batch, put);
    return true;
}

static bool load_keys(struct store *store, struct store_batch *batch, sqlite3_stmt *select,
                      struct stored_shelf *shelf)
{
    uint64_t count = 0;
    int code;
    sqlite3_bind_int64(select, 1, (int64_t)shelf->id);
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        if (!load_key(store, batch, select, shelf, (uint64_t)sqlite3_column_int64(select, 0)))
            return false;
        count++;
    }
    sqlite3_reset(select);
    if (code != SQLITE_DONE)
        return store_note(store, code, "reading keys");
    return count == shelf->keys || store_note_damage(store, "exchange number %llu lacks keys",
                                                     (unsigned long long)shelf->id);
}

bool shelf_load_keys(struct store *store, const struct store_opened *opened)
{
    sqlite3_stmt *select = NULL;
    int code = sqlite3_prepare_v2(
        store->db, "SELECT position, data FROM dedup WHERE shelf=? ORDER BY position", -1, &select,
        NULL);
    bool succeeded = code == SQLITE_OK || store_note(store, code, "reading keys");
    for (size_t i = 0; succeeded && i < opened->delay_count; i++)
        succeeded = load_keys(store, opened->definitions, select,
                              shelf_find(store, opened->delays[i].lane));
    sqlite3_finalize(select);
    return succeeded;
}

/* --- giving space back */

bool shelf_has_garbage(const struct store *store)
{
    return !list_is_empty(&store->gone_shelves);
}

/* The last delay of the next slice; false where there is none. */
static bool find_slice(struct store *store, uint64_t shelf, int rows_max, int64_t *due_ms,
                       int64_t *id)
{
    sqlite3_stmt *select = store->statements[SQL_DELAY_SIZES];
    int64_t rows = 0, bytes = 0;
    int code;
    sqlite3_bind_int64(select, 1, (int64_t)shelf);
    while ((code = sqlite3_step(select)) == SQLITE_ROW && rows < rows_max &&
           bytes < (int64_t)rows_max * row_bytes) {
        *due_ms = sqlite3_column_int64(select, 0);
        *id = sqlite3_column_int64(select, 1);
        bytes += sqlite3_column_int64(select, 2);
        rows++;
    }
    sqlite3_reset(select);
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        return store_note(store, code, "reading delays");
    return rows > 0;
}

static bool lacks_rows(struct store *store, const struct stored_shelf *shelf)
{
    return store_note_damage(store, "exchange number %llu left less than it kept",
                             (unsigned long long)shelf->id);
}

static bool delete_delays(struct store *store, struct stored_shelf *shelf, int rows)
{
    sqlite3_stmt *delete = store->statements[SQL_DELAY_SWEEP];
    int64_t due_ms = 0, id = 0;
    if (!find_slice(store, shelf->id, rows, &due_ms, &id))
        return store->code == SQLITE_OK ? lacks_rows(store, shelf) : false;
    sqlite3_bind_int64(delete, 1, (int64_t)shelf->id);
    sqlite3_bind_int64(delete, 2, due_ms);
    sqlite3_bind_int64(delete, 3, id);
    if (!store_step(store, SQL_DELAY_SWEEP))
        return false;
    shelf->delays -= (uint64_t)sqlite3_changes(store->db);
    store->shelved.gone -= (uint64_t)sqlite3_changes(store->db);
    return true;
}

static bool delete_keys(struct store *store, struct stored_shelf *shelf, int rows)
{
    sqlite3_stmt *delete = store->statements[SQL_DEDUP_SWEEP];
    sqlite3_bind_int64(delete, 1, (int64_t)shelf->id);
    sqlite3_bind_int(delete, 2, rows);
    if (!store_step(store, SQL_DEDUP_SWEEP))
        return false;
    uint64_t deleted = (uint64_t)sqlite3_changes(store->db);
    if (deleted == 0 || deleted > shelf->keys)
        return lacks_rows(store, shelf);
    shelf->keys -= deleted;
    store->shelved.gone -= deleted;
    return true;
}

bool shelf_reclaim(struct store *store, int rows)
{
    struct list_node *node = list_front(&store->gone_shelves);
    if (node == NULL)
        return true;
    struct stored_shelf *shelf = list_entry(node, struct stored_shelf, gone_node);
    change(store, shelf);
    if (shelf->delays > 0)
        return delete_delays(store, shelf, rows);
    return shelf->keys == 0 || delete_keys(store, shelf, rows);
}
