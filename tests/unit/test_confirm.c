/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publisher confirms: when they leave, in what order, and when one stands for many.
 */
#include "broker/channel.h"
#include "core_fixture.h"

/* Session 1, channel 1 in confirm mode, a durable queue d and a transient one t. */
static void open_confirming(struct core *core)
{
    core_open(core, 1, 2);
    run(core,
        "1.1 confirm.select no-wait\n1.2 queue.declare d durable no-wait\n"
        "1.2 queue.declare t no-wait",
        "");
    commit(core, "");
}

static void select_is_idempotent_and_excludes_tx(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 confirm.select\n1.1 confirm.select",
        "1.1 confirm.select-ok\n1.1 confirm.select-ok\n");
    run(core, "1.1 tx.select",
        "1.1 channel.close 406 PRECONDITION_FAILED - cannot switch from confirm to tx mode "
        "(90.10)\n");
    run(core, "1.2 tx.select\n1.2 confirm.select",
        "1.2 tx.select-ok\n1.2 channel.close 406 PRECONDITION_FAILED - cannot switch from tx to "
        "confirm mode (85.10)\n");
}

static void a_transient_message_is_confirmed_at_once(void **state)
{
    struct core *core = *state;
    open_confirming(core);
    run(core, "1.1 basic.publish - d a", "1.1 ack 1\n");
    run(core, "1.1 basic.publish - t b persistent", "1.1 ack 2\n");
    run(core, "1.1 basic.publish - nowhere c persistent", "1.1 ack 3\n");
    run(core, "1.1 basic.publish - t d\n1.1 basic.publish - t e\n1.1 basic.publish - t f",
        "1.1 ack 6 multiple\n");
    assert_false(vhost_has_batch(core->vhost));
}

static void a_persistent_message_is_confirmed_on_disk(void **state)
{
    struct core *core = *state;
    open_confirming(core);
    run(core, "1.1 basic.publish - d a persistent\n1.1 basic.publish - d b persistent", "");
    assert_true(core_submit(core));
    run(core, "1.1 basic.publish - d c persistent", "");
    complete(core, "1.1 ack 2 multiple\n");
    commit(core, "1.1 ack 3\n");
}

static void one_confirm_stands_for_others_only_below_all_that_wait(void **state)
{
    struct core *core = *state;
    open_confirming(core);
    run(core,
        "1.1 basic.publish - d a persistent\n1.1 basic.publish - t b\n1.1 basic.publish - t c",
        "1.1 ack 2\n1.1 ack 3\n");
    run(core, "1.1 basic.publish - d d persistent\n1.1 basic.publish - t e", "1.1 ack 5\n");
    commit(core, "1.1 ack 1\n1.1 ack 4\n");
    run(core, "1.1 basic.publish - t f\n1.1 basic.publish - t g", "1.1 ack 7 multiple\n");
}

static void several_batches_may_be_reported_at_once(void **state)
{
    struct core *core = *state;
    open_confirming(core);
    run(core, "1.1 basic.publish - d a persistent", "");
    assert_true(core_submit(core));
    run(core, "1.1 basic.publish - d b persistent\n1.1 basic.publish - d c persistent", "");
    assert_true(core_submit(core));
    uint64_t last = 0, number;
    while ((number = model_store_commit(core->store)) != 0)
        last = number;
    vhost_complete(core->vhost, last, core->now_ms);
    run(core, "", "1.1 ack 1\n1.1 ack 3 multiple\n");
}

static void a_return_comes_before_its_confirm(void **state)
{
    struct core *core = *state;
    open_confirming(core);
    run(core, "1.1 basic.publish - d a persistent\n1.1 basic.publish - no b mandatory",
        "1.1 basic.return 312 NO_ROUTE b\n1.1 ack 2\n");
    run(core, "1.1 basic.publish - t c mandatory", "1.1 ack 3\n");
    commit(core, "1.1 ack 1\n");
}

