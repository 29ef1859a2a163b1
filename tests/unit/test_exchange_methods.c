/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exchange.declare, delete, bind and unbind, bindings of queues, and where messages go.
 */
#include "core_fixture.h"

static void declare_is_idempotent_and_compares(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 5);
    run(core, "1.1 exchange.declare e topic\n1.1 exchange.declare e topic x-other=1",
        "1.1 exchange.declare-ok\n1.1 exchange.declare-ok\n");
    run(core, "1.1 exchange.declare e fanout",
        "1.1 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'e' in "
        "vhost '/': received 'fanout' but current is 'topic' (40.10)\n");
    run(core, "1.2 exchange.declare e topic durable",
        "1.2 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'durable' for exchange 'e' "
        "in vhost '/': received 'true' but current is 'false' (40.10)\n");
    run(core, "1.3 exchange.declare e topic internal",
        "1.3 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'internal' for exchange 'e' "
        "in vhost '/': received 'true' but current is 'false' (40.10)\n");
    run(core, "1.4 exchange.declare e topic alternate-exchange=x",
        "1.4 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'alternate-exchange' for "
        "exchange 'e' in vhost '/': received the value 'x' of type 'longstr' but current is none "
        "(40.10)\n");
    run(core, "1.5 exchange.declare e nonsense passive", "1.5 exchange.declare-ok\n");
    run(core, "1.5 exchange.declare e x-random",
        "1.5 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'e' in "
        "vhost '/': received ''x-random'' but current is 'topic' (40.10)\n");
}

static void what_may_not_be_declared(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 6);
    run(core, "1.1 exchange.declare amq.direct direct durable", "1.1 exchange.declare-ok\n");
    run(core, "1.1 exchange.declare amq.mine direct",
        "1.1 channel.close 403 ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix "
        "'amq.*' (40.10)\n");
    run(core, "1.2 exchange.declare - direct",
        "1.2 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange "
        "(40.10)\n");
    run(core, "1.3 exchange.declare e x-foo",
        "1.3 channel.close 406 PRECONDITION_FAILED - unknown exchange type 'x-foo' (40.10)\n");
    run(core, "1.4 exchange.declare e direct passive",
        "1.4 channel.close 404 NOT_FOUND - no exchange 'e' in vhost '/' (40.10)\n");
    run(core, "1.5 exchange.declare e direct alternate-exchange=5",
        "1.5 channel.close 406 PRECONDITION_FAILED - invalid type 'signedint' for arg "
        "'alternate-exchange' in exchange 'e' in vhost '/' (40.10)\n");
    run(core, "1.6 exchange.declare e direct no-wait", "");
}

static void delete_knows_what_it_may(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 4);
    run(core, "1.1 exchange.delete nope", "1.1 exchange.delete-ok\n");
    run(core, "1.1 exchange.delete amq.nope",
        "1.1 channel.close 403 ACCESS_REFUSED - deletion of system exchange 'amq.nope' in vhost "
        "'/' not allowed (40.20)\n");
    run(core, "1.2 exchange.delete -",
        "1.2 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange "
        "(40.20)\n");
    run(core,
        "1.3 exchange.declare e direct\n1.3 queue.declare q\n1.3 queue.bind q e k\n"
        "1.4 exchange.delete e if-unused",
        "1.3 exchange.declare-ok\n1.3 queue.declare-ok q 0 0\n1.3 queue.bind-ok\n"
        "1.4 channel.close 406 PRECONDITION_FAILED - exchange 'e' in vhost '/' in use (40.20)\n");
    run(core, "1.3 queue.unbind q e k\n1.3 exchange.delete e if-unused",
        "1.3 queue.unbind-ok\n1.3 exchange.delete-ok\n");
}

static void an_auto_delete_exchange_goes_with_its_last_binding(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 exchange.declare e direct auto-delete\n1.1 queue.declare q\n1.1 queue.bind q e a\n"
        "1.1 queue.bind q e b\n1.1 queue.unbind q e a\n1.1 exchange.declare e direct passive",
        "1.1 exchange.declare-ok\n1.1 queue.declare-ok q 0 0\n1.1 queue.bind-ok\n"
        "1.1 queue.bind-ok\n1.1 queue.unbind-ok\n1.1 exchange.declare-ok\n");
    run(core, "1.1 queue.delete q\n1.1 exchange.declare e direct passive",
        "1.1 queue.delete-ok 0\n"
        "1.1 channel.close 404 NOT_FOUND - no exchange 'e' in vhost '/' (40.10)\n");
}

