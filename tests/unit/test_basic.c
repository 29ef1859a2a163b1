/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qos, consume, cancel, get, ack, nack, reject and recover: who gets what, in which order, marked
 * how, and what is refused.
 */
#include "core_fixture.h"

/* Session 1 with some channels, and a queue q that holds a, b, c. */
static void open_with_messages(struct core *core, unsigned channels)
{
    core_open(core, 1, channels);
    run(core,
        "1.1 queue.declare q no-wait\n1.1 basic.publish - q a\n1.1 basic.publish - q b\n"
        "1.1 basic.publish - q c",
        "");
}

static void qos_limits_consumers_that_come_later(void **state)
{
    struct core *core = *state;
    open_with_messages(core, 2);
    run(core, "1.2 basic.consume q none",
        "1.2 basic.consume-ok none\n1.2 deliver none 1 a\n"
        "1.2 deliver none 2 b\n1.2 deliver none 3 c\n");
    run(core, "1.2 basic.recover requeue\n1.2 basic.cancel none",
        "1.2 basic.recover-ok\n1.2 basic.cancel-ok none\n");
    run(core, "1.2 basic.qos 1\n1.2 basic.consume q one\n1.2 basic.qos 2\n1.2 basic.consume q two",
        "1.2 basic.qos-ok\n1.2 basic.consume-ok one\n1.2 basic.qos-ok\n"
        "1.2 basic.consume-ok two\n1.2 deliver one 4 redelivered a\n"
        "1.2 deliver two 5 redelivered b\n1.2 deliver two 6 redelivered c\n");
    run(core, "1.1 basic.publish - q d\n1.1 basic.publish - q e\n1.2 basic.ack 4",
        "1.2 deliver one 7 d\n");
    run(core, "1.2 basic.ack 6 multiple", "1.2 deliver two 8 e\n");
}

static void qos_global_limits_the_channel(void **state)
{
    struct core *core = *state;
    open_with_messages(core, 3);
    run(core, "1.2 basic.qos 2 global\n1.2 basic.consume q x\n1.2 basic.consume q y",
        "1.2 basic.qos-ok\n1.2 basic.consume-ok x\n1.2 basic.consume-ok y\n1.2 deliver x 1 a\n"
        "1.2 deliver y 2 b\n");
    run(core, "1.3 basic.get q", "1.3 basic.get-ok 1 left=0 c\n");
    run(core, "1.3 basic.reject 1 requeue", "");
    run(core, "1.2 basic.ack 1", "1.2 deliver x 3 redelivered c\n");
    run(core, "1.1 basic.publish - q d\n1.2 basic.qos 3 global",
        "1.2 basic.qos-ok\n1.2 deliver y 4 d\n");
    run(core, "1.1 basic.publish - q e\n1.2 basic.qos 0 global",
        "1.2 basic.qos-ok\n1.2 deliver x 5 e\n");
}

static void a_small_global_limit_starves_nobody(void **state)
{
    struct core *core = *state;
    open_with_messages(core, 2);
    run(core, "1.2 basic.qos 1 global\n1.2 basic.consume q x\n1.2 basic.consume q y",
        "1.2 basic.qos-ok\n1.2 basic.consume-ok x\n1.2 basic.consume-ok y\n1.2 deliver x 1 a\n");
    run(core, "1.2 basic.ack 1", "1.2 deliver y 2 b\n");
    run(core, "1.2 basic.ack 2", "1.2 deliver x 3 c\n");
}

static void both_limits_hold_together(void **state)
{
    struct core *core = *state;
    open_with_messages(core, 2);
    run(core, "1.2 basic.qos 1\n1.2 basic.qos 2 global\n1.2 basic.consume q x",
        "1.2 basic.qos-ok\n1.2 basic.qos-ok\n1.2 basic.consume-ok x\n1.2 deliver x 1 a\n");
    run(core, "1.2 basic.consume q y", "1.2 basic.consume-ok y\n1.2 deliver y 2 b\n");
    run(core, "1.2 basic.consume q z", "1.2 basic.consume-ok z\n");
    run(core, "1.2 basic.ack 2", "1.2 deliver z 3 c\n");
}

