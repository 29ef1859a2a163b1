/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The assembler of one channel: contents in one and in many frames, every frame that may not come
 * (with the texts of RabbitMQ), and views that outlive their input.
 */
#include "amqp_test.h"

#include "amqp/content.h"

#define METHOD_PAYLOAD "\0\x3c\0\x28\0\0\0\1q\0"

static struct amqp_content content;

static int set_up(void **state)
{
    (void)state;
    amqp_content_init(&content);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    amqp_content_fini(&content);
    return 0;
}

static void expect(void)
{
    amqp_content_expect(&content, AMQP_BASIC_PUBLISH, BYTES(METHOD_PAYLOAD));
}

static enum amqp_content_result feed(uint8_t type, struct bytes payload, struct amqp_error *error)
{
    struct amqp_frame frame = {.type = type, .channel = 1, .payload = payload};
    return amqp_content_on_frame(&content, &frame, error);
}

static enum amqp_content_result feed_ok(uint8_t type, struct bytes payload)
{
    struct amqp_error error = {0};
    enum amqp_content_result result = feed(type, payload, &error);
    assert_int_not_equal(result, AMQP_CONTENT_INVALID);
    return result;
}

static void assert_refused(uint8_t type, struct bytes payload, int code, int class_id,
                           int method_id, const char *text)
{
    struct amqp_error error = {0};
    assert_int_equal(feed(type, payload, &error), AMQP_CONTENT_INVALID);
    assert_amqp_error(error, code, class_id, method_id, text);
}

/* A content header of the basic class, with a body size and no properties. */
#define HEADER(size) BYTES("\0\x3c\0\0\0\0\0\0\0\0\0" size "\0\0")

static void a_body_in_one_frame(void **state)
{
    (void)state;
    assert_true(amqp_content_is_idle(&content));
    expect();
    assert_false(amqp_content_is_idle(&content));
    assert_int_equal(feed_ok(AMQP_FRAME_HEADER, BYTES("\0\x3c\0\0\0\0\0\0\0\0\0\3\x10\0\2")),
                     AMQP_CONTENT_MORE);
    assert_int_equal(content.body_missing, 3);
    assert_int_equal(feed_ok(AMQP_FRAME_BODY, BYTES("abc")), AMQP_CONTENT_COMPLETE);
    assert_true(amqp_content_is_idle(&content));
    assert_int_equal(content.method_id, AMQP_BASIC_PUBLISH);
    assert_bytes_equal(content.method, BYTES(METHOD_PAYLOAD));
    assert_bytes_equal(content.properties, BYTES("\x10\0\2"));
    assert_int_equal(content.body_size, 3);
}

static void a_body_in_several_frames_some_of_them_empty(void **state)
{
    (void)state;
    expect();
    assert_int_equal(feed_ok(AMQP_FRAME_HEADER, HEADER("\5")), AMQP_CONTENT_MORE);
    assert_int_equal(feed_ok(AMQP_FRAME_BODY, BYTES("")), AMQP_CONTENT_MORE);
    assert_int_equal(feed_ok(AMQP_FRAME_BODY, BYTES("ab")), AMQP_CONTENT_MORE);
    assert_int_equal(content.body_missing, 3);
    assert_int_equal(feed_ok(AMQP_FRAME_BODY, BYTES("")), AMQP_CONTENT_MORE);
    assert_int_equal(feed_ok(AMQP_FRAME_BODY, BYTES("c")), AMQP_CONTENT_MORE);
    assert_int_equal(feed_ok(AMQP_FRAME_BODY, BYTES("de")), AMQP_CONTENT_COMPLETE);
    assert_int_equal(content.body_size, 5);
}

static void an_empty_body_is_complete_with_its_header(void **state)
{
    (void)state;
    expect();
    assert_int_equal(feed_ok(AMQP_FRAME_HEADER, HEADER("\0")), AMQP_CONTENT_COMPLETE);
    assert_true(amqp_content_is_idle(&content));
    assert_int_equal(content.body_size, 0);
}

static void contents_follow_each_other(void **state)
{
    (void)state;
    a_body_in_one_frame(state);
    a_body_in_several_frames_some_of_them_empty(state);
    an_empty_body_is_complete_with_its_header(state);
    a_body_in_one_frame(state);
}

static void content_without_a_method_is_refused(void **state)
{
    (void)state;
    const char *text = "UNEXPECTED_FRAME - expected method frame, got non method frame instead";
    assert_refused(AMQP_FRAME_BODY, BYTES("abc"), 505, 0, 0, text);
    assert_refused(AMQP_FRAME_HEADER, HEADER("\3"), 505, 0, 0, text);
    expect();
    assert_int_equal(feed_ok(AMQP_FRAME_HEADER, HEADER("\0")), AMQP_CONTENT_COMPLETE);
    assert_refused(AMQP_FRAME_BODY, BYTES(""), 505, 0, 0, text);
}

