/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths, queries, routes and the header with a login: what a client writes, and what it is taken
 * for.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/queue.h>

#include <cmocka.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <jansson.h>

#include "base/buffer.h"
#include "http/http_accept.h"
#include "http/http_columns.h"
#include "http/http_form.h"
#include "http/http_login.h"
#include "http/http_query.h"
#include "http/http_route.h"

static void answer(const struct http_context *context, struct http_call *call)
{
    (void)context;
    (void)call;
}

static const struct http_route users = {.pattern = "/users", .get = answer};
static const struct http_route bulk = {.pattern = "/users/bulk-delete", .post = answer};
static const struct http_route publishing = {.pattern = "/exchanges/:vhost/:exchange/publish",
                                             .post = answer};
static const struct http_route permission = {
    .pattern = "/permissions/:vhost/:user", .get = answer, .put = answer, .delete = answer};

static bool matches(const struct http_route *route, const char *text)
{
    struct http_path path;
    assert_true(http_path_parse(&path, text));
    bool is_match = http_route_matches(route, &path);
    http_path_fini(&path);
    return is_match;
}

static void paths_match_segment_by_segment(void **state)
{
    (void)state;
    assert_true(matches(&users, "users"));
    assert_true(matches(&users, "/users/"));
    assert_false(matches(&users, "user"));
    assert_false(matches(&users, "users/a"));
    assert_false(matches(&users, "users//"));
    assert_true(matches(&bulk, "users/bulk-delete"));
    assert_false(matches(&bulk, "users/bulk"));
    assert_true(matches(&permission, "permissions/%2F/guest"));
    assert_false(matches(&permission, "permissions/%2F"));
    assert_false(matches(&permission, "permissions//guest"));
    assert_true(matches(&publishing, "exchanges/%2F//publish"));
    assert_false(matches(&publishing, "exchanges/%2F/publish"));
    assert_false(matches(&publishing, "exchanges//x/publish"));
    assert_false(matches(&permission, "permissions/%2F/guest/more"));
}

static void a_parameter_is_decoded_after_the_path_is_split(void **state)
{
    struct http_path path;
    (void)state;
    assert_true(http_path_parse(&path, "permissions/%2F%2fa/%C3%A4%20b+c"));
    assert_string_equal(http_route_parameter(&permission, &path, "vhost"), "//a");
    assert_string_equal(http_route_parameter(&permission, &path, "user"), "\xc3\xa4 b+c");
    assert_null(http_route_parameter(&permission, &path, "queue"));
    http_path_fini(&path);
}

static void a_path_without_meaning_is_none(void **state)
{
    static const char *const texts[] = {"a/%",   "a/%2",  "a/%zz",     "a/%00b",
                                        "%ff/a", "%c3/a", "%ed%a0%80", "1/2/3/4/5/6/7/8/9"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct http_path path;
        assert_false(http_path_parse(&path, texts[i]));
        assert_int_equal(path.count, 0);
    }
}

static void json_is_accepted_under_three_names(void **state)
{
    static const char *const accepting[] = {"application/json",
                                            "APPLICATION/JSON",
                                            "application/*",
                                            "*/*",
                                            "text/html, application/json;q=0.5",
                                            "text/html, image/gif, *; q=.2, */*; q=.2",
                                            "text/html ,application/json ;q=1"};
    static const char *const refusing[] = {"",
                                           ",",
                                           "text/html",
                                           "application/bert",
                                           "*",
                                           "application/json5",
                                           "application/jso",
                                           "json",
                                           "text/html;x=application/json",
                                           ",,;,"};
    (void)state;
    assert_true(http_accepts_json(NULL));
    for (size_t i = 0; i < sizeof accepting / sizeof accepting[0]; i++)
        assert_true(http_accepts_json(accepting[i]));
    for (size_t i = 0; i < sizeof refusing / sizeof refusing[0]; i++)
        assert_false(http_accepts_json(refusing[i]));
}

static void a_route_has_the_methods_of_its_row(void **state)
{
    struct buffer text = {0};
    (void)state;
    assert_true(http_route_handler(&permission, HTTP_PUT) == answer);
    assert_true(http_route_handler(&permission, HTTP_POST) == NULL);
    assert_true(http_route_handler(&permission, HTTP_OTHER) == NULL);
    http_route_allow(&permission, &text);
    assert_string_equal((const char *)text.data, "HEAD, GET, PUT, DELETE, OPTIONS");
    buffer_clear(&text);
    http_route_allow(&bulk, &text);
    assert_string_equal((const char *)text.data, "POST, OPTIONS");
    buffer_clear(&text);
    http_route_allow(NULL, &text);
    assert_string_equal((const char *)text.data, "HEAD, GET, OPTIONS");
    buffer_fini(&text);
}

