/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames on an open connection: what is malformed, out of order or too large, and what only looks
 * so.
 *
 * The texts name the offending bytes as RabbitMQ prints them (an Erlang binary), because its users
 * search for them.
 */
#include "broker_test.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* --- one malformed thing, one connection.close */

SENDER(send_type_4, raw_send_frame(c, 4, 1, "abc", 3))

SENDER(send_type_0, raw_send_frame(c, 0, 0, "", 0))

SENDER(send_type_255_long, raw_send_frame(c, 255, 1, "abcdefghijklmnopqrst", 20))

SENDER(send_type_5_binary, raw_send_frame(c, 5, 1, "\0\1\xff", 3))

SENDER(send_no_end_marker, raw_send(c, "\1\0\1\0\0\0\3abc\0", 11))

SENDER(send_wrong_end_marker, raw_send(c, "\3\0\1\0\0\0\2ab\xcd", 10))

SENDER(send_too_large, raw_send(c, "\1\0\1\0\3\x0d\x40", 7))

SENDER(send_largest, raw_send(c, "\1\0\1\xff\xff\xff\xff", 7))

SENDER(send_heartbeat_on_channel, raw_send_frame(c, RAW_HEARTBEAT_FRAME, 1, "", 0))

SENDER(send_heartbeat_with_payload, raw_send_frame(c, RAW_HEARTBEAT_FRAME, 0, "abc", 3))

SENDER(send_bad_utf8_queue, step_send_declare(c, 1, "\xff\xfe", 0, NULL))

SENDER(send_overlong_utf8_queue, step_send_declare(c, 1, "\xc0\x80", 0, NULL))

SENDER(send_truncated_declare, raw_send_frame(c, RAW_METHOD_FRAME, 1, "\0\x32\0\x0a\0\0\xff", 7))

SENDER(send_short_string_past_the_end,
       raw_send_frame(c, RAW_METHOD_FRAME, 1, "\0\x32\0\x0a\0\0\x09q", 8))

SENDER(send_header_without_method, raw_header(c, 1, 3, NULL))

SENDER(send_body_without_method, raw_body(c, 1, "abc", 3))

SENDER(send_publish, raw_method(c, 1, 60, 40, "wss11", 0, "", "nowhere", 0, 0))

static void send_body_instead_of_header(struct raw_client *c)
{
    send_publish(c);
    raw_body(c, 1, "abc", 3);
}

static void send_method_instead_of_header(struct raw_client *c)
{
    send_publish(c);
    send_publish(c);
}

static void send_header_of_other_class(struct raw_client *c)
{
    send_publish(c);
    raw_send_frame(c, RAW_HEADER_FRAME, 1, "\0\x32\0\0\0\0\0\0\0\0\0\3\0\0", 14);
}

static void send_header_with_weight(struct raw_client *c)
{
    send_publish(c);
    raw_send_frame(c, RAW_HEADER_FRAME, 1, "\0\x3c\0\1\0\0\0\0\0\0\0\3\0\0", 14);
}

static void send_method_instead_of_body(struct raw_client *c)
{
    send_publish(c);
    raw_header(c, 1, 3, NULL);
    send_publish(c);
}

static void send_header_instead_of_body(struct raw_client *c)
{
    send_publish(c);
    raw_header(c, 1, 3, NULL);
    raw_header(c, 1, 3, NULL);
}

SENDER(send_content_on_channel_0, raw_header(c, 0, 3, NULL))