static void what_is_consumed_before_it_is_written_is_safe(void **state)
{
    struct core *core = *state;
    open_confirming(core);
    run(core, "1.2 basic.consume d x no-ack", "1.2 basic.consume-ok x\n");
    run(core, "1.1 basic.publish - d a persistent", "1.2 deliver x 1 a\n1.1 ack 1\n");
    run(core, "1.2 basic.cancel x\n1.2 basic.consume d y",
        "1.2 basic.cancel-ok x\n"
        "1.2 basic.consume-ok y\n");
    run(core, "1.1 basic.publish - d b persistent", "1.2 deliver y 2 b\n");
    run(core, "1.2 basic.ack 2", "1.1 ack 2\n");
    commit(core, ""); /* all that is left of the batch is the mark; the message is never written */
    core_crash(core);
    assert_queue(core, "d", "0 0 0");
}

static void an_empty_batch_is_committed_at_once(void **state)
{
    struct core *core = *state;
    open_confirming(core);
    run(core, "1.1 basic.publish - d a persistent\n1.2 basic.get d",
        "1.2 basic.get-ok 1 left=0 a\n");
    commit(core, "1.1 ack 1\n"); /* the mark is on disk now */
    run(core, "1.1 basic.publish - d b persistent\n1.2 basic.get d",
        "1.2 basic.get-ok 2 left=0 b\n");
    run(core, "1.2 basic.ack 2", "1.1 ack 2\n");
    assert_false(vhost_has_batch(core->vhost));
}

static void a_fan_out_waits_for_all_of_it(void **state)
{
    struct core *core = *state;
    open_confirming(core);
    run(core,
        "1.2 queue.bind d amq.fanout - no-wait\n1.2 queue.bind t amq.fanout - no-wait\n"
        "1.2 basic.consume t x no-ack\n1.1 basic.publish amq.fanout - a persistent",
        "1.2 basic.consume-ok x\n1.2 deliver x 1 a\n");
    commit(core, "1.1 ack 1\n");
}

/* Session 1: as above, and the marks of d's deliveries are on disk. */
static void open_confirming_marked(struct core *core)
{
    open_confirming(core);
    run(core, "1.2 basic.consume d x no-wait\n1.1 basic.publish - d first persistent",
        "1.2 deliver x 1 first\n");
    commit(core, "1.1 ack 1\n");
}

static void consumed_in_any_order_is_confirmed_in_that_order(void **state)
{
    struct core *core = *state;
    open_confirming_marked(core);
    run(core,
        "1.1 basic.publish - d a persistent\n1.1 basic.publish - d b persistent\n"
        "1.1 basic.publish - d c persistent\n1.1 basic.publish - d e persistent\n"
        "1.1 basic.publish - d f persistent",
        "1.2 deliver x 2 a\n1.2 deliver x 3 b\n1.2 deliver x 4 c\n1.2 deliver x 5 e\n"
        "1.2 deliver x 6 f\n");
    run(core, "1.2 basic.ack 4", "1.1 ack 4\n");
    run(core, "1.2 basic.ack 6", "1.1 ack 6\n");
    run(core, "1.2 basic.ack 2", "1.1 ack 2\n");
    run(core, "1.2 basic.ack 5", "1.1 ack 5\n");
    run(core, "1.1 basic.publish - d g persistent", "1.2 deliver x 7 g\n");
    commit(core, "1.1 ack 3\n1.1 ack 7\n");
}

static void what_is_being_written_is_confirmed_by_the_disk(void **state)
{
    struct core *core = *state;
    open_confirming_marked(core);
    run(core, "1.1 basic.publish - d a persistent", "1.2 deliver x 2 a\n");
    assert_true(core_submit(core));
    run(core, "1.1 basic.publish - d b persistent\n1.2 basic.ack 2", "1.2 deliver x 3 b\n");
    run(core, "1.2 basic.ack 3", "1.1 ack 3\n");
    complete(core, "1.1 ack 2\n");
}

