/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transaction of the writer, whoever fills it: a batch, a slice of giving space back, closing.
 * Between begin and finish memory and the journal change together; finish writes the rows that are
 * behind, then the journal's row, and commits.
 *
 * Invariant: at the end of a transaction memory says what the file says. After a commit it does
 * because every change went into the journal; only then readers may look at what is new
 * (committed_end). After a full disk memory is read again rather than taken back change by change:
 * taking back would need a second description of every operation, run only on that rare day. After
 * any other failure nothing is known, and the store has failed.
 *
 * Rows that are behind are not written with the change that made them so: a queue in use would be
 * written with every batch. The oldest are due when the journal has become long for their sake, a
 * few with each transaction, so that no commit pays for all.
 */
#include "base/xmalloc.h"
#include "store/store_internal.h"

enum {
    journal_rows_min = 256,  /* rows that are behind by so many batches are written, */
    journal_rows_max = 1024, /* and one more for so many lanes: */
    journal_row_lanes = 32,
    journal_bytes = 16 << 20,   /* by as many as make a journal of this size */
    journal_sample = 16,        /* of that many batches the size of a row is taken */
    writes_min = 64,            /* that many with a batch, and more with a long one */
    chunk_bytes_max = 64 << 20, /* places: lanes that are not used keep none */
    chunk_bytes_kept = 8 << 20, /* nor do those that are written */
};

bool transaction_begin(struct store *store)
{
    store->code = SQLITE_OK;
    store->batch++;
    store->written_segments = 0;
    journal_begin(store);
    return store_step(store, SQL_BEGIN);
}

void transaction_take_turn(struct store *store)
{
    if (!store->has_turn)
        pthread_mutex_lock(&store->turn);
    store->has_turn = true;
}

static void give_turn(struct store *store)
{
    if (store->has_turn)
        pthread_mutex_unlock(&store->turn);
    store->has_turn = false;
}

void transaction_touch(struct store *store, struct stored_lane *lane)
{
    stored_lane_dirty(store, lane, store->batch);
    if (lane->touch != 0)
        return;
    store->touched = xgrow(store->touched, &store->touched_capacity, store->touched_count + 1,
                           sizeof store->touched[0]);
    store->touched[store->touched_count++] = (struct touched_lane){.lane = lane};
    lane->touch = (uint32_t)store->touched_count;
}

/* Of very many lanes most will not be touched again for long. */
static void pack_lane(struct store *store, struct stored_lane *lane)
{
    for (size_t i = 0; i < lane->chunk_count; i++)
        chunk_pack(store, &lane->chunks[i]);
}

void transaction_forget_touched(struct store *store)
{
    for (size_t i = 0; i < store->touched_count; i++) {
        store->touched[i].lane->touch = 0;
        if (store->chunk_bytes > chunk_bytes_kept)
            pack_lane(store, store->touched[i].lane);
    }
    store->touched_count = 0;
}

/* --- what is due */

/* Its ends stay in memory, where the next messages come and go. Where that is much already it keeps
 * nothing: what comes next is a row of its own then, instead of a longer one. */
static bool write_lane(struct store *store, struct stored_lane *lane)
{
    bool was_idle = lane->touch == 0;
    bool succeeded = stored_lane_write(store, lane);
    bool is_much = store->chunk_bytes > chunk_bytes_kept;
    stored_lane_shrink(store, lane, is_much || (was_idle && lane->state.count == 0));
    return succeeded;
}

/* How far rows may be behind. A journal must be replayed when the store is opened, and what it says
 * is in memory; but with very many lanes each batch changes others, and a row that is written for
 * each message costs more than the message. */
static uint64_t rows_behind(const struct store *store)
{
    uint64_t rows = journal_bytes / (store->journal_row_bytes + 1);
    uint64_t rows_max = journal_rows_max + store->lanes.count / journal_row_lanes;
    if (rows < journal_rows_min)
        return journal_rows_min;
    return rows < rows_max ? rows : rows_max;
}

static bool is_due(const struct store *store, uint64_t dirty_since)
{
    return dirty_since + rows_behind(store) <= store->batch;
}

