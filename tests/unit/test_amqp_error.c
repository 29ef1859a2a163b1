/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reply codes and texts: their form, how a long one is cut, and how octets are shown in them. The
 * expected texts were read off a RabbitMQ 3.10, but for octets above 127, which it sends as Latin-1
 * and we as UTF-8.
 */
#include "amqp_test.h"

#include "amqp/erlang.h"

static void text_is_name_and_explanation(void **state)
{
    (void)state;
    struct amqp_error error;
    assert_false(amqp_error_set(&error, AMQP_NOT_FOUND, "no queue '%s' in vhost '%s'", "q", "/"));
    assert_amqp_error(error, 404, 0, 0, "NOT_FOUND - no queue 'q' in vhost '/'");
}

static void set_forgets_what_was_there(void **state)
{
    (void)state;
    struct amqp_error error;
    memset(&error, 'x', sizeof error);
    amqp_error_set(&error, AMQP_NOT_ALLOWED, "no");
    assert_amqp_error(error, 530, 0, 0, "NOT_ALLOWED - no");
}

/* "NOT_FOUND - " and an explanation of that many octets. */
static struct amqp_error error_with(int explanation_size, const char *filler)
{
    struct amqp_error error;
    char text[400];
    for (int i = 0; i < explanation_size; i++)
        text[i] = filler[(size_t)i % strlen(filler)];
    text[explanation_size] = '\0';
    amqp_error_set(&error, AMQP_NOT_FOUND, "%s", text);
    return error;
}

static void text_of_255_octets_is_whole(void **state)
{
    (void)state;
    struct amqp_error error = error_with(255 - 12, "a");
    assert_int_equal(strlen(error.text), 255);
    assert_string_equal(error.text + 252, "aaa");
}

static void longer_text_is_cut_at_252(void **state)
{
    (void)state;
    struct amqp_error error = error_with(256 - 12, "a");
    assert_int_equal(strlen(error.text), 255);
    assert_string_equal(error.text + 251, "a...");
    error = error_with(390, "a");
    assert_int_equal(strlen(error.text), 255);
    assert_string_equal(error.text + 251, "a...");
}

static void cut_does_not_split_a_character(void **state)
{
    (void)state;
    struct amqp_error even = error_with(390, "\xc3\xa9");
    assert_int_equal(strlen(even.text), 255);
    assert_string_equal(even.text + 250, "\xc3\xa9...");
    struct amqp_error odd = error_with(390, "a\xc3\xa9\xc3\xa9\xc3\xa9");
    assert_int_equal(strlen(odd.text), 254);
    assert_string_equal(odd.text + 248, "\xc3\xa9"
                                        "a...");
    struct amqp_error three = error_with(390, "a\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac"
                                              "b");
    assert_int_equal(strlen(three.text), 253);
    assert_string_equal(three.text + 247, "\xe2\x82\xac...");
}

static void codes_have_names_and_scopes(void **state)
{
    (void)state;
    assert_string_equal(amqp_code_name(AMQP_NO_ROUTE), "NO_ROUTE");
    assert_string_equal(amqp_code_name(AMQP_UNEXPECTED_FRAME), "UNEXPECTED_FRAME");
    assert_string_equal(amqp_code_name((enum amqp_code)999), "UNKNOWN");
    static const int soft[] = {312, 403, 404, 405, 406};
    static const int hard[] = {320, 501, 502, 503, 504, 505, 506, 530, 540, 541};
    for (size_t i = 0; i < sizeof soft / sizeof *soft; i++)
        assert_false(amqp_code_is_hard((enum amqp_code)soft[i]));
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++)
        assert_true(amqp_code_is_hard((enum amqp_code)hard[i]));
}

static void assert_binary(struct bytes octets, const char *expected)
{
    struct buffer buffer = {0};
    erlang_append_binary(&buffer, octets);
    assert_bytes_equal(buffer_bytes(&buffer), bytes_of_text(expected));
    buffer_fini(&buffer);
}

static void printable_octets_are_a_string(void **state)
{
    (void)state;
    assert_binary(BYTES("abc"), "<<\"abc\">>");
    assert_binary(BYTES("~ \""), "<<\"~ \\\"\">>");
    assert_binary(BYTES("a\\b\n\t"), "<<\"a\\\\b\\n\\t\">>");
    assert_binary(BYTES("caf\xe9"), "<<\"caf\xc3\xa9\">>");
    assert_binary(BYTES("caf\xc3\xa9"), "<<\"caf\xc3\xa9\">>");
}

static void other_octets_are_numbers(void **state)
{
    (void)state;
    assert_binary(BYTES(""), "<<>>");
    assert_binary(BYTES("\0\1"), "<<0,1>>");
    assert_binary(BYTES("a\"b\\\n\t\x1b\x07"), "<<97,34,98,92,10,9,27,7>>");
    assert_binary(BYTES("a\x80"), "<<97,128>>");
    assert_binary(BYTES("\x7f"), "<<127>>");
}

static void octets_are_always_numbers(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    erlang_append_octets(&buffer, BYTES("ab\xff"));
    erlang_append_octets(&buffer, BYTES(""));
    assert_bytes_equal(buffer_bytes(&buffer), BYTES("<<97,98,255>><<>>"));
    buffer_fini(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_name_and_explanation),
        cmocka_unit_test(set_forgets_what_was_there),
        cmocka_unit_test(text_of_255_octets_is_whole),
        cmocka_unit_test(longer_text_is_cut_at_252),
        cmocka_unit_test(cut_does_not_split_a_character),
        cmocka_unit_test(codes_have_names_and_scopes),
        cmocka_unit_test(printable_octets_are_a_string),
        cmocka_unit_test(other_octets_are_numbers),
        cmocka_unit_test(octets_are_always_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
