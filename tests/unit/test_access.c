/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permissions: which pattern allows which name, for whom and where; patterns that do not compile or
 * that would take for ever.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/access.h"

static struct bytes text(const char *words)
{
    return bytes_of_text(words);
}

static bool add(struct access *access, const char *user, const char *vhost, const char *pattern)
{
    char reason[256];
    return access_add_permission(access, text(user), text(vhost), text(pattern), text(pattern),
                                 text(pattern), reason, sizeof reason);
}

static bool allows(const struct access *access, const char *user, const char *vhost,
                   const char *name)
{
    return access_allows(access, text(user), text(vhost), PERMISSION_CONFIGURE, text(name));
}

static void patterns_match_as_in_rabbitmq(void **state)
{
    static const struct {
        const char *pattern;
        const char *name;
        bool is_allowed;
    } rows[] = {
        {".*", "anything", true},
        {".*", "", true},
        {"", "", true},
        {"", "a", false},
        {"^$", "a", false},
        {"mid", "in-the-middle", true},
        {"^own-", "own-q", true},
        {"^own-", "my-own-q", false},
        {"-q$", "own-q", true},
        {"^(a|b)$", "b", true},
        {"^(a|b)$", "ab", false},
        {"^amq\\.default$", "amq.default", true},
        {"^a.c$",
         "a\xc3\xa4"
         "c",
         false},
        {"^a..c$",
         "a\xc3\xa4"
         "c",
         true},
        {"(?i)^OWN", "own", true},
        {"(?!amq\\.)", "", true},
        {"^(?!amq\\.).*", "amq.topic", false},
        {"a", "", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct access *access = access_new();
        assert_true(add(access, "u", "/", rows[i].pattern));
        if (allows(access, "u", "/", rows[i].name) != rows[i].is_allowed)
            fail_msg("pattern '%s', name '%s'", rows[i].pattern, rows[i].name);
        access_free(access);
    }
}

static void each_permission_has_its_pattern(void **state)
{
    static const char *const names[] = {"c", "w", "r"};
    char reason[256];
    (void)state;
    struct access *access = access_new();
    assert_true(access_add_permission(access, text("u"), text("/"), text("^c"), text("^w"),
                                      text("^r"), reason, sizeof reason));
    for (int permission = 0; permission < 3; permission++) {
        for (int name = 0; name < 3; name++) {
            assert_int_equal(access_allows(access, text("u"), text("/"),
                                           (enum permission)permission, text(names[name])),
                             permission == name);
        }
    }
    access_free(access);
}

static void who_has_no_row_may_nothing(void **state)
{
    (void)state;
    struct access *access = access_new();
    assert_true(add(access, "u", "v", ".*"));
    assert_true(access_may_enter(access, text("u"), text("v")));
    assert_false(access_may_enter(access, text("u"), text("/")));
    assert_false(access_may_enter(access, text("v"), text("u")));
    assert_false(access_may_enter(access, text("uv"), text("")));
    assert_false(allows(access, "u", "/", "q"));
    assert_false(allows(access, "other", "v", "q"));
    access_free(access);
}

static void nothing_is_allowed_still_lets_enter(void **state)
{
    (void)state;
    struct access *access = access_new();
    assert_true(add(access, "u", "v", ""));
    assert_true(access_may_enter(access, text("u"), text("v")));
    assert_false(allows(access, "u", "v", "q"));
    access_free(access);
}

static void many_rows_are_kept_apart(void **state)
{
    char user[32], vhost[32], pattern[32];
    (void)state;
    struct access *access = access_new();
    for (int i = 0; i < 2000; i++) {
        snprintf(user, sizeof user, "u%d", i % 50);
        snprintf(vhost, sizeof vhost, "v%d", i / 50);
        snprintf(pattern, sizeof pattern, "^q%d$", i);
        assert_true(add(access, user, vhost, pattern));
    }
    for (int i = 0; i < 2000; i++) {
        snprintf(user, sizeof user, "u%d", i % 50);
        snprintf(vhost, sizeof vhost, "v%d", i / 50);
        snprintf(pattern, sizeof pattern, "q%d", i);
        assert_true(allows(access, user, vhost, pattern));
        snprintf(pattern, sizeof pattern, "q%d", i + 1);
        assert_false(allows(access, user, vhost, pattern));
    }
    access_free(access);
}

static void the_last_row_counts(void **state)
{
    (void)state;
    struct access *access = access_new();
    assert_true(add(access, "u", "/", "^a"));
    assert_true(add(access, "u", "/", "^b"));
    assert_false(allows(access, "u", "/", "a"));
    assert_true(allows(access, "u", "/", "b"));
    access_free(access);
}

static void bad_patterns_are_refused_with_a_reason(void **state)
{
    static const char *const patterns[] = {"(", "[a", "*", "a{2,1}", "(?<n>a)(?<n>b)", "\\"};
    (void)state;
    struct access *access = access_new();
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        char reason[256] = "";
        for (int place = 0; place < 3; place++) {
            assert_false(access_add_permission(
                access, text("u"), text("/"), text(place == 0 ? patterns[i] : ""),
                text(place == 1 ? patterns[i] : ""), text(place == 2 ? patterns[i] : ""), reason,
                sizeof reason));
            assert_non_null(strstr(reason, patterns[i]));
        }
        assert_false(access_may_enter(access, text("u"), text("/")));
    }
    access_free(access);
}

