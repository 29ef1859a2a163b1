/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of a vhost in SQLite. A batch is one transaction, and in it
 *
 *     segment        the batch's messages, many to a row (store_record.c)
 *     journal        one row with everything else that the batch did (store_journal.c)
 *     lane           the state of a lane            \  as of some batch; the rows that are behind
 *     lane_chunk     where its messages are          } are written a few with every batch, so that
 *     segment_group  how much of segments is needed /  the journal stays short
 *     definition     exchanges, queues, bindings
 *     attempt        how often a message failed, where it did (store_attempt.c)
 *     value          by what a queue that deduplicates knows a message (store_value.c)
 *     shelf          what an exchange keeps: how many delays and keys, and
 *     delay, dedup   these themselves, by when they are due and in their order (store_shelf.c)
 *
 * so that a batch costs its messages and one row, in however many queues they are, and removing
 * messages costs a few bytes in that row: what nobody needs any more is deleted later, in slices.
 *
 * What the rows and the journal say is also in memory (lanes with their counters, counts of
 * segments; places of messages only where they are in use). A transaction changes memory as it
 * goes; when it fails memory is read again from the file, so that there is one way back and it is
 * the one that opening takes. Readers look at memory under the lock, only at positions below
 * committed_end, which moves after the commit; what a transaction removes may disappear for them a
 * moment early.
 *
 * A failed write or sync is not tried again: the store reports it and does nothing more. Only a
 * full disk, or a quota that is used up, is different: SQLite rolls back, and the same batch may
 * come again.
 *
 * What is transient lies in a second file, with a store of its own (store_spill.c); where the disk
 * is full for it, in memory (store_unspilled.c).
 *
 * store_open.c opens and reads the state, store_commit.c applies a batch, store_transaction.c
 * writes and commits it, store_read.c reads messages. Here is what they share (how
 * failures are noted, one step of a statement), and closing, and the figures.
 */
#include "store/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/xmalloc.h"
#include "store/sqlite_file.h"
#include "store/store_internal.h"

struct store *store_new(const char *folder, bool is_spill)
{
    struct store *store = xcalloc(1, sizeof *store);
    const char *name = is_spill ? SPILL_FILE : "messages.db";
    store->folder = xstrdup(folder);
    store->path = path_join(folder, name);
    store->is_spill = is_spill;
    store->reserve = -1;
    hash_table_init(&store->lanes);
    hash_table_init(&store->shelves);
    list_init(&store->changed_shelves);
    list_init(&store->gone_shelves);
    list_init(&store->dirty_lanes);
    list_init(&store->clean_lanes);
    segment_table_init(&store->segments);
    pthread_mutex_init(&store->lock, NULL);
    pthread_mutex_init(&store->turn, NULL);
    pthread_mutex_init(&store->gate, NULL);
    pthread_mutex_init(&store->checkpoint_lock, NULL);
    pthread_mutex_init(&store->report_lock, NULL);
    writer_turn_init(&store->writer_turn);
    return store;
}

static void close_connections(struct store *store)
{
    for (size_t i = 0; i < READ_COUNT; i++)
        sqlite3_finalize(store->reader_statements[i]);
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->reader);
    sqlite3_close(store->checkpointer);
    sqlite3_close(store->db);
}

void store_free(struct store *store)
{
    close_connections(store);
    reserve_close(store);
    store_unload(store);
    unspilled_clear(store);
    hash_table_fini(&store->lanes);
    free(store->ranges.items);
    hash_table_fini(&store->shelves);
    buffer_fini(&store->journal);
    buffer_fini(&store->row);
    buffer_fini(&store->packed);
    free(store->places);
    free(store->touched);
    free(store->moves);
    free(store->sweeps);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->turn);
    pthread_mutex_destroy(&store->gate);
    pthread_mutex_destroy(&store->checkpoint_lock);
    pthread_mutex_destroy(&store->report_lock);
    writer_turn_fini(&store->writer_turn);
    free(store->folder);
    free(store->path);
    free(store);
}

/* --- failures */