static const struct error_row malformed[] = {
    {"frame_type_4", send_type_4, 501,
     "FRAME_ERROR - type 4, all octets = <<\"abc\">>: unknown_frame", 0, 0},
    {"frame_type_0", send_type_0, 501, "FRAME_ERROR - type 0, all octets = <<>>: unknown_frame", 0,
     0},
    {"frame_type_255_names_16_octets", send_type_255_long, 501,
     "FRAME_ERROR - type 255, first 16 octets = <<\"abcdefghijklmnop\">>: unknown_frame", 0, 0},
    {"frame_type_5_prints_binary", send_type_5_binary, 501,
     "FRAME_ERROR - type 5, all octets = <<0,1,255>>: unknown_frame", 0, 0},
    {"frame_without_end_marker", send_no_end_marker, 501,
     "FRAME_ERROR - type 1, all octets = <<\"abc\">>: {invalid_frame_end_marker,0}", 0, 0},
    {"frame_of_wrong_end_marker", send_wrong_end_marker, 501,
     "FRAME_ERROR - type 3, all octets = <<\"ab\">>: {invalid_frame_end_marker,205}", 0, 0},
    {"frame_too_large", send_too_large, 501,
     "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,200000,131064}", 0, 0},
    {"frame_of_4_gigabytes", send_largest, 501,
     "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,4294967295,131064}", 0, 0},
    {"heartbeat_on_a_channel", send_heartbeat_on_channel, 505,
     "UNEXPECTED_FRAME - type 8, all octets = <<>>", 0, 0},
    {"heartbeat_with_payload", send_heartbeat_with_payload, 501,
     "FRAME_ERROR - type 8, all octets = <<\"abc\">>: unknown_frame", 0, 0},
    {"queue_name_of_bad_utf8", send_bad_utf8_queue, 501,
     "FRAME_ERROR - Malformed UTF-8 in shortstr", 0, 0},
    {"queue_name_of_overlong_utf8", send_overlong_utf8_queue, 501,
     "FRAME_ERROR - Malformed UTF-8 in shortstr", 0, 0},
    {"truncated_method", send_truncated_declare, 501, "FRAME_ERROR - cannot decode <<0,0,255>>", 50,
     10},
    {"short_string_past_the_end", send_short_string_past_the_end, 501,
     "FRAME_ERROR - cannot decode <<0,0,9,113>>", 50, 10},
    {"header_without_method", send_header_without_method, 505,
     "UNEXPECTED_FRAME - expected method frame, got non method frame instead", 0, 0},
    {"body_without_method", send_body_without_method, 505,
     "UNEXPECTED_FRAME - expected method frame, got non method frame instead", 0, 0},
    {"body_instead_of_header", send_body_instead_of_header, 505,
     "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame "
     "instead",
     60, 40},
    {"method_instead_of_header", send_method_instead_of_header, 505,
     "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame "
     "instead",
     60, 40},
    {"header_of_another_class", send_header_of_other_class, 505,
     "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 instead", 60,
     40},
    {"header_with_weight", send_header_with_weight, 505,
     "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame "
     "instead",
     60, 40},
    {"method_instead_of_body", send_method_instead_of_body, 505,
     "UNEXPECTED_FRAME - expected content body, got non content body frame instead", 60, 40},
    {"header_instead_of_body", send_header_instead_of_body, 505,
     "UNEXPECTED_FRAME - expected content body, got non content body frame instead", 60, 40},
    {"content_on_channel_0", send_content_on_channel_0, 505, NULL, 0, 0},
};

/* --- ends in a hard error whose code differs between versions, or only in the end of the stream */

SENDER(send_unknown_class, raw_method(c, 1, 99, 10, ""))

SENDER(send_unknown_method, raw_method(c, 1, 50, 99, ""))

SENDER(send_method_frame_of_3_bytes, raw_send_frame(c, RAW_METHOD_FRAME, 1, "\0\x32\0", 3))

SENDER(send_empty_method_frame, raw_send_frame(c, RAW_METHOD_FRAME, 1, "", 0))

static void send_continued_property_flags(struct raw_client *c)
{
    send_publish(c);
    raw_send_frame(c, RAW_HEADER_FRAME, 1, "\0\x3c\0\0\0\0\0\0\0\0\0\3\0\1\0\0", 16);
    raw_body(c, 1, "abc", 3);
}

