/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels: opening, closing, failing, and waiting for the disk with the commands behind.
 */
#include "core_fixture.h"

static void open_and_close(void **state)
{
    struct core *core = *state;
    run(core,
        "1.0 connect\n1.1 channel.open\n1.7 channel.open\n1.1 channel.close\n1.1 channel.open",
        "1.0 connection.open-ok\n1.1 channel.open-ok\n1.7 channel.open-ok\n1.1 channel.close-ok\n"
        "1.1 channel.open-ok\n");
    assert_int_equal(core_counters(core).channels, 2);
}

static void a_second_open_is_hard(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 channel.open",
        "1.0 connection.close 504 CHANNEL_ERROR - second 'channel.open' seen (20.10)\n");
}

static void methods_need_an_open_channel(void **state)
{
    struct core *core = *state;
    for (int i = 0; i < 3; i++) {
        static const char *const lines[] = {"1.3 queue.declare q", "1.3 basic.publish - q m",
                                            "1.3 basic.ack 1"};
        static const char *const numbers[] = {"50.10", "60.40", "60.80"};
        char expected[128];
        core_open(core, 1, 1);
        snprintf(expected, sizeof expected,
                 "1.0 connection.close 504 CHANNEL_ERROR - expected 'channel.open' (%s)\n",
                 numbers[i]);
        run(core, lines[i], expected);
        run(core, "1.0 gone", "1.0 gone\n");
    }
    core_open(core, 1, 1);
    run(core, "1.3 channel.close-ok",
        "1.0 connection.close 503 COMMAND_INVALID - unimplemented method (20.41)\n");
}

static void the_number_of_channels_is_limited(void **state)
{
    struct core *core = *state;
    core->session_config.channel_max = 2;
    run(core,
        "1.0 connect\n1.1 channel.open\n1.6 channel.open\n1.1 channel.close\n1.5 channel.open",
        "1.0 connection.open-ok\n1.1 channel.open-ok\n1.6 channel.open-ok\n1.1 channel.close-ok\n"
        "1.5 channel.open-ok\n");
    run(core, "1.1 channel.open",
        "1.0 connection.close 530 NOT_ALLOWED - number of channels opened (2) has reached the "
        "negotiated channel_max (2) (0.0)\n");
}

static void a_failed_channel_ignores_all_but_its_end(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 basic.get no\n1.1 queue.declare q\n1.1 basic.publish - q m immediate\n1.1 basic.ack "
        "9\n"
        "1.1 channel.open\n1.1 channel.close\n1.2 queue.declare r",
        "1.1 channel.close 404 NOT_FOUND - no queue 'no' in vhost '/' (60.70)\n"
        "1.1 channel.close-ok\n1.2 queue.declare-ok r 0 0\n");
    assert_queue(core, "q", "none");
    run(core, "1.1 channel.close-ok\n1.1 channel.open", "1.1 channel.open-ok\n");
}

static void unknown_directions_are_hard(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 confirm.select-ok",
        "1.0 connection.close 503 COMMAND_INVALID - unimplemented method (85.11)\n");
    core_open(core, 2, 1);
    run(core, "2.1 connection.close",
        "2.0 connection.close 503 COMMAND_INVALID - unimplemented method (10.50)\n");
}

static void flow_can_only_be_active(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 channel.flow active\n1.1 access.request",
        "1.1 channel.flow-ok\n1.1 access.request-ok\n");
    run(core, "1.1 channel.flow",
        "1.0 connection.close 540 NOT_IMPLEMENTED - active=false (20.20)\n");
}

static void a_channel_waits_alone(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare d durable\n1.1 basic.publish - d a\n1.1 basic.get d\n1.1 basic.ack 1\n"
        "1.1 channel.close\n1.2 basic.get d\n1.2 queue.declare t",
        "1.2 basic.get-empty\n1.2 queue.declare-ok t 0 0\n");
    commit(core, "1.1 queue.declare-ok d 0 0\n1.1 basic.get-ok 1 left=0 a\n1.1 channel.close-ok\n");
    assert_queue(core, "d", "0 0 0");
}

