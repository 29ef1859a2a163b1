/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The offline check of a vhost's store, in three steps: what SQLite says of the file; every row by
 * itself (its checksum, and that it can be decoded); and, where those that say how things are could
 * be read, everything against everything else. The last step begins as opening the store does, with
 * the same functions, so that whatever would be refused at a start is a fault here, and goes on
 * where opening is too quick to look: that each lane has as many messages as it says, that the
 * counts of the segments are those of the places (store_check_places.c), that what exchanges keep
 * is all there.
 *
 * Not a fault is what a server leaves for later: attempts and values that have outlived their
 * message, segments without references, what a deleted exchange kept.
 */
#include "store/store_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "amqp/table.h"
#include "base/xmalloc.h"
#include "exchange/exchange_type.h"
#include "store/sqlite_file.h"
#include "store/store_check_internal.h"

typedef unsigned long long number;

enum { text_max = 512, path_max = 4096 };

/* --- faults */

void check_fault(struct checking *checking, const char *format, ...)
{
    char text[text_max];
    va_list arguments;
    checking->check->faults++;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    checking->check->on_fault(checking->check->context, text);
}

/* --- rows */

void check_step_all(struct checking *checking, const char *what, sqlite3_stmt *select,
                    void (*look)(struct checking *checking, sqlite3_stmt *row, void *context),
                    void *context)
{
    int code;
    while ((code = sqlite3_step(select)) == SQLITE_ROW)
        look(checking, select, context);
    if (code != SQLITE_DONE)
        check_fault(checking, "%s cannot all be read: %s", what,
                    sqlite3_errmsg(checking->store->db));
    sqlite3_reset(select);
}

struct plain_look {
    void (*look)(struct checking *checking, sqlite3_stmt *row);
};

static void look_plainly(struct checking *checking, sqlite3_stmt *row, void *context)
{
    ((const struct plain_look *)context)->look(checking, row);
}

void check_rows(struct checking *checking, const char *what, const char *sql,
                void (*look)(struct checking *checking, sqlite3_stmt *row))
{
    struct plain_look plain = {look};
    sqlite3_stmt *select = NULL;
    if (sqlite3_prepare_v2(checking->store->db, sql, -1, &select, NULL) == SQLITE_OK)
        check_step_all(checking, what, select, look_plainly, &plain);
    else
        check_fault(checking, "%s: %s", what, sqlite3_errmsg(checking->store->db));
    sqlite3_finalize(select);
}

static uint64_t column_number(sqlite3_stmt *row, int column)
{
    return (uint64_t)sqlite3_column_int64(row, column);
}

/* Are there as many numbers in the row as there should be, and nothing else? */
static bool has_varints(struct reader *reader, int count)
{
    while (count-- > 0)
        reader_varint(reader);
    return !reader->failed && reader_left(reader) == 0;
}

static void look_at_journal(struct checking *checking, sqlite3_stmt *row)
{
    struct reader reader;
    uint64_t batch = column_number(row, 0);
    checking->check->journal++;
    if (!row_open(column_bytes(row, 1), ROW_JOURNAL, batch, 0, &reader))
        check_fault(checking, "journal row %llu: its checksum is wrong", (number)batch);
    if (checking->journal_last != 0 && batch != checking->journal_last + 1)
        check_fault(checking, "journal rows %llu to %llu are missing",
                    (number)checking->journal_last + 1, (number)batch - 1);
    checking->journal_last = batch;
}

static void look_at_lane(struct checking *checking, sqlite3_stmt *row)
{
    struct reader reader;
    uint64_t id = column_number(row, 0);
    checking->check->lanes++;
    if (!row_open(column_bytes(row, 1), ROW_LANE, id, 0, &reader))
        check_fault(checking, "lane %llu: the row's checksum is wrong", (number)id);
    else if (!has_varints(&reader, 7))
        check_fault(checking, "lane %llu: the row cannot be decoded", (number)id);
}

static void look_at_chunk(struct checking *checking, sqlite3_stmt *row)
{
    struct chunk chunk;
    struct reader reader;
    uint64_t lane = column_number(row, 0), key = column_number(row, 1);
    struct bytes data = column_bytes(row, 2);
    checking->check->chunks++;
    if (!row_open(data, ROW_CHUNK, lane, key, &reader))
        check_fault(checking, "places of lane %llu from position %llu: their checksum is wrong",
                    (number)lane, (number)key);
    else if (!chunk_decode(lane, key, data, &chunk))
        check_fault(checking, "places of lane %llu from position %llu cannot be decoded",
                    (number)lane, (number)key);
    else
        free(chunk.runs);
}