static void send_truncated_properties(struct raw_client *c)
{
    send_publish(c);
    raw_send_frame(c, RAW_HEADER_FRAME, 1, "\0\x3c\0\0\0\0\0\0\0\0\0\3\x80\0\x20", 15);
    raw_body(c, 1, "abc", 3);
}

static void send_broken_headers_table(struct raw_client *c)
{
    send_publish(c);
    raw_send_frame(c, RAW_HEADER_FRAME, 1,
                   "\0\x3c\0\0\0\0\0\0\0\0\0\3\x20\0\0\0\0\x08\1aZ\0\0\0\0\0", 26);
    raw_body(c, 1, "abc", 3);
}

static void send_headers_table_past_the_end(struct raw_client *c)
{
    send_publish(c);
    raw_send_frame(c, RAW_HEADER_FRAME, 1, "\0\x3c\0\0\0\0\0\0\0\0\0\3\x20\0\x7f\xff\xff\xff", 18);
    raw_body(c, 1, "abc", 3);
}

SENDER(send_arguments_of_unknown_type,
       raw_send_frame(c, RAW_METHOD_FRAME, 1, "\0\x32\0\x0a\0\0\1q\0\0\0\0\3\1aZ", 16))

SENDER(send_arguments_past_the_end,
       raw_send_frame(c, RAW_METHOD_FRAME, 1, "\0\x32\0\x0a\0\0\1q\0\0\0\1\0\1aS\0\0\xff\xff", 20))

static void send_second_protocol_header(struct raw_client *c)
{
    raw_send(c, "AMQP\0\0\x09\1", 8);
    raw_send(c, "AMQP\0\0\x09\1", 8);
}

SENDER(send_http, raw_send(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 35))

static const struct error_row hard[] = {
    {"unknown_class", send_unknown_class, 0, NULL, 0, 0},
    {"unknown_method", send_unknown_method, 0, NULL, 0, 0},
    {"method_frame_of_3_bytes", send_method_frame_of_3_bytes, 0, NULL, 0, 0},
    {"empty_method_frame", send_empty_method_frame, 0, NULL, 0, 0},
    {"continued_property_flags", send_continued_property_flags, 0, NULL, 0, 0},
    {"truncated_properties", send_truncated_properties, 0, NULL, 0, 0},
    {"headers_of_unknown_type", send_broken_headers_table, 0, NULL, 0, 0},
    {"headers_past_the_end", send_headers_table_past_the_end, 0, NULL, 0, 0},
    {"arguments_of_unknown_type", send_arguments_of_unknown_type, 0, NULL, 0, 0},
    {"arguments_past_the_end", send_arguments_past_the_end, 0, NULL, 0, 0},
    {"second_protocol_header", send_second_protocol_header, 0, NULL, 0, 0},
    {"http_on_an_open_connection", send_http, 0, NULL, 0, 0},
};

static void hard_error(const void *row)
{
    const struct error_row *r = row;
    struct raw_client *c = raw_open();

    r->send(c);
    raw_expect_hard_error(c);
}

/* --- sizes */

static void body_of_exactly_frame_max_is_accepted(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];
    uint32_t bytes = raw_frame_max(c);
    uint8_t *body = calloc(1, bytes);

    (void)row;
    step_declare_unnamed(c, 1, queue);
    raw_method(c, 1, 60, 40, "wss11", 0, "", queue, 0, 0);
    raw_header(c, 1, bytes, NULL);
    raw_send_frame(c, RAW_BODY_FRAME, 1, body, bytes);
    free(body);
    step_send_get(c, 1, queue, true);
    assert_int_equal(raw_expect_get_ok(c, 1)->body_bytes, bytes);
    assert_int_equal(raw_last_message(c)->body_frame_count, 2);
}

