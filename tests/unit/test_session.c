/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions: what is said on channel 0, how a connection ends, and when it is not read.
 */
#include "core_fixture.h"

static void close_is_answered_when_all_is_gone(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    core_open(core, 2, 1);
    run(core,
        "1.1 queue.declare mine exclusive\n1.1 queue.declare q\n1.1 basic.publish - q a\n"
        "1.1 basic.get q",
        "1.1 queue.declare-ok mine 0 0\n1.1 queue.declare-ok q 0 0\n1.1 basic.get-ok 1 left=0 a\n");
    run(core, "1.0 connection.close bye\n1.1 queue.declare late\n2.1 basic.get q",
        "1.0 connection.close-ok\n2.1 basic.get-ok 1 redelivered left=0 a\n");
    assert_queue(core, "mine", "none");
    assert_queue(core, "late", "none");
    run(core, "1.0 connection.close again\n1.0 gone", "1.0 connection.close-ok\n1.0 gone\n");
    assert_int_equal(core_counters(core).sessions, 1);
    assert_int_equal(core_counters(core).connections_closed, 1);
}

static void what_is_out_of_place_on_channel_0(void **state)
{
    struct core *core = *state;
    run(core, "1.0 connect\n1.0 connection.update-secret",
        "1.0 connection.open-ok\n1.0 connection.update-secret-ok\n");
    run(core, "1.0 queue.declare q",
        "1.0 connection.close 504 CHANNEL_ERROR - unexpected method in connection state running "
        "(50.10)\n");
    run(core, "2.0 connect\n2.0 connection.tune-ok",
        "2.0 connection.open-ok\n2.0 connection.close 504 CHANNEL_ERROR - unexpected method in "
        "connection state running (10.31)\n");
}

static void an_error_of_the_frames_closes(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q\n1.0 error 501 wrong\n1.1 queue.declare r\n1.0 error 505 more",
        "1.1 queue.declare-ok q 0 0\n1.0 connection.close 501 FRAME_ERROR - wrong (0.0)\n");
    run(core, "1.0 gone", "1.0 gone\n");
}

static void the_end_waits_for_channels_that_wait(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare d durable\n1.1 basic.publish - d a persistent\n"
        "1.1 queue.declare e durable\n1.0 connection.close bye\n1.0 gone",
        "");
    assert_queue(core, "e", "none");
    assert_true(core_submit(core));
    complete(core, "1.1 queue.declare-ok d 0 0\n");
    assert_queue(core, "d", "1 0 0");
    commit(core, "1.1 queue.declare-ok e 0 0\n1.0 connection.close-ok\n1.0 gone\n");
    core_crash(core);
    assert_queue(core, "d", "1 0 0");
    assert_queue(core, "e", "0 0 0");
}

static void a_hard_error_behind_a_wait_ends_what_waits(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare d durable\n1.0 error 501 wrong\n1.0 gone", "");
    run(core, "1.2 basic.recover",
        "1.0 connection.close 540 NOT_IMPLEMENTED - requeue=false (60.110)\n1.0 gone\n");
    commit(core, "");
    assert_int_equal(core_counters(core).sessions, 0);
    assert_queue(core, "d", "0 0 0");
}

static void a_vhost_ends_with_everything_open(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 exchange.declare e fanout auto-delete no-wait\n1.1 queue.declare q no-wait\n"
        "1.1 queue.bind q e - no-wait\n1.1 basic.consume q x no-wait\n1.1 basic.publish - q a\n"
        "1.1 confirm.select no-wait\n1.1 queue.declare d durable\n1.1 basic.publish - d a\n"
        "1.2 tx.select\n1.2 basic.publish - q b\n1.0 connection.close bye",
        "1.1 deliver x 1 a\n1.2 tx.select-ok\n");
    core_crash(core);
    assert_int_equal(core_counters(core).queues, 0);
}

static void the_store_s_lag_pauses_publishers(void **state)
{
    struct core *core = *state;
    vhost_free(core->vhost);
    core->config.unstored_bytes_max = 200;
    core->vhost = vhost_new(&core->config, core->access);
    core_open(core, 1, 1);
    core_open(core, 2, 1);
    run(core, "1.1 queue.declare d durable no-wait", "");
    run(core, "1.1 basic.publish - d a persistent\n1.1 basic.publish - d b persistent", "");
    assert_true(core_submit(core));
    run(core,
        "1.1 basic.publish - d c persistent\n1.1 basic.publish - d d persistent\n"
        "1.1 basic.publish - d e persistent\n1.1 basic.publish - d f persistent\n"
        "1.1 basic.publish - d g persistent",
        "1.0 pause\n");
    run(core, "2.1 basic.publish - d h", "");
    run(core, "2.1 basic.publish - d i persistent", "2.0 pause\n");
    complete(core, "");
    commit(core, "1.0 resume\n2.0 resume\n");
    assert_queue(core, "d", "9 0 0");
}

