/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns and field maps are taken apart once, into a list of parts, each a field of the message
 * or a literal; a line is then put together part by part.
 *
 * What is logged is in large part what peers said: names of users, queues, clients. In a line of
 * text every character that could end the line, move a cursor, change a colour or turn the
 * direction of reading is written as an escape; in JSON it is JSON's own escape. So one message is
 * one line in every form, and nobody can put a line into the log that the server did not write.
 */
#include "log/log_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "base/xmalloc.h"

enum part_kind {
    PART_LITERAL,
    PART_TIME,
    PART_LEVEL,
    PART_MSG,
    PART_PID,
    PART_DOMAIN,
    PART_VERBOSITY
};

enum { level_count = CONFIG_LOG_NONE };

static const struct {
    const char *name;
    enum part_kind kind;
} fields[] = {
    {"time", PART_TIME}, {"level", PART_LEVEL},         {"msg", PART_MSG},
    {"pid", PART_PID},   {"verbosity", PART_VERBOSITY}, {"domain", PART_DOMAIN},
};
enum { field_count = sizeof fields / sizeof fields[0] };

struct part {
    enum part_kind kind;
    char *text; /* owned; a literal, or the name of the field in JSON */
};

struct log_format {
    bool is_json;
    enum config_log_time_format time_format;
    enum config_log_level_format level_format;
    struct part *parts; /* owned */
    size_t count, capacity;
    int verbosities[level_count]; /* -1: none */
};

/* --- taking patterns apart */

static void add_part(struct log_format *format, enum part_kind kind, const char *text, size_t size)
{
    format->parts =
        xgrow(format->parts, &format->capacity, format->count + 1, sizeof format->parts[0]);
    format->parts[format->count++] = (struct part){kind, xstrndup(text, size)};
}

/* False: no message has such a field. */
static bool find_field(const char *name, size_t size, enum part_kind *kind)
{
    for (size_t i = 0; i < field_count; i++) {
        if (strlen(fields[i].name) == size && memcmp(fields[i].name, name, size) == 0) {
            *kind = fields[i].kind;
            return true;
        }
    }
    return false;
}

/* Of a field that no message has nothing is left, as in RabbitMQ. */
static void read_plaintext(struct log_format *format, const char *pattern)
{
    static const char name_characters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    while (*pattern != '\0') {
        enum part_kind kind;
        if (*pattern != '$') {
            size_t size = strcspn(pattern, "$");
            add_part(format, PART_LITERAL, pattern, size);
            pattern += size;
            continue;
        }
        size_t size = strspn(++pattern, name_characters);
        if (find_field(pattern, size, &kind))
            add_part(format, kind, "", 0);
        pattern += size;
    }
}

/* Fields that are named come first and in their order, then those that are not, unless the map
 * drops them. */
static void read_field_map(struct log_format *format, const char *map)
{
    bool is_mentioned[field_count] = {false};
    bool drops_rest = false;
    const char *word;
    size_t size;
    while ((size = config_log_next_word(&map, &word)) > 0) {
        enum part_kind kind;
        const char *colon = memchr(word, ':', size);
        size_t name_size = colon == NULL ? size : (size_t)(colon - word);
        const char *new_name = colon == NULL ? word : colon + 1;
        size_t new_size = colon == NULL ? size : size - name_size - 1;
        bool is_dropped = colon != NULL && new_size == 1 && *new_name == '-';
        if (name_size == 1 && word[0] == '*')
            drops_rest = true;
        if (!find_field(word, name_size, &kind))
            continue;
        for (size_t i = 0; i < field_count; i++)
            is_mentioned[i] |= fields[i].kind == kind;
        if (!is_dropped)
            add_part(format, kind, new_name, new_size);
    }
    for (size_t i = 0; i < field_count && !drops_rest; i++) {
        if (!is_mentioned[i])
            add_part(format, fields[i].kind, fields[i].name, strlen(fields[i].name));
    }
}

static void read_verbosity_map(struct log_format *format, const char *map)
{
    const char *word, *rest = NULL;
    size_t size;
    for (size_t i = 0; i < level_count; i++)
        format->verbosities[i] = -1;
    while ((size = config_log_next_word(&map, &word)) > 0) {
        char *name = xstrndup(word, strcspn(word, ":"));
        enum config_log_level level;
        const char *number = memchr(word, ':', size);
        if (strcmp(name, "*") == 0)
            rest = number;
        else if (number != NULL && config_log_level_read(&level, name) && (int)level < level_count)
            format->verbosities[level] = atoi(number + 1);
        free(name);
    }
    for (size_t i = 0; i < level_count && rest != NULL; i++) {
        if (format->verbosities[i] < 0)
            format->verbosities[i] = atoi(rest + 1);
    }
}

