/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log. A line is put together first and leaves with one write, so that lines of several threads
 * never mix and no lock is held while a terminal or a pipe is slow. The form is RabbitMQ's: time
 * with its offset, level, text.
 */
#include "runtime/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"
#include "base/xmalloc.h"

enum { line_size = 2048 };

struct sink {
    _Atomic int fd; /* -1: none */
    enum config_log_level level;
    bool is_json;
};

static struct sink console = {-1, CONFIG_LOG_INFO, false};
static struct sink file = {-1, CONFIG_LOG_INFO, false};
static char *file_path;

/* What the categories take. Set before the first line. */
static enum config_log_level category_levels[LOG_CATEGORY_COUNT];

/* Whoever gets the lines as messages; set while the function is there. */
static struct {
    _Atomic(log_publisher *) function;
    void *context;
    enum config_log_level level;
    bool is_json;
} exchange;
static _Thread_local bool is_publishing;

static char *make_path(const struct config *config)
{
    bool is_relative = config->log_dir[0] != '\0' && config->log_file[0] != '/';
    size_t size = strlen(config->log_dir) + strlen(config->log_file) + 2;
    char *path = xmalloc(size);
    snprintf(path, size, "%s%s%s", is_relative ? config->log_dir : "", is_relative ? "/" : "",
             config->log_file);
    return path;
}

static int open_file(void)
{
    return open(file_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
}

bool log_open(const struct config *config, char *reason, size_t reason_size)
{
    category_levels[LOG_DEFAULT] = config->log_default_level;
    category_levels[LOG_CONNECTION] = config->log_connection_level;
    category_levels[LOG_CHANNEL] = config->log_channel_level;
    console = (struct sink){config->log_console ? STDERR_FILENO : -1, config->log_console_level,
                            config->log_console_format == CONFIG_LOG_JSON};
    if (config->log_file[0] == '\0')
        return true;
    file_path = make_path(config);
    file = (struct sink){open_file(), config->log_file_level,
                         config->log_file_format == CONFIG_LOG_JSON};
    if (file.fd >= 0)
        return true;
    snprintf(reason, reason_size, "cannot open log file %s: %s", file_path, strerror(errno));
    return false;
}

void log_close(void)
{
    if (file.fd >= 0)
        close(file.fd);
    file.fd = console.fd = -1;
    free(file_path);
    file_path = NULL;
}

void log_reopen(void)
{
    int fd = file_path != NULL ? open_file() : -1;
    if (fd < 0)
        return;
    /* dup2 keeps the number, which another thread may be writing to. */
    dup2(fd, file.fd);
    close(fd);
}

static const char *level_name(enum config_log_level level)
{
    static const char *const names[] = {"debug", "info",     "notice", "warning",
                                        "error", "critical", "alert",  "emergency"};
    return level < sizeof names / sizeof names[0] ? names[level] : "none";
}

struct entry {
    struct timespec time;
    enum config_log_level level;
    const char *text;
};

/* The texts of a second, made once: they are half of what a line costs. */
struct second {
    time_t time;
    char date[32], zone[8];
};

static const struct second *second_of(time_t time)
{
    static _Thread_local struct second last = {.time = -1};
    struct tm parts;
    if (last.time == time)
        return &last;
    last.time = time;
    localtime_r(&time, &parts);
    strftime(last.date, sizeof last.date, "%Y-%m-%d %H:%M:%S", &parts);
    strftime(last.zone, sizeof last.zone, "%z", &parts);
    return &last;
}

static size_t append_time(char *line, size_t size, const struct timespec *now)
{
    const struct second *second = second_of(now->tv_sec);
    return (size_t)snprintf(line, size, "%s.%06ld%.3s:%s", second->date, now->tv_nsec / 1000,
                            second->zone, second->zone + 3);
}

/* Escapes what a JSON string may not hold as it is. An octet that is no UTF-8 is taken for Latin-1,
 * as it is in the names that leveretctl prints. */
static size_t append_json_text(char *line, size_t size, const char *text)
{
    struct bytes rest = bytes_of_text(text);
    size_t at = 0;
    while (rest.size > 0 && at + 8 < size) {
        uint8_t byte = rest.data[0];
        size_t taken = utf8_character_bytes(rest);
        if (byte == '"' || byte == '\\') {
            at += (size_t)snprintf(line + at, size - at, "\\%c", byte);
        } else if (taken == 0) {
            line[at++] = (char)(0xc0 | byte >> 6);
            line[at++] = (char)(0x80 | (byte & 0x3f));
            taken = 1;
        } else {
            memcpy(line + at, rest.data, taken);
            at += taken;
        }
        rest = bytes_of(rest.data + taken, rest.size - taken);
    }
    return at;
}

static size_t make_json(char *line, size_t size, const struct entry *entry)
{
    size_t at = (size_t)snprintf(line, size, "{\"time\":\"");
    at += append_time(line + at, size - at, &entry->time);
    at += (size_t)snprintf(line + at, size - at, "\",\"level\":\"%s\",\"msg\":\"",
                           level_name(entry->level));
    at += append_json_text(line + at, size - at - 3, entry->text);
    return at + (size_t)snprintf(line + at, size - at, "\"}\n");
}

/* A peer's text must not be able to end the line and begin another. */
static void hide_controls(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
    }
}

