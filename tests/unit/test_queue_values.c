/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues that deduplicate (x-message-deduplication): which message holds a value, when the value is
 * free again, what publishers hear, and what is left of it over restarts.
 */
#include "core_fixture.h"

#include "amqp/table.h"
#include "broker/policy.h"

#define DECLARE_Q "1.1 queue.declare q no-wait x-message-deduplication=true"
#define VALUE "x-deduplication-header="

/* Session 1 publishes with confirms on channel 1; channel 2 consumes. */
static void open_confirming(struct core *core, const char *arguments)
{
    char text[300];
    core_open(core, 1, 2);
    snprintf(text, sizeof text, DECLARE_Q "%s\n1.1 confirm.select no-wait", arguments);
    run(core, text, "");
}

static void reconnect(struct core *core)
{
    core_open(core, 1, 2);
    run(core, "1.1 confirm.select no-wait", "");
}

static void a_value_stands_once(void **state)
{
    struct core *core = *state;
    open_confirming(core, "");
    run(core, "1.1 basic.publish - q a " VALUE "1", "1.1 ack 1\n");
    run(core, "1.1 basic.publish - q b " VALUE "1", "1.1 nack 2\n");
    run(core, "1.1 basic.publish - q c " VALUE "one", "1.1 ack 3\n");
    run(core, "1.1 basic.publish - q d " VALUE "one", "1.1 nack 4\n");
    run(core, "1.1 basic.publish - q e " VALUE "true", "1.1 ack 5\n");
    run(core, "1.1 basic.publish - q f " VALUE "false", "1.1 ack 6\n");
    run(core, "1.1 basic.publish - q g\n1.1 basic.publish - q h", "1.1 ack 8 multiple\n");
    run(core, "1.1 queue.declare r no-wait\n1.1 basic.publish - r i " VALUE "1", "1.1 ack 9\n");
    run(core, "1.1 basic.publish - r j " VALUE "1", "1.1 ack 10\n");
    assert_queue(core, "q", "6 0 0");
}

/* It has a route: it is not returned. The other queues take it, and the publisher gets a nack. */
static void a_repetition_is_rejected_where_it_is_one(void **state)
{
    struct core *core = *state;
    open_confirming(core, "");
    run(core,
        "1.1 queue.declare r no-wait\n1.1 queue.bind q amq.fanout - no-wait\n"
        "1.1 queue.bind r amq.fanout - no-wait\n"
        "1.1 basic.publish amq.fanout - a mandatory " VALUE "1",
        "1.1 ack 1\n");
    run(core, "1.1 basic.publish amq.fanout - b mandatory " VALUE "1", "1.1 nack 2\n");
    assert_queue(core, "q", "1 0 0");
    assert_queue(core, "r", "2 0 0");
}

static void a_transaction_with_a_repetition_is_partial(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        DECLARE_Q "\n1.2 tx.select\n1.2 basic.publish - q a " VALUE "1\n"
                  "1.2 basic.publish - q b " VALUE "1\n1.2 tx.commit",
        "1.2 tx.select-ok\n1.2 channel.close 406 PRECONDITION_FAILED - partial tx completion "
        "(90.20)\n");
    assert_queue(core, "q", "1 0 0");
}

/* --- when a value is free again */

/* Publishes with the value 1 and says whether the queue took it. */
static bool takes(struct core *core)
{
    uint64_t before = core_counters(core).ready + core_counters(core).delivered;
    run(core, "1.1 basic.publish - q x " VALUE "1", NULL);
    buffer_clear(&core->transcript);
    return core_counters(core).ready + core_counters(core).delivered > before;
}

static void an_unacked_message_holds_its_value(void **state)
{
    struct core *core = *state;
    open_confirming(core, "");
    assert_true(takes(core));
    run(core, "1.2 basic.get q", "1.2 basic.get-ok 1 left=0 x\n");
    assert_false(takes(core));
    run(core, "1.2 basic.nack 1 requeue", "");
    assert_false(takes(core));
    run(core, "1.2 basic.get q\n1.2 basic.ack 2", "1.2 basic.get-ok 2 redelivered left=0 x\n");
    assert_true(takes(core));
    run(core, "1.2 basic.get q\n1.2 basic.nack 3", "1.2 basic.get-ok 3 left=0 x\n");
    assert_true(takes(core));
    run(core, "1.2 basic.get q no-ack", "1.2 basic.get-ok 4 left=0 x\n");
    assert_true(takes(core));
    assert_queue(core, "q", "1 0 0");
}

