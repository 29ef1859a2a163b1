/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vhost that dies or stops and comes back from what its store holds.
 */
#include "core_fixture.h"

#include "broker/define.h"

static void a_confirmed_message_survives_a_crash(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q durable", "");
    commit(core, "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 confirm.select", "1.1 confirm.select-ok\n");
    run(core, "1.1 basic.publish - q one persistent\n1.1 basic.publish - q two", "1.1 ack 2\n");
    commit(core, "1.1 ack 1\n");
    assert_queue(core, "q", "2 0 0");
    core_crash(core);
    assert_queue(core, "q", "1 0 0");
    core_open(core, 2, 1);
    run(core, "2.1 basic.consume q c", "2.1 basic.consume-ok c\n");
    answer(core, 10, "");
    commit(core, "2.1 deliver c 1 one\n");
    run(core, "2.1 basic.ack 1", "");
    commit(core, "");
    core_crash(core);
    assert_queue(core, "q", "0 0 0");
}

/* What is stored after it is not waited for. */
static void what_is_defined_is_stored_with_its_batch(void **state)
{
    struct core *core = *state;
    struct amqp_error error;
    const struct queue_definition queue = {.name = bytes_of_text("d"), .is_durable = true};
    core_open(core, 1, 1);
    assert_true(vhost_define_queue(core->vhost, &queue, &error));
    uint64_t batch = vhost_latest_batch(core->vhost);
    assert_false(vhost_is_stored(core->vhost, batch));
    assert_true(core_submit(core));
    run(core, "1.1 queue.declare later durable no-wait", "");
    assert_true(core_submit(core));
    complete(core, "");
    assert_true(vhost_is_stored(core->vhost, batch));
    assert_false(vhost_is_stored(core->vhost, vhost_latest_batch(core->vhost)));
    commit(core, "");
    assert_true(vhost_is_stored(core->vhost, vhost_latest_batch(core->vhost)));
}

static void what_is_not_on_disk_is_gone(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q durable no-wait", "");
    commit(core, "");
    run(core, "1.1 basic.publish - q a persistent", "");
    assert_true(core_submit(core));
    core_crash(core);
    assert_queue(core, "q", "0 0 0");
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare r durable no-wait\n1.1 queue.declare t no-wait", "");
    core_crash(core);
    assert_queue(core, "r", "none");
    assert_queue(core, "t", "none");
}

static void assert_maker(const struct core *core, const char *exchange, const char *user)
{
    struct exchange_status status;
    assert_true(vhost_exchange_status(core->vhost, bytes_of_text(exchange), &status));
    assert_true(bytes_equal_text(status.user, user));
}

static void an_exchange_knows_who_made_it(void **state)
{
    struct core *core = *state;
    struct amqp_error error;
    const struct exchange_status imported = {
        .name = bytes_of_text("i"), .type = bytes_of_text("topic"), .is_durable = true};
    core_open(core, 1, 1);
    run(core, "1.1 exchange.declare e direct durable no-wait", "");
    vhost_act_for(core->vhost, "alice");
    assert_true(vhost_define_exchange(core->vhost, &imported, &error));
    vhost_act_for(core->vhost, NULL);
    assert_maker(core, "e", "guest");
    assert_maker(core, "i", "alice");
    assert_maker(core, "amq.topic", "rmq-internal");
    commit(core, "");
    core_crash(core);
    assert_maker(core, "e", "guest");
    assert_maker(core, "i", "alice");
}

