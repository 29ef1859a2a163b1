/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_LOG_LOG_FORMAT_H
#define LEVERET_LOG_LOG_FORMAT_H

#include "base/buffer.h"
#include "log/log_entry.h"

/* What a message looks like in a log: text by a pattern, or JSON with chosen fields. Any thread may
 * use a format. */
struct log_format;

struct log_format *log_format_new(const struct config_log_formatter *formatter);
void log_format_free(struct log_format *format);

/* Appends the line, without a line feed. */
void log_format_append(struct log_format *format, const struct log_entry *entry,
                       struct buffer *line);

/* Appends a text so that it is one line of UTF-8 and holds nothing that a terminal or an editor
 * obeys: such characters become \n, \x1b, \u202e and so on. */
void log_format_append_escaped(struct buffer *line, struct bytes text);

/* Appends the time as in 2026-01-02T03:04:05.678901+00:00, with the given character for the T. */
void log_format_append_time(struct buffer *line, const struct timespec *time, char separator);

/* "rabbitmq.connection" and so on. */
const char *log_format_domain(enum config_log_category category);

#endif
