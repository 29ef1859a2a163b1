/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What queues, exchanges and the vhost count of the messages that pass them.
 */
#include "broker/policy.h"
#include "broker/status_rows.h"
#include "core_fixture.h"

static struct queue_counters counters_of(const struct core *core, const char *queue)
{
    struct queue_status status;
    assert_true(vhost_queue_status(core->vhost, bytes_of_text(queue), &status));
    return status.counters;
}

struct wanted {
    const char *name;
    struct exchange_counters counters;
};

static void find_exchange(void *context, const struct exchange_status *status)
{
    struct wanted *wanted = context;
    if (bytes_equal_text(status->name, wanted->name))
        wanted->counters = status->counters;
}

static void assert_exchange(const struct core *core, const char *name, uint64_t in, uint64_t out)
{
    struct wanted wanted = {.name = name};
    struct vhost_visitor visitor = {.exchange = find_exchange, .context = &wanted};
    struct vhost_listing listing = {0};
    while (!listing.is_done)
        vhost_list(core->vhost, &listing, &visitor, 10);
    assert_int_equal(wanted.counters.publish_in, in);
    assert_int_equal(wanted.counters.publish_out, out);
}

static void a_publish_counts_once_for_the_exchange_and_for_each_queue(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare a no-wait\n1.1 queue.declare b no-wait\n"
        "1.1 queue.bind a amq.fanout k no-wait\n1.1 queue.bind b amq.fanout k no-wait\n"
        "1.1 basic.publish amq.fanout k x\n1.1 basic.publish amq.fanout k x\n"
        "1.1 basic.publish - a x\n1.1 basic.publish amq.direct nowhere x",
        "");
    assert_int_equal(counters_of(core, "a").publish, 3);
    assert_int_equal(counters_of(core, "b").publish, 2);
    assert_exchange(core, "amq.fanout", 2, 4);
    assert_exchange(core, "", 1, 1);
    assert_exchange(core, "amq.direct", 1, 0);
    struct vhost_counters counters = core_counters(core);
    assert_int_equal(counters.published, 4);
    assert_int_equal(counters.routed, 3);
    assert_int_equal(counters.unroutable_dropped, 1);
    assert_int_equal(counters.published_to_confirm, 0);
}

/* The exchange went while a transaction had the message. */
static void what_is_published_to_an_exchange_that_is_gone_counts_for_nobody_else(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 tx.select\n1.2 exchange.declare x direct no-wait\n1.1 basic.publish x k a\n"
        "1.2 exchange.delete x no-wait\n1.1 tx.commit",
        "1.1 tx.select-ok\n1.1 tx.commit-ok\n");
    assert_exchange(core, "", 0, 0);
    assert_int_equal(core_counters(core).published, 1);
    assert_int_equal(core_counters(core).unroutable_dropped, 1);
}

static uint64_t count_up_to(const struct message_sizes *sizes, size_t wanted)
{
    uint64_t count = 0;
    size_t bound = 0;
    for (size_t i = 0; bound != wanted; i++)
        assert_true(message_sizes_step(sizes, i, &bound, &count));
    return count;
}

static void a_size_is_on_its_side_of_every_bound(void **state)
{
    const size_t bounds[] = {100, 1000, 10000, 100000, 1000000, 10000000, 50000000, 100000000};
    enum { COUNT = sizeof bounds / sizeof bounds[0] };
    const size_t lengths[] = {0,         1,         2,         31,      32,      128,
                              1 << 16,   16 << 20,  128 << 20, 1 << 25, 1 << 26, (1 << 26) - 1,
                              512 << 20, UINT32_MAX};
    size_t sizes[64], size_count = 0, bound;
    uint64_t count;
    (void)state;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        sizes[size_count++] = lengths[i];
    for (size_t i = 0; i < 3 * COUNT; i++)
        sizes[size_count++] = bounds[i / 3] + i % 3 - 1;
    for (size_t i = 0; i < size_count; i++) {
        struct message_sizes one = {0};
        message_sizes_add(&one, sizes[i]);
        assert_int_equal(message_sizes_count(&one), 1);
        assert_int_equal(one.sum, sizes[i]);
        for (size_t j = 0; j < COUNT; j++) {
            assert_true(message_sizes_step(&one, j, &bound, &count));
            assert_int_equal(bound, bounds[j]);
            assert_int_equal(count, sizes[i] <= bounds[j]);
        }
        assert_false(message_sizes_step(&one, COUNT, &bound, &count));
    }
}

