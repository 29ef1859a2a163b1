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
 * full disk is different: SQLite rolls back, and the same batch may come again.
 */
#include "store/store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "store/sqlite_file.h"
#include "store/store_internal.h"

enum {
    journal_rows = 256, /* rows that are behind by so many batches are written */
    writes_min = 64,    /* that many with a batch, and more with a long one */
    chunk_bytes_max = 64 << 20,
    writer_cache_kib = 16384,
    reader_cache_kib = 8192,
};

/* The first row of the journal. */
static bool fill_new(sqlite3 *db)
{
    struct buffer row = {0};
    sqlite3_stmt *insert = NULL;
    journal_encode(&row, &(struct journal_head){1, 1, 0}, 1, bytes_of(NULL, 0));
    bool succeeded =
        sqlite3_prepare_v2(db, "INSERT INTO journal VALUES(1,?)", -1, &insert, NULL) == SQLITE_OK &&
        sqlite3_bind_blob64(insert, 1, row.data, row.size, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(insert) == SQLITE_DONE;
    sqlite3_finalize(insert);
    buffer_fini(&row);
    return succeeded;
}

static const struct sqlite_format format = {
    .kind = " message store",
    .application_id = STORE_APPLICATION_ID,
    .version = STORE_VERSION,
    .page_bytes = 16384,
    .schema =
        "CREATE TABLE segment(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
        "CREATE TABLE journal(batch INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
        "CREATE TABLE lane(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
        "CREATE TABLE lane_chunk(lane INTEGER NOT NULL, key INTEGER NOT NULL, data BLOB NOT NULL,"
        " PRIMARY KEY(lane, key)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE segment_group(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
        "CREATE TABLE definition(kind INTEGER NOT NULL, key BLOB NOT NULL, data BLOB NOT NULL,"
        " PRIMARY KEY(kind, key)) STRICT, WITHOUT ROWID;",
    .fill = fill_new,
};

static const char *const statement_sql[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SEGMENT_INSERT] = "INSERT INTO segment VALUES(?,?)",
    [SQL_SEGMENT_DELETE] = "DELETE FROM segment WHERE id=?",
    [SQL_SEGMENT_READ] = "SELECT data FROM segment WHERE id=?",
    [SQL_JOURNAL_INSERT] = "INSERT INTO journal VALUES(?,?)",
    [SQL_JOURNAL_TRIM] = "DELETE FROM journal WHERE batch<?",
    [SQL_LANE_PUT] = "INSERT OR REPLACE INTO lane VALUES(?,?)",
    [SQL_LANE_DELETE] = "DELETE FROM lane WHERE id=?",
    [SQL_CHUNK_PUT] = "INSERT OR REPLACE INTO lane_chunk VALUES(?,?,?)",
    [SQL_CHUNK_DELETE] = "DELETE FROM lane_chunk WHERE lane=? AND key=?",
    [SQL_CHUNK_DELETE_ALL] = "DELETE FROM lane_chunk WHERE lane=?",
    [SQL_CHUNK_RANGE] = STORE_CHUNK_RANGE_SQL,
    [SQL_GROUP_PUT] = "INSERT OR REPLACE INTO segment_group VALUES(?,?)",
    [SQL_GROUP_DELETE] = "DELETE FROM segment_group WHERE id=?",
    [SQL_DEFINITION_PUT] = "INSERT OR REPLACE INTO definition VALUES(?,?,?)",
    [SQL_DEFINITION_READ] = "SELECT data FROM definition WHERE kind=? AND key=?",
    [SQL_DEFINITION_DELETE] = "DELETE FROM definition WHERE kind=? AND key=?",
    [SQL_VACUUM] = "PRAGMA incremental_vacuum(256)",
};

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
    if (store->code == SQLITE_OK)
        store->code = code;
    if ((code & 0xff) != SQLITE_FULL)
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

bool store_step(struct store *store, enum statement statement)
{
    int code = sqlite3_step(store->statements[statement]);
    if (code != SQLITE_DONE && code != SQLITE_ROW)
        store_note(store, code, statement_sql[statement]);
    sqlite3_reset(store->statements[statement]);
    return code == SQLITE_DONE || code == SQLITE_ROW;
}

