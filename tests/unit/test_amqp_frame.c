/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames: what is read from known octets and from every part of them, what is refused and with
 * which text (all read off a RabbitMQ 3.10), content headers, and what is written.
 */
#include "amqp_test.h"

#include "amqp/frame.h"

enum { frame_max = 131072 };

static enum amqp_frame_result read_frame(struct bytes input, struct amqp_frame *frame,
                                         size_t *consumed, struct amqp_error *error)
{
    uint8_t *copy = malloc(input.size + 1); /* of its own, so that a read too far is seen */
    memcpy(copy, input.data, input.size);
    enum amqp_frame_result result =
        amqp_frame_read(bytes_of(copy, input.size), frame_max, frame, consumed, error);
    if (result == AMQP_FRAME_COMPLETE && frame->payload.size > 0)
        frame->payload.data = input.data + (frame->payload.data - copy);
    free(copy);
    return result;
}

static void assert_frame(struct bytes input, uint8_t type, uint16_t channel, struct bytes payload)
{
    struct amqp_frame frame;
    struct amqp_error error;
    size_t consumed = 0;
    assert_int_equal(read_frame(input, &frame, &consumed, &error), AMQP_FRAME_COMPLETE);
    assert_int_equal(frame.type, type);
    assert_int_equal(frame.channel, channel);
    assert_bytes_equal(frame.payload, payload);
    assert_int_equal(consumed, payload.size + 8);
}

#define HEADER_PAYLOAD "\0\x3c\0\0\0\0\0\0\0\0\0\3\0\0"

static void frames_are_read(void **state)
{
    (void)state;
    assert_frame(BYTES("\1\0\1\0\0\0\4\0\x5a\0\x0a\xce"), 1, 1, BYTES("\0\x5a\0\x0a"));
    assert_frame(BYTES("\1\0\0\0\0\0\4\0\x5a\0\x0a\xce"), 1, 0, BYTES("\0\x5a\0\x0a"));
    assert_frame(BYTES("\1\x12\x34\0\0\0\x0d"
                       "0123456789abc\xce"),
                 1, 0x1234, BYTES("0123456789abc"));
    assert_frame(BYTES("\2\xff\xff\0\0\0\x0e" HEADER_PAYLOAD "\xce"), 2, 65535,
                 BYTES(HEADER_PAYLOAD));
    assert_frame(BYTES("\3\0\2\0\0\0\3"
                       "abc\xce"),
                 3, 2, BYTES("abc"));
    assert_frame(BYTES("\3\0\2\0\0\0\0\xce"), 3, 2, BYTES(""));
    assert_frame(BYTES("\x08\0\0\0\0\0\0\xce"), 8, 0, BYTES(""));
}

static void what_follows_a_frame_is_left_alone(void **state)
{
    (void)state;
    assert_frame(BYTES("\3\0\2\0\0\0\3"
                       "abc\xce\3\0\2"),
                 3, 2, BYTES("abc"));
    assert_frame(BYTES("\3\0\2\0\0\0\x0d"
                       "abcdefghijklm\xce\x63"),
                 3, 2, BYTES("abcdefghijklm"));
}

static void every_part_of_a_frame_is_incomplete(void **state)
{
    (void)state;
    static const struct bytes whole[] = {
        {(const uint8_t *)"\1\0\0\0\0\0\4\0\x5a\0\x0a\xce", 12},
        {(const uint8_t *)"\3\0\1\0\0\0\x0d"
                          "abcdefghijklm\xce",
         21},
        {(const uint8_t *)"\x08\0\0\0\0\0\0\xce", 8},
        {(const uint8_t *)"\x63\0\0\0\0\0\1x\xce", 9},
    };
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) {
        for (size_t size = 0; size < whole[i].size; size++) {
            struct amqp_frame frame;
            struct amqp_error error;
            size_t consumed;
            struct bytes part = bytes_of(whole[i].data, size);
            assert_int_equal(read_frame(part, &frame, &consumed, &error), AMQP_FRAME_INCOMPLETE);
        }
    }
}

