/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How messages leave queues without an ack: time to live, limits of length, rejections, and where
 * they go then; and the order of priority queues.
 */
#include "core_fixture.h"

#include "amqp/properties.h"
#include "base/xmalloc.h"
#include "broker/policy.h"

/* Session 1, and a queue "dead" behind the exchange "dlx". */
static void open_with_dead_letters(struct core *core)
{
    core_open(core, 1, 2);
    run(core,
        "1.1 exchange.declare dlx fanout no-wait\n1.1 queue.declare dead no-wait\n"
        "1.1 queue.bind dead dlx - no-wait",
        "");
}

/* --- time to live */

static void the_ttl_of_a_queue_ends_its_messages(void **state)
{
    struct core *core = *state;
    open_with_dead_letters(core);
    run(core,
        "1.1 queue.declare q no-wait x-message-ttl=100 x-dead-letter-exchange=dlx\n"
        "1.1 basic.publish - q a",
        "");
    assert_queue(core, "q", "1 0 0");
    assert_true(vhost_deadline(core->vhost) == core->now_ms + 100);
    pass(core, 99, "");
    assert_queue(core, "q", "1 0 0");
    pass(core, 1, "");
    assert_queue(core, "q", "0 0 0");
    run(core, "1.1 basic.get dead no-ack", "1.1 basic.get-ok 1 left=0 a expired:q:1\n");
    assert_true(vhost_deadline(core->vhost) == UINT64_MAX);
}

static void the_shorter_of_two_ttls_counts(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q no-wait x-message-ttl=100\n"
        "1.1 basic.publish - q a expiration=50",
        "");
    pass(core, 50, "");
    assert_queue(core, "q", "0 0 0");
    run(core, "1.1 basic.publish - q a expiration=5000", "");
    pass(core, 100, "");
    assert_queue(core, "q", "0 0 0");
}

/* Also one that went to a consumer at once, and never was in the lane before. */
static void a_message_that_is_given_back_expires(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q no-wait\n1.2 basic.consume q c\n"
        "1.1 basic.publish - q a expiration=50\n1.1 basic.publish - q b expiration=100",
        "1.2 basic.consume-ok c\n1.2 deliver c 1 a\n1.2 deliver c 2 b\n");
    pass(core, 60, "");
    run(core, "1.2 basic.cancel c\n1.2 basic.nack 2 multiple requeue", "1.2 basic.cancel-ok c\n");
    assert_queue(core, "q", "1 0 0");
    pass(core, 50, "");
    assert_queue(core, "q", "0 0 0");
}

static void an_expired_message_waits_behind_one_that_lives(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q no-wait\n1.1 basic.publish - q long expiration=1000\n"
        "1.1 basic.publish - q short expiration=10\n1.1 basic.publish - q last",
        "");
    pass(core, 20, "");
    assert_queue(core, "q", "3 0 0");
    run(core, "1.1 basic.get q\n1.1 basic.get q",
        "1.1 basic.get-ok 1 left=1 long\n1.1 basic.get-ok 2 left=0 last\n");
}

static void what_comes_to_the_head_expires_in_its_time(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q no-wait\n1.1 basic.publish - q long expiration=100000\n"
        "1.1 basic.publish - q short expiration=50",
        "");
    run(core, "1.1 basic.get q no-ack", "1.1 basic.get-ok 1 left=1 long\n");
    pass(core, 50, "");
    assert_queue(core, "q", "0 0 0");
}

static void a_ttl_of_zero_is_for_who_waits(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q no-wait x-message-ttl=0\n1.1 basic.publish - q a", "");
    assert_queue(core, "q", "0 0 0");
    run(core, "1.2 basic.consume q c no-ack\n1.1 basic.publish - q b",
        "1.2 basic.consume-ok c\n1.2 deliver c 1 b\n");
}

static void a_requeued_message_keeps_its_expiry(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q no-wait x-message-ttl=100\n1.1 basic.publish - q a\n"
        "1.2 basic.get q",
        "1.2 basic.get-ok 1 left=0 a\n");
    pass(core, 200, "");
    run(core, "1.2 basic.reject 1 requeue", "");
    assert_queue(core, "q", "0 0 0");
}