/* Also where nobody takes it; not where it is refused, and of a transaction's when it comes. */
static void sizes_are_counted_of_what_is_accepted(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q no-wait\n1.1 basic.publish - q x\n1.1 basic.publish - nowhere xyz\n"
        "1.2 tx.select\n1.2 basic.publish - q xy\n1.2 tx.rollback\n"
        "1.1 basic.publish no-such-exchange q x",
        NULL);
    struct vhost_counters counters = core_counters(core);
    assert_int_equal(message_sizes_count(&counters.sizes), 3);
    assert_int_equal(count_up_to(&counters.sizes, 100), 3);
    assert_int_equal(counters.sizes.sum, 6);
    assert_int_equal(counters.published, 2);
}

static void what_waits_in_an_exchange_is_not_routed(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 exchange.declare d x-delayed-message x-delayed-type=direct no-wait\n"
        "1.1 basic.publish d k a x-delay=1000",
        "");
    assert_int_equal(core_counters(core).published, 1);
    assert_int_equal(core_counters(core).routed, 0);
    assert_int_equal(core_counters(core).unroutable_dropped, 0);
}

static void confirms_are_counted_and_what_is_to_be_confirmed(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 confirm.select no-wait\n1.1 basic.publish - a x\n1.1 basic.publish - a x mandatory\n"
        "1.2 basic.publish - a x",
        NULL);
    struct vhost_counters counters = core_counters(core);
    assert_int_equal(counters.published, 3);
    assert_int_equal(counters.published_to_confirm, 2);
    assert_int_equal(counters.confirmed, 2);
    assert_int_equal(counters.unroutable_returned, 1);
    assert_int_equal(counters.unroutable_dropped, 2);
}

static void deliveries_count_by_whether_they_are_to_be_acked(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q no-wait\n1.1 basic.consume q c no-wait\n"
        "1.2 basic.publish - q a\n1.2 basic.publish - q b\n1.1 basic.ack 1\n"
        "1.1 basic.cancel c no-wait\n1.1 basic.nack 2 requeue\n"
        "1.1 basic.consume q n no-ack no-wait\n1.2 basic.publish - q c",
        NULL);
    struct delivery_counters deliveries = counters_of(core, "q").deliveries;
    assert_int_equal(deliveries.deliver, 2);
    assert_int_equal(deliveries.deliver_no_ack, 2);
    assert_int_equal(deliveries.redeliver, 1);
    assert_int_equal(deliveries.ack, 1);
    struct vhost_counters counters = core_counters(core);
    assert_int_equal(counters.delivered, 4);
    assert_int_equal(counters.delivered_no_ack, 2);
    assert_int_equal(counters.redelivered, 1);
    assert_int_equal(counters.acked, 1);
}

static void gets_count_by_whether_they_are_to_be_acked(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q no-wait\n1.1 basic.publish - q a\n1.1 basic.publish - q b\n"
        "1.1 basic.get q\n1.1 basic.reject 1 requeue\n1.1 basic.get q\n1.1 basic.get q no-ack\n"
        "1.1 basic.get q",
        NULL);
    struct delivery_counters deliveries = counters_of(core, "q").deliveries;
    assert_int_equal(deliveries.get, 2);
    assert_int_equal(deliveries.get_no_ack, 1);
    assert_int_equal(deliveries.get_empty, 1);
    assert_int_equal(deliveries.redeliver, 1);
    assert_int_equal(core_counters(core).got, 3);
    assert_int_equal(core_counters(core).got_no_ack, 1);
}

static void what_goes_to_the_disk_and_comes_from_it_is_counted(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q durable no-wait\n1.1 basic.publish - q a persistent\n"
        "1.1 basic.publish - q b\n1.1 basic.publish - q c persistent",
        "");
    assert_int_equal(counters_of(core, "q").disk_writes, 2);
    commit(core, "");
    core_crash(core);
    assert_int_equal(counters_of(core, "q").disk_writes, 0);
    core_open(core, 1, 1);
    run(core, "1.1 basic.get q no-ack", "");
    core_settle(core, 10);
    assert_true(counters_of(core, "q").disk_reads >= 1);
    assert_int_equal(core_counters(core).disk_reads, counters_of(core, "q").disk_reads);
}

