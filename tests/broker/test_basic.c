/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The basic class: prefetch, consumers, get, acknowledgement and requeue, returns, and their
 * errors.
 *
 * What a consumer does not get is shown by an answer that a delivery would have preceded, never by
 * waiting.
 */
#include "broker_test.h"

#include <stdio.h>
#include <string.h>

/* --- errors */

static void declare_with(struct raw_client *c, const char *queue, int count)
{
    step_declare(c, 1, queue, QUEUE_EXCLUSIVE, NULL);
    for (int i = 1; i <= count; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        step_publish(c, 1, "", queue, body);
    }
}

static void send_double_ack(struct raw_client *c)
{
    declare_with(c, "double-ack", 1);
    step_ack(c, 1, step_get(c, 1, "double-ack", "1"), false);
    step_ack(c, 1, 1, false);
}

static void send_ack_of_other_channel(struct raw_client *c)
{
    declare_with(c, "other-channel", 1);
    raw_open_channel(c, 2);
    step_get(c, 2, "other-channel", "1");
    step_ack(c, 1, 1, false);
}

static void send_ack_of_no_ack(struct raw_client *c)
{
    declare_with(c, "no-ack-ack", 1);
    step_get_no_ack(c, 1, "no-ack-ack", "1");
    step_ack(c, 1, 1, false);
}

static void send_ack_multiple_above(struct raw_client *c)
{
    declare_with(c, "ack-above", 1);
    step_get(c, 1, "ack-above", "1");
    step_ack(c, 1, 2, true);
}

static void send_second_tag(struct raw_client *c)
{
    declare_with(c, "tag-reuse", 0);
    step_consume(c, 1, "tag-reuse", "t", 0, NULL);
    step_send_consume(c, 1, "tag-reuse", "t", 0, NULL);
}

static void send_consume_beside_exclusive(struct raw_client *c)
{
    declare_with(c, "one-only", 0);
    step_consume(c, 1, "one-only", "t", CONSUME_EXCLUSIVE, NULL);
    step_send_consume(c, 1, "one-only", "u", 0, NULL);
}

static void send_exclusive_beside_other(struct raw_client *c)
{
    declare_with(c, "one-taken", 0);
    step_consume(c, 1, "one-taken", "t", 0, NULL);
    step_send_consume(c, 1, "one-taken", "u", CONSUME_EXCLUSIVE, NULL);
}

static void send_priority_of_wrong_type(struct raw_client *c)
{
    struct raw_table args = raw_table("S", "x-priority", "high");

    declare_with(c, "priority-type", 0);
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

/* --- qos */

static void prefetch_limits_a_consumer(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "prefetch", 5);
    step_qos(c, 1, 2, false);
    step_consume(c, 1, "prefetch", "t", 0, NULL);
    uint64_t first = step_deliver(c, 1, "t", "1");
    step_deliver(c, 1, "t", "2");
    step_no_delivery(c, 1, "prefetch");
    step_ack(c, 1, first, false);
    step_deliver(c, 1, "t", "3");
    step_no_delivery(c, 1, "prefetch");
    step_ack(c, 1, 3, true);
    step_deliver(c, 1, "t", "4");
    step_deliver(c, 1, "t", "5");
}

static void prefetch_0_is_no_limit(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "prefetch-0", 50);
    step_qos(c, 1, 1, false);
    step_qos(c, 1, 0, false);
    step_consume(c, 1, "prefetch-0", "t", 0, NULL);
    for (int i = 0; i < 50; i++)
        step_deliver(c, 1, "t", NULL);
}

/* RabbitMQ's meaning: the value belongs to each consumer that starts later. */
static void prefetch_is_per_consumer(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "prefetch-a", 3);
    declare_with(c, "prefetch-b", 3);
    step_qos(c, 1, 1, false);
    step_consume(c, 1, "prefetch-a", "a", 0, NULL);
    step_deliver(c, 1, "a", "1");
    step_qos(c, 1, 2, false);
    step_consume(c, 1, "prefetch-b", "b", 0, NULL);
    step_deliver(c, 1, "b", "1");
    step_deliver(c, 1, "b", "2");
    step_no_delivery(c, 1, "prefetch-b");
    step_ack(c, 1, 1, false); /* the first consumer keeps its 1 */
    step_deliver(c, 1, "a", "2");
    step_no_delivery(c, 1, "prefetch-a");
}

