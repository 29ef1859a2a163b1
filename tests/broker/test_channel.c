/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The channel class: opening, closing, flow, and what is sent to a channel that is closed or
 * closing.
 */
#include "broker_test.h"

#include <stdio.h>
#include <string.h>

#define EXPECTED_OPEN "CHANNEL_ERROR - expected 'channel.open'"
#define UNIMPLEMENTED "COMMAND_INVALID - unimplemented method"

SENDER(send_declare_unopened, step_send_declare(c, 7, "unopened", 0, NULL))
SENDER(send_publish_unopened, step_publish(c, 7, "", "q", "m"))
SENDER(send_ack_unopened, step_ack(c, 7, 1, false))
SENDER(send_flow_unopened, raw_method(c, 7, 20, 20, "1", 1))
SENDER(send_tx_unopened, raw_method(c, 7, 90, 10, ""))
SENDER(send_second_open, raw_method(c, 1, 20, 10, "s", ""))
SENDER(send_flow_stop, raw_method(c, 1, 20, 20, "1", 0))
SENDER(send_flow_ok, raw_method(c, 1, 20, 21, "1", 1))
SENDER(send_close_ok, raw_method(c, 1, 20, 41, ""))
SENDER(send_select_ok, raw_method(c, 1, 85, 11, ""))
SENDER(send_declare_ok, raw_method(c, 1, 50, 11, "sll", "q", 0u, 0u))
SENDER(send_exchange_declare_ok, raw_method(c, 1, 40, 11, ""))
SENDER(send_bind_ok, raw_method(c, 1, 50, 21, ""))
SENDER(send_open_ok, raw_method(c, 1, 20, 11, "S", ""))
SENDER(send_get_empty, raw_method(c, 1, 60, 72, "s", ""))
SENDER(send_qos_ok, raw_method(c, 1, 60, 11, ""))
SENDER(send_consume_ok, raw_method(c, 1, 60, 21, "s", "tag"))
SENDER(send_tx_commit_ok, raw_method(c, 1, 90, 21, ""))
SENDER(send_recover_ok, raw_method(c, 1, 60, 111, ""))

static const struct error_row hard[] = {
    {"declare_on_an_unopened_channel", send_declare_unopened, 504, EXPECTED_OPEN, 50, 10},
    {"publish_on_an_unopened_channel", send_publish_unopened, 504, EXPECTED_OPEN, 60, 40},
    {"ack_on_an_unopened_channel", send_ack_unopened, 504, EXPECTED_OPEN, 60, 80},
    {"flow_on_an_unopened_channel", send_flow_unopened, 504, EXPECTED_OPEN, 20, 20},
    {"tx_select_on_an_unopened_channel", send_tx_unopened, 504, EXPECTED_OPEN, 90, 10},
    {"second_channel_open", send_second_open, 504, "CHANNEL_ERROR - second 'channel.open' seen", 20,
     10},
    {"flow_stop_is_not_implemented", send_flow_stop, 540, "NOT_IMPLEMENTED - active=false", 20, 20},
    {"flow_ok_from_a_client", send_flow_ok, 503, UNIMPLEMENTED, 20, 21},
    {"unsolicited_close_ok", send_close_ok, 503, UNIMPLEMENTED, 20, 41},
    {"confirm_select_ok_from_a_client", send_select_ok, 503, UNIMPLEMENTED, 85, 11},
    {"queue_declare_ok_from_a_client", send_declare_ok, 503, UNIMPLEMENTED, 50, 11},
    {"exchange_declare_ok_from_a_client", send_exchange_declare_ok, 503, UNIMPLEMENTED, 40, 11},
    {"queue_bind_ok_from_a_client", send_bind_ok, 503, UNIMPLEMENTED, 50, 21},
    {"channel_open_ok_from_a_client", send_open_ok, 503, UNIMPLEMENTED, 20, 11},
    {"get_empty_from_a_client", send_get_empty, 503, UNIMPLEMENTED, 60, 72},
    {"qos_ok_from_a_client", send_qos_ok, 503, UNIMPLEMENTED, 60, 11},
    {"consume_ok_from_a_client", send_consume_ok, 503, UNIMPLEMENTED, 60, 21},
    {"tx_commit_ok_from_a_client", send_tx_commit_ok, 503, UNIMPLEMENTED, 90, 21},
    {"recover_ok_from_a_client", send_recover_ok, 503, UNIMPLEMENTED, 60, 111},
};

