/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer above SQLite's own file system. Writes go through, so that every reading is real, and
 * each one is also kept with what it replaced until its file is synced. Losing power takes all that
 * is kept back, newest first, and writes a random part of it again in the old order: just what a
 * disk may have done with writes that nobody asked it to finish. Syncs are not passed on: here they
 * only decide what can be lost.
 *
 * After FAULT_ERROR has fired nothing is written any more, as if the process had died there, while
 * the program under test may go on and close its files.
 */
#include "fault_vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/xmalloc.h"

/* One that is not synced. A truncation has no new bytes. */
struct pending {
    char *path;
    int64_t offset;
    int64_t old_file_bytes, new_file_bytes;
    uint8_t *old, *new;
    int64_t old_bytes, new_bytes;
};

struct fault_file {
    sqlite3_file base;
    char *path; /* owned; NULL for temporary files */
    int error;  /* the last one of the system */
    sqlite3_file real[];
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    enum fault fault;
    uint64_t nth, count;
    bool has_fired, is_quota;
    struct pending *pending;
    size_t pending_count, pending_capacity;
} shim;

/* --- faults */

static bool has_reserve(const char *path)
{
    char name[4200];
    struct stat status;
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    if (slash == NULL)
        return false;
    snprintf(name, sizeof name, "%.*s/reserve", (int)(slash - path), path);
    return stat(name, &status) == 0 && status.st_size > 0;
}

static bool is_of_spill(const char *path)
{
    const char *slash = path != NULL ? strrchr(path, '/') : NULL;
    return slash != NULL && strncmp(slash, "/spill.db", strlen("/spill.db")) == 0;
}

/* As SQLite's own file system tells it: a full disk has a code of its own. */
static int be_full(struct fault_file *file, int error)
{
    shim.has_fired = true;
    file->error = shim.is_quota ? EDQUOT : 0;
    return shim.is_quota ? error : SQLITE_FULL;
}

/* What the next write, truncation or sync comes to. */
static int meet_fault(struct fault_file *file, int error, bool needs_space, bool grows)
{
    shim.count += shim.fault != FAULT_FULL_SPILL || is_of_spill(file->path);
    bool is_due = shim.count >= shim.nth;
    bool is_full =
        (shim.fault == FAULT_FULL && is_due && needs_space) ||
        (shim.fault == FAULT_FULL_SPILL && is_due && needs_space && is_of_spill(file->path)) ||
        (shim.fault == FAULT_NO_GROWTH && grows) ||
        (shim.fault == FAULT_FULL_BY_RESERVE && needs_space && has_reserve(file->path));
    if (is_full)
        return be_full(file, error);
    if (shim.fault != FAULT_ERROR || !is_due)
        return SQLITE_OK;
    shim.has_fired = true;
    file->error = EIO;
    return error;
}

void fault_vfs_arm(enum fault fault, uint64_t nth)
{
    shim.fault = fault;
    shim.nth = nth;
    shim.count = 0;
    shim.has_fired = false;
}

void fault_vfs_set_quota(bool is_quota)
{
    shim.is_quota = is_quota;
}

uint64_t fault_vfs_count(void)
{
    return shim.count;
}

bool fault_vfs_has_fired(void)
{
    return shim.has_fired;
}

/* --- what is not synced */

static void free_pending(struct pending *pending)
{
    free(pending->path);
    free(pending->old);
    free(pending->new);
}

void fault_vfs_forget(void)
{
    for (size_t i = 0; i < shim.pending_count; i++)
        free_pending(&shim.pending[i]);
    free(shim.pending);
    shim.pending = NULL;
    shim.pending_count = shim.pending_capacity = 0;
}

static void settle(const char *path)
{
    size_t kept = 0;
    for (size_t i = 0; i < shim.pending_count; i++) {
        if (path != NULL && strcmp(shim.pending[i].path, path) == 0)
            free_pending(&shim.pending[i]);
        else
            shim.pending[kept++] = shim.pending[i];
    }
    shim.pending_count = kept;
}

static int64_t file_bytes(struct fault_file *file)
{
    sqlite3_int64 size = 0;
    CHECK(file->real->pMethods->xFileSize(file->real, &size) == SQLITE_OK);
    return size;
}

/* Keeps what lies between offset and end now. */
static struct pending *keep(struct fault_file *file, int64_t offset, int64_t end)
{
    struct pending pending = {.path = xstrdup(file->path), .offset = offset};
    pending.old_file_bytes = file_bytes(file);
    if (end > pending.old_file_bytes)
        end = pending.old_file_bytes;
    pending.old_bytes = end > offset ? end - offset : 0;
    pending.old = xmalloc((size_t)pending.old_bytes + 1);
    if (pending.old_bytes > 0)
        CHECK(file->real->pMethods->xRead(file->real, pending.old, (int)pending.old_bytes,
                                          offset) == SQLITE_OK);
    shim.pending =
        xgrow(shim.pending, &shim.pending_capacity, shim.pending_count + 1, sizeof *shim.pending);
    shim.pending[shim.pending_count] = pending;
    return &shim.pending[shim.pending_count++];
}

static void put_back(int file, int64_t offset, const uint8_t *data, int64_t bytes, int64_t size)
{
    CHECK(pwrite(file, data, (size_t)bytes, offset) == bytes);
    CHECK(ftruncate(file, size) == 0);
}

static void take_back(const struct pending *pending)
{
    int file = open(pending->path, O_RDWR);
    if (file < 0)
        return;
    put_back(file, pending->offset, pending->old, pending->old_bytes, pending->old_file_bytes);
    close(file);
}

