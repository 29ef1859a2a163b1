/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data folder and its lock. The lock is flock on a file of its own, which the kernel gives back
 * when the process ends, however it ends; the number of the process in the file is for the message
 * to whoever comes second, nothing else. The file is never deleted: two processes could then hold
 * locks on two files of one name.
 *
 * Vhosts have numbers for names here, because theirs may be anything. A folder is made when the
 * vhost is opened and deleted after its definition is: one without a definition is an orphan.
 */
#include "store/data_folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xmalloc.h"

struct data_folder {
    char *path; /* owned */
    int lock;   /* file descriptor, or -1 */
};

bool data_folder_sync(const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return false;
    int error = fsync(folder) == 0 ? 0 : errno;
    close(folder);
    errno = error;
    return error == 0;
}

/* Its name lasts before anything in it is said to: SQLite syncs the names in a folder, not its own.
 * A parent that may not be read, or a file system without such a sync, is no reason to stop. */
static bool make_folder(const char *parent, const char *path, char *reason, size_t reason_size)
{
    if (mkdir(path, 0700) == 0) {
        (void)!data_folder_sync(parent);
        return true;
    }
    if (errno == EEXIST)
        return true;
    snprintf(reason, reason_size, "data folder %s cannot be made: %s", path, strerror(errno));
    return false;
}

/* --- the lock */

static void explain_holder(const char *path, int lock, char *reason, size_t reason_size)
{
    char holder[32] = {0};
    ssize_t size = pread(lock, holder, sizeof holder - 1, 0);
    holder[strspn(holder, "0123456789")] = '\0';
    snprintf(reason, reason_size, "data folder %s is in use by process %s", path,
             size > 0 && holder[0] != '\0' ? holder : "(unknown)");
}

static bool write_holder(int lock)
{
    char holder[32];
    int size = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    return ftruncate(lock, 0) == 0 && pwrite(lock, holder, (size_t)size, 0) == size;
}

static int take_lock(const char *path, char *reason, size_t reason_size)
{
    char *name = path_join(path, "lock");
    int lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(name);
    if (lock < 0) {
        snprintf(reason, reason_size, "data folder %s cannot be locked: %s", path, strerror(errno));
        return -1;
    }
    if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
        /* Without its number the lock still holds: a full disk must not keep the server down. */
        (void)write_holder(lock);
        return lock;
    }
    if (errno == EWOULDBLOCK)
        explain_holder(path, lock, reason, reason_size);
    else
        snprintf(reason, reason_size, "data folder %s cannot be locked: %s", path, strerror(errno));
    close(lock);
    return -1;
}

struct data_folder *data_folder_open(const char *path, char *reason, size_t reason_size)
{
    char *copy = xstrdup(path); /* dirname writes into it */
    bool is_made = make_folder(dirname(copy), path, reason, reason_size);
    free(copy);
    if (!is_made)
        return NULL;
    int lock = take_lock(path, reason, reason_size);
    if (lock < 0)
        return NULL;
    struct data_folder *folder = xcalloc(1, sizeof *folder);
    folder->path = xstrdup(path);
    folder->lock = lock;
    return folder;
}

/* Shared with others who look; the server's lock is not. */
static int share_lock(const char *path, char *reason, size_t reason_size)
{
    char *name = path_join(path, "lock");
    int lock = open(name, O_RDONLY | O_CLOEXEC);
    free(name);
    if (lock < 0 || flock(lock, LOCK_SH | LOCK_NB) == 0)
        return lock;
    explain_holder(path, lock, reason, reason_size);
    close(lock);
    return -2;
}

struct data_folder *data_folder_look(const char *path, char *reason, size_t reason_size)
{
    struct stat status;
    char *definitions = path_join(path, "definitions.db");
    bool is_one = stat(definitions, &status) == 0;
    free(definitions);
    if (!is_one) {
        snprintf(reason, reason_size, "%s is no data folder: there is no definitions.db in it",
                 path);
        return NULL;
    }
    int lock = share_lock(path, reason, reason_size);
    if (lock == -2)
        return NULL;
    struct data_folder *folder = xcalloc(1, sizeof *folder);
    folder->path = xstrdup(path);
    folder->lock = lock;
    return folder;
}

