/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often a message failed: a small row of its own, by lane and position, for the few messages
 * that did, so that a requeue never writes a body again. A position is never used twice, and nobody
 * asks for the row of a position without a message; so rows may outlive their message, and only
 * their space is owed. What is acked takes its row along; what a purge or the deletion of a queue
 * leaves, perhaps millions, is noted as a range and deleted in slices with the commits after; so is
 * what is left of values (store_value.c).
 *
 * The notes are in memory alone. When the store is opened it looks which lanes have rows, one look
 * each, and notes what lies below their first message, and everything of lanes that are gone.
 */
#include "base/check.h"
#include "base/xmalloc.h"
#include "store/store_internal.h"

enum {
    at_once = 1024,     /* positions whose rows go with the messages */
    position_bits = 63, /* SQLite's numbers have a sign */
};

static int64_t key_of(uint64_t position)
{
    return position >> position_bits == 0 ? (int64_t)position : INT64_MAX;
}

void sweep_note(struct store *store, enum statement statement, uint64_t lane, uint64_t first,
                uint64_t end)
{
    store->sweeps =
        xgrow(store->sweeps, &store->sweep_capacity, store->sweep_count + 1, sizeof *store->sweeps);
    store->sweeps[store->sweep_count++] = (struct sweep){statement, lane, first, end};
}

static void note_garbage(struct store *store, uint64_t lane, uint64_t first, uint64_t end)
{
    sweep_note(store, SQL_ATTEMPT_SWEEP, lane, first, end);
}

bool attempt_put(struct store *store, struct stored_lane *lane, uint64_t position, uint64_t count)
{
    sqlite3_stmt *put = store->statements[SQL_ATTEMPT_PUT];
    if (position < lane->state.first || position >= lane->state.end)
        return true;
    row_begin(&store->row);
    buffer_append_varint(&store->row, count);
    row_seal(&store->row, ROW_ATTEMPT, lane->id, position);
    sqlite3_bind_int64(put, 1, (int64_t)lane->id);
    sqlite3_bind_int64(put, 2, (int64_t)position);
    sqlite3_bind_blob64(put, 3, store->row.data, store->row.size, SQLITE_STATIC);
    lane->has_attempts = true;
    return store_step(store, SQL_ATTEMPT_PUT);
}

bool attempt_remove(struct store *store, struct stored_lane *lane, uint64_t first, uint64_t end)
{
    sqlite3_stmt *delete = store->statements[SQL_ATTEMPT_DELETE];
    if (!lane->has_attempts)
        return true;
    if (lane->state.count == 0) {
        note_garbage(store, lane->id, 0, lane->state.end);
        lane->has_attempts = false;
        return true;
    }
    if (end - first > at_once) {
        note_garbage(store, lane->id, first, end);
        return true;
    }
    sqlite3_bind_int64(delete, 1, (int64_t)lane->id);
    sqlite3_bind_int64(delete, 2, key_of(first));
    sqlite3_bind_int64(delete, 3, key_of(end));
    return store_step(store, SQL_ATTEMPT_DELETE);
}

void attempt_forget(struct store *store, const struct stored_lane *lane)
{
    if (lane->has_attempts)
        note_garbage(store, lane->id, 0, UINT64_MAX);
}

/* --- slices */

bool sweep_has_garbage(const struct store *store)
{
    return store->sweep_count > 0;
}

bool sweep_reclaim(struct store *store, int left)
{
    while (store->sweep_count > 0 && left > 0) {
        const struct sweep *sweep = &store->sweeps[store->sweep_count - 1];
        sqlite3_stmt *delete = store->statements[sweep->statement];
        sqlite3_bind_int64(delete, 1, (int64_t)sweep->lane);
        sqlite3_bind_int64(delete, 2, key_of(sweep->first));
        sqlite3_bind_int64(delete, 3, key_of(sweep->end));
        sqlite3_bind_int(delete, 4, left);
        if (!store_step(store, sweep->statement))
            return false;
        int deleted = sqlite3_changes(store->db);
        if (deleted < left)
            store->sweep_count--;
        left -= deleted > 0 ? deleted : 1;
    }
    return true;
}

/* --- opening */

/* The lowest lane above one that has rows; 0 where there is none. */
static bool next_lane(struct store *store, uint64_t *lane)
{
    sqlite3_stmt *select = store->statements[SQL_ATTEMPT_LANE];
    sqlite3_bind_int64(select, 1, (int64_t)*lane);
    int code = sqlite3_step(select);
    *lane = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(select, 0) : 0;
    sqlite3_reset(select);
    return code == SQLITE_ROW || store_note(store, code, "looking for attempts");
}

bool attempt_load(struct store *store)
{
    uint64_t id = 0;
    while (next_lane(store, &id)) {
        if (id == 0)
            return true;
        struct stored_lane *lane = stored_lane_find(store, id);
        if (lane != NULL)
            lane->has_attempts = lane->state.count > 0;
        note_garbage(store, id, 0, lane != NULL ? lane->state.first : UINT64_MAX);
    }
    return false;
}

/* --- reading */

static bool take_row(struct store *store, uint64_t lane, sqlite3_stmt *select,
                     struct store_read_result *result, size_t *index)
{
    struct reader reader;
    uint64_t position = (uint64_t)sqlite3_column_int64(select, 0);
    while (*index < result->count && result->rows[*index].position < position)
        (*index)++;
    if (*index == result->count || result->rows[*index].position != position)
        return true;
    bool is_sound = row_open(column_bytes(select, 1), ROW_ATTEMPT, lane, position, &reader);
    uint64_t count = is_sound ? reader_varint(&reader) : 0;
    if (!is_sound || reader.failed || count > UINT16_MAX) {
        store_report(store, "%s is damaged: the attempts at position %llu of lane %llu",
                     store->path, (unsigned long long)position, (unsigned long long)lane);
        return false;
    }
    result->rows[*index].delivery_count = (uint16_t)count;
    return true;
}

bool attempt_read(struct store *store, struct store_read_result *result)
{
    sqlite3_stmt *select = store->reader_statements[READ_ATTEMPTS];
    if (result->count == 0)
        return true;
    sqlite3_bind_int64(select, 1, (int64_t)result->read.lane);
    sqlite3_bind_int64(select, 2, (int64_t)result->rows[0].position);
    sqlite3_bind_int64(select, 3, (int64_t)result->rows[result->count - 1].position);
    size_t index = 0;
    bool succeeded = true;
    int code = SQLITE_DONE;
    while (succeeded && (code = sqlite3_step(select)) == SQLITE_ROW)
        succeeded = take_row(store, result->read.lane, select, result, &index);
    if (succeeded && code != SQLITE_DONE)
        succeeded = reader_failed(store, "reading attempts");
    sqlite3_reset(select);
    return succeeded;
}