/* While the disk does not answer, what is published and acked leaves its place in the batch. */
static void what_is_consumed_while_the_store_lags_pauses_publishers(void **state)
{
    struct core *core = *state;
    char line[40];
    int published = 0;
    vhost_free(core->vhost);
    core->config.unstored_bytes_max = 2000;
    core->vhost = vhost_new(&core->config, core->access);
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare d durable no-wait\n1.1 basic.consume d x no-wait", "");
    assert_true(core_submit(core));
    do {
        buffer_clear(&core->transcript);
        assert_true(++published < 100);
        snprintf(line, sizeof line, "1.1 basic.ack %d", published);
        run(core, "1.1 basic.publish - d a persistent", NULL);
        run(core, line, NULL);
    } while (strstr((const char *)core->transcript.data, "1.0 pause") == NULL);
    buffer_clear(&core->transcript);
    complete(core, "");
    commit(core, "1.0 resume\n");
    run(core, "1.1 basic.publish - d b persistent", NULL);
    assert_queue(core, "d", "0 1 1");
}

static void what_waits_behind_a_channel_is_bounded(void **state)
{
    struct core *core = *state;
    vhost_free(core->vhost);
    core->config.deferred_bytes_max = 150;
    core->vhost = vhost_new(&core->config, core->access);
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare d durable\n1.1 basic.publish - d a\n", "");
    run(core, "1.1 basic.publish - d b\n1.1 basic.publish - d c\n1.1 basic.publish - d d",
        "1.0 pause\n");
    commit(core, "1.1 queue.declare-ok d 0 0\n1.0 resume\n");
    assert_queue(core, "d", "4 0 0");
}

static void what_waits_on_channel_0_is_bounded_too(void **state)
{
    struct core *core = *state;
    vhost_free(core->vhost);
    core->config.deferred_bytes_max = 300;
    core->vhost = vhost_new(&core->config, core->access);
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare d durable\n1.0 connection.update-secret", "");
    run(core, "1.0 connection.update-secret\n1.0 connection.update-secret", "1.0 pause\n");
    commit(core, "1.1 queue.declare-ok d 0 0\n1.0 connection.update-secret-ok\n"
                 "1.0 resume\n1.0 connection.update-secret-ok\n1.0 connection.update-secret-ok\n");
}

static void a_session_that_comes_late_ends_as_the_others(void **state)
{
    struct core *core = *state;
    struct amqp_error reason = {0};
    amqp_error_set(&reason, AMQP_CONNECTION_FORCED, "vhost '/' is deleted");
    core_open(core, 1, 1);
    vhost_end_sessions(core->vhost, NULL, &reason, 1);
    run(core, "2.0 connect\n1.0 gone",
        "1.0 connection.close 320 CONNECTION_FORCED - vhost '/' is deleted (0.0)\n"
        "2.0 connection.open-ok\n"
        "2.0 connection.close 320 CONNECTION_FORCED - vhost '/' is deleted (0.0)\n1.0 gone\n");
    run(core, "2.0 gone", "2.0 gone\n");
}

static void an_alarm_blocks_who_publishes(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    core->session_config.has_blocked_notify = false;
    core_open(core, 2, 1);
    run(core, "1.1 queue.declare q", "1.1 queue.declare-ok q 0 0\n");
    vhost_set_alarms(core->vhost, VHOST_ALARM_MEMORY | VHOST_ALARM_DISK, 1);
    run(core, "1.1 basic.get q", "1.1 basic.get-empty\n");
    run(core, "1.1 basic.publish - q a\n2.1 basic.publish - q b\n1.1 basic.publish - q c",
        "1.0 connection.blocked low on disk & memory\n1.0 pause\n2.0 pause\n");
    assert_queue(core, "q", "0 0 0");
    vhost_set_alarms(core->vhost, VHOST_ALARM_DISK, 2);
    run(core, "", "");
    vhost_set_alarms(core->vhost, 0, 3);
    run(core, "", "1.0 connection.unblocked\n1.0 resume\n2.0 resume\n");
    assert_queue(core, "q", "3 0 0");
    vhost_set_alarms(core->vhost, VHOST_ALARM_DISK, 4);
    run(core, "1.1 basic.publish - q d", "1.0 connection.blocked low on disk\n1.0 pause\n");
    run(core, "1.0 gone", "1.0 resume\n1.0 gone\n");
    vhost_set_alarms(core->vhost, 0, 5);
    run(core, "", "");
    assert_queue(core, "q", "3 0 0");
    vhost_set_alarms(core->vhost, VHOST_ALARM_MEMORY, 6);
    core_open(core, 3, 1);
    run(core, "2.1 basic.publish - q e", "2.0 pause\n");
}