static void look_at_group(struct checking *checking, sqlite3_stmt *row)
{
    struct reader reader;
    uint64_t id = column_number(row, 0);
    number first = id * GROUP_SEGMENTS;
    checking->check->groups++;
    if (!row_open(column_bytes(row, 1), ROW_GROUP, id, 0, &reader)) {
        check_fault(checking, "counts of segments %llu to %llu: their checksum is wrong", first,
                    first + GROUP_SEGMENTS - 1);
        return;
    }
    reader_varint(&reader);
    for (int i = 0; i < GROUP_SEGMENTS; i++) {
        if (reader_varint(&reader) > 0)
            reader_varint(&reader);
    }
    if (reader.failed || reader_left(&reader) > 0)
        check_fault(checking, "counts of segments %llu to %llu cannot be decoded", first,
                    first + GROUP_SEGMENTS - 1);
}

static void look_at_shelf(struct checking *checking, sqlite3_stmt *row)
{
    struct shelf_row shelf;
    uint64_t id = column_number(row, 0);
    checking->check->shelves++;
    if (!shelf_row_open(column_bytes(row, 1), id, &shelf))
        check_fault(checking, "what exchange number %llu keeps: the row's checksum is wrong",
                    (number)id);
}

/* --- definitions */

static bool has_definition(struct checking *checking, int kind, struct bytes name)
{
    sqlite3_stmt *select = checking->store->statements[SQL_DEFINITION_READ];
    sqlite3_bind_int(select, 1, kind);
    sqlite3_bind_blob64(select, 2, name.size > 0 ? name.data : (const uint8_t *)"", name.size,
                        SQLITE_STATIC);
    bool is_there = sqlite3_step(select) == SQLITE_ROW;
    sqlite3_reset(select);
    return is_there;
}

/* The server makes those with amq. itself. */
static bool has_exchange(struct checking *checking, struct bytes name)
{
    return bytes_start_with(name, "amq.") || has_definition(checking, 1, name);
}

static void compare_binding(struct checking *checking, const struct store_definition *binding)
{
    if (!has_exchange(checking, binding->name))
        check_fault(checking, "a binding from exchange '%.*s', which is not there",
                    (int)binding->name.size, (const char *)binding->name.data);
    bool has_destination = binding->destination_is_exchange
                               ? has_exchange(checking, binding->destination)
                               : has_definition(checking, 2, binding->destination);
    if (!has_destination)
        check_fault(checking, "a binding of exchange '%.*s' to %s '%.*s', which is not there",
                    (int)binding->name.size, (const char *)binding->name.data,
                    binding->destination_is_exchange ? "exchange" : "queue",
                    (int)binding->destination.size, (const char *)binding->destination.data);
}

static void compare_definition(struct checking *checking, sqlite3_stmt *row)
{
    struct store_operation operation;
    struct store_definition definition;
    if (!definition_decode(sqlite3_column_int(row, 0), column_bytes(row, 1), column_bytes(row, 2),
                           &operation, &definition))
        return;
    if (operation.kind == STORE_BINDING_PUT)
        compare_binding(checking, &definition);
    else if (operation.kind == STORE_EXCHANGE_PUT && exchange_type_find(definition.type) == NULL)
        check_fault(checking, "exchange '%.*s' has no type that there is",
                    (int)definition.name.size, (const char *)definition.name.data);
}

static void look_at_definition(struct checking *checking, sqlite3_stmt *row)
{
    static const char *const kinds[] = {"?", "exchange", "queue", "binding of exchange"};
    struct store_operation operation;
    struct store_definition definition;
    struct bytes key = column_bytes(row, 1);
    int kind = sqlite3_column_int(row, 0);
    const char *name = kind >= 1 && kind <= 3 ? kinds[kind] : kinds[0];
    if (!definition_decode(kind, key, column_bytes(row, 2), &operation, &definition)) {
        check_fault(checking, "definition of %s '%.*s': its checksum is wrong", name, (int)key.size,
                    (const char *)key.data);
        return;
    }
    if (!amqp_table_is_valid(definition.arguments, AMQP_TABLE_DEPTH_MAX))
        check_fault(checking, "%s '%.*s': the arguments cannot be decoded", name,
                    (int)definition.name.size, (const char *)definition.name.data);
    checking->check->exchanges += operation.kind == STORE_EXCHANGE_PUT;
    checking->check->queues += operation.kind == STORE_QUEUE_PUT;
    checking->check->bindings += operation.kind == STORE_BINDING_PUT;
    checking->kept += operation.kind == STORE_EXCHANGE_PUT && operation.lane != 0;
}