static void no_ack_and_get_know_no_prefetch(void **state)
{
    struct core *core = *state;
    open_with_messages(core, 2);
    run(core, "1.2 basic.qos 1\n1.2 basic.get q\n1.2 basic.get q no-ack",
        "1.2 basic.qos-ok\n1.2 basic.get-ok 1 left=2 a\n1.2 basic.get-ok 2 left=1 b\n");
    run(core, "1.2 basic.consume q x no-ack", "1.2 basic.consume-ok x\n1.2 deliver x 3 c\n");
    run(core, "1.1 basic.publish - q d\n1.1 basic.publish - q e",
        "1.2 deliver x 4 d\n1.2 deliver x 5 e\n");
    assert_queue(core, "q", "0 1 1");
}

static void prefetch_size_is_not_implemented(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 basic.qos-size 10",
        "1.0 connection.close 540 NOT_IMPLEMENTED - prefetch_size!=0 (10) (60.10)\n");
}

static void consume_is_refused_for_reasons(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 5);
    run(core, "1.1 queue.declare q\n1.1 basic.consume q x",
        "1.1 queue.declare-ok q 0 0\n1.1 basic.consume-ok x\n");
    run(core, "1.2 basic.consume nope x",
        "1.2 channel.close 404 NOT_FOUND - no queue 'nope' in vhost '/' (60.20)\n");
    run(core, "1.3 basic.consume q x exclusive",
        "1.3 channel.close 403 ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use (60.20)\n");
    run(core, "1.4 basic.consume q x x-priority=high",
        "1.4 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'q' in "
        "vhost '/': \"expected integer, got longstr\" (60.20)\n");
    run(core, "1.5 basic.consume q x", "1.5 basic.consume-ok x\n");
    run(core, "1.1 basic.consume q x",
        "1.0 connection.close 530 NOT_ALLOWED - attempt to reuse consumer tag 'x' (60.20)\n");
}

static void an_exclusive_consumer_is_alone(void **state)
{
    struct core *core = *state;
    open_with_messages(core, 3);
    run(core, "1.1 basic.qos 1\n1.1 basic.consume q x exclusive",
        "1.1 basic.qos-ok\n1.1 basic.consume-ok x\n1.1 deliver x 1 a\n");
    run(core, "1.2 basic.consume q y",
        "1.2 channel.close 403 ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use (60.20)\n");
    run(core, "1.3 basic.get q", "1.3 basic.get-ok 1 left=1 b\n");
    run(core, "1.1 basic.cancel x\n1.3 basic.consume q y",
        "1.1 basic.cancel-ok x\n1.3 basic.consume-ok y\n1.3 deliver y 2 c\n");
}

static void a_made_tag_is_told(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q\n1.1 basic.consume q - no-wait", "1.1 queue.declare-ok q 0 0\n");
    assert_int_equal(strlen(core->tags[1][1][0]), strlen("amq.ctag-") + 22);
    assert_memory_equal(core->tags[1][1][0], "amq.ctag-", strlen("amq.ctag-"));
}

static void turns_go_round_within_a_priority(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q no-wait\n1.1 basic.qos 2\n1.1 basic.consume q low no-wait\n"
        "1.1 basic.consume q one x-priority=5 no-wait\n"
        "1.1 basic.consume q two x-priority=5 no-wait\n1.1 basic.publish - q a\n"
        "1.1 basic.publish - q b\n1.1 basic.publish - q c\n1.1 basic.publish - q d\n"
        "1.1 basic.publish - q e",
        "1.1 basic.qos-ok\n1.1 deliver one 1 a\n1.1 deliver two 2 b\n1.1 deliver one 3 c\n"
        "1.1 deliver two 4 d\n1.1 deliver low 5 e\n");
}

static void nothing_comes_after_cancel_ok(void **state)
{
    struct core *core = *state;
    open_with_messages(core, 2);
    run(core, "1.2 basic.qos 1\n1.2 basic.consume q x",
        "1.2 basic.qos-ok\n1.2 basic.consume-ok x\n1.2 deliver x 1 a\n");
    run(core, "1.2 basic.cancel x\n1.2 basic.ack 1\n1.2 basic.cancel x\n1.2 basic.cancel nope",
        "1.2 basic.cancel-ok x\n1.2 basic.cancel-ok x\n1.2 basic.cancel-ok nope\n");
    assert_queue(core, "q", "2 0 0");
}