static void open_ok_carries_an_empty_long_string(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_method(c, 2, 20, 10, "s", "");
    raw_expect(c, 2, 20, 11);
    assert_int_equal(raw_last_frame(c)->args.bytes, 8);
    assert_memory_equal(raw_last_frame(c)->args.data + 4, "\0\0\0\0", 4);
}

static void flow_start_is_answered(const void *row)
{
    struct raw_client *c = raw_open();
    bool active = false;

    (void)row;
    raw_method(c, 1, 20, 20, "1", 1);
    raw_expect(c, 1, 20, 21);
    raw_args(c, "1", &active);
    assert_true(active);
}

static void closed_channel_reopens_at_once(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    for (int i = 0; i < 20; i++) {
        raw_method(c, 1, 20, 40, "wsww", 200, "", 0, 0);
        raw_expect(c, 1, 20, 41);
        raw_open_channel(c, 1);
    }
    raw_expect_nothing(c, 1);
}

static void closed_channel_needs_a_new_open(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_method(c, 1, 20, 40, "wsww", 200, "", 0, 0);
    raw_expect(c, 1, 20, 41);
    step_send_declare(c, 1, "closed", 0, NULL);
    raw_expect_connection_close(c, 504, EXPECTED_OPEN, 50, 10);
}

/* Everything between the server's close and the client's close-ok is as if never sent. */
static void frames_on_a_closing_channel_are_ignored(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    raw_open_channel(c, 2);
    step_declare_unnamed(c, 2, queue);
    raw_gather(c);
    step_send_declare(c, 1, "no-such-queue", QUEUE_PASSIVE, NULL);
    step_publish(c, 1, "", queue, "lost");
    step_send_declare(c, 1, "no-such-queue", QUEUE_PASSIVE, NULL);
    step_ack(c, 1, 77, false);
    raw_flush(c);
    raw_expect_channel_close(c, 1, 404, "NOT_FOUND - no queue 'no-such-queue' in vhost '/'", 50,
                             10);
    raw_open_channel(c, 1);
    step_get_empty(c, 1, queue);
}

static void close_on_a_closing_channel_is_answered(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_gather(c);
    step_send_declare(c, 1, "no-such-queue", QUEUE_PASSIVE, NULL);
    raw_method(c, 1, 20, 40, "wsww", 200, "", 0, 0);
    raw_flush(c);
    raw_expect(c, 1, 20, 40);
    raw_expect(c, 1, 20, 41);
    raw_method(c, 1, 20, 41, "");
    raw_open_channel(c, 1);
    raw_expect_nothing(c, 1);
}

static void error_leaves_other_channels_alone(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    raw_open_channel(c, 2);
    step_declare_unnamed(c, 2, queue);
    step_consume(c, 2, queue, "t", CONSUME_NO_ACK, NULL);
    step_send_get(c, 1, "no-such-queue", true);
    raw_expect_channel_close(c, 1, 404, "NOT_FOUND - no queue 'no-such-queue' in vhost '/'", 60,
                             70);
    step_publish(c, 2, "", queue, "still here");
    step_deliver(c, 2, "t", "still here");
}

static void close_requeues_and_cancels(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];
    uint32_t ready = 0, consumers = 9;

    (void)row;
    raw_open_channel(c, 2);
    step_declare_unnamed(c, 1, queue);
    step_consume(c, 2, queue, "t", 0, NULL);
    step_publish(c, 1, "", queue, "one");
    step_publish(c, 1, "", queue, "two");
    step_deliver(c, 2, "t", "one");
    step_deliver(c, 2, "t", "two");
    raw_method(c, 2, 20, 40, "wsww", 200, "", 0, 0);
    raw_expect(c, 2, 20, 41);
    step_await_ready(c, 1, queue, 2);
    step_counts(c, 1, queue, &ready, &consumers);
    assert_int_equal(consumers, 0);
    step_get(c, 1, queue, "one");
    assert_true(raw_last_message(c)->redelivered);
    step_get(c, 1, queue, "two");
}