static void global_prefetch_is_shared_by_the_channel(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "global-a", 3);
    declare_with(c, "global-b", 3);
    step_qos(c, 1, 2, true);
    step_consume(c, 1, "global-a", "a", 0, NULL);
    step_deliver(c, 1, "a", "1");
    step_deliver(c, 1, "a", "2");
    step_consume(c, 1, "global-b", "b", 0, NULL);
    step_no_delivery(c, 1, "global-b");
    step_ack(c, 1, 2, true);
    raw_expect_deliver(c, 1);
    raw_expect_deliver(c, 1);
    step_no_delivery(c, 1, "global-b");
    step_no_delivery(c, 1, "global-a");
}

static void global_prefetch_may_be_raised(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "raised", 4);
    step_qos(c, 1, 1, true);
    step_consume(c, 1, "raised", "t", 0, NULL);
    step_deliver(c, 1, "t", "1");
    step_no_delivery(c, 1, "raised");
    raw_method(c, 1, 60, 10, "lw1", 0u, 3, 1);
    raw_expect(c, 1, 60, 11);
    step_deliver(c, 1, "t", "2");
    step_deliver(c, 1, "t", "3");
    step_no_delivery(c, 1, "raised");
}

static void both_prefetches_hold_together(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "both-a", 5);
    declare_with(c, "both-b", 5);
    step_qos(c, 1, 2, false);
    step_qos(c, 1, 3, true);
    step_consume(c, 1, "both-a", "a", 0, NULL);
    step_deliver(c, 1, "a", "1");
    step_deliver(c, 1, "a", "2");
    step_no_delivery(c, 1, "both-a");
    step_consume(c, 1, "both-b", "b", 0, NULL);
    step_deliver(c, 1, "b", "1");
    step_no_delivery(c, 1, "both-b");
}

/* As RabbitMQ does: a value for consumers takes the channel's limit away. */
static void prefetch_of_consumers_lifts_the_channels(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "lifted-a", 2);
    declare_with(c, "lifted-b", 2);
    step_qos(c, 1, 1, true);
    step_qos(c, 1, 2, false);
    step_consume(c, 1, "lifted-a", "a", 0, NULL);
    step_deliver(c, 1, "a", "1");
    step_deliver(c, 1, "a", "2");
    step_consume(c, 1, "lifted-b", "b", 0, NULL);
    step_deliver(c, 1, "b", "1");
    step_deliver(c, 1, "b", "2");
}

static void prefetch_ignores_no_ack_and_get(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "no-limit", 6);
    step_qos(c, 1, 1, false);
    step_get(c, 1, "no-limit", "1");
    step_get(c, 1, "no-limit", "2");
    step_consume(c, 1, "no-limit", "t", CONSUME_NO_ACK, NULL);
    for (int i = 3; i <= 6; i++)
        step_deliver(c, 1, "t", NULL);
}

static void prefetch_is_per_channel(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_open_channel(c, 2);
    declare_with(c, "of-channel", 5);
    step_qos(c, 1, 1, true);
    step_consume(c, 2, "of-channel", "t", 0, NULL);
    for (int i = 0; i < 5; i++)
        step_deliver(c, 2, "t", NULL);
}

/* --- consume and cancel */

static void deliveries_follow_consume_ok(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "ordered", 20);
    step_consume(c, 1, "ordered", "t", 0, NULL);
    for (int i = 1; i <= 20; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        assert_int_equal(step_deliver(c, 1, "t", body), i);
        assert_false(raw_last_message(c)->redelivered);
        assert_string_equal(raw_last_message(c)->exchange, "");
        assert_string_equal(raw_last_message(c)->routing_key, "ordered");
    }
}

static void empty_tag_is_generated(const void *row)
{
    struct raw_client *c = raw_open();
    char first[256], second[256];

    (void)row;
    declare_with(c, "generated", 0);
    step_send_consume(c, 1, "generated", "", 0, NULL);
    raw_expect(c, 1, 60, 21);
    raw_args(c, "s", first);
    step_send_consume(c, 1, "generated", "", 0, NULL);
    raw_expect(c, 1, 60, 21);
    raw_args(c, "s", second);
    assert_memory_equal(first, "amq.ctag-", 9);
    assert_int_equal(strlen(first), 31);
    assert_string_not_equal(first, second);
}

static void tags_are_per_channel(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_open_channel(c, 2);
    declare_with(c, "same-tag", 0);
    step_consume(c, 1, "same-tag", "t", 0, NULL);
    step_consume(c, 2, "same-tag", "t", 0, NULL);
}

static void cancelled_tag_may_be_used_again(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "tag-again", 0);
    for (int i = 0; i < 5; i++) {
        step_consume(c, 1, "tag-again", "t", 0, NULL);
        step_cancel(c, 1, "t");
    }
}

