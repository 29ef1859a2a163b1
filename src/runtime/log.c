/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: which message goes where. What a place makes of it, and all waiting, is in src/log, on
 * threads of its own; here a message is put together and queued.
 *
 * The set of places can be replaced while others log: they look at it under a lock that only who
 * replaces it takes for writing. Places of the new set begin when those of the old one have ended,
 * so that two never write to one file.
 */
#define _GNU_SOURCE /* gettid */
#include "runtime/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/xmalloc.h"
#include "log/log_file.h"
#include "log/log_format.h"
#include "log/log_journal.h"
#include "log/log_outlet.h"
#include "log/log_stream.h"
#include "log/log_syslog.h"

enum {
    text_size = 2048,
    outlets_max = CONFIG_LOG_CATEGORIES + 4,
    grace_ms = 2000,
    all_categories = (1u << CONFIG_LOG_CATEGORIES) - 1,
};

struct outlet_set {
    struct log_outlet *outlets[outlets_max]; /* owned */
    size_t count;
};

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER; /* of the next two */
static struct outlet_set places;

/* Whoever gets the lines as messages. */
static struct {
    log_publisher *function; /* NULL: nobody */
    void *context;
    struct log_format *format; /* owned */
    enum config_log_level level;
    unsigned categories;
    bool is_json;
} exchange;
static _Thread_local bool is_publishing;

/* What the categories take. */
static _Atomic int category_levels[CONFIG_LOG_CATEGORIES];

/* --- the places */

static char *make_path(const struct config_log *config, const char *name)
{
    bool is_relative = config->dir[0] != '\0' && name[0] != '/';
    size_t size = strlen(config->dir) + strlen(name) + 2;
    char *path = xmalloc(size);
    snprintf(path, size, "%s%s%s", is_relative ? config->dir : "", is_relative ? "/" : "", name);
    return path;
}

/* The categories that have no file of their own. */
static unsigned common_categories(const struct config_log *config)
{
    unsigned categories = all_categories;
    for (unsigned i = 0; i < CONFIG_LOG_CATEGORIES; i++) {
        if (config->about[i].file[0] != '\0')
            categories &= ~(1u << i);
    }
    return categories;
}

static void add(struct outlet_set *set, struct log_outlet *outlet)
{
    set->outlets[set->count++] = outlet;
}

static bool open_file(struct outlet_set *set, const struct config_log *config, const char *name,
                      const struct config_log_rotation *rotation, enum config_log_level level,
                      unsigned categories, char *reason, size_t reason_size)
{
    char *path = make_path(config, name);
    struct log_outlet *outlet =
        log_file_new(path, &config->file.formatter, rotation, level, categories);
    if (outlet != NULL)
        add(set, outlet);
    else
        snprintf(reason, reason_size, "cannot open log file %s: %s", path, strerror(errno));
    free(path);
    return outlet != NULL;
}

static bool open_main_file(struct outlet_set *set, const struct config_log *config, char *reason,
                           size_t reason_size)
{
    unsigned categories = common_categories(config);
    if (config->file.path[0] == '\0')
        return true;
    for (unsigned i = 0; i < CONFIG_LOG_CATEGORIES; i++) {
        if (strcmp(config->about[i].file, config->file.path) == 0)
            categories |= 1u << i;
    }
    return open_file(set, config, config->file.path, &config->file.rotation, config->file.level,
                     categories, reason, reason_size);
}

/* Where the category's own settings say nothing, those of log.file hold. */
static struct config_log_rotation rotation_of(const struct config_log *config, unsigned category)
{
    struct config_log_rotation rotation = config->about[category].rotation;
    const struct config_log_rotation *usual = &config->file.rotation;
    if (rotation.date[0] == '\0')
        rotation.date = usual->date;
    if (rotation.size_bytes == 0)
        rotation.size_bytes = usual->size_bytes;
    if (!rotation.is_count_set)
        rotation.count = usual->count;
    if (!rotation.is_compress_set)
        rotation.compresses = usual->compresses;
    return rotation;
}