/* --- transactions */

bool store_begin(struct store *store)
{
    store->code = SQLITE_OK;
    store->batch++;
    store->written_segments = 0;
    journal_begin(store);
    return store_step(store, SQL_BEGIN);
}

static void touch(struct store *store, struct stored_lane *lane)
{
    stored_lane_dirty(store, lane, store->batch);
    if (lane->is_touched)
        return;
    lane->is_touched = true;
    store->touched = xgrow(store->touched, &store->touched_capacity, store->touched_count + 1,
                           sizeof(struct stored_lane *));
    store->touched[store->touched_count++] = lane;
}

static bool write_lane(struct store *store, struct stored_lane *lane)
{
    bool was_idle = !lane->is_touched;
    bool succeeded = stored_lane_write(store, lane);
    stored_lane_shrink(store, lane, was_idle && lane->state.count == 0);
    return succeeded;
}

static bool is_due(const struct store *store, uint64_t dirty_since)
{
    return dirty_since + journal_rows <= store->batch;
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
        struct stored_lane *lane = store->touched[i];
        journal_flush_run(store, lane);
        if (lane->must_write && !write_lane(store, lane))
            return false;
    }
    return true;
}

static bool write_state(struct store *store, size_t operations)
{
    pthread_mutex_lock(&store->lock);
    bool succeeded = write_changed(store) && write_due_lanes(store, writes_min + operations / 2) &&
                     write_due_groups(store);
    pthread_mutex_unlock(&store->lock);
    return succeeded && journal_write(store);
}

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

static void committed(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    reclaim_apply_moves(store);
    for (size_t i = 0; i < store->touched_count; i++) {
        store->touched[i]->committed_end = store->touched[i]->state.end;
        store->touched[i]->is_touched = false;
    }
    store->touched_count = 0;
    shrink_cold(store);
    struct store_figures *figures = &store->figures;
    figures->messages_live = store->segments.live;
    figures->messages_debt = store->segments.total - store->segments.live;
    figures->segments = store->segments.rows;
    figures->segments_empty = store->segments.empty.count - store->segments.empty.first;
    figures->journal_rows = store->batch - store->journal_first + 1;
    figures->mapping_bytes = store->chunk_bytes;
    figures->messages_written = store->written;
    figures->messages_moved = store->moved;
    pthread_mutex_unlock(&store->lock);
}

static enum store_result fail(struct store *store)
{
    atomic_store(&store->has_failed, true);
    store_report(store, "%s: failed", store->path);
    return STORE_FAILED;
}

