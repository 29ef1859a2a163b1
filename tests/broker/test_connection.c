/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection class once it is open: close from both sides, state errors, channel_max,
 * heartbeats, update-secret.
 */
#include "broker_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- state errors */

SENDER(send_open_twice, raw_method(c, 0, 10, 40, "ss1", "/", "", 0))

SENDER(send_tune_ok_late, raw_method(c, 0, 10, 31, "wlw", 2047, 131072, 0))

SENDER(send_start_ok_late, raw_start_ok_plain(c, &(struct raw_login){0}))

SENDER(send_secure_ok_late, raw_method(c, 0, 10, 21, "S", "x"))

SENDER(send_blocked, raw_method(c, 0, 10, 60, "s", "why"))

SENDER(send_channel_open_on_0, raw_method(c, 0, 20, 10, "s", ""))

SENDER(send_declare_on_0, step_send_declare(c, 0, "zero", 0, NULL))

SENDER(send_publish_on_0, raw_method(c, 0, 60, 40, "wss11", 0, "", "q", 0, 0))

SENDER(send_close_on_1, raw_method(c, 1, 10, 50, "wsww", 200, "", 0, 0))

SENDER(send_start_on_1, raw_method(c, 1, 10, 10, "ooTSS", 0, 9, NULL, "PLAIN", "en_US"))

SENDER(send_open_on_1, raw_method(c, 1, 10, 40, "ss1", "/", "", 0))

static const struct error_row state_rows[] = {
    {"connection_open_twice", send_open_twice, 504,
     "CHANNEL_ERROR - unexpected method in connection state running", 10, 40},
    {"tune_ok_while_running", send_tune_ok_late, 504,
     "CHANNEL_ERROR - unexpected method in connection state running", 10, 31},
    {"start_ok_while_running", send_start_ok_late, 504,
     "CHANNEL_ERROR - unexpected method in connection state running", 10, 11},
    {"secure_ok_while_running", send_secure_ok_late, 504,
     "CHANNEL_ERROR - unexpected method in connection state running", 10, 21},
    {"blocked_from_a_client", send_blocked, 504,
     "CHANNEL_ERROR - unexpected method in connection state running", 10, 60},
    {"channel_open_on_channel_0", send_channel_open_on_0, 504,
     "CHANNEL_ERROR - unexpected method in connection state running", 20, 10},
    {"queue_declare_on_channel_0", send_declare_on_0, 504,
     "CHANNEL_ERROR - unexpected method in connection state running", 50, 10},
    {"publish_on_channel_0", send_publish_on_0, 504,
     "CHANNEL_ERROR - unexpected method in connection state running", 60, 40},
    {"connection_close_on_channel_1", send_close_on_1, 503,
     "COMMAND_INVALID - unimplemented method", 10, 50},
    {"connection_open_on_channel_1", send_open_on_1, 503, "COMMAND_INVALID - unimplemented method",
     10, 40},
    {"connection_start_on_channel_1", send_start_on_1, 503,
     "COMMAND_INVALID - unimplemented method", 10, 10},
};

/* --- close */

static void close_is_answered_on_channel_0(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_method(c, 0, 10, 50, "wsww", 200, "bye", 0, 0);
    raw_expect(c, 0, 10, 51);
    raw_args(c, "");
}

static void close_deletes_exclusive_queues_before_its_answer(const void *row)
{
    struct raw_client *observer = raw_open();
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "closed-exclusive", QUEUE_EXCLUSIVE, NULL);
    raw_method(c, 0, 10, 50, "wsww", 200, "bye", 0, 0);
    raw_expect(c, 0, 10, 51);
    step_send_declare(observer, 1, "closed-exclusive", QUEUE_PASSIVE, NULL);
    raw_expect_channel_close(observer, 1, 404,
                             "NOT_FOUND - no queue 'closed-exclusive' in vhost '/'", 50, 10);
}

static void close_requeues_what_was_unacked(const void *row)
{
    struct raw_client *observer = raw_open();
    struct raw_client *c = raw_open();
    uint32_t ready = 0;

    (void)row;
    step_declare(observer, 1, "closed-unacked", QUEUE_AUTO_DELETE, NULL);
    step_publish(observer, 1, "", "closed-unacked", "kept");
    step_counts(observer, 1, "closed-unacked", &ready, NULL);
    step_get(c, 1, "closed-unacked", "kept");
    raw_close(c);
    step_await_ready(observer, 1, "closed-unacked", 1);
    step_get(observer, 1, "closed-unacked", "kept");
    assert_true(raw_last_message(observer)->redelivered);
    step_delete(observer, 1, "closed-unacked");
}