/* What came behind the publish in the same breath waits as well, and each channel in its order. */
static void nothing_is_taken_in_while_an_alarm_is_on(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q\n1.1 confirm.select\n1.1 basic.consume q x",
        "1.1 queue.declare-ok q 0 0\n1.1 confirm.select-ok\n1.1 basic.consume-ok x\n");
    vhost_set_alarms(core->vhost, VHOST_ALARM_MEMORY, 1);
    run(core,
        "1.1 basic.publish - q a\n1.1 basic.publish - q b\n1.1 basic.cancel x\n"
        "1.2 basic.publish - q c\n1.0 connection.close bye",
        "1.0 connection.blocked low on memory\n1.0 pause\n");
    vhost_set_alarms(core->vhost, 0, 2);
    run(core, "",
        "1.0 connection.unblocked\n1.0 resume\n1.1 deliver x 1 a\n1.1 deliver x 2 b\n"
        "1.1 basic.cancel-ok x\n1.0 connection.close-ok\n");
    assert_queue(core, "q", "3 0 0");
}

static void what_a_dead_connection_had_comes_back_during_an_alarm(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    core_open(core, 2, 1);
    run(core, "1.1 queue.declare q no-wait\n1.1 basic.publish - q a\n1.1 basic.get q",
        "1.1 basic.get-ok 1 left=0 a\n");
    vhost_set_alarms(core->vhost, VHOST_ALARM_MEMORY, core->now_ms);
    run(core, "1.1 basic.publish - q b\n1.1 basic.ack 1\n1.2 basic.publish - q c",
        "1.0 connection.blocked low on memory\n1.0 pause\n");
    run(core, "1.0 connection.close bye", "");
    run(core, "1.0 gone", "1.0 resume\n1.0 connection.close-ok\n1.0 gone\n");
    run(core, "2.1 basic.get q", "2.1 basic.get-ok 1 redelivered left=0 a\n");
}

/* What came before the publish is done first, as it would be without the alarm. */
static void a_dead_connection_waits_for_the_disk_and_for_no_alarm(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare d durable\n1.1 queue.declare e no-wait\n1.1 basic.publish - e a",
        "");
    vhost_set_alarms(core->vhost, VHOST_ALARM_DISK, core->now_ms);
    run(core, "1.2 basic.publish - d b\n1.0 gone",
        "1.0 connection.blocked low on disk\n1.0 pause\n");
    assert_queue(core, "e", "none");
    commit(core, "1.1 queue.declare-ok d 0 0\n1.0 resume\n1.0 gone\n");
    assert_queue(core, "e", "0 0 0");
}

/* --- a server that is drained */

static void drain(struct core *core)
{
    vhost_set_alarms(core->vhost, VHOST_ALARM_DRAINING, ++core->now_ms);
    run(core, "", "");
}

static void nothing_new_is_handed_out_while_drained(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    core_open(core, 2, 1);
    run(core,
        "1.1 queue.declare q no-wait\n1.1 basic.qos 1\n1.1 basic.consume q x no-wait\n"
        "2.1 basic.publish - q a\n2.1 basic.publish - q b\n2.1 basic.publish - q c",
        "1.1 basic.qos-ok\n1.1 deliver x 1 a\n");
    drain(core);
    run(core, "1.2 basic.consume q z no-ack no-wait\n1.1 basic.ack 1\n1.2 basic.get q",
        "1.2 basic.get-empty\n");
    run(core, "2.1 basic.publish - q d", "2.0 connection.blocked in maintenance mode\n2.0 pause\n");
    assert_queue(core, "q", "2 0 2");
    core->session_config.ignores_drain = true;
    core_open(core, 3, 1);
    run(core, "3.1 basic.get q\n3.1 basic.nack 1 requeue", "3.1 basic.get-ok 1 left=1 b\n");
    vhost_set_alarms(core->vhost, 0, ++core->now_ms);
    run(core, "",
        "2.0 connection.unblocked\n2.0 resume\n1.2 deliver z 1 redelivered b\n"
        "1.1 deliver x 2 c\n1.2 deliver z 2 d\n");
}