static void expiry_outlives_a_restart(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q durable no-wait x-message-ttl=1000\n"
        "1.1 basic.publish - q a persistent\n1.1 basic.publish - q b persistent",
        "");
    commit(core, "");
    core_crash(core);
    pass(core, 1, "");
    answer_all(core, "");
    assert_queue(core, "q", "2 0 0");
    pass(core, 1000, "");
    answer_all(core, "");
    assert_queue(core, "q", "0 0 0");
    core_crash(core);
    assert_queue(core, "q", "2 0 0");
    pass(core, 1, "");
    answer_all(core, "");
    commit(core, "");
    core_crash(core);
    assert_queue(core, "q", "0 0 0");
}

/* --- limits */

static void the_oldest_messages_make_room(void **state)
{
    struct core *core = *state;
    open_with_dead_letters(core);
    run(core,
        "1.1 queue.declare q no-wait x-max-length=2 x-dead-letter-exchange=dlx\n"
        "1.1 basic.publish - q a\n1.1 basic.publish - q b\n1.1 basic.publish - q c",
        "");
    assert_queue(core, "q", "2 0 0");
    run(core, "1.1 basic.get q\n1.1 basic.get dead",
        "1.1 basic.get-ok 1 left=1 b\n1.1 basic.get-ok 2 left=0 a maxlen:q:1\n");
}

static void only_ready_messages_are_limited(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q no-wait x-max-length=1\n1.1 basic.publish - q a\n1.2 basic.get q\n"
        "1.1 basic.publish - q b",
        "1.2 basic.get-ok 1 left=0 a\n");
    assert_queue(core, "q", "1 1 0");
    run(core, "1.2 basic.reject 1 requeue\n1.1 basic.get q", "1.1 basic.get-ok 1 left=0 b\n");
}

static void bytes_are_limited_too(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q no-wait x-max-length-bytes=5\n1.1 basic.publish - q abc\n"
        "1.1 basic.publish - q de\n1.1 basic.publish - q f",
        "");
    run(core, "1.1 basic.get q", "1.1 basic.get-ok 1 left=1 de\n");
    run(core, "1.1 basic.publish - q too-long", "");
    assert_queue(core, "q", "0 1 0");
}

static void a_full_queue_can_reject_what_comes(void **state)
{
    struct core *core = *state;
    open_with_dead_letters(core);
    run(core,
        "1.1 queue.declare q no-wait x-max-length=1 x-overflow=reject-publish\n"
        "1.1 confirm.select no-wait\n1.1 basic.publish - q a\n1.1 basic.publish - q b",
        "1.1 ack 1\n1.1 nack 2\n");
    run(core,
        "1.1 queue.declare r no-wait x-max-length=1 x-overflow=reject-publish-dlx "
        "x-dead-letter-exchange=dlx\n1.1 basic.publish - r c\n1.1 basic.publish - r d\n"
        "1.1 basic.get dead",
        "1.1 ack 3\n1.1 nack 4\n1.1 basic.get-ok 1 left=0 d maxlen:r:1\n");
}

static void a_transaction_that_was_rejected_in_part_fails(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q no-wait x-max-length=1 x-overflow=reject-publish\n1.1 tx.select\n"
        "1.1 basic.publish - q a\n1.1 basic.publish - q b\n1.1 tx.commit",
        "1.1 tx.select-ok\n1.1 channel.close 406 PRECONDITION_FAILED - partial tx completion "
        "(90.20)\n");
}

/* --- dead letters */

static void a_rejected_message_goes_to_the_dead(void **state)
{
    struct core *core = *state;
    open_with_dead_letters(core);
    run(core,
        "1.1 queue.declare q no-wait x-dead-letter-exchange=dlx\n1.1 basic.publish - q a\n"
        "1.2 basic.get q\n1.2 basic.reject 1\n1.1 basic.get dead",
        "1.2 basic.get-ok 1 left=0 a\n1.1 basic.get-ok 1 left=0 a rejected:q:1\n");
}