/* The categories of the same file, as bits; 0 where an earlier category had them. */
static unsigned categories_of_file(const struct config_log *config, unsigned category)
{
    const char *name = config->about[category].file;
    unsigned categories = 0;
    if (name[0] == '\0' || strcmp(name, config->file.path) == 0)
        return 0;
    for (unsigned i = 0; i < CONFIG_LOG_CATEGORIES; i++) {
        if (strcmp(config->about[i].file, name) == 0)
            categories |= 1u << i;
    }
    return (categories & ((1u << category) - 1)) == 0 ? categories : 0;
}

static bool open_category_files(struct outlet_set *set, const struct config_log *config,
                                char *reason, size_t reason_size)
{
    for (unsigned i = 0; i < CONFIG_LOG_CATEGORIES; i++) {
        struct config_log_rotation rotation = rotation_of(config, i);
        unsigned categories = categories_of_file(config, i);
        if (categories != 0 && !open_file(set, config, config->about[i].file, &rotation,
                                          CONFIG_LOG_DEBUG, categories, reason, reason_size))
            return false;
    }
    return true;
}

static bool open_files(struct outlet_set *set, const struct config_log *config, char *reason,
                       size_t reason_size)
{
    if (config->dir[0] != '\0')
        mkdir(config->dir, 0750);
    return open_main_file(set, config, reason, reason_size) &&
           open_category_files(set, config, reason, reason_size);
}

static bool open_syslog(struct outlet_set *set, const struct config *config, char *reason,
                        size_t reason_size)
{
    if (!config->log.syslog.output.is_on)
        return true;
    struct log_outlet *outlet =
        log_syslog_new(&config->log.syslog, config->node_name, common_categories(&config->log),
                       reason, reason_size);
    if (outlet != NULL)
        add(set, outlet);
    return outlet != NULL;
}

static bool open_journal(struct outlet_set *set, const struct config_log *config, char *reason,
                         size_t reason_size)
{
    if (!config->journald.is_on)
        return true;
    struct log_outlet *outlet =
        log_journal_new(&config->journald, LOG_JOURNAL_SOCKET, common_categories(config));
    if (outlet != NULL)
        add(set, outlet);
    else
        snprintf(reason, reason_size, "log.journald: %s: %s", LOG_JOURNAL_SOCKET, strerror(errno));
    return outlet != NULL;
}

static void open_console(struct outlet_set *set, const struct config_log *config)
{
    const struct config_log_console *console = &config->console;
    if (console->output.is_on)
        add(set, log_stream_new(console->to_stdout ? STDOUT_FILENO : STDERR_FILENO,
                                console->to_stdout ? "<stdout>" : "<stderr>", &console->output,
                                console->has_colors, common_categories(config)));
}

static void end_all(struct outlet_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        log_outlet_end(set->outlets[i], grace_ms);
    *set = (struct outlet_set){0};
}

static bool open_places(struct outlet_set *set, const struct config *config, char *reason,
                        size_t reason_size)
{
    if (open_files(set, &config->log, reason, reason_size) &&
        open_syslog(set, config, reason, reason_size) &&
        open_journal(set, &config->log, reason, reason_size)) {
        open_console(set, &config->log);
        return true;
    }
    end_all(set);
    return false;
}

static void set_exchange_locked(const struct config_log *config)
{
    log_format_free(exchange.format);
    exchange.format = log_format_new(&config->exchange.formatter);
    exchange.level = config->exchange.level;
    exchange.categories = common_categories(config);
    exchange.is_json = config->exchange.formatter.format == CONFIG_LOG_JSON;
}

bool log_configure(const struct config *config, char *reason, size_t reason_size)
{
    struct outlet_set next = {0};
    if (!open_places(&next, config, reason, reason_size))
        return false;
    for (size_t i = 0; i < CONFIG_LOG_CATEGORIES; i++)
        atomic_store_explicit(&category_levels[i], (int)config->log.about[i].level,
                              memory_order_relaxed);
    pthread_rwlock_wrlock(&lock);
    struct outlet_set former = places;
    places = next;
    if (exchange.function != NULL)
        set_exchange_locked(&config->log);
    pthread_rwlock_unlock(&lock);
    end_all(&former);
    for (size_t i = 0; i < next.count; i++)
        log_outlet_start(next.outlets[i]);
    return true;
}