/* A consumer that does not ack frees it at once, also where the message never enters the lane. */
static void a_delivery_without_ack_frees_the_value(void **state)
{
    struct core *core = *state;
    open_confirming(core, "");
    assert_true(takes(core));
    run(core, "1.2 basic.consume q c no-ack", "1.2 basic.consume-ok c\n1.2 deliver c 1 x\n");
    assert_true(takes(core));
    assert_true(takes(core));
    run(core, "1.2 basic.cancel c\n1.2 basic.consume q d",
        "1.2 basic.cancel-ok c\n1.2 basic.consume-ok d\n");
    assert_true(takes(core));
    assert_false(takes(core));
    run(core, "1.2 channel.close", "1.2 channel.close-ok\n");
    assert_false(takes(core));
}

/* As with the plug-in, whose entries have the time to live of the message. */
static void an_expired_message_holds_nothing(void **state)
{
    struct core *core = *state;
    open_confirming(core, " x-message-ttl=1000");
    assert_true(takes(core));
    pass(core, 998, "");
    assert_false(takes(core));
    pass(core, 10, "");
    assert_queue(core, "q", "0 0 0");
    assert_true(takes(core));
    run(core, "1.2 basic.get q", "1.2 basic.get-ok 1 left=0 x\n");
    pass(core, 1000, "");
    assert_true(takes(core)); /* the other one is unacked still */
    run(core, "1.2 basic.ack 1", "");
    assert_false(takes(core));
    run(core, "1.1 basic.publish - q a expiration=10 " VALUE "2", "1.1 ack 6\n");
    pass(core, 10, "");
    run(core, "1.1 basic.publish - q b expiration=10 " VALUE "2", "1.1 ack 7\n");
    assert_queue(core, "q", "3 0 0"); /* the first of them waits behind one that lives longer */
}

static void a_limit_frees_the_value_of_what_it_drops(void **state)
{
    struct core *core = *state;
    open_confirming(core, " x-max-length=1");
    assert_true(takes(core));
    run(core, "1.1 basic.publish - q a " VALUE "2", "1.1 ack 2\n");
    run(core, "1.1 basic.publish - q b " VALUE "1", "1.1 ack 3\n");
    run(core, "1.2 basic.get q no-ack", "1.2 basic.get-ok 1 left=0 b\n");
}

/* What is unacked is not purged, and is in the queue. */
static void a_purge_frees_the_values_of_what_is_ready(void **state)
{
    struct core *core = *state;
    open_confirming(core, " x-max-priority=3");
    assert_true(takes(core));
    run(core,
        "1.2 basic.get q\n1.1 basic.publish - q a " VALUE "2\n"
        "1.1 basic.publish - q b priority=2 " VALUE "3\n1.2 basic.get q\n"
        "1.1 basic.publish - q c priority=2 " VALUE "4\n1.1 queue.purge q",
        NULL);
    buffer_clear(&core->transcript);
    assert_queue(core, "q", "0 2 0");
    run(core, "1.1 basic.publish - q d " VALUE "1", "1.1 nack 5\n");
    run(core, "1.1 basic.publish - q e " VALUE "2", "1.1 ack 6\n");
    run(core, "1.1 basic.publish - q f " VALUE "3", "1.1 nack 7\n");
    run(core, "1.1 basic.publish - q g " VALUE "4", "1.1 ack 8\n");
    run(core, "1.2 basic.ack 0 multiple", "");
    run(core, "1.1 basic.publish - q h " VALUE "1", "1.1 ack 9\n");
    run(core, "1.1 basic.publish - q i " VALUE "3", "1.1 ack 10\n");
}

