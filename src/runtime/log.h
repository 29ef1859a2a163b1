/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_LOG_H
#define LEVERET_RUNTIME_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "config/config.h"

/* The server's log: lines on standard error, and in a file where one is configured. Any thread. */

/* What a line is about. Each category has a level of its own (log.connection.level and so on); a
 * line must have that of its category, and then that of the place it goes to. */
enum log_category {
    LOG_DEFAULT,    /* the server as a whole */
    LOG_CONNECTION, /* one connection, and logins */
    LOG_CHANNEL,    /* one channel */
    LOG_CATEGORY_COUNT,
};

/* Before the first line, once. false with a reason where the file cannot be opened. */
bool log_open(const struct config *config, char *reason, size_t reason_size);
void log_close(void);

/* Opens the file again, after somebody has moved it away. */
void log_reopen(void);

/* Lines of at least this level go to this function as well, on the thread that writes them. What it
 * logs itself does not come back to it. NULL: to none any more; nobody may be logging then. */
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
