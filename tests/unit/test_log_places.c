/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places that the log goes to: files that are rotated, by times that the test chooses; a pipe
 * that nobody reads; syslog over each transport and the journal, played by sockets of the test. And
 * what a message looks like there, whatever a peer has put into it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/utf8.h"
#include "base/xmalloc.h"
#include "config/config.h"
#include "log/log_compress.h"
#include "log/log_file.h"
#include "log/log_format.h"
#include "log/log_journal.h"
#include "log/log_outlet.h"
#include "log/log_rotation.h"
#include "log/log_stream.h"
#include "log/log_syslog.h"

enum { wait_ms = 10000, all = (1 << CONFIG_LOG_CATEGORIES) - 1 };

struct fixture {
    struct config_log config;
    char folder[64];
    char path[96];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const char *parent = getenv("TMPDIR");
    assert_non_null(f);
    config_log_init(&f->config);
    snprintf(f->folder, sizeof f->folder, "%s/places-XXXXXX", parent != NULL ? parent : "/tmp");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/a.log", f->folder);
    free(f->config.file.formatter.plaintext);
    f->config.file.formatter.plaintext = xstrdup("$level $msg");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"a.log",      "a.log.0",    "a.log.1",    "a.log.2",
                                        "a.log.0.gz", "a.log.1.gz", "a.log.2.gz", "socket"};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", f->folder, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(f->folder), 0);
    config_log_fini(&f->config);
    free(f);
    return 0;
}

static struct log_entry *entry_at(time_t time, enum config_log_level level, const char *text)
{
    size_t size = strlen(text);
    struct log_entry *entry = xcalloc(1, sizeof *entry + size + 1);
    entry->time = (struct timespec){time, 678901000};
    entry->level = level;
    entry->category = CONFIG_LOG_ABOUT_CONNECTION;
    entry->thread = 7;
    entry->size = size;
    memcpy(entry->text, text, size);
    return entry;
}

static void offer_at(struct log_outlet *outlet, time_t time, const char *text)
{
    log_outlets_offer(&outlet, 1, entry_at(time, CONFIG_LOG_INFO, text));
}

static void end(struct log_outlet *outlet)
{
    log_outlet_end(outlet, wait_ms);
    log_outlets_wait(wait_ms);
}

static void assert_file(const struct fixture *f, const char *name, const char *expected)
{
    char path[128], text[512] = "";
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        assert_null(expected);
        return;
    }
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    assert_string_equal(text, expected);
}

/* 2026-MONTH-DAY HOUR:MINUTE of local time. */
static time_t at(int month, int day, int hour, int minute)
{
    struct tm parts = {.tm_year = 126,
                       .tm_mon = month - 1,
                       .tm_mday = day,
                       .tm_hour = hour,
                       .tm_min = minute,
                       .tm_isdst = -1};
    return mktime(&parts);
}

/* --- rotation */

static void assert_last(const char *pattern, time_t now, time_t expected)
{
    struct config_log_date date;
    assert_true(config_log_date_read(&date, pattern));
    if (log_rotation_last(&date, now) != expected)
        fail_msg("%s at %ld: %ld, not %ld", pattern, (long)now, (long)log_rotation_last(&date, now),
                 (long)expected);
}

static void dates_are_those_of_newsyslog(void **state)
{
    (void)state;
    assert_last("$D0", at(11, 22, 0, 0), at(11, 22, 0, 0));
    assert_last("$D0", at(11, 22, 23, 59), at(11, 22, 0, 0));
    assert_last("$D23", at(11, 22, 22, 59), at(11, 21, 23, 0));
    assert_last("$D23H30", at(11, 22, 23, 29), at(11, 21, 23, 30));
    assert_last("$H15", at(11, 22, 0, 14), at(11, 21, 23, 15));
    assert_last("$H15", at(11, 22, 0, 15), at(11, 22, 0, 15));
    /* The 22nd of November 2026 is a Sunday. */
    assert_last("$W0D23", at(11, 22, 22, 0), at(11, 15, 23, 0));
    assert_last("$W0D23", at(11, 22, 23, 0), at(11, 22, 23, 0));
    assert_last("$W5D16", at(11, 22, 12, 0), at(11, 20, 16, 0));
    assert_last("$M1D0", at(11, 22, 12, 0), at(11, 1, 0, 0));
    assert_last("$M31D5", at(3, 30, 12, 0), at(2, 28, 5, 0));
    assert_last("$ML", at(3, 1, 12, 0), at(2, 28, 0, 0));
    assert_last("$M5D6", at(1, 5, 5, 59), at(1, 5, 6, 0) - 31L * 86400);
}

