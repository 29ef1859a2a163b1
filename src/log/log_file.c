/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log file. Who rotates it is a matter of the configuration: the server, by size and by date, or
 * a program such as logrotate, which moves the file and then has it opened again.
 *
 * The age of a file that was there before the server is that of its last line: with that a pattern
 * of dates holds over a restart. A file that cannot be opened again, after it was moved or put
 * aside, stays the one that is open: lines go on to the moved one rather than nowhere.
 */
#include "log/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "log/log_compress.h"
#include "log/log_format.h"
#include "log/log_rotation.h"
#include "log/log_stream.h"

struct log_file {
    char *path; /* owned */
    int fd;
    uint64_t size;
    bool is_torn; /* the last line was not written whole */
    time_t begun; /* when its first line was written, as far as is known */
    struct config_log_date date;
    uint64_t size_max; /* 0: any */
    uint32_t count;
    bool compresses;
    struct log_format *format; /* owned */
    struct buffer line;
};

static bool open_file(struct log_file *file)
{
    struct stat status;
    /* A pipe without a reader must not stop who opens it. */
    int fd = open(file->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (fd < 0)
        return false;
    if (file->fd >= 0)
        close(file->fd);
    file->fd = fd;
    file->size = 0;
    file->begun = 0;
    file->is_torn = false;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        file->size = (uint64_t)status.st_size;
        file->begun = status.st_mtime;
    }
    return true;
}

static bool is_due(const struct log_file *file, time_t now)
{
    if (file->size == 0)
        return false;
    return (file->size_max > 0 && file->size >= file->size_max) ||
           (file->date.every != CONFIG_LOG_NEVER &&
            file->begun < log_rotation_last(&file->date, now));
}

static bool goes_on(void *outlet)
{
    return !log_outlet_is_given_up(outlet);
}

/* Lines that come while a file is compressed wait in the queue of the outlet. */
static void rotate(struct log_file *file, struct log_outlet *outlet)
{
    log_rotation_shift(file->path, file->count);
    if (!open_file(file) || !file->compresses || file->count == 0)
        return;
    char *aside = log_rotation_newest(file->path);
    log_compress(aside, goes_on, outlet); /* where that cannot be it stays as it is */
    free(aside);
}

static bool file_write(void *self, struct log_outlet *outlet, const struct log_entry *entry)
{
    struct log_file *file = self;
    buffer_clear(&file->line);
    if (file->is_torn)
        buffer_append_u8(&file->line, '\n');
    log_format_append(file->format, entry, &file->line);
    buffer_append_u8(&file->line, '\n');
    if (is_due(file, entry->time.tv_sec))
        rotate(file, outlet);
    if (file->size == 0)
        file->begun = entry->time.tv_sec;
    file->is_torn = !log_stream_write(file->fd, outlet, buffer_bytes(&file->line));
    file->size += file->is_torn ? 0 : file->line.size;
    return !file->is_torn;
}

static void file_reopen(void *self)
{
    open_file(self);
}

static void file_free(void *self)
{
    struct log_file *file = self;
    if (file->fd >= 0)
        close(file->fd);
    log_format_free(file->format);
    buffer_fini(&file->line);
    free(file->path);
    free(file);
}

struct log_outlet *log_file_new(const char *path, const struct config_log_formatter *formatter,
                                const struct config_log_rotation *rotation,
                                enum config_log_level level, unsigned categories)
{
    static const struct log_outlet_kind kind = {file_write, file_reopen, file_free};
    struct log_file *file = xcalloc(1, sizeof *file);
    file->path = xstrdup(path);
    file->fd = -1;
    if (!open_file(file)) {
        int error = errno;
        file_free(file);
        errno = error;
        return NULL;
    }
    file->format = log_format_new(formatter);
    file->size_max = rotation->size_bytes;
    file->count = rotation->count;
    file->compresses = rotation->compresses;
    if (!config_log_date_read(&file->date, rotation->date))
        file->date.every = CONFIG_LOG_NEVER;
    return log_outlet_new(&kind, file, path, level, categories);
}
