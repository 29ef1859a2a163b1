/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sharded exchanges: what a policy makes of an exchange, now and in slices, and where the name of
 * the exchange leads. What the plug-in does otherwise is compared in interop/differential
 * (sharding.txt); here is what a script cannot see.
 */
#include "core_fixture.h"

#include "amqp/table.h"

/* Shards of the exchange as RabbitMQ names them; one that is there has the status. */
static void assert_shard(struct core *core, const char *exchange, unsigned number,
                         const char *expected)
{
    char name[300];
    snprintf(name, sizeof name, "sharding: %s - rabbit@localhost - %u", exchange, number);
    assert_queue(core, name, expected);
}

static void set_policies(struct core *core, const char *pattern, int64_t count, const char *key)
{
    struct policies *policies = policies_new();
    struct buffer definition = {0};
    char reason[100];
    if (key != NULL)
        amqp_table_add_text(&definition, "routing-key", key);
    amqp_table_add_int(&definition, "shards-per-node", count);
    struct policy_source source = {
        .name = bytes_of_text("p"),
        .pattern = bytes_of_text(pattern),
        .apply_to = bytes_of_text("exchanges"),
        .definition = buffer_bytes(&definition),
    };
    assert_true(policies_add(policies, &source, reason, sizeof reason));
    vhost_set_policies(core->vhost, policies);
    buffer_fini(&definition);
}

/* And all that follows. */
static void shard(struct core *core, const char *pattern, int64_t count, const char *key)
{
    set_policies(core, pattern, count, key);
    while (vhost_deadline(core->vhost) == 0)
        pass(core, 0, "");
    vhost_check(core->vhost);
}

static void clear_policies(struct core *core)
{
    vhost_set_policies(core->vhost, NULL);
    while (vhost_deadline(core->vhost) == 0)
        pass(core, 0, "");
    vhost_check(core->vhost);
}

static void publish_shows(struct core *core, const char *exchange, const char *key,
                          const char *expected)
{
    char command[100];
    snprintf(command, sizeof command, "1.1 basic.publish %s %s m mandatory", exchange, key);
    run(core, command, expected);
}

static void a_policy_makes_and_binds_shards(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 exchange.declare x direct", "1.1 exchange.declare-ok\n");
    shard(core, "^x$", 2, "k");
    assert_shard(core, "x", 0, "0 0 0");
    assert_shard(core, "x", 1, "0 0 0");
    assert_shard(core, "x", 2, "none");
    publish_shows(core, "x", "k", "");
    assert_shard(core, "x", 0, "1 0 0");
    assert_shard(core, "x", 1, "1 0 0");
    publish_shows(core, "x", "-", "1.1 basic.return 312 NO_ROUTE m\n");
}

/* A change of policies that shards nothing touches nothing. */
static void policies_without_shards_change_nothing(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 exchange.declare x fanout", "1.1 exchange.declare-ok\n");
    clear_policies(core);
    assert_int_equal(core_counters(core).queues, 0);
}

/* vhost_obey_policies does it at once. */
static void a_client_that_comes_later_finds_the_shards(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 exchange.declare x fanout", "1.1 exchange.declare-ok\n");
    set_policies(core, "^x$", 1, NULL);
    vhost_obey_policies(core->vhost, core->now_ms);
    run(core, "1.1 basic.publish x k m\n1.1 basic.get x no-ack", "1.1 basic.get-ok 1 left=0 m\n");
}

static void consumers_go_where_the_fewest_are(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    shard(core, "^x$", 3, NULL);
    run(core, "1.1 exchange.declare x fanout no-wait", "");
    for (int i = 0; i < 8; i++) {
        char command[60], ok[60];
        snprintf(command, sizeof command, "1.1 basic.consume x c%d", i);
        snprintf(ok, sizeof ok, "1.1 basic.consume-ok c%d\n", i);
        run(core, command, ok);
    }
    assert_shard(core, "x", 0, "0 0 3");
    assert_shard(core, "x", 1, "0 0 3");
    assert_shard(core, "x", 2, "0 0 2");
    run(core, "1.1 basic.cancel c1", "1.1 basic.cancel-ok c1\n");
    run(core, "1.1 basic.cancel c4", "1.1 basic.cancel-ok c4\n");
    run(core, "1.1 basic.consume x d", "1.1 basic.consume-ok d\n");
    assert_shard(core, "x", 1, "0 0 2");
}

/* Of more than can be bound again and again the first are made. */
static void very_many_shards_are_not_made(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 exchange.declare x fanout", "1.1 exchange.declare-ok\n");
    shard(core, "^x$", INT64_MAX, NULL);
    assert_int_equal(core_counters(core).queues, 4096);
    clear_policies(core);
    assert_int_equal(core_counters(core).bindings, 0);
}

enum { MANY = 2000 };

static void declare_many(struct core *core, const char *flags)
{
    for (int i = 0; i < MANY; i++) {
        char command[80];
        snprintf(command, sizeof command, "1.1 exchange.declare x%d fanout no-wait%s", i, flags);
        run(core, command, "");
    }
}

/* What a policy makes of very many exchanges comes in slices, and policies that change meanwhile
 * are all that counts in the end. */