/* What a consumer holds is put back while the server is drained, and stays where it is. */
static void what_is_put_back_while_drained_waits(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q no-wait\n1.1 basic.publish - q a\n1.1 basic.consume q x no-wait",
        "1.1 deliver x 1 a\n");
    drain(core);
    run(core, "1.1 basic.nack 1 requeue", "");
    assert_queue(core, "q", "1 0 1");
    vhost_set_alarms(core->vhost, 0, ++core->now_ms);
    run(core, "", "1.1 deliver x 2 redelivered a\n");
}

/* A consumer that answers, or passes on what it made of a message, needs to publish for that; and
 * nobody else can ever take the answer. */
static void work_that_is_held_is_finished_while_drained(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    core_open(core, 2, 1);
    run(core,
        "1.1 queue.declare work no-wait\n2.1 queue.declare answers exclusive no-wait\n"
        "2.1 basic.consume answers r no-ack no-wait\n1.1 basic.consume work x no-wait\n"
        "2.1 basic.consume amq.rabbitmq.reply-to d no-ack no-wait\n"
        "2.1 basic.publish - work question",
        "1.1 deliver x 1 question\n");
    drain(core);
    run(core, "1.2 basic.publish - answers answer\n1.2 basic.publish - work more\n1.1 basic.ack 1",
        "2.1 deliver r 1 answer\n");
    run(core, "1.2 basic.publish - work again",
        "1.0 connection.blocked in maintenance mode\n1.0 pause\n");
    assert_queue(core, "work", "1 0 1");
}

/* The alarm ends, and only the drain is left. */
static void work_that_an_alarm_has_stopped_is_finished_while_drained(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    core_open(core, 2, 1);
    run(core,
        "1.1 queue.declare work no-wait\n1.1 queue.declare answers no-wait\n"
        "1.1 basic.consume work x no-wait\n2.1 basic.publish - work question",
        "1.1 deliver x 1 question\n");
    vhost_set_alarms(core->vhost, VHOST_ALARM_DISK, ++core->now_ms);
    run(core, "1.1 basic.publish - answers answer\n1.1 basic.ack 1\n2.1 basic.publish - work more",
        "1.0 connection.blocked low on disk\n1.0 pause\n"
        "2.0 connection.blocked low on disk\n2.0 pause\n");
    vhost_set_alarms(core->vhost, VHOST_ALARM_DISK | VHOST_ALARM_DRAINING, ++core->now_ms);
    run(core, "", "");
    vhost_set_alarms(core->vhost, VHOST_ALARM_DRAINING, ++core->now_ms);
    run(core, "", "1.0 connection.unblocked\n1.0 resume\n");
    assert_queue(core, "answers", "1 0 0");
    assert_queue(core, "work", "0 0 1");
    vhost_set_alarms(core->vhost, 0, ++core->now_ms);
    run(core, "", "2.0 connection.unblocked\n2.0 resume\n1.1 deliver x 2 more\n");
}

/* Output credit that comes back meanwhile counts afterwards. */
static void credit_is_kept_while_drained(void **state)
{
    struct core *core = *state;
    core->session_config.output_bytes = 1;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q no-wait\n1.1 basic.consume q x no-ack no-wait\n"
        "1.1 basic.publish - q a\n1.1 basic.publish - q b",
        "1.1 deliver x 1 a\n");
    drain(core);
    run(core, "1.0 credit 1000", "");
    vhost_set_alarms(core->vhost, 0, ++core->now_ms);
    run(core, "", "1.1 deliver x 2 b\n");
}

static void permissions_are_asked_for(void **state)
{
    struct core *core = *state;
    char reason[80];
    struct access *strict = access_new();
    assert_true(access_add_permission(strict, bytes_of_text("guest"), bytes_of_text("/"),
                                      bytes_of_text("^c"), bytes_of_text("^w"), bytes_of_text("^r"),
                                      reason, sizeof reason));
    core_open(core, 1, 7);
    run(core, "1.1 queue.declare q\n1.1 basic.publish - q a\n1.1 queue.declare c",
        "1.1 queue.declare-ok q 0 0\n1.1 queue.declare-ok c 0 0\n");
    vhost_set_access(core->vhost, strict);
    run(core, "1.1 queue.declare c", "1.1 queue.declare-ok c 0 0\n");
    run(core, "1.1 basic.publish - q b",
        "1.1 channel.close 403 ACCESS_REFUSED - write access to exchange 'amq.default' in vhost "
        "'/' refused for user 'guest' (60.40)\n");
    run(core, "1.2 queue.declare q",
        "1.2 channel.close 403 ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused "
        "for user 'guest' (50.10)\n");
    run(core, "1.3 basic.get q",
        "1.3 channel.close 403 ACCESS_REFUSED - read access to queue 'q' in vhost '/' refused for "
        "user 'guest' (60.70)\n");
    run(core, "1.4 queue.bind q amq.direct k",
        "1.4 channel.close 403 ACCESS_REFUSED - write access to queue 'q' in vhost '/' refused for "
        "user 'guest' (50.20)\n");
    run(core, "1.5 queue.bind w amq.direct k",
        "1.5 channel.close 403 ACCESS_REFUSED - read access to exchange 'amq.direct' in vhost '/' "
        "refused for user 'guest' (50.20)\n");
    run(core, "1.6 exchange.declare c direct alternate-exchange=x",
        "1.6 channel.close 403 ACCESS_REFUSED - read access to exchange 'c' in vhost '/' refused "
        "for user 'guest' (40.10)\n");
    run(core, "1.7 queue.purge c",
        "1.7 channel.close 403 ACCESS_REFUSED - read access to queue 'c' in vhost '/' refused for "
        "user 'guest' (50.30)\n");
    vhost_set_access(core->vhost, core->access);
    access_free(strict);
}