static void get_of_an_empty_queue_is_answered(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q\n1.1 basic.get q",
        "1.1 queue.declare-ok q 0 0\n1.1 basic.get-empty\n");
    run(core, "1.1 basic.get nope",
        "1.1 channel.close 404 NOT_FOUND - no queue 'nope' in vhost '/' (60.70)\n");
    run(core, "1.2 basic.get -",
        "1.2 channel.close 404 NOT_FOUND - no previously declared queue (60.70)\n");
}

static void tags_that_do_not_wait_are_unknown(void **state)
{
    static const char *const lines[] = {
        "basic.ack 1",    "basic.ack 0",  "basic.ack 4",          "basic.ack 4 multiple",
        "basic.reject 1", "basic.nack 1", "basic.ack 1 multiple", "basic.nack 4 multiple requeue",
    };
    struct core *core = *state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        int tag = lines[i][strcspn(lines[i], "0123456789")] - '0';
        unsigned method = lines[i][6] == 'a' ? 80 : lines[i][6] == 'r' ? 90 : 120;
        char line[64], expected[160];
        open_with_messages(core, 1);
        run(core, "1.1 basic.get q\n1.1 basic.get q\n1.1 basic.get q\n1.1 basic.ack 1",
            "1.1 basic.get-ok 1 left=2 a\n1.1 basic.get-ok 2 left=1 b\n"
            "1.1 basic.get-ok 3 left=0 c\n");
        snprintf(line, sizeof line, "1.1 %s", lines[i]);
        snprintf(expected, sizeof expected,
                 "1.1 channel.close 406 PRECONDITION_FAILED - unknown delivery tag %d (60.%u)\n",
                 tag, method);
        run(core, line, expected);
        assert_queue(core, "q", "2 0 0");
        run(core, "1.1 channel.close-ok\n1.1 channel.open\n1.1 queue.delete q\n1.0 gone",
            "1.1 channel.open-ok\n1.1 queue.delete-ok 2\n1.0 gone\n");
    }
}

static void ack_of_all_accepts_that_there_is_nothing(void **state)
{
    struct core *core = *state;
    open_with_messages(core, 1);
    run(core,
        "1.1 basic.ack 0 multiple\n1.1 basic.get q\n1.1 basic.get q\n1.1 basic.ack 0 multiple",
        "1.1 basic.get-ok 1 left=2 a\n1.1 basic.get-ok 2 left=1 b\n");
    assert_queue(core, "q", "1 0 0");
    assert_int_equal(core_counters(core).acked, 2);
}

static void what_is_given_back_returns_to_its_place(void **state)
{
    struct core *core = *state;
    open_with_messages(core, 2);
    run(core,
        "1.1 basic.publish - q d\n1.2 basic.get q\n1.2 basic.get q\n1.2 basic.get q\n"
        "1.2 basic.nack 3 requeue\n1.2 basic.nack 1 requeue",
        "1.2 basic.get-ok 1 left=3 a\n1.2 basic.get-ok 2 left=2 b\n1.2 basic.get-ok 3 left=1 c\n");
    run(core, "1.2 basic.get q\n1.2 basic.get q\n1.2 basic.get q",
        "1.2 basic.get-ok 4 redelivered left=2 a\n1.2 basic.get-ok 5 redelivered left=1 c\n"
        "1.2 basic.get-ok 6 left=0 d\n");
    run(core, "1.2 channel.close\n1.1 basic.consume q x",
        "1.2 channel.close-ok\n1.1 basic.consume-ok x\n1.1 deliver x 1 redelivered a\n"
        "1.1 deliver x 2 redelivered b\n1.1 deliver x 3 redelivered c\n"
        "1.1 deliver x 4 redelivered d\n");
}

static void reject_without_requeue_drops(void **state)
{
    struct core *core = *state;
    open_with_messages(core, 1);
    run(core,
        "1.1 basic.get q\n1.1 basic.reject 1\n1.1 basic.get q\n1.1 basic.get q\n"
        "1.1 basic.nack 3 multiple\n1.1 basic.get q",
        "1.1 basic.get-ok 1 left=2 a\n1.1 basic.get-ok 2 left=1 b\n1.1 basic.get-ok 3 left=0 c\n"
        "1.1 basic.get-empty\n");
    assert_int_equal(core_counters(core).discarded, 3);
}