static void bindings_need_both_ends(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 7);
    run(core, "1.1 queue.declare q", "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 queue.bind q nope k",
        "1.1 channel.close 404 NOT_FOUND - no exchange 'nope' in vhost '/' (50.20)\n");
    run(core, "1.2 queue.bind nope amq.direct k",
        "1.2 channel.close 404 NOT_FOUND - no queue 'nope' in vhost '/' (50.20)\n");
    run(core, "1.3 queue.bind neither nor k",
        "1.3 channel.close 404 NOT_FOUND - no exchange 'nor' in vhost '/' (50.20)\n");
    run(core, "1.4 queue.bind q - k",
        "1.4 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange "
        "(50.20)\n");
    run(core, "1.5 exchange.bind - amq.direct k",
        "1.5 channel.close 403 ACCESS_REFUSED - operation not permitted on the default exchange "
        "(40.30)\n");
    run(core, "1.6 exchange.bind nope amq.direct k",
        "1.6 channel.close 404 NOT_FOUND - no exchange 'nope' in vhost '/' (40.30)\n");
    run(core,
        "1.7 queue.unbind q nope k\n1.7 queue.unbind nope amq.direct k\n"
        "1.7 queue.unbind q amq.direct k\n1.7 exchange.unbind nope nope k",
        "1.7 queue.unbind-ok\n1.7 queue.unbind-ok\n1.7 queue.unbind-ok\n1.7 exchange.unbind-ok\n");
}

static void arguments_are_part_of_a_binding(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q\n1.1 queue.bind q amq.direct k\n1.1 queue.bind q amq.direct k\n"
        "1.1 queue.bind q amq.direct k x=1\n1.1 basic.publish amq.direct k a\n"
        "1.1 queue.unbind q amq.direct k\n1.1 basic.publish amq.direct k b\n"
        "1.1 queue.unbind q amq.direct k x=1\n1.1 basic.publish amq.direct k c mandatory",
        "1.1 queue.declare-ok q 0 0\n1.1 queue.bind-ok\n1.1 queue.bind-ok\n1.1 queue.bind-ok\n"
        "1.1 queue.unbind-ok\n1.1 queue.unbind-ok\n1.1 basic.return 312 NO_ROUTE c\n");
    assert_queue(core, "q", "2 0 0");
}

static void messages_go_over_exchanges_once(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 exchange.declare a fanout no-wait\n1.1 exchange.declare b topic internal no-wait\n"
        "1.1 queue.declare q no-wait\n1.1 exchange.bind b a - no-wait\n"
        "1.1 exchange.bind a b # no-wait\n1.1 queue.bind q b x.* no-wait\n"
        "1.1 queue.bind q a - no-wait\n1.1 basic.publish a x.y m",
        "");
    assert_queue(core, "q", "1 0 0");
    run(core,
        "1.1 exchange.unbind b a -\n1.1 queue.unbind q a -\n"
        "1.1 basic.publish a x.y m mandatory",
        "1.1 exchange.unbind-ok\n1.1 queue.unbind-ok\n1.1 basic.return 312 NO_ROUTE m\n");
}

static void the_alternate_exchange_takes_what_has_no_route(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 exchange.declare a direct alternate-exchange=b no-wait\n"
        "1.1 exchange.declare b direct alternate-exchange=a no-wait\n"
        "1.1 queue.declare q no-wait\n1.1 queue.bind q b k no-wait\n"
        "1.1 basic.publish a k routed mandatory\n1.1 basic.publish a other lost mandatory",
        "1.1 basic.return 312 NO_ROUTE lost\n");
    assert_queue(core, "q", "1 0 0");
}

static void publishing_needs_an_exchange_of_one_s_own_kind(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 3);
    run(core, "1.1 basic.publish nope k m",
        "1.1 channel.close 404 NOT_FOUND - no exchange 'nope' in vhost '/' (60.40)\n");
    run(core, "1.2 basic.publish amq.rabbitmq.trace k m",
        "1.2 channel.close 403 ACCESS_REFUSED - cannot publish to internal exchange "
        "'amq.rabbitmq.trace' in vhost '/' (60.40)\n");
    run(core, "1.3 basic.publish amq.default k m",
        "1.3 channel.close 404 NOT_FOUND - no exchange 'amq.default' in vhost '/' (60.40)\n");
}

