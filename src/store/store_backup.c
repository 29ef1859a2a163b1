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
 * next batch waits for that step, and neither comes twice while the other one waits. A step is a
 * megabyte, and as much again as twice what the file grew by since the last one: so it ends,
 * whatever is written meanwhile.
 *
 * The copy needs no journal: a broken one is thrown away. It is synced every few megabytes: neither
 * the end nor a commit, which syncs the log on the same disk, is to find gigabytes to be written.
 */
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

enum { step_pages = 64, sync_bytes = 4 << 20, small_pages = 256 };

struct store_backup {
    struct store *store;
    char *path; /* owned */
    int file;   /* the copy, to sync it */
    sqlite3 *target;
    sqlite3_backup *copy;
    int pages; /* that the store had at the last step */
    uint64_t synced_bytes;
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
    backup->file = make_file(path, reason, reason_size);
    if (backup->file >= 0)
        backup->target = open_target(path, reason, reason_size);
    if (backup->target != NULL) {
        writer_enter(store, true);
        backup->copy = sqlite3_backup_init(backup->target, "main", store->db, "main");
        writer_leave(store);
        if (backup->copy == NULL)
            explain(reason, reason_size, path, sqlite3_errmsg(backup->target));
    }
    if (backup->copy != NULL)
        return backup;
    store_backup_end(backup);
    return NULL;
}

static int next_pages(const struct store_backup *backup, int pages)
{
    return step_pages +
           (pages > backup->pages && backup->pages > 0 ? 2 * (pages - backup->pages) : 0);
}

static int step(struct store_backup *backup, struct store_backup_progress *progress)
{
    int wanted = next_pages(backup, sqlite3_backup_pagecount(backup->copy));
    backup->pages = sqlite3_backup_pagecount(backup->copy);
    int code = sqlite3_backup_step(backup->copy, wanted);
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

/* Not in the writer's way. */
static bool sync_sometimes(struct store_backup *backup, uint64_t bytes, char *reason,
                           size_t reason_size)
{
    if (bytes < backup->synced_bytes + sync_bytes)
        return true;
    backup->synced_bytes = bytes;
    return sync_file(backup->file, backup->path, reason, reason_size);
}

enum store_backup_state store_backup_step(struct store_backup *backup,
                                          struct store_backup_progress *progress, char *reason,
                                          size_t reason_size)
{
    struct store *store = backup->store;
    int code = SQLITE_ABORT;
    writer_enter(store, true);
    if (!atomic_load(&store->has_failed))
        code = step(backup, progress);
    writer_leave(store);
    if (code == SQLITE_DONE)
        return end_copy(backup, reason, reason_size) ? STORE_BACKUP_DONE : STORE_BACKUP_FAILED;
    if (code != SQLITE_OK && code != SQLITE_BUSY && code != SQLITE_LOCKED) {
        explain(reason, reason_size, backup->path, sqlite3_errstr(code));
        return STORE_BACKUP_FAILED;
    }
    return sync_sometimes(backup, progress->bytes, reason, reason_size) ? STORE_BACKUP_MORE
                                                                        : STORE_BACKUP_FAILED;
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