static void recover_gives_everything_back(void **state)
{
    struct core *core = *state;
    open_with_messages(core, 3);
    run(core, "1.2 basic.qos 2\n1.2 basic.consume q x",
        "1.2 basic.qos-ok\n1.2 basic.consume-ok x\n1.2 deliver x 1 a\n1.2 deliver x 2 b\n");
    run(core, "1.2 basic.recover requeue",
        "1.2 basic.recover-ok\n1.2 deliver x 3 redelivered a\n1.2 deliver x 4 redelivered b\n");
    run(core, "1.2 basic.recover-async requeue",
        "1.2 deliver x 5 redelivered a\n1.2 deliver x 6 redelivered b\n");
    run(core, "1.3 basic.recover",
        "1.0 connection.close 540 NOT_IMPLEMENTED - requeue=false (60.110)\n");
}

static void a_dead_connection_gives_everything_back(void **state)
{
    struct core *core = *state;
    open_with_messages(core, 1);
    core_open(core, 2, 2);
    run(core, "2.1 basic.consume q x\n2.2 queue.declare mine exclusive",
        "2.1 basic.consume-ok x\n2.2 queue.declare-ok mine 0 0\n2.1 deliver x 1 a\n"
        "2.1 deliver x 2 b\n2.1 deliver x 3 c\n");
    run(core, "2.1 basic.ack 2\n2.0 gone", "2.0 gone\n");
    run(core, "1.1 basic.get q\n1.1 basic.get q",
        "1.1 basic.get-ok 1 redelivered left=1 a\n1.1 basic.get-ok 2 redelivered left=0 c\n");
    assert_queue(core, "mine", "none");
}

static void what_publish_refuses(void **state)
{
    struct core *core = *state;
    core->vhost = (vhost_free(core->vhost), core->config.message_bytes_max = 4,
                   vhost_new(&core->config, core->access));
    core_open(core, 1, 3);
    run(core, "1.1 basic.publish - q 12345",
        "1.1 channel.close 406 PRECONDITION_FAILED - message size 5 is larger than configured max "
        "size 4 (60.40)\n");
    run(core, "1.2 basic.publish - q m user-id=bob",
        "1.2 channel.close 406 PRECONDITION_FAILED - user_id property set to 'bob' but "
        "authenticated user was 'guest' (60.40)\n");
    run(core, "1.3 basic.publish - q m user-id=guest\n1.3 basic.publish - q m immediate",
        "1.0 connection.close 540 NOT_IMPLEMENTED - immediate=true (60.40)\n");
}

static void a_limit_of_consumers_is_hard(void **state)
{
    struct core *core = *state;
    vhost_free(core->vhost);
    core->config.consumers_max = 1;
    core->vhost = vhost_new(&core->config, core->access);
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q\n1.1 basic.consume q a\n1.2 basic.consume q a",
        "1.1 queue.declare-ok q 0 0\n1.1 basic.consume-ok a\n1.2 basic.consume-ok a\n");
    run(core, "1.1 basic.consume q b",
        "1.0 connection.close 530 NOT_ALLOWED - reached maximum (1) of consumers per channel "
        "(60.20)\n");
}

static void a_session_without_credit_is_not_fed(void **state)
{
    struct core *core = *state;
    core->session_config.output_bytes = 1;
    open_with_messages(core, 2);
    run(core, "1.2 basic.consume q x no-ack", "1.2 basic.consume-ok x\n1.2 deliver x 1 a\n");
    run(core, "1.0 credit 1", "");
    run(core, "1.0 credit 100", "1.2 deliver x 2 b\n");
    core->session_config.output_bytes = 1u << 20;
    core_open(core, 2, 1);
    run(core, "2.1 basic.consume q y no-ack", "2.1 basic.consume-ok y\n2.1 deliver y 1 c\n");
    run(core, "1.1 basic.publish - q d\n1.0 credit 500\n1.1 basic.publish - q e",
        "2.1 deliver y 2 d\n2.1 deliver y 3 e\n");
    run(core, "1.1 basic.publish - q f", "1.2 deliver x 3 f\n");
}

static void a_stored_message_is_read_for_get(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q durable no-wait\n1.1 basic.publish - q a persistent\n"
        "1.1 basic.publish - q b persistent",
        "");
    commit(core, "");
    core_crash(core);
    core_open(core, 1, 2);
    run(core, "1.1 basic.get q\n1.1 queue.declare q passive\n1.2 basic.get q", "");
    answer(core, 1, "");
    commit(core, "1.1 basic.get-ok 1 left=1 a\n1.1 queue.declare-ok q 1 0\n");
    assert_true(core_has_reads(core));
    answer(core, 1, "1.2 basic.get-ok 1 left=0 b\n");
}

