/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firehose: what is copied to amq.rabbitmq.trace, under which keys, and what is not.
 */
#include "core_fixture.h"

static void open_traced(struct core *core)
{
    core_open(core, 1, 2);
    run(core,
        "1.1 queue.declare q no-wait\n1.1 queue.declare published no-wait\n"
        "1.1 queue.bind published amq.rabbitmq.trace publish.# no-wait\n"
        "1.1 queue.declare delivered no-wait\n"
        "1.1 queue.bind delivered amq.rabbitmq.trace deliver.q no-wait",
        "");
    vhost_set_tracing(core->vhost, true);
}

static void publishes_and_deliveries_are_copied(void **state)
{
    struct core *core = *state;
    open_traced(core);
    run(core, "1.1 basic.publish amq.direct nowhere lost\n1.1 basic.publish - q a", "");
    assert_queue(core, "published", "2 0 0");
    run(core, "1.1 basic.get q no-ack", "1.1 basic.get-ok 1 left=0 a\n");
    run(core, "1.1 basic.publish - q b\n1.2 basic.consume q c no-ack",
        "1.2 basic.consume-ok c\n1.2 deliver c 1 b\n");
    assert_queue(core, "delivered", "2 0 0");
    run(core, "1.1 basic.get delivered no-ack", "1.1 basic.get-ok 2 left=1 a\n");
}

static void copies_are_not_copied_again(void **state)
{
    struct core *core = *state;
    open_traced(core);
    run(core, "1.1 queue.bind q amq.rabbitmq.trace # no-wait\n1.1 basic.publish - published a", "");
    assert_queue(core, "q", "1 0 0");
    run(core, "1.1 basic.get q no-ack", "1.1 basic.get-ok 1 left=0 a\n");
    assert_queue(core, "q", "0 0 0");
    assert_queue(core, "delivered", "0 0 0");
}

static void off_is_off(void **state)
{
    struct core *core = *state;
    open_traced(core);
    vhost_set_tracing(core->vhost, false);
    run(core, "1.1 basic.publish - q a", "");
    assert_queue(core, "published", "0 0 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(publishes_and_deliveries_are_copied),
        core_test(copies_are_not_copied_again),
        core_test(off_is_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
