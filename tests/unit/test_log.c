/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: which lines get where, by the levels of their category and of the place, and what they
 * look like there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/utf8.h"
#include "runtime/log.h"

enum { wait_ms = 10000 };

struct fixture {
    struct config config;
    struct config_messages messages;
    char folder[64];
    char path[80];           /* of the log */
    struct buffer published; /* "level text of the line" of every one, by lines */
};

static void set(struct fixture *f, const char *assignment)
{
    assert_true(config_set_option(&f->config, assignment, &f->messages));
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    config_init(&f->config);
    config_messages_init(&f->messages);
    const char *parent = getenv("TMPDIR");
    snprintf(f->folder, sizeof f->folder, "%s/log-XXXXXX", parent != NULL ? parent : "/tmp");
    assert_non_null(mkdtemp(f->folder));
    set(f, "log.console=false");
    set(f, "log.file.formatter.plaintext.format=$time [$level] $msg");
    set(f, "log.exchange.formatter.plaintext.format=$time [$level] $msg");
    set(f, "log.file=a.log");
    snprintf(f->path, sizeof f->path, "log.dir=%s", f->folder);
    set(f, f->path);
    snprintf(f->path, sizeof f->path, "%s/a.log", f->folder);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    log_publish_to(NULL, NULL, &f->config);
    log_close();
    unlink(f->path);
    rmdir(f->folder);
    buffer_fini(&f->published);
    config_messages_fini(&f->messages);
    config_fini(&f->config);
    free(f);
    return 0;
}

static void begin(struct fixture *f)
{
    char reason[256];
    assert_true(log_open(&f->config, reason, sizeof reason));
}

/* The log without its times, which are 32 octets: 2026-01-02 03:04:05.678901+00:00. */
static void assert_log(const struct fixture *f, const char *expected)
{
    char line[512], text[4096] = "";
    log_flush(wait_ms);
    FILE *file = fopen(f->path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        assert_true(strlen(line) > 32);
        strncat(text, line + 32, sizeof text - strlen(text) - 1);
    }
    fclose(file);
    assert_string_equal(text, expected);
}

static void write_one_of_each(void)
{
    log_info("default %d", 1);
    log_warning("default %d", 2);
    log_error("default %d", 3);
    log_write(LOG_CONNECTION, CONFIG_LOG_INFO, "connection 1");
    log_write(LOG_CONNECTION, CONFIG_LOG_ERROR, "connection 3");
    log_write(LOG_CHANNEL, CONFIG_LOG_INFO, "channel 1");
    log_write(LOG_CHANNEL, CONFIG_LOG_ERROR, "channel 3");
}

static void all_from_info_on_is_logged(void **state)
{
    struct fixture *f = *state;
    begin(f);
    log_write(LOG_DEFAULT, CONFIG_LOG_DEBUG, "debug");
    write_one_of_each();
    assert_log(f, " [info] default 1\n [warning] default 2\n [error] default 3\n"
                  " [info] connection 1\n [error] connection 3\n"
                  " [info] channel 1\n [error] channel 3\n");
}

static void the_file_has_a_level(void **state)
{
    struct fixture *f = *state;
    set(f, "log.file.level=error");
    begin(f);
    write_one_of_each();
    assert_log(f, " [error] default 3\n [error] connection 3\n [error] channel 3\n");
}

static void each_category_has_a_level(void **state)
{
    struct fixture *f = *state;
    set(f, "log.default.level=warning");
    set(f, "log.connection.level=error");
    set(f, "log.channel.level=none");
    begin(f);
    write_one_of_each();
    assert_log(f, " [warning] default 2\n [error] default 3\n [error] connection 3\n");
    assert_false(log_takes(LOG_CONNECTION, CONFIG_LOG_WARNING));
    assert_true(log_takes(LOG_CONNECTION, CONFIG_LOG_ERROR));
}

static void debug_needs_both_levels(void **state)
{
    struct fixture *f = *state;
    set(f, "log.connection.level=debug");
    set(f, "log.file.level=debug");
    begin(f);
    log_write(LOG_DEFAULT, CONFIG_LOG_DEBUG, "of the server");
    log_write(LOG_CONNECTION, CONFIG_LOG_DEBUG, "of a connection");
    assert_log(f, " [debug] of a connection\n");
}