struct log_format *log_format_new(const struct config_log_formatter *formatter)
{
    struct log_format *format = xcalloc(1, sizeof *format);
    format->is_json = formatter->format == CONFIG_LOG_JSON;
    format->time_format = formatter->time_format;
    format->level_format = formatter->level_format;
    read_verbosity_map(format, formatter->verbosity_map);
    if (format->is_json)
        read_field_map(format, formatter->field_map);
    else
        read_plaintext(format, formatter->plaintext);
    return format;
}

void log_format_free(struct log_format *format)
{
    if (format == NULL)
        return;
    for (size_t i = 0; i < format->count; i++)
        free(format->parts[i].text);
    free(format->parts);
    free(format);
}

/* --- times, levels and names */

/* The texts of a second, made once: they are half of what a line costs. */
struct second {
    bool is_set;
    time_t time;
    char date[32], zone[8];
};

static const struct second *second_of(time_t time)
{
    static _Thread_local struct second last;
    struct tm parts;
    if (last.is_set && last.time == time)
        return &last;
    last.is_set = true;
    last.time = time;
    localtime_r(&time, &parts);
    strftime(last.date, sizeof last.date, "%Y-%m-%d %H:%M:%S", &parts);
    strftime(last.zone, sizeof last.zone, "%z", &parts);
    return &last;
}

void log_format_append_time(struct buffer *line, const struct timespec *time, char separator)
{
    const struct second *second = second_of(time->tv_sec);
    buffer_append_format(line, "%.10s%c%s.%06ld%.3s:%s", second->date, separator, second->date + 11,
                         time->tv_nsec / 1000, second->zone, second->zone + 3);
}

static void append_time(const struct log_format *format, const struct timespec *time,
                        struct buffer *line)
{
    int64_t seconds = time->tv_sec;
    switch (format->time_format) {
    case CONFIG_LOG_RFC3339_SPACE:
        log_format_append_time(line, time, ' ');
        break;
    case CONFIG_LOG_RFC3339_T:
        log_format_append_time(line, time, 'T');
        break;
    case CONFIG_LOG_EPOCH_USECS:
        buffer_append_format(line, "%" PRId64, seconds * 1000000 + time->tv_nsec / 1000);
        break;
    case CONFIG_LOG_EPOCH_SECS:
        buffer_append_format(line, "%" PRId64, seconds);
        break;
    case CONFIG_LOG_LAGER_DEFAULT:
        buffer_append_format(line, "%s.%03ld", second_of(time->tv_sec)->date,
                             time->tv_nsec / 1000000);
        break;
    }
}

static const char *level_text(enum config_log_level level, enum config_log_level_format format)
{
    static const char *const names[][level_count] = {
        [CONFIG_LOG_UC] = {"DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT",
                           "EMERGENCY"},
        [CONFIG_LOG_LC3] = {"dbg", "inf", "ntc", "wrn", "err", "crt", "alt", "emg"},
        [CONFIG_LOG_UC3] = {"DBG", "INF", "NTC", "WRN", "ERR", "CRT", "ALT", "EMG"},
        [CONFIG_LOG_LC4] = {"dbug", "info", "noti", "warn", "erro", "crit", "alrt", "emgc"},
        [CONFIG_LOG_UC4] = {"DBUG", "INFO", "NOTI", "WARN", "ERRO", "CRIT", "ALRT", "EMGC"},
    };
    return format == CONFIG_LOG_LC ? config_log_level_name(level) : names[format][level];
}

const char *log_format_domain(enum config_log_category category)
{
    static const char *const domains[CONFIG_LOG_CATEGORIES] = {
        "rabbitmq",           "rabbitmq.connection", "rabbitmq.channel", "rabbitmq.queue",
        "rabbitmq.mirroring", "rabbitmq.federation", "rabbitmq.upgrade", "rabbitmq.ra",
    };
    return domains[category];
}

/* --- texts of peers */

