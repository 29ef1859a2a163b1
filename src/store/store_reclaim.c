/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Giving space back, in slices. A segment without references is a row to delete. A segment with few
 * references left keeps all its bytes; when more of the file is such remains than what is needed,
 * the oldest of them are read and what is still referenced is written again, as a batch is. The
 * places of moved messages change in memory when that is committed, under the lock, so that no
 * reader meets a place before it exists; the segment they came from is deleted by a later
 * transaction, so that a reader that still has the old place finds it.
 *
 * Deleted rows leave free pages, which new segments use. In idle moments, when much of the file is
 * free, incremental vacuum shortens it.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "store/store_internal.h"

enum {
    empty_kept = 64,      /* rows to delete that commits leave to idle moments */
    delete_min = 32,      /* with a commit */
    delete_max = 256,     /* in a slice */
    rows_min = 256,       /* of attempts, values, delays and keys with a commit */
    rows_max = 2048,      /* in a slice */
    compact_max = 16,     /* segments moved in a slice */
    garbage_kept = 10000, /* messages: less is not worth moving */
    free_pages_kept = 256,
};

static uint64_t empty_count(const struct store *store)
{
    return segment_list_count(&store->segments.empty);
}

static bool delete_segments(struct store *store, uint64_t count)
{
    for (; count > 0 && empty_count(store) > 0; count--) {
        uint64_t segment = segment_list_pop(&store->segments.empty);
        if (!store_delete(store, SQL_SEGMENT_DELETE, segment))
            return false;
        segment_deleted(store, segment, store->batch);
        journal_segment(store, JOURNAL_SEGMENT_DELETE, segment, 0);
    }
    return true;
}

static bool delete_rows(struct store *store, int rows)
{
    return sweep_reclaim(store, rows) && shelf_reclaim(store, rows);
}

bool reclaim_with_commit(struct store *store)
{
    if (!delete_rows(store, rows_min))
        return false;
    if (empty_count(store) <= empty_kept)
        return true;
    uint64_t count = 2 * store->written_segments;
    if (count < delete_min)
        count = delete_min;
    return delete_segments(store, count < delete_max ? count : delete_max);
}

/* --- moving what is left of sparse segments */

static bool wants_compaction(const struct store *store)
{
    const struct segment_table *table = &store->segments;
    return segment_list_count(&table->sparse) > 0 &&
           table->total - table->live > table->live + garbage_kept;
}

/* Does the lane still have its message in this record? */
static bool is_needed(struct store *store, const struct record_owner *owner, const struct run *at,
                      bool *needed)
{
    struct run place = {0};
    bool succeeded = true;
    pthread_mutex_lock(&store->lock);
    struct stored_lane *lane = stored_lane_find(store, owner->lane);
    if (lane != NULL)
        succeeded = stored_lane_locate(store, lane, owner->position, &place);
    pthread_mutex_unlock(&store->lock);
    *needed = place.count == 1 && place.segment == at->segment && place.offset == at->offset;
    return succeeded;
}

static void note_move(struct store *store, const struct record_owner *owner, struct run place,
                      uint64_t old_segment)
{
    struct stored_lane *lane = stored_lane_find(store, owner->lane);
    place.position = owner->position;
    store->moves =
        xgrow(store->moves, &store->move_capacity, store->move_count + 1, sizeof *store->moves);
    store->moves[store->move_count++] = (struct move){owner->lane, place};
    pthread_mutex_lock(&store->lock);
    stored_lane_dirty(store, lane, store->batch);
    lane->has_moves = true;
    pthread_mutex_unlock(&store->lock);
    journal_move(store, owner->lane, &place);
    segment_released(store, old_segment, 1, store->batch);
    journal_segment(store, JOURNAL_SEGMENT_RELEASE, old_segment, 1);
}

static bool move_record(struct store *store, struct bytes bytes, const struct record *record,
                        const struct run *at)
{
    struct record_owner *owners = xcalloc(record->owner_count, sizeof *owners);
    uint32_t count = 0;
    bool succeeded = true, needed;
    for (uint32_t i = 0; succeeded && i < record->owner_count; i++) {
        owners[count] = record_owner_at(bytes.data, i);
        succeeded = is_needed(store, &owners[count], at, &needed);
        count += needed;
    }
    struct run place;
    if (succeeded && count > 0)
        succeeded =
            record_copy(store, bytes_of(bytes.data, record->record_bytes), owners, count, &place);
    for (uint32_t i = 0; succeeded && i < count; i++)
        note_move(store, &owners[i], place, at->segment);
    free(owners);
    return succeeded;
}

static bool move_records(struct store *store, uint64_t segment, struct bytes data)
{
    struct record record;
    for (size_t offset = 0; offset < data.size; offset += record.record_bytes) {
        struct bytes rest = bytes_of(data.data + offset, data.size - offset);
        struct run at = {.segment = segment, .offset = (uint32_t)offset};
        if (!record_open(rest, &record))
            return store_note_damage(store, "a message in segment %llu",
                                     (unsigned long long)segment);
        if (!move_record(store, rest, &record, &at))
            return false;
    }
    return true;
}

