/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The errors of the basic class, publishing with returns, and get.
 */
#include "broker_test.h"

#include <stdio.h>
#include <string.h>

/* --- errors */

static void send_double_ack(struct raw_client *c)
{
    step_fill(c, "double-ack", 1);
    step_ack(c, 1, step_get(c, 1, "double-ack", "1"), false);
    step_ack(c, 1, 1, false);
}

static void send_ack_of_other_channel(struct raw_client *c)
{
    step_fill(c, "other-channel", 1);
    raw_open_channel(c, 2);
    step_get(c, 2, "other-channel", "1");
    step_ack(c, 1, 1, false);
}

static void send_ack_of_no_ack(struct raw_client *c)
{
    step_fill(c, "no-ack-ack", 1);
    step_get_no_ack(c, 1, "no-ack-ack", "1");
    step_ack(c, 1, 1, false);
}

static void send_ack_multiple_above(struct raw_client *c)
{
    step_fill(c, "ack-above", 1);
    step_get(c, 1, "ack-above", "1");
    step_ack(c, 1, 2, true);
}

static void send_second_tag(struct raw_client *c)
{
    step_fill(c, "tag-reuse", 0);
    step_consume(c, 1, "tag-reuse", "t", 0, NULL);
    step_send_consume(c, 1, "tag-reuse", "t", 0, NULL);
}

static void send_consume_beside_exclusive(struct raw_client *c)
{
    step_fill(c, "one-only", 0);
    step_consume(c, 1, "one-only", "t", CONSUME_EXCLUSIVE, NULL);
    step_send_consume(c, 1, "one-only", "u", 0, NULL);
}

static void send_exclusive_beside_other(struct raw_client *c)
{
    step_fill(c, "one-taken", 0);
    step_consume(c, 1, "one-taken", "t", 0, NULL);
    step_send_consume(c, 1, "one-taken", "u", CONSUME_EXCLUSIVE, NULL);
}

static void send_priority_of_wrong_type(struct raw_client *c)
{
    struct raw_table args = raw_table("S", "x-priority", "high");

    step_fill(c, "priority-type", 0);
    step_send_consume(c, 1, "priority-type", "t", 0, &args);
}

static void send_foreign_user_id(struct raw_client *c)
{
    struct raw_properties properties = raw_properties("u", "bob");

    step_publish_with(c, 1, "", "nowhere", 0, &properties, "m", 1);
}

static void send_expiration(struct raw_client *c, const char *expiration)
{
    struct raw_properties properties = raw_properties("x", expiration);

    step_publish_with(c, 1, "", "nowhere", 0, &properties, "m", 1);
}

SENDER(send_immediate, step_publish_with(c, 1, "", "q", PUBLISH_IMMEDIATE, NULL, "m", 1))
SENDER(send_prefetch_size, raw_method(c, 1, 60, 10, "lw1", 10u, 0, 0))
SENDER(send_recover_without_requeue, raw_method(c, 1, 60, 110, "1", 0))
SENDER(send_recover_async_without_requeue, raw_method(c, 1, 60, 100, "1", 0))
SENDER(send_get_missing, step_send_get(c, 1, "no-q", true))
SENDER(send_consume_missing, step_send_consume(c, 1, "no-q", "t", 0, NULL))
SENDER(send_consume_missing_nowait, step_send_consume(c, 1, "no-q", "t", CONSUME_NOWAIT, NULL))
SENDER(send_unknown_ack, step_ack(c, 1, 1, false))
SENDER(send_unknown_ack_multiple, step_ack(c, 1, 1, true))
SENDER(send_unknown_nack, step_nack(c, 1, 7, false, true))
SENDER(send_unknown_nack_multiple, step_nack(c, 1, 7, true, true))
SENDER(send_unknown_reject, step_reject(c, 1, 7, true))
SENDER(send_ack_0, step_ack(c, 1, 0, false))
SENDER(send_reject_0, step_reject(c, 1, 0, false))
SENDER(send_huge_ack, step_ack(c, 1, UINT64_MAX, false))
SENDER(send_expiration_word, send_expiration(c, "abc"))
SENDER(send_expiration_negative, send_expiration(c, "-1"))
SENDER(send_expiration_tail, send_expiration(c, "10x"))
SENDER(send_expiration_empty, send_expiration(c, ""))
SENDER(send_expiration_huge, send_expiration(c, "315360000001"))