static void assert_login(const char *header, const char *user, const char *password)
{
    struct buffer text = {0};
    struct http_login login = {.is_loopback = true};
    assert_int_equal(http_login_read(header, &text, &login), HTTP_LOGIN_READ);
    assert_int_equal(login.user.size, strlen(user));
    assert_int_equal(login.password.size, strlen(password));
    assert_true(bytes_equal_text(login.user, user));
    assert_true(bytes_equal_text(login.password, password));
    buffer_fini(&text);
}

static void a_login_is_read(void **state)
{
    (void)state;
    assert_login("Basic Z3Vlc3Q6Z3Vlc3Q=", "guest", "guest");
    assert_login("basic  Z3Vlc3Q6", "guest", "");
    assert_login("Basic OmE6Yg==", "", "a:b"); /* the first colon counts */
    assert_login("Bearer a.b.c", "", "a.b.c");
}

static void what_is_no_login_is_refused(void **state)
{
    static const char *const headers[] = {
        "",         "Basic",         "Basic ",         "Basic !!!!",
        "Digest x", "Basic Z3Vlc3Q", "Basic Z3Vlc3Q=", "Basic ===="};
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct buffer text = {0};
        struct http_login login = {.is_loopback = false};
        assert_int_equal(http_login_read(headers[i], &text, &login), HTTP_LOGIN_MALFORMED);
        buffer_fini(&text);
    }
    struct buffer text = {0};
    struct http_login login;
    assert_int_equal(http_login_read(NULL, &text, &login), HTTP_LOGIN_NONE);
    buffer_fini(&text);
}

static void assert_field(const char *body, const char *name, const char *expected)
{
    struct bytes found;
    assert_true(http_form_find(bytes_of_text(body), bytes_of_text("b"), name, &found));
    assert_true(bytes_equal_text(found, expected));
}

static void a_form_has_fields(void **state)
{
    static const char form[] =
        "--b\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n{\r\n"
        "--b\r\nA: form-data; name=\"page\"\r\nB: c\r\n\r\nd --b\r\n--c\r\n\r\n"
        "--b\r\nA: form-data; name=\"none\"\r\n\r\n--b--\r\n";
    struct bytes found;
    (void)state;
    assert_field(form, "file", "{");
    assert_field(form, "page", "d --b\r\n--c\r\n");
    assert_field(form, "none", "");
    assert_false(http_form_find(bytes_of_text(form), bytes_of_text("b"), "other", &found));
    assert_false(http_form_find(bytes_of_text(form), bytes_of_text("x"), "file", &found));
    assert_false(http_form_find(bytes_of_text("--b"), bytes_of_text("b"), "file", &found));
    assert_false(http_form_find(bytes_of_text("--b\r\n\r\n"), bytes_of_text("b"), "", &found));
}

static void assert_query(const char *text, const char *name, const char *expected)
{
    struct evkeyvalq query;
    TAILQ_INIT(&query);
    assert_true(http_query_parse(text, &query));
    const char *value = http_query_find(&query, name);
    if (expected == NULL)
        assert_null(value);
    else
        assert_string_equal(value, expected);
    evhttp_clear_headers(&query);
}

static void a_query_has_words_and_values(void **state)
{
    (void)state;
    assert_query("", "a", NULL);
    assert_query("&&", "a", NULL);
    assert_query("a", "a", "");
    assert_query("a&b=1", "a", "");
    assert_query("a&b=1", "b", "1");
    assert_query("a=1&&b", "a", "1");
    assert_query("a=1=2", "a", "1=2");
    assert_query("a=1&a=2", "a", "1");
    assert_query("a=%2B+%2f", "a", "+ /");
    assert_query("a=1", "b", NULL);
    assert_query("a=1", "A", NULL);
    assert_query("if-%65mpty=1", "if-empty", "1");
    assert_query("p%61ge%5Fsize=1", "page_size", "1");
    assert_query("a%3Db=1", "a", NULL);
    assert_query("a%26b=1", "b", NULL);
    assert_query("a%3Db=1", "a%3Db", "1");
}

static void whole_numbers_are_read(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "-", "+", "x", "1x", " 1", "1 ", "1.5", "--1", "0x1"};
    long number;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(http_query_number(wrong[i], &number));
    assert_true(http_query_number("+07", &number) && number == 7);
    assert_true(http_query_number("-5", &number) && number == -5);
    assert_true(http_query_number("99999999999999999999", &number) && number == LONG_MAX);
    assert_true(http_query_number("-99999999999999999999", &number) && number == LONG_MIN);
}