static void assert_invalid(struct bytes input, int code, const char *text)
{
    struct amqp_frame frame;
    struct amqp_error error;
    size_t consumed;
    assert_int_equal(read_frame(input, &frame, &consumed, &error), AMQP_FRAME_INVALID);
    assert_amqp_error(error, code, 0, 0, text);
}

static void unknown_types_are_refused(void **state)
{
    (void)state;
    assert_invalid(BYTES("\x09\0\1\0\0\0\3"
                         "abc\xce"),
                   501, "FRAME_ERROR - type 9, all octets = <<\"abc\">>: unknown_frame");
    assert_invalid(BYTES("\0\0\0\0\0\0\2\0\1\xce"), 501,
                   "FRAME_ERROR - type 0, all octets = <<0,1>>: unknown_frame");
    assert_invalid(BYTES("\5\0\1\0\0\0\x10"
                         "0123456789abcdef\xce"),
                   501,
                   "FRAME_ERROR - type 5, all octets = <<\"0123456789abcdef\">>: unknown_frame");
    assert_invalid(BYTES("\5\0\1\0\0\0\x11"
                         "0123456789abcdefg\xce"),
                   501,
                   "FRAME_ERROR - type 5, first 16 octets = <<\"0123456789abcdef\">>: "
                   "unknown_frame");
}

static void a_wrong_end_is_refused(void **state)
{
    (void)state;
    assert_invalid(BYTES("\1\0\1\0\0\0\3"
                         "abc\0"),
                   501,
                   "FRAME_ERROR - type 1, all octets = <<\"abc\">>: {invalid_frame_end_marker,0}");
    assert_invalid(BYTES("\x4d\0\1\0\0\0\3"
                         "abc\1"),
                   501,
                   "FRAME_ERROR - type 77, all octets = <<\"abc\">>: {invalid_frame_end_marker,1}");
    assert_invalid(BYTES("\3\0\1\0\0\0\x0c"
                         "abcdefghijkl\xcf"),
                   501,
                   "FRAME_ERROR - type 3, all octets = <<\"abcdefghijkl\">>: "
                   "{invalid_frame_end_marker,207}");
}

static void a_frame_that_is_too_large_is_refused_at_its_start(void **state)
{
    (void)state;
    assert_invalid(BYTES("\1\0\1\0\3\x0d\x40"), 501,
                   "FRAME_ERROR - type 1, all octets = <<>>: {frame_too_large,200000,131064}");
    assert_invalid(BYTES("\x4d\0\0\xff\xff\xff\xff"), 501,
                   "FRAME_ERROR - type 77, all octets = <<>>: {frame_too_large,4294967295,131064}");
    assert_invalid(BYTES("\3\0\1\0\2\0\1"), 501,
                   "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,131073,131064}");
}

static void a_payload_of_frame_max_is_accepted(void **state)
{
    (void)state;
    struct buffer input = {0};
    struct amqp_frame frame;
    struct amqp_error error;
    size_t consumed;
    amqp_frame_write_start(&input, AMQP_FRAME_BODY, 1, frame_max);
    for (int i = 0; i < frame_max; i++)
        buffer_append_u8(&input, 'x');
    amqp_frame_write_end(&input);
    assert_int_equal(amqp_frame_read(buffer_bytes(&input), frame_max, &frame, &consumed, &error),
                     AMQP_FRAME_COMPLETE);
    assert_int_equal(frame.payload.size, frame_max);
    assert_int_equal(
        amqp_frame_read(buffer_bytes(&input), frame_max - 1, &frame, &consumed, &error),
        AMQP_FRAME_INVALID);
    assert_int_equal(amqp_frame_read(buffer_bytes(&input), 0, &frame, &consumed, &error),
                     AMQP_FRAME_COMPLETE);
    buffer_fini(&input);
}