static void only_a_header_may_follow_the_method(void **state)
{
    (void)state;
    const char *text = "UNEXPECTED_FRAME - expected content header for class 60, got non content "
                       "header frame instead";
    expect();
    assert_refused(AMQP_FRAME_BODY, BYTES("abc"), 505, 60, 40, text);
    assert_refused(AMQP_FRAME_METHOD, BYTES(METHOD_PAYLOAD), 505, 60, 40, text);
    assert_refused(AMQP_FRAME_HEADER, BYTES("\0\x3c\0\1\0\0\0\0\0\0\0\3\0\0"), 505, 60, 40, text);
}

static void the_header_has_to_be_of_the_methods_class(void **state)
{
    (void)state;
    expect();
    assert_refused(AMQP_FRAME_HEADER, BYTES("\0\x32\0\0\0\0\0\0\0\0\0\3\0\0"), 505, 60, 40,
                   "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 "
                   "instead");
}

static void only_bodies_may_follow_the_header(void **state)
{
    (void)state;
    const char *text =
        "UNEXPECTED_FRAME - expected content body, got non content body frame instead";
    expect();
    feed_ok(AMQP_FRAME_HEADER, HEADER("\3"));
    assert_refused(AMQP_FRAME_HEADER, HEADER("\3"), 505, 60, 40, text);
    assert_refused(AMQP_FRAME_METHOD, BYTES(METHOD_PAYLOAD), 505, 60, 40, text);
    assert_int_equal(content.body_missing, 3);
}

static void more_body_than_announced_is_refused(void **state)
{
    (void)state;
    expect();
    feed_ok(AMQP_FRAME_HEADER, HEADER("\3"));
    feed_ok(AMQP_FRAME_BODY, BYTES("ab"));
    assert_refused(AMQP_FRAME_BODY, BYTES("cd"), 501, 60, 40,
                   "FRAME_ERROR - content body frame exceeds remaining content size");
    assert_int_equal(content.body_missing, 1);
}

static void the_announced_size_is_bounded(void **state)
{
    (void)state;
    expect();
    assert_refused(AMQP_FRAME_HEADER, BYTES("\0\x3c\0\0\0\0\0\0\x20\0\0\1\0\0"), 501, 60, 40,
                   "FRAME_ERROR - content body size 536870913 exceeds maximum allowed size "
                   "536870912");
    assert_refused(AMQP_FRAME_HEADER, BYTES("\0\x3c\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0"), 501,
                   60, 40,
                   "FRAME_ERROR - content body size 18446744073709551615 exceeds maximum allowed "
                   "size 536870912");
    assert_int_equal(feed_ok(AMQP_FRAME_HEADER, BYTES("\0\x3c\0\0\0\0\0\0\x20\0\0\0\0\0")),
                     AMQP_CONTENT_MORE);
}

static void malformed_properties_are_refused(void **state)
{
    (void)state;
    struct amqp_error error = {0};
    expect();
    assert_int_equal(feed(AMQP_FRAME_HEADER, BYTES("\0\x3c\0\0\0\0\0\0\0\0\0\3\x10\0"), &error),
                     AMQP_CONTENT_INVALID);
    assert_int_equal(error.code, AMQP_FRAME_ERROR);
    assert_int_equal(error.class_id, 60);
    assert_int_equal(error.method_id, 40);
}

/* Keeps the content behind the header and, if wanted, behind the method, and overwrites the input
 * then, as what is read next from a socket does. */
static void assemble_kept(bool in_between)
{
    uint8_t input[32];
    memcpy(input, METHOD_PAYLOAD, 10);
    amqp_content_expect(&content, AMQP_BASIC_PUBLISH, bytes_of(input, 10));
    if (in_between) {
        amqp_content_keep(&content);
        memset(input, 0xee, sizeof input);
    }
    memcpy(input + 10, "\0\x3c\0\0\0\0\0\0\0\0\0\3\x10\0\2", 15);
    feed_ok(AMQP_FRAME_HEADER, bytes_of(input + 10, 15));
    amqp_content_keep(&content);
    amqp_content_keep(&content);
    memset(input, 0xee, sizeof input);
    assert_int_equal(feed_ok(AMQP_FRAME_BODY, BYTES("abc")), AMQP_CONTENT_COMPLETE);
    assert_bytes_equal(content.method, BYTES(METHOD_PAYLOAD));
    assert_bytes_equal(content.properties, BYTES("\x10\0\2"));
}

static void kept_views_outlive_their_input(void **state)
{
    (void)state;
    assemble_kept(false);
    assemble_kept(true);
    assemble_kept(true);
    assemble_kept(false);
}

static void keeping_nothing_does_nothing(void **state)
{
    (void)state;
    amqp_content_keep(&content);
    assert_int_equal(content.kept.size, 0);
    a_body_in_one_frame(state);
    amqp_content_keep(&content);
    assert_int_equal(content.kept.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_body_in_one_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_body_in_several_frames_some_of_them_empty, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_empty_body_is_complete_with_its_header, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(contents_follow_each_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(content_without_a_method_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_a_header_may_follow_the_method, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_header_has_to_be_of_the_methods_class, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(only_bodies_may_follow_the_header, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_body_than_announced_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_announced_size_is_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(malformed_properties_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kept_views_outlive_their_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeping_nothing_does_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