/* Without the limit the last step alone takes some 2^200 steps. */
static void a_hostile_pattern_gives_up_and_allows_nothing(void **state)
{
    static const char *const patterns[] = {"^(a+)+$", "^(a|aa)+$", "^((a*)*)*$",
                                           "(?:x|a+)+y\\1?()"};
    char name[256];
    (void)state;
    memset(name, 'a', sizeof name);
    name[sizeof name - 2] = '!';
    name[sizeof name - 1] = '\0';
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        struct access *access = access_new();
        assert_true(add(access, "u", "/", patterns[i]));
        assert_false(allows(access, "u", "/", name));
        access_free(access);
    }
}

static void an_open_snapshot_allows_everything(void **state)
{
    (void)state;
    struct access *access = access_new_open();
    assert_true(access_may_enter(access, text("u"), text("/")));
    assert_true(allows(access, "u", "/", "q"));
    access_free(access);
}

static bool add_topic(struct access *access, const char *user, const char *exchange,
                      const char *write, const char *read)
{
    char reason[256] = "";
    bool is_added = access_add_topic_permission(access, text(user), text("v"), text(exchange),
                                                text(write), text(read), reason, sizeof reason);
    assert_int_equal(is_added, reason[0] == '\0');
    return is_added;
}

static bool may_write(const struct access *access, const char *user, const char *exchange,
                      const char *key)
{
    return access_allows_topic(access, text(user), text("v"), text(exchange), PERMISSION_WRITE,
                               text(key));
}

static bool may_read(const struct access *access, const char *user, const char *exchange,
                     const char *key)
{
    return access_allows_topic(access, text(user), text("v"), text(exchange), PERMISSION_READ,
                               text(key));
}

static void a_topic_without_a_row_is_free(void **state)
{
    (void)state;
    struct access *access = access_new();
    assert_true(may_write(access, "u", "x", "k"));
    assert_true(add_topic(access, "u", "x", "^w", "^r"));
    assert_true(may_write(access, "u", "y", "k"));
    assert_true(may_write(access, "v", "x", "k"));
    assert_true(
        access_allows_topic(access, text("u"), text("/"), text("x"), PERMISSION_WRITE, text("k")));
    access_free(access);
}

static void a_topic_row_restricts_writing_and_reading(void **state)
{
    (void)state;
    struct access *access = access_new();
    assert_true(add_topic(access, "u", "x", "^w", "^r"));
    assert_true(may_write(access, "u", "x", "w.1"));
    assert_false(may_write(access, "u", "x", "r.1"));
    assert_true(may_read(access, "u", "x", "r.1"));
    assert_false(may_read(access, "u", "x", "w.1"));
    assert_true(add_topic(access, "u", "x", "", ".*"));
    assert_false(may_write(access, "u", "x", "w.1"));
    assert_true(may_write(access, "u", "x", ""));
    assert_true(may_read(access, "u", "x", "anything"));
    access_free(access);
}

static void variables_of_topics_are_replaced(void **state)
{
    (void)state;
    struct access *access = access_new();
    assert_true(
        add_topic(access, "joe", "x", "^{username}\\.{vhost}\\.{username}$", "{client_id}"));
    assert_true(may_write(access, "joe", "x", "joe.v.joe"));
    assert_false(may_write(access, "joe", "x", "joe.w.joe"));
    assert_false(may_write(access, "joe", "x", "{username}.{vhost}.{username}"));
    assert_true(may_read(access, "joe", "x", "a{client_id}b"));
    assert_false(may_read(access, "joe", "x", "joe"));
    /* The value is a part of the pattern, not quoted. */
    assert_true(add_topic(access, "j.e", "x", "^{username}$", ""));
    assert_true(may_write(access, "j.e", "x", "joe"));
    access_free(access);
}

static void bad_patterns_of_topics_are_refused(void **state)
{
    (void)state;
    struct access *access = access_new();
    assert_false(add_topic(access, "u", "x", "(", ""));
    assert_false(add_topic(access, "u", "x", "", "["));
    assert_false(add_topic(access, "a(b", "x", "{username}", ""));
    assert_true(may_write(access, "u", "x", "k"));
    access_free(access);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_in_rabbitmq),
        cmocka_unit_test(each_permission_has_its_pattern),
        cmocka_unit_test(who_has_no_row_may_nothing),
        cmocka_unit_test(nothing_is_allowed_still_lets_enter),
        cmocka_unit_test(many_rows_are_kept_apart),
        cmocka_unit_test(the_last_row_counts),
        cmocka_unit_test(bad_patterns_are_refused_with_a_reason),
        cmocka_unit_test(a_hostile_pattern_gives_up_and_allows_nothing),
        cmocka_unit_test(a_topic_without_a_row_is_free),
        cmocka_unit_test(a_topic_row_restricts_writing_and_reading),
        cmocka_unit_test(variables_of_topics_are_replaced),
        cmocka_unit_test(bad_patterns_of_topics_are_refused),
        cmocka_unit_test(an_open_snapshot_allows_everything),
    };
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
