/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publisher confirms. The broker may settle tags one by one or several at once and in any order;
 * what it may not do is settle one twice, leave one out, or confirm an unroutable message before it
 * has returned it.
 */
#include "broker_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void select_is_idempotent(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_confirm_select(c, 1);
    step_publish(c, 1, "", "nowhere", "m");
    step_confirms(c, 1, 1, 1);
    step_confirm_select(c, 1); /* does not start the count again */
    step_publish(c, 1, "", "nowhere", "m");
    step_confirms(c, 1, 2, 2);
}

static void nowait_select_is_not_answered(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_method(c, 1, 85, 10, "1", 1);
    raw_expect_nothing(c, 1);
    step_publish(c, 1, "", "nowhere", "m");
    step_confirms(c, 1, 1, 1);
}

static void no_confirms_without_select(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];

    (void)row;
    step_declare_unnamed(c, 1, queue);
    step_publish(c, 1, "", queue, "m");
    step_get(c, 1, queue, "m");
    raw_expect_nothing(c, 1);
}

struct confirm_row {
    const char *name;
    int queue_flags;
    int delivery_mode;
    bool is_routed;
};

static const struct confirm_row confirm_rows[] = {
    {"transient_to_transient_is_confirmed", 0, 1, true},
    {"transient_to_durable_is_confirmed", QUEUE_DURABLE, 1, true},
    {"persistent_to_transient_is_confirmed", 0, 2, true},
    {"persistent_to_durable_is_confirmed", QUEUE_DURABLE, 2, true},
    {"persistent_to_exclusive_is_confirmed", QUEUE_EXCLUSIVE, 2, true},
    {"persistent_unroutable_is_confirmed", QUEUE_DURABLE, 2, false},
    {"transient_unroutable_is_confirmed", QUEUE_DURABLE, 1, false},
};

static void each_is_confirmed(const void *row)
{
    const struct confirm_row *r = row;
    struct raw_properties properties = raw_properties("d", r->delivery_mode);
    struct raw_client *c = raw_open();

    step_delete(c, 1, "confirmed");
    step_declare(c, 1, "confirmed", r->queue_flags, NULL);
    step_confirm_select(c, 1);
    raw_gather(c);
    for (int i = 0; i < 500; i++)
        step_publish_with(c, 1, "", r->is_routed ? "confirmed" : "nowhere", 0, &properties, "m", 1);
    raw_flush(c);
    step_confirms(c, 1, 1, 500);
    step_publish_with(c, 1, "", "confirmed", 0, &properties, "one more", 8);
    step_confirms(c, 1, 501, 501);
    step_await_ready(c, 1, "confirmed", r->is_routed ? 501 : 1);
    step_delete(c, 1, "confirmed");
}

static void return_comes_before_its_confirm(const void *row)
{
    struct raw_client *c = raw_open();
    uint64_t tag = 0;

    (void)row;
    step_confirm_select(c, 1);
    for (uint64_t i = 1; i <= 20; i++) {
        step_publish_with(c, 1, "", "nowhere", PUBLISH_MANDATORY, NULL, "back", 4);
        raw_expect_return(c, 1);
        raw_expect(c, 1, 60, 80);
        raw_args(c, "L1", &tag, NULL);
        assert_int_equal(tag, i);
    }
}

/* Each return must be seen before a confirm that covers its tag. */
static void returns_come_before_their_confirms_in_a_batch(const void *row)
{
    struct raw_client *c = raw_open();
    struct raw_properties properties = raw_properties("d", 2);
    uint64_t returned_count = 0, confirmed_count = 0;

    (void)row;
    step_confirm_select(c, 1);
    raw_gather(c);
    for (int i = 0; i < 200; i++)
        step_publish_with(c, 1, "", "nowhere", PUBLISH_MANDATORY, &properties, "back", 4);
    raw_flush(c);
    while (confirmed_count < 200) {
        uint64_t tag = 0;
        bool multiple = false;
        if (raw_expect_any(c) == (60u << 16 | 50)) {
            raw_args(c, "wsss", NULL, NULL, NULL, NULL);
            raw_expect_content(c, 1);
            returned_count++;
            continue;
        }
        assert_int_equal(raw_last_frame(c)->method_id, 80);
        raw_args(c, "L1", &tag, &multiple);
        assert_true(tag <= returned_count);
        confirmed_count = multiple ? tag : confirmed_count + 1;
    }
    assert_int_equal(returned_count, 200);
}

