/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console. It may be a terminal that somebody has stopped, or a pipe that nobody reads, and its
 * flags are shared with whoever else has it, so it cannot be made non-blocking: a line is written
 * when poll says that there is room, which a pipe says where PIPE_BUF octets fit. More than that is
 * not written at once.
 */
#include "log/log_stream.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "log/log_format.h"

enum { look_ms = 100 };

struct log_stream {
    int fd; /* borrowed */
    bool has_colors;
    struct log_format *format; /* owned */
    struct buffer line;
};

static bool wait_for_room(int fd, struct log_outlet *outlet)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    for (;;) {
        int count = poll(&ready, 1, look_ms);
        if (count == 1)
            return (ready.revents & POLLOUT) != 0;
        if ((count < 0 && errno != EINTR) || log_outlet_is_given_up(outlet))
            return false;
    }
}

bool log_stream_write(int fd, struct log_outlet *outlet, struct bytes bytes)
{
    while (bytes.size > 0) {
        if (!wait_for_room(fd, outlet))
            return false;
        ssize_t written = write(fd, bytes.data, bytes.size < PIPE_BUF ? bytes.size : PIPE_BUF);
        if (written < 0 && errno != EINTR && errno != EAGAIN)
            return false;
        if (written > 0)
            bytes = bytes_of(bytes.data + written, bytes.size - (size_t)written);
    }
    return true;
}

/* The colours that RabbitMQ gives to levels. */
static const char *color_of(enum config_log_level level)
{
    static const char *const colors[] = {
        "\033[38;5;246m",          "",
        "\033[38;5;87m",           "\033[38;5;214m",
        "\033[38;5;160m",          "\033[1;37m\033[48;5;20m",
        "\033[1;37m\033[48;5;93m", "\033[1;37m\033[48;5;196m",
    };
    return colors[level];
}

static bool stream_write(void *self, struct log_outlet *outlet, const struct log_entry *entry)
{
    struct log_stream *stream = self;
    const char *color = stream->has_colors ? color_of(entry->level) : "";
    buffer_clear(&stream->line);
    buffer_append_bytes(&stream->line, bytes_of_text(color));
    log_format_append(stream->format, entry, &stream->line);
    buffer_append_bytes(&stream->line, bytes_of_text(color[0] != '\0' ? "\033[0m\n" : "\n"));
    return log_stream_write(stream->fd, outlet, buffer_bytes(&stream->line));
}

static void stream_free(void *self)
{
    struct log_stream *stream = self;
    log_format_free(stream->format);
    buffer_fini(&stream->line);
    free(stream);
}

struct log_outlet *log_stream_new(int fd, const char *name, const struct config_log_output *output,
                                  bool has_colors, unsigned categories)
{
    static const struct log_outlet_kind kind = {.write = stream_write, .free = stream_free};
    struct log_stream *stream = xcalloc(1, sizeof *stream);
    stream->fd = fd;
    stream->has_colors =
        has_colors && output->formatter.format == CONFIG_LOG_PLAINTEXT && isatty(fd) == 1;
    stream->format = log_format_new(&output->formatter);
    return log_outlet_new(&kind, stream, name, output->level, categories);
}
