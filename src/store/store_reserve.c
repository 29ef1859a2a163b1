/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that holds nothing. On a full disk messages can only become fewer by acks, and an ack has
 * to be written too, as have the messages that were taken before the disk was full; then the file
 * is emptied, and they have its space. So it is some times larger than what a vhost may have on its
 * way to the disk (unstored_bytes_max). It is filled again when there is space. Where it cannot be
 * made, there is no reserve.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "store/store_internal.h"

enum { reserve_bytes = 24 << 20 };

static char *path_in(const char *folder)
{
    size_t size = strlen(folder) + sizeof "/reserve";
    char *path = xmalloc(size);
    snprintf(path, size, "%s/reserve", folder);
    return path;
}

bool reserve_is_there(const char *folder)
{
    struct stat status;
    char *path = path_in(folder);
    bool is_there = stat(path, &status) == 0;
    free(path);
    return is_there;
}

void reserve_open(struct store *store, const char *folder)
{
    char *path = path_in(folder);
    store->reserve = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    store->is_reserve_used = store->reserve >= 0;
    reserve_restore(store);
}

void reserve_close(struct store *store)
{
    if (store->reserve >= 0)
        close(store->reserve);
    store->reserve = -1;
    store->is_reserve_used = false; /* nobody waits for it */
}

bool store_has_space(const struct store *store, uint64_t bytes)
{
    struct statvfs disk;
    return statvfs(store->folder, &disk) != 0 || (uint64_t)disk.f_bavail * disk.f_frsize >= bytes;
}

bool reserve_release(struct store *store)
{
    if (store->reserve < 0 || store->is_reserve_used)
        return false;
    store->is_reserve_used = true;
    return ftruncate(store->reserve, 0) == 0;
}

void reserve_restore(struct store *store)
{
    if (store->reserve < 0 || !store->is_reserve_used)
        return;
    if (posix_fallocate(store->reserve, 0, reserve_bytes) == 0)
        store->is_reserve_used = false;
    else if (ftruncate(store->reserve, 0) != 0)
        reserve_close(store);
}
