/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of bench-store that every layout shares: opening a file as the broker would, one
 * transaction per batch, and the write-ahead log.
 *
 * The log is copied into the file by a second connection on a thread of its own, passively, so that
 * the copying costs the writer nothing. That alone never ends: while the writer appends there is
 * always something left, and the log starts again from its beginning only when nothing is. So when
 * the log has passed its bound and little is left, the writer finishes the copy between two
 * batches. A reader with an older snapshot would prevent that, therefore page-ins take a mutex that
 * the writer holds while it finishes (options.gate): both are short.
 *
 * A partial checkpoint does not sync the file; the one that finishes would have to flush all that
 * was copied since the last time, in the writer's way. With options.presync the second connection
 * flushes it after each of its own rounds.
 */
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void check_sqlite(sqlite3 *db, int code, const char *what)
{
    if (code != SQLITE_OK && code != SQLITE_DONE && code != SQLITE_ROW)
        die("%s: %s", what, db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
}

sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    check_sqlite(db, sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL),
                 sql);
    return statement;
}

void step_done(sqlite3 *db, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    if (code != SQLITE_DONE)
        check_sqlite(db, code == SQLITE_ROW ? SQLITE_MISUSE : code, sqlite3_sql(statement));
    sqlite3_reset(statement);
}

static void execute(sqlite3 *db, const char *sql)
{
    check_sqlite(db, sqlite3_exec(db, sql, NULL, NULL, NULL), sql);
}

static sqlite3 *connect_file(const struct store *store, int cache_kib)
{
    sqlite3 *db = NULL;
    char sql[128];
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    check_sqlite(NULL, sqlite3_open_v2(store->path, &db, flags, NULL), store->path);
    sqlite3_busy_timeout(db, 10000);
    snprintf(sql, sizeof(sql), "PRAGMA page_size=%u; PRAGMA auto_vacuum=%s;",
             store->options->page_bytes,
             store->options->vacuum == VACUUM_INCREMENTAL ? "incremental" : "none");
    execute(db, sql);
    execute(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=OFF;");
    bool automatic = store->options->checkpoint == CHECKPOINT_AUTO;
    snprintf(sql, sizeof(sql), "PRAGMA wal_autocheckpoint=%u; PRAGMA cache_size=-%d;",
             automatic ? store->options->auto_pages : 0, cache_kib);
    execute(db, sql);
    return db;
}

/* --- the second connection */

static void sync_file(sqlite3 *db)
{
    sqlite3_file *file = NULL;
    check_sqlite(db, sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file),
                 "file pointer");
    check_sqlite(db, file->pMethods->xSync(file, SQLITE_SYNC_NORMAL), "sync");
}

static void checkpoint_round(struct store *store)
{
    struct checkpointer *self = &store->checkpointer;
    int log_pages = 0, done_pages = 0;
    int code = sqlite3_wal_checkpoint_v2(self->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &log_pages,
                                         &done_pages);
    if (code != SQLITE_BUSY)
        check_sqlite(self->db, code, "passive checkpoint");
    if (store->options->presync && done_pages < log_pages)
        sync_file(self->db);
    pthread_mutex_lock(&self->lock);
    self->log_pages = log_pages;
    self->done_pages = done_pages;
    self->runs++;
    pthread_mutex_unlock(&self->lock);
}

static void *checkpointer_main(void *argument)
{
    struct store *store = argument;
    struct checkpointer *self = &store->checkpointer;
    pthread_mutex_lock(&self->lock);
    for (;;) {
        while (!self->wanted && !self->stop)
            pthread_cond_wait(&self->wake, &self->lock);
        if (self->stop)
            break;
        self->wanted = false;
        self->running = true;
        pthread_mutex_unlock(&self->lock);
        checkpoint_round(store);
        pthread_mutex_lock(&self->lock);
        self->running = false;
        pthread_cond_signal(&self->idle);
    }
    pthread_mutex_unlock(&self->lock);
    return NULL;
}

static void checkpointer_start(struct store *store)
{
    struct checkpointer *self = &store->checkpointer;
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->wake, NULL);
    pthread_cond_init(&self->idle, NULL);
    if (store->options->checkpoint == CHECKPOINT_AUTO)
        return;
    self->db = connect_file(store, 512);
    if (pthread_create(&self->thread, NULL, checkpointer_main, store) != 0)
        die("cannot start a thread");
    self->started = true;
}

