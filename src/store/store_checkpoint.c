/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The write-ahead log is copied into the file by a connection of its own, passively and from
 * whatever thread has time, so that the copying costs the writer nothing. That alone never ends:
 * while the writer appends there is always something left, and the log begins again at its start
 * only when nothing is. So when the log has passed its bound and little is left, the writer
 * finishes the copy between two batches. A reader with an older snapshot would prevent that; the
 * gate keeps readers away for that moment. A log far above its bound is finished whatever is left.
 *
 * A partial checkpoint does not sync the file, and the one that finishes would have to flush all
 * that was copied since, in the writer's way; so the second connection syncs after its own rounds.
 *
 * A full disk stops a checkpoint, not the store: the log stays longer, and commits find out. They
 * then try to finish the checkpoint: a log that begins again has the space that it had before. That
 * takes the space of what is not copied yet, of which there may not be more than the reserve: so
 * where the disk has hardly more than this the writer finishes at once.
 *
 * The log of what is spilled is not synced, nor is its file. The writer copies it itself, after a
 * few batches, so that it is never longer than the reserve.
 */
#include "store/sqlite_file.h"
#include "store/store_internal.h"

enum {
    start_bytes = 8 << 20,  /* the second connection begins */
    step_bytes = 2 << 20,   /* and has at least this much to copy */
    bound_bytes = 64 << 20, /* the writer finishes */
    left_bytes = 8 << 20,   /* when no more than this is left */
    hard_factor = 4,        /* or the log is so many times above the bound */
    margin_bytes = 16 << 20 /* or there is hardly more space than for what is left */
};

/* How much of the log was copied, and which log that is: it begins again whenever nothing was left
 * to copy, and of the new one nothing is copied, whoever comes late with what was of the former. */
enum { log_shift = 32 };

static uint64_t copied_pages(const struct store *store)
{
    return atomic_load(&store->copied) & UINT32_MAX;
}

static void begin_log(struct store *store)
{
    uint64_t log = atomic_load(&store->copied) >> log_shift;
    atomic_store(&store->copied, (log + 1) << log_shift);
}

static void note_copied(struct store *store, uint64_t before, int pages)
{
    uint64_t now = before >> log_shift << log_shift | (uint64_t)pages;
    atomic_compare_exchange_strong(&store->copied, &before, now);
}

static int on_wal(void *context, sqlite3 *db, const char *name, int pages)
{
    struct store *store = context;
    (void)db, (void)name;
    if ((uint64_t)pages < atomic_load(&store->wal_pages))
        begin_log(store);
    atomic_store(&store->wal_pages, (uint64_t)pages);
    return SQLITE_OK;
}

bool checkpoint_open(struct store *store)
{
    char reason[256];
    sqlite3_wal_hook(store->db, on_wal, store);
    if (store->is_spill)
        return true;
    store->checkpointer = sqlite_file_connect(store->path, false, 512, reason, sizeof reason);
    if (store->checkpointer == NULL)
        store_report(store, "%s", reason);
    return store->checkpointer != NULL;
}

static uint64_t wal_bytes(const struct store *store)
{
    return atomic_load(&store->wal_pages) * store->page_bytes;
}

static uint64_t bytes_to_copy(const struct store *store)
{
    uint64_t pages = atomic_load(&store->wal_pages), copied = copied_pages(store);
    return (pages > copied ? pages - copied : 0) * store->page_bytes;
}

bool store_wants_checkpoint(const struct store *store)
{
    return wal_bytes(store) >= start_bytes && bytes_to_copy(store) >= step_bytes;
}

static bool is_harmless(sqlite3 *db, int code)
{
    int primary = code & 0xff;
    return primary == SQLITE_OK || primary == SQLITE_BUSY || primary == SQLITE_LOCKED ||
           sqlite_file_is_full(db, code);
}

/* true where it went well, or where trying again later is right. */
static bool run(struct store *store, sqlite3 *db, int mode, bool *is_partial, bool *is_complete)
{
    int pages = 0, done = 0;
    uint64_t before = atomic_load(&store->copied);
    int code = sqlite3_wal_checkpoint_v2(db, NULL, mode, &pages, &done);
    *is_partial = done > 0 && done < pages;
    *is_complete = code == SQLITE_OK && done == pages;
    if (done >= 0)
        note_copied(store, before, done);
    if (is_harmless(db, code))
        return true;
    store_report(store, "%s: checkpoint: %s", store->path, sqlite3_errmsg(db));
    return false;
}

static bool sync_file(struct store *store)
{
    sqlite3_file *file = NULL;
    int code = sqlite3_file_control(store->checkpointer, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (code == SQLITE_OK)
        code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
    if (code != SQLITE_OK)
        store_report(store, "%s: sync: %s", store->path, sqlite3_errstr(code));
    return code == SQLITE_OK;
}

enum store_result store_checkpoint(struct store *store)
{
    bool is_partial, is_complete;
    if (atomic_load(&store->has_failed))
        return STORE_FAILED;
    pthread_mutex_lock(&store->checkpoint_lock);
    bool succeeded =
        run(store, store->checkpointer, SQLITE_CHECKPOINT_PASSIVE, &is_partial, &is_complete) &&
        (!is_partial || sync_file(store));
    pthread_mutex_unlock(&store->checkpoint_lock);
    return succeeded ? STORE_OK : store_fail(store);
}

/* Nothing of ours reads now; somebody else's reader is not waited for. */
static bool finish(struct store *store, int mode)
{
    bool is_partial, is_complete;
    pthread_mutex_lock(&store->gate);
    sqlite3_busy_timeout(store->db, 0);
    bool succeeded = run(store, store->db, mode, &is_partial, &is_complete);
    sqlite3_busy_timeout(store->db, 10000);
    pthread_mutex_unlock(&store->gate);
    if (succeeded && is_complete) {
        atomic_store(&store->wal_pages, 0);
        begin_log(store);
    }
    return succeeded;
}

bool checkpoint_for_space(struct store *store)
{
    pthread_mutex_lock(&store->checkpoint_lock);
    bool succeeded = finish(store, SQLITE_CHECKPOINT_RESTART);
    pthread_mutex_unlock(&store->checkpoint_lock);
    if (!succeeded)
        (void)store_fail(store);
    return succeeded && atomic_load(&store->wal_pages) == 0;
}

bool checkpoint_rest(struct store *store)
{
    if (atomic_load(&store->wal_pages) == 0)
        return true;
    pthread_mutex_lock(&store->checkpoint_lock);
    bool succeeded = finish(store, SQLITE_CHECKPOINT_TRUNCATE);
    pthread_mutex_unlock(&store->checkpoint_lock);
    return succeeded;
}

static bool is_scarce(const struct store *store)
{
    uint64_t left = bytes_to_copy(store);
    return left > left_bytes && !store_has_space(store, left + margin_bytes);
}

bool checkpoint_tend(struct store *store)
{
    uint64_t bytes = wal_bytes(store);
    if (store->is_spill)
        return bytes < start_bytes || finish(store, SQLITE_CHECKPOINT_RESTART);
    bool is_urgent = bytes >= (uint64_t)hard_factor * bound_bytes || is_scarce(store);
    if (bytes < bound_bytes && !is_urgent)
        return true;
    if (is_urgent)
        pthread_mutex_lock(&store->checkpoint_lock);
    else if (bytes_to_copy(store) > left_bytes ||
             pthread_mutex_trylock(&store->checkpoint_lock) != 0)
        return true;
    bool succeeded = finish(store, SQLITE_CHECKPOINT_RESTART);
    pthread_mutex_unlock(&store->checkpoint_lock);
    return succeeded;
}
