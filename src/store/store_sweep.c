/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small rows by lane and position that outlive their messages: attempts and values. They mean
 * nothing without a message, so only their space is owed. A purge or the deletion of a queue may
 * leave millions: what it leaves is noted as a range, and deleted in slices with the commits after.
 *
 * The notes are in memory alone. When the store is opened it looks which lanes have rows, one look
 * each, and notes what lies below their first message, and everything of lanes that are gone.
 */
#include "base/xmalloc.h"
#include "store/store_internal.h"

enum { position_bits = 63 }; /* SQLite's numbers have a sign */

int64_t sweep_key(uint64_t position)
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
        sqlite3_bind_int64(delete, 2, sweep_key(sweep->first));
        sqlite3_bind_int64(delete, 3, sweep_key(sweep->end));
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

bool sweep_next_lane(struct store *store, enum statement statement, uint64_t *lane)
{
    sqlite3_stmt *select = store->statements[statement];
    sqlite3_bind_int64(select, 1, (int64_t)*lane);
    int code = sqlite3_step(select);
    *lane = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(select, 0) : 0;
    sqlite3_reset(select);
    return code == SQLITE_ROW || store_note(store, code, "looking for rows of lanes");
}