static void a_remembered_route_follows_the_topology(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q\n1.1 basic.publish - q a\n1.1 basic.publish - q b",
        "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.2 queue.delete q\n1.1 basic.publish - q c mandatory",
        "1.2 queue.delete-ok 2\n1.1 basic.return 312 NO_ROUTE c\n");
    run(core, "1.2 queue.declare q\n1.1 basic.publish - q d mandatory",
        "1.2 queue.declare-ok q 0 0\n");
    assert_queue(core, "q", "1 0 0");
    run(core,
        "1.2 exchange.declare e fanout\n1.2 queue.bind q e -\n1.1 basic.publish e - e\n"
        "1.2 exchange.delete e\n1.1 basic.publish e - f",
        "1.2 exchange.declare-ok\n1.2 queue.bind-ok\n1.2 exchange.delete-ok\n"
        "1.1 channel.close 404 NOT_FOUND - no exchange 'e' in vhost '/' (60.40)\n");
    assert_queue(core, "q", "2 0 0");
}

static void durable_definitions_are_answered_when_they_are_on_disk(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 exchange.declare e direct durable\n1.1 queue.declare q durable", "");
    commit(core, "1.1 exchange.declare-ok\n1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 queue.bind q e k", "");
    run(core, "1.2 queue.bind q e k", "");
    commit(core, "1.1 queue.bind-ok\n1.2 queue.bind-ok\n");
    run(core, "1.1 queue.bind q e k", "1.1 queue.bind-ok\n");
    run(core, "1.1 queue.unbind q e k", "");
    run(core, "1.2 queue.unbind q e k", "");
    commit(core, "1.1 queue.unbind-ok\n1.2 queue.unbind-ok\n");
    run(core, "1.1 exchange.delete e", "");
    run(core, "1.2 exchange.delete e", "");
    commit(core, "1.1 exchange.delete-ok\n1.2 exchange.delete-ok\n");
    assert_false(vhost_has_batch(core->vhost));
}

static void a_binding_is_durable_with_both_ends(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 exchange.declare d direct durable no-wait\n1.1 exchange.declare t direct no-wait\n"
        "1.1 exchange.declare d2 fanout durable no-wait\n"
        "1.1 queue.declare dq durable no-wait\n1.1 queue.declare tq no-wait\n"
        "1.1 queue.bind dq d k no-wait\n1.1 queue.bind tq d k no-wait\n"
        "1.1 queue.bind dq t k no-wait\n1.1 exchange.bind d d2 - no-wait\n"
        "1.1 exchange.bind t d2 - no-wait\n1.1 queue.bind dq amq.topic # no-wait",
        "");
    commit(core, "");
    core_crash(core);
    struct vhost_counters counters = core_counters(core);
    assert_int_equal(counters.bindings, 3);
    assert_int_equal(counters.queues, 1);
    core_open(core, 1, 1);
    run(core,
        "1.1 basic.publish d2 k a\n1.1 basic.publish amq.topic x b\n1.1 queue.declare dq "
        "passive",
        "1.1 queue.declare-ok dq 2 0\n");
}

/* As queues are; those that every vhost has count. */
static void exchanges_of_all_vhosts_are_limited(void **state)
{
    struct core limited, *core = &limited;
    struct vhost_totals totals = {.exchanges = 7};
    struct vhost_config config;
    (void)state;
    vhost_config_init(&config);
    config.totals = &totals;
    core_init_with(core, &config);
    uint64_t there = core_counters(core).exchanges;
    const struct vhost_limits limits = {
        .queues_max = UINT64_MAX,
        .connections_max = UINT64_MAX,
        .cluster_queues_max = UINT64_MAX,
        .cluster_exchanges_max = 2 * there + 1,
    };
    core_open(core, 1, 1);
    assert_int_equal(there, 7);
    vhost_set_limits(core->vhost, &limits);
    run(core, "1.1 exchange.declare x direct\n1.1 exchange.declare x direct",
        "1.1 exchange.declare-ok\n1.1 exchange.declare-ok\n");
    run(core, "1.1 exchange.declare y direct",
        "1.1 channel.close 406 PRECONDITION_FAILED - cannot declare exchange 'y' in vhost '/': "
        "exchange limit of 15 is reached (40.10)\n");
    assert_int_equal(totals.exchanges, 15);
    vhost_leave_totals(core->vhost);
    assert_int_equal(totals.exchanges, 7);
    core_fini(core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(declare_is_idempotent_and_compares),
        core_test(what_may_not_be_declared),
        core_test(delete_knows_what_it_may),
        core_test(an_auto_delete_exchange_goes_with_its_last_binding),
        core_test(bindings_need_both_ends),
        core_test(arguments_are_part_of_a_binding),
        core_test(messages_go_over_exchanges_once),
        core_test(the_alternate_exchange_takes_what_has_no_route),
        core_test(publishing_needs_an_exchange_of_one_s_own_kind),
        core_test(a_remembered_route_follows_the_topology),
        core_test(durable_definitions_are_answered_when_they_are_on_disk),
        core_test(a_binding_is_durable_with_both_ends),
        cmocka_unit_test(exchanges_of_all_vhosts_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
