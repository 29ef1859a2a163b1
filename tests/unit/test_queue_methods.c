/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.declare, bind, unbind, purge and delete: the replies, the codes and the texts.
 */
#include "core_fixture.h"

#define LOCKED(name)                                                                               \
    "405 RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '" name                  \
    "' in vhost '/'. It could be originally declared on another connection or the exclusive "      \
    "property value does not match that of the original declaration."

static void declare_tells_ready_messages_and_consumers(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q", "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 basic.publish - q a\n1.1 basic.publish - q b\n1.2 basic.get q",
        "1.2 basic.get-ok 1 left=1 a\n");
    run(core, "1.1 queue.declare q", "1.1 queue.declare-ok q 1 0\n");
    run(core, "1.2 basic.qos 1\n1.2 basic.consume q c\n1.1 queue.declare q passive",
        "1.2 basic.qos-ok\n1.2 basic.consume-ok c\n1.1 queue.declare-ok q 1 1\n"
        "1.2 deliver c 2 b\n");
}

static void declare_with_no_wait_is_not_answered(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q no-wait", "");
    assert_queue(core, "q", "0 0 0");
    run(core, "1.1 queue.declare q durable no-wait",
        "1.1 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q' in "
        "vhost '/': received 'true' but current is 'false' (50.10)\n");
}

static void a_durable_queue_is_answered_when_it_is_on_disk(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q durable", "");
    run(core, "1.2 queue.declare q passive", "");
    run(core, "1.2 queue.declare other", "");
    assert_true(core_submit(core));
    complete(core, "1.1 queue.declare-ok q 0 0\n1.2 queue.declare-ok q 0 0\n"
                   "1.2 queue.declare-ok other 0 0\n");
    run(core, "1.1 queue.declare q durable", "1.1 queue.declare-ok q 0 0\n");
}

static void an_empty_name_is_made_by_the_server(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare - exclusive no-wait\n1.1 queue.bind - amq.fanout",
        "1.1 "
        "queue.bind-"
        "ok\n");
    run(core, "1.1 basic.publish amq.fanout - a\n1.1 basic.get -", "1.1 basic.get-ok 1 left=0 a\n");
    assert_int_equal(core_counters(core).queues, 1);
}

static void names_lose_line_ends(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q\r", "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 queue.delete \rq", "1.1 queue.delete-ok 0\n");
}

static void a_reserved_name_is_refused_even_if_it_exists(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare amq.mine",
        "1.1 channel.close 403 ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix "
        "'amq.*' (50.10)\n");
}

static void passive_declare_of_nothing_is_404(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q passive",
        "1.1 channel.close 404 NOT_FOUND - no queue 'q' in vhost '/' (50.10)\n");
    run(core, "1.2 queue.declare - passive",
        "1.2 channel.close 404 NOT_FOUND - no queue '' in vhost '/' (50.10)\n");
}

static void another_declaration_is_406(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 5);
    run(core, "1.1 queue.declare q x-max-length=5 x-other=1", "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 queue.declare q x-max-length=5 x-other=2", "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 queue.declare q auto-delete x-max-length=5",
        "1.1 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue 'q' "
        "in vhost '/': received 'true' but current is 'false' (50.10)\n");
    run(core, "1.2 queue.declare q x-max-length=6",
        "1.2 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue "
        "'q' in vhost '/': received '6' but current is '5' (50.10)\n");
    run(core, "1.3 queue.declare q",
        "1.3 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue "
        "'q' in vhost '/': received none but current is the value '5' of type 'signedint' "
        "(50.10)\n");
    run(core, "1.4 queue.declare q exclusive x-max-length=5",
        "1.4 channel.close " LOCKED("q") " (50.10)\n");
    run(core, "1.5 queue.declare r x-queue-leader-locator=balanced",
        "1.5 queue.declare-ok r 0 0\n");
    run(core, "1.5 queue.declare r x-queue-leader-locator=client-local",
        "1.5 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'x-queue-leader-locator' for "
        "queue 'r' in vhost '/': received 'client-local' but current is 'balanced' (50.10)\n");
}

