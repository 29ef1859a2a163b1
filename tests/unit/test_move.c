/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages move from queue to queue: in order, as they are, in exactly one of the two after a
 * crash, in slices, and not where the destination or a permission says no.
 */
#include "core_fixture.h"

static void open_with_queues(struct core *core, const char *how_source, const char *how_destination)
{
    char declare[200];
    core_open(core, 1, 3);
    snprintf(declare, sizeof declare,
             "1.1 queue.declare from%s no-wait\n1.1 queue.declare to%s no-wait", how_source,
             how_destination);
    run(core, declare, "");
}

static void the_first_ones_move_in_order(void **state)
{
    struct core *core = *state;
    open_with_queues(core, " x-max-length=10", " x-max-length=10");
    run(core,
        "1.1 basic.publish - to 0\n1.1 basic.publish - from a\n1.1 basic.publish - from b\n"
        "1.1 basic.publish - from c\n1.2 move from to 2",
        "1.2 queue.purge-ok 2\n");
    assert_queue(core, "from", "1 0 0");
    run(core, "1.1 basic.get to no-ack\n1.1 basic.get to no-ack\n1.1 basic.get to no-ack",
        "1.1 basic.get-ok 1 left=2 0\n1.1 basic.get-ok 2 left=1 a\n1.1 basic.get-ok 3 left=0 b\n");
    run(core, "1.2 move from to 5\n1.2 move from to 5",
        "1.2 queue.purge-ok 1\n1.2 queue.purge-ok 0\n");
}

static void what_is_unacked_stays_and_who_consumes_gets_it(void **state)
{
    struct core *core = *state;
    open_with_queues(core, " x-max-priority=2", "");
    run(core,
        "1.1 basic.publish - from a\n1.1 basic.publish - from b\n"
        "1.1 basic.publish - from c priority=2\n1.1 basic.get from",
        "1.1 basic.get-ok 1 left=2 c\n");
    run(core, "1.3 basic.consume to t no-ack\n1.2 move from to 9",
        "1.3 basic.consume-ok t\n1.3 deliver t 1 a\n1.3 deliver t 2 b\n1.2 queue.purge-ok 2\n");
    assert_queue(core, "from", "0 1 0");
}

static void dead_letters_go_back_with_their_history(void **state)
{
    struct core *core = *state;
    open_with_queues(core, "",
                     " x-dead-letter-exchange=amq.default x-dead-letter-routing-key=from");
    run(core, "1.1 queue.declare two no-wait x-dead-letter-exchange=amq.direct", "");
    run(core, "1.1 queue.bind from amq.direct two no-wait\n1.1 basic.publish - two a CC=to", "");
    run(core, "1.1 queue.declare to passive", "1.1 queue.declare-ok to 1 0\n");
    run(core, "1.1 basic.get two\n1.1 basic.reject 1", "1.1 basic.get-ok 1 left=0 a\n");
    run(core, "1.2 move from two 1", "1.2 queue.purge-ok 1\n");
    /* The key in CC is no second destination now. */
    run(core, "1.1 queue.declare to passive", "1.1 queue.declare-ok to 1 0\n");
    run(core, "1.1 basic.get two", "1.1 basic.get-ok 2 left=0 a rejected:two:1\n");
}

static void a_crash_finds_each_message_once(void **state)
{
    struct core *core = *state;
    open_with_queues(core, " durable", " durable");
    run(core, "1.1 basic.publish - from a persistent\n1.1 basic.publish - from b persistent", "");
    commit(core, "");
    run(core, "1.2 move from to 1", "");
    core_crash(core); /* the batch was not committed */
    assert_queue(core, "from", "2 0 0");
    assert_queue(core, "to", "0 0 0");
    core_open(core, 1, 2);
    run(core, "1.2 move from to 1", "");
    answer_all(core, "");
    commit(core, "1.2 queue.purge-ok 1\n");
    core_crash(core);
    assert_queue(core, "from", "1 0 0");
    assert_queue(core, "to", "1 0 0");
    core_open(core, 1, 1);
    run(core, "1.1 basic.get to no-ack\n1.1 basic.get from no-ack", "");
    core_settle(core, 10);
    expect(core, "1.1 basic.get-ok 1 left=0 a\n1.1 basic.get-ok 2 left=0 b\n");
}

/* What moves before it is on disk is confirmed when it is, in its new place. */
static void a_confirm_waits_for_the_new_place(void **state)
{
    struct core *core = *state;
    open_with_queues(core, " durable", " durable");
    commit(core, "");
    run(core,
        "1.1 confirm.select no-wait\n1.1 basic.publish - from a persistent\n1.2 move from to 1",
        "");
    commit(core, "1.1 ack 1\n1.2 queue.purge-ok 1\n");
    core_crash(core);
    assert_queue(core, "from", "0 0 0");
    assert_queue(core, "to", "1 0 0");
}

static void very_many_move_in_slices(void **state)
{
    struct core *core = *state;
    open_with_queues(core, "", "");
    for (int i = 0; i < 1500; i++)
        run(core, "1.1 basic.publish - from a", "");
    run(core, "1.2 move from to 5000", "1.2 queue.purge-ok 1024\n");
    assert_queue(core, "from", "476 0 0");
    run(core, "1.2 move from to 5000", "1.2 queue.purge-ok 476\n");
}