static const struct error_row errors[] = {
    {"immediate_is_not_implemented", send_immediate, 540, "NOT_IMPLEMENTED - immediate=true", 60,
     40},
    {"prefetch_size_is_not_implemented", send_prefetch_size, 540,
     "NOT_IMPLEMENTED - prefetch_size!=0 (10)", 60, 10},
    {"recover_without_requeue", send_recover_without_requeue, 540,
     "NOT_IMPLEMENTED - requeue=false", 60, 110},
    {"recover_async_without_requeue", send_recover_async_without_requeue, 540,
     "NOT_IMPLEMENTED - requeue=false", 60, 100},
    {"get_of_a_missing_queue", send_get_missing, 404, "NOT_FOUND - no queue 'no-q' in vhost '/'",
     60, 70},
    {"consume_of_a_missing_queue", send_consume_missing, 404,
     "NOT_FOUND - no queue 'no-q' in vhost '/'", 60, 20},
    {"nowait_consume_of_a_missing_queue", send_consume_missing_nowait, 404,
     "NOT_FOUND - no queue 'no-q' in vhost '/'", 60, 20},
    {"ack_of_nothing", send_unknown_ack, 406, "PRECONDITION_FAILED - unknown delivery tag 1", 60,
     80},
    {"ack_multiple_of_nothing", send_unknown_ack_multiple, 406,
     "PRECONDITION_FAILED - unknown delivery tag 1", 60, 80},
    {"nack_of_nothing", send_unknown_nack, 406, "PRECONDITION_FAILED - unknown delivery tag 7", 60,
     120},
    {"nack_multiple_of_nothing", send_unknown_nack_multiple, 406,
     "PRECONDITION_FAILED - unknown delivery tag 7", 60, 120},
    {"reject_of_nothing", send_unknown_reject, 406, "PRECONDITION_FAILED - unknown delivery tag 7",
     60, 90},
    {"ack_of_tag_0", send_ack_0, 406, "PRECONDITION_FAILED - unknown delivery tag 0", 60, 80},
    {"reject_of_tag_0", send_reject_0, 406, "PRECONDITION_FAILED - unknown delivery tag 0", 60, 90},
    {"ack_of_the_largest_tag", send_huge_ack, 406,
     "PRECONDITION_FAILED - unknown delivery tag 18446744073709551615", 60, 80},
    {"double_ack", send_double_ack, 406, "PRECONDITION_FAILED - unknown delivery tag 1", 60, 80},
    {"ack_of_another_channels_tag", send_ack_of_other_channel, 406,
     "PRECONDITION_FAILED - unknown delivery tag 1", 60, 80},
    {"ack_of_a_no_ack_delivery", send_ack_of_no_ack, 406,
     "PRECONDITION_FAILED - unknown delivery tag 1", 60, 80},
    {"ack_multiple_above_all_tags", send_ack_multiple_above, 406,
     "PRECONDITION_FAILED - unknown delivery tag 2", 60, 80},
    {"consumer_tag_reuse", send_second_tag, 530, "NOT_ALLOWED - attempt to reuse consumer tag 't'",
     60, 20},
    {"consumer_beside_an_exclusive_one", send_consume_beside_exclusive, 403,
     "ACCESS_REFUSED - queue 'one-only' in vhost '/' in exclusive use", 60, 20},
    {"exclusive_consumer_beside_another", send_exclusive_beside_other, 403,
     "ACCESS_REFUSED - queue 'one-taken' in vhost '/' in exclusive use", 60, 20},
    {"x_priority_of_wrong_type", send_priority_of_wrong_type, 406, NULL, 60, 20},
    {"user_id_of_somebody_else", send_foreign_user_id, 406,
     "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was 'guest'", 60,
     40},
    {"expiration_that_is_a_word", send_expiration_word, 406,
     "PRECONDITION_FAILED - invalid expiration 'abc': no_integer", 60, 40},
    {"expiration_that_is_negative", send_expiration_negative, 406,
     "PRECONDITION_FAILED - invalid expiration '-1': {value_negative,-1}", 60, 40},
    {"expiration_with_a_tail", send_expiration_tail, 406,
     "PRECONDITION_FAILED - invalid expiration '10x': {leftover_string,\"x\"}", 60, 40},
    {"expiration_that_is_empty", send_expiration_empty, 406,
     "PRECONDITION_FAILED - invalid expiration '': no_integer", 60, 40},
    {"expiration_that_is_too_large", send_expiration_huge, 406,
     "PRECONDITION_FAILED - invalid expiration '315360000001': {value_too_large,315360000001}", 60,
     40},
};

/* --- get */

static void get_counts_what_remains(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_fill(c, "remains", 3);
    step_get(c, 1, "remains", "1");
    assert_int_equal(raw_last_message(c)->message_count, 2);
    step_get_no_ack(c, 1, "remains", "2");
    assert_int_equal(raw_last_message(c)->message_count, 1);
    step_get(c, 1, "remains", "3");
    assert_int_equal(raw_last_message(c)->message_count, 0);
    step_get_empty(c, 1, "remains");
}

static void tags_count_deliveries_of_every_kind(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_fill(c, "tags", 2);
    step_get_no_ack(c, 1, "tags", "1");
    assert_int_equal(raw_last_message(c)->delivery_tag, 1);
    assert_int_equal(step_get(c, 1, "tags", "2"), 2);
    step_consume(c, 1, "tags", "t", CONSUME_NO_ACK, NULL);
    step_publish(c, 1, "", "tags", "3");
    assert_int_equal(step_deliver(c, 1, "t", "3"), 3);
    step_cancel(c, 1, "t");
    step_publish(c, 1, "", "tags", "4");
    assert_int_equal(step_get(c, 1, "tags", "4"), 4);
}

