/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transient messages for which there is no memory: the core gives them to the store and goes on
 * with them as with any other. How a lane does it is in test_lane, what the store does in
 * test_store_spill; the simulator has it in every second life.
 */
#include "core_fixture.h"

#include "base/buffer.h"

enum { COUNT = 100, MEMORY = 1000 };

static int set_up(void **state)
{
    struct core *core = calloc(1, sizeof *core);
    struct vhost_config config;
    vhost_config_init(&config);
    config.transient_bytes_max = MEMORY;
    config.lane_bytes_max = config.window_bytes_max = MEMORY;
    core_init_with(core, &config);
    core_open(core, 1, 1);
    core_open(core, 2, 1);
    *state = core;
    return 0;
}

static int tear_down(void **state)
{
    core_fini(*state);
    free(*state);
    return 0;
}

/* Messages m1 .. mCOUNT, each of them an input. */
static void publish_all(struct core *core, const char *queue, const char *rest)
{
    char line[80];
    for (int i = 1; i <= COUNT; i++) {
        snprintf(line, sizeof line, "1.1 basic.publish - %s m%d%s", queue, i, rest);
        run(core, line, "");
    }
}

/* All of them are delivered to session 2, in order, with tags from 1 on. */
static void consume_all(struct core *core, const char *queue, const char *ack, const char *flag)
{
    struct buffer expected = {0};
    char line[80];
    snprintf(line, sizeof line, "2.1 basic.consume %s c%s", queue, ack);
    run(core, line, NULL);
    for (int i = 1; i <= COUNT; i++)
        buffer_append_format(&expected, "2.1 deliver c %d%s m%d\n", i, flag, i);
    buffer_append_u8(&expected, 0);
    core->transcript.size--; /* the NUL */
    core_settle(core, 7);
    run(core, "", NULL);
    assert_non_null(strstr((char *)core->transcript.data, "basic.consume-ok"));
    char *deliveries = strchr((char *)core->transcript.data, '\n') + 1;
    assert_string_equal(deliveries, (char *)expected.data);
    buffer_clear(&core->transcript);
    buffer_fini(&expected);
}

static void they_leave_memory_and_come_back_in_order(void **state)
{
    struct core *core = *state;
    run(core, "1.1 queue.declare q no-wait", "");
    publish_all(core, "q", "");
    commit(core, "");
    run(core, "", "");
    struct vhost_counters counters = core_counters(core);
    assert_true(counters.transient_bytes <= MEMORY);
    assert_true(counters.window_bytes <= 2 * MEMORY);
    assert_int_equal(counters.ready, COUNT);
    consume_all(core, "q", " no-ack", "");
    assert_queue(core, "q", "0 0 1");
    vhost_check(core->vhost);
}

static void one_that_is_given_back_keeps_its_place(void **state)
{
    struct core *core = *state;
    run(core, "1.1 queue.declare q no-wait", "");
    publish_all(core, "q", "");
    commit(core, "");
    consume_all(core, "q", "", "");
    assert_queue(core, "q", "0 100 1");
    run(core, "2.0 gone", NULL);
    buffer_clear(&core->transcript);
    commit(core, "");
    assert_queue(core, "q", "100 0 0");
    core_open(core, 2, 1);
    consume_all(core, "q", " no-ack", " redelivered");
}

static void those_of_a_durable_queue_stand_between_the_persistent_ones(void **state)
{
    struct core *core = *state;
    char line[80];
    run(core, "1.1 queue.declare q durable no-wait", "");
    commit(core, "");
    for (int i = 1; i <= COUNT; i++) {
        snprintf(line, sizeof line, "1.1 basic.publish - q m%d%s", i, i % 3 ? "" : " persistent");
        run(core, line, "");
    }
    commit(core, "");
    assert_true(core_counters(core).transient_bytes <= 2 * MEMORY);
    consume_all(core, "q", " no-ack", "");
    commit(core, "");
    core_restart(core);
    assert_queue(core, "q", "0 0 0");
}