/* The body of a stored message is not in memory while it waits for its ack. */
static void a_stored_message_is_read_before_it_is_dead_lettered(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 exchange.declare dlx fanout durable no-wait\n1.1 queue.declare dead durable no-wait\n"
        "1.1 queue.bind dead dlx - no-wait\n"
        "1.1 queue.declare q durable no-wait x-dead-letter-exchange=dlx\n"
        "1.1 basic.publish - q a persistent",
        "");
    commit(core, "");
    core_crash(core);
    core_open(core, 1, 2);
    pass(core, 1, "");
    run(core, "1.2 basic.get q", "");
    answer(core, 100, "");
    commit(core, "1.2 basic.get-ok 1 left=0 a\n");
    run(core, "1.2 basic.reject 1", "");
    assert_queue(core, "dead", "0 0 0");
    assert_true(core_has_reads(core));
    answer(core, 100, "");
    assert_queue(core, "dead", "1 0 0");
    core_crash(core); /* neither left nor came: one transaction */
    assert_queue(core, "q", "1 0 0");
    assert_queue(core, "dead", "0 0 0");
}

/* Those that are rejected while another is being read are read as well. */
static void stored_messages_are_dead_lettered_one_by_one(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare dead no-wait\n1.1 exchange.declare dlx fanout no-wait\n"
        "1.1 queue.bind dead dlx - no-wait\n"
        "1.1 queue.declare q durable no-wait x-dead-letter-exchange=dlx\n"
        "1.1 basic.publish - q a persistent\n1.1 basic.publish - q b persistent\n"
        "1.1 basic.publish - q c persistent",
        "");
    commit(core, "");
    run(core, "1.2 basic.get q\n1.2 basic.get q\n1.2 basic.get q", "");
    commit(core, "1.2 basic.get-ok 1 left=2 a\n1.2 basic.get-ok 2 left=1 b\n"
                 "1.2 basic.get-ok 3 left=0 c\n");
    run(core, "1.2 basic.reject 1", "");
    run(core, "1.2 basic.reject 2\n1.2 basic.reject 3", "");
    for (int reads = 0; reads < 3 && core_has_reads(core); reads++)
        answer(core, 100, "");
    assert_queue(core, "dead", "3 0 0");
    assert_queue(core, "q", "0 0 0");
}

/* A queue behind dead letters; channel 1.2 has its only message, whose body the store has alone. */
static void open_with_stored_delivery(struct core *core, const char *queue_flags)
{
    char lines[400];
    open_with_dead_letters(core);
    snprintf(lines, sizeof lines,
             "1.1 queue.declare q durable no-wait %sx-dead-letter-exchange=dlx\n"
             "1.1 queue.bind q amq.fanout k no-wait\n1.1 basic.publish - q a persistent",
             queue_flags);
    run(core, lines, "");
    commit(core, "");
    run(core, "1.2 basic.consume q c", "1.2 basic.consume-ok c\n");
    commit(core, "1.2 deliver c 1 a\n");
    assert_queue(core, "q", "0 1 1");
}

static void what_was_rejected_outlives_its_queue(void **state)
{
    struct core *core = *state;
    open_with_stored_delivery(core, "");
    run(core, "1.2 basic.nack 1\n1.1 queue.delete q", "");
    answer_all(core, "1.2 basic.cancel c\n");
    assert_queue(core, "q", "none");
    assert_queue(core, "dead", "1 0 0");
    commit(core, "1.1 queue.delete-ok 0\n");
    run(core, "1.2 basic.get dead", "1.2 basic.get-ok 2 left=0 a rejected:q:1\n");
}

static void what_was_rejected_outlives_an_auto_delete_queue(void **state)
{
    struct core *core = *state;
    open_with_stored_delivery(core, "auto-delete ");
    run(core, "1.2 basic.nack 1\n1.2 basic.cancel c", "1.2 basic.cancel-ok c\n");
    answer_all(core, "");
    assert_queue(core, "q", "none");
    assert_queue(core, "dead", "1 0 0");
}