static void consumed_messages_are_confirmed(const void *row)
{
    struct raw_properties properties = raw_properties("d", 2);
    struct raw_client *c = raw_open();
    struct raw_client *consumer = raw_open();

    (void)row;
    step_declare(c, 1, "confirm-consumed", QUEUE_DURABLE, NULL);
    step_purge(c, 1, "confirm-consumed");
    step_consume(consumer, 1, "confirm-consumed", "t", CONSUME_NO_ACK, NULL);
    step_confirm_select(c, 1);
    raw_gather(c);
    for (int i = 0; i < 200; i++)
        step_publish_with(c, 1, "", "confirm-consumed", 0, &properties, "m", 1);
    raw_flush(c);
    step_confirms(c, 1, 1, 200);
    for (int i = 0; i < 200; i++)
        step_deliver(consumer, 1, "t", "m");
    step_delete(c, 1, "confirm-consumed");
}

static void fan_out_is_confirmed_once(const void *row)
{
    static const char *const queues[] = {"confirm-fan-1", "confirm-fan-2", "confirm-fan-3"};
    struct raw_properties properties = raw_properties("d", 2);
    struct raw_client *c = raw_open();

    (void)row;
    for (size_t i = 0; i < ARRAY_COUNT(queues); i++) {
        step_declare(c, 1, queues[i], i == 0 ? QUEUE_DURABLE : QUEUE_EXCLUSIVE, NULL);
        step_purge(c, 1, queues[i]);
        step_bind(c, 1, queues[i], "amq.fanout", "", NULL);
    }
    step_confirm_select(c, 1);
    raw_gather(c);
    for (int i = 0; i < 100; i++)
        step_publish_with(c, 1, "amq.fanout", "", 0, &properties, "m", 1);
    raw_flush(c);
    step_confirms(c, 1, 1, 100);
    raw_expect_nothing(c, 1);
    for (size_t i = 0; i < ARRAY_COUNT(queues); i++) {
        step_await_ready(c, 1, queues[i], 100);
        step_delete(c, 1, queues[i]);
    }
}

static void messages_of_a_deleted_queue_are_confirmed(const void *row)
{
    struct raw_properties properties = raw_properties("d", 2);
    struct raw_client *c = raw_open();
    uint64_t settled_count = 0;
    bool is_deleted = false;

    (void)row;
    step_declare(c, 1, "confirm-deleted", QUEUE_DURABLE, NULL);
    step_purge(c, 1, "confirm-deleted");
    step_confirm_select(c, 1);
    raw_gather(c);
    for (int i = 0; i < 300; i++)
        step_publish_with(c, 1, "", "confirm-deleted", 0, &properties, "m", 1);
    step_send_delete(c, 1, "confirm-deleted", 0);
    raw_flush(c);
    while (settled_count < 300 || !is_deleted) {
        uint64_t tag = 0;
        bool multiple = false;
        if (raw_expect_any(c) == (50u << 16 | 41)) {
            is_deleted = true;
            continue;
        }
        assert_int_equal(raw_last_frame(c)->method_id, 80);
        raw_args(c, "L1", &tag, &multiple);
        settled_count = multiple ? tag : settled_count + 1;
    }
    assert_int_equal(settled_count, 300);
}

static void failed_publish_closes_without_a_confirm(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_confirm_select(c, 1);
    step_publish(c, 1, "no-x", "k", "m");
    raw_expect_channel_close(c, 1, 404, "NOT_FOUND - no exchange 'no-x' in vhost '/'", 60, 40);
    raw_open_channel(c, 1);
    step_publish(c, 1, "", "nowhere", "m");
    raw_expect_nothing(c, 1); /* confirm mode ended with the channel */
}

