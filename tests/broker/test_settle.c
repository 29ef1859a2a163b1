/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Acknowledgement: ack, nack, reject and recover, what returns to its queue, where and how marked.
 */
#include "broker_test.h"

#include <stdio.h>
#include <string.h>

/* --- ack, nack, reject, recover */

static void ack_multiple_takes_all_before(const void *row)
{
    struct raw_client *c = raw_open();

    (void)row;
    step_fill(c, "multiple", 4);
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
    step_fill(c, "all", 3);
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
    step_fill(c, "nack-all", 3);
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
    step_fill(c, "dropped", 3);
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
    step_fill(c, "old-place", 4);
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
    step_fill(c, "again", 1);
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
    step_fill(c, "recovered", 3);
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
    step_fill(c, "recover-async", 1);
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
    step_fill(c, "seen", 1);
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

int main(int argc, char **argv)
{
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
    return broker_test_run("settle", argc, argv);
}