static void priorities_share_the_values(void **state)
{
    struct core *core = *state;
    open_confirming(core, " x-max-priority=3");
    run(core, "1.1 basic.publish - q a priority=3 " VALUE "1", "1.1 ack 1\n");
    run(core, "1.1 basic.publish - q b priority=1 " VALUE "1", "1.1 nack 2\n");
    run(core, "1.1 basic.publish - q c priority=1 " VALUE "2", "1.1 ack 3\n");
    run(core, "1.2 basic.get q\n1.2 basic.ack 1", "1.2 basic.get-ok 1 left=1 a\n");
    run(core, "1.1 basic.publish - q d priority=1 " VALUE "1", "1.1 ack 4\n");
    run(core, "1.1 basic.publish - q e priority=3 " VALUE "2", "1.1 nack 5\n");
}

/* --- dead letters */

static void a_dead_letter_is_a_message_like_others(void **state)
{
    struct core *core = *state;
    open_confirming(core, " x-dead-letter-exchange=amq.fanout");
    run(core,
        "1.1 queue.declare dead no-wait x-message-deduplication=true\n"
        "1.1 queue.bind dead amq.fanout - no-wait",
        "");
    for (int i = 0; i < 2; i++) {
        assert_true(takes(core)); /* its value is free as soon as it is dead */
        run(core, "1.2 basic.get q", NULL);
        run(core, i == 0 ? "1.2 basic.reject 1" : "1.2 basic.reject 2", NULL);
    }
    buffer_clear(&core->transcript);
    assert_queue(core, "q", "0 0 0");
    assert_queue(core, "dead", "1 0 0"); /* the second found its twin */
}

static void a_letter_that_must_not_be_lost_waits_for_the_value(void **state)
{
    struct core *core = *state;
    open_confirming(core, " durable");
    run(core,
        "1.2 queue.declare from durable no-wait x-queue-type=quorum x-overflow=reject-publish "
        "x-dead-letter-strategy=at-least-once x-dead-letter-exchange= "
        "x-dead-letter-routing-key=q\n"
        "1.1 basic.publish - q a persistent " VALUE "1\n"
        "1.1 basic.publish - from b persistent " VALUE "1",
        "");
    commit(core, "1.1 ack 2 multiple\n");
    run(core, "1.2 basic.get from", "");
    commit(core, "1.2 basic.get-ok 1 left=0 b failures=0\n");
    run(core, "1.2 basic.reject 1", "");
    answer_all(core, "");
    commit(core, "");
    assert_queue(core, "q", "1 0 0");
    run(core, "1.2 basic.get q no-ack", "");
    commit(core, "1.2 basic.get-ok 2 left=0 a\n");
    pass(core, 6000, "");
    commit(core, "");
    assert_queue(core, "q", "1 0 0");
}

/* --- who deduplicates */

static void only_classic_queues_do(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q durable no-wait x-queue-type=quorum x-message-deduplication=true\n"
        "1.1 basic.publish - q a " VALUE "1\n1.1 basic.publish - q b " VALUE "1",
        "");
    assert_queue(core, "q", "2 0 0");
}

static void set_policy(struct core *core, bool has_policy, bool deduplicates)
{
    struct policies *policies = policies_new();
    struct buffer definition = {0};
    char reason[100];
    amqp_table_add_bool(&definition, "x-message-deduplication", deduplicates);
    struct policy_source source = {
        .name = bytes_of_text("p"),
        .pattern = bytes_of_text("^q$"),
        .apply_to = bytes_of_text("queues"),
        .definition = buffer_bytes(&definition),
    };
    if (has_policy)
        assert_true(policies_add(policies, &source, reason, sizeof reason));
    vhost_set_policies(core->vhost, policies);
    buffer_fini(&definition);
    pass(core, 0, "");
}

/* It counts what comes from then on. */
static void a_policy_begins_and_ends_it(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q no-wait", "");
    assert_true(takes(core));
    set_policy(core, true, true);
    assert_true(takes(core));
    assert_false(takes(core));
    set_policy(core, false, false);
    assert_true(takes(core));
    assert_true(core_counters(core).value_bytes == 0);
    set_policy(core, true, true);
    assert_true(takes(core));
    assert_false(takes(core));
    assert_queue(core, "q", "4 0 0");
    run(core, "1.1 queue.delete q\n" DECLARE_Q, "1.1 queue.delete-ok 4\n");
    set_policy(core, true, false); /* the policy says the last word */
    assert_true(takes(core));
    assert_true(takes(core));
    set_policy(core, false, false);
    assert_true(takes(core));
    assert_false(takes(core));
}