static void negotiated_frame_max_is_enforced(const void *row)
{
    struct raw_login login = {.frame_max = 4096};
    struct raw_client *c = raw_open_with(&login);
    uint8_t body[4097] = {0};
    char text[256];

    (void)row;
    snprintf(text, sizeof text,
             "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,4097,4088}");
    send_publish(c);
    raw_header(c, 1, sizeof body, NULL);
    raw_send_frame(c, RAW_BODY_FRAME, 1, body, sizeof body);
    raw_expect_connection_close(c, 501, text, 0, 0);
}

static void bodies_are_split_at_frame_max(const void *row)
{
    static const size_t sizes[] = {1, 4087, 4088, 4089, 8176, 8177, 100000};
    struct raw_login login = {.frame_max = 4096};
    struct raw_client *c = raw_open_with(&login);
    char queue[256];
    uint8_t *body = malloc(100000);

    (void)row;
    for (size_t i = 0; i < 100000; i++)
        body[i] = (uint8_t)(i * 7 % 251);
    step_declare_unnamed(c, 1, queue);
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        step_publish_with(c, 1, "", queue, 0, NULL, body, sizes[i]);
        step_send_get(c, 1, queue, true);
        const struct raw_message *m = raw_expect_get_ok(c, 1);
        assert_int_equal(m->body_bytes, sizes[i]);
        assert_memory_equal(m->body, body, sizes[i]);
        assert_int_equal(m->body_frame_count, (sizes[i] + 4087) / 4088);
    }
    free(body);
}

static void several_megabytes_come_back_whole(const void *row)
{
    size_t bytes = 8u << 20;
    uint8_t *body = malloc(bytes);
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    for (size_t i = 0; i < bytes; i++)
        body[i] = (uint8_t)(i >> 8 ^ i);
    step_declare_unnamed(c, 1, queue);
    step_publish_with(c, 1, "", queue, 0, NULL, body, bytes);
    step_send_get(c, 1, queue, true);
    assert_int_equal(raw_expect_get_ok(c, 1)->body_bytes, bytes);
    assert_memory_equal(raw_last_message(c)->body, body, bytes);
    free(body);
}

/* Only with a limit that a test can pass: RabbitMQ's own is 128 MiB. */
static void body_over_max_message_size_is_406(const void *row)
{
    struct raw_client *c;
    char text[128];

    (void)row;
    broker_test_need("AMQP_MAX_MESSAGE_SIZE");
    size_t bytes_max = strtoul(getenv("AMQP_MAX_MESSAGE_SIZE"), NULL, 10);
    uint8_t *body = calloc(1, bytes_max + 1);
    c = raw_open();
    step_publish_with(c, 1, "", "nowhere", 0, NULL, body, bytes_max);
    raw_expect_nothing(c, 1);
    step_publish_with(c, 1, "", "nowhere", 0, NULL, body, bytes_max + 1);
    free(body);
    snprintf(text, sizeof text,
             "PRECONDITION_FAILED - message size %zu is larger than configured max size %zu",
             bytes_max + 1, bytes_max);
    raw_expect_channel_close(c, 1, 406, text, 60, 40);
    raw_open_channel(c, 1);
}

static void empty_body_is_a_header_only(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    step_publish(c, 1, "", queue, "");
    step_get(c, 1, queue, "");
    assert_int_equal(raw_last_message(c)->body_frame_count, 0);
    raw_expect_nothing(c, 1);
}

static void empty_body_frames_are_accepted(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    raw_method(c, 1, 60, 40, "wss11", 0, "", queue, 0, 0);
    raw_header(c, 1, 4, NULL);
    raw_send_frame(c, RAW_BODY_FRAME, 1, "", 0);
    raw_send_frame(c, RAW_BODY_FRAME, 1, "ab", 2);
    raw_send_frame(c, RAW_BODY_FRAME, 1, "", 0);
    raw_send_frame(c, RAW_BODY_FRAME, 1, "cd", 2);
    step_get(c, 1, queue, "abcd");
}