/* --- what belongs to a lane or an exchange: where that is known, does it? */

/* A row may have outlived its message, but not come before it. */
static void look_at_position(struct checking *checking, const char *what, uint64_t id,
                             uint64_t position)
{
    const struct stored_lane *lane = stored_lane_find(checking->store, id);
    if (checking->check->is_compared &&
        (id >= checking->store->head.lane_next || (lane != NULL && position >= lane->state.end)))
        check_fault(checking, "%s of lane %llu at position %llu, where no message ever was", what,
                    (number)id, (number)position);
}

static void look_at_row_of_message(struct checking *checking, sqlite3_stmt *row, uint64_t table,
                                   const char *what)
{
    struct reader reader;
    uint64_t lane = column_number(row, 0), position = column_number(row, 1);
    if (!row_open(column_bytes(row, 2), table, lane, position, &reader))
        check_fault(checking, "%s of lane %llu at position %llu: the checksum is wrong", what,
                    (number)lane, (number)position);
    else
        look_at_position(checking, what, lane, position);
}

static void look_at_attempt(struct checking *checking, sqlite3_stmt *row)
{
    checking->check->attempts++;
    look_at_row_of_message(checking, row, ROW_ATTEMPT, "attempts");
}

static void look_at_value(struct checking *checking, sqlite3_stmt *row)
{
    checking->check->values++;
    look_at_row_of_message(checking, row, ROW_VALUE, "value");
}

static void look_at_kept(struct checking *checking, const char *what, uint64_t id,
                         uint64_t position)
{
    const struct stored_shelf *shelf = shelf_find(checking->store, id);
    if (checking->check->is_compared && (shelf == NULL || position >= shelf->end))
        check_fault(checking, "%s %llu of exchange number %llu, which never kept it", what,
                    (number)position, (number)id);
}

static void look_at_delay(struct checking *checking, sqlite3_stmt *row)
{
    uint64_t shelf = column_number(row, 0), due_ms = column_number(row, 1),
             id = column_number(row, 2);
    struct message *message = delay_message(shelf, due_ms, id, column_bytes(row, 3));
    checking->check->delays++;
    if (message == NULL) {
        check_fault(checking, "delay %llu of exchange number %llu: its checksum is wrong",
                    (number)id, (number)shelf);
        return;
    }
    message_unref(message);
    look_at_kept(checking, "delay", shelf, id);
}

static void look_at_key(struct checking *checking, sqlite3_stmt *row)
{
    struct reader reader;
    uint64_t shelf = column_number(row, 0), position = column_number(row, 1);
    checking->check->keys++;
    if (!row_open(column_bytes(row, 2), ROW_DEDUP, shelf, position, &reader))
        check_fault(checking, "key %llu of exchange number %llu: its checksum is wrong",
                    (number)position, (number)shelf);
    else
        look_at_kept(checking, "key", shelf, position);
}

/* --- everything against everything else */

static void count_kept(struct checking *checking, const struct stored_shelf *shelf,
                       const char *what, const char *sql, uint64_t expected)
{
    sqlite3_stmt *select = NULL;
    sqlite3 *db = checking->store->db;
    if (sqlite3_prepare_v2(db, sql, -1, &select, NULL) != SQLITE_OK ||
        sqlite3_bind_int64(select, 1, (int64_t)shelf->id) != SQLITE_OK ||
        sqlite3_step(select) != SQLITE_ROW)
        check_fault(checking, "%s of exchange number %llu: %s", what, (number)shelf->id,
                    sqlite3_errmsg(db));
    else if (column_number(select, 0) != expected)
        check_fault(checking, "exchange number %llu keeps %llu %s, its count says %llu",
                    (number)shelf->id, (number)column_number(select, 0), what, (number)expected);
    sqlite3_finalize(select);
}