static void heartbeats_have_neither_channel_nor_payload(void **state)
{
    (void)state;
    assert_invalid(BYTES("\x08\0\1\0\0\0\0\xce"), 505,
                   "UNEXPECTED_FRAME - type 8, all octets = <<>>");
    assert_invalid(BYTES("\x08\0\0\0\0\0\1x\xce"), 501,
                   "FRAME_ERROR - type 8, all octets = <<\"x\">>: unknown_frame");
    assert_invalid(BYTES("\x08\0\1\0\0\0\1x\xce"), 501,
                   "FRAME_ERROR - type 8, all octets = <<\"x\">>: unknown_frame");
}

static void content_on_channel_0_is_refused(void **state)
{
    (void)state;
    assert_invalid(BYTES("\2\0\0\0\0\0\x0e" HEADER_PAYLOAD "\xce"), 505,
                   "UNEXPECTED_FRAME - type 2, all octets = <<0,60,0,0,0,0,0,0,0,0,0,3,0,0>>");
    assert_invalid(BYTES("\3\0\0\0\0\0\3"
                         "abc\xce"),
                   505, "UNEXPECTED_FRAME - type 3, all octets = <<\"abc\">>");
}

static void payloads_that_are_too_short_are_refused(void **state)
{
    (void)state;
    assert_invalid(BYTES("\1\0\1\0\0\0\2\0\x32\xce"), 501,
                   "FRAME_ERROR - type 1, all octets = <<0,50>>: unknown_frame");
    assert_invalid(BYTES("\1\0\1\0\0\0\0\xce"), 501,
                   "FRAME_ERROR - type 1, all octets = <<>>: unknown_frame");
    assert_invalid(BYTES("\2\0\0\0\0\0\2"
                         "ab\xce"),
                   501, "FRAME_ERROR - type 2, all octets = <<\"ab\">>: unknown_frame");
}

static void content_headers_are_decoded(void **state)
{
    (void)state;
    struct amqp_content_header header;
    struct amqp_error error;
    assert_true(
        amqp_content_header_decode(BYTES("\0\x3c\0\1\0\0\0\1\0\0\0\2\x10\0\2"), &header, &error));
    assert_int_equal(header.class_id, 60);
    assert_int_equal(header.weight, 1);
    assert_true(header.body_size == 0x100000002);
    assert_bytes_equal(header.properties, BYTES("\x10\0\2"));
}

static void malformed_content_headers_are_refused(void **state)
{
    (void)state;
    static const struct bytes malformed[] = {
        {(const uint8_t *)"\0\x3c\0\0\0\0\0\0\0\0\0", 11},
        {(const uint8_t *)"\0\x3c\0\0\0\0\0\0\0\0\0\2", 12},
        {(const uint8_t *)"\0\x3c\0\0\0\0\0\0\0\0\0\2\x10\0", 14},
        {(const uint8_t *)"\0\x3c\0\0\0\0\0\0\0\0\0\2\0\0x", 15},
        {(const uint8_t *)"\0\x3c\0\0\0\0\0\0\0\0\0\2\0\1", 14},
    };
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct amqp_content_header header;
        struct amqp_error error;
        assert_false(amqp_content_header_decode(malformed[i], &header, &error));
        assert_int_equal(error.code, AMQP_FRAME_ERROR);
    }
}

/* --- writing */

static void assert_written(struct buffer *buffer, struct bytes expected)
{
    assert_bytes_equal(buffer_bytes(buffer), expected);
    buffer_fini(buffer);
}

static void small_frames_are_written(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    struct amqp_method method = {.id = AMQP_CHANNEL_CLOSE_OK};
    amqp_frame_write_protocol_header(&buffer);
    amqp_frame_write_heartbeat(&buffer);
    amqp_frame_write_method(&buffer, 0x0102, &method);
    assert_written(&buffer, BYTES("AMQP\0\0\x09\1"
                                  "\x08\0\0\0\0\0\0\xce"
                                  "\1\1\2\0\0\0\4\0\x14\0\x29\xce"));
}