static void what_was_rejected_outlives_a_purge(void **state)
{
    struct core *core = *state;
    open_with_stored_delivery(core, "");
    run(core, "1.2 basic.nack 1\n1.1 queue.purge q no-wait", "");
    answer_all(core, "");
    assert_queue(core, "dead", "1 0 0");
}

/* What was rejected is read meanwhile. */
static void a_queue_that_leaves_is_gone_for_everybody(void **state)
{
    struct core *core = *state;
    open_with_stored_delivery(core, "auto-delete ");
    run(core, "1.2 basic.nack 1\n1.2 basic.cancel c", "1.2 basic.cancel-ok c\n");
    run(core,
        "1.1 basic.publish - q b mandatory\n1.1 basic.publish amq.fanout - b mandatory\n"
        "1.1 queue.declare q\n1.1 basic.publish - q c\n1.2 basic.get q",
        "1.1 basic.return 312 NO_ROUTE b\n1.1 basic.return 312 NO_ROUTE b\n");
    answer_all(core, "1.1 queue.declare-ok q 0 0\n1.2 basic.get-ok 2 left=0 c\n");
    assert_queue(core, "dead", "1 0 0");
}

static void a_crash_finds_a_queue_that_was_leaving(void **state)
{
    struct core *core = *state;
    open_with_stored_delivery(core, "auto-delete ");
    run(core, "1.2 basic.nack 1\n1.2 basic.cancel c\n1.1 queue.delete q",
        "1.2 basic.cancel-ok c\n");
    core_submit(core);
    core_crash(core);
    assert_queue(core, "q", "1 0 0");
}

/* The deletion is done, though who asked for it does not wait any more. */
static void a_deletion_outlives_its_channel(void **state)
{
    struct core *core = *state;
    struct amqp_error reason = {0};
    amqp_error_set(&reason, AMQP_CONNECTION_FORCED, "enough");
    open_with_stored_delivery(core, "");
    run(core, "1.2 basic.nack 1\n1.1 queue.delete q", "");
    vhost_end_sessions(core->vhost, "guest", &reason, core->now_ms);
    run(core, "", NULL);
    core->transcript.size = 0;
    assert_queue(core, "q", "0 0 0");
    answer_all(core, "");
    assert_queue(core, "q", "none");
    assert_queue(core, "dead", "1 0 0");
}

static void the_dead_come_round_once_unless_rejected(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q no-wait x-message-ttl=10 x-dead-letter-exchange= "
        "x-dead-letter-routing-key=q\n1.1 basic.publish - q a",
        "");
    pass(core, 10, "");
    assert_queue(core, "q", "0 0 0");
    run(core,
        "1.1 queue.declare r no-wait x-dead-letter-exchange= x-dead-letter-routing-key=r\n"
        "1.1 basic.publish - r b\n1.2 basic.get r\n1.2 basic.reject 1\n1.2 basic.get r\n"
        "1.2 basic.reject 2\n1.2 basic.get r",
        "1.2 basic.get-ok 1 left=0 b\n1.2 basic.get-ok 2 left=0 b rejected:r:1\n"
        "1.2 basic.get-ok 3 left=0 b rejected:r:2\n");
}

static void a_get_counts_nothing_that_has_expired(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q no-wait\n1.1 basic.publish - q a\n"
        "1.1 basic.publish - q b expiration=10",
        "");
    pass(core, 20, "");
    assert_queue(core, "q", "2 0 0");
    run(core, "1.1 basic.get q", "1.1 basic.get-ok 1 left=0 a\n");
}

static void without_the_exchange_the_dead_are_gone(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q no-wait x-max-length=1 x-dead-letter-exchange=missing\n"
        "1.1 basic.publish - q a\n1.1 basic.publish - q b",
        "");
    assert_queue(core, "q", "1 0 0");
}

/* --- priorities */