static void cancel_ends_deliveries_but_not_acks(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "cancelled", 1);
    step_consume(c, 1, "cancelled", "t", 0, NULL);
    uint64_t tag = step_deliver(c, 1, "t", "1");
    step_cancel(c, 1, "t");
    step_publish(c, 1, "", "cancelled", "later");
    step_get(c, 1, "cancelled", "later");
    step_ack(c, 1, tag, false);
    raw_expect_nothing(c, 1);
}

static void cancel_of_an_unknown_tag_is_answered(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_cancel(c, 1, "never");
}

static void nowait_consume_and_cancel_are_not_answered(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "nowait", 1);
    step_consume(c, 1, "nowait", "t", CONSUME_NOWAIT, NULL);
    step_deliver(c, 1, "t", "1");
    raw_method(c, 1, 60, 30, "s1", "t", 1);
    raw_expect_nothing(c, 1);
    step_publish(c, 1, "", "nowait", "2");
    step_get(c, 1, "nowait", "2");
}

static void consumers_take_turns(const void *row)
{
    struct raw_client *c = raw_open();
    int count_a = 0;

    (void)row;
    declare_with(c, "turns", 0);
    step_consume(c, 1, "turns", "a", 0, NULL);
    step_consume(c, 1, "turns", "b", 0, NULL);
    for (int i = 0; i < 10; i++) {
        step_publish(c, 1, "", "turns", "m");
        count_a += strcmp(raw_expect_deliver(c, 1)->consumer_tag, "a") == 0;
    }
    assert_int_equal(count_a, 5);
}

static void higher_priority_consumers_come_first(const void *row)
{
    struct raw_table high = raw_table("I", "x-priority", 10);
    struct raw_table low = raw_table("s", "x-priority", -5);
    struct raw_client *c = raw_open();

    (void)row;
    raw_open_channel(c, 2);
    raw_open_channel(c, 3);
    declare_with(c, "preferred", 0);
    step_qos(c, 2, 2, false);
    step_qos(c, 3, 1, false);
    step_consume(c, 1, "preferred", "low", 0, &low);
    step_consume(c, 3, "preferred", "middle", 0, NULL);
    step_consume(c, 2, "preferred", "high", 0, &high);
    step_publish(c, 1, "", "preferred", "1");
    step_deliver(c, 2, "high", "1");
    step_publish(c, 1, "", "preferred", "2");
    step_deliver(c, 2, "high", "2");
    step_publish(c, 1, "", "preferred", "3"); /* the high one is full */
    step_deliver(c, 3, "middle", "3");
    step_publish(c, 1, "", "preferred", "4");
    step_deliver(c, 1, "low", "4");
    step_ack(c, 2, 1, false);
    step_no_delivery(c, 2, "preferred");
    step_publish(c, 2, "", "preferred", "5");
    step_deliver(c, 2, "high", "5");
}

static void get_is_allowed_beside_an_exclusive_consumer(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "get-beside", 3);
    step_qos(c, 1, 1, false);
    step_consume(c, 1, "get-beside", "t", CONSUME_EXCLUSIVE, NULL);
    step_deliver(c, 1, "t", "1");
    step_get(c, 1, "get-beside", "2");
}

static void exclusive_consumer_gives_way_by_cancel(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "gives-way", 0);
    step_consume(c, 1, "gives-way", "t", CONSUME_EXCLUSIVE, NULL);
    step_cancel(c, 1, "t");
    step_consume(c, 1, "gives-way", "u", CONSUME_EXCLUSIVE, NULL);
}

static void no_local_is_ignored(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "local", 0);
    step_consume(c, 1, "local", "t", CONSUME_NO_LOCAL, NULL);
    step_publish(c, 1, "", "local", "own");
    step_deliver(c, 1, "t", "own");
}

static void unknown_consume_arguments_are_ignored(const void *row)
{
    struct raw_table args = raw_table("tS", "x-cancel-on-ha-failover", 1, "custom", "x");
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "consume-args", 1);
    step_consume(c, 1, "consume-args", "t", 0, &args);
    step_deliver(c, 1, "t", "1");
}

static void queue_delete_cancels_its_consumers(const void *row)
{
    struct raw_client *c = raw_open();
    char tag[256];
    bool nowait = false;

    (void)row;
    declare_with(c, "deleted-under", 0);
    step_consume(c, 1, "deleted-under", "t", 0, NULL);
    step_send_delete(c, 1, "deleted-under", 0);
    raw_expect(c, 1, 50, 41); /* before the cancel of its own consumer */
    raw_expect(c, 1, 60, 30);
    raw_args(c, "s1", tag, &nowait);
    assert_string_equal(tag, "t");
    assert_true(nowait);
    raw_expect_nothing(c, 1);
}