static void a_line_stays_one_line(void **state)
{
    struct fixture *f = *state;
    begin(f);
    log_info("user '%s'", "a\nb\x7f\tc");
    assert_log(f, " [info] user 'a\\nb\\x7f\\tc'\n");
}

static void lines_may_be_json(void **state)
{
    struct fixture *f = *state;
    char line[256] = "";
    set(f, "log.file.formatter=json");
    begin(f);
    log_warning("a \"b\" \\c");
    log_flush(wait_ms);
    FILE *file = fopen(f->path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    assert_memory_equal(line, "{\"time\":\"", 9);
    static const char rest[] =
        "\",\"level\":\"warning\",\"msg\":\"a \\\"b\\\" \\\\c\",\"pid\":\"<0.";
    assert_memory_equal(line + 9 + 32, rest, sizeof rest - 1);
    assert_non_null(strstr(line, ".0>\",\"domain\":\"rabbitmq\"}\n"));
}

/* What clients call things need not be UTF-8, and a long name is cut anywhere. */
static void json_is_valid_whatever_is_in_it(void **state)
{
    struct fixture *f = *state;
    char line[4096] = "", name[2046];
    set(f, "log.file.formatter=json");
    set(f, "log.file.formatter.json.field_map=time level msg *:-");
    begin(f);
    log_warning("%s", "a\xff\xc3\xa4\xc3\xed\xa0\x80z");
    memset(name, 'n', sizeof name);
    memcpy(name + sizeof name - 3, "\xe2\x82", 3);
    log_warning("%s\xac", name);
    log_flush(wait_ms);
    FILE *file = fopen(f->path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_non_null(strstr(line, "\"a\xc3\xbf\xc3\xa4\xc3\x83\xc3\xad\xc2\xa0\\u0080z\"}"));
    assert_non_null(fgets(line, sizeof line, file));
    assert_true(utf8_is_valid(bytes_of_text(line)));
    assert_string_equal(line + strlen(line) - 3, "\"}\n");
    fclose(file);
}

static void a_file_that_was_moved_is_made_again(void **state)
{
    struct fixture *f = *state;
    begin(f);
    log_info("before");
    assert_int_equal(unlink(f->path), 0);
    log_info("nowhere");
    log_flush(wait_ms);
    log_reopen();
    log_flush(wait_ms);
    log_info("after");
    assert_log(f, " [info] after\n");
}

static void publish(void *context, const char *level, struct bytes line, bool is_json)
{
    struct fixture *f = context;
    assert_false(is_json);
    assert_true(line.size > 32);
    buffer_append_format(&f->published, "%s%.*s", level, (int)line.size - 32,
                         (const char *)line.data + 32);
    log_error("the publisher's own line does not come back");
}

static void the_exchange_has_a_level_too(void **state)
{
    struct fixture *f = *state;
    set(f, "log.exchange.level=warning");
    set(f, "log.channel.level=none");
    begin(f);
    log_publish_to(publish, f, &f->config);
    write_one_of_each();
    buffer_append_u8(&f->published, '\0');
    assert_string_equal((const char *)f->published.data,
                        "warning [warning] default 2\nerror [error] default 3\n"
                        "error [error] connection 3\n");
}

static void a_file_that_cannot_be_opened_is_told(void **state)
{
    struct fixture *f = *state;
    char reason[256] = "";
    set(f, "log.file=/nonexistent/folder/a.log");
    assert_false(log_open(&f->config, reason, sizeof reason));
    assert_non_null(strstr(reason, "/nonexistent/folder/a.log"));
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(all_from_info_on_is_logged),      LOG_TEST(the_file_has_a_level),
        LOG_TEST(each_category_has_a_level),       LOG_TEST(debug_needs_both_levels),
        LOG_TEST(a_line_stays_one_line),           LOG_TEST(lines_may_be_json),
        LOG_TEST(json_is_valid_whatever_is_in_it), LOG_TEST(a_file_that_was_moved_is_made_again),
        LOG_TEST(the_exchange_has_a_level_too),    LOG_TEST(a_file_that_cannot_be_opened_is_told),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