struct seen {
    size_t queues, exchanges, channels, new_ones;
    uint64_t published, taken;
};

static void see_queue(void *context, const struct queue_sample *sample)
{
    struct seen *seen = context;
    seen->queues++;
    seen->new_ones += sample->is_new;
    seen->published = sample->counters->publish;
}

static void see_exchange(void *context, const struct exchange_sample *sample)
{
    struct seen *seen = context;
    seen->exchanges++;
    seen->new_ones += sample->is_new;
}

static void see_channel(void *context, const struct channel_sample *sample)
{
    struct seen *seen = context;
    seen->channels++;
    seen->new_ones += sample->is_new;
    seen->taken = sample->counters->deliveries.get;
}

static struct seen sample_all(struct core *core, uint64_t now_ms, struct queue_sums *sums)
{
    struct seen seen = {0};
    const struct vhost_sampler sampler = {see_queue, see_exchange, see_channel, &seen};
    struct vhost_sampling sampling = {0};
    while (!sampling.is_done)
        vhost_sample(core->vhost, &sampling, &sampler, now_ms, 2);
    *sums = sampling.sums;
    return seen;
}

static void a_sampling_sees_what_has_changed_since_the_last_one(void **state)
{
    struct core *core = *state;
    struct queue_sums sums;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare a no-wait\n1.1 queue.declare b no-wait\n1.1 queue.declare idle no-wait\n"
        "1.1 basic.publish - a x\n"
        "1.1 basic.publish - b xy\n1.1 basic.get b",
        "1.1 basic.get-ok 1 left=0 xy\n");
    struct seen seen = sample_all(core, 1000, &sums);
    assert_int_equal(seen.queues, 2);
    assert_int_equal(seen.exchanges, 1);
    assert_int_equal(seen.channels, 1);
    assert_int_equal(seen.taken, 1);
    assert_int_equal(seen.new_ones, 4);
    assert_int_equal(sums.ready, 1);
    assert_int_equal(sums.unacked, 1);
    assert_int_equal(sums.ready_bytes, 1);
    seen = sample_all(core, 2000, &sums);
    assert_int_equal(seen.queues + seen.exchanges + seen.channels, 0);
    assert_int_equal(sums.ready, 1);
    run(core, "1.1 basic.publish - a x", "");
    seen = sample_all(core, 3000, &sums);
    assert_int_equal(seen.queues, 1);
    assert_int_equal(seen.exchanges, 1);
    assert_int_equal(seen.channels, 1);
    assert_int_equal(seen.new_ones, 0);
    assert_int_equal(seen.published, 2);
    run(core, "1.1 queue.purge a no-wait", "");
    seen = sample_all(core, 4000, &sums);
    assert_int_equal(seen.queues, 1);
    assert_int_equal(sums.ready, 0);
}

static struct queue_status status_of(struct core *core, const char *queue)
{
    struct queue_status status;
    assert_true(vhost_queue_status(core->vhost, bytes_of_text(queue), &status));
    return status;
}

static void a_queue_is_idle_since_a_sampling_saw_its_last_change(void **state)
{
    struct core *core = *state;
    struct queue_sums sums;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare a no-wait\n1.1 queue.declare b no-wait", "");
    assert_int_equal(status_of(core, "a").idle_since_ms, 0);
    sample_all(core, 1000, &sums);
    assert_int_equal(status_of(core, "a").idle_since_ms, 1000);
    run(core, "1.1 basic.publish - a x", "");
    assert_int_equal(status_of(core, "a").idle_since_ms, 0);
    struct seen seen = sample_all(core, 2000, &sums);
    assert_int_equal(seen.queues, 1);
    assert_true(seen.new_ones >= 1); /* a queue that had counted nothing has no past */
    sample_all(core, 3000, &sums);
    assert_int_equal(status_of(core, "a").idle_since_ms, 2000);
    assert_int_equal(status_of(core, "b").idle_since_ms, 1000);
}