static void close_counts_what_was_published_before(const void *row)
{
    struct raw_client *observer = raw_open();
    struct raw_client *c = raw_open();
    uint32_t ready = 0;

    (void)row;
    step_declare(observer, 1, "closed-publish", QUEUE_AUTO_DELETE, NULL);
    raw_gather(c);
    for (int i = 0; i < 100; i++)
        step_publish(c, 1, "", "closed-publish", "m");
    raw_method(c, 0, 10, 50, "wsww", 200, "bye", 0, 0);
    raw_flush(c);
    raw_expect(c, 0, 10, 51);
    step_counts(observer, 1, "closed-publish", &ready, NULL);
    assert_int_equal(ready, 100);
    step_delete(observer, 1, "closed-publish");
}

static void frames_after_a_hard_error_are_ignored(const void *row)
{
    struct raw_client *observer = raw_open();
    struct raw_client *c = raw_open();
    uint32_t ready = 1;

    (void)row;
    step_declare(observer, 1, "after-error", QUEUE_AUTO_DELETE, NULL);
    raw_gather(c);
    raw_method(c, 0, 20, 10, "s", "");
    step_publish(c, 1, "", "after-error", "lost");
    step_send_declare(c, 1, "after-error-2", 0, NULL);
    raw_flush(c);
    raw_expect_connection_close(
        c, 504, "CHANNEL_ERROR - unexpected method in connection state running", 20, 10);
    step_counts(observer, 1, "after-error", &ready, NULL);
    assert_int_equal(ready, 0);
    step_delete(observer, 1, "after-error");
}

static void close_from_both_sides_is_answered(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_gather(c);
    raw_method(c, 0, 20, 10, "s", "");
    raw_method(c, 0, 10, 50, "wsww", 200, "bye", 0, 0);
    raw_flush(c);
    raw_expect(c, 0, 10, 50);
    raw_expect(c, 0, 10, 51);
}

/* --- channels */

static void channel_max_counts_open_channels(const void *row)
{
    struct raw_login login = {.channel_max = 2};
    struct raw_client *c = raw_open_with(&login);

    (void)row;
    raw_open_channel(c, 3);
    raw_method(c, 2, 20, 10, "s", "");
    raw_expect_connection_close(c, 530,
                                "NOT_ALLOWED - number of channels opened (2) has reached the "
                                "negotiated channel_max (2)",
                                0, 0);
}

static void closed_channels_do_not_count(const void *row)
{
    struct raw_login login = {.channel_max = 2};
    struct raw_client *c = raw_open_with(&login);

    (void)row;
    for (uint16_t channel = 2; channel < 50; channel++) {
        raw_open_channel(c, channel);
        raw_method(c, channel, 20, 40, "wsww", 200, "", 0, 0);
        raw_expect(c, channel, 20, 41);
        raw_args(c, "");
    }
}

static void many_channels_work_side_by_side(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    for (uint16_t channel = 2; channel <= 500; channel++)
        raw_open_channel(c, channel);
    for (uint16_t channel = 1; channel <= 500; channel++)
        step_publish(c, channel, "", queue, "m");
    for (uint16_t channel = 1; channel <= 500; channel++)
        raw_expect_nothing(c, channel);
    assert_int_equal(step_purge(c, 1, queue), 500);
}

static void highest_channel_number_works(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_open_channel(c, 65535); /* channel_max counts channels, it does not bound their numbers */
    raw_expect_nothing(c, 65535);
}

/* --- heartbeats */

static void heartbeats_come_at_half_the_interval(const void *row)
{
    struct raw_login login = {.heartbeat_s = 2};
    struct raw_client *c = raw_open_with(&login);
    int64_t start_ms = raw_now_ms();
    int count = 0;

    (void)row;
    while (count < 3) {
        assert_int_equal(raw_read_frame(c, 4000), RAW_FRAME);
        assert_int_equal(raw_last_frame(c)->type, RAW_HEARTBEAT_FRAME);
        assert_int_equal(raw_last_frame(c)->channel, 0);
        assert_int_equal(raw_last_frame(c)->args.bytes, 0);
        count++;
        raw_send_frame(c, RAW_HEARTBEAT_FRAME, 0, "", 0);
    }
    assert_in_range(raw_now_ms() - start_ms, 1000, 6500);
}

