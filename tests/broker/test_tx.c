/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: publishes and acknowledgements wait for the commit; everything else takes place at
 * once.
 */
#include "broker_test.h"

#include <stdio.h>
#include <string.h>

enum { TX_SELECT = 10, TX_COMMIT = 20, TX_ROLLBACK = 30 };

SENDER(send_commit, raw_method(c, 1, 90, TX_COMMIT, ""))
SENDER(send_rollback, raw_method(c, 1, 90, TX_ROLLBACK, ""))
SENDER(send_publish_missing, step_tx(c, 1, TX_SELECT); step_publish(c, 1, "no-x", "k", "m"))
SENDER(send_unknown_ack, step_tx(c, 1, TX_SELECT); step_ack(c, 1, 1, false))
SENDER(send_ack_twice, step_declare(c, 1, "tx-twice", QUEUE_EXCLUSIVE, NULL);
       step_publish(c, 1, "", "tx-twice", "m"); step_get(c, 1, "tx-twice", "m");
       step_tx(c, 1, TX_SELECT); step_ack(c, 1, 1, false); step_ack(c, 1, 1, false))

static const struct error_row errors[] = {
    {"commit_without_select", send_commit, 406,
     "PRECONDITION_FAILED - channel is not transactional", 90, TX_COMMIT},
    {"rollback_without_select", send_rollback, 406,
     "PRECONDITION_FAILED - channel is not transactional", 90, TX_ROLLBACK},
    {"publish_errors_do_not_wait_for_the_commit", send_publish_missing, 404,
     "NOT_FOUND - no exchange 'no-x' in vhost '/'", 60, 40},
    {"ack_errors_do_not_wait_for_the_commit", send_unknown_ack, 406,
     "PRECONDITION_FAILED - unknown delivery tag 1", 60, 80},
    {"ack_twice_in_a_transaction", send_ack_twice, 406,
     "PRECONDITION_FAILED - unknown delivery tag 1", 60, 80},
};

/* Opens with a queue of that many messages "1", "2", ..., got unacked on channel 1, which is in tx
 * mode. */
static struct raw_client *open_tx(const char *queue, int got_count)
{
    struct raw_client *c = raw_open();

    raw_open_channel(c, 2);
    step_declare(c, 1, queue, QUEUE_EXCLUSIVE, NULL);
    for (int i = 1; i <= got_count; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        step_publish(c, 1, "", queue, body);
        step_get(c, 1, queue, body);
    }
    step_tx(c, 1, TX_SELECT);
    return c;
}

static void select_is_idempotent(const void *row)
{
    struct raw_client *c = open_tx("tx-select", 0);

    (void)row;
    step_publish(c, 1, "", "tx-select", "m");
    step_tx(c, 1, TX_SELECT);
    step_tx(c, 1, TX_COMMIT);
    step_get(c, 2, "tx-select", "m");
    step_tx(c, 1, TX_COMMIT); /* an empty transaction */
    step_tx(c, 1, TX_ROLLBACK);
}

static void publishes_wait_for_the_commit(const void *row)
{
    struct raw_client *c = open_tx("tx-publish", 0);

    (void)row;
    step_publish(c, 1, "", "tx-publish", "one");
    step_publish(c, 1, "", "tx-publish", "two");
    raw_expect_nothing(c, 1);
    step_get_empty(c, 2, "tx-publish");
    step_tx(c, 1, TX_COMMIT);
    step_get(c, 2, "tx-publish", "one");
    step_get(c, 2, "tx-publish", "two");
}

static void rollback_discards_publishes(const void *row)
{
    struct raw_client *c = open_tx("tx-discard", 0);

    (void)row;
    step_publish(c, 1, "", "tx-discard", "gone");
    step_tx(c, 1, TX_ROLLBACK);
    step_publish(c, 1, "", "tx-discard", "kept");
    step_tx(c, 1, TX_COMMIT);
    step_get(c, 2, "tx-discard", "kept");
    step_get_empty(c, 2, "tx-discard");
}

static void acks_wait_for_the_commit(const void *row)
{
    struct raw_client *c = open_tx("tx-ack", 3);

    (void)row;
    step_ack(c, 1, 1, false);
    step_nack(c, 1, 2, false, false);
    step_reject(c, 1, 3, true);
    raw_expect_nothing(c, 1);
    step_get_empty(c, 2, "tx-ack");
    step_tx(c, 1, TX_COMMIT);
    step_get(c, 2, "tx-ack", "3");
    assert_true(raw_last_message(c)->redelivered);
    step_get_empty(c, 2, "tx-ack");
}

static void rollback_makes_tags_ackable_again(const void *row)
{
    struct raw_client *c = open_tx("tx-again", 3);

    (void)row;
    step_ack(c, 1, 1, false);
    step_nack(c, 1, 3, true, true);
    step_tx(c, 1, TX_ROLLBACK);
    step_get_empty(c, 2, "tx-again"); /* not requeued: they are unacked as before */
    step_ack(c, 1, 3, true);
    step_tx(c, 1, TX_COMMIT);
    step_recover(c, 1);
    step_get_empty(c, 2, "tx-again");
}