static void checkpointer_stop(struct store *store)
{
    struct checkpointer *self = &store->checkpointer;
    if (!self->started)
        return;
    pthread_mutex_lock(&self->lock);
    self->stop = true;
    pthread_cond_signal(&self->wake);
    pthread_mutex_unlock(&self->lock);
    pthread_join(self->thread, NULL);
    sqlite3_close(self->db);
}

/* --- the writer's side of it */

static int on_wal(void *argument, sqlite3 *db, const char *name, int pages)
{
    struct store *store = argument;
    (void)db;
    (void)name;
    store->wal_pages = (uint64_t)pages;
    if (store->wal_pages > store->wal_pages_max)
        store->wal_pages_max = store->wal_pages;
    return SQLITE_OK;
}

/* The second connection is idle here and stays so: its lock is held by the caller. */
static void finish_checkpoint(struct store *store)
{
    struct checkpointer *self = &store->checkpointer;
    uint64_t start = now_ns();
    if (store->options->gate)
        pthread_mutex_lock(&store->gate);
    int mode = store->options->gate ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    int code =
        sqlite3_wal_checkpoint_v2(store->db, NULL, mode, &self->log_pages, &self->done_pages);
    if (code != SQLITE_BUSY)
        check_sqlite(store->db, code, "the writer's checkpoint");
    if (store->options->gate)
        pthread_mutex_unlock(&store->gate);
    store->finishes++;
    uint64_t took = now_ns() - start;
    if (took > store->finish_ns_max)
        store->finish_ns_max = took;
}

static void tend_wal(struct store *store)
{
    const struct options *options = store->options;
    struct checkpointer *self = &store->checkpointer;
    uint64_t wal_bytes = store->wal_pages * options->page_bytes;
    if (!self->started || wal_bytes < options->wal_start_bytes)
        return;
    pthread_mutex_lock(&self->lock);
    uint64_t done = (uint64_t)self->done_pages;
    uint64_t left_bytes =
        (store->wal_pages > done ? store->wal_pages - done : 0) * options->page_bytes;
    bool over = options->checkpoint == CHECKPOINT_BOTH && wal_bytes >= options->wal_bound_bytes;
    bool hard = over && wal_bytes >= 4 * options->wal_bound_bytes;
    while (hard && self->running)
        pthread_cond_wait(&self->idle, &self->lock);
    if (over && !self->running && (hard || left_bytes <= options->wal_bound_bytes / 8)) {
        self->wanted = false;
        finish_checkpoint(store);
        self->done_pages = 0;
    } else if (!self->running && left_bytes >= options->wal_start_bytes / 4) {
        self->wanted = true;
        pthread_cond_signal(&self->wake);
    }
    pthread_mutex_unlock(&self->lock);
}

/* --- transactions */

void store_begin(struct store *store)
{
    step_done(store->db, store->begin);
}

void store_commit(struct store *store)
{
    uint64_t start = now_ns();
    step_done(store->db, store->commit);
    tend_wal(store);
    samples_add(&store->commits, now_ns() - start);
}

static void remove_files(const struct store *store)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        char name[600];
        snprintf(name, sizeof(name), "%s%s", store->path, suffixes[i]);
        unlink(name);
    }
}

static const char JOURNAL_SCHEMA[] =
    "CREATE TABLE journal(batch INTEGER PRIMARY KEY, data BLOB) STRICT;"
    "CREATE TABLE lane(id INTEGER PRIMARY KEY, head INTEGER, tail INTEGER, state BLOB) STRICT;"
    "CREATE TABLE lane_chunk(lane INTEGER, position INTEGER, runs BLOB, PRIMARY KEY(lane, "
    "position))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE segment_count(first INTEGER PRIMARY KEY, counts BLOB) STRICT;";

static void prepare_journal(struct store *store)
{
    execute(store->db, JOURNAL_SCHEMA);
    store->journal_insert = prepare(store->db, "INSERT INTO journal VALUES(?,?)");
    store->journal_delete = prepare(store->db, "DELETE FROM journal WHERE batch < ?");
    store->lane_put = prepare(store->db, "INSERT OR REPLACE INTO lane VALUES(?,?,?,?)");
    store->chunk_insert = prepare(store->db, "INSERT OR REPLACE INTO lane_chunk VALUES(?,?,?)");
    store->count_put = prepare(store->db, "INSERT OR REPLACE INTO segment_count VALUES(?,?)");
    store->chunk_delete = prepare(store->db, "DELETE FROM lane_chunk WHERE lane=? AND position<?");
}