static void higher_priorities_come_first(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q no-wait x-max-priority=5\n1.1 basic.publish - q none\n"
        "1.1 basic.publish - q three priority=3\n1.1 basic.publish - q nine priority=9\n"
        "1.1 basic.publish - q five priority=5\n1.1 basic.publish - q zero priority=0",
        "");
    run(core, "1.2 basic.qos 2\n1.2 basic.consume q c",
        "1.2 basic.qos-ok\n1.2 basic.consume-ok c\n1.2 deliver c 1 nine\n1.2 deliver c 2 five\n");
    run(core, "1.2 basic.nack 2 multiple requeue",
        "1.2 deliver c 3 redelivered nine\n1.2 deliver c 4 redelivered five\n");
    run(core, "1.2 basic.ack 4 multiple", "1.2 deliver c 5 three\n1.2 deliver c 6 none\n");
}

static void priorities_outlive_a_restart(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q durable no-wait x-max-priority=5\n"
        "1.1 basic.publish - q low persistent\n1.1 basic.publish - q high persistent priority=4",
        "");
    commit(core, "");
    core_crash(core);
    assert_queue(core, "q", "2 0 0");
    pass(core, 1, "");
    answer(core, 100, "");
    core_open(core, 1, 1);
    run(core, "1.1 basic.get q no-ack\n1.1 basic.get q no-ack", "");
    commit(core, "1.1 basic.get-ok 1 left=1 high\n1.1 basic.get-ok 2 left=0 low\n");
}

/* What nobody can be given goes in its time, whatever stands before it. */
static void a_low_priority_expires_behind_a_high_one(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q no-wait x-max-priority=5\n1.1 basic.publish - q high priority=5\n"
        "1.1 basic.publish - q short expiration=50\n1.1 basic.publish - q long",
        "");
    pass(core, 49, "");
    assert_queue(core, "q", "3 0 0");
    pass(core, 1, "");
    assert_queue(core, "q", "2 0 0");
    run(core, "1.1 basic.get q\n1.1 basic.get q",
        "1.1 basic.get-ok 1 left=1 high\n1.1 basic.get-ok 2 left=0 long\n");
}

static void limits_take_from_the_highest_priority(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q no-wait x-max-priority=5 x-max-length=2\n"
        "1.1 basic.publish - q high priority=5\n1.1 basic.publish - q low\n"
        "1.1 basic.publish - q middle priority=2",
        "");
    run(core, "1.1 basic.get q\n1.1 basic.get q",
        "1.1 basic.get-ok 1 left=1 middle\n1.1 basic.get-ok 2 left=0 low\n");
}

/* --- quorum queues */

/* Everything is on disk, so a body is read before it is delivered again. */
static void a_quorum_queue_counts_failures_up_to_its_limit(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q durable no-wait x-queue-type=quorum x-delivery-limit=2\n"
        "1.1 basic.publish - q a\n1.1 basic.publish - q b",
        "");
    commit(core, "");
    run(core, "1.2 basic.get q", "");
    commit(core, "1.2 basic.get-ok 1 left=1 a failures=0\n");
    run(core, "1.2 basic.nack 1 requeue\n1.2 basic.get q", "");
    answer(core, 100, "1.2 basic.get-ok 2 redelivered left=1 a failures=1\n");
    commit(core, "");
    core_crash(core);
    core_open(core, 1, 2);
    pass(core, 1, "");
    answer(core, 100, "");
    run(core, "1.2 basic.get q", "1.2 basic.get-ok 1 redelivered left=1 a failures=1\n");
    run(core, "1.2 basic.nack 1 requeue\n1.2 basic.get q", "");
    answer_all(core, "1.2 basic.get-ok 2 redelivered left=1 a failures=2\n");
    run(core, "1.2 basic.nack 2 requeue", "");
    assert_queue(core, "q", "1 0 0");
}