static void wrong_dates_are_refused(void **state)
{
    static const char *const wrong[] = {"D0",   "$",    "$D24", "$H60",  "$W7",  "$M0",
                                        "$M32", "$D0x", "$X1",  "$D0D1", "daily"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (config_log_check_date(wrong[i]) == NULL)
            fail_msg("%s was taken", wrong[i]);
    }
}

static struct log_outlet *open_file(struct fixture *f)
{
    struct log_outlet *outlet = log_file_new(f->path, &f->config.file.formatter,
                                             &f->config.file.rotation, CONFIG_LOG_INFO, all);
    assert_non_null(outlet);
    log_outlet_start(outlet);
    return outlet;
}

static void a_file_is_put_aside_by_size(void **state)
{
    struct fixture *f = *state;
    f->config.file.rotation.size_bytes = 15;
    f->config.file.rotation.count = 2;
    struct log_outlet *outlet = open_file(f);
    offer_at(outlet, 1000, "one");
    offer_at(outlet, 1000, "two");
    offer_at(outlet, 1000, "three");
    offer_at(outlet, 1000, "four five six");
    offer_at(outlet, 1000, "seven eight nine");
    offer_at(outlet, 1000, "ten");
    end(outlet);
    assert_file(f, "a.log", "info ten\n");
    assert_file(f, "a.log.0", "info seven eight nine\n");
    assert_file(f, "a.log.1", "info three\ninfo four five six\n");
    assert_file(f, "a.log.2", NULL);
}

static void assert_compressed(const struct fixture *f, const char *name, const char *expected)
{
    char path[128], text[512] = "";
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    gzFile file = gzopen(path, "rb");
    assert_non_null(file);
    assert_true(gzread(file, text, sizeof text - 1) >= 0);
    assert_false(gzdirect(file));
    gzclose(file);
    assert_string_equal(text, expected);
}