static void memory_of_sessions_is_accounted(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    uint64_t before = core_counters(core).session_bytes;
    run(core,
        "1.1 queue.declare q no-wait\n1.1 basic.consume q x no-wait\n1.1 basic.publish - q a\n"
        "1.2 tx.select\n1.2 basic.publish - q b",
        "1.1 deliver x 1 a\n1.2 tx.select-ok\n");
    assert_true(core_counters(core).session_bytes > before);
    run(core, "1.2 tx.rollback\n1.1 basic.ack 1\n1.1 basic.cancel x",
        "1.2 tx.rollback-ok\n1.1 basic.cancel-ok x\n");
    assert_int_equal(core_counters(core).session_bytes, before);
}

/* What a user has elsewhere is in the same numbers. */
static void what_a_user_may_have_is_counted_over_all_vhosts(void **state)
{
    struct core *core = *state;
    struct user_totals totals = {.connections = 1, .channels = 3};
    struct access_limits limits = {.connections = 3, .channels = 5};
    struct access *access = access_new_open();
    access_add_limits(access, bytes_of_text("guest"), &limits);
    vhost_set_access(core->vhost, access);
    core->session_config.user_totals = &totals;
    core_open(core, 1, 1);
    core_open(core, 2, 1);
    assert_int_equal(totals.connections, 3);
    assert_int_equal(totals.channels, 5);
    run(core, "3.0 connect",
        "3.0 connection.close 530 NOT_ALLOWED - connection refused for user 'guest': user "
        "connection "
        "limit "
        "(3) is reached (10.40)\n");
    run(core, "2.2 channel.open",
        "2.0 connection.close 530 NOT_ALLOWED - number of channels opened for user 'guest' has "
        "reached "
        "the maximum allowed user limit of (5) (0.0)\n");
    run(core, "2.0 gone\n3.0 gone", NULL);
    assert_int_equal(totals.connections, 2);
    assert_int_equal(totals.channels, 4);
    core_fini(core);
    assert_int_equal(totals.connections, 1);
    core_init(core);
    access_free(access);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(close_is_answered_when_all_is_gone),
        core_test(what_is_out_of_place_on_channel_0),
        core_test(an_error_of_the_frames_closes),
        core_test(the_end_waits_for_channels_that_wait),
        core_test(a_hard_error_behind_a_wait_ends_what_waits),
        core_test(a_vhost_ends_with_everything_open),
        core_test(the_store_s_lag_pauses_publishers),
        core_test(what_is_consumed_while_the_store_lags_pauses_publishers),
        core_test(what_waits_behind_a_channel_is_bounded),
        core_test(what_waits_on_channel_0_is_bounded_too),
        core_test(a_session_that_comes_late_ends_as_the_others),
        core_test(an_alarm_blocks_who_publishes),
        core_test(nothing_is_taken_in_while_an_alarm_is_on),
        core_test(what_a_dead_connection_had_comes_back_during_an_alarm),
        core_test(a_dead_connection_waits_for_the_disk_and_for_no_alarm),
        core_test(nothing_new_is_handed_out_while_drained),
        core_test(what_is_put_back_while_drained_waits),
        core_test(work_that_is_held_is_finished_while_drained),
        core_test(work_that_an_alarm_has_stopped_is_finished_while_drained),
        core_test(credit_is_kept_while_drained),
        core_test(permissions_are_asked_for),
        core_test(memory_of_sessions_is_accounted),
        core_test(what_a_user_may_have_is_counted_over_all_vhosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
