/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying a store's file beside its writer. A reader of its own would see one state for as long as
 * it reads, and the log could not begin again before its end: gigabytes under load. So the copy is
 * made with SQLite's backup on the writer's own connection, a few pages between two batches. Such a
 * backup knows of every page that this connection writes: one that was copied already is written
 * into the copy as well, with the commit. So nothing is locked or pinned between the steps, and
 * after the last page the copy is the store as of then.
 *
 * The two take turns (writer_enter): whoever wants to step waits for the batch under way, and the
 * next batch waits for that step, and neither comes twice while the other one waits. A step is as
 * many pages as take about two milliseconds, and at least what the file grew by since the last one
 * and a little more: so it ends, whatever is written meanwhile. Where the writer works, a pause of
 * four times what the step took, disk included, is asked for after it: a slow disk or a busy
 * machine makes the backup slower, and not the clients. But there is none where the file grew by
 * megabytes since the last step, or the steps would become longer and longer.
 *
 * The copy needs no journal: a broken one is thrown away. It is given to the disk in small pieces:
 * neither the end nor a commit, which syncs the log on the same disk, is to find gigabytes to be
 * written. These pieces are written and not synced, because a sync is a flush of the disk's cache,
 * which others would wait for, too; the one sync is at the end.
 */
#define _GNU_SOURCE /* sync_file_range */
#include "store/store_backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "store/sqlite_file.h"
#include "store/store_internal.h"

enum {
    step_pages_min = 16,
    step_pages_max = 256,
    step_ns = 2000000,
    gain_pages = 4, /* a step comes so much nearer to the end, at least */
    pause_factor = 4,
    pause_ns_max = 200000000,
    locked_pause_ns = 50000000, /* somebody looks into the copy */
    piece_bytes = 1 << 20,
    small_pages = 256,
};

struct store_backup {
    struct store *store;
    char *path; /* owned */
    int file;   /* the copy, to sync it */
    sqlite3 *target;
    sqlite3_backup *copy;
    int step_pages;
    int pages;       /* that the store had at the last step */
    bool is_growing; /* by more than any usual step */
    bool is_usual;   /* the last step was of step_pages */
    uint64_t batches, pause_ns;
    uint64_t written_bytes; /* given to the disk */
};

/* --- turns */

void writer_turn_init(struct writer_turn *turn)
{
    *turn = (struct writer_turn){0};
    pthread_mutex_init(&turn->mutex, NULL);
    pthread_cond_init(&turn->changed, NULL);
}

void writer_turn_fini(struct writer_turn *turn)
{
    pthread_mutex_destroy(&turn->mutex);
    pthread_cond_destroy(&turn->changed);
}

void writer_enter(struct store *store, bool is_backup)
{
    struct writer_turn *turn = &store->writer_turn;
    pthread_mutex_lock(&turn->mutex);
    turn->waiting[is_backup]++;
    while (turn->is_busy || (turn->waiting[!is_backup] > 0 && turn->was_backup == is_backup))
        pthread_cond_wait(&turn->changed, &turn->mutex);
    turn->waiting[is_backup]--;
    turn->is_busy = true;
    turn->was_backup = is_backup;
    turn->batches += !is_backup;
    pthread_mutex_unlock(&turn->mutex);
}

void writer_leave(struct store *store)
{
    struct writer_turn *turn = &store->writer_turn;
    pthread_mutex_lock(&turn->mutex);
    turn->is_busy = false;
    if (turn->waiting[0] + turn->waiting[1] > 0)
        pthread_cond_broadcast(&turn->changed);
    pthread_mutex_unlock(&turn->mutex);
}

/* --- the copy's file */

static void explain(char *reason, size_t size, const char *path, const char *why)
{
    snprintf(reason, size, "%s: %s", path, why);
}

static int make_file(const char *path, char *reason, size_t reason_size)
{
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        explain(reason, reason_size, path, strerror(errno));
    return file;
}