/* Back to what the file says. */
static enum store_result roll_back(struct store *store)
{
    bool is_full = (store->code & 0xff) == SQLITE_FULL;
    if (!sqlite3_get_autocommit(store->db) &&
        sqlite3_step(store->statements[SQL_ROLLBACK]) != SQLITE_DONE)
        is_full = false;
    sqlite3_reset(store->statements[SQL_ROLLBACK]);
    if (!is_full)
        return fail(store);
    pthread_mutex_lock(&store->lock);
    store_unload(store);
    store->code = SQLITE_OK;
    bool succeeded = store_load(store);
    pthread_mutex_unlock(&store->lock);
    return succeeded ? STORE_FULL : fail(store);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

enum store_result store_finish(struct store *store, bool succeeded, size_t operations)
{
    succeeded = succeeded && write_state(store, operations);
    if (!succeeded || store->code != SQLITE_OK || !store_step(store, SQL_COMMIT))
        return roll_back(store);
    committed(store);
    return checkpoint_tend(store) ? STORE_OK : fail(store);
}

/* --- operations of a batch */

static void release(struct store *store, uint64_t segment, uint32_t count)
{
    segment_released(store, segment, count, store->batch);
    journal_segment(store, JOURNAL_SEGMENT_RELEASE, segment, count);
}

static struct stored_lane *need_lane(struct store *store, uint64_t id)
{
    struct stored_lane *lane = stored_lane_find(store, id);
    CHECK(lane != NULL);
    touch(store, lane);
    return lane;
}

static bool apply_queue_put(struct store *store, const struct store_operation *operation)
{
    if (stored_lane_find(store, operation->lane) == NULL) {
        if (operation->lane >= store->head.lane_next)
            store->head.lane_next = operation->lane + 1;
        touch(store, stored_lane_add(store, operation->lane));
        journal_lane(store, JOURNAL_LANE_NEW, operation->lane, 0, 0);
    }
    return definition_put(store, operation);
}

static void forget_lane(struct store *store, struct stored_lane *lane)
{
    for (size_t i = 0; i < store->touched_count; i++) {
        if (store->touched[i] == lane)
            store->touched[i] = store->touched[--store->touched_count];
    }
    stored_lane_free(store, lane);
}

static bool delete_lane_rows(struct store *store, uint64_t id)
{
    sqlite3_bind_int64(store->statements[SQL_LANE_DELETE], 1, (int64_t)id);
    sqlite3_bind_int64(store->statements[SQL_CHUNK_DELETE_ALL], 1, (int64_t)id);
    return store_step(store, SQL_LANE_DELETE) && store_step(store, SQL_CHUNK_DELETE_ALL);
}

static bool apply_queue_delete(struct store *store, const struct store_operation *operation)
{
    struct stored_lane *lane = need_lane(store, operation->lane);
    journal_flush_run(store, lane);
    if (!stored_lane_remove(store, lane, 0, lane->state.end, release, true))
        return false;
    journal_lane(store, JOURNAL_LANE_DELETE, operation->lane, 0, 0);
    forget_lane(store, lane);
    return delete_lane_rows(store, operation->lane) && definition_delete(store, operation);
}

static bool apply_insert(struct store *store, const struct store_operation *operation,
                         const struct run *place)
{
    struct stored_lane *lane = need_lane(store, operation->lane);
    stored_lane_append(store, lane, place);
    journal_run(store, lane, place);
    return true;
}

static bool apply_remove(struct store *store, const struct store_operation *operation)
{
    struct stored_lane *lane = need_lane(store, operation->lane);
    uint64_t end = operation->position + operation->count;
    journal_flush_run(store, lane);
    if (end > lane->state.end || end < operation->position)
        end = lane->state.end;
    if (operation->position >= end)
        return true;
    journal_lane(store, JOURNAL_REMOVE, operation->lane, operation->position,
                 end - operation->position);
    return stored_lane_remove(store, lane, operation->position, end, release, true);
}

static bool apply_delivered(struct store *store, const struct store_operation *operation)
{
    need_lane(store, operation->lane)->state.delivered_below = operation->position;
    journal_lane(store, JOURNAL_DELIVERED, operation->lane, operation->position, 0);
    return true;
}

static bool apply(struct store *store, const struct store_operation *operation,
                  const struct run *place)
{
    switch (operation->kind) {
    case STORE_EXCHANGE_PUT:
    case STORE_BINDING_PUT:
        return definition_put(store, operation);
    case STORE_EXCHANGE_DELETE:
    case STORE_BINDING_DELETE:
        return definition_delete(store, operation);
    case STORE_QUEUE_PUT:
        return apply_queue_put(store, operation);
    case STORE_QUEUE_DELETE:
        return apply_queue_delete(store, operation);
    case STORE_INSERT:
        return apply_insert(store, operation, place);
    case STORE_REMOVE:
        return apply_remove(store, operation);
    case STORE_DELIVERED:
        return apply_delivered(store, operation);
    default:
        return true;
    }
}

static bool apply_batch(struct store *store, const struct store_batch *batch)
{
    bool succeeded = true;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; succeeded && i < batch->count; i++)
        succeeded = apply(store, &batch->operations[i], &store->places[i]);
    pthread_mutex_unlock(&store->lock);
    return succeeded;
}