/* What settled before it in the same input is not acked for it as well. */
static void a_tag_consumed_below_others_is_confirmed_once(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q durable no-wait\n1.1 queue.declare t no-wait\n"
        "1.1 confirm.select no-wait",
        "");
    commit(core, "");
    run(core,
        "1.1 basic.publish - q a persistent\n1.1 basic.publish - t b\n1.1 basic.publish - t c\n"
        "1.2 basic.get q no-ack",
        "1.1 ack 2\n1.1 ack 3\n1.2 basic.get-ok 1 left=0 a\n1.1 ack 1\n");
}

static void a_fan_out_is_safe_when_all_of_it_is_consumed(void **state)
{
    struct core *core = *state;
    open_confirming_marked(core);
    run(core,
        "1.2 queue.declare e durable no-wait\n1.2 queue.bind d amq.fanout - no-wait\n"
        "1.2 queue.bind e amq.fanout - no-wait",
        "");
    commit(core, "");
    run(core, "1.1 basic.publish amq.fanout - a persistent", "1.2 deliver x 2 a\n");
    run(core, "1.2 basic.ack 2", "");
    run(core, "1.2 basic.get e no-ack", "1.2 basic.get-ok 3 left=0 a\n1.1 ack 2\n");
}

static void what_was_put_back_is_safe_when_it_is_consumed(void **state)
{
    struct core *core = *state;
    open_confirming_marked(core);
    run(core, "1.1 basic.publish - d a persistent", "1.2 deliver x 2 a\n");
    run(core, "1.2 basic.reject 2 requeue", "1.2 deliver x 3 redelivered a\n");
    run(core, "1.2 basic.ack 3", "1.1 ack 2\n");
}

static void a_rejected_message_is_not_consumed(void **state)
{
    struct core *core = *state;
    open_confirming_marked(core);
    run(core, "1.1 basic.publish - d a persistent\n1.1 basic.publish - d b persistent",
        "1.2 deliver x 2 a\n1.2 deliver x 3 b\n");
    run(core, "1.2 basic.reject 2", "");
    commit(core, "1.1 ack 3 multiple\n");
}

static void what_a_channel_that_is_gone_published_is_consumed(void **state)
{
    struct core *core = *state;
    open_confirming_marked(core);
    run(core, "1.1 basic.publish - d a persistent\n1.1 basic.publish - d b persistent",
        "1.2 deliver x 2 a\n1.2 deliver x 3 b\n");
    run(core, "1.1 channel.close", "1.1 channel.close-ok\n");
    run(core, "1.2 basic.ack 3 multiple", "");
    commit(core, "");
    assert_queue(core, "d", "0 0 1");
}

/* What a publish does besides waits for the disk, whoever consumes the message. */
static void a_key_of_deduplication_is_written_first(void **state)
{
    struct core *core = *state;
    open_confirming_marked(core);
    run(core,
        "1.2 exchange.declare u x-message-deduplication durable x-cache-size=10 "
        "x-cache-persistence=disk no-wait\n1.2 queue.bind d u - no-wait",
        "");
    commit(core, "");
    run(core, "1.1 basic.publish u - a persistent x-deduplication-header=k", "1.2 deliver x 2 a\n");
    run(core, "1.2 basic.ack 2", "");
    commit(core, "1.1 ack 2\n");
}

/* A consumer that acks every other message of very many. */
static void very_many_runs_are_not_split(void **state)
{
    struct core *core = *state;
    open_confirming_marked(core);
    for (int i = 0; i < 1000; i++)
        run(core, "1.1 basic.publish - d a persistent", NULL);
    for (int i = 0; i < 1000; i += 2) {
        char line[40];
        snprintf(line, sizeof line, "1.2 basic.ack %d", 3 + i);
        run(core, line, NULL);
    }
    assert_true(channel_find(core->sessions[1], 1)->run_count <= 64);
    core->transcript.size = 0;
    assert_true(core_submit(core));
    vhost_complete(core->vhost, model_store_commit(core->store), core->now_ms);
    run(core, "", NULL);
    core->transcript.size = 0;
    run(core, "1.1 basic.publish - d a persistent", "1.2 deliver x 1002 a\n");
    commit(core, "1.1 ack 1002\n");
}