static void a_form_has_a_login(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct http_login login;
    assert_int_equal(http_login_read_form("password=p%3Aq&x=1&username=b%6fb+1", &text, &login),
                     HTTP_LOGIN_READ);
    assert_true(bytes_equal_text(login.user, "bob 1"));
    assert_true(bytes_equal_text(login.password, "p:q"));
    buffer_fini(&text);
    assert_int_equal(http_login_read_form("", &text, &login), HTTP_LOGIN_READ);
    assert_int_equal(login.user.size + login.password.size, 0);
    buffer_fini(&text);
    assert_int_equal(http_login_read_form("username=%z", &text, &login), HTTP_LOGIN_MALFORMED);
    buffer_fini(&text);
}

static void a_query_without_sense_is_refused(void **state)
{
    static const char *const texts[] = {"=a", "a&=b", "a=%", "a=%1", "%zz", "a=%1g", "a=1&b%"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct evkeyvalq query;
        TAILQ_INIT(&query);
        assert_false(http_query_parse(texts[i], &query));
        evhttp_clear_headers(&query);
    }
}

/* Not each of them with all that follows: of a form as long as is allowed that would be hours. */
static void a_form_of_nothing_but_boundaries_is_looked_through_once(void **state)
{
    struct buffer bare = {0}, whole = {0};
    struct bytes found;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        buffer_append(&bare, "--b", 3);
        buffer_append(&whole, "\r\n--b", 5);
    }
    assert_false(http_form_find(buffer_bytes(&bare), bytes_of_text("b"), "file", &found));
    assert_false(http_form_find(buffer_bytes(&whole), bytes_of_text("b"), "file", &found));
    buffer_fini(&bare);
    buffer_fini(&whole);
}

static void columns_name_what_is_wanted(void **state)
{
    (void)state;
    struct http_columns *columns = http_columns_new("name,arguments.x-max-length,,rate_details.");
    assert_true(http_columns_want(columns, "name"));
    assert_true(http_columns_want(columns, "arguments"));
    assert_false(http_columns_want(columns, "nam"));
    assert_false(http_columns_want(columns, "names"));
    assert_false(http_columns_want(columns, "x-max-length"));
    assert_false(http_columns_want(columns, ""));
    assert_true(http_columns_mention(columns, "_details"));
    assert_false(http_columns_mention(columns, "message"));
    http_columns_free(columns);
    assert_null(http_columns_new(NULL));
    assert_true(http_columns_want(NULL, "name") && http_columns_mention(NULL, "_details"));
    columns = http_columns_new("");
    assert_false(http_columns_want(columns, "name") || http_columns_mention(columns, "name"));
    http_columns_free(columns);
}

static void assert_selected(const char *columns_text, const char *expected_text)
{
    struct http_columns *columns = http_columns_new(columns_text);
    json_t *selected =
        http_columns_select(columns, json_pack("{s:i, s:{s:i, s:i}}", "a", 1, "b", "c", 2, "d", 3));
    json_t *expected = json_loads(expected_text, 0, NULL);
    assert_true(json_equal(selected, expected));
    json_decref(expected);
    json_decref(selected);
    http_columns_free(columns);
}

static void of_an_object_only_the_columns_are_left(void **state)
{
    (void)state;
    assert_selected(NULL, "{\"a\": 1, \"b\": {\"c\": 2, \"d\": 3}}");
    assert_selected("", "{}");
    assert_selected("a,e", "{\"a\": 1}");
    assert_selected("b.d,.a", "{\"a\": 1, \"b\": {\"d\": 3}}");
    assert_selected("b..c.,b.d", "{\"b\": {\"c\": 2, \"d\": 3}}");
    assert_selected("a.c,b.e", "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_match_segment_by_segment),
        cmocka_unit_test(a_parameter_is_decoded_after_the_path_is_split),
        cmocka_unit_test(a_path_without_meaning_is_none),
        cmocka_unit_test(json_is_accepted_under_three_names),
        cmocka_unit_test(a_route_has_the_methods_of_its_row),
        cmocka_unit_test(a_login_is_read),
        cmocka_unit_test(what_is_no_login_is_refused),
        cmocka_unit_test(a_query_has_words_and_values),
        cmocka_unit_test(whole_numbers_are_read),
        cmocka_unit_test(a_form_has_a_login),
        cmocka_unit_test(a_query_without_sense_is_refused),
        cmocka_unit_test(a_form_has_fields),
        cmocka_unit_test(a_form_of_nothing_but_boundaries_is_looked_through_once),
        cmocka_unit_test(columns_name_what_is_wanted),
        cmocka_unit_test(of_an_object_only_the_columns_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