static void deleting_the_queue_answers_who_waits_for_a_read(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q durable no-wait\n1.1 basic.publish - q a persistent", "");
    commit(core, "");
    core_crash(core);
    core_open(core, 1, 3);
    run(core, "1.1 basic.get q\n1.3 basic.get q", "");
    run(core, "1.2 queue.delete q no-wait",
        "1.1 channel.close 404 NOT_FOUND - no queue 'q' in vhost '/' (60.70)\n"
        "1.3 channel.close 404 NOT_FOUND - no queue 'q' in vhost '/' (60.70)\n");
    answer(core, 10, "");
}

/* While the batch of a message is on its way, the mark that covers it may not come behind it. */
static void a_delivery_waits_for_its_mark(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q durable no-wait\n1.1 basic.publish - q a persistent", "");
    assert_true(core_submit(core));
    run(core, "1.1 basic.consume q x", "1.1 basic.consume-ok x\n");
    complete(core, "");
    assert_true(core_submit(core));
    complete(core, "1.1 deliver x 1 a\n");
    core_crash(core);
    core_open(core, 1, 1);
    run(core, "1.1 basic.consume q x", "1.1 basic.consume-ok x\n");
    answer(core, 10, "1.1 deliver x 1 redelivered a\n");
}

/* More than one input may hand out, so that nobody waits for all of it. */
static void a_deep_queue_is_handed_out_in_slices(void **state)
{
    enum { backlog = 20000, slice = 16384 };
    struct core *core = *state;
    struct buffer publishes = {0}, first = {0}, second = {0};
    core->session_config.output_bytes = 1u << 30;
    core_open(core, 1, 1);
    buffer_append_format(&publishes, "1.1 queue.declare q no-wait");
    for (unsigned i = 1; i <= backlog; i++)
        buffer_append_format(&publishes, "\n1.1 basic.publish - q a");
    buffer_append_u8(&publishes, '\0');
    run(core, (char *)publishes.data, "");
    assert_true(vhost_deadline(core->vhost) == UINT64_MAX);
    buffer_append_format(&first, "1.1 basic.consume-ok x\n");
    for (unsigned i = 1; i <= backlog; i++)
        buffer_append_format(i <= slice ? &first : &second, "1.1 deliver x %u a\n", i);
    buffer_append_u8(&first, '\0');
    buffer_append_u8(&second, '\0');
    run(core, "1.1 basic.consume q x no-ack", (char *)first.data);
    assert_true(vhost_deadline(core->vhost) != UINT64_MAX);
    run(core, "", (char *)second.data);
    assert_true(vhost_deadline(core->vhost) == UINT64_MAX);
    buffer_fini(&publishes);
    buffer_fini(&first);
    buffer_fini(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(a_deep_queue_is_handed_out_in_slices),
        core_test(qos_limits_consumers_that_come_later),
        core_test(qos_global_limits_the_channel),
        core_test(a_small_global_limit_starves_nobody),
        core_test(both_limits_hold_together),
        core_test(no_ack_and_get_know_no_prefetch),
        core_test(prefetch_size_is_not_implemented),
        core_test(consume_is_refused_for_reasons),
        core_test(an_exclusive_consumer_is_alone),
        core_test(a_made_tag_is_told),
        core_test(turns_go_round_within_a_priority),
        core_test(nothing_comes_after_cancel_ok),
        core_test(get_of_an_empty_queue_is_answered),
        core_test(tags_that_do_not_wait_are_unknown),
        core_test(ack_of_all_accepts_that_there_is_nothing),
        core_test(what_is_given_back_returns_to_its_place),
        core_test(reject_without_requeue_drops),
        core_test(recover_gives_everything_back),
        core_test(a_dead_connection_gives_everything_back),
        core_test(what_publish_refuses),
        core_test(a_limit_of_consumers_is_hard),
        core_test(a_session_without_credit_is_not_fed),
        core_test(a_stored_message_is_read_for_get),
        core_test(deleting_the_queue_answers_who_waits_for_a_read),
        core_test(a_delivery_waits_for_its_mark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