/* The memory for what is known of a batch goes with the batch, where that was a large one. */
static void a_large_batch_leaves_no_memory_behind(void **state)
{
    enum { count = 100000 };
    static const char line[] = "1.1 basic.publish - d a persistent\n";
    struct core *core = *state;
    char *text = malloc(count * (sizeof line - 1));
    open_confirming(core);
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * (sizeof line - 1), line, sizeof line - 1);
    text[count * (sizeof line - 1) - 1] = '\0';
    run(core, text, NULL);
    free(text);
    assert_true(core->vhost->note_capacity >= count);
    assert_true(core_submit(core));
    assert_true(core->vhost->note_capacity < count);
    core->transcript.size = 0;
    complete(core, "1.1 ack 100000 multiple\n");
}

static void a_deleted_queue_confirms_what_it_held(void **state)
{
    struct core *core = *state;
    open_confirming(core);
    run(core, "1.1 basic.publish - d a persistent", "");
    run(core, "1.2 queue.delete d no-wait", "");
    commit(core, "1.1 ack 1\n");
}

static void confirms_of_a_failed_channel_are_lost(void **state)
{
    struct core *core = *state;
    open_confirming(core);
    run(core,
        "1.1 basic.publish - d a persistent\n1.1 basic.publish - t b\n1.1 basic.publish no k c",
        "1.1 ack 2\n1.1 channel.close 404 NOT_FOUND - no exchange 'no' in vhost '/' (60.40)\n");
    commit(core, "");
    assert_queue(core, "d", "1 0 0");
    run(core, "1.1 channel.close-ok\n1.1 channel.open\n1.1 confirm.select\n1.1 basic.publish - t d",
        "1.1 channel.open-ok\n1.1 confirm.select-ok\n1.1 ack 1\n");
}

static void confirms_of_two_channels_do_not_mix(void **state)
{
    struct core *core = *state;
    open_confirming(core);
    run(core, "1.2 confirm.select no-wait\n1.1 basic.publish - d a persistent", "");
    assert_true(core_submit(core));
    run(core, "1.2 basic.publish - d b persistent\n1.1 basic.publish - d c persistent", "");
    assert_true(core_submit(core));
    complete(core, "1.1 ack 1\n");
    complete(core, "1.2 ack 1\n1.1 ack 2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(select_is_idempotent_and_excludes_tx),
        core_test(a_transient_message_is_confirmed_at_once),
        core_test(a_persistent_message_is_confirmed_on_disk),
        core_test(one_confirm_stands_for_others_only_below_all_that_wait),
        core_test(several_batches_may_be_reported_at_once),
        core_test(a_return_comes_before_its_confirm),
        core_test(what_is_consumed_before_it_is_written_is_safe),
        core_test(an_empty_batch_is_committed_at_once),
        core_test(a_fan_out_waits_for_all_of_it),
        core_test(consumed_in_any_order_is_confirmed_in_that_order),
        core_test(what_is_being_written_is_confirmed_by_the_disk),
        core_test(a_tag_consumed_below_others_is_confirmed_once),
        core_test(a_fan_out_is_safe_when_all_of_it_is_consumed),
        core_test(what_was_put_back_is_safe_when_it_is_consumed),
        core_test(a_rejected_message_is_not_consumed),
        core_test(what_a_channel_that_is_gone_published_is_consumed),
        core_test(a_key_of_deduplication_is_written_first),
        core_test(very_many_runs_are_not_split),
        core_test(a_large_batch_leaves_no_memory_behind),
        core_test(a_deleted_queue_confirms_what_it_held),
        core_test(confirms_of_a_failed_channel_are_lost),
        core_test(confirms_of_two_channels_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