static uint32_t code_of(const uint8_t *data, size_t size)
{
    static const uint8_t masks[] = {0x7f, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = data[0] & masks[size];
    for (size_t i = 1; i < size; i++)
        code = code << 6 | (data[i] & 0x3f);
    return code;
}

/* Characters that are not shown but obeyed: controls, line and paragraph separators, directions. */
static bool is_obeyed(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x61c ||
           (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

static void append_escape(struct buffer *line, uint32_t code)
{
    const char *found = code < 0x20 && code > 0 ? strchr("\nn\tt\rr", (int)code) : NULL;
    if (found != NULL)
        buffer_append_format(line, "\\%c", found[1]);
    else
        buffer_append_format(line, code < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)code);
}

void log_format_append_escaped(struct buffer *line, struct bytes text)
{
    while (text.size > 0) {
        size_t taken = utf8_character_bytes(text);
        uint32_t code = taken == 0 ? text.data[0] : code_of(text.data, taken);
        if (taken == 0 || is_obeyed(code))
            append_escape(line, code);
        else
            buffer_append(line, text.data, taken);
        taken += taken == 0;
        text = bytes_of(text.data + taken, text.size - taken);
    }
}

/* An octet that is no UTF-8 is taken for Latin-1, as it is in the names that leveretctl prints. */
static void append_json_text(struct buffer *line, struct bytes text)
{
    buffer_append_u8(line, '"');
    while (text.size > 0) {
        size_t taken = utf8_character_bytes(text);
        uint32_t code = taken == 0 ? text.data[0] : code_of(text.data, taken);
        if (code == '"' || code == '\\')
            buffer_append_format(line, "\\%c", (char)code);
        else if (is_obeyed(code))
            buffer_append_format(line, "\\u%04x", (unsigned)code);
        else if (taken == 0)
            buffer_append_format(line, "%c%c", (int)(0xc0 | code >> 6),
                                 (int)(0x80 | (code & 0x3f)));
        else
            buffer_append(line, text.data, taken);
        taken += taken == 0;
        text = bytes_of(text.data + taken, text.size - taken);
    }
    buffer_append_u8(line, '"');
}

/* --- lines */

static void append_plain_part(struct log_format *format, const struct part *part,
                              const struct log_entry *entry, struct buffer *line)
{
    switch (part->kind) {
    case PART_LITERAL:
        buffer_append_bytes(line, bytes_of_text(part->text));
        break;
    case PART_TIME:
        append_time(format, &entry->time, line);
        break;
    case PART_LEVEL:
        buffer_append_bytes(line, bytes_of_text(level_text(entry->level, format->level_format)));
        break;
    case PART_MSG:
        log_format_append_escaped(line, bytes_of(entry->text, entry->size));
        break;
    case PART_PID:
        buffer_append_format(line, "<0.%" PRIu32 ".0>", entry->thread);
        break;
    case PART_DOMAIN:
        buffer_append_bytes(line, bytes_of_text(log_format_domain(entry->category)));
        break;
    case PART_VERBOSITY:
        if (format->verbosities[entry->level] >= 0)
            buffer_append_format(line, "%d", format->verbosities[entry->level]);
        break;
    }
}

/* The values that JSON writes as numbers. */
static bool is_number(const struct log_format *format, enum part_kind kind)
{
    return kind == PART_VERBOSITY ||
           (kind == PART_TIME && (format->time_format == CONFIG_LOG_EPOCH_SECS ||
                                  format->time_format == CONFIG_LOG_EPOCH_USECS));
}

static void append_json_part(struct log_format *format, const struct part *part,
                             const struct log_entry *entry, struct buffer *line)
{
    append_json_text(line, bytes_of_text(part->text));
    buffer_append_u8(line, ':');
    if (part->kind == PART_MSG) {
        append_json_text(line, bytes_of(entry->text, entry->size));
        return;
    }
    if (!is_number(format, part->kind))
        buffer_append_u8(line, '"');
    append_plain_part(format, part, entry, line);
    if (!is_number(format, part->kind))
        buffer_append_u8(line, '"');
}

static void append_json(struct log_format *format, const struct log_entry *entry,
                        struct buffer *line)
{
    char separator = '{';
    for (size_t i = 0; i < format->count; i++) {
        const struct part *part = &format->parts[i];
        if (part->kind == PART_VERBOSITY && format->verbosities[entry->level] < 0)
            continue;
        buffer_append_u8(line, (uint8_t)separator);
        append_json_part(format, part, entry, line);
        separator = ',';
    }
    if (separator == '{')
        buffer_append_u8(line, '{');
    buffer_append_u8(line, '}');
}

void log_format_append(struct log_format *format, const struct log_entry *entry,
                       struct buffer *line)
{
    if (format->is_json) {
        append_json(format, entry, line);
        return;
    }
    for (size_t i = 0; i < format->count; i++)
        append_plain_part(format, &format->parts[i], entry, line);
}
