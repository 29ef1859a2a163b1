/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vhost that dies or stops and comes back from what its store holds.
 */
#include "core_fixture.h"

static void a_persistent_message_survives_a_crash(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(a_persistent_message_survives_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
