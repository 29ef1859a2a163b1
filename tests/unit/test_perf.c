/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of leveret-perf that its figures rest on and that have no socket: its own codec against
 * bytes written down by hand from the specification, cut at every length, and its histogram against
 * values whose percentiles are known.
 */
#include "perf/frames.h"
#include "perf/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t publish_bytes[] = {
    1,    0,   1,   0,    0,    0, 12, 0, 60, 0, 40, 0,   0,   1,   'x',
    2,    'q', '1', 0,    0xce, /* basic.publish */
    2,    0,   1,   0,    0,    0, 15, 0, 60, 0, 0,  0,   0,   0,   0,
    0,    0,   0,   3, /* header: 3 bytes */
    0x10, 0,   2,   0xce, 3,    0, 1,  0, 0,  0, 3,  'a', 'b', 'c', 0xce};

static const uint8_t deliver_bytes[] = {1, 0, 1, 0, 0, 0, 20, 0, 60, 0,   60, 1,   '7', 0,
                                        0, 0, 0, 0, 0, 1, 44, 1, 1,  'x', 2,  'q', '1', 0xce};

static void message_is_encoded_as_specified(void **state)
{
    (void)state;
    struct frames frames = {0};
    struct frames_offsets offsets;
    struct frames_message message = {.exchange = "x",
                                     .routing_key = "q1",
                                     .body_bytes = 3,
                                     .frame_max = 4096,
                                     .is_persistent = true};
    frames_put_message(&frames, &message, &offsets);
    assert_int_equal(frames.bytes, sizeof publish_bytes);
    assert_memory_equal(frames.data, publish_bytes, sizeof publish_bytes);
    assert_memory_equal(frames.data + offsets.routing_key, "q1", 2);
    assert_memory_equal(frames.data + offsets.body, "abc", 3);
    frames_fini(&frames);
}

static void header_of_a_message_is_encoded_as_specified(void **state)
{
    (void)state;
    static const uint8_t header_frame[] = {
        2,    0, 1, 0, 0, 0,   28,  0, 60, 0, 0, 0,   0,   0, 0,   0, 0, 0, 3, /* 3 bytes */
        0x30, 0, /* headers, delivery mode */
        0,    0, 0, 9, 1, 'k', 'S', 0, 0,  0, 2, 'q', '1', 2, 0xce};
    struct frames frames = {0};
    struct frames_offsets offsets;
    struct frames_message message = {.exchange = "x",
                                     .routing_key = "q1",
                                     .header_name = "k",
                                     .body_bytes = 3,
                                     .frame_max = 4096,
                                     .is_persistent = true};
    frames_put_message(&frames, &message, &offsets);
    const size_t method_bytes = 20;
    assert_memory_equal(frames.data + method_bytes, header_frame, sizeof header_frame);
    assert_memory_equal(frames.data + offsets.routing_key, "q1", 2);
    assert_memory_equal(frames.data + offsets.header_value, "q1", 2);
    assert_int_not_equal(offsets.header_value, offsets.routing_key);
    assert_memory_equal(frames.data + offsets.body, "abc", 3);
    frames_fini(&frames);
}

static void message_without_headers_has_no_place_for_one(void **state)
{
    (void)state;
    struct frames frames = {0};
    struct frames_offsets offsets;
    struct frames_message message = {
        .exchange = "", .routing_key = "q", .body_bytes = 1, .frame_max = 4096};
    frames_put_message(&frames, &message, &offsets);
    assert_int_equal(offsets.header_value, 0);
    frames_fini(&frames);
}

static void large_body_is_cut_into_frames_of_frame_max(void **state)
{
    (void)state;
    struct frames frames = {0};
    struct frames_offsets offsets;
    struct frames_message message = {
        .exchange = "", .routing_key = "q", .body_bytes = 10000, .frame_max = 4096};
    frames_put_message(&frames, &message, &offsets);
    size_t at = 0, body_bytes = 0, body_frames = 0;
    struct frame frame = {0};
    while (at < frames.bytes) {
        assert_int_equal(frame_parse(frames.data + at, frames.bytes - at, &frame), FRAME_WHOLE);
        assert_true(frame_bytes(&frame) <= 4096);
        if (frame.type == FRAME_BODY) {
            body_bytes += frame.payload_bytes;
            body_frames++;
        }
        at += frame_bytes(&frame);
    }
    assert_int_equal(body_bytes, 10000);
    assert_int_equal(body_frames, 3);
    frames_fini(&frames);
}

