/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at the server's log. The server says where it is; the file is read here, because who may
 * ask the server is its own user or root, and may read it. A file that is put aside meanwhile is
 * followed to its end, and then the new one.
 */
#include "cli/log_view.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "cli/answer.h"
#include "cli/client.h"
#include "cli/options.h"
#include "net/control.h"

enum { block_bytes = 65536, look_ms = 100 };

/* --- where it is */

static void print_value(const struct options *options, const json_t *answer, bool is_all)
{
    const json_t *paths = json_object_get(answer, "paths");
    json_t *shown = is_all ? json_copy((json_t *)paths) : json_array();
    if (!is_all)
        json_array_append(shown, json_array_get(paths, 0));
    json_t *object = json_pack("{s:s, s:O, s:o}", "result", "ok", "node_name",
                               json_object_get(answer, "node_name"), "paths", shown);
    answer_print_in_order(options, object);
    json_decref(object);
}

int log_view_location(const struct json_t *answer, const struct options *options)
{
    const json_t *paths = json_object_get(answer, "paths");
    bool is_all = options_has(options, "all");
    if (json_array_size(paths) == 0) {
        fputs("Error:\nNo log files configured on the node\n", stderr);
        return CONTROL_UNAVAILABLE;
    }
    if (answer_is_value(options)) {
        print_value(options, answer, is_all);
        return CONTROL_OK;
    }
    for (size_t i = 0; i < (is_all ? json_array_size(paths) : 1); i++)
        puts(json_string_value(json_array_get(paths, i)));
    return CONTROL_OK;
}

/* --- its last lines */

/* -1 with a message where there is no file, or it cannot be opened. */
static int open_log(const json_t *answer, const char **path)
{
    *path = json_string_value(json_array_get(json_object_get(answer, "paths"), 0));
    if (*path == NULL || (*path)[0] != '/') {
        fprintf(stderr, "Error:\nthe log is not a file: %s\n", *path != NULL ? *path : "none");
        return -1;
    }
    int fd = open(*path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fprintf(stderr, "Error:\n%s: %s\n", *path, strerror(errno));
    return fd;
}

/* Where the last lines begin: looks for line feeds from the end on. */
static off_t find_last_lines(int fd, off_t size, long count)
{
    char *block = xmalloc(block_bytes);
    off_t at = size;
    long seen = 0;
    while (at > 0) {
        size_t wanted = at < block_bytes ? (size_t)at : block_bytes;
        at -= (off_t)wanted;
        if (pread(fd, block, wanted, at) != (ssize_t)wanted)
            break;
        for (size_t i = wanted; i > 0; i--) {
            /* The one at the very end closes the last line. */
            if (block[i - 1] != '\n' || at + (off_t)i == size || ++seen < count)
                continue;
            at += (off_t)i;
            free(block);
            return at;
        }
    }
    free(block);
    return 0;
}

/* Prints what is there from *at on. False where it cannot be written. */
static bool print_from(int fd, off_t *at)
{
    char *block = xmalloc(block_bytes);
    bool is_right = true;
    ssize_t size;
    while (is_right && (size = pread(fd, block, block_bytes, *at)) > 0) {
        is_right = fwrite(block, 1, (size_t)size, stdout) == (size_t)size;
        *at += size;
    }
    free(block);
    return is_right && fflush(stdout) == 0;
}

static bool read_count(const struct options *options, const char *name, long usual, long *count)
{
    char *end = NULL;
    const char *text = options_value(options, name);
    *count = usual;
    if (text == NULL)
        return true;
    *count = strtol(text, &end, 10);
    if (text[0] != '\0' && *end == '\0' && *count > 0)
        return true;
    options_complain(options, "--%s: a number is expected", name);
    return false;
}

int log_view_tail(const struct json_t *answer, const struct options *options)
{
    enum { usual_count = 50 };
    const char *path;
    struct stat status;
    long count;
    if (!read_count(options, "number", usual_count, &count))
        return CONTROL_USAGE;
    int fd = open_log(answer, &path);
    if (fd < 0)
        return CONTROL_UNAVAILABLE;
    off_t at = fstat(fd, &status) == 0 ? find_last_lines(fd, status.st_size, count) : 0;
    bool is_right = print_from(fd, &at);
    close(fd);
    return is_right ? CONTROL_OK : CONTROL_SOFTWARE;
}

/* --- what comes */

/* Another file has taken the name: the rest of this one was printed, go on with that. */
static void follow_name(const char *path, int *fd, off_t *at)
{
    struct stat opened, named;
    if (stat(path, &named) != 0 || fstat(*fd, &opened) != 0)
        return;
    if (named.st_ino == opened.st_ino && named.st_dev == opened.st_dev) {
        *at = opened.st_size < *at ? 0 : *at;
        return;
    }
    int next = open(path, O_RDONLY | O_CLOEXEC);
    if (next < 0)
        return;
    close(*fd);
    *fd = next;
    *at = 0;
}

int log_view_follow(const struct json_t *answer, const struct options *options)
{
    struct timespec pause = {.tv_nsec = look_ms * 1000000L};
    const char *path;
    long duration_s;
    if (!read_count(options, "duration", 0, &duration_s))
        return CONTROL_USAGE;
    int64_t end_ms = client_now_ms() + duration_s * 1000;
    int fd = open_log(answer, &path);
    if (fd < 0)
        return CONTROL_UNAVAILABLE;
    off_t at = lseek(fd, 0, SEEK_END);
    bool is_right = true;
    while (is_right && (duration_s == 0 || client_now_ms() < end_ms)) {
        nanosleep(&pause, NULL);
        is_right = print_from(fd, &at);
        follow_name(path, &fd, &at);
    }
    close(fd);
    return CONTROL_OK;
}