static void body_over_its_size_is_501(const void *row)
{
    struct raw_client *c;

    (void)row;
    if (!broker_test_is_leveret())
        broker_test_skip("RabbitMQ 3.10 never answers a body that is longer than its header says");
    c = raw_open();
    send_publish(c);
    raw_header(c, 1, 3, NULL);
    raw_body(c, 1, "abcd", 4);
    raw_expect_connection_close(
        c, 501, "FRAME_ERROR - content body frame exceeds remaining content size", 60, 40);
}

static void body_size_over_512_mib_is_501(const void *row)
{
    struct raw_client *c;

    (void)row;
    if (!broker_test_is_leveret())
        broker_test_skip("RabbitMQ 3.10 waits for any number of bytes");
    c = raw_open();
    send_publish(c);
    raw_header(c, 1, 536870913, NULL);
    raw_expect_connection_close(c, 501,
                                "FRAME_ERROR - content body size 536870913 exceeds maximum allowed "
                                "size 536870912",
                                60, 40);
}

static void channel_closes_amid_content(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_open_channel(c, 2);
    send_publish(c);
    raw_header(c, 1, 10, NULL);
    raw_body(c, 1, "abc", 3);
    raw_expect_nothing(c, 2);
    raw_close(c);
}

static void contents_of_two_channels_interleave(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    raw_open_channel(c, 2);
    step_declare_unnamed(c, 1, queue);
    raw_gather(c);
    raw_method(c, 1, 60, 40, "wss11", 0, "", queue, 0, 0);
    raw_method(c, 2, 60, 40, "wss11", 0, "", queue, 0, 0);
    raw_header(c, 2, 4, NULL);
    raw_header(c, 1, 4, NULL);
    raw_body(c, 1, "on", 2);
    raw_body(c, 2, "tw", 2);
    raw_body(c, 2, "o2", 2);
    raw_flush(c);
    raw_expect_nothing(c, 2);
    raw_body(c, 1, "e1", 2);
    raw_expect_nothing(c, 1);
    step_get(c, 1, queue, NULL);
    bool is_two_first = strcmp((const char *)raw_last_message(c)->body, "two2") == 0;
    if (!is_two_first)
        step_assert_body(c, "one1");
    step_get(c, 1, queue, is_two_first ? "one1" : "two2");
}

/* --- tables */

static void every_table_type_comes_back_byte_for_byte(const void *row)
{
    struct raw_table inner = raw_table("SIt", "a", "b", "n", 7, "t", 1);
    struct raw_table list = raw_array("SIFV", "x", -1, &inner);
    struct raw_table headers =
        raw_table("tbBsuIilfdDSxATFV", "bool", 1, "int8", -5, "uint8", 250, "int16", -300, "uint16",
                  65000, "int32", -70000, "uint32", 2000000000, "int64", (int64_t)-5000000000,
                  "float", 1.5, "double", -2.25, "decimal", 2, 314u, "string", "text", "bytes",
                  "raw", "array", &list, "time", (int64_t)1700000000, "table", &inner, "void");
    struct raw_properties properties =
        raw_properties("cehdpirxmtyuak", "text/plain", "gzip", &headers, 2, 7, "corr", "reply",
                       "60000", "id-1", (int64_t)1700000001, "kind", "guest", "app", "cluster");
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    step_publish_with(c, 1, "", queue, 0, &properties, "body", 4);
    step_get(c, 1, queue, "body");
    const struct raw_message *m = raw_last_message(c);
    assert_int_equal(m->flags, properties.flags);
    assert_int_equal(m->properties_bytes, properties.bytes);
    assert_memory_equal(m->properties, properties.data, properties.bytes);
}

