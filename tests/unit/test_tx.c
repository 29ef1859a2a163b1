/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions: what waits for the commit, what a rollback undoes, and what a crash leaves.
 */
#include "core_fixture.h"

static void open_in_tx(struct core *core)
{
    core_open(core, 1, 2);
    run(core, "1.1 tx.select\n1.2 queue.declare q durable no-wait", "1.1 tx.select-ok\n");
    commit(core, "");
}

static void publishes_wait_for_the_commit(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core, "1.1 basic.publish - q a persistent\n1.1 basic.publish - q b", "");
    assert_queue(core, "q", "0 0 0");
    run(core, "1.1 tx.commit\n1.1 queue.declare q passive", "");
    assert_queue(core, "q", "2 0 0");
    commit(core, "1.1 tx.commit-ok\n1.1 queue.declare-ok q 2 0\n");
    core_crash(core);
    assert_queue(core, "q", "1 0 0");
}

static void a_commit_without_durable_work_is_answered_at_once(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core,
        "1.1 tx.commit\n1.1 basic.publish - q a\n1.1 tx.commit\n1.1 tx.select\n1.1 tx.rollback",
        "1.1 tx.commit-ok\n1.1 tx.commit-ok\n1.1 tx.select-ok\n1.1 tx.rollback-ok\n");
    assert_queue(core, "q", "1 0 0");
}

/* Though its queue stores nothing. */
static void a_dead_letter_of_the_transaction_is_on_disk_before_commit_ok(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core,
        "1.2 queue.declare dead durable no-wait\n"
        "1.2 queue.declare t no-wait x-dead-letter-exchange= x-dead-letter-routing-key=dead\n"
        "1.2 basic.publish - t a persistent",
        "");
    commit(core, "");
    run(core, "1.1 basic.get t\n1.1 basic.reject 1\n1.1 tx.commit",
        "1.1 basic.get-ok 1 left=0 a\n");
    commit(core, "1.1 tx.commit-ok\n");
    core_crash(core);
    assert_queue(core, "dead", "1 0 0");
}

/* What it rejects is read from the store for that, one queue after the other. */
static void a_commit_waits_for_dead_letters_that_are_read(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core,
        "1.2 queue.declare dead durable no-wait\n"
        "1.2 queue.declare p durable no-wait x-dead-letter-exchange= "
        "x-dead-letter-routing-key=dead\n"
        "1.2 queue.declare r durable no-wait x-dead-letter-exchange= "
        "x-dead-letter-routing-key=dead\n"
        "1.2 basic.publish - p a persistent\n1.2 basic.publish - r b persistent",
        "");
    commit(core, "");
    run(core, "1.1 basic.get p\n1.1 basic.get r", "");
    commit(core, "1.1 basic.get-ok 1 left=0 a\n1.1 basic.get-ok 2 left=0 b\n");
    run(core, "1.1 basic.reject 1\n1.1 basic.reject 2\n1.1 tx.commit\n1.1 basic.qos 7", "");
    commit(core, "");
    answer_all(core, "");
    assert_queue(core, "dead", "2 0 0");
    commit(core, "1.1 tx.commit-ok\n1.1 basic.qos-ok\n");
    core_crash(core);
    assert_queue(core, "dead", "2 0 0");
}

static void what_an_exchange_has_seen_before_is_committed(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core,
        "1.2 exchange.declare e x-message-deduplication x-cache-size=9 no-wait\n"
        "1.2 queue.declare d durable no-wait\n1.2 queue.bind d e - no-wait\n"
        "1.2 basic.publish e - a persistent x-deduplication-header=1",
        "");
    assert_true(core_submit(core));
    run(core, "1.1 basic.publish e - a persistent x-deduplication-header=1\n1.1 tx.commit", "");
    complete(core, "1.1 tx.commit-ok\n"); /* as with a confirm: the first one is safe now */
    run(core, "1.1 basic.publish e - a persistent x-deduplication-header=1\n1.1 tx.commit",
        "1.1 tx.commit-ok\n");
    assert_queue(core, "d", "1 0 0");
}