static sqlite3 *open_target(const char *path, char *reason, size_t reason_size)
{
    sqlite3 *target = NULL;
    int code = sqlite3_open_v2(path, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(target,
                            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
                            "PRAGMA cache_size=-2048;",
                            NULL, NULL, NULL);
    if (code == SQLITE_OK)
        return target;
    explain(reason, reason_size, path, sqlite3_errmsg(target));
    sqlite3_close(target);
    return NULL;
}

static bool sync_file(int file, const char *path, char *reason, size_t reason_size)
{
    if (fsync(file) == 0)
        return true;
    explain(reason, reason_size, path, strerror(errno));
    return false;
}

/* --- a store's */

struct store_backup *store_backup_begin(struct store *store, const char *path, char *reason,
                                        size_t reason_size)
{
    struct store_backup *backup = xcalloc(1, sizeof *backup);
    backup->store = store;
    backup->path = xstrdup(path);
    backup->step_pages = step_pages_min;
    backup->file = make_file(path, reason, reason_size);
    if (backup->file >= 0)
        backup->target = open_target(path, reason, reason_size);
    if (backup->target != NULL) {
        writer_enter(store, true);
        backup->copy = sqlite3_backup_init(backup->target, "main", store->db, "main");
        backup->batches = store->writer_turn.batches;
        writer_leave(store);
        if (backup->copy == NULL)
            explain(reason, reason_size, path, sqlite3_errmsg(backup->target));
    }
    if (backup->copy != NULL)
        return backup;
    store_backup_end(backup);
    return NULL;
}

/* Of the store as it is now; what SQLite's backup says is of its last step. 0: unknown. */
static int count_pages(const struct store_backup *backup)
{
    sqlite3_stmt *select = NULL;
    int pages = 0;
    if (sqlite3_prepare_v2(backup->store->db, "PRAGMA page_count", -1, &select, NULL) ==
            SQLITE_OK &&
        sqlite3_step(select) == SQLITE_ROW)
        pages = sqlite3_column_int(select, 0);
    sqlite3_finalize(select);
    return pages;
}

static int step(struct store_backup *backup, struct store_backup_progress *progress)
{
    int before = count_pages(backup);
    int grown = backup->pages > 0 && before > backup->pages ? before - backup->pages : 0;
    int wanted = grown + gain_pages;
    backup->pages = before;
    backup->is_growing = wanted > step_pages_max;
    backup->is_usual = wanted <= backup->step_pages;
    int code = sqlite3_backup_step(backup->copy, backup->is_usual ? backup->step_pages : wanted);
    int pages = sqlite3_backup_pagecount(backup->copy);
    int left = sqlite3_backup_remaining(backup->copy);
    progress->bytes_total = (uint64_t)pages * backup->store->page_bytes;
    progress->bytes = (uint64_t)(pages - left) * backup->store->page_bytes;
    if (code != SQLITE_DONE)
        return code;
    code = sqlite3_backup_finish(backup->copy);
    backup->copy = NULL;
    return code == SQLITE_OK ? SQLITE_DONE : code;
}

static bool end_copy(struct store_backup *backup, char *reason, size_t reason_size)
{
    int code = sqlite3_close(backup->target);
    backup->target = NULL;
    if (code != SQLITE_OK)
        explain(reason, reason_size, backup->path, sqlite3_errstr(code));
    return code == SQLITE_OK && sync_file(backup->file, backup->path, reason, reason_size);
}

/* Not in the writer's way. The pages up to here were written one after the other. */
static bool write_pieces(struct store_backup *backup, uint64_t bytes, char *reason,
                         size_t reason_size)
{
    unsigned flags =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    if (bytes < backup->written_bytes + piece_bytes)
        return true;
    off_t from = (off_t)backup->written_bytes;
    backup->written_bytes = bytes;
    if (sync_file_range(backup->file, from, (off_t)bytes - from, flags) == 0)
        return true;
    if (errno == EIO || errno == ENOSPC || errno == EDQUOT) { /* a sync would not tell again */
        explain(reason, reason_size, backup->path, strerror(errno));
        return false;
    }
    /* A file system that has no such thing has this one. */
    return sync_file(backup->file, backup->path, reason, reason_size);
}

static void adapt_step(struct store_backup *backup, uint64_t took_ns)
{
    if (!backup->is_usual)
        return;
    if (took_ns > step_ns && backup->step_pages > step_pages_min)
        backup->step_pages /= 2;
    else if (took_ns < step_ns / 2 && backup->step_pages < step_pages_max)
        backup->step_pages *= 2;
}

/* took_ns: the step and the disk. batches: the writer's, until then. */
static void plan_pause(struct store_backup *backup, uint64_t took_ns, uint64_t batches)
{
    bool is_alone = batches == backup->batches;
    uint64_t pause_ns = took_ns * pause_factor;
    backup->batches = batches;
    backup->pause_ns = is_alone || backup->is_growing ? 0
                       : pause_ns < pause_ns_max      ? pause_ns
                                                      : pause_ns_max;
}

uint64_t store_backup_pause_ns(const struct store_backup *backup)
{
    return backup->pause_ns;
}

enum store_backup_state store_backup_step(struct store_backup *backup,
                                          struct store_backup_progress *progress, char *reason,
                                          size_t reason_size)
{
    struct store *store = backup->store;
    int code = SQLITE_ABORT;
    writer_enter(store, true);
    uint64_t batches = store->writer_turn.batches, began_ns = store_now_ns();
    if (!atomic_load(&store->has_failed))
        code = step(backup, progress);
    uint64_t stepped_ns = store_now_ns();
    writer_leave(store);
    if (code == SQLITE_DONE)
        return end_copy(backup, reason, reason_size) ? STORE_BACKUP_DONE : STORE_BACKUP_FAILED;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        backup->pause_ns = locked_pause_ns;
        return STORE_BACKUP_MORE;
    }
    if (code != SQLITE_OK) {
        bool is_ours = atomic_load(&store->has_failed);
        explain(reason, reason_size, backup->path,
                is_ours ? store_error(store) : sqlite3_errstr(code));
        return STORE_BACKUP_FAILED;
    }
    adapt_step(backup, stepped_ns - began_ns);
    if (!write_pieces(backup, progress->bytes, reason, reason_size))
        return STORE_BACKUP_FAILED;
    plan_pause(backup, store_now_ns() - began_ns, batches);
    return STORE_BACKUP_MORE;
}