static void definitions_come_back_as_they_were(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 exchange.declare e headers durable internal x=1 no-wait\n"
        "1.1 exchange.declare a topic durable auto-delete alternate-exchange=e no-wait\n"
        "1.1 queue.declare q durable auto-delete x-max-length=5 no-wait\n"
        "1.1 queue.bind q a k.# no-wait\n1.1 queue.bind q e - x-match=any h=1 no-wait\n"
        "1.1 exchange.bind a a x no-wait",
        "");
    commit(core, "");
    core_crash(core);
    core_open(core, 1, 3);
    run(core,
        "1.1 exchange.declare e headers durable internal\n"
        "1.1 exchange.declare a topic durable auto-delete alternate-exchange=e\n"
        "1.1 queue.declare q durable auto-delete x-max-length=5\n"
        "1.1 basic.publish a k.x m mandatory",
        "1.1 exchange.declare-ok\n1.1 exchange.declare-ok\n1.1 queue.declare-ok q 0 0\n");
    run(core, "1.2 queue.declare q durable auto-delete x-max-length=6",
        "1.2 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue "
        "'q' in vhost '/': received '6' but current is '5' (50.10)\n");
    assert_int_equal(core_counters(core).bindings, 3);
    assert_false(vhost_has_batch(core->vhost));
    /* An auto-delete queue that never had a consumer in this life stays until it had one. */
    assert_queue(core, "q", "1 0 0");
    run(core, "1.3 basic.consume q c\n1.3 basic.cancel c",
        "1.3 basic.consume-ok c\n1.3 basic.cancel-ok c\n");
    assert_queue(core, "q", "none");
}

static void numbers_of_lanes_are_never_used_again(void **state)
{
    struct core *core = *state;
    for (int life = 0; life < 3; life++) {
        core_open(core, 1, 1);
        /* The model store aborts where a lane comes again. */
        run(core, "1.1 queue.declare q durable no-wait\n1.1 basic.publish - q a persistent", "");
        commit(core, "");
        run(core, "1.1 queue.delete q no-wait", "");
        commit(core, "");
        core_crash(core);
    }
    assert_queue(core, "q", "none");
}

static void after_a_clean_stop_exactly_what_was_delivered_is_marked(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q durable no-wait\n1.1 basic.publish - q a persistent\n"
        "1.1 basic.publish - q t\n1.1 basic.publish - q b persistent\n"
        "1.1 basic.publish - q c persistent\n1.1 basic.qos 3\n1.1 basic.consume q x",
        "1.1 basic.qos-ok\n1.1 basic.consume-ok x\n1.1 deliver x 1 a\n1.1 deliver x 2 t\n"
        "1.1 deliver x 3 b\n");
    core_restart(core);
    assert_queue(core, "q", "3 0 0");
    core_open(core, 1, 1);
    run(core, "1.1 basic.consume q x", "1.1 basic.consume-ok x\n");
    answer_all(core, "1.1 deliver x 1 redelivered a\n1.1 deliver x 2 redelivered b\n");
    commit(core, "1.1 deliver x 3 c\n");
}

static void after_a_crash_the_mark_runs_ahead(void **state)
{
    struct core *core = *state;
    vhost_free(core->vhost);
    core->config.mark_stride = 2;
    core->vhost = vhost_new(&core->config, core->access);
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q durable no-wait\n1.1 basic.publish - q a persistent\n"
        "1.1 basic.publish - q b persistent\n1.1 basic.publish - q c persistent\n"
        "1.1 basic.publish - q d persistent\n1.2 basic.get q",
        "1.2 basic.get-ok 1 left=3 a\n");
    commit(core, "");
    core_crash(core);
    core_open(core, 1, 1);
    run(core, "1.1 basic.consume q x no-ack", "1.1 basic.consume-ok x\n");
    answer_all(core, "1.1 deliver x 1 redelivered a\n1.1 deliver x 2 redelivered b\n");
    /* Each next stride is on disk before what it covers is delivered. */
    commit(core, "1.1 deliver x 3 c\n1.1 deliver x 4 d\n");
}