static void a_full_destination_says_so(void **state)
{
    struct core *core = *state;
    open_with_queues(core, "", " x-max-length=2 x-overflow=reject-publish");
    run(core,
        "1.1 basic.publish - from a\n1.1 basic.publish - from b\n1.1 basic.publish - from c\n"
        "1.2 move from to 9",
        "1.2 queue.purge-ok 2\n");
    run(core, "1.2 move from to 9",
        "1.2 channel.close 406 PRECONDITION_FAILED - queue 'to' in vhost '/' takes no more "
        "messages: it has reached its max-length or max-length-bytes (0.0)\n");
    assert_queue(core, "from", "1 0 0");
    assert_queue(core, "to", "2 0 0");
}

static void a_repetition_stays_where_it_is(void **state)
{
    struct core *core = *state;
    open_with_queues(core, "", " x-message-deduplication=true");
    run(core,
        "1.1 basic.publish - to 0 x-deduplication-header=1\n"
        "1.1 basic.publish - from a x-deduplication-header=2\n"
        "1.1 basic.publish - from b x-deduplication-header=1\n1.2 move from to 9",
        "1.2 queue.purge-ok 1\n");
    assert_queue(core, "from", "1 0 0");
    assert_queue(core, "to", "2 0 0");
    run(core, "1.2 move from to 9",
        "1.2 channel.close 406 PRECONDITION_FAILED - queue 'to' in vhost '/' has a message with "
        "the x-deduplication-header of the next one (0.0)\n");
    run(core, "1.1 basic.get to no-ack\n1.3 move from to 9",
        "1.1 basic.get-ok 1 left=1 0\n1.3 queue.purge-ok 1\n");
}

/* As those of basic.get and basic.publish. */
static void what_moves_is_counted(void **state)
{
    struct core *core = *state;
    open_with_queues(core, "", "");
    run(core,
        "1.1 basic.publish - from a\n1.1 basic.publish - from b\n1.1 basic.get from\n"
        "1.1 basic.nack 1 requeue",
        "1.1 basic.get-ok 1 left=1 a\n");
    struct vhost_counters before = core_counters(core), after;
    run(core, "1.2 move from to 9", "1.2 queue.purge-ok 2\n");
    after = core_counters(core);
    assert_int_equal(after.got - before.got, 2);
    assert_int_equal(after.got_no_ack - before.got_no_ack, 2);
    assert_int_equal(after.published - before.published, 2);
    assert_int_equal(after.redelivered - before.redelivered, 1);
}

static void what_is_not_there_is_404(void **state)
{
    struct core *core = *state;
    open_with_queues(core, "", "");
    run(core, "1.1 move none to 1\n1.2 move from none 1\n1.3 move from from 1",
        "1.1 channel.close 404 NOT_FOUND - no queue 'none' in vhost '/' (0.0)\n"
        "1.2 channel.close 404 NOT_FOUND - no queue 'none' in vhost '/' (0.0)\n"
        "1.3 channel.close 406 PRECONDITION_FAILED - cannot move messages of queue 'from' in vhost "
        "'/' to the queue itself (0.0)\n");
}

/* The user may write what write says, and read what read says. */
static void restrict_to(struct core *core, struct access *access, const char *write,
                        const char *read)
{
    char reason[80];
    assert_true(access_add_permission(access, bytes_of_text("guest"), bytes_of_text("/"),
                                      bytes_of_text(""), bytes_of_text(write), bytes_of_text(read),
                                      reason, sizeof reason));
    vhost_set_access(core->vhost, access);
}

static void getting_and_publishing_must_be_allowed(void **state)
{
    struct core *core = *state;
    struct access *reader = access_new(), *writer = access_new();
    open_with_queues(core, "", "");
    run(core, "1.1 basic.publish - from a", "");
    restrict_to(core, reader, "^to$", ".*");
    run(core, "1.1 move from to 1",
        "1.1 channel.close 403 ACCESS_REFUSED - write access to exchange 'amq.default' in vhost "
        "'/' refused for user 'guest' (0.0)\n");
    restrict_to(core, writer, ".*", "^to$");
    run(core, "1.2 move from to 1",
        "1.2 channel.close 403 ACCESS_REFUSED - read access to queue 'from' in vhost '/' refused "
        "for user 'guest' (0.0)\n");
    assert_queue(core, "from", "1 0 0");
    vhost_set_access(core->vhost, core->access);
    access_free(reader);
    access_free(writer);
}

static void an_alarm_stops_it(void **state)
{
    struct core *core = *state;
    open_with_queues(core, "", "");
    run(core, "1.1 basic.publish - from a", "");
    vhost_set_alarms(core->vhost, VHOST_ALARM_DISK, 1);
    run(core, "1.2 move from to 1", "1.0 connection.blocked low on disk\n1.0 pause\n");
    assert_queue(core, "from", "1 0 0");
    vhost_set_alarms(core->vhost, 0, 2);
    run(core, "", "1.0 connection.unblocked\n1.0 resume\n1.2 queue.purge-ok 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(the_first_ones_move_in_order),
        core_test(what_is_unacked_stays_and_who_consumes_gets_it),
        core_test(dead_letters_go_back_with_their_history),
        core_test(a_crash_finds_each_message_once),
        core_test(a_confirm_waits_for_the_new_place),
        core_test(very_many_move_in_slices),
        core_test(a_full_destination_says_so),
        core_test(a_repetition_stays_where_it_is),
        core_test(what_moves_is_counted),
        core_test(what_is_not_there_is_404),
        core_test(getting_and_publishing_must_be_allowed),
        core_test(an_alarm_stops_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