static void a_rollback_forgets_publishes_and_gives_tags_back(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core, "1.2 basic.publish - q a\n1.1 basic.get q\n1.1 basic.ack 1\n1.1 basic.publish - q b",
        "1.1 basic.get-ok 1 left=0 a\n");
    assert_queue(core, "q", "0 1 0");
    run(core, "1.1 tx.rollback\n1.1 basic.reject 1 requeue", "1.1 tx.rollback-ok\n");
    assert_queue(core, "q", "0 1 0");
    run(core, "1.1 tx.commit\n1.1 basic.get q",
        "1.1 tx.commit-ok\n1.1 basic.get-ok 2 redelivered left=0 a\n");
}

static void settlements_wait_for_the_commit(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core,
        "1.2 basic.publish - q a\n1.2 basic.publish - q b\n1.2 basic.publish - q c\n"
        "1.2 basic.publish - q d\n1.1 basic.qos 3\n1.1 basic.consume q x",
        "1.1 basic.qos-ok\n1.1 basic.consume-ok x\n1.1 deliver x 1 a\n1.1 deliver x 2 b\n"
        "1.1 deliver x 3 c\n");
    run(core, "1.1 basic.nack 2 multiple requeue\n1.1 basic.ack 3", "");
    run(core, "1.1 tx.commit",
        "1.1 tx.commit-ok\n1.1 deliver x 4 redelivered a\n1.1 deliver x 5 redelivered b\n"
        "1.1 deliver x 6 d\n");
    assert_int_equal(core_counters(core).acked, 1);
}

static void a_tag_is_settled_once_in_a_transaction(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core, "1.2 basic.publish - q a\n1.1 basic.get q\n1.1 basic.ack 1\n1.1 basic.ack 1",
        "1.1 basic.get-ok 1 left=0 a\n"
        "1.1 channel.close 406 PRECONDITION_FAILED - unknown delivery tag 1 (60.80)\n");
    assert_queue(core, "q", "1 0 0");
}

/* What the transaction has acked is not the channel's to give back. */
static void recover_leaves_what_the_transaction_settled(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core,
        "1.2 basic.publish - q a\n1.2 basic.publish - q b\n1.1 basic.get q\n1.1 basic.get q\n"
        "1.1 basic.ack 1\n1.1 basic.recover requeue",
        "1.1 basic.get-ok 1 left=1 a\n1.1 basic.get-ok 2 left=0 b\n1.1 basic.recover-ok\n");
    assert_queue(core, "q", "1 1 0");
    run(core, "1.1 tx.commit\n1.1 basic.get q",
        "1.1 tx.commit-ok\n1.1 basic.get-ok 3 redelivered left=0 b\n");
    run(core, "1.1 basic.ack 3\n1.1 basic.recover requeue\n1.1 tx.rollback\n1.1 basic.ack 3",
        "1.1 basic.recover-ok\n1.1 tx.rollback-ok\n");
    assert_queue(core, "q", "0 1 0");
}

static void a_return_comes_before_commit_ok(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core, "1.1 basic.publish - no a mandatory\n1.1 basic.publish - q b persistent", "");
    run(core, "1.1 tx.commit", "1.1 basic.return 312 NO_ROUTE a\n");
    commit(core, "1.1 tx.commit-ok\n");
}

static void an_error_of_a_publish_comes_at_once(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core, "1.1 basic.publish - q a\n1.1 basic.publish nope k b",
        "1.1 channel.close 404 NOT_FOUND - no exchange 'nope' in vhost '/' (60.40)\n");
    assert_queue(core, "q", "0 0 0");
}

static void an_exchange_may_go_before_the_commit(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core,
        "1.2 exchange.declare e fanout\n1.2 queue.bind q e -\n1.1 basic.publish e - a mandatory\n"
        "1.2 exchange.delete e\n1.1 tx.commit",
        "1.2 exchange.declare-ok\n1.2 queue.bind-ok\n1.2 exchange.delete-ok\n"
        "1.1 basic.return 312 NO_ROUTE a\n1.1 tx.commit-ok\n");
}