static bool compact_segment(struct store *store, uint64_t segment)
{
    sqlite3_stmt *select = store->statements[SQL_SEGMENT_READ];
    struct buffer data = {0};
    sqlite3_bind_int64(select, 1, (int64_t)segment);
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW)
        buffer_append_bytes(&data, column_bytes(select, 0));
    sqlite3_reset(select);
    bool succeeded = code == SQLITE_ROW    ? move_records(store, segment, buffer_bytes(&data))
                     : code == SQLITE_DONE ? store_note_damage(store, "segment %llu is missing",
                                                               (unsigned long long)segment)
                                           : store_note(store, code, "reading a segment");
    buffer_fini(&data);
    return succeeded;
}

static bool compact(struct store *store, uint64_t count)
{
    while (count > 0 && wants_compaction(store)) {
        uint64_t segment = segment_list_pop(&store->segments.sparse);
        if (segment_count_of(store, segment).live == 0)
            continue;
        if (!compact_segment(store, segment))
            return false;
        count--;
    }
    return record_flush(store);
}

void reclaim_apply_moves(struct store *store)
{
    for (size_t i = 0; i < store->move_count; i++) {
        struct stored_lane *lane = stored_lane_find(store, store->moves[i].lane);
        lane->has_moves = false;
        CHECK(stored_lane_move(store, lane, &store->moves[i].run));
    }
    store->moved += store->move_count;
    store->move_count = 0;
}

/* --- shortening the file */

static bool wants_vacuum(struct store *store, bool *wanted)
{
    static const char sql[] = "SELECT f.freelist_count, p.page_count FROM pragma_freelist_count f, "
                              "pragma_page_count p";
    sqlite3_stmt *select = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &select, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(select);
    int64_t free_pages = code == SQLITE_ROW ? sqlite3_column_int64(select, 0) : 0;
    int64_t pages = code == SQLITE_ROW ? sqlite3_column_int64(select, 1) : 0;
    sqlite3_finalize(select);
    *wanted = free_pages > free_pages_kept && free_pages > pages / 4;
    return code == SQLITE_ROW || store_note(store, code, sql);
}

static bool vacuum(struct store *store)
{
    int code;
    while ((code = sqlite3_step(store->statements[SQL_VACUUM])) == SQLITE_ROW)
        ;
    sqlite3_reset(store->statements[SQL_VACUUM]);
    return code == SQLITE_DONE || store_note(store, code, "incremental vacuum");
}

/* --- */

static bool reclaim(struct store *store, bool may_vacuum)
{
    return transaction_begin(store) && delete_rows(store, rows_max) &&
           delete_segments(store, delete_max) && compact(store, compact_max) &&
           (!may_vacuum || vacuum(store));
}

static bool has_garbage(const struct store *store)
{
    return empty_count(store) > 0 || wants_compaction(store) || sweep_has_garbage(store) ||
           shelf_has_garbage(store);
}

/* Nothing is left to be done: the log is emptied, and the reserve filled where there is space. */
static enum store_result rest(struct store *store)
{
    if (!checkpoint_rest(store))
        return store_fail(store);
    reserve_restore(store);
    return STORE_OK;
}

static enum store_result maintain(struct store *store, bool is_idle, bool *more)
{
    bool may_vacuum = false;
    *more = false;
    if (atomic_load(&store->has_failed))
        return STORE_FAILED;
    store->code = SQLITE_OK;
    if (is_idle && !has_garbage(store) && !wants_vacuum(store, &may_vacuum))
        return store_fail(store);
    if (!may_vacuum && !has_garbage(store))
        return is_idle ? rest(store) : STORE_OK;
    enum store_result result = transaction_finish(store, reclaim(store, may_vacuum), 0);
    /* Giving space back takes space in the log first. */
    if (result == STORE_FULL && (checkpoint_for_space(store) || reserve_release(store)))
        result = transaction_finish(store, reclaim(store, may_vacuum), 0);
    *more = result == STORE_OK && (may_vacuum || is_idle || has_garbage(store));
    return result;
}

static enum store_result maintain_spill(struct store *store, bool is_idle, bool *more)
{
    bool more_spilled = false;
    struct store *spill = spill_of(store);
    enum store_result result = spill != NULL ? maintain(spill, is_idle, &more_spilled) : STORE_OK;
    *more = *more || more_spilled;
    if (result == STORE_FAILED)
        return spill_fail(store);
    enum store_result settled = spill_settle(store);
    return settled == STORE_OK ? result : settled;
}

static enum store_result maintain_both(struct store *store, bool is_idle, bool *more)
{
    enum store_result result = maintain(store, is_idle, more);
    if (result == STORE_FAILED)
        return result;
    enum store_result spilled = maintain_spill(store, is_idle, more);
    return spilled == STORE_FAILED || result == STORE_OK ? spilled : result;
}

enum store_result store_maintain(struct store *store, bool is_idle, bool *more)
{
    writer_enter(store, false);
    enum store_result result = maintain_both(store, is_idle, more);
    writer_leave(store);
    return result;
}

bool store_is_short_of_space(const struct store *store)
{
    return atomic_load(&store->was_full) || atomic_load(&store->is_reserve_used) ||
           unspilled_has_any(store);
}