static enum store_result commit_once(struct store *store, const struct store_batch *batch)
{
    if (atomic_load(&store->has_failed))
        return STORE_FAILED;
    bool succeeded = store_begin(store) && record_place_batch(store, batch) &&
                     apply_batch(store, batch) && reclaim_with_commit(store);
    return store_finish(store, succeeded, batch->count);
}

static void count_commit(struct store *store, uint64_t start_ns)
{
    uint64_t took_ns = now_ns() - start_ns;
    pthread_mutex_lock(&store->lock);
    store->figures.commits++;
    store->figures.is_reserve_used = store->is_reserve_used;
    if (took_ns > store->figures.commit_ns_max)
        store->figures.commit_ns_max = took_ns;
    pthread_mutex_unlock(&store->lock);
}

/* Acks may; and messages that come again after the caller was told, who lets no more in: the acks
 * behind them have to get through. */
static bool may_use_reserve(const struct store *store, const struct store_batch *batch)
{
    return batch->bytes == 0 || store->was_full;
}

enum store_result store_commit(struct store *store, const struct store_batch *batch)
{
    if (atomic_load(&store->has_failed))
        return STORE_FAILED;
    uint64_t start_ns = now_ns();
    enum store_result result = commit_once(store, batch);
    if (result == STORE_FULL && checkpoint_for_space(store))
        result = commit_once(store, batch);
    if (result == STORE_FULL && may_use_reserve(store, batch) && reserve_release(store)) {
        (void)checkpoint_for_space(store);
        result = commit_once(store, batch);
    }
    store->was_full = result == STORE_FULL;
    if (result == STORE_OK && batch->bytes > 0)
        reserve_restore(store);
    count_commit(store, start_ns);
    return result;
}

/* --- opening */

static bool load_rows(struct store *store, const char *sql,
                      bool (*load)(struct store *store, uint64_t id, struct bytes row))
{
    sqlite3_stmt *select = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &select, NULL);
    if (code != SQLITE_OK)
        return store_note(store, code, sql);
    bool succeeded = true;
    while (succeeded && (code = sqlite3_step(select)) == SQLITE_ROW)
        succeeded = load(store, (uint64_t)sqlite3_column_int64(select, 0), column_bytes(select, 1));
    if (succeeded && code != SQLITE_DONE)
        succeeded = store_note(store, code, sql);
    sqlite3_finalize(select);
    return succeeded;
}

static bool load_group(struct store *store, uint64_t id, struct bytes row)
{
    return segment_group_read(store, id, row) ||
           store_note_damage(store, "the counts of group %llu", (unsigned long long)id);
}

static bool settle_lanes(struct store *store)
{
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&store->lanes, node)) != NULL) {
        struct stored_lane *lane = container_of(node, struct stored_lane, by_id);
        if (lane->is_ghost || lane->id >= store->head.lane_next)
            return store_note_damage(store, "there is no lane %llu", (unsigned long long)lane->id);
        lane->committed_end = lane->state.end;
    }
    return true;
}

bool store_load(struct store *store)
{
    store->is_replaying = true;
    bool succeeded = load_rows(store, "SELECT id, data FROM segment_group", load_group) &&
                     load_rows(store, "SELECT id, data FROM lane", stored_lane_read) &&
                     journal_replay(store) && settle_lanes(store) && segment_table_check(store);
    store->is_replaying = false;
    return succeeded;
}

void store_unload(struct store *store)
{
    struct hash_node *node = hash_table_next(&store->lanes, NULL);
    while (node != NULL) {
        struct hash_node *next = hash_table_next(&store->lanes, node);
        stored_lane_free(store, container_of(node, struct stored_lane, by_id));
        node = next;
    }
    segment_table_fini(&store->segments);
    store->touched_count = store->move_count = 0;
    store->packed_references = 0;
    buffer_clear(&store->packed);
    store->batch = 0;
}

static bool prepare_statements(struct store *store)
{
    for (size_t i = 0; i < SQL_COUNT; i++) {
        int code = sqlite3_prepare_v3(store->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &store->statements[i], NULL);
        if (code != SQLITE_OK)
            return store_note(store, code, statement_sql[i]);
    }
    return true;
}