bool log_open(const struct config *config, char *reason, size_t reason_size)
{
    return log_configure(config, reason, reason_size);
}

void log_close(void)
{
    pthread_rwlock_wrlock(&lock);
    struct outlet_set former = places;
    places = (struct outlet_set){0};
    pthread_rwlock_unlock(&lock);
    end_all(&former);
    log_outlets_wait(grace_ms + 500);
}

void log_reopen(void)
{
    pthread_rwlock_rdlock(&lock);
    for (size_t i = 0; i < places.count; i++)
        log_outlet_reopen(places.outlets[i]);
    pthread_rwlock_unlock(&lock);
}

void log_flush(unsigned wait_ms)
{
    pthread_rwlock_rdlock(&lock);
    log_outlets_flush(places.outlets, places.count, wait_ms);
    pthread_rwlock_unlock(&lock);
}

void log_set_level(enum config_log_level level)
{
    for (size_t i = 0; i < CONFIG_LOG_CATEGORIES; i++)
        atomic_store_explicit(&category_levels[i], (int)level, memory_order_relaxed);
    pthread_rwlock_wrlock(&lock);
    exchange.level = level;
    for (size_t i = 0; i < places.count; i++)
        log_outlet_set_level(places.outlets[i], level);
    pthread_rwlock_unlock(&lock);
}

uint64_t log_lost_count(void)
{
    return log_outlets_lost();
}

void log_visit_places(log_place_visitor *visit, void *context)
{
    pthread_rwlock_rdlock(&lock);
    for (size_t i = 0; i < places.count; i++)
        visit(context, log_outlet_name(places.outlets[i]));
    if (exchange.function != NULL)
        visit(context, "exchange:amq.rabbitmq.log");
    pthread_rwlock_unlock(&lock);
}

/* --- messages */

void log_publish_to(log_publisher *publisher, void *context, const struct config *config)
{
    pthread_rwlock_wrlock(&lock);
    exchange.function = publisher;
    exchange.context = context;
    if (publisher != NULL) {
        set_exchange_locked(&config->log);
    } else {
        log_format_free(exchange.format);
        exchange.format = NULL;
    }
    pthread_rwlock_unlock(&lock);
}

static void publish(const struct log_entry *entry)
{
    struct buffer line = {0};
    if (exchange.function == NULL || entry->level < exchange.level || is_publishing ||
        (exchange.categories & 1u << entry->category) == 0)
        return;
    is_publishing = true;
    log_format_append(exchange.format, entry, &line);
    buffer_append_u8(&line, '\n');
    exchange.function(exchange.context, config_log_level_name(entry->level), buffer_bytes(&line),
                      exchange.is_json);
    buffer_fini(&line);
    is_publishing = false;
}

bool log_takes(enum log_category category, enum config_log_level level)
{
    return (int)level >= atomic_load_explicit(&category_levels[category], memory_order_relaxed);
}

static struct log_entry *make_entry(enum log_category category, enum config_log_level level,
                                    const char *text, size_t size)
{
    static _Thread_local uint32_t thread;
    struct log_entry *entry = xmalloc(sizeof *entry + size + 1);
    if (thread == 0)
        thread = (uint32_t)gettid();
    *entry = (struct log_entry){.level = level,
                                .category = (enum config_log_category)category,
                                .thread = thread,
                                .size = size};
    clock_gettime(CLOCK_REALTIME, &entry->time);
    memcpy(entry->text, text, size);
    entry->text[size] = '\0';
    return entry;
}

void log_write(enum log_category category, enum config_log_level level, const char *format, ...)
{
    char text[text_size];
    va_list arguments;
    if (!log_takes(category, level))
        return;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0)
        return;
    struct log_entry *entry = make_entry(
        category, level, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
    pthread_rwlock_rdlock(&lock);
    publish(entry);
    log_outlets_offer(places.outlets, places.count, entry);
    pthread_rwlock_unlock(&lock);
}