/* --- restarts */

/* With each message, stored or not, ready or not, goes its value. */
static void values_outlive_a_crash_with_their_messages(void **state)
{
    struct core *core = *state;
    open_confirming(core, " durable");
    run(core,
        "1.1 basic.publish - q a persistent " VALUE "1\n1.1 basic.publish - q b persistent " VALUE
        "2\n1.1 basic.publish - q c " VALUE "3\n1.1 basic.publish - q d persistent " VALUE
        "4\n1.2 basic.get q\n1.2 basic.get q",
        NULL);
    buffer_clear(&core->transcript);
    commit(core, "1.1 ack 2 multiple\n1.1 ack 4\n");
    run(core, "1.2 basic.ack 1", "");
    commit(core, "");
    run(core, "1.1 basic.publish - q e persistent " VALUE "5", ""); /* is not on disk */
    core_crash(core);
    reconnect(core);
    assert_queue(core, "q", "2 0 0");
    run(core, "1.1 basic.publish - q f " VALUE "1", "1.1 ack 1\n");
    run(core, "1.1 basic.publish - q g " VALUE "2", "1.1 nack 2\n");
    run(core, "1.1 basic.publish - q h " VALUE "3", "1.1 ack 3\n");
    run(core, "1.1 basic.publish - q i " VALUE "4", "1.1 nack 4\n");
    run(core, "1.1 basic.publish - q j " VALUE "5", "1.1 ack 5\n");
    assert_queue(core, "q", "5 0 0");
}

/* A message that is acked before its batch leaves takes its value along. */
static void a_value_that_never_left_is_not_on_disk(void **state)
{
    struct core *core = *state;
    open_confirming(core, " durable");
    commit(core, "");
    run(core,
        "1.1 basic.publish - q a persistent " VALUE "1\n1.2 basic.get q no-ack\n"
        "1.1 basic.publish - q b persistent " VALUE "1\n1.1 basic.publish - q c persistent " VALUE
        "2",
        NULL);
    buffer_clear(&core->transcript);
    commit(core, "1.1 ack 3 multiple\n");
    core_crash(core);
    reconnect(core);
    assert_queue(core, "q", "2 0 0");
    run(core, "1.1 basic.publish - q d " VALUE "1", "1.1 nack 1\n");
    run(core, "1.1 basic.publish - q e " VALUE "2", "1.1 nack 2\n");
}

/* The policies come after what was stored. */
static void values_of_a_policy_outlive_a_restart(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q durable no-wait\n1.1 confirm.select no-wait", "");
    set_policy(core, true, true);
    run(core, "1.1 basic.publish - q a persistent " VALUE "1", "");
    commit(core, "1.1 ack 1\n");
    core_restart(core);
    set_policy(core, true, true);
    reconnect(core);
    run(core, "1.1 basic.publish - q b " VALUE "1", "1.1 nack 1\n");
    core_restart(core);
    set_policy(core, false, false);
    reconnect(core);
    run(core, "1.1 basic.publish - q c " VALUE "1", "1.1 ack 1\n");
    assert_true(core_counters(core).value_bytes == 0);
}

/* Two messages of one value, as the queue did not deduplicate for a while: the later one holds it.
 */
static void the_later_of_two_holds_the_value_after_a_restart(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q durable no-wait", "");
    set_policy(core, true, true);
    run(core, "1.1 basic.publish - q a persistent " VALUE "1", "");
    set_policy(core, false, false);
    set_policy(core, true, true);
    run(core, "1.1 basic.publish - q b persistent " VALUE "1", "");
    commit(core, "");
    assert_queue(core, "q", "2 0 0");
    core_restart(core);
    set_policy(core, true, true);
    reconnect(core);
    run(core, "1.2 basic.get q no-ack", "");
    answer_all(core, "");
    commit(core, "1.2 basic.get-ok 1 left=1 a\n");
    assert_false(takes(core));
}