static void an_unknown_type_is_406(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q x-queue-type=classic\n1.1 queue.declare q",
        "1.1 queue.declare-ok q 0 0\n1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 queue.declare r x-queue-type=foo",
        "1.1 channel.close 406 PRECONDITION_FAILED - invalid arg 'x-queue-type' for queue 'r' in "
        "vhost '/': \"unsupported queue type 'foo'\" (50.10)\n");
    assert_queue(core, "r", "none");
}

static void an_exclusive_queue_belongs_to_its_connection(void **state)
{
    static const char *const methods[] = {"queue.declare q passive",
                                          "basic.consume q -",
                                          "basic.get q",
                                          "queue.purge q",
                                          "queue.delete q",
                                          "queue.bind q amq.fanout",
                                          "queue.unbind q amq.fanout"};
    static const char *const numbers[] = {"50.10", "60.20", "60.70", "50.30",
                                          "50.40", "50.20", "50.50"};
    struct core *core = *state;
    core_open(core, 1, 1);
    core_open(core, 2, 7);
    run(core,
        "1.1 queue.declare q exclusive durable\n1.1 queue.declare q exclusive\n"
        "1.1 queue.bind q amq.fanout",
        "1.1 queue.declare-ok q 0 0\n1.1 queue.declare-ok q 0 0\n1.1 queue.bind-ok\n");
    run(core, "2.1 queue.unbind q amq.direct -", "2.1 queue.unbind-ok\n"); /* there is none */
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char line[64], expected[320];
        snprintf(line, sizeof line, "2.%zu %s", i + 1, methods[i]);
        snprintf(expected, sizeof expected, "2.%zu channel.close " LOCKED("q") " (%s)\n", i + 1,
                 numbers[i]);
        run(core, line, expected);
    }
    run(core, "2.1 channel.close-ok\n2.1 channel.open\n2.1 basic.publish - q a\n1.1 basic.get q",
        "2.1 channel.open-ok\n1.1 basic.get-ok 1 left=0 a\n");
    run(core, "1.1 queue.declare q", "1.1 channel.close " LOCKED("q") " (50.10)\n");
    run(core, "1.0 gone", "1.0 gone\n");
    assert_queue(core, "q", "none");
    assert_false(vhost_has_batch(core->vhost));
}

static void an_auto_delete_queue_goes_with_its_last_consumer(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q auto-delete\n1.1 basic.publish - q a\n1.1 basic.get q no-ack",
        "1.1 queue.declare-ok q 0 0\n1.1 basic.get-ok 1 left=0 a\n");
    run(core, "1.1 basic.consume q c\n1.2 basic.consume q d\n1.1 basic.cancel c",
        "1.1 basic.consume-ok c\n1.2 basic.consume-ok d\n1.1 basic.cancel-ok c\n");
    assert_queue(core, "q", "0 0 1");
    run(core, "1.2 channel.close", "1.2 channel.close-ok\n");
    assert_queue(core, "q", "none");
}

static void the_last_declared_queue_is_what_an_empty_name_means(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.bind - amq.direct k",
        "1.1 channel.close 404 NOT_FOUND - no previously declared queue (50.20)\n");
    run(core, "1.2 queue.declare q\n1.2 queue.bind - amq.direct -\n1.2 queue.bind - amq.topic k",
        "1.2 queue.declare-ok q 0 0\n1.2 queue.bind-ok\n1.2 queue.bind-ok\n");
    run(core,
        "1.2 basic.publish amq.direct q a\n1.2 basic.publish amq.topic k b\n1.2 queue.purge -\n"
        "1.2 queue.unbind - amq.direct -\n1.2 basic.publish amq.direct q a\n1.2 queue.delete -",
        "1.2 queue.purge-ok 2\n1.2 queue.unbind-ok\n1.2 queue.delete-ok 0\n");
}

static void purge_takes_what_is_ready(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q\n1.1 basic.publish - q a\n1.1 basic.publish - q b\n1.1 basic.get q",
        "1.1 queue.declare-ok q 0 0\n1.1 basic.get-ok 1 left=1 a\n");
    run(core, "1.1 queue.purge q", "1.1 queue.purge-ok 1\n");
    run(core, "1.1 basic.reject 1 requeue\n1.1 basic.get q",
        "1.1 basic.get-ok 2 redelivered left=0 a\n");
    run(core, "1.2 queue.purge nope",
        "1.2 channel.close 404 NOT_FOUND - no queue 'nope' in vhost '/' (50.30)\n");
    assert_queue(core, "q", "0 1 0");
}

