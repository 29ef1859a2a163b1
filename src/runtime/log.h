/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_LOG_H
#define LEVERET_RUNTIME_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "config/config.h"

/* The server's log: the console, files, syslog, the journal, as configured. Any thread may log, and
 * never waits for any of them. */

/* What a line is about. Each category has a level of its own (log.connection.level and so on); a
 * line must have that of its category, and then that of the place it goes to. */
enum log_category {
    LOG_DEFAULT = CONFIG_LOG_ABOUT_DEFAULT,       /* the server as a whole */
    LOG_CONNECTION = CONFIG_LOG_ABOUT_CONNECTION, /* one connection, and logins */
    LOG_CHANNEL = CONFIG_LOG_ABOUT_CHANNEL,       /* one channel */
    LOG_QUEUE = CONFIG_LOG_ABOUT_QUEUE,           /* queues and what is stored of them */
    LOG_UPGRADE = CONFIG_LOG_ABOUT_UPGRADE,       /* data of an older version */
};

/* Before the first line, once. false with a reason where a file cannot be opened. */
bool log_open(const struct config *config, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));

/* Writes what is queued, for some seconds at most. */
void log_close(void);

/* Takes another configuration; false with a reason, and everything as it was, where that cannot be.
 */
bool log_configure(const struct config *config, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));

/* Opens files again, after somebody has moved them away. */
void log_reopen(void);

/* Returns when what was logged before has been written, or after wait_ms. For last words. */
void log_flush(unsigned wait_ms);

/* Of every category and every place, until log_configure. */
void log_set_level(enum config_log_level level);

/* How many messages did not get to a place that they were meant for, because it was too slow or
 * could not be written. */
uint64_t log_lost_count(void);

/* Calls visit with the path of every file, "<stderr>", "syslog:HOST" and so on, the file of
 * log.file first. */
typedef void log_place_visitor(void *context, const char *place);
void log_visit_places(log_place_visitor *visit, void *context);

/* Lines of at least log.exchange.level go to this function as well, on the thread that logs them.
 * What it logs itself does not come back to it. NULL: to none any more. */
typedef void log_publisher(void *context, const char *level, struct bytes line, bool is_json);
void log_publish_to(log_publisher *publisher, void *context, const struct config *config);

/* Does the category take lines of this level? */
bool log_takes(enum log_category category, enum config_log_level level);

void log_write(enum log_category category, enum config_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_info(...) log_write(LOG_DEFAULT, CONFIG_LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_write(LOG_DEFAULT, CONFIG_LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_write(LOG_DEFAULT, CONFIG_LOG_ERROR, __VA_ARGS__)

#endif