static void what_failed_too_often_is_dead(void **state)
{
    struct core *core = *state;
    open_with_dead_letters(core);
    run(core,
        "1.1 queue.declare q durable no-wait x-queue-type=quorum x-delivery-limit=1 "
        "x-dead-letter-exchange=dlx\n1.2 basic.qos 1\n1.2 basic.consume q c\n"
        "1.1 basic.publish - q a",
        "1.2 basic.qos-ok\n1.2 basic.consume-ok c\n1.2 deliver c 1 a\n");
    run(core, "1.2 basic.nack 1 requeue", "1.2 deliver c 2 redelivered a failures=1\n");
    run(core, "1.2 basic.nack 2 requeue\n1.1 basic.get dead no-ack",
        "1.1 basic.get-ok 1 left=0 a delivery_limit:q:1\n");
}

static void without_a_limit_what_failed_comes_last(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q durable no-wait x-queue-type=quorum\n1.1 basic.publish - q a\n"
        "1.1 basic.publish - q b\n1.2 basic.get q\n1.2 basic.nack 1 requeue",
        "1.2 basic.get-ok 1 left=1 a failures=0\n");
    run(core, "1.2 basic.get q\n1.2 basic.get q",
        "1.2 basic.get-ok 2 left=1 b failures=0\n"
        "1.2 basic.get-ok 3 redelivered left=0 a failures=1\n");
    commit(core, "");
    run(core, "1.2 basic.nack 3 multiple requeue", "");
    assert_queue(core, "q", "2 0 0");
    commit(core, "");
    core_crash(core);
    pass(core, 1, "");
    answer(core, 100, "");
    core_open(core, 1, 1);
    run(core, "1.1 basic.get q no-ack\n1.1 basic.get q no-ack",
        "1.1 basic.get-ok 1 redelivered left=1 b failures=1\n");
    answer_all(core, "1.1 basic.get-ok 2 redelivered left=0 a failures=2\n");
}

static void what_a_channel_had_at_its_end_comes_first(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 3);
    run(core,
        "1.1 queue.declare q durable no-wait x-queue-type=quorum\n1.1 basic.publish - q a\n"
        "1.1 basic.publish - q b\n1.1 basic.publish - q c\n1.1 basic.publish - q d\n"
        "1.2 basic.get q\n1.2 basic.get q\n1.2 basic.get q\n1.2 basic.nack 1 requeue",
        "1.2 basic.get-ok 1 left=3 a failures=0\n1.2 basic.get-ok 2 left=2 b failures=0\n"
        "1.2 basic.get-ok 3 left=1 c failures=0\n");
    run(core, "1.2 channel.close", "1.2 channel.close-ok\n");
    run(core, "1.3 basic.get q\n1.3 basic.get q\n1.3 basic.get q\n1.3 basic.get q",
        "1.3 basic.get-ok 1 redelivered left=3 b failures=1\n"
        "1.3 basic.get-ok 2 redelivered left=2 c failures=1\n"
        "1.3 basic.get-ok 3 left=1 d failures=0\n"
        "1.3 basic.get-ok 4 redelivered left=0 a failures=1\n");
}

/* --- unused queues, and deliveries that wait too long */

static void an_unused_queue_goes(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q no-wait x-expires=100", "");
    pass(core, 60, "");
    run(core, "1.1 basic.get q", "1.1 basic.get-empty\n");
    pass(core, 60, "");
    assert_queue(core, "q", "0 0 0");
    run(core, "1.2 basic.consume q c", "1.2 basic.consume-ok c\n");
    pass(core, 1000, "");
    assert_queue(core, "q", "0 0 1");
    run(core, "1.2 basic.cancel c", "1.2 basic.cancel-ok c\n");
    pass(core, 99, "");
    assert_queue(core, "q", "0 0 0");
    pass(core, 1, "");
    assert_queue(core, "q", "none");
}

static void set_expires(struct core *core, int64_t expires_ms)
{
    struct policies *policies = policies_new();
    struct buffer definition = {0};
    char reason[100];
    amqp_table_add_int(&definition, "expires", expires_ms);
    struct policy_source source = {
        .name = bytes_of_text("p"),
        .pattern = bytes_of_text("^q$"),
        .apply_to = bytes_of_text("queues"),
        .definition = buffer_bytes(&definition),
    };
    assert_true(policies_add(policies, &source, reason, sizeof reason));
    vhost_set_policies(core->vhost, policies);
    buffer_fini(&definition);
    pass(core, 0, "");
}