static void check_shelves(struct checking *checking)
{
    struct hash_node *node = NULL;
    uint64_t used = 0;
    while ((node = hash_table_next(&checking->store->shelves, node)) != NULL) {
        const struct stored_shelf *shelf = container_of(node, struct stored_shelf, by_id);
        used += !shelf->is_gone;
        count_kept(checking, shelf, "delays", "SELECT count(*) FROM delay WHERE shelf=?",
                   shelf->delays);
        count_kept(checking, shelf, "keys", "SELECT count(*) FROM dedup WHERE shelf=?",
                   shelf->keys);
    }
    if (used != checking->kept)
        check_fault(checking, "%llu exchanges keep something, and there are %llu counts of it",
                    (number)checking->kept, (number)used);
}

/* Each lane number belongs to one queue, and to none that is still to come. */
static void check_ranges(struct checking *checking)
{
    const struct lane_range *ranges = checking->store->ranges.items;
    size_t count = checking->store->ranges.count;
    for (size_t i = 0; i < count; i++) {
        uint64_t end = ranges[i].first + ranges[i].count;
        if (end > checking->store->head.lane_next || (i + 1 < count && end > ranges[i + 1].first))
            check_fault(checking, "lanes %llu to %llu of a queue are not its own",
                        (number)ranges[i].first, (number)end - 1);
    }
}

static void look_at_segment(struct checking *checking, sqlite3_stmt *row)
{
    check_segment(checking, column_number(row, 0), column_bytes(row, 1), NULL, 0);
}

/* Of the state, that from which opening the store makes what is in memory. */
static void check_state_rows(struct checking *checking)
{
    check_rows(checking, "the journal", "SELECT batch, data FROM journal ORDER BY batch",
               look_at_journal);
    if (checking->journal_last == 0)
        check_fault(checking, "the journal is empty");
    check_rows(checking, "lanes", "SELECT id, data FROM lane ORDER BY id", look_at_lane);
    check_rows(checking, "places", "SELECT lane, key, data FROM lane_chunk ORDER BY lane, key",
               look_at_chunk);
    check_rows(checking, "counts", "SELECT id, data FROM segment_group ORDER BY id", look_at_group);
    check_rows(checking, "definitions", "SELECT kind, key, data FROM definition ORDER BY kind, key",
               look_at_definition);
    check_rows(checking, "shelves", "SELECT id, data FROM shelf ORDER BY id", look_at_shelf);
}

static void check_others(struct checking *checking)
{
    check_rows(checking, "attempts",
               "SELECT lane, position, data FROM attempt ORDER BY lane, position", look_at_attempt);
    check_rows(checking, "values", "SELECT lane, position, data FROM value ORDER BY lane, position",
               look_at_value);
    check_rows(checking, "delays", "SELECT shelf, due, id, data FROM delay ORDER BY shelf, due, id",
               look_at_delay);
    check_rows(checking, "keys", "SELECT shelf, position, data FROM dedup ORDER BY shelf, position",
               look_at_key);
}

static bool load(struct checking *checking)
{
    if (store_load(checking->store, NULL))
        return true;
    check_fault(checking, "the server would not start: %s", checking->store->error);
    return false;
}

/* A vhost is defined before its file is made. */
static bool is_unmade(const char *folder)
{
    char path[path_max];
    snprintf(path, sizeof path, "%s/messages.db", folder);
    return !reserve_is_there(folder) && sqlite_file_is_unmade(path);
}

void store_check(const char *folder, struct store_check *check)
{
    char reason[text_max];
    struct checking checking = {.check = check};
    check->is_unmade = !check->must_be_made && is_unmade(folder);
    if (check->is_unmade)
        return;
    checking.store = store_open_to_look(folder, reason, sizeof reason);
    if (checking.store == NULL) {
        check_fault(&checking, "%s", reason);
        return;
    }
    check->pages =
        sqlite_file_check(checking.store->db, check->on_fault, check->context, &check->faults);
    uint64_t faults = check->faults;
    check_state_rows(&checking);
    check->is_compared = check->faults == faults && load(&checking);
    if (check->is_compared) {
        check_rows(&checking, "definitions", "SELECT kind, key, data FROM definition",
                   compare_definition);
        check_ranges(&checking);
        check_places(&checking);
        check_shelves(&checking);
    } else {
        check_rows(&checking, "segments", "SELECT id, data FROM segment ORDER BY id",
                   look_at_segment);
    }
    check_others(&checking);
    store_free(checking.store);
}