static void content_headers_are_written(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    amqp_frame_write_header(&buffer, 1, 0x100000002, BYTES("\x10\0\2"));
    amqp_frame_write_header(&buffer, 1, 0, bytes_of(NULL, 0));
    assert_written(&buffer, BYTES("\2\0\1\0\0\0\x0f\0\x3c\0\0\0\0\0\1\0\0\0\2\x10\0\2\xce"
                                  "\2\0\1\0\0\0\x0e\0\x3c\0\0\0\0\0\0\0\0\0\0\0\0\xce"));
}

static void bodies_are_split_at_frame_max(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    amqp_frame_write_body(&buffer, 1, BYTES("abcdefgh"), 8 + 3);
    assert_written(&buffer, BYTES("\3\0\1\0\0\0\3"
                                  "abc\xce"
                                  "\3\0\1\0\0\0\3"
                                  "def\xce"
                                  "\3\0\1\0\0\0\2"
                                  "gh\xce"));
    amqp_frame_write_body(&buffer, 1, BYTES("abc"), 8 + 3);
    assert_written(&buffer, BYTES("\3\0\1\0\0\0\3"
                                  "abc\xce"));
    amqp_frame_write_body(&buffer, 1, BYTES("abcd"), 0);
    assert_written(&buffer, BYTES("\3\0\1\0\0\0\4"
                                  "abcd\xce"));
    amqp_frame_write_body(&buffer, 1, BYTES(""), frame_max);
    assert_written(&buffer, BYTES(""));
}

static void deliveries_are_what_the_method_writer_writes(void **state)
{
    (void)state;
    uint8_t longest[255];
    memset(longest, 'x', sizeof longest);
    const struct bytes strings[] = {bytes_of(NULL, 0), BYTES("name"), bytes_of(longest, 255)};
    for (int i = 0; i < 27; i++) {
        struct buffer fast = {0}, slow = {0};
        struct amqp_method method = {.id = AMQP_BASIC_DELIVER,
                                     .basic_deliver = {.consumer_tag = strings[i % 3],
                                                       .delivery_tag = 0x0102030405060708,
                                                       .redelivered = i % 2 == 1,
                                                       .exchange = strings[i / 3 % 3],
                                                       .routing_key = strings[i / 9]}};
        amqp_frame_write_method(&slow, 0xabcd, &method);
        amqp_frame_write_deliver(&fast, 0xabcd, strings[i % 3], 0x0102030405060708, i % 2 == 1,
                                 strings[i / 3 % 3], strings[i / 9]);
        assert_bytes_equal(buffer_bytes(&fast), buffer_bytes(&slow));
        buffer_fini(&fast);
        buffer_fini(&slow);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_read),
        cmocka_unit_test(what_follows_a_frame_is_left_alone),
        cmocka_unit_test(every_part_of_a_frame_is_incomplete),
        cmocka_unit_test(unknown_types_are_refused),
        cmocka_unit_test(a_wrong_end_is_refused),
        cmocka_unit_test(a_frame_that_is_too_large_is_refused_at_its_start),
        cmocka_unit_test(a_payload_of_frame_max_is_accepted),
        cmocka_unit_test(heartbeats_have_neither_channel_nor_payload),
        cmocka_unit_test(content_on_channel_0_is_refused),
        cmocka_unit_test(payloads_that_are_too_short_are_refused),
        cmocka_unit_test(content_headers_are_decoded),
        cmocka_unit_test(malformed_content_headers_are_refused),
        cmocka_unit_test(small_frames_are_written),
        cmocka_unit_test(content_headers_are_written),
        cmocka_unit_test(bodies_are_split_at_frame_max),
        cmocka_unit_test(deliveries_are_what_the_method_writer_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