static void consumers_are_ready_as_often_as_samplings_find_them(void **state)
{
    struct core *core = *state;
    struct queue_sums sums;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare a no-wait", "");
    assert_true(status_of(core, "a").taker_share <= 0.0);
    run(core, "1.1 basic.qos 1", "1.1 basic.qos-ok\n");
    run(core, "1.1 basic.consume a t no-wait", "");
    assert_true(status_of(core, "a").taker_share >= 1.0);
    run(core, "1.1 basic.publish - a x\n1.1 basic.publish - a x", "1.1 deliver t 1 x\n");
    double former = status_of(core, "a").taker_share;
    assert_true(former > 0.0 && former < 1.0);
    for (unsigned i = 1; i <= 8; i++) {
        sample_all(core, i * 1000, &sums);
        assert_true(status_of(core, "a").taker_share < former);
        former = status_of(core, "a").taker_share;
    }
    assert_true(former <= 0.0);
    run(core, "1.1 basic.ack 1", "1.1 deliver t 2 x\n");
    run(core, "1.1 basic.ack 2", "");
    assert_true(status_of(core, "a").taker_share > 0.0);
}

/* --- copies */

static void set_policy(struct core *core, const char *name)
{
    char reason[100];
    struct buffer definition = {0};
    struct policies *policies = policies_new();
    amqp_table_add_int(&definition, "max-length", 7);
    const struct policy_source source = {.name = bytes_of_text(name),
                                         .pattern = bytes_of_text("^q$"),
                                         .apply_to = bytes_of_text("queues"),
                                         .definition = buffer_bytes(&definition)};
    assert_true(policies_add(policies, &source, reason, sizeof reason));
    vhost_set_policies(core->vhost, policies);
    run(core, "", "");
    buffer_fini(&definition);
}

/* They are looked at when nobody has the core in hand any more. */
static void a_copy_outlives_the_queue_its_consumer_and_its_policy(void **state)
{
    struct core *core = *state;
    struct amqp_value length;
    struct status_rows rows = {0};
    struct vhost_listing listing = {0};
    const struct vhost_visitor visitor = status_rows_of_queues(&rows);
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q exclusive no-wait\n1.1 basic.consume q tag exclusive",
        "1.1 basic.consume-ok tag\n");
    set_policy(core, "of q");
    while (!listing.is_done)
        vhost_list(core->vhost, &listing, &visitor, 10);
    run(core, "1.1 basic.cancel tag\n1.1 queue.delete q",
        "1.1 basic.cancel-ok tag\n1.1 queue.delete-ok 0\n");
    set_policy(core, "another");
    run(core, "1.0 gone", "1.0 gone\n");
    assert_int_equal(rows.count, 1);
    const struct queue_status *status = rows.rows[0];
    assert_true(bytes_equal_text(status->name, "q"));
    assert_true(bytes_equal_text(status->exclusive_tag, "tag"));
    assert_true(bytes_equal_text(status->owner, ""));
    assert_true(bytes_equal_text(policy_name(status->policy), "of q"));
    assert_true(policy_value(status->policy, "max-length", &length));
    assert_null(status->operator_policy);
    status_rows_fini(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(a_publish_counts_once_for_the_exchange_and_for_each_queue),
        core_test(what_is_published_to_an_exchange_that_is_gone_counts_for_nobody_else),
        cmocka_unit_test(a_size_is_on_its_side_of_every_bound),
        core_test(sizes_are_counted_of_what_is_accepted),
        core_test(what_waits_in_an_exchange_is_not_routed),
        core_test(confirms_are_counted_and_what_is_to_be_confirmed),
        core_test(deliveries_count_by_whether_they_are_to_be_acked),
        core_test(gets_count_by_whether_they_are_to_be_acked),
        core_test(what_goes_to_the_disk_and_comes_from_it_is_counted),
        core_test(a_sampling_sees_what_has_changed_since_the_last_one),
        core_test(a_queue_is_idle_since_a_sampling_saw_its_last_change),
        core_test(consumers_are_ready_as_often_as_samplings_find_them),
        core_test(a_copy_outlives_the_queue_its_consumer_and_its_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