static void commit_and_rollback_need_a_transaction(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 tx.commit",
        "1.1 channel.close 406 PRECONDITION_FAILED - channel is not transactional (90.20)\n");
    run(core, "1.2 tx.rollback",
        "1.2 channel.close 406 PRECONDITION_FAILED - channel is not transactional (90.30)\n");
}

static void the_end_of_the_channel_rolls_back(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core,
        "1.2 basic.publish - q a\n1.1 basic.get q\n1.1 basic.ack 1\n1.1 basic.publish - q b\n"
        "1.1 channel.close",
        "1.1 basic.get-ok 1 left=0 a\n1.1 channel.close-ok\n");
    assert_queue(core, "q", "1 0 0");
    run(core, "1.2 basic.get q", "1.2 basic.get-ok 1 redelivered left=0 a\n");
}

static void a_transaction_is_on_disk_whole_or_not_at_all(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core, "1.2 basic.publish - q a persistent", "");
    commit(core, "");
    run(core, "1.1 basic.get q", "");
    commit(core, "1.1 basic.get-ok 1 left=0 a\n");
    run(core, "1.1 basic.ack 1\n1.1 basic.publish - q b persistent\n1.1 tx.commit", "");
    core_crash(core);
    assert_queue(core, "q", "1 0 0");
    core_open(core, 1, 1);
    run(core, "1.1 tx.select\n1.1 basic.get q", "1.1 tx.select-ok\n");
    answer(core, 10, "1.1 basic.get-ok 1 redelivered left=0 a\n");
    run(core, "1.1 basic.ack 1\n1.1 basic.publish - q b persistent\n1.1 tx.commit", "");
    commit(core, "1.1 tx.commit-ok\n");
    core_crash(core);
    core_open(core, 1, 1);
    run(core, "1.1 basic.get q", "");
    answer(core, 10, "1.1 basic.get-ok 1 redelivered left=0 b\n"); /* as it may have been */
}

/* Until all of the transaction is on disk its acks may come to nothing, and the messages have to be
 * there again. */
static void a_confirm_waits_for_the_transaction_that_consumed(void **state)
{
    struct core *core = *state;
    open_in_tx(core);
    run(core,
        "1.2 queue.declare r durable no-wait\n1.2 confirm.select no-wait\n"
        "1.2 basic.publish - q first persistent\n1.1 basic.get q\n1.1 basic.ack 1\n1.1 tx.commit",
        "1.1 basic.get-ok 1 left=0 first\n");
    commit(core, "1.2 ack 1\n1.1 tx.commit-ok\n");
    run(core, "1.2 basic.publish - q a persistent\n1.1 basic.get q",
        "1.1 basic.get-ok 2 left=0 a\n");
    run(core, "1.1 basic.ack 2\n1.1 basic.publish - r b persistent\n1.1 tx.commit", "");
    commit(core, "1.2 ack 2\n1.1 tx.commit-ok\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(publishes_wait_for_the_commit),
        core_test(a_commit_without_durable_work_is_answered_at_once),
        core_test(a_dead_letter_of_the_transaction_is_on_disk_before_commit_ok),
        core_test(a_commit_waits_for_dead_letters_that_are_read),
        core_test(what_an_exchange_has_seen_before_is_committed),
        core_test(a_rollback_forgets_publishes_and_gives_tags_back),
        core_test(settlements_wait_for_the_commit),
        core_test(a_tag_is_settled_once_in_a_transaction),
        core_test(recover_leaves_what_the_transaction_settled),
        core_test(a_return_comes_before_commit_ok),
        core_test(an_error_of_a_publish_comes_at_once),
        core_test(an_exchange_may_go_before_the_commit),
        core_test(commit_and_rollback_need_a_transaction),
        core_test(the_end_of_the_channel_rolls_back),
        core_test(a_transaction_is_on_disk_whole_or_not_at_all),
        core_test(a_confirm_waits_for_the_transaction_that_consumed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