static void write_file(const struct fixture *f, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* What was put aside before compression was wanted stays as it is, and so does what a server left
 * that died while it compressed. */
static void what_is_put_aside_is_compressed(void **state)
{
    struct fixture *f = *state;
    f->config.file.rotation.size_bytes = 1;
    f->config.file.rotation.count = 3;
    f->config.file.rotation.compresses = true;
    write_file(f, "a.log.0", "of before\n");
    write_file(f, "a.log.0.gz.part", "half of it");
    struct log_outlet *outlet = open_file(f);
    offer_at(outlet, 1000, "one");
    offer_at(outlet, 1000, "two");
    offer_at(outlet, 1000, "three");
    end(outlet);
    assert_file(f, "a.log", "info three\n");
    assert_file(f, "a.log.0", NULL);
    assert_file(f, "a.log.0.gz.part", NULL);
    assert_compressed(f, "a.log.0.gz", "info two\n");
    assert_compressed(f, "a.log.1.gz", "info one\n");
    assert_file(f, "a.log.2", "of before\n");
    outlet = open_file(f);
    offer_at(outlet, 1000, "four");
    end(outlet);
    assert_compressed(f, "a.log.2.gz", "info one\n");
    assert_file(f, "a.log.2", NULL);
}

static bool goes_on_for_once(void *context)
{
    return --*(int *)context > 0;
}

static void what_cannot_be_compressed_stays(void **state)
{
    struct fixture *f = *state;
    char path[128], part[160];
    int left = 1;
    snprintf(path, sizeof path, "%s/a.log.0", f->folder);
    snprintf(part, sizeof part, "%s.gz.part", path);
    assert_false(log_compress(path, goes_on_for_once, &left));
    write_file(f, "a.log.0", "lines\n");
    assert_false(log_compress(path, goes_on_for_once, &left));
    assert_int_equal(mkdir(part, 0700), 0);
    left = 9;
    assert_false(log_compress(path, goes_on_for_once, &left));
    assert_int_equal(rmdir(part), 0);
    assert_file(f, "a.log.0", "lines\n");
    assert_file(f, "a.log.0.gz", NULL);
    assert_file(f, "a.log.0.gz.part", NULL);
    assert_true(log_compress(path, goes_on_for_once, &left));
    assert_compressed(f, "a.log.0.gz", "lines\n");
}

static void a_file_is_put_aside_by_date(void **state)
{
    struct fixture *f = *state;
    free(f->config.file.rotation.date);
    f->config.file.rotation.date = xstrdup("$D4");
    f->config.file.rotation.count = 5;
    struct log_outlet *outlet = open_file(f);
    offer_at(outlet, at(11, 22, 3, 0), "a");
    offer_at(outlet, at(11, 22, 3, 59), "b");
    offer_at(outlet, at(11, 22, 4, 0), "c");
    offer_at(outlet, at(11, 22, 3, 0), "the clock went back");
    offer_at(outlet, at(11, 23, 3, 59), "d");
    offer_at(outlet, at(11, 26, 12, 0), "e");
    end(outlet);
    assert_file(f, "a.log", "info e\n");
    assert_file(f, "a.log.0", "info c\ninfo the clock went back\ninfo d\n");
    assert_file(f, "a.log.1", "info a\ninfo b\n");
}

static void without_a_count_nothing_is_kept(void **state)
{
    struct fixture *f = *state;
    f->config.file.rotation.size_bytes = 1;
    struct log_outlet *outlet = open_file(f);
    offer_at(outlet, 1000, "one");
    offer_at(outlet, 1000, "two");
    end(outlet);
    assert_file(f, "a.log", "info two\n");
    assert_file(f, "a.log.0", NULL);
}

/* --- a place that takes nothing */

static void a_pipe_that_nobody_reads_stops_nobody(void **state)
{
    enum { count = 40000, line_size = 100 };
    struct fixture *f = *state;
    char text[line_size];
    int ends[2];
    size_t lines = 0;
    assert_int_equal(pipe(ends), 0);
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    struct log_outlet *outlet =
        log_stream_new(ends[1], "pipe", &f->config.console.output, false, all);
    log_outlet_start(outlet);
    uint64_t lost_before = log_outlets_lost();
    for (int i = 0; i < count; i++)
        offer_at(outlet, 1000, text);
    uint64_t lost = log_outlets_lost() - lost_before;
    assert_true(lost > 0 && lost < count);
    /* Now somebody reads: what is missing is told, in one line or several. */
    log_outlet_end(outlet, wait_ms);
    FILE *reader = fdopen(ends[0], "r");
    char line[512];
    uint64_t told = 0;
    while ((lines < count - lost || told < lost) && fgets(line, sizeof line, reader) != NULL) {
        const char *text_of_loss = strstr(line, "> ");
        bool is_loss = strstr(line, " messages are missing here") != NULL;
        told += is_loss ? strtoull(text_of_loss + 2, NULL, 10) : 0;
        lines += !is_loss;
    }
    assert_int_equal(told, lost);
    assert_int_equal(lines, count - lost);
    log_outlets_wait(wait_ms);
    fclose(reader);
    close(ends[1]);
}

static void an_end_does_not_wait_for_a_full_pipe(void **state)
{
    struct fixture *f = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct log_outlet *outlet =
        log_stream_new(ends[1], "pipe", &f->config.console.output, false, all);
    log_outlet_start(outlet);
    for (int i = 0; i < 5000; i++)
        offer_at(outlet, 1000, "a line that fills the pipe");
    log_outlet_end(outlet, 1);
    log_outlets_wait(wait_ms);
    close(ends[0]);
    close(ends[1]);
}

/* --- what messages look like */

static void assert_line(const struct config_log_formatter *formatter, const char *text,
                        const char *expected)
{
    struct buffer line = {0};
    struct log_format *format = log_format_new(formatter);
    struct log_entry *entry = entry_at(1000000000, CONFIG_LOG_WARNING, text);
    log_format_append(format, entry, &line);
    buffer_append_u8(&line, '\0');
    assert_string_equal((const char *)line.data, expected);
    assert_true(utf8_is_valid(bytes_of_text((const char *)line.data)));
    free(entry);
    log_format_free(format);
    buffer_fini(&line);
}

static void lines_are_what_the_pattern_says(void **state)
{
    struct config_log_formatter formatter = {
        .plaintext = "$time [$level] $pid $msg", .field_map = "", .verbosity_map = "debug:2 *:1"};
    (void)state;
    assert_line(&formatter, "a b", "2001-09-09 01:46:40.678901+00:00 [warning] <0.7.0> a b");
    formatter.time_format = CONFIG_LOG_RFC3339_T;
    formatter.level_format = CONFIG_LOG_UC4;
    assert_line(&formatter, "a b", "2001-09-09T01:46:40.678901+00:00 [WARN] <0.7.0> a b");
    formatter.time_format = CONFIG_LOG_LAGER_DEFAULT;
    formatter.plaintext = "$time$level$nothing!$domain $verbosity";
    formatter.level_format = CONFIG_LOG_LC3;
    assert_line(&formatter, "a b", "2001-09-09 01:46:40.678wrn!rabbitmq.connection 1");
    formatter.time_format = CONFIG_LOG_EPOCH_USECS;
    formatter.plaintext = "$time";
    assert_line(&formatter, "a b", "1000000000678901");
}

static void json_has_the_fields_of_the_map(void **state)
{
    struct config_log_formatter formatter = {
        .format = CONFIG_LOG_JSON,
        .time_format = CONFIG_LOG_EPOCH_SECS,
        .plaintext = "",
        .field_map = "msg time:ts level:- gl:-",
        .verbosity_map = "",
    };
    (void)state;
    assert_line(&formatter, "a",
                "{\"msg\":\"a\",\"ts\":1000000000,\"pid\":\"<0.7.0>\","
                "\"domain\":\"rabbitmq.connection\"}");
    formatter.field_map = "level verbosity msg:m\"x *:-";
    formatter.verbosity_map = "warning:5 *:0";
    assert_line(&formatter, "a", "{\"level\":\"warning\",\"verbosity\":5,\"m\\\"x\":\"a\"}");
    formatter.field_map = "*:-";
    assert_line(&formatter, "a", "{}");
}

/* Line ends, escape sequences, directions of reading, octets that are no UTF-8. */
static void nobody_writes_lines_of_the_servers(void **state)
{
    struct config_log_formatter formatter = {
        .plaintext = "$msg", .field_map = "msg *:-", .verbosity_map = ""};
    static const char hostile[] = "a\r\nb\x1b[2J\x7f\xc2\x85\xe2\x80\xa8\xe2\x80\xae\xff\"\\";
    (void)state;
    assert_line(&formatter, hostile, "a\\r\\nb\\x1b[2J\\x7f\\x85\\u2028\\u202e\\xff\"\\");
    formatter.format = CONFIG_LOG_JSON;
    assert_line(&formatter, hostile,
                "{\"msg\":\"a\\u000d\\u000ab\\u001b[2J\\u007f\\u0085\\u2028\\u202e\xc3\xbf"
                "\\\"\\\\\"}");
}

/* --- syslog */

static void syslog_has_two_forms(void **state)
{
    struct config_log_formatter formatter = {
        .plaintext = "$msg", .field_map = "", .verbosity_map = ""};
    struct log_syslog_header header = {.protocol = CONFIG_SYSLOG_RFC3164,
                                       .facility = 3,
                                       .host = "hare",
                                       .identity = "rabbit",
                                       .pid = 42};
    struct log_format *format = log_format_new(&formatter);
    struct log_entry *entry = entry_at(1000000000, CONFIG_LOG_ERROR, "no\nway");
    struct buffer message = {0};
    (void)state;
    log_syslog_append(&header, format, entry, &message);
    buffer_append_u8(&message, '\0');
    assert_string_equal((const char *)message.data,
                        "<27>Sep  9 01:46:40 hare rabbit[42]: no\\nway");
    buffer_clear(&message);
    header.protocol = CONFIG_SYSLOG_RFC5424;
    log_syslog_append(&header, format, entry, &message);
    buffer_append_u8(&message, '\0');
    assert_string_equal((const char *)message.data,
                        "<27>1 2001-09-09T01:46:40.678901+00:00 hare rabbit 42 "
                        "rabbitmq.connection - no\\nway");
    buffer_fini(&message);
    free(entry);
    log_format_free(format);
}

/* A socket on any free port of this machine. */
static int open_server(int type, uint16_t *port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(*port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    struct timeval wait = {.tv_sec = wait_ms / 1000};
    int on = 1;
    int fd = socket(AF_INET, type, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static struct log_outlet *open_syslog(struct fixture *f)
{
    char reason[256];
    struct log_outlet *outlet =
        log_syslog_new(&f->config.syslog, "hare@host", all, reason, sizeof reason);
    assert_non_null(outlet);
    log_outlet_start(outlet);
    return outlet;
}

static void expect_text(int fd, const char *part)
{
    char text[512];
    ssize_t size = recv(fd, text, sizeof text - 1, 0);
    assert_true(size > 0);
    text[size] = '\0';
    if (strstr(text, part) == NULL)
        fail_msg("no '%s' in '%s'", part, text);
}

static void syslog_goes_over_udp(void **state)
{
    struct fixture *f = *state;
    uint16_t port = 0;
    int server = open_server(SOCK_DGRAM, &port);
    f->config.syslog.port = port;
    struct log_outlet *outlet = open_syslog(f);
    offer_at(outlet, 1000, "first");
    expect_text(server, ": first");
    end(outlet);
    close(server);
}

static void syslog_goes_to_the_machines_own(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = wait_ms / 1000};
    int server = socket(AF_UNIX, SOCK_DGRAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%.80s/socket", f->folder);
    setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof address), 0);
    f->config.syslog.transport = CONFIG_SYSLOG_LOCAL;
    free(f->config.syslog.host);
    f->config.syslog.host = xstrdup(address.sun_path);
    struct log_outlet *outlet = open_syslog(f);
    offer_at(outlet, 1000, "here");
    expect_text(server, " hare[");
    offer_at(outlet, 1000, "there");
    expect_text(server, ": there");
    end(outlet);
    close(server);
}

/* A frame: its length, a blank, the message. */
static void expect_frame(int fd, const char *part)
{
    char text[512];
    size_t size = 0, at = 0;
    while (at < 10 && recv(fd, &text[at], 1, 0) == 1 && text[at] != ' ')
        size = size * 10 + (size_t)(text[at++] - '0');
    assert_true(size > 0 && size < sizeof text);
    assert_int_equal(recv(fd, text, size, MSG_WAITALL), size);
    text[size] = '\0';
    if (strstr(text, part) == NULL)
        fail_msg("no '%s' in '%s'", part, text);
}

static void syslog_over_tcp_survives_the_servers_restart(void **state)
{
    struct fixture *f = *state;
    uint16_t port = 0;
    int server = open_server(SOCK_STREAM, &port);
    f->config.syslog.port = port;
    f->config.syslog.transport = CONFIG_SYSLOG_TCP;
    f->config.syslog.protocol = CONFIG_SYSLOG_RFC5424;
    struct log_outlet *outlet = open_syslog(f);
    offer_at(outlet, 1000, "first");
    int peer = accept(server, NULL, NULL);
    assert_true(peer >= 0);
    expect_frame(peer, "rabbitmq.connection - first");
    close(peer);
    close(server);
    offer_at(outlet, 1000, "while it was away");
    offer_at(outlet, 1000, "second");
    server = open_server(SOCK_STREAM, &port);
    peer = accept(server, NULL, NULL);
    assert_true(peer >= 0);
    expect_frame(peer, "- while it was away");
    expect_frame(peer, "- second");
    end(outlet);
    close(peer);
    close(server);
}

static void an_end_does_not_wait_for_a_server_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    uint16_t port = 0;
    int server = open_server(SOCK_STREAM, &port);
    close(server);
    f->config.syslog.port = port;
    f->config.syslog.transport = CONFIG_SYSLOG_TCP;
    struct log_outlet *outlet = open_syslog(f);
    uint64_t lost_before = log_outlets_lost();
    offer_at(outlet, 1000, "lost");
    log_outlet_end(outlet, 1);
    log_outlets_wait(wait_ms);
    assert_int_equal(log_outlets_lost() - lost_before, 1);
}

static void tls_needs_its_files(void **state)
{
    struct fixture *f = *state;
    char reason[256] = "";
    f->config.syslog.transport = CONFIG_SYSLOG_TLS;
    free(f->config.syslog.cacertfile);
    f->config.syslog.cacertfile = xstrdup("/nonexistent/ca.pem");
    assert_null(log_syslog_new(&f->config.syslog, "hare", all, reason, sizeof reason));
    assert_non_null(strstr(reason, "cacertfile: /nonexistent/ca.pem"));
}

/* --- the journal */

/* The value of a field in the binary form; NULL where there is none. */
static const char *field_of(const uint8_t *data, size_t size, const char *name)
{
    static char value[512];
    size_t at = 0;
    while (at < size) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        assert_non_null(end);
        size_t name_size = (size_t)(end - (data + at)), value_size = 0;
        for (int i = 7; i >= 0; i--)
            value_size = value_size << 8 | end[1 + i];
        assert_true(value_size < sizeof value);
        bool is_found = strlen(name) == name_size && memcmp(name, data + at, name_size) == 0;
        memcpy(value, end + 9, value_size);
        value[value_size] = '\0';
        assert_int_equal(end[9 + value_size], '\n');
        if (is_found)
            return value;
        at += name_size + 1 + 8 + value_size + 1;
    }
    return NULL;
}