static void queue_delete_cancels_others_consumers(const void *row)
{
    struct raw_client *c = raw_open();
    struct raw_client *other = raw_open();
    char tag[256];

    (void)row;
    step_declare(c, 1, "deleted-by-other", QUEUE_AUTO_DELETE, NULL);
    step_consume(c, 1, "deleted-by-other", "t", 0, NULL);
    step_delete(other, 1, "deleted-by-other");
    raw_expect(c, 1, 60, 30);
    raw_args(c, "s1", tag, NULL);
    assert_string_equal(tag, "t");
}

static void cancel_is_not_told_without_the_capability(const void *row)
{
    struct raw_login login = {.no_capabilities = true};
    struct raw_client *c = raw_open_with(&login);

    (void)row;
    declare_with(c, "deleted-silently", 0);
    step_consume(c, 1, "deleted-silently", "t", 0, NULL);
    step_delete(c, 1, "deleted-silently");
    raw_expect_nothing(c, 1);
    raw_expect_nothing(c, 1);
}

/* --- get */

static void get_counts_what_remains(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "remains", 3);
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
    declare_with(c, "tags", 2);
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

/* --- ack, nack, reject, recover */

static void ack_multiple_takes_all_before(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "multiple", 4);
    for (int i = 0; i < 4; i++)
        step_get(c, 1, "multiple", NULL);
    step_ack(c, 1, 2, false);
    step_ack(c, 1, 3, true);
    step_recover(c, 1);
    step_get(c, 1, "multiple", "4");
    step_get_empty(c, 1, "multiple");
}

static void ack_0_multiple_takes_all(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "all", 3);
    step_ack(c, 1, 0, true); /* of nothing */
    for (int i = 0; i < 3; i++)
        step_get(c, 1, "all", NULL);
    step_ack(c, 1, 0, true);
    step_recover(c, 1);
    step_get_empty(c, 1, "all");
}

static void nack_0_multiple_requeues_all(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "nack-all", 3);
    for (int i = 0; i < 3; i++)
        step_get(c, 1, "nack-all", NULL);
    step_nack(c, 1, 0, true, true);
    step_get(c, 1, "nack-all", "1");
    assert_true(raw_last_message(c)->redelivered);
    step_get(c, 1, "nack-all", "2");
    step_get(c, 1, "nack-all", "3");
}

static void nack_without_requeue_drops(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "dropped", 3);
    for (int i = 0; i < 3; i++)
        step_get(c, 1, "dropped", NULL);
    step_nack(c, 1, 2, true, false);
    step_reject(c, 1, 3, false);
    step_get_empty(c, 1, "dropped");
}

static void requeue_returns_to_the_old_place(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "old-place", 4);
    for (int i = 0; i < 3; i++)
        step_get(c, 1, "old-place", NULL);
    step_reject(c, 1, 2, true);
    step_reject(c, 1, 3, true);
    step_reject(c, 1, 1, true);
    step_get(c, 1, "old-place", "1");
    assert_true(raw_last_message(c)->redelivered);
    step_get(c, 1, "old-place", "2");
    step_get(c, 1, "old-place", "3");
    step_get(c, 1, "old-place", "4");
    assert_false(raw_last_message(c)->redelivered);
}

static void requeued_message_comes_again(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "again", 1);
    step_consume(c, 1, "again", "t", 0, NULL);
    for (uint64_t tag = 1; tag <= 10; tag++) {
        assert_int_equal(step_deliver(c, 1, "t", "1"), tag);
        assert_int_equal(raw_last_message(c)->redelivered, tag > 1);
        if (tag % 2 == 0)
            step_nack(c, 1, tag, false, true);
        else
            step_reject(c, 1, tag, true);
    }
    step_ack(c, 1, step_deliver(c, 1, "t", "1"), false);
    raw_expect_nothing(c, 1);
}

static void recover_requeues_all_of_the_channel(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_open_channel(c, 2);
    declare_with(c, "recovered", 3);
    step_get(c, 1, "recovered", "1");
    step_get(c, 2, "recovered", "2");
    step_get(c, 1, "recovered", "3");
    step_recover(c, 1);
    step_get(c, 1, "recovered", "1");
    assert_true(raw_last_message(c)->redelivered);
    step_get(c, 1, "recovered", "3");
    step_get_empty(c, 1, "recovered");
}

static void recover_async_is_not_answered(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    declare_with(c, "recover-async", 1);
    step_get(c, 1, "recover-async", "1");
    raw_method(c, 1, 60, 100, "1", 1);
    step_get(c, 1, "recover-async", "1");
    assert_true(raw_last_message(c)->redelivered);
}