static struct store *store_new(const char *folder)
{
    struct store *store = xcalloc(1, sizeof *store);
    size_t size = strlen(folder) + sizeof "/messages.db";
    store->path = xmalloc(size);
    snprintf(store->path, size, "%s/messages.db", folder);
    store->page_bytes = format.page_bytes;
    store->reserve = -1;
    hash_table_init(&store->lanes);
    list_init(&store->dirty_lanes);
    list_init(&store->clean_lanes);
    segment_table_init(&store->segments);
    pthread_mutex_init(&store->lock, NULL);
    pthread_mutex_init(&store->gate, NULL);
    pthread_mutex_init(&store->checkpoint_lock, NULL);
    pthread_mutex_init(&store->report_lock, NULL);
    return store;
}

static void close_connections(struct store *store)
{
    sqlite3_stmt *reader[] = {store->reader_begin, store->reader_end, store->reader_snapshot,
                              store->reader_chunks};
    for (size_t i = 0; i < sizeof reader / sizeof reader[0]; i++)
        sqlite3_finalize(reader[i]);
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->reader);
    sqlite3_close(store->checkpointer);
    sqlite3_close(store->db);
}

static void store_free(struct store *store)
{
    close_connections(store);
    reserve_close(store);
    store_unload(store);
    hash_table_fini(&store->lanes);
    buffer_fini(&store->journal);
    buffer_fini(&store->row);
    buffer_fini(&store->packed);
    free(store->places);
    free(store->touched);
    free(store->moves);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->gate);
    pthread_mutex_destroy(&store->checkpoint_lock);
    pthread_mutex_destroy(&store->report_lock);
    free(store->path);
    free(store);
}

static int compare_lanes(const void *a, const void *b)
{
    const struct store_lane_state *left = a, *right = b;
    return (left->lane > right->lane) - (left->lane < right->lane);
}

static void list_lanes(const struct store *store, struct store_opened *opened)
{
    opened->lane_next = store->head.lane_next;
    opened->lanes = xcalloc(store->lanes.count, sizeof *opened->lanes);
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&store->lanes, node)) != NULL) {
        const struct stored_lane *lane = container_of(node, struct stored_lane, by_id);
        opened->lanes[opened->lane_count++] = (struct store_lane_state){
            .lane = lane->id,
            .first = lane->state.first,
            .end = lane->state.end,
            .delivered_below = lane->state.delivered_below,
            .count = lane->state.count,
            .bytes = lane->state.bytes,
        };
    }
    if (opened->lane_count > 0)
        qsort(opened->lanes, opened->lane_count, sizeof *opened->lanes, compare_lanes);
}

static bool open_all(struct store *store, struct store_opened *opened)
{
    return prepare_statements(store) && store_load(store) &&
           definition_load(store, opened->definitions) && reader_open(store) &&
           checkpoint_open(store);
}

struct store *store_open(const char *folder, struct store_opened *opened, char *reason,
                         size_t reason_size)
{
    struct store *store = store_new(folder);
    *opened = (struct store_opened){.definitions = store_batch_new(STORE_BATCH_BEFORE)};
    store->db = sqlite_file_open(store->path, &format, writer_cache_kib, reason, reason_size);
    if (store->db != NULL && open_all(store, opened)) {
        list_lanes(store, opened);
        reserve_open(store, folder);
        committed(store);
        return store;
    }
    if (store->db != NULL)
        snprintf(reason, reason_size, "%s",
                 store->error[0] != '\0' ? store->error : "the disk is full");
    store_opened_fini(opened);
    store_free(store);
    return NULL;
}

void store_opened_fini(struct store_opened *opened)
{
    store_batch_free(opened->definitions);
    free(opened->lanes);
    *opened = (struct store_opened){0};
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
    if (!atomic_load(&store->has_failed) && store->batch > store->journal_first) {
        bool succeeded = store_begin(store) && write_all(store);
        (void)store_finish(store, succeeded, 0);
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
}