static void purge_is_answered_when_it_is_on_disk(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q durable", "");
    commit(core, "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 basic.publish - q a persistent\n1.1 basic.publish - q b persistent", "");
    commit(core, "");
    run(core,
        "1.1 basic.publish - q c persistent\n1.1 basic.publish - q d persistent\n"
        "1.1 basic.publish - q e persistent\n1.1 queue.purge q",
        "");
    commit(core, "1.1 queue.purge-ok 5\n");
    core_crash(core);
    assert_queue(core, "q", "0 0 0");
}

static void delete_cancels_consumers_behind_its_reply(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    core->session_config.has_cancel_notify = false;
    core_open(core, 2, 1);
    run(core,
        "1.1 queue.declare q\n1.1 basic.consume q a\n1.2 basic.consume q b\n"
        "2.1 basic.consume q c",
        "1.1 queue.declare-ok q 0 0\n1.1 basic.consume-ok a\n1.2 basic.consume-ok b\n"
        "2.1 basic.consume-ok c\n");
    run(core, "1.1 basic.publish - q m\n1.1 queue.delete q",
        "1.1 deliver a 1 m\n1.1 queue.delete-ok 0\n1.1 basic.cancel a\n1.2 basic.cancel b\n");
    run(core, "1.1 basic.cancel-ok a\n1.1 basic.ack 1\n1.1 basic.cancel a",
        "1.1 basic.cancel-ok a\n");
    assert_int_equal(core_counters(core).consumers, 0);
}

static void delete_looks_at_its_conditions(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 4);
    run(core, "1.1 queue.delete nope", "1.1 queue.delete-ok 0\n");
    run(core, "1.1 queue.declare q\n1.1 basic.publish - q m\n1.2 queue.delete q if-empty",
        "1.1 queue.declare-ok q 0 0\n"
        "1.2 channel.close 406 PRECONDITION_FAILED - queue 'q' in vhost '/' not empty (50.40)\n");
    run(core, "1.1 basic.consume q c\n1.3 queue.delete q if-unused",
        "1.1 basic.consume-ok c\n"
        "1.3 channel.close 406 PRECONDITION_FAILED - queue 'q' in vhost '/' in use (50.40)\n"
        "1.1 deliver c 1 m\n");
    run(core, "1.1 basic.cancel c\n1.1 queue.delete q if-unused if-empty",
        "1.1 basic.cancel-ok c\n1.1 queue.delete-ok 0\n");
    assert_queue(core, "q", "none");
}

static void delete_of_a_durable_queue_waits_for_the_disk(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q durable\n1.1 basic.consume q c", "");
    commit(core, "1.1 queue.declare-ok q 0 0\n1.1 basic.consume-ok c\n");
    run(core, "1.1 queue.delete q", "");
    assert_true(core_submit(core));
    /* Another one finds nothing any more, but the disk still holds it. */
    run(core, "1.2 queue.delete q", "");
    complete(core, "1.1 queue.delete-ok 0\n1.1 basic.cancel c\n1.2 queue.delete-ok 0\n");
    core_crash(core);
    assert_queue(core, "q", "none");
}

static void a_redeclared_queue_is_another_one(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q durable\n1.1 basic.publish - q a persistent\n1.2 basic.get nope",
        "1.2 channel.close 404 NOT_FOUND - no queue 'nope' in vhost '/' (60.70)\n");
    commit(core, "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 basic.get q", "");
    commit(core, "1.1 basic.get-ok 1 left=0 a\n");
    run(core, "1.1 queue.delete q no-wait\n1.1 queue.declare q durable\n1.1 basic.ack 1", "");
    commit(core, "1.1 queue.declare-ok q 0 0\n");
    assert_queue(core, "q", "0 0 0");
    core_crash(core);
    assert_queue(core, "q", "0 0 0");
}