static size_t make_plain(char *line, size_t size, const struct entry *entry)
{
    size_t at = append_time(line, size, &entry->time);
    int added = snprintf(line + at, size - at, " [%s] %s\n", level_name(entry->level), entry->text);
    at += (size_t)added < size - at ? (size_t)added : size - at - 1;
    line[at - 1] = '\n';
    return at;
}

static struct bytes make_line(char *line, size_t size, const struct entry *entry, bool is_json)
{
    return bytes_of(line, is_json ? make_json(line, size, entry) : make_plain(line, size, entry));
}

static void put(const struct sink *sink, const struct entry *entry)
{
    char line[line_size + 128];
    if (sink->fd < 0 || entry->level < sink->level)
        return;
    struct bytes bytes = make_line(line, sizeof line, entry, sink->is_json);
    /* A log that cannot be written, or that nobody reads, must not stop the broker. There is room
     * for a line where there is room at all, if nobody else takes it meanwhile. */
    static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER;
    struct pollfd ready = {.fd = sink->fd, .events = POLLOUT};
    pthread_mutex_lock(&writing);
    if (poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) != 0) {
        ssize_t written = write(sink->fd, bytes.data, bytes.size);
        (void)written;
    }
    pthread_mutex_unlock(&writing);
}

void log_publish_to(log_publisher *publisher, void *context, const struct config *config)
{
    exchange.context = context;
    exchange.level = config->log_exchange_level;
    exchange.is_json = config->log_exchange_format == CONFIG_LOG_JSON;
    atomic_store_explicit(&exchange.function, publisher, memory_order_release);
}

static void publish(const struct entry *entry)
{
    char line[line_size + 128];
    log_publisher *function = atomic_load_explicit(&exchange.function, memory_order_acquire);
    if (function == NULL || entry->level < exchange.level || is_publishing)
        return;
    is_publishing = true;
    function(exchange.context, level_name(entry->level),
             make_line(line, sizeof line, entry, exchange.is_json), exchange.is_json);
    is_publishing = false;
}

bool log_takes(enum log_category category, enum config_log_level level)
{
    return level >= category_levels[category];
}

void log_write(enum log_category category, enum config_log_level level, const char *format, ...)
{
    char text[line_size];
    struct entry entry = {.level = level, .text = text};
    va_list arguments;
    if (!log_takes(category, level))
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    hide_controls(text);
    clock_gettime(CLOCK_REALTIME, &entry.time);
    put(&console, &entry);
    put(&file, &entry);
    publish(&entry);
}