static void acks_out_of_order_leave_their_gaps(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q durable no-wait\n1.1 confirm.select no-wait", "");
    run(core,
        "1.1 basic.publish - q a persistent\n1.1 basic.publish - q b persistent\n"
        "1.1 basic.publish - q c persistent\n1.1 basic.publish - q d persistent",
        "");
    commit(core, "1.1 ack 4 multiple\n");
    run(core, "1.1 basic.consume q x", "1.1 basic.consume-ok x\n");
    commit(core, "1.1 deliver x 1 a\n1.1 deliver x 2 b\n1.1 deliver x 3 c\n1.1 deliver x 4 d\n");
    run(core, "1.1 basic.ack 2\n1.1 basic.ack 4\n1.1 basic.ack 3", "");
    commit(core, "");
    core_crash(core);
    assert_queue(core, "q", "1 0 0");
    core_open(core, 1, 1);
    run(core, "1.1 basic.consume q x no-ack", "1.1 basic.consume-ok x\n");
    answer(core, 1, "1.1 deliver x 1 redelivered a\n");
    run(core, "1.1 basic.publish - q e", "1.1 deliver x 2 e\n");
}

static void assert_persistent(const struct core *core, const char *queue, uint64_t count,
                              uint64_t bytes)
{
    struct queue_status status;
    vhost_check(core->vhost);
    assert_true(vhost_queue_status(core->vhost, bytes_of_text(queue), &status));
    assert_int_equal(status.persistent, count);
    assert_int_equal(status.persistent_bytes, bytes);
}

static void what_is_persistent_is_counted(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q durable x-max-priority=2 no-wait\n1.1 queue.declare t no-wait\n"
        "1.1 basic.publish - q a persistent\n1.1 basic.publish - q bb\n"
        "1.1 basic.publish - q ccc persistent priority=1\n1.1 basic.publish - q dddd priority=2\n"
        "1.1 basic.publish - t e persistent",
        "");
    commit(core, "");
    assert_persistent(core, "q", 2, 4);
    assert_persistent(core, "t", 0, 0);
    run(core, "1.1 basic.get q\n1.1 basic.get q\n1.1 basic.get q\n1.1 basic.get q",
        "1.1 basic.get-ok 1 left=3 dddd\n");
    commit(core, "1.1 basic.get-ok 2 left=2 ccc\n"
                 "1.1 basic.get-ok 3 left=1 a\n1.1 basic.get-ok 4 left=0 bb\n");
    assert_persistent(core, "q", 2, 4);
    run(core, "1.1 basic.nack 3 requeue\n1.1 basic.nack 4 requeue", "");
    commit(core, "");
    assert_persistent(core, "q", 2, 4);
    run(core, "1.1 queue.purge q no-wait", "");
    commit(core, "");
    assert_persistent(core, "q", 1, 3);
    run(core, "1.1 basic.nack 1 requeue\n1.1 basic.ack 2", "");
    commit(core, "");
    assert_queue(core, "q", "1 0 0");
    assert_persistent(core, "q", 0, 0);
    run(core, "1.1 basic.publish - q ff persistent\n1.1 basic.publish - q g", "");
    commit(core, "");
    core_crash(core);
    assert_persistent(core, "q", 1, 2);
}

static void counters_start_again_and_sizes_do_not(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q durable no-wait\n1.1 basic.publish - q abc persistent", "");
    commit(core, "");
    core_crash(core);
    struct vhost_counters counters = core_counters(core);
    assert_int_equal(counters.queues_created + counters.published + counters.sessions, 0);
    assert_int_equal(counters.queues, 1);
    assert_int_equal(counters.ready, 1);
    assert_int_equal(counters.ready_bytes, 3);
    assert_int_equal(counters.window_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(what_is_defined_is_stored_with_its_batch),
        core_test(a_confirmed_message_survives_a_crash),
        core_test(what_is_not_on_disk_is_gone),
        core_test(an_exchange_knows_who_made_it),
        core_test(definitions_come_back_as_they_were),
        core_test(numbers_of_lanes_are_never_used_again),
        core_test(after_a_clean_stop_exactly_what_was_delivered_is_marked),
        core_test(after_a_crash_the_mark_runs_ahead),
        core_test(acks_out_of_order_leave_their_gaps),
        core_test(what_is_persistent_is_counted),
        core_test(counters_start_again_and_sizes_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