/* --- publish and return */

static void unroutable_is_dropped_without_mandatory(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_publish(c, 1, "", "no-such-queue", "m");
    step_publish(c, 1, "amq.direct", "no-such-key", "m");
    raw_expect_nothing(c, 1);
}

static void mandatory_unroutable_is_returned(const void *row)
{
    struct raw_table headers = raw_table("SI", "a", "1", "b", 2);
    struct raw_properties properties = raw_properties("chi", "text/plain", &headers, "id");
    struct raw_client *c = raw_open();

    (void)row;
    step_publish_with(c, 1, "amq.direct", "no-such-key", PUBLISH_MANDATORY, &properties, "back", 4);
    const struct raw_message *m = raw_expect_return(c, 1);
    assert_int_equal(m->reply_code, 312);
    assert_string_equal(m->reply_text, "NO_ROUTE");
    assert_string_equal(m->exchange, "amq.direct");
    assert_string_equal(m->routing_key, "no-such-key");
    assert_int_equal(m->flags, properties.flags);
    assert_int_equal(m->properties_bytes, properties.bytes);
    assert_memory_equal(m->properties, properties.data, properties.bytes);
    step_assert_body(c, "back");
}

static void mandatory_routed_is_not_returned(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_fill(c, "mandatory", 0);
    step_publish_with(c, 1, "", "mandatory", PUBLISH_MANDATORY, NULL, "in", 2);
    raw_expect_nothing(c, 1);
    step_get(c, 1, "mandatory", "in");
}

static void empty_and_large_messages_are_returned_whole(const void *row)
{
    static char large[300000];
    struct raw_client *c = raw_open();

    (void)row;
    memset(large, 'r', sizeof large);
    step_publish_with(c, 1, "", "no-such-queue", PUBLISH_MANDATORY, NULL, "", 0);
    assert_int_equal(raw_expect_return(c, 1)->body_bytes, 0);
    step_publish_with(c, 1, "", "no-such-queue", PUBLISH_MANDATORY, NULL, large, sizeof large);
    assert_int_equal(raw_expect_return(c, 1)->body_bytes, sizeof large);
    assert_memory_equal(raw_last_message(c)->body, large, sizeof large);
}

static void own_user_id_is_accepted(const void *row)
{
    struct raw_properties properties = raw_properties("u", "guest");
    struct raw_client *c = raw_open();

    (void)row;
    step_fill(c, "user-id", 0);
    step_publish_with(c, 1, "", "user-id", 0, &properties, "m", 1);
    step_get(c, 1, "user-id", "m");
}

static void order_of_a_publisher_is_kept(const void *row)
{
    struct raw_client *c = raw_open();
    struct raw_client *consumer = raw_open();

    (void)row;
    step_declare(c, 1, "kept-order", 0, NULL);
    step_purge(c, 1, "kept-order");
    step_qos(consumer, 1, 7, false);
    step_consume(consumer, 1, "kept-order", "t", 0, NULL);
    raw_gather(c);
    for (int i = 0; i < 2000; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        step_publish(c, 1, "", "kept-order", body);
    }
    raw_flush(c);
    for (int i = 0; i < 2000; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        step_ack(consumer, 1, step_deliver(consumer, 1, "t", body), false);
    }
    step_delete(c, 1, "kept-order");
}

static void fanned_out_copies_are_independent(const void *row)
{
    static const char *const queues[] = {"fan-1", "fan-2", "fan-3"};
    struct raw_client *c = raw_open();

    (void)row;
    for (size_t i = 0; i < ARRAY_COUNT(queues); i++) {
        step_declare(c, 1, queues[i], QUEUE_EXCLUSIVE, NULL);
        step_bind(c, 1, queues[i], "amq.fanout", "", NULL);
    }
    step_publish(c, 1, "amq.fanout", "k", "copy");
    step_ack(c, 1, step_get(c, 1, queues[0], "copy"), false);
    step_reject(c, 1, step_get(c, 1, queues[1], "copy"), true);
    step_get(c, 1, queues[1], "copy");
    assert_true(raw_last_message(c)->redelivered);
    step_get(c, 1, queues[2], "copy");
    assert_false(raw_last_message(c)->redelivered);
    step_get_empty(c, 1, queues[0]);
}

int main(int argc, char **argv)
{
    broker_test_add_errors(errors, ARRAY_COUNT(errors));
    BROKER_TEST(get_counts_what_remains);
    BROKER_TEST(tags_count_deliveries_of_every_kind);
    BROKER_TEST(unroutable_is_dropped_without_mandatory);
    BROKER_TEST(mandatory_unroutable_is_returned);
    BROKER_TEST(mandatory_routed_is_not_returned);
    BROKER_TEST(empty_and_large_messages_are_returned_whole);
    BROKER_TEST(own_user_id_is_accepted);
    BROKER_TEST(order_of_a_publisher_is_kept);
    BROKER_TEST(fanned_out_copies_are_independent);
    return broker_test_run("basic", argc, argv);
}
