/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often a message failed: a small row of its own, by lane and position, for the few messages
 * that did, so that a requeue never writes a body again. A position is never used twice, and nobody
 * asks for the row of a position without a message; so rows may outlive their message, and only
 * their space is owed. What is acked takes its row along; what a purge or the deletion of a queue
 * leaves is swept up later (store_sweep.c).
 */
#include "store/store_internal.h"

enum { at_once = 1024 }; /* positions whose rows go with the messages */

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
    sqlite3_bind_int64(delete, 2, sweep_key(first));
    sqlite3_bind_int64(delete, 3, sweep_key(end));
    return store_step(store, SQL_ATTEMPT_DELETE);
}

void attempt_forget(struct store *store, const struct stored_lane *lane)
{
    if (lane->has_attempts)
        note_garbage(store, lane->id, 0, UINT64_MAX);
}

/* --- opening */

bool attempt_load(struct store *store)
{
    uint64_t id = 0;
    while (sweep_next_lane(store, SQL_ATTEMPT_LANE, &id)) {
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