static void many_exchanges_are_sharded_in_slices(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_many(core, "");
    set_policies(core, "^x", 2, "old");
    pass(core, 0, "");
    uint64_t some = core_counters(core).queues;
    assert_true(some > 0 && some < MANY);
    assert_int_equal(vhost_deadline(core->vhost), 0);
    set_policies(core, "^x", 3, "new");
    pass(core, 0, "");
    shard(core, "^x", 3, "new");
    assert_int_equal(core_counters(core).queues, 3 * MANY);
    assert_int_equal(core_counters(core).bindings, 3 * MANY);
}

/* An exchange may go while it is waited for, by a client or with the last of its bindings. */
static void exchanges_go_while_policies_change(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_many(core, " auto-delete");
    shard(core, "^x", 1, NULL);
    set_policies(core, "^x", 1, "other");
    pass(core, 0, "");
    for (int i = 0; i < MANY; i += 2) {
        char command[60];
        snprintf(command, sizeof command, "1.1 exchange.delete x%d no-wait", i);
        run(core, command, "");
    }
    clear_policies(core);
    assert_int_equal(core_counters(core).bindings, 0);
    assert_int_equal(core_counters(core).queues, MANY);
    run(core, "1.1 exchange.declare x1 passive", NULL);
    assert_non_null(strstr((char *)core->transcript.data, "404 NOT_FOUND - no exchange 'x1'"));
    buffer_clear(&core->transcript);
}

static void shards_outlive_a_crash(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    shard(core, "^[xt]$", 2, "k");
    run(core, "1.1 exchange.declare x fanout durable", "");
    commit(core, "1.1 exchange.declare-ok\n");
    run(core, "1.1 exchange.declare t fanout\n1.1 basic.publish x a m persistent",
        "1.1 exchange.declare-ok\n");
    commit(core, "");
    core_crash(core);
    assert_shard(core, "x", 1, "1 0 0");
    assert_shard(core, "t", 1, "none");
    shard(core, "^[xt]$", 2, "k");
    assert_int_equal(core_counters(core).bindings, 2);
    shard(core, "^[xt]$", 2, "l");
    assert_int_equal(core_counters(core).bindings, 2);
    clear_policies(core);
    assert_int_equal(core_counters(core).bindings, 0);
}

/* The reply tells that what the declaration made is kept. */
static void a_declaration_waits_for_its_shards(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    shard(core, "^x$", 3, NULL);
    run(core, "1.1 exchange.declare x fanout durable", "");
    commit(core, "1.1 exchange.declare-ok\n");
    core_crash(core);
    assert_shard(core, "x", 2, "0 0 0");
    assert_int_equal(core_counters(core).bindings, 3);
}

static void limits_hold_for_shards(void **state)
{
    struct core *core = *state;
    struct vhost_limits limits = {2, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    core_open(core, 1, 1);
    vhost_set_limits(core->vhost, &limits);
    shard(core, "^x$", 3, NULL);
    run(core, "1.1 exchange.declare x fanout", "1.1 exchange.declare-ok\n");
    assert_int_equal(core_counters(core).queues, 2);
    assert_int_equal(core_counters(core).bindings, 2);
}

static void a_name_without_a_shard_is_refused(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 3);
    shard(core, "^x$", 0, NULL);
    run(core, "1.1 exchange.declare x fanout", "1.1 exchange.declare-ok\n");
    run(core, "1.1 basic.consume x c",
        "1.1 channel.close 406 PRECONDITION_FAILED - Error finding sharded queue for: <<\"x\">> "
        "(60.20)\n");
    run(core, "1.2 basic.get x",
        "1.2 channel.close 406 PRECONDITION_FAILED - Error finding sharded queue for: <<\"x\">> "
        "(60.70)\n");
    run(core, "1.3 queue.purge x",
        "1.3 channel.close 406 PRECONDITION_FAILED - Can't purge sharded queue: <<\"x\">> "
        "(50.30)\n");
}

/* Other vhosts, channels and methods: an exchange that is not sharded is none of a queue. */
static void names_of_other_exchanges_are_no_queues(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    shard(core, "^x$", 1, NULL);
    run(core, "1.1 exchange.declare x fanout\n1.1 exchange.declare y fanout\n1.1 queue.declare y",
        "1.1 exchange.declare-ok\n1.1 exchange.declare-ok\n1.1 queue.declare-ok y 0 0\n");
    run(core, "1.1 queue.purge y", "1.1 queue.purge-ok 0\n");
    run(core, "1.1 queue.delete -", "1.1 queue.delete-ok 0\n");
    run(core, "1.1 queue.declare x",
        "1.1 queue.declare-ok sharding: x - rabbit@localhost - 0 0 0\n");
    run(core, "1.1 exchange.delete x", "1.1 exchange.delete-ok\n");
    run(core, "1.1 queue.declare x", "1.1 queue.declare-ok x 0 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(a_policy_makes_and_binds_shards),
        core_test(policies_without_shards_change_nothing),
        core_test(a_client_that_comes_later_finds_the_shards),
        core_test(consumers_go_where_the_fewest_are),
        core_test(very_many_shards_are_not_made),
        core_test(many_exchanges_are_sharded_in_slices),
        core_test(exchanges_go_while_policies_change),
        core_test(shards_outlive_a_crash),
        core_test(a_declaration_waits_for_its_shards),
        core_test(limits_hold_for_shards),
        core_test(a_name_without_a_shard_is_refused),
        core_test(names_of_other_exchanges_are_no_queues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