static void error_requeues_too(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    raw_open_channel(c, 2);
    step_declare_unnamed(c, 1, queue);
    step_publish(c, 1, "", queue, "one");
    step_get(c, 1, queue, "one");
    step_ack(c, 1, 9, false);
    raw_expect_channel_close(c, 1, 406, "PRECONDITION_FAILED - unknown delivery tag 9", 60, 80);
    step_await_ready(c, 2, queue, 1);
    step_get(c, 2, queue, "one");
}

static void publishes_before_a_close_are_kept(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    raw_open_channel(c, 2);
    step_declare_unnamed(c, 1, queue);
    raw_gather(c);
    for (int i = 0; i < 50; i++)
        step_publish(c, 2, "", queue, "m");
    raw_method(c, 2, 20, 40, "wsww", 200, "", 0, 0);
    raw_flush(c);
    raw_expect(c, 2, 20, 41);
    step_await_ready(c, 1, queue, 50);
}

static void delivery_tags_start_again_on_a_reopened_channel(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    step_publish(c, 1, "", queue, "one");
    assert_int_equal(step_get(c, 1, queue, "one"), 1);
    raw_method(c, 1, 20, 40, "wsww", 200, "", 0, 0);
    raw_expect(c, 1, 20, 41);
    raw_open_channel(c, 1);
    step_await_ready(c, 1, queue, 1);
    assert_int_equal(step_get(c, 1, queue, "one"), 1);
}

/* Answers of a channel keep the order of its methods, however they were packed. */
static void pipelined_methods_are_answered_in_order(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    raw_gather(c);
    for (int i = 0; i < 100; i++) {
        step_publish(c, 1, "", queue, "m");
        step_send_declare(c, 1, queue, QUEUE_PASSIVE, NULL);
        step_send_get(c, 1, queue, true);
        raw_method(c, 1, 20, 20, "1", 1);
    }
    raw_flush(c);
    for (int i = 0; i < 100; i++) {
        raw_expect(c, 1, 50, 11);
        raw_expect_get_ok(c, 1);
        raw_expect(c, 1, 20, 21);
    }
}

static void access_request_gives_a_ticket(const void *row)
{
    struct raw_client *c = raw_open();
    uint16_t ticket = 0;

    (void)row;
    raw_method(c, 1, 30, 10, "s11111", "/data", 0, 0, 1, 1, 1);
    raw_expect(c, 1, 30, 11);
    raw_args(c, "w", &ticket);
    assert_int_equal(ticket, 1);
}

static void tickets_are_ignored(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    raw_method(c, 1, 60, 70, "ws1", 4711, queue, 1);
    raw_expect(c, 1, 60, 72);
}

int main(int argc, char **argv)
{
    broker_test_add_errors(hard, ARRAY_COUNT(hard));
    BROKER_TEST(open_ok_carries_an_empty_long_string);
    BROKER_TEST(flow_start_is_answered);
    BROKER_TEST(closed_channel_reopens_at_once);
    BROKER_TEST(closed_channel_needs_a_new_open);
    BROKER_TEST(frames_on_a_closing_channel_are_ignored);
    BROKER_TEST(close_on_a_closing_channel_is_answered);
    BROKER_TEST(error_leaves_other_channels_alone);
    BROKER_TEST(close_requeues_and_cancels);
    BROKER_TEST(error_requeues_too);
    BROKER_TEST(publishes_before_a_close_are_kept);
    BROKER_TEST(delivery_tags_start_again_on_a_reopened_channel);
    BROKER_TEST(pipelined_methods_are_answered_in_order);
    BROKER_TEST(access_request_gives_a_ticket);
    BROKER_TEST(tickets_are_ignored);
    return broker_test_run("channel", argc, argv);
}
