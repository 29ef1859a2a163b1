/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Consumers: prefetch in both meanings, tags, turns, priorities, exclusivity and cancellation.
 *
 * What a consumer does not get is shown by an answer that a delivery would have preceded, never by
 * waiting.
 */
#include "broker_test.h"

#include <stdio.h>
#include <string.h>

/* --- qos */

static void prefetch_limits_a_consumer(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_fill(c, "prefetch", 5);
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
    step_fill(c, "prefetch-0", 50);
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
    step_fill(c, "prefetch-a", 3);
    step_fill(c, "prefetch-b", 3);
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
    step_fill(c, "global-a", 3);
    step_fill(c, "global-b", 3);
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
    step_fill(c, "raised", 4);
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
    step_fill(c, "both-a", 5);
    step_fill(c, "both-b", 5);
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
    step_fill(c, "lifted-a", 2);
    step_fill(c, "lifted-b", 2);
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
    step_fill(c, "no-limit", 6);
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
    step_fill(c, "of-channel", 5);
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
    step_fill(c, "ordered", 20);
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
    step_fill(c, "generated", 0);
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
    step_fill(c, "same-tag", 0);
    step_consume(c, 1, "same-tag", "t", 0, NULL);
    step_consume(c, 2, "same-tag", "t", 0, NULL);
}

static void cancelled_tag_may_be_used_again(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_fill(c, "tag-again", 0);
    for (int i = 0; i < 5; i++) {
        step_consume(c, 1, "tag-again", "t", 0, NULL);
        step_cancel(c, 1, "t");
    }
}

static void cancel_ends_deliveries_but_not_acks(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_fill(c, "cancelled", 1);
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
    step_fill(c, "nowait", 1);
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
    step_fill(c, "turns", 0);
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
    step_fill(c, "preferred", 0);
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
    step_fill(c, "get-beside", 3);
    step_qos(c, 1, 1, false);
    step_consume(c, 1, "get-beside", "t", CONSUME_EXCLUSIVE, NULL);
    step_deliver(c, 1, "t", "1");
    step_get(c, 1, "get-beside", "2");
}

static void exclusive_consumer_gives_way_by_cancel(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_fill(c, "gives-way", 0);
    step_consume(c, 1, "gives-way", "t", CONSUME_EXCLUSIVE, NULL);
    step_cancel(c, 1, "t");
    step_consume(c, 1, "gives-way", "u", CONSUME_EXCLUSIVE, NULL);
}

static void no_local_is_ignored(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_fill(c, "local", 0);
    step_consume(c, 1, "local", "t", CONSUME_NO_LOCAL, NULL);
    step_publish(c, 1, "", "local", "own");
    step_deliver(c, 1, "t", "own");
}

static void unknown_consume_arguments_are_ignored(const void *row)
{
    struct raw_table args = raw_table("tS", "x-cancel-on-ha-failover", 1, "custom", "x");
    struct raw_client *c = raw_open();

    (void)row;
    step_fill(c, "consume-args", 1);
    step_consume(c, 1, "consume-args", "t", 0, &args);
    step_deliver(c, 1, "t", "1");
}

static void queue_delete_cancels_its_consumers(const void *row)
{
    struct raw_client *c = raw_open();
    char tag[256];
    bool nowait = false;

    (void)row;
    step_fill(c, "deleted-under", 0);
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
    step_fill(c, "deleted-silently", 0);
    step_consume(c, 1, "deleted-silently", "t", 0, NULL);
    step_delete(c, 1, "deleted-silently");
    raw_expect_nothing(c, 1);
    raw_expect_nothing(c, 1);
}

int main(int argc, char **argv)
{
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
    return broker_test_run("consume", argc, argv);
}