static void close_rolls_back(const void *row)
{
    struct raw_client *c = open_tx("tx-close", 2);

    (void)row;
    step_ack(c, 1, 1, false);
    step_publish(c, 1, "", "tx-close", "gone");
    raw_method(c, 1, 20, 40, "wsww", 200, "", 0, 0);
    raw_expect(c, 1, 20, 41);
    step_await_ready(c, 2, "tx-close", 2);
    step_get(c, 2, "tx-close", "1");
    step_get(c, 2, "tx-close", "2");
    step_get_empty(c, 2, "tx-close");
}

static void lost_connection_rolls_back(const void *row)
{
    struct raw_client *observer = raw_open();
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(observer, 1, "tx-lost", QUEUE_AUTO_DELETE, NULL);
    step_publish(observer, 1, "", "tx-lost", "kept");
    step_await_ready(observer, 1, "tx-lost", 1);
    step_get(c, 1, "tx-lost", "kept");
    step_tx(c, 1, TX_SELECT);
    step_ack(c, 1, 1, false);
    step_publish(c, 1, "", "tx-lost", "gone");
    raw_expect_nothing(c, 1);
    raw_drop(c, true);
    step_await_ready(observer, 1, "tx-lost", 1);
    step_get(observer, 1, "tx-lost", "kept");
    step_get_empty(observer, 1, "tx-lost");
    step_delete(observer, 1, "tx-lost");
}

static void returns_come_between_commit_and_its_answer(const void *row)
{
    struct raw_client *c = open_tx("tx-return", 0);

    (void)row;
    step_publish_with(c, 1, "", "nowhere", PUBLISH_MANDATORY, NULL, "back", 4);
    step_publish(c, 1, "", "tx-return", "in");
    step_publish_with(c, 1, "", "nowhere-2", PUBLISH_MANDATORY, NULL, "back 2", 6);
    raw_expect_nothing(c, 1);
    raw_method(c, 1, 90, TX_COMMIT, "");
    raw_expect_return(c, 1);
    step_assert_body(c, "back");
    raw_expect_return(c, 1);
    step_assert_body(c, "back 2");
    raw_expect(c, 1, 90, 21);
    step_get(c, 2, "tx-return", "in");
}

static void declares_and_gets_do_not_wait(const void *row)
{
    struct raw_client *c = open_tx("tx-other", 0);

    (void)row;
    step_declare(c, 1, "tx-declared", QUEUE_EXCLUSIVE, NULL);
    step_publish(c, 2, "", "tx-declared", "m");
    step_get_no_ack(c, 2, "tx-declared", "m");
    step_publish(c, 2, "", "tx-declared", "n");
    step_get_no_ack(c, 1, "tx-declared", "n");
}

static void persistent_transactions_commit_in_order(const void *row)
{
    struct raw_properties properties = raw_properties("d", 2);
    struct raw_client *c = raw_open();

    (void)row;
    step_declare(c, 1, "tx-durable", QUEUE_DURABLE, NULL);
    step_purge(c, 1, "tx-durable");
    step_tx(c, 1, TX_SELECT);
    for (int i = 0; i < 20; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i);
        step_publish_with(c, 1, "", "tx-durable", 0, &properties, body, strlen(body));
        step_publish_with(c, 1, "", "tx-durable", 0, &properties, body, strlen(body));
        step_tx(c, 1, TX_COMMIT);
    }
    for (int i = 0; i < 40; i++) {
        char body[16];
        snprintf(body, sizeof body, "%d", i / 2);
        step_get_no_ack(c, 1, "tx-durable", body);
    }
    step_delete(c, 1, "tx-durable");
}

static void consumer_gets_own_publishes_after_the_commit(const void *row)
{
    struct raw_client *c = open_tx("tx-consume", 0);

    (void)row;
    step_consume(c, 2, "tx-consume", "t", CONSUME_NO_ACK, NULL);
    step_publish(c, 1, "", "tx-consume", "m");
    raw_expect_nothing(c, 1);
    step_no_delivery(c, 2, "tx-consume");
    raw_method(c, 1, 90, TX_COMMIT, "");
    bool is_committed = false, is_delivered = false;
    while (!is_committed || !is_delivered) {
        uint32_t method = raw_expect_any(c);
        is_committed |= method == (90u << 16 | 21);
        if (method == (60u << 16 | 60)) {
            raw_args(c, "sL1ss", NULL, NULL, NULL, NULL, NULL);
            raw_expect_content(c, 2);
            is_delivered = true;
        }
    }
}

int main(int argc, char **argv)
{
    broker_test_add_errors(errors, ARRAY_COUNT(errors));
    BROKER_TEST(select_is_idempotent);
    BROKER_TEST(publishes_wait_for_the_commit);
    BROKER_TEST(rollback_discards_publishes);
    BROKER_TEST(acks_wait_for_the_commit);
    BROKER_TEST(rollback_makes_tags_ackable_again);
    BROKER_TEST(close_rolls_back);
    BROKER_TEST(lost_connection_rolls_back);
    BROKER_TEST(returns_come_between_commit_and_its_answer);
    BROKER_TEST(declares_and_gets_do_not_wait);
    BROKER_TEST(persistent_transactions_commit_in_order);
    BROKER_TEST(consumer_gets_own_publishes_after_the_commit);
    return broker_test_run("tx", argc, argv);
}