void data_folder_close(struct data_folder *folder)
{
    if (folder == NULL)
        return;
    if (folder->lock >= 0)
        close(folder->lock);
    free(folder->path);
    free(folder);
}

const char *data_folder_path(const struct data_folder *folder)
{
    return folder->path;
}

/* --- vhosts */

static char *vhost_path(const struct data_folder *folder, uint64_t vhost)
{
    char name[40];
    snprintf(name, sizeof name, "vhosts/%" PRIu64, vhost);
    return path_join(folder->path, name);
}

char *data_folder_vhost(struct data_folder *folder, uint64_t vhost, char *reason,
                        size_t reason_size)
{
    char *all = path_join(folder->path, "vhosts");
    char *path = vhost_path(folder, vhost);
    bool made = make_folder(folder->path, all, reason, reason_size) &&
                make_folder(all, path, reason, reason_size);
    free(all);
    if (made)
        return path;
    free(path);
    return NULL;
}

static bool remove_files(const char *path)
{
    DIR *directory = opendir(path);
    struct dirent *entry;
    bool succeeded = true;
    if (directory == NULL)
        return errno == ENOENT;
    while ((entry = readdir(directory)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            succeeded = unlinkat(dirfd(directory), entry->d_name, 0) == 0 && succeeded;
    }
    closedir(directory);
    return succeeded;
}

bool data_folder_remove_vhost(struct data_folder *folder, uint64_t vhost, char *reason,
                              size_t reason_size)
{
    char *path = vhost_path(folder, vhost);
    bool succeeded = remove_files(path) && (rmdir(path) == 0 || errno == ENOENT);
    if (!succeeded)
        snprintf(reason, reason_size, "%s cannot be deleted: %s", path, strerror(errno));
    free(path);
    return succeeded;
}

/* 0 where the name is no number of a vhost. */
static uint64_t vhost_number(const char *name)
{
    char *end;
    if (!isdigit((unsigned char)name[0]))
        return 0;
    uint64_t number = strtoull(name, &end, 10);
    return *end == '\0' ? number : 0;
}

size_t data_folder_remove_orphans(struct data_folder *folder,
                                  bool (*is_known)(void *context, uint64_t vhost), void *context)
{
    char *all = path_join(folder->path, "vhosts");
    DIR *directory = opendir(all);
    struct dirent *entry;
    size_t removed = 0;
    char reason[256];
    free(all);
    if (directory == NULL)
        return 0;
    while ((entry = readdir(directory)) != NULL) {
        uint64_t vhost = vhost_number(entry->d_name);
        if (vhost != 0 && !is_known(context, vhost))
            removed += data_folder_remove_vhost(folder, vhost, reason, sizeof reason);
    }
    closedir(directory);
    return removed;
}

bool data_folder_check_definitions(const struct data_folder *folder, char *reason,
                                   size_t reason_size)
{
    char *definitions = path_join(folder->path, "definitions.db"),
         *all = path_join(folder->path, "vhosts");
    struct stat status;
    struct dirent *entry;
    uint64_t vhost = 0;
    DIR *directory = stat(definitions, &status) != 0 ? opendir(all) : NULL;
    while (directory != NULL && vhost == 0 && (entry = readdir(directory)) != NULL)
        vhost = vhost_number(entry->d_name);
    if (directory != NULL)
        closedir(directory);
    free(definitions);
    free(all);
    if (vhost != 0)
        snprintf(reason, reason_size,
                 "data folder %s has messages of virtual hosts, but no definitions.db: a restore "
                 "was broken off, or the file was lost",
                 folder->path);
    return vhost == 0;
}