static void after_a_crash_they_are_gone(void **state)
{
    struct core *core = *state;
    run(core, "1.1 queue.declare q durable no-wait\n1.1 basic.publish - q kept persistent", "");
    publish_all(core, "q", "");
    commit(core, "");
    core_crash(core);
    assert_queue(core, "q", "1 0 0");
    core_open(core, 1, 1);
    run(core, "1.1 basic.get q no-ack", "");
    core_settle(core, 7);
    expect(core, "1.1 basic.get-ok 1 left=0 kept\n");
}

static void purging_and_deleting_forget_them(void **state)
{
    struct core *core = *state;
    run(core, "1.1 queue.declare q no-wait\n1.1 queue.declare r no-wait x-max-priority=5", "");
    publish_all(core, "q", "");
    publish_all(core, "r", " priority=3");
    commit(core, "");
    run(core, "1.1 queue.purge q", "1.1 queue.purge-ok 100\n");
    publish_all(core, "q", "");
    run(core, "1.1 queue.delete r", "1.1 queue.delete-ok 100\n");
    commit(core, "");
    consume_all(core, "q", " no-ack", "");
    run(core, "1.1 queue.delete q", "1.1 queue.delete-ok 0\n2.1 basic.cancel c\n");
    commit(core, "");
    struct vhost_counters counters = core_counters(core);
    assert_int_equal(counters.transient_bytes + counters.window_bytes, 0);
}

static void dead_letters_are_read_first(void **state)
{
    struct core *core = *state;
    run(core,
        "1.1 queue.declare dead no-wait\n1.1 queue.declare q no-wait"
        " x-dead-letter-exchange= x-dead-letter-routing-key=dead",
        "");
    publish_all(core, "q", "");
    commit(core, "");
    consume_all(core, "q", "", "");
    commit(core, "");
    run(core, "2.1 basic.nack 100 multiple", "");
    core_settle(core, 7);
    expect(core, "");
    assert_queue(core, "dead", "100 0 0");
}

/* After a crash they are gone, so that no mark has to be on disk before they are delivered: on a
 * full disk that would be for ever. */
static void nothing_is_committed_before_they_are_delivered(void **state)
{
    struct core *core = *state;
    run(core, "1.1 queue.declare q durable no-wait", "");
    commit(core, "");
    publish_all(core, "q", "");
    commit(core, "");
    run(core, "2.1 basic.consume q c no-ack", NULL);
    while (core->read_count > 0) {
        struct store_read read = core->reads[--core->read_count];
        struct store_read_result *result = model_store_read(core->store, &read, 7);
        vhost_read_done(core->vhost, result, ++core->now_ms);
        store_read_result_free(result);
        run(core, "", NULL);
    }
    assert_int_equal(core_counters(core).delivered, COUNT);
    buffer_clear(&core->transcript);
}

/* Who publishes faster than the disk takes it waits. */
static void publishers_wait_for_the_disk(void **state)
{
    struct core *core = *state;
    struct vhost_config config = core->config;
    config.unstored_bytes_max = 2000;
    core_fini(core);
    core_init_with(core, &config);
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q no-wait", "");
    int published = 0;
    do {
        buffer_clear(&core->transcript);
        run(core, "1.1 basic.publish - q xxxxxxxxxxxxxxxxxxxx", NULL);
    } while (core->transcript.data[0] == 0 && published++ < COUNT);
    assert_true(published < COUNT);
    assert_string_equal((char *)core->transcript.data, "1.0 pause\n");
    buffer_clear(&core->transcript);
    commit(core, "1.0 resume\n");
}

static bool pass_what_is_due(struct core *core)
{
    bool is_due = vhost_deadline(core->vhost) <= core->now_ms;
    if (is_due)
        pass(core, 0, "");
    return is_due;
}

/* What very many queues hold leaves memory although nothing happens any more: while the memory
 * alarm blocks publishers, nothing else would end it. */
static void many_idle_queues_give_back_what_is_too_much(void **state)
{
    enum { queues = 500 };
    struct core *core = *state;
    char line[80];
    for (int i = 0; i < queues; i++) {
        snprintf(line, sizeof line, "1.1 queue.declare q%d no-wait", i);
        run(core, line, "");
    }
    vhost_set_alarms(core->vhost, 0, core->now_ms);
    vhost_set_transient_bytes_max(core->vhost, SIZE_MAX);
    for (int i = 0; i < queues; i++) {
        snprintf(line, sizeof line, "1.1 basic.publish - q%d message", i);
        run(core, line, "");
    }
    vhost_set_transient_bytes_max(core->vhost, MEMORY);
    vhost_set_alarms(core->vhost, VHOST_ALARM_MEMORY, core->now_ms);
    do
        commit(core, "");
    while (pass_what_is_due(core));
    struct vhost_counters counters = core_counters(core);
    assert_true(counters.transient_bytes <= MEMORY);
    assert_true(counters.window_bytes <= MEMORY);
}