static void delivery_is_read(void **state)
{
    (void)state;
    struct frame frame = {0};
    struct delivery delivery;
    assert_int_equal(frame_parse(deliver_bytes, sizeof deliver_bytes, &frame), FRAME_WHOLE);
    assert_int_equal(frame_bytes(&frame), sizeof deliver_bytes);
    assert_int_equal(frame_method(&frame), BASIC_DELIVER);
    assert_true(frame_delivery(&frame, &delivery));
    assert_int_equal(delivery.delivery_tag, 300);
    assert_true(delivery.is_redelivered);
    assert_int_equal(delivery.consumer_tag_bytes, 1);
    assert_int_equal(delivery.consumer_tag[0], '7');
}

static void frame_that_is_cut_anywhere_is_partial(void **state)
{
    (void)state;
    struct frame frame = {0};
    for (size_t bytes = 0; bytes < sizeof deliver_bytes; bytes++)
        assert_int_equal(frame_parse(deliver_bytes, bytes, &frame), FRAME_PARTIAL);
}

static void delivery_that_is_cut_is_refused(void **state)
{
    (void)state;
    struct frame frame = {0};
    struct delivery delivery;
    assert_int_equal(frame_parse(deliver_bytes, sizeof deliver_bytes, &frame), FRAME_WHOLE);
    const uint32_t enough = 4 + 2 + 9;
    for (uint32_t bytes = 0; bytes < enough; bytes++) {
        frame.payload_bytes = bytes;
        assert_false(frame_delivery(&frame, &delivery));
    }
}

static void frame_without_its_end_is_malformed(void **state)
{
    (void)state;
    uint8_t copy[sizeof deliver_bytes];
    struct frame frame = {0};
    memcpy(copy, deliver_bytes, sizeof copy);
    copy[sizeof copy - 1] = 0;
    assert_int_equal(frame_parse(copy, sizeof copy, &frame), FRAME_MALFORMED);
}

static void ack_is_encoded_as_specified(void **state)
{
    (void)state;
    static const uint8_t expected[] = {1, 0, 1, 0, 0, 0, 13, 0,  60, 0,   80,
                                       0, 0, 0, 0, 0, 0, 1,  44, 1,  0xce};
    struct frames frames = {0};
    frames_put_ack(&frames, 300, true);
    assert_int_equal(frames.bytes, sizeof expected);
    assert_memory_equal(frames.data, expected, sizeof expected);
    frames_fini(&frames);
}

static void quantiles_are_within_one_percent(void **state)
{
    (void)state;
    static struct histogram histogram;
    histogram = (struct histogram){0};
    for (uint64_t value = 1; value <= 100000; value++)
        histogram_add(&histogram, value * 1000);
    static const double shares[] = {0.01, 0.5, 0.9, 0.99, 1.0};
    for (size_t i = 0; i < sizeof shares / sizeof shares[0]; i++) {
        double exact = shares[i] * 1e8;
        double found = (double)histogram_quantile_ns(&histogram, shares[i]);
        assert_true(found <= exact * 1.0001 && found >= exact * 0.99);
    }
    assert_int_equal(histogram.max_ns, 100000000);
}

static void merged_histograms_are_one(void **state)
{
    (void)state;
    static struct histogram low, high;
    low = high = (struct histogram){0};
    for (int i = 0; i < 60; i++)
        histogram_add(&low, 5);
    for (int i = 0; i < 40; i++)
        histogram_add(&high, UINT64_MAX);
    histogram_merge(&low, &high);
    assert_int_equal(low.count, 100);
    assert_int_equal(histogram_quantile_ns(&low, 0.6), 5);
    assert_true(histogram_quantile_ns(&low, 0.61) > UINT64_MAX / 100 * 99);
    assert_true(low.max_ns == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_is_encoded_as_specified),
        cmocka_unit_test(header_of_a_message_is_encoded_as_specified),
        cmocka_unit_test(message_without_headers_has_no_place_for_one),
        cmocka_unit_test(large_body_is_cut_into_frames_of_frame_max),
        cmocka_unit_test(delivery_is_read),
        cmocka_unit_test(frame_that_is_cut_anywhere_is_partial),
        cmocka_unit_test(delivery_that_is_cut_is_refused),
        cmocka_unit_test(frame_without_its_end_is_malformed),
        cmocka_unit_test(ack_is_encoded_as_specified),
        cmocka_unit_test(quantiles_are_within_one_percent),
        cmocka_unit_test(merged_histograms_are_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