/* However long nobody has used it before. */
static void the_time_of_an_unused_queue_begins_with_the_policy(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q no-wait", "");
    pass(core, 500, "");
    set_expires(core, 100);
    pass(core, 99, "");
    assert_queue(core, "q", "0 0 0");
    set_expires(core, 200);
    pass(core, 199, "");
    assert_queue(core, "q", "0 0 0");
    set_expires(core, 200);
    pass(core, 1, "");
    assert_queue(core, "q", "none");
}

static void a_delivery_that_waits_too_long_ends_its_channel(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q no-wait x-consumer-timeout=1000\n1.1 basic.publish - q a\n"
        "1.2 basic.get q",
        "1.2 basic.get-ok 1 left=0 a\n");
    for (int i = 0; i < 9; i++)
        pass(core, 100, "");
    assert_queue(core, "q", "0 1 0");
    pass(core, 400,
         "1.2 channel.close 406 PRECONDITION_FAILED - delivery acknowledgement on channel 2 timed "
         "out. Timeout value used: 1000 ms. This timeout value can be configured, see consumers "
         "doc guide to learn more (0.0)\n");
    assert_queue(core, "q", "1 0 0");
}

static void one_consumer_is_active(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 3);
    run(core,
        "1.1 queue.declare q no-wait x-single-active-consumer=true\n1.2 basic.consume q first\n"
        "1.3 basic.consume q second\n1.1 basic.publish - q a\n1.1 basic.publish - q b",
        "1.2 basic.consume-ok first\n1.3 basic.consume-ok second\n1.2 deliver first 1 a\n"
        "1.2 deliver first 2 b\n");
    run(core, "1.2 basic.cancel first\n1.1 basic.publish - q c",
        "1.2 basic.cancel-ok first\n1.3 deliver second 1 c\n");
}

/* --- very many at once */

static void publish_many(struct core *core, unsigned count, const char *properties)
{
    char line[96];
    for (unsigned i = 0; i < count; i++) {
        snprintf(line, sizeof line, "1.1 basic.publish - q m%u%s", i, properties);
        run(core, line, "");
    }
}

static uint64_t ready_in(const struct core *core, const char *queue)
{
    struct queue_status status;
    assert_true(vhost_queue_status(core->vhost, bytes_of_text(queue), &status));
    return status.ready;
}

/* Inputs until nothing is left to do at once, none of which moves more than it should. */
static unsigned count_inputs(struct core *core, const char *queue)
{
    unsigned inputs = 0;
    while (vhost_deadline(core->vhost) <= core->now_ms) {
        uint64_t before = ready_in(core, queue);
        pass(core, 0, "");
        assert_true(before - ready_in(core, queue) <= 1500);
        inputs++;
    }
    return inputs;
}

static void what_expires_at_once_goes_in_slices(void **state)
{
    struct core *core = *state;
    open_with_dead_letters(core);
    run(core, "1.1 queue.declare q no-wait x-message-ttl=100000 x-dead-letter-exchange=dlx", "");
    publish_many(core, 5000, "");
    core->now_ms += 100000;
    assert_in_range(count_inputs(core, "q"), 4, 6);
    assert_queue(core, "q", "0 0 0");
    assert_queue(core, "dead", "5000 0 0");
}

static void what_is_above_a_limit_goes_in_slices(void **state)
{
    struct core *core = *state;
    open_with_dead_letters(core);
    run(core,
        "1.1 queue.declare q no-wait x-max-length=10 x-dead-letter-exchange=dlx\n"
        "1.2 basic.consume q c no-wait",
        "");
    for (unsigned i = 0; i < 5000; i++)
        run(core, "1.1 basic.publish - q a", NULL);
    core->transcript.size = 0;
    assert_queue(core, "q", "0 5000 1");
    run(core, "1.2 channel.close", "1.2 channel.close-ok\n");
    assert_true(ready_in(core, "q") > 3000);
    assert_in_range(count_inputs(core, "q"), 3, 6);
    assert_queue(core, "q", "10 0 0");
    assert_queue(core, "dead", "4990 0 0");
    run(core, "1.1 basic.publish - q a", "");
    assert_queue(core, "q", "10 0 0");
}

