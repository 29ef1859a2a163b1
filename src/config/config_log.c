/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The defaults of the keys log.*, and the small languages in their values: when a file is rotated
 * (newsyslog's: $D0), what a line of text looks like, which fields a line of JSON or of the journal
 * has. They are checked here, when the configuration is read, so that a mistake has its line; who
 * writes the log reads them again and finds nothing wrong.
 */
#include "config/config_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"

static const char *const LEVELS[] = {"debug",    "info",  "notice",    "warning", "error",
                                     "critical", "alert", "emergency", "none"};

const char *config_log_level_name(enum config_log_level level)
{
    return LEVELS[level];
}

bool config_log_level_read(enum config_log_level *level, const char *name)
{
    for (size_t i = 0; i < sizeof LEVELS / sizeof LEVELS[0]; i++) {
        if (strcmp(LEVELS[i], name) == 0) {
            *level = (enum config_log_level)i;
            return true;
        }
    }
    return false;
}

/* --- defaults */

static void init_formatter(struct config_log_formatter *formatter, const char *plaintext)
{
    formatter->plaintext = xstrdup(plaintext);
    formatter->field_map =
        xstrdup("time level msg gl:- logger_formatter:- report_cb:- error_logger:-");
    formatter->verbosity_map = xstrdup("");
}

static void fini_formatter(struct config_log_formatter *formatter)
{
    free(formatter->plaintext);
    free(formatter->field_map);
    free(formatter->verbosity_map);
}

static void init_syslog(struct config_log_syslog *syslog)
{
    enum { facility_daemon = 3 };
    syslog->output.level = CONFIG_LOG_INFO;
    init_formatter(&syslog->output.formatter, "$msg");
    syslog->facility = facility_daemon;
    char **texts[] = {&syslog->identity, &syslog->host,    &syslog->cacertfile,
                      &syslog->certfile, &syslog->keyfile, &syslog->password};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        *texts[i] = xstrdup("");
}

static void fini_syslog(struct config_log_syslog *syslog)
{
    fini_formatter(&syslog->output.formatter);
    char *texts[] = {syslog->identity, syslog->host,    syslog->cacertfile,
                     syslog->certfile, syslog->keyfile, syslog->password};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
}

void config_log_init(struct config_log *log)
{
    static const char plaintext[] = "$time [$level] $pid $msg";
    *log = (struct config_log){
        .dir = xstrdup(""),
        .console = {.output = {.is_on = true, .level = CONFIG_LOG_INFO}, .has_colors = true},
        .exchange = {.level = CONFIG_LOG_INFO},
        .file = {.path = xstrdup(""), .level = CONFIG_LOG_INFO, .rotation = {.date = xstrdup("")}},
        .journald = {.level = CONFIG_LOG_INFO},
    };
    init_formatter(&log->console.output.formatter, plaintext);
    init_formatter(&log->exchange.formatter, plaintext);
    init_formatter(&log->file.formatter, plaintext);
    init_syslog(&log->syslog);
    log->journald.fields = xstrdup("SYSLOG_IDENTIFIER=\"rabbitmq-server\" syslog_timestamp "
                                   "syslog_pid priority ERL_PID=pid CODE_FILE=file CODE_LINE=line "
                                   "CODE_MFA=mfa");
    for (size_t i = 0; i < CONFIG_LOG_CATEGORIES; i++)
        log->about[i] = (struct config_log_about){
            .level = CONFIG_LOG_INFO, .file = xstrdup(""), .rotation = {.date = xstrdup("")}};
}

void config_log_fini(struct config_log *log)
{
    free(log->dir);
    fini_formatter(&log->console.output.formatter);
    fini_formatter(&log->exchange.formatter);
    fini_formatter(&log->file.formatter);
    free(log->file.path);
    free(log->file.rotation.date);
    fini_syslog(&log->syslog);
    free(log->journald.fields);
    for (size_t i = 0; i < CONFIG_LOG_CATEGORIES; i++) {
        free(log->about[i].file);
        free(log->about[i].rotation.date);
    }
}

/* --- when a file is rotated */

/* One or two digits behind the letter, within the range. */
static bool read_number(const char **text, char letter, int min, int max, int *number)
{
    const char *at = *text;
    if (at[0] != letter || at[1] < '0' || at[1] > '9')
        return false;
    *number = at[1] - '0';
    at += 2;
    if (*at >= '0' && *at <= '9')
        *number = *number * 10 + *at++ - '0';
    *text = at;
    return *number >= min && *number <= max;
}

static bool read_month_day(const char **text, int *day)
{
    if ((*text)[0] == 'M' && ((*text)[1] == 'L' || (*text)[1] == 'l')) {
        *day = 0;
        *text += 2;
        return true;
    }
    return read_number(text, 'M', 1, 31, day);
}

bool config_log_date_read(struct config_log_date *date, const char *text)
{
    *date = (struct config_log_date){0};
    if (*text == '\0')
        return true;
    if (*text++ != '$')
        return false;
    bool is_right = true;
    if (*text == 'H') {
        date->every = CONFIG_LOG_HOURLY;
    } else if (*text == 'D') {
        date->every = CONFIG_LOG_DAILY;
    } else if (*text == 'W') {
        date->every = CONFIG_LOG_WEEKLY;
        is_right = read_number(&text, 'W', 0, 6, &date->weekday);
    } else {
        date->every = CONFIG_LOG_MONTHLY;
        is_right = read_month_day(&text, &date->day);
    }
    if (is_right && *text == 'D')
        is_right = read_number(&text, 'D', 0, 23, &date->hour);
    if (is_right && *text == 'H')
        is_right = read_number(&text, 'H', 0, 59, &date->minute);
    return is_right && *text == '\0';
}

const char *config_log_check_date(const char *text)
{
    struct config_log_date date;
    return config_log_date_read(&date, text)
               ? NULL
               : "a time such as $D0 (every day at 0:00), $W5D16 (Fridays at 16:00), $M1D0 (the "
                 "first of every month) or $H30 (half past every hour) is expected";
}

/* --- lines and fields */

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

const char *config_log_check_plaintext(const char *text)
{
    for (const char *at = strchr(text, '$'); at != NULL; at = strchr(at + 1, '$')) {
        if (!is_name(at[1]))
            return "the name of a field is expected after $, as in $time [$level] $pid $msg";
    }
    return NULL;
}

size_t config_log_next_word(const char **text, const char **word)
{
    *word = *text + strspn(*text, " \t");
    size_t size = strcspn(*word, " \t");
    *text = *word + size;
    return size;
}

const char *config_log_check_field_map(const char *text)
{
    static const char expected[] =
        "fields are expected, each as name, name:new_name or name:- , or *:- for all others";
    const char *word;
    size_t size;
    while ((size = config_log_next_word(&text, &word)) > 0) {
        const char *colon = memchr(word, ':', size);
        size_t name_size = colon == NULL ? size : (size_t)(colon - word);
        size_t new_size = colon == NULL ? 1 : size - name_size - 1;
        bool is_rest = name_size == 1 && word[0] == '*';
        if (name_size == 0 || new_size == 0 ||
            (is_rest && (colon == NULL || new_size != 1 || colon[1] != '-')))
            return expected;
    }
    return NULL;
}

const char *config_log_check_verbosity_map(const char *text)
{
    static const char expected[] = "levels with a number are expected, such as debug:2 info:1 *:0";
    const char *word;
    size_t size;
    while ((size = config_log_next_word(&text, &word)) > 0) {
        enum config_log_level level;
        char name[16];
        const char *colon = memchr(word, ':', size);
        size_t name_size = colon == NULL ? size : (size_t)(colon - word);
        size_t digits = colon == NULL ? 0 : strspn(colon + 1, "0123456789");
        if (name_size >= sizeof name || digits == 0 || digits > 9 || name_size + 1 + digits != size)
            return expected;
        memcpy(name, word, name_size);
        name[name_size] = '\0';
        if (strcmp(name, "*") != 0 && !config_log_level_read(&level, name))
            return expected;
    }
    return NULL;
}

/* The journal takes names of capitals, digits and underscores, the first of them a capital. */
static bool is_journal_name(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        bool is_capital = name[i] >= 'A' && name[i] <= 'Z';
        if (!is_capital && (i == 0 || (name[i] != '_' && (name[i] < '0' || name[i] > '9'))))
            return false;
    }
    return size > 0 && size <= 64;
}

const char *config_log_check_fields(const char *text)
{
    static const char expected[] =
        "fields are expected, each as field, NAME=field or NAME=\"text\"";
    const char *word;
    size_t size;
    while ((size = config_log_next_word(&text, &word)) > 0) {
        const char *equals = memchr(word, '=', size);
        if (equals == NULL)
            continue;
        size_t name_size = (size_t)(equals - word);
        bool is_quoted = equals[1] == '"';
        if (!is_journal_name(word, name_size) || name_size + 1 == size ||
            (is_quoted && (size - name_size < 3 || word[size - 1] != '"')))
            return expected;
    }
    return NULL;
}