/* What was given back is in memory in part, and more than the lane may hold: that stays, and what
 * is read before it is not dropped for it and read again with every message. */
static void what_is_given_back_is_read_once(void **state)
{
    struct core *core = *state;
    char line[80];
    int reads = 0;
    run(core, "1.1 queue.declare q no-wait", "");
    publish_all(core, "q", "");
    commit(core, "");
    consume_all(core, "q", "", "");
    vhost_set_transient_bytes_max(core->vhost, SIZE_MAX);
    for (int i = 1; i <= COUNT; i++) {
        snprintf(line, sizeof line, "1.1 basic.publish - q n%d", i);
        run(core, line, NULL);
        buffer_clear(&core->transcript);
    }
    run(core, "2.1 basic.cancel c", NULL);
    vhost_set_transient_bytes_max(core->vhost, MEMORY);
    buffer_clear(&core->transcript);
    publish_all(core, "q", "");
    commit(core, "");
    run(core, "2.0 gone", NULL);
    core_open(core, 2, 1);
    run(core, "2.1 basic.qos 1\n2.1 basic.consume q c", NULL);
    for (int i = 1; i <= 3 * COUNT; i++) {
        reads += core_has_reads(core);
        core_settle(core, 5);
        snprintf(line, sizeof line, "2.1 basic.ack %d", i);
        run(core, line, NULL);
    }
    assert_in_range(reads, COUNT / 10, 2 * COUNT / 5 + 2);
    assert_queue(core, "q", "0 0 1");
    buffer_clear(&core->transcript);
}

/* It may be because of others: several vhosts, each with less than it may have, or unacked
 * messages.
 */
static void a_memory_alarm_spills_what_may_stay_otherwise(void **state)
{
    struct core *core = *state;
    vhost_set_transient_bytes_max(core->vhost, SIZE_MAX);
    run(core, "1.1 queue.declare q no-wait", "");
    publish_all(core, "q", "");
    assert_false(core_submit(core));
    vhost_set_alarms(core->vhost, VHOST_ALARM_MEMORY, core->now_ms);
    commit(core, "");
    assert_true(core_counters(core).transient_bytes <= MEMORY);
    vhost_set_alarms(core->vhost, 0, core->now_ms);
    consume_all(core, "q", " no-ack", "");
}

/* The disk's last space is for acks, and publishers are blocked: what is in memory stays there. */
static void nothing_is_spilled_while_the_disk_is_full(void **state)
{
    struct core *core = *state;
    run(core, "1.1 queue.declare q no-wait", "");
    vhost_set_transient_bytes_max(core->vhost, SIZE_MAX);
    publish_all(core, "q", "");
    vhost_set_alarms(core->vhost, VHOST_ALARM_DISK, core->now_ms);
    vhost_set_transient_bytes_max(core->vhost, MEMORY);
    run(core, "", "");
    assert_false(core_submit(core));
    vhost_set_alarms(core->vhost, 0, core->now_ms);
    commit(core, "");
    assert_true(core_counters(core).transient_bytes <= MEMORY);
    consume_all(core, "q", " no-ack", "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(they_leave_memory_and_come_back_in_order),
        TEST(one_that_is_given_back_keeps_its_place),
        TEST(those_of_a_durable_queue_stand_between_the_persistent_ones),
        TEST(after_a_crash_they_are_gone),
        TEST(purging_and_deleting_forget_them),
        TEST(dead_letters_are_read_first),
        TEST(nothing_is_committed_before_they_are_delivered),
        TEST(publishers_wait_for_the_disk),
        TEST(many_idle_queues_give_back_what_is_too_much),
        TEST(a_memory_alarm_spills_what_may_stay_otherwise),
        TEST(what_is_given_back_is_read_once),
        TEST(nothing_is_spilled_while_the_disk_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