void store_backup_end(struct store_backup *backup)
{
    if (backup->copy != NULL) {
        writer_enter(backup->store, true);
        sqlite3_backup_finish(backup->copy);
        writer_leave(backup->store);
    }
    sqlite3_close(backup->target);
    if (backup->file >= 0)
        close(backup->file);
    free(backup->path);
    free(backup);
}

/* --- definitions.db */

/* In one reading: a change meanwhile goes into the log, and waits for nothing. */
static bool copy_all(sqlite3 *source, const char *path, char *reason, size_t reason_size)
{
    sqlite3 *target = open_target(path, reason, reason_size);
    if (target == NULL)
        return false;
    int code = SQLITE_NOMEM;
    sqlite3_backup *copy = sqlite3_backup_init(target, "main", source, "main");
    if (copy != NULL) {
        (void)sqlite3_backup_step(copy, -1);
        code = sqlite3_backup_finish(copy);
    }
    if (code != SQLITE_OK)
        explain(reason, reason_size, path, sqlite3_errstr(code));
    sqlite3_close(target);
    return code == SQLITE_OK;
}

bool definitions_backup(const char *folder, const char *path, char *reason, size_t reason_size)
{
    size_t size = strlen(folder) + sizeof "/definitions.db";
    char *from = xmalloc(size);
    snprintf(from, size, "%s/definitions.db", folder);
    int file = make_file(path, reason, reason_size);
    sqlite3 *source =
        file >= 0 ? sqlite_file_connect(from, true, small_pages, reason, reason_size) : NULL;
    bool succeeded = source != NULL && copy_all(source, path, reason, reason_size) &&
                     sync_file(file, path, reason, reason_size);
    sqlite3_close(source);
    if (file >= 0)
        close(file);
    free(from);
    return succeeded;
}
