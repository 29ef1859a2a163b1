/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values by which queues that deduplicate know their messages: a row by lane and position for
 * each message that came with one, written in the message's own transaction. Nothing else says that
 * a value is taken. A row whose message is gone means nothing, so there is no moment at which a
 * crash could leave a value without its message, or a message without its value. What is acked
 * takes its rows along; what a purge or the deletion of a queue leaves is swept up later
 * (store_sweep.c).
 *
 * All values are listed when the store is opened, without a look at the messages: the core holds
 * them in memory, where a hash table finds them. Rows are clustered by position because a table by
 * value would change a page for each.
 */
#include <string.h>

#include "store/store_internal.h"

enum { at_once = 1024 }; /* positions whose rows go with the messages */

bool value_put(struct store *store, struct stored_lane *lane,
               const struct store_operation *operation)
{
    sqlite3_stmt *put = store->statements[SQL_VALUE_PUT];
    row_begin(&store->row);
    buffer_append_varint(&store->row, operation->expiry_ms);
    buffer_append_bytes(&store->row, operation->definition->name);
    row_seal(&store->row, ROW_VALUE, lane->id, operation->position);
    sqlite3_bind_int64(put, 1, (int64_t)lane->id);
    sqlite3_bind_int64(put, 2, (int64_t)operation->position);
    sqlite3_bind_blob64(put, 3, store->row.data, store->row.size, SQLITE_STATIC);
    lane->has_values = true;
    return store_step(store, SQL_VALUE_PUT);
}

bool value_remove(struct store *store, struct stored_lane *lane, uint64_t first, uint64_t end)
{
    sqlite3_stmt *delete = store->statements[SQL_VALUE_DELETE];
    if (!lane->has_values)
        return true;
    if (end - first > at_once) {
        sweep_note(store, SQL_VALUE_SWEEP, lane->id, first, end);
        return true;
    }
    sqlite3_bind_int64(delete, 1, (int64_t)lane->id);
    sqlite3_bind_int64(delete, 2, (int64_t)first);
    sqlite3_bind_int64(delete, 3, (int64_t)end);
    return store_step(store, SQL_VALUE_DELETE);
}

void value_forget(struct store *store, const struct stored_lane *lane)
{
    if (lane->has_values)
        sweep_note(store, SQL_VALUE_SWEEP, lane->id, 0, UINT64_MAX);
}

/* --- opening */

bool value_load(struct store *store)
{
    uint64_t id = 0;
    while (sweep_next_lane(store, SQL_VALUE_LANE, &id)) {
        if (id == 0)
            return true;
        struct stored_lane *lane = stored_lane_find(store, id);
        if (lane != NULL)
            lane->has_values = true;
        sweep_note(store, SQL_VALUE_SWEEP, id, 0, lane != NULL ? lane->state.first : UINT64_MAX);
    }
    return false;
}

struct listing {
    struct store *store;
    struct stored_lane *lane;
    struct store_opened *opened;
    sqlite3_stmt *select;
    bool is_dense;       /* every position has a message */
    uint64_t dead_first; /* of the last rows without a message; 0: the last one has one */
};

static bool add_value(const struct listing *listing, uint64_t position, struct bytes row)
{
    struct store_opened *opened = listing->opened;
    struct reader reader;
    bool is_sound = row_open(row, ROW_VALUE, listing->lane->id, position, &reader);
    uint64_t expiry_ms = is_sound ? reader_varint(&reader) : 0;
    if (!is_sound || reader.failed)
        return store_note_damage(listing->store, "the value at position %llu of lane %llu",
                                 (unsigned long long)position,
                                 (unsigned long long)listing->lane->id);
    store_opened_add_value(opened,
                           (struct store_value){.lane = listing->lane->id,
                                                .position = position,
                                                .expiry_ms = expiry_ms},
                           reader_take(&reader, reader_left(&reader)));
    return true;
}

static void note_dead(struct listing *listing, uint64_t end)
{
    if (listing->dead_first != 0)
        sweep_note(listing->store, SQL_VALUE_SWEEP, listing->lane->id, listing->dead_first, end);
    listing->dead_first = 0;
}

/* A row that a purge has left, which was being swept when the store was closed, has no message. */
static bool list_row(struct listing *listing)
{
    uint64_t position = (uint64_t)sqlite3_column_int64(listing->select, 0);
    struct run place = {.count = 1};
    if (!listing->is_dense && !stored_lane_locate(listing->store, listing->lane, position, &place))
        return false;
    if (place.count > 0) {
        note_dead(listing, position);
        return add_value(listing, position, column_bytes(listing->select, 1));
    }
    if (listing->dead_first == 0)
        listing->dead_first = position;
    return true;
}

static bool list_lane(struct listing *listing)
{
    struct store *store = listing->store;
    struct stored_lane *lane = listing->lane;
    bool succeeded = true;
    int code = SQLITE_DONE;
    listing->is_dense = lane->state.count == lane->state.end - lane->state.first;
    sqlite3_bind_int64(listing->select, 1, (int64_t)lane->id);
    sqlite3_bind_int64(listing->select, 2, (int64_t)lane->state.first);
    sqlite3_bind_int64(listing->select, 3, (int64_t)lane->state.end);
    while (succeeded && (code = sqlite3_step(listing->select)) == SQLITE_ROW)
        succeeded = list_row(listing);
    sqlite3_reset(listing->select);
    note_dead(listing, lane->state.end);
    stored_lane_shrink(store, lane, true);
    return succeeded && (code == SQLITE_DONE || store_note(store, code, "reading values"));
}

/* Rows have checksums, and messages are counted; but nothing counts values, and a page of SQLite's
 * that was damaged may hide those behind it. */
static bool check_pages(struct store *store)
{
    sqlite3_stmt *check = NULL;
    int code = sqlite3_prepare_v2(store->db, "PRAGMA integrity_check(value)", -1, &check, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(check);
    bool is_sound =
        code == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(check, 0), "ok") == 0;
    sqlite3_finalize(check);
    if (code != SQLITE_ROW)
        return store_note(store, code, "checking the pages of values");
    return is_sound || store_note_damage(store, "the table of values");
}

bool value_list(struct store *store, struct store_opened *opened)
{
    struct listing listing = {.store = store, .opened = opened};
    bool succeeded = true;
    if (!check_pages(store))
        return false;
    int code = sqlite3_prepare_v2(store->db,
                                  "SELECT position, data FROM value WHERE lane=? AND position>=?"
                                  " AND position<? ORDER BY position",
                                  -1, &listing.select, NULL);
    if (code != SQLITE_OK)
        return store_note(store, code, "reading values");
    for (size_t i = 0; succeeded && i < opened->lane_count; i++) {
        listing.lane = stored_lane_find(store, opened->lanes[i].lane);
        succeeded = !listing.lane->has_values || list_lane(&listing);
    }
    sqlite3_finalize(listing.select);
    return succeeded;
}