static void a_vhost_has_a_type_for_declarations_that_name_none(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    vhost_set_default_queue_type(core->vhost, QUEUE_QUORUM);
    run(core, "1.1 queue.declare q durable\n1.1 queue.declare t\n1.1 queue.declare e exclusive",
        "");
    commit(core, "1.1 queue.declare-ok q 0 0\n1.1 queue.declare-ok t 0 0\n"
                 "1.1 queue.declare-ok e 0 0\n");
    run(core, "1.1 queue.declare q durable\n1.1 queue.declare q durable x-queue-type=undefined",
        "1.1 queue.declare-ok q 0 0\n1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 queue.declare q durable x-queue-type=classic",
        "1.1 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' "
        "in vhost '/': received 'classic' but current is 'quorum' (50.10)\n");
    run(core, "1.2 queue.declare - durable",
        "1.2 channel.close 406 PRECONDITION_FAILED - Cannot declare a server-named queue for type "
        "rabbit_quorum_queue (50.10)\n");
}

static void a_quorum_queue_can_be_redeclared_loosely(void **state)
{
    struct core *core = *state;
    struct vhost_config config = core->config;
    config.quorum_relaxed_redeclaration = true;
    core_fini(core);
    core_init_with(core, &config);
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q durable x-queue-type=quorum x-max-length=5", "");
    commit(core, "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 queue.declare q auto-delete x-queue-type=classic x-max-length=5 x-overflow=a",
        "1.1 queue.declare-ok q 0 0\n");
    run(core, "1.1 queue.declare q durable x-queue-type=classic x-max-length=6",
        "1.1 channel.close 406 PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'q' "
        "in vhost '/': received '6' but current is '5' (50.10)\n");
}

/* Those of the other vhosts count too, those that are there already are no new ones. */
static void queues_of_all_vhosts_are_limited(void **state)
{
    struct core limited, *core = &limited;
    struct vhost_totals totals = {.queues = 1};
    struct vhost_config config;
    (void)state;
    vhost_config_init(&config);
    config.totals = &totals;
    core_init_with(core, &config);
    const struct vhost_limits limits = {
        .queues_max = UINT64_MAX,
        .connections_max = UINT64_MAX,
        .cluster_queues_max = 3,
        .cluster_exchanges_max = UINT64_MAX,
    };
    core_open(core, 1, 1);
    vhost_set_limits(core->vhost, &limits);
    run(core, "1.1 queue.declare a\n1.1 queue.declare b\n1.1 queue.declare a",
        "1.1 queue.declare-ok a 0 0\n1.1 queue.declare-ok b 0 0\n1.1 queue.declare-ok a 0 0\n");
    run(core, "1.1 queue.declare c",
        "1.1 channel.close 406 PRECONDITION_FAILED - cannot declare queue 'c': queue limit in "
        "cluster (3) is reached (50.10)\n");
    assert_int_equal(totals.queues, 3);
    run(core, "1.1 channel.close-ok\n1.2 channel.open\n1.2 queue.delete a\n1.2 queue.declare c",
        "1.2 channel.open-ok\n1.2 queue.delete-ok 0\n1.2 queue.declare-ok c 0 0\n");
    run(core, "1.2 basic.consume amq.rabbitmq.reply-to t no-ack", "1.2 basic.consume-ok t\n");
    assert_int_equal(totals.queues, 3);
    vhost_leave_totals(core->vhost);
    assert_int_equal(totals.queues, 1);
    core_fini(core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(declare_tells_ready_messages_and_consumers),
        core_test(declare_with_no_wait_is_not_answered),
        core_test(a_durable_queue_is_answered_when_it_is_on_disk),
        core_test(an_empty_name_is_made_by_the_server),
        core_test(names_lose_line_ends),
        core_test(a_reserved_name_is_refused_even_if_it_exists),
        core_test(passive_declare_of_nothing_is_404),
        core_test(another_declaration_is_406),
        core_test(an_unknown_type_is_406),
        core_test(a_vhost_has_a_type_for_declarations_that_name_none),
        core_test(a_quorum_queue_can_be_redeclared_loosely),
        core_test(an_exclusive_queue_belongs_to_its_connection),
        core_test(an_auto_delete_queue_goes_with_its_last_consumer),
        core_test(the_last_declared_queue_is_what_an_empty_name_means),
        core_test(purge_takes_what_is_ready),
        core_test(purge_is_answered_when_it_is_on_disk),
        core_test(delete_cancels_consumers_behind_its_reply),
        core_test(delete_looks_at_its_conditions),
        core_test(delete_of_a_durable_queue_waits_for_the_disk),
        core_test(a_redeclared_queue_is_another_one),
        cmocka_unit_test(queues_of_all_vhosts_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