static void tags_are_counted_per_channel(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_open_channel(c, 2);
    step_confirm_select(c, 1);
    step_confirm_select(c, 2);
    step_publish(c, 1, "", "nowhere", "m");
    step_confirms(c, 1, 1, 1);
    step_publish(c, 2, "", "nowhere", "m");
    step_confirms(c, 2, 1, 1);
    step_publish(c, 1, "", "nowhere", "m");
    step_confirms(c, 1, 2, 2);
}

static void own_messages_and_confirms_mix(const void *row)
{
    struct raw_client *c = raw_open();
    char queue[256];
    bool is_confirmed = false, is_delivered = false;

    (void)row;
    step_declare_unnamed(c, 1, queue);
    step_confirm_select(c, 1);
    step_consume(c, 1, queue, "t", CONSUME_NO_ACK, NULL);
    step_publish(c, 1, "", queue, "own");
    while (!is_confirmed || !is_delivered) {
        if (raw_expect_any(c) == (60u << 16 | 80)) {
            is_confirmed = true;
            continue;
        }
        assert_int_equal(raw_last_frame(c)->method_id, 60);
        raw_args(c, "sL1ss", NULL, NULL, NULL, NULL, NULL);
        raw_expect_content(c, 1);
        is_delivered = true;
    }
    raw_expect_nothing(c, 1);
}

static void large_persistent_messages_are_confirmed(const void *row)
{
    size_t bytes = 3u << 20;
    char *body = malloc(bytes);
    struct raw_properties properties = raw_properties("d", 2);
    struct raw_client *c = raw_open();

    (void)row;
    memset(body, 'L', bytes);
    step_declare(c, 1, "confirm-large", QUEUE_DURABLE, NULL);
    step_purge(c, 1, "confirm-large");
    step_confirm_select(c, 1);
    for (int i = 0; i < 3; i++)
        step_publish_with(c, 1, "", "confirm-large", 0, &properties, body, bytes);
    free(body);
    step_confirms(c, 1, 1, 3);
    step_get(c, 1, "confirm-large", NULL);
    assert_int_equal(raw_last_message(c)->body_bytes, bytes);
    assert_int_equal(raw_last_message(c)->body[bytes - 1], 'L');
    step_delete(c, 1, "confirm-large");
}

SENDER(send_tx_select, step_confirm_select(c, 1); raw_method(c, 1, 90, 10, ""))
SENDER(send_select_after_tx, step_tx(c, 1, 10); raw_method(c, 1, 85, 10, "1", 0))
SENDER(send_nowait_select_after_tx, step_tx(c, 1, 10); raw_method(c, 1, 85, 10, "1", 1))

static const struct error_row errors[] = {
    {"tx_select_on_a_confirming_channel", send_tx_select, 406,
     "PRECONDITION_FAILED - cannot switch from confirm to tx mode", 90, 10},
    {"confirm_select_on_a_tx_channel", send_select_after_tx, 406,
     "PRECONDITION_FAILED - cannot switch from tx to confirm mode", 85, 10},
    {"nowait_confirm_select_on_a_tx_channel", send_nowait_select_after_tx, 406,
     "PRECONDITION_FAILED - cannot switch from tx to confirm mode", 85, 10},
};

int main(int argc, char **argv)
{
    broker_test_add_errors(errors, ARRAY_COUNT(errors));
    BROKER_TEST(select_is_idempotent);
    BROKER_TEST(nowait_select_is_not_answered);
    BROKER_TEST(no_confirms_without_select);
    for (size_t i = 0; i < ARRAY_COUNT(confirm_rows); i++)
        broker_test_add(confirm_rows[i].name, each_is_confirmed, &confirm_rows[i]);
    BROKER_TEST(return_comes_before_its_confirm);
    BROKER_TEST(returns_come_before_their_confirms_in_a_batch);
    BROKER_TEST(consumed_messages_are_confirmed);
    BROKER_TEST(fan_out_is_confirmed_once);
    BROKER_TEST(messages_of_a_deleted_queue_are_confirmed);
    BROKER_TEST(failed_publish_closes_without_a_confirm);
    BROKER_TEST(tags_are_counted_per_channel);
    BROKER_TEST(own_messages_and_confirms_mix);
    BROKER_TEST(large_persistent_messages_are_confirmed);
    return broker_test_run("confirm", argc, argv);
}