static void silence_ends_the_connection(const void *row)
{
    struct raw_login login = {.heartbeat_s = 1};
    struct raw_client *c = raw_open_with(&login);
    int64_t start_ms = raw_now_ms();

    (void)row;
    raw_expect_eof(c, RAW_DEADLINE_MS);
    assert_in_range(raw_now_ms() - start_ms, 1500, 6000);
}

static void any_traffic_counts_as_a_heartbeat(const void *row)
{
    struct raw_login login = {.heartbeat_s = 1};
    struct raw_client *c = raw_open_with(&login);
    int64_t start_ms = raw_now_ms();

    (void)row;
    while (raw_now_ms() - start_ms < 4500) {
        raw_expect_nothing(c, 1);
        enum raw_outcome outcome = raw_read_frame(c, 300);
        assert_true(outcome == RAW_SILENCE || raw_last_frame(c)->type == RAW_HEARTBEAT_FRAME);
    }
    raw_expect_nothing(c, 1);
}

static void heartbeats_alone_keep_it_open(const void *row)
{
    struct raw_login login = {.heartbeat_s = 1};
    struct raw_client *c = raw_open_with(&login);
    int64_t start_ms = raw_now_ms();

    (void)row;
    while (raw_now_ms() - start_ms < 4500) {
        raw_send_frame(c, RAW_HEARTBEAT_FRAME, 0, "", 0);
        assert_int_not_equal(raw_read_frame(c, 300), RAW_EOF);
    }
    raw_expect_nothing(c, 1);
}

static void no_heartbeats_without_an_interval(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    assert_int_equal(raw_read_frame(c, 2500), RAW_SILENCE);
    raw_expect_nothing(c, 1);
}

static void heartbeat_frames_without_an_interval_are_ignored(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    for (int i = 0; i < 10; i++)
        raw_send_frame(c, RAW_HEARTBEAT_FRAME, 0, "", 0);
    raw_expect_nothing(c, 1);
}

/* --- update-secret */

static void update_secret_is_answered(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_method(c, 0, 10, 70, "Ss", "new secret", "expired");
    raw_expect(c, 0, 10, 71);
    raw_args(c, "");
    raw_expect_nothing(c, 1);
}

/* --- many peers */

static void hundred_connections_open_and_close(const void *row)
{
    struct raw_client *c[100];

    (void)row;
    for (size_t i = 0; i < ARRAY_COUNT(c); i++)
        c[i] = raw_open();
    for (size_t i = 0; i < ARRAY_COUNT(c); i++)
        raw_expect_nothing(c[i], 1);
    for (size_t i = 0; i < ARRAY_COUNT(c); i++)
        raw_drop(c[i], i % 2 == 0);
}

int main(int argc, char **argv)
{
    broker_test_add_errors(state_rows, ARRAY_COUNT(state_rows));
    BROKER_TEST(close_is_answered_on_channel_0);
    BROKER_TEST(close_deletes_exclusive_queues_before_its_answer);
    BROKER_TEST(close_requeues_what_was_unacked);
    BROKER_TEST(close_counts_what_was_published_before);
    BROKER_TEST(frames_after_a_hard_error_are_ignored);
    BROKER_TEST(close_from_both_sides_is_answered);
    BROKER_TEST(channel_max_counts_open_channels);
    BROKER_TEST(closed_channels_do_not_count);
    BROKER_TEST(many_channels_work_side_by_side);
    BROKER_TEST(highest_channel_number_works);
    BROKER_TEST(heartbeats_come_at_half_the_interval);
    BROKER_TEST(silence_ends_the_connection);
    BROKER_TEST(any_traffic_counts_as_a_heartbeat);
    BROKER_TEST(heartbeats_alone_keep_it_open);
    BROKER_TEST(no_heartbeats_without_an_interval);
    BROKER_TEST(heartbeat_frames_without_an_interval_are_ignored);
    BROKER_TEST(update_secret_is_answered);
    BROKER_TEST(hundred_connections_open_and_close);
    return broker_test_run("connection", argc, argv);
}