static void expiry_of_a_value_outlives_a_restart(void **state)
{
    struct core *core = *state;
    open_confirming(core, " durable");
    run(core,
        "1.1 basic.publish - q a persistent\n"
        "1.1 basic.publish - q b persistent expiration=1000 " VALUE "1",
        "");
    commit(core, "1.1 ack 2 multiple\n");
    core_crash(core);
    reconnect(core);
    assert_false(takes(core));
    core->now_ms += 1000;
    assert_true(takes(core));
}

/* --- very many */

enum { many = 10000 };

static void publish_many(struct core *core, const char *expected)
{
    char *text = malloc(many * 64);
    size_t size = 0;
    for (int i = 0; i < many; i++)
        size +=
            (size_t)snprintf(text + size, 64, "%s1.1 basic.publish - q m persistent " VALUE "%d",
                             i > 0 ? "\n" : "", i);
    run(core, text, expected);
    free(text);
}

/* They leave memory, their values do not; and these go with them, in slices where it is many. */
static void messages_in_the_store_hold_their_values(void **state)
{
    struct core *core = *state;
    struct vhost_config config = core->config;
    config.lane_bytes_max = 1000;
    core_fini(core);
    core_init_with(core, &config);
    open_confirming(core, " durable");
    publish_many(core, "");
    commit(core, "1.1 ack 10000 multiple\n");
    run(core, "1.1 basic.publish - q last", "1.1 ack 10001\n");
    assert_true(core_counters(core).window_bytes <= 1000);
    assert_in_range(core_counters(core).value_bytes, many * 60, many * 140);
    run(core, "1.1 basic.publish - q x " VALUE "5000", "1.1 nack 10002\n");
    core_crash(core);
    reconnect(core);
    assert_in_range(core_counters(core).value_bytes, many * 60, many * 140);
    run(core, "1.1 basic.publish - q x " VALUE "5000", "1.1 nack 1\n");
    run(core, "1.2 queue.purge q", "");
    assert_true(vhost_deadline(core->vhost) == 0);
    for (int i = 0; vhost_deadline(core->vhost) == 0; i++) {
        assert_true(i < 100);
        pass(core, 1, "");
    }
    assert_true(core_counters(core).value_bytes < 1000);
    run(core, "1.1 basic.publish - q x " VALUE "5000", "1.1 ack 2\n");
    commit(core, "1.2 queue.purge-ok 10000\n");
    core_crash(core);
    reconnect(core);
    run(core, "1.1 basic.publish - q x " VALUE "5000\n1.1 basic.publish - q y " VALUE "4999",
        "1.1 ack 2 multiple\n");
}

/* An ack that comes after the queue is gone. */
static void a_deleted_queue_has_no_values(void **state)
{
    struct core *core = *state;
    open_confirming(core, "");
    assert_true(takes(core));
    run(core, "1.2 basic.get q\n1.1 queue.delete q",
        "1.2 basic.get-ok 1 left=0 x\n1.1 queue.delete-ok 0\n");
    run(core, DECLARE_Q, "");
    assert_true(takes(core));
    run(core, "1.2 basic.ack 1", "");
    assert_false(takes(core));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(a_value_stands_once),
        core_test(a_repetition_is_rejected_where_it_is_one),
        core_test(a_transaction_with_a_repetition_is_partial),
        core_test(an_unacked_message_holds_its_value),
        core_test(a_delivery_without_ack_frees_the_value),
        core_test(an_expired_message_holds_nothing),
        core_test(a_limit_frees_the_value_of_what_it_drops),
        core_test(a_purge_frees_the_values_of_what_is_ready),
        core_test(priorities_share_the_values),
        core_test(a_dead_letter_is_a_message_like_others),
        core_test(a_letter_that_must_not_be_lost_waits_for_the_value),
        core_test(only_classic_queues_do),
        core_test(a_policy_begins_and_ends_it),
        core_test(values_outlive_a_crash_with_their_messages),
        core_test(a_value_that_never_left_is_not_on_disk),
        core_test(values_of_a_policy_outlive_a_restart),
        core_test(the_later_of_two_holds_the_value_after_a_restart),
        core_test(expiry_of_a_value_outlives_a_restart),
        core_test(messages_in_the_store_hold_their_values),
        core_test(a_deleted_queue_has_no_values),
    };
    return cmocka_run_group_tests_name("queue values", tests, NULL, NULL);
}
