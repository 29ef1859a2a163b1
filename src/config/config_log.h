/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CONFIG_CONFIG_LOG_H
#define LEVERET_CONFIG_CONFIG_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The keys log.*: what is logged, where, and how it looks there. Part of struct config. */

/* In the order of severity: a message is logged if its level is at least the configured one. */
enum config_log_level {
    CONFIG_LOG_DEBUG,
    CONFIG_LOG_INFO,
    CONFIG_LOG_NOTICE,
    CONFIG_LOG_WARNING,
    CONFIG_LOG_ERROR,
    CONFIG_LOG_CRITICAL,
    CONFIG_LOG_ALERT,
    CONFIG_LOG_EMERGENCY,
    CONFIG_LOG_NONE,
};

enum config_log_format {
    CONFIG_LOG_PLAINTEXT,
    CONFIG_LOG_JSON,
};

enum config_log_time_format {
    CONFIG_LOG_RFC3339_SPACE,
    CONFIG_LOG_RFC3339_T,
    CONFIG_LOG_EPOCH_USECS,
    CONFIG_LOG_EPOCH_SECS,
    CONFIG_LOG_LAGER_DEFAULT,
};

enum config_log_level_format {
    CONFIG_LOG_LC, /* warning */
    CONFIG_LOG_UC,
    CONFIG_LOG_LC3, /* wrn */
    CONFIG_LOG_UC3,
    CONFIG_LOG_LC4, /* warn */
    CONFIG_LOG_UC4,
};

/* What a line is about. */
enum config_log_category {
    CONFIG_LOG_ABOUT_DEFAULT,
    CONFIG_LOG_ABOUT_CONNECTION,
    CONFIG_LOG_ABOUT_CHANNEL,
    CONFIG_LOG_ABOUT_QUEUE,
    CONFIG_LOG_ABOUT_MIRRORING,
    CONFIG_LOG_ABOUT_FEDERATION,
    CONFIG_LOG_ABOUT_UPGRADE,
    CONFIG_LOG_ABOUT_RA,
    CONFIG_LOG_CATEGORIES,
};

/* All texts here are owned and never NULL. */
struct config_log_formatter {
    enum config_log_format format;
    enum config_log_time_format time_format;
    enum config_log_level_format level_format;
    char *plaintext;     /* "$time [$level] $pid $msg" */
    char *field_map;     /* "time:ts level msg *:-" */
    char *verbosity_map; /* "debug:2 info:1 *:0", or "" */
};

/* When a file is put aside for a new one. */
struct config_log_rotation {
    char *date;          /* "$D0" and so on, or "" */
    uint64_t size_bytes; /* 0: not by size */
    uint32_t count;      /* files that are kept aside */
    bool is_count_set;
    bool compresses;
    bool is_compress_set;
};

struct config_log_output {
    bool is_on;
    enum config_log_level level;
    struct config_log_formatter formatter;
};

struct config_log_console {
    struct config_log_output output;
    bool to_stdout;
    bool has_colors; /* where it is a terminal */
};

struct config_log_file {
    char *path; /* "": none. Relative to the folder */
    enum config_log_level level;
    struct config_log_formatter formatter;
    struct config_log_rotation rotation;
};

enum config_syslog_transport {
    CONFIG_SYSLOG_UDP,
    CONFIG_SYSLOG_TCP,
    CONFIG_SYSLOG_TLS,
    CONFIG_SYSLOG_LOCAL, /* the socket of the machine's own */
};

enum config_syslog_protocol {
    CONFIG_SYSLOG_DEFAULT, /* rfc5424 over TLS, else rfc3164 */
    CONFIG_SYSLOG_RFC3164,
    CONFIG_SYSLOG_RFC5424,
};

struct config_log_syslog {
    struct config_log_output output;
    char *identity; /* "": the name of the node without its host */
    uint8_t facility;
    char *host;    /* "": 127.0.0.1. CONFIG_SYSLOG_LOCAL: a path, "": /dev/log */
    uint16_t port; /* 0: 514, over TLS 6514 */
    enum config_syslog_transport transport;
    enum config_syslog_protocol protocol;
    char *cacertfile; /* "", as the next three: not set */
    char *certfile;
    char *keyfile;
    char *password;
    bool verifies_not; /* verify_none */
};

struct config_log_journald {
    bool is_on;
    enum config_log_level level;
    char *fields; /* SYSLOG_IDENTIFIER="rabbitmq-server" priority ... */
};

struct config_log_about {
    enum config_log_level level;
    char *file;                          /* "": where the others go. Else there only */
    struct config_log_rotation rotation; /* what is not set is as that of log.file */
};

struct config_log {
    char *dir; /* "": the current one */
    struct config_log_console console;
    struct config_log_output exchange;
    struct config_log_file file;
    struct config_log_syslog syslog;
    struct config_log_journald journald;
    struct config_log_about about[CONFIG_LOG_CATEGORIES];
};

/* config_init and config_fini call these. */
void config_log_init(struct config_log *log);
void config_log_fini(struct config_log *log);

/* When a file is put aside by the date; local time. */
struct config_log_date {
    enum {
        CONFIG_LOG_NEVER,
        CONFIG_LOG_HOURLY,
        CONFIG_LOG_DAILY,
        CONFIG_LOG_WEEKLY,
        CONFIG_LOG_MONTHLY
    } every;
    int minute, hour;
    int weekday; /* 0: Sunday */
    int day;     /* 1 to 31, or the month's last where it has fewer; 0: the last */
};

/* Reads "$H30", "$D23", "$W5D16", "$M1D0", "$MLD0"; "" is never. False: it is none of these. */
bool config_log_date_read(struct config_log_date *date, const char *text)
    __attribute__((warn_unused_result));

/* NULL, or what is wrong with the text. */
const char *config_log_check_date(const char *text);
const char *config_log_check_plaintext(const char *text);
const char *config_log_check_field_map(const char *text);
const char *config_log_check_verbosity_map(const char *text);
const char *config_log_check_fields(const char *text);

/* The next word of *text, which blanks divide; of size 0 at its end. */
size_t config_log_next_word(const char **text, const char **word);

/* The name of a level: "warning". */
const char *config_log_level_name(enum config_log_level level);
/* False: there is no such level. */
bool config_log_level_read(enum config_log_level *level, const char *name);

#endif