void store_open(struct store *store, const struct options *options, const struct layout *layout,
                uint32_t lane_count)
{
    memset(store, 0, sizeof(*store));
    store->options = options;
    store->layout = layout;
    snprintf(store->path, sizeof(store->path), "%s/bench-store.db", options->dir);
    remove_files(store);
    store->db = connect_file(store, 16384);
    execute(store->db, layout->schema);
    store->begin = prepare(store->db, "BEGIN IMMEDIATE");
    store->commit = prepare(store->db, "COMMIT");
    store->insert = prepare(store->db, layout->insert_sql);
    store->remove = prepare(store->db, layout->delete_sql);
    if (layout->journal)
        prepare_journal(store);
    if (options->checkpoint != CHECKPOINT_AUTO)
        sqlite3_wal_hook(store->db, on_wal, store);
    pthread_mutex_init(&store->lock, NULL);
    pthread_mutex_init(&store->gate, NULL);
    pthread_cond_init(&store->committed, NULL);
    store->lanes = calloc(lane_count, sizeof(struct lane));
    if (!store->lanes)
        die("out of memory");
    store->lane_count = lane_count;
    store->next_seq = 1;
    store->next_segment = 1;
    checkpointer_start(store);
}

void store_close(struct store *store)
{
    sqlite3_stmt *statements[] = {store->begin,        store->commit,         store->insert,
                                  store->remove,       store->journal_insert, store->journal_delete,
                                  store->lane_put,     store->chunk_insert,   store->chunk_delete,
                                  store->segment_read, store->count_put};
    checkpointer_stop(store);
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]); i++)
        sqlite3_finalize(statements[i]);
    check_sqlite(store->db, sqlite3_close(store->db), "close");
    remove_files(store);
    for (uint32_t i = 0; i < store->lane_count; i++)
        free(store->lanes[i].refs);
    free(store->lanes);
    free(store->commits.values);
    free(store->journal.data);
    free(store->packed.data);
    free(store->garbage);
    free(store->segments);
    free(store->empty.values);
    free(store->sparse.values);
    free(store->moves);
    free(store->count_dirty);
}

static uint64_t file_bytes(const char *path, const char *suffix)
{
    char name[600];
    struct stat status;
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, &status) == 0 ? (uint64_t)status.st_size : 0;
}

uint64_t store_file_bytes(const struct store *store)
{
    return file_bytes(store->path, "");
}

uint64_t store_wal_bytes(const struct store *store)
{
    return file_bytes(store->path, "-wal");
}

/* --- page-in */

void reader_open(struct reader *reader, struct store *store)
{
    memset(reader, 0, sizeof(*reader));
    reader->store = store;
    reader->db = connect_file(store, 8192);
    execute(reader->db, "PRAGMA query_only=1");
    reader->begin = prepare(reader->db, "BEGIN");
    reader->commit = prepare(reader->db, "COMMIT");
    reader->read = prepare(reader->db, store->layout->read_sql);
}

void reader_close(struct reader *reader)
{
    sqlite3_blob_close(reader->blob);
    sqlite3_finalize(reader->begin);
    sqlite3_finalize(reader->commit);
    sqlite3_finalize(reader->read);
    check_sqlite(reader->db, sqlite3_close(reader->db), "close the reader");
}

void reader_page_in(struct reader *reader, uint32_t lane, uint64_t first, struct ref *refs,
                    size_t count)
{
    struct store *store = reader->store;
    if (store->options->gate)
        pthread_mutex_lock(&store->gate);
    pthread_mutex_lock(&store->lock);
    memcpy(refs, &store->lanes[lane].refs[first], count * sizeof(struct ref));
    pthread_mutex_unlock(&store->lock);
    step_done(reader->db, reader->begin);
    uint64_t before = reader->messages;
    reader->expected = first;
    store->layout->read(reader, lane, first, refs, count);
    if (reader->messages - before != count)
        die("%s: lane %u position %llu: %llu of %zu messages", store->layout->name, lane,
            (unsigned long long)first, (unsigned long long)(reader->messages - before), count);
    sqlite3_blob_close(reader->blob);
    reader->blob = NULL;
    step_done(reader->db, reader->commit);
    if (store->options->gate)
        pthread_mutex_unlock(&store->gate);
}