static void do_again(const struct pending *pending)
{
    struct stat status;
    int file = open(pending->path, O_RDWR);
    if (file < 0)
        return;
    CHECK(fstat(file, &status) == 0);
    int64_t end = pending->offset + pending->new_bytes;
    int64_t size = pending->new == NULL   ? pending->new_file_bytes
                   : end > status.st_size ? end
                                          : status.st_size;
    put_back(file, pending->offset, pending->new, pending->new_bytes, size);
    close(file);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

void fault_vfs_lose_power(uint64_t seed)
{
    uint64_t state = seed;
    for (size_t i = shim.pending_count; i-- > 0;)
        take_back(&shim.pending[i]);
    for (size_t i = 0; i < shim.pending_count; i++) {
        if (seed != 0 && next_random(&state) % 2 == 0)
            do_again(&shim.pending[i]);
    }
    fault_vfs_forget();
}

/* --- files */

static struct fault_file *as_fault(sqlite3_file *file)
{
    return (struct fault_file *)file;
}

static sqlite3_file *as_real(sqlite3_file *file)
{
    return as_fault(file)->real;
}

static int fault_write(sqlite3_file *base, const void *data, int bytes, sqlite3_int64 offset)
{
    struct fault_file *file = as_fault(base);
    int code = meet_fault(file, SQLITE_IOERR_WRITE, true, offset + bytes > file_bytes(file));
    if (code != SQLITE_OK)
        return code;
    if (file->path != NULL) {
        struct pending *pending = keep(file, offset, offset + bytes);
        pending->new = xmemdup(data, (size_t)bytes);
        pending->new_bytes = bytes;
    }
    return file->real->pMethods->xWrite(file->real, data, bytes, offset);
}

static int fault_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct fault_file *file = as_fault(base);
    int code = meet_fault(file, SQLITE_IOERR_TRUNCATE, false, false);
    if (code != SQLITE_OK)
        return code;
    if (file->path != NULL)
        keep(file, size, file_bytes(file))->new_file_bytes = size;
    return file->real->pMethods->xTruncate(file->real, size);
}

static int fault_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    int code = meet_fault(as_fault(base), SQLITE_IOERR_FSYNC, false, false);
    if (code == SQLITE_OK)
        settle(as_fault(base)->path);
    return code;
}

static int fault_close(sqlite3_file *file)
{
    int code = as_real(file)->pMethods->xClose(as_real(file));
    free(as_fault(file)->path);
    return code;
}

static int fault_read(sqlite3_file *file, void *data, int bytes, sqlite3_int64 offset)
{
    return as_real(file)->pMethods->xRead(as_real(file), data, bytes, offset);
}

static int fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return as_real(file)->pMethods->xFileSize(as_real(file), size);
}

static int fault_lock(sqlite3_file *file, int level)
{
    return as_real(file)->pMethods->xLock(as_real(file), level);
}

static int fault_unlock(sqlite3_file *file, int level)
{
    return as_real(file)->pMethods->xUnlock(as_real(file), level);
}

static int fault_check_lock(sqlite3_file *file, int *is_locked)
{
    return as_real(file)->pMethods->xCheckReservedLock(as_real(file), is_locked);
}

static int fault_control(sqlite3_file *file, int operation, void *argument)
{
    if (operation == SQLITE_FCNTL_LAST_ERRNO) {
        *(int *)argument = as_fault(file)->error;
        return SQLITE_OK;
    }
    return as_real(file)->pMethods->xFileControl(as_real(file), operation, argument);
}

static int fault_sector(sqlite3_file *file)
{
    return as_real(file)->pMethods->xSectorSize(as_real(file));
}

static int fault_device(sqlite3_file *file)
{
    (void)file;
    return 0;
}

static int fault_shm_map(sqlite3_file *file, int page, int bytes, int extend, void volatile **data)
{
    return as_real(file)->pMethods->xShmMap(as_real(file), page, bytes, extend, data);
}

static int fault_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return as_real(file)->pMethods->xShmLock(as_real(file), offset, count, flags);
}

static void fault_shm_barrier(sqlite3_file *file)
{
    as_real(file)->pMethods->xShmBarrier(as_real(file));
}

static int fault_shm_unmap(sqlite3_file *file, int is_deleted)
{
    return as_real(file)->pMethods->xShmUnmap(as_real(file), is_deleted);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_check_lock,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_device,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
};

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                      int *out_flags)
{
    struct fault_file *self = as_fault(file);
    (void)vfs;
    memset(self, 0, sizeof *self);
    int code = shim.real->xOpen(shim.real, name, self->real, flags, out_flags);
    if (self->real->pMethods == NULL)
        return code;
    self->path = name != NULL ? xstrdup(name) : NULL;
    self->base.pMethods = &methods;
    return code;
}

/* After the fault nothing changes any more: files are not deleted either. */
static int fault_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    if (shim.fault == FAULT_ERROR && shim.has_fired)
        return SQLITE_IOERR_DELETE;
    settle(name);
    return shim.real->xDelete(shim.real, name, sync_folder);
}

void fault_vfs_install(void)
{
    if (shim.real != NULL)
        return;
    shim.real = sqlite3_vfs_find(NULL);
    shim.vfs = *shim.real;
    shim.vfs.zName = "fault";
    shim.vfs.szOsFile = (int)sizeof(struct fault_file) + shim.real->szOsFile;
    shim.vfs.xOpen = fault_open;
    shim.vfs.xDelete = fault_delete;
    CHECK(sqlite3_vfs_register(&shim.vfs, 1) == SQLITE_OK);
}