/* `depth` tables in each other, as a headers property. */
static void publish_nested(struct raw_client *c, const char *queue, unsigned depth)
{
    uint8_t *data = calloc(1, 32 + depth * 7);
    struct raw_writer w = {.data = data, .bytes_max = 32 + depth * 7};

    raw_write(&w, "wwLw", 60, 0, (uint64_t)4, 1 << 13);
    for (unsigned left = depth; left > 0; left--) {
        raw_write(&w, "l", (left - 1) * 7);
        if (left > 1)
            raw_write_bytes(&w, "\1tF", 3);
    }
    raw_method(c, 1, 60, 40, "wss11", 0, "", queue, 0, 0);
    raw_send_frame(c, RAW_HEADER_FRAME, 1, data, w.bytes);
    raw_body(c, 1, "deep", 4);
    free(data);
}

static void nested_tables_come_back(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    publish_nested(c, queue, 20);
    step_get(c, 1, queue, "deep");
}

/* RabbitMQ takes any depth. A broker may set a limit, but must say so, and must not fall over its
 * stack. */
static void deepest_tables_are_delivered_or_refused(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    publish_nested(c, queue, 18000);
    step_send_get(c, 1, queue, true);
    uint32_t method = raw_expect_any(c);
    if (method == (60u << 16 | 71)) {
        raw_args(c, "L1ssl", NULL, NULL, NULL, NULL, NULL);
        raw_expect_content(c, 1);
        step_assert_body(c, "deep");
        return;
    }
    assert_true(method == (10u << 16 | 50) || method == (20u << 16 | 40));
}

static void deep_arguments_are_taken_or_refused(const void *row)
{
    unsigned depth = 18000;
    uint8_t *data = calloc(1, 32 + depth * 7);
    struct raw_writer w = {.data = data, .bytes_max = 32 + depth * 7};
    struct raw_client *c = raw_open();

    (void)row;
    raw_write(&w, "wwwso", 50, 10, 0, "deep-arguments", 4);
    for (unsigned left = depth; left > 0; left--) {
        raw_write(&w, "l", (left - 1) * 7);
        if (left > 1)
            raw_write_bytes(&w, "\1tF", 3);
    }
    raw_send_frame(c, RAW_METHOD_FRAME, 1, data, w.bytes);
    free(data);
    uint32_t method = raw_expect_any(c);
    assert_true(method == (50u << 16 | 11) || method == (10u << 16 | 50) ||
                method == (20u << 16 | 40));
}

/* --- the peer that vanishes */

static const uint8_t flow[] = {1, 0, 1, 0, 0, 0, 5, 0, 20, 0, 20, 1, 0xce};

static void bytes_that_trickle_are_assembled(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    for (size_t i = 0; i < sizeof flow; i++)
        raw_send(c, &flow[i], 1);
    raw_expect(c, 1, 20, 21);
}

static void half_a_frame_then_gone(const void *row)
{
    static const size_t kept[] = {1, 6, 7, 10, 12};

    (void)row;
    for (size_t i = 0; i < ARRAY_COUNT(kept); i++) {
        struct raw_client *c = raw_open();
        raw_send(c, flow, kept[i]);
        raw_drop(c, i % 2 == 0);
    }
}

static void half_a_content_then_gone(const void *row)
{
    struct raw_client *observer = raw_open();

    (void)row;
    step_declare(observer, 1, "half-content", QUEUE_EXCLUSIVE, NULL);
    struct raw_client *c = raw_open();
    raw_method(c, 1, 60, 40, "wss11", 0, "", "half-content", 0, 0);
    raw_header(c, 1, 10, NULL);
    raw_body(c, 1, "half", 4);
    raw_drop(c, false);
    step_get_empty(observer, 1, "half-content");
}

static void exclusive_queue_goes_with_a_reset_peer(const void *row)
{
    struct raw_client *observer = raw_open();
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "gone-with-reset", QUEUE_EXCLUSIVE, NULL);
    raw_drop(c, true);
    step_queue_vanishes(observer, "gone-with-reset");
}