static int setup_slow_store(void **state)
{
    struct vhost_config config;
    struct core *core = xmalloc(sizeof *core);
    vhost_config_init(&config);
    config.unstored_bytes_max = 20000;
    core_init_with(core, &config);
    *state = core;
    return 0;
}

/* Dead letters wait in their queue until the store has taken those before them. */
static void dead_letters_come_no_faster_than_they_are_stored(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare dead durable no-wait\n1.1 queue.declare q durable no-wait "
        "x-message-ttl=100000 x-dead-letter-exchange= x-dead-letter-routing-key=dead",
        "");
    for (unsigned i = 0; i < 3000; i += 10) {
        publish_many(core, 10, " persistent");
        commit(core, "");
    }
    pass(core, 100000, "");
    for (unsigned i = 0; i < 10; i++)
        pass(core, 1, "");
    assert_in_range(ready_in(core, "dead"), 16, 300);
    for (unsigned i = 0; i < 1000; i++) {
        commit(core, "");
        pass(core, 5, "");
    }
    assert_queue(core, "q", "0 0 0");
    assert_queue(core, "dead", "3000 0 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(the_ttl_of_a_queue_ends_its_messages),
        core_test(the_shorter_of_two_ttls_counts),
        core_test(a_message_that_is_given_back_expires),
        core_test(an_expired_message_waits_behind_one_that_lives),
        core_test(what_comes_to_the_head_expires_in_its_time),
        core_test(a_ttl_of_zero_is_for_who_waits),
        core_test(a_requeued_message_keeps_its_expiry),
        core_test(expiry_outlives_a_restart),
        core_test(the_oldest_messages_make_room),
        core_test(only_ready_messages_are_limited),
        core_test(bytes_are_limited_too),
        core_test(a_full_queue_can_reject_what_comes),
        core_test(a_transaction_that_was_rejected_in_part_fails),
        core_test(a_rejected_message_goes_to_the_dead),
        core_test(a_stored_message_is_read_before_it_is_dead_lettered),
        core_test(stored_messages_are_dead_lettered_one_by_one),
        core_test(what_was_rejected_outlives_its_queue),
        core_test(what_was_rejected_outlives_an_auto_delete_queue),
        core_test(what_was_rejected_outlives_a_purge),
        core_test(a_queue_that_leaves_is_gone_for_everybody),
        core_test(a_crash_finds_a_queue_that_was_leaving),
        core_test(a_deletion_outlives_its_channel),
        core_test(the_dead_come_round_once_unless_rejected),
        core_test(a_get_counts_nothing_that_has_expired),
        core_test(without_the_exchange_the_dead_are_gone),
        core_test(higher_priorities_come_first),
        core_test(priorities_outlive_a_restart),
        core_test(a_low_priority_expires_behind_a_high_one),
        core_test(limits_take_from_the_highest_priority),
        core_test(a_quorum_queue_counts_failures_up_to_its_limit),
        core_test(what_a_channel_had_at_its_end_comes_first),
        core_test(what_failed_too_often_is_dead),
        core_test(without_a_limit_what_failed_comes_last),
        core_test(an_unused_queue_goes),
        core_test(the_time_of_an_unused_queue_begins_with_the_policy),
        core_test(a_delivery_that_waits_too_long_ends_its_channel),
        core_test(one_consumer_is_active),
        core_test(what_expires_at_once_goes_in_slices),
        core_test(what_is_above_a_limit_goes_in_slices),
        cmocka_unit_test_setup_teardown(dead_letters_come_no_faster_than_they_are_stored,
                                        setup_slow_store, core_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
