/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gzip for log files that were put aside. The compressed file gets its name when it is whole, and
 * only then the other one goes, so that lines are never in neither; a server that ends meanwhile
 * leaves the file as it was, and a part that the next one writes over.
 */
#include "log/log_compress.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/xmalloc.h"

enum { piece_bytes = 64 << 10 };

static char *with_suffix(const char *path, const char *suffix)
{
    size_t size = strlen(path) + strlen(suffix) + 1;
    char *name = xmalloc(size);
    snprintf(name, size, "%s%s", path, suffix);
    return name;
}

static bool copy(int from, gzFile to, bool (*goes_on)(void *context), void *context)
{
    char *piece = xmalloc(piece_bytes);
    ssize_t count = 0;
    bool is_right = true;
    while (is_right && (count = read(from, piece, piece_bytes)) > 0)
        is_right = gzwrite(to, piece, (unsigned)count) == (int)count && goes_on(context);
    free(piece);
    return is_right && count == 0;
}

static bool write_part(int from, const char *part, bool (*goes_on)(void *context), void *context)
{
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
    if (fd < 0)
        return false;
    gzFile to = gzdopen(fd, "wb");
    if (to == NULL) {
        close(fd);
        return false;
    }
    bool is_whole = copy(from, to, goes_on, context);
    return gzclose(to) == Z_OK && is_whole;
}

bool log_compress(const char *path, bool (*goes_on)(void *context), void *context)
{
    int from = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return false;
    char *part = with_suffix(path, ".gz.part");
    char *whole = with_suffix(path, ".gz");
    bool is_done = write_part(from, part, goes_on, context) && rename(part, whole) == 0;
    unlink(is_done ? path : part);
    close(from);
    free(part);
    free(whole);
    return is_done;
}