static void redelivered_belongs_to_the_message(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    raw_open_channel(c, 2);
    declare_with(c, "seen", 1);
    step_consume(c, 1, "seen", "t", 0, NULL);
    step_deliver(c, 1, "t", "1");
    step_cancel(c, 1, "t");
    step_nack(c, 1, 1, false, true);
    raw_expect_nothing(c, 1);
    step_await_ready(c, 1, "seen", 1);
    step_consume(c, 2, "seen", "u", 0, NULL);
    step_deliver(c, 2, "u", "1");
    assert_true(raw_last_message(c)->redelivered);
}

static void unacked_go_to_another_consumer(const void *row)
{
    struct raw_client *c = raw_open();
    struct raw_client *other = raw_open();

    (void)row;
    step_declare(c, 1, "handed-over", 0, NULL);
    step_purge(c, 1, "handed-over");
    step_publish(c, 1, "", "handed-over", "1");
    step_publish(c, 1, "", "handed-over", "2");
    step_consume(c, 1, "handed-over", "t", 0, NULL);
    step_deliver(c, 1, "t", "1");
    step_deliver(c, 1, "t", "2");
    step_consume(other, 1, "handed-over", "u", 0, NULL);
    raw_drop(c, true);
    step_deliver(other, 1, "u", "1");
    assert_true(raw_last_message(other)->redelivered);
    step_deliver(other, 1, "u", "2");
    step_delete(other, 1, "handed-over");
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
    declare_with(c, "mandatory", 0);
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
    declare_with(c, "user-id", 0);
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
    BROKER_TEST(prefetch_limits_a_consumer);
    BROKER_TEST(prefetch_0_is_no_limit);
    BROKER_TEST(prefetch_is_per_consumer);
    BROKER_TEST(global_prefetch_is_shared_by_the_channel);
    BROKER_TEST(global_prefetch_may_be_raised);
    BROKER_TEST(both_prefetches_hold_together);
    BROKER_TEST(prefetch_of_consumers_lifts_the_channels);
    BROKER_TEST(prefetch_ignores_no_ack_and_get);
    BROKER_TEST(prefetch_is_per_channel);
    BROKER_TEST(deliveries_follow_consume_ok);
    BROKER_TEST(empty_tag_is_generated);
    BROKER_TEST(tags_are_per_channel);
    BROKER_TEST(cancelled_tag_may_be_used_again);
    BROKER_TEST(cancel_ends_deliveries_but_not_acks);
    BROKER_TEST(cancel_of_an_unknown_tag_is_answered);
    BROKER_TEST(nowait_consume_and_cancel_are_not_answered);
    BROKER_TEST(consumers_take_turns);
    BROKER_TEST(higher_priority_consumers_come_first);
    BROKER_TEST(get_is_allowed_beside_an_exclusive_consumer);
    BROKER_TEST(exclusive_consumer_gives_way_by_cancel);
    BROKER_TEST(no_local_is_ignored);
    BROKER_TEST(unknown_consume_arguments_are_ignored);
    BROKER_TEST(queue_delete_cancels_its_consumers);
    BROKER_TEST(queue_delete_cancels_others_consumers);
    BROKER_TEST(cancel_is_not_told_without_the_capability);
    BROKER_TEST(get_counts_what_remains);
    BROKER_TEST(tags_count_deliveries_of_every_kind);
    BROKER_TEST(ack_multiple_takes_all_before);
    BROKER_TEST(ack_0_multiple_takes_all);
    BROKER_TEST(nack_0_multiple_requeues_all);
    BROKER_TEST(nack_without_requeue_drops);
    BROKER_TEST(requeue_returns_to_the_old_place);
    BROKER_TEST(requeued_message_comes_again);
    BROKER_TEST(recover_requeues_all_of_the_channel);
    BROKER_TEST(recover_async_is_not_answered);
    BROKER_TEST(redelivered_belongs_to_the_message);
    BROKER_TEST(unacked_go_to_another_consumer);
    BROKER_TEST(unroutable_is_dropped_without_mandatory);
    BROKER_TEST(mandatory_unroutable_is_returned);
    BROKER_TEST(mandatory_routed_is_not_returned);
    BROKER_TEST(empty_and_large_messages_are_returned_whole);
    BROKER_TEST(own_user_id_is_accepted);
    BROKER_TEST(order_of_a_publisher_is_kept);
    BROKER_TEST(fanned_out_copies_are_independent);
    return broker_test_run("basic", argc, argv);
}