void store_report(struct store *store, const char *format_text, ...)
{
    va_list arguments;
    va_start(arguments, format_text);
    pthread_mutex_lock(&store->report_lock);
    if (store->error[0] == '\0')
        vsnprintf(store->error, sizeof store->error, format_text, arguments);
    pthread_mutex_unlock(&store->report_lock);
    va_end(arguments);
}

const char *store_error(const struct store *store)
{
    return atomic_load(&store->has_failed) ? store->error : "";
}

/* A full disk is not reported: it passes. */
bool store_note(struct store *store, int code, const char *what)
{
    bool is_full = sqlite_file_is_full(store->db, code);
    if (store->code == SQLITE_OK)
        store->code = is_full ? SQLITE_FULL : code;
    if (!is_full)
        store_report(store, "%s: %s: %s", store->path, what,
                     code == SQLITE_TOOBIG ? "too large" : sqlite3_errmsg(store->db));
    return false;
}

bool store_note_damage(struct store *store, const char *format_text, ...)
{
    char what[256];
    va_list arguments;
    va_start(arguments, format_text);
    vsnprintf(what, sizeof what, format_text, arguments);
    va_end(arguments);
    if (store->code == SQLITE_OK)
        store->code = SQLITE_CORRUPT;
    store_report(store, "%s is damaged: %s", store->path, what);
    return false;
}

enum store_result store_fail(struct store *store)
{
    /* The text first: other threads may read it as soon as has_failed is set. */
    store_report(store, "%s: failed", store->path);
    atomic_store(&store->has_failed, true);
    return STORE_FAILED;
}

/* --- statements */

bool store_step(struct store *store, enum statement statement)
{
    sqlite3_stmt *prepared = store->statements[statement];
    int code = sqlite3_step(prepared);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        store_note(store, code, sqlite3_sql(prepared));
    sqlite3_reset(prepared);
    return code == SQLITE_DONE || code == SQLITE_ROW;
}

bool store_put(struct store *store, enum statement statement, uint64_t id, const struct buffer *row)
{
    sqlite3_bind_int64(store->statements[statement], 1, (int64_t)id);
    sqlite3_bind_blob64(store->statements[statement], 2, row->data, row->size, SQLITE_STATIC);
    return store_step(store, statement);
}

bool store_delete(struct store *store, enum statement statement, uint64_t id)
{
    sqlite3_bind_int64(store->statements[statement], 1, (int64_t)id);
    return store_step(store, statement);
}

/* --- closing */

static bool write_all(struct store *store)
{
    bool succeeded = true;
    while (succeeded && !list_is_empty(&store->dirty_lanes))
        succeeded = stored_lane_write(
            store, list_entry(list_front(&store->dirty_lanes), struct stored_lane, node));
    while (succeeded && !list_is_empty(&store->segments.dirty))
        succeeded = segment_group_write(
            store, list_entry(list_front(&store->segments.dirty), struct segment_group, node));
    return succeeded;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    if (spill_of(store) != NULL) {
        store_free(spill_of(store));
        spill_remove(store->folder);
    }
    if (!atomic_load(&store->has_failed) && store->batch > store->journal_first) {
        bool succeeded = transaction_begin(store) && write_all(store);
        (void)transaction_finish(store, succeeded, 0);
    }
    store_free(store);
}

/* --- figures */

static uint64_t size_of(const char *path, const char *suffix)
{
    char name[4096];
    struct stat status;
    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &status) == 0 ? (uint64_t)status.st_size : 0;
}

void store_figures(const struct store *store, struct store_figures *figures)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&store->lock;
    pthread_mutex_lock(lock);
    *figures = store->figures;
    pthread_mutex_unlock(lock);
    figures->file_bytes = size_of(store->path, "");
    figures->wal_bytes = size_of(store->path, "-wal");
    figures->messages_spilled = atomic_load(&((struct store *)store)->unspilled.live);
    if (spill_of(store) != NULL) {
        struct store_figures spilled;
        store_figures(spill_of(store), &spilled);
        figures->messages_spilled += spilled.messages_live;
        figures->spill_bytes = spilled.file_bytes + spilled.wal_bytes;
        figures->mapping_bytes += spilled.mapping_bytes;
        figures->segments_read += spilled.segments_read;
    }
}