static void the_journal_gets_fields(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = wait_ms / 1000};
    uint8_t data[2048];
    int server = socket(AF_UNIX, SOCK_DGRAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%.80s/socket", f->folder);
    setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    assert_null(log_journal_new(&f->config.journald, address.sun_path, all));
    assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof address), 0);
    struct log_outlet *outlet = log_journal_new(&f->config.journald, address.sun_path, all);
    assert_non_null(outlet);
    log_outlet_start(outlet);
    log_outlets_offer(&outlet, 1,
                      entry_at(1000, CONFIG_LOG_CRITICAL, "a\nPRIORITY=7\nMESSAGE=other"));
    ssize_t size = recv(server, data, sizeof data, 0);
    assert_true(size > 0);
    assert_string_equal(field_of(data, (size_t)size, "MESSAGE"), "a\\nPRIORITY=7\\nMESSAGE=other");
    assert_string_equal(field_of(data, (size_t)size, "PRIORITY"), "2");
    assert_string_equal(field_of(data, (size_t)size, "SYSLOG_IDENTIFIER"), "rabbitmq-server");
    assert_string_equal(field_of(data, (size_t)size, "ERL_PID"), "<0.7.0>");
    assert_non_null(field_of(data, (size_t)size, "SYSLOG_PID"));
    assert_null(field_of(data, (size_t)size, "CODE_FILE"));
    end(outlet);
    close(server);
}