static void exclusive_queue_goes_with_a_closed_socket(const void *row)
{
    struct raw_client *observer = raw_open();
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "gone-with-close", QUEUE_EXCLUSIVE, NULL);
    raw_drop(c, false);
    step_queue_vanishes(observer, "gone-with-close");
}

/* A peer that says nothing any more and reads nothing: only its heartbeats are missing. */
static void exclusive_queue_goes_with_a_silent_peer(const void *row)
{
    struct raw_login login = {.heartbeat_s = 1};
    struct raw_client *observer = raw_open();
    struct raw_client *c = raw_open_with(&login);

    (void)row;
    step_declare(c, 1, "gone-with-silence", QUEUE_EXCLUSIVE, NULL);
    step_queue_vanishes(observer, "gone-with-silence");
}

static void unacked_returns_from_a_vanished_peer(const void *row)
{
    struct raw_client *observer = raw_open();
    struct raw_client *c = raw_open();
    uint32_t ready = 0;

    (void)row;
    step_declare(observer, 1, "return-from-gone", QUEUE_AUTO_DELETE, NULL);
    step_publish(observer, 1, "", "return-from-gone", "kept");
    step_counts(observer, 1, "return-from-gone", &ready, NULL);
    step_get(c, 1, "return-from-gone", "kept");
    raw_drop(c, true);
    step_await_ready(observer, 1, "return-from-gone", 1);
    step_get(observer, 1, "return-from-gone", "kept");
    assert_true(raw_last_message(observer)->redelivered);
    step_delete(observer, 1, "return-from-gone");
}

/* The client ends its half of the stream after a publish: what it sent whole is kept. */
static void publish_before_the_end_of_the_stream_counts(const void *row)
{
    struct raw_client *observer = raw_open();
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(observer, 1, "before-the-end", QUEUE_AUTO_DELETE, NULL);
    step_publish(c, 1, "", "before-the-end", "kept");
    shutdown(raw_socket(c), SHUT_WR);
    step_await_ready(observer, 1, "before-the-end", 1);
    step_delete(observer, 1, "before-the-end");
}

int main(int argc, char **argv)
{
    broker_test_add_errors(malformed, ARRAY_COUNT(malformed));
    for (size_t i = 0; i < ARRAY_COUNT(hard); i++)
        broker_test_add(hard[i].name, hard_error, &hard[i]);
    BROKER_TEST(body_of_exactly_frame_max_is_accepted);
    BROKER_TEST(negotiated_frame_max_is_enforced);
    BROKER_TEST(bodies_are_split_at_frame_max);
    BROKER_TEST(several_megabytes_come_back_whole);
    BROKER_TEST(body_over_max_message_size_is_406);
    BROKER_TEST(empty_body_is_a_header_only);
    BROKER_TEST(empty_body_frames_are_accepted);
    BROKER_TEST(body_over_its_size_is_501);
    BROKER_TEST(body_size_over_512_mib_is_501);
    BROKER_TEST(channel_closes_amid_content);
    BROKER_TEST(contents_of_two_channels_interleave);
    BROKER_TEST(every_table_type_comes_back_byte_for_byte);
    BROKER_TEST(nested_tables_come_back);
    BROKER_TEST(deepest_tables_are_delivered_or_refused);
    BROKER_TEST(deep_arguments_are_taken_or_refused);
    BROKER_TEST(bytes_that_trickle_are_assembled);
    BROKER_TEST(half_a_frame_then_gone);
    BROKER_TEST(half_a_content_then_gone);
    BROKER_TEST(exclusive_queue_goes_with_a_reset_peer);
    BROKER_TEST(exclusive_queue_goes_with_a_closed_socket);
    BROKER_TEST(exclusive_queue_goes_with_a_silent_peer);
    BROKER_TEST(unacked_returns_from_a_vanished_peer);
    BROKER_TEST(publish_before_the_end_of_the_stream_counts);
    return broker_test_run("frames", argc, argv);
}