static void deliveries_do_not_wait_with_their_channel(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare t\n1.1 basic.consume t x\n1.1 queue.declare d durable",
        "1.1 queue.declare-ok t 0 0\n1.1 basic.consume-ok x\n");
    run(core, "1.2 basic.publish - t a", "1.1 deliver x 1 a\n");
    run(core, "1.1 basic.ack 1\n1.1 basic.cancel x", "");
    assert_queue(core, "t", "0 1 1");
    commit(core, "1.1 queue.declare-ok d 0 0\n1.1 basic.cancel-ok x\n");
    assert_queue(core, "t", "0 0 0");
}

/* An error behind a reply that waits comes behind it, and takes the rest with it. */
/* Of a command that was kept as of any other. */
static void what_a_command_causes_comes_before_the_next(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 exchange.declare dlx fanout no-wait\n1.1 queue.declare dead no-wait\n"
        "1.1 queue.bind dead dlx - no-wait\n"
        "1.1 queue.declare q no-wait x-dead-letter-exchange=dlx\n1.1 basic.publish - q a\n"
        "1.1 basic.get q",
        "1.1 basic.get-ok 1 left=0 a\n");
    run(core,
        "1.1 queue.declare d durable\n1.1 basic.reject 1\n1.1 exchange.delete dlx no-wait\n"
        "1.1 basic.get dead",
        "");
    commit(core, "1.1 queue.declare-ok d 0 0\n1.1 basic.get-ok 2 left=0 a rejected:q:1\n");
}

/* Its end may be that of a queue, what waits for the queue goes on then, and that may make a
 * message for another consumer of the channel. */
static void a_channel_that_ends_gets_nothing(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare x durable auto-delete no-wait\n1.1 basic.publish - x a persistent\n"
        "1.1 basic.publish - x b persistent",
        "");
    commit(core, "");
    core_crash(core);
    core_open(core, 1, 1);
    core_open(core, 2, 1);
    run(core,
        "2.1 queue.declare y no-wait\n"
        "2.1 queue.declare q durable no-wait x-queue-type=quorum x-delivery-limit=0 "
        "x-dead-letter-exchange= x-dead-letter-routing-key=y\n"
        "2.1 basic.publish - q c\n2.1 basic.get q\n"
        "1.1 basic.qos 1\n1.1 basic.consume x cx no-wait\n1.1 basic.consume y cy no-wait",
        "2.1 basic.get-ok 1 left=0 c failures=0\n1.1 basic.qos-ok\n");
    answer(core, 1, "");
    commit(core, "1.1 deliver cx 1 a\n");
    run(core, "2.1 basic.get x", "");
    run(core, "1.1 channel.close",
        "2.1 channel.close 404 NOT_FOUND - no queue 'x' in vhost '/' (60.70)\n"
        "1.1 channel.close-ok\n");
    assert_queue(core, "y", "1 0 0");
}

static void an_error_waits_its_turn(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare d durable\n1.1 basic.get no\n1.1 queue.declare e durable", "");
    commit(core, "1.1 queue.declare-ok d 0 0\n"
                 "1.1 channel.close 404 NOT_FOUND - no queue 'no' in vhost '/' (60.70)\n");
    assert_queue(core, "e", "none");
}

static void frame_errors_of_a_channel_come_in_order(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare d durable\n1.1 error 406 too large\n1.1 queue.declare e", "");
    commit(core, "1.1 queue.declare-ok d 0 0\n"
                 "1.1 channel.close 406 PRECONDITION_FAILED - too large (0.0)\n");
    assert_queue(core, "e", "none");
}

static void a_server_s_cancel_stays_behind_replies_that_wait(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare t\n1.1 basic.consume t x\n1.1 queue.declare d durable",
        "1.1 queue.declare-ok t 0 0\n1.1 basic.consume-ok x\n");
    run(core, "1.2 queue.delete t no-wait", "");
    commit(core, "1.1 queue.declare-ok d 0 0\n1.1 basic.cancel x\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(open_and_close),
        core_test(a_second_open_is_hard),
        core_test(methods_need_an_open_channel),
        core_test(the_number_of_channels_is_limited),
        core_test(a_failed_channel_ignores_all_but_its_end),
        core_test(unknown_directions_are_hard),
        core_test(flow_can_only_be_active),
        core_test(a_channel_waits_alone),
        core_test(deliveries_do_not_wait_with_their_channel),
        core_test(what_a_command_causes_comes_before_the_next),
        core_test(a_channel_that_ends_gets_nothing),
        core_test(an_error_waits_its_turn),
        core_test(frame_errors_of_a_channel_come_in_order),
        core_test(a_server_s_cancel_stays_behind_replies_that_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