static void what_fields_are_called_is_checked(void **state)
{
    (void)state;
    assert_null(config_log_check_fields("SYSLOG_IDENTIFIER=\"a\" pid CODE_FILE=file"));
    assert_non_null(config_log_check_fields("lower=\"a\""));
    assert_non_null(config_log_check_fields("NAME="));
    assert_non_null(config_log_check_fields("NAME=\"a"));
    assert_non_null(config_log_check_field_map("*:x"));
    assert_non_null(config_log_check_field_map("time:"));
    assert_null(config_log_check_field_map("time:ts level *:-"));
    assert_non_null(config_log_check_verbosity_map("loud:1"));
    assert_non_null(config_log_check_verbosity_map("info:x"));
    assert_null(config_log_check_verbosity_map("debug:2 *:0"));
    assert_non_null(config_log_check_plaintext("$ msg"));
    assert_null(config_log_check_plaintext("$time $msg"));
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(dates_are_those_of_newsyslog),
        PLACE_TEST(what_is_put_aside_is_compressed),
        PLACE_TEST(what_cannot_be_compressed_stays),
        PLACE_TEST(wrong_dates_are_refused),
        PLACE_TEST(a_file_is_put_aside_by_size),
        PLACE_TEST(a_file_is_put_aside_by_date),
        PLACE_TEST(without_a_count_nothing_is_kept),
        PLACE_TEST(a_pipe_that_nobody_reads_stops_nobody),
        PLACE_TEST(an_end_does_not_wait_for_a_full_pipe),
        PLACE_TEST(lines_are_what_the_pattern_says),
        PLACE_TEST(json_has_the_fields_of_the_map),
        PLACE_TEST(nobody_writes_lines_of_the_servers),
        PLACE_TEST(syslog_has_two_forms),
        PLACE_TEST(syslog_goes_over_udp),
        PLACE_TEST(syslog_goes_to_the_machines_own),
        PLACE_TEST(syslog_over_tcp_survives_the_servers_restart),
        PLACE_TEST(an_end_does_not_wait_for_a_server_that_is_not_there),
        PLACE_TEST(tls_needs_its_files),
        PLACE_TEST(the_journal_gets_fields),
        PLACE_TEST(what_fields_are_called_is_checked),
    };
    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests_name("log_places", tests, NULL, NULL);
}