/* A lane with moves to come stays dirty: its chunks do not say yet what the journal says. */
static bool write_due_lanes(struct store *store, size_t budget)
{
    list_for_each(&store->dirty_lanes, node)
    {
        struct stored_lane *lane = list_entry(node, struct stored_lane, node);
        if (budget-- == 0 || !is_due(store, lane->dirty_since))
            return true;
        if (!lane->has_moves && !write_lane(store, lane))
            return false;
    }
    return true;
}

static bool write_due_groups(struct store *store)
{
    struct list_node *node;
    while ((node = list_front(&store->segments.dirty)) != NULL) {
        struct segment_group *group = list_entry(node, struct segment_group, node);
        if (!is_due(store, group->dirty_since))
            return true;
        if (!segment_group_write(store, group))
            return false;
    }
    return true;
}

static bool write_changed(struct store *store)
{
    for (size_t i = 0; i < store->touched_count; i++) {
        struct stored_lane *lane = store->touched[i].lane;
        journal_flush_run(store, lane);
        if (lane->must_write && !write_lane(store, lane))
            return false;
    }
    return true;
}

static void note_journal(struct store *store)
{
    uint64_t former = store->journal_row_bytes * (journal_sample - 1);
    store->journal_row_bytes = (former + store->journal.size) / journal_sample;
}

static bool write_state(struct store *store, size_t operations)
{
    transaction_take_turn(store);
    pthread_mutex_lock(&store->lock);
    bool succeeded = write_changed(store) && write_due_lanes(store, writes_min + operations / 2) &&
                     write_due_groups(store);
    pthread_mutex_unlock(&store->lock);
    note_journal(store);
    return succeeded && shelf_write_changed(store) && journal_write(store);
}

/* --- the end of a transaction */

/* Places in memory that nobody has used for long, once there are many. */
static void shrink_cold(struct store *store)
{
    while (store->chunk_bytes > chunk_bytes_max && !list_is_empty(&store->clean_lanes)) {
        struct list_node *node = list_front(&store->clean_lanes);
        struct stored_lane *lane = list_entry(node, struct stored_lane, node);
        stored_lane_shrink(store, lane, true);
        if (lane->chunk_count > 0)
            break;
        list_remove(node);
    }
}

void transaction_publish(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    reclaim_apply_moves(store);
    for (size_t i = 0; i < store->touched_count; i++)
        store->touched[i].lane->committed_end = store->touched[i].lane->state.end;
    transaction_forget_touched(store);
    shrink_cold(store);
    struct store_figures *figures = &store->figures;
    figures->messages_live = store->segments.live;
    figures->messages_debt = store->segments.total - store->segments.live;
    figures->segments = store->segments.rows;
    figures->segments_empty = segment_list_count(&store->segments.empty);
    figures->journal_rows = store->batch - store->journal_first + 1;
    figures->delays = store->shelved.delays;
    figures->keys = store->shelved.keys;
    figures->rows_debt = store->shelved.gone;
    figures->mapping_bytes = store->chunk_bytes;
    figures->messages_written = store->written;
    figures->messages_moved = store->moved;
    pthread_mutex_unlock(&store->lock);
}

/* Back to what the file says. */
static enum store_result roll_back(struct store *store)
{
    bool is_full = store->code == SQLITE_FULL;
    if (!sqlite3_get_autocommit(store->db) &&
        sqlite3_step(store->statements[SQL_ROLLBACK]) != SQLITE_DONE)
        is_full = false;
    sqlite3_reset(store->statements[SQL_ROLLBACK]);
    if (!is_full)
        return store_fail(store);
    pthread_mutex_lock(&store->lock);
    store_unload(store);
    store->code = SQLITE_OK;
    bool succeeded = store_load(store, NULL);
    pthread_mutex_unlock(&store->lock);
    return succeeded ? STORE_FULL : store_fail(store);
}

enum store_result transaction_finish(struct store *store, bool succeeded, size_t operations)
{
    enum store_result result = STORE_OK;
    succeeded = succeeded && write_state(store, operations) && store->code == SQLITE_OK &&
                store_step(store, SQL_COMMIT);
    if (succeeded)
        transaction_publish(store);
    else
        result = roll_back(store);
    give_turn(store);
    if (!succeeded)
        return result;
    return checkpoint_tend(store) ? STORE_OK : store_fail(store);
}
