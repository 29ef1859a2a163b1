/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead letters that must not be lost: they stay with their queue until all of their queues take
 * them, over crashes, and leave when the queue's settings say otherwise.
 */
#include "core_fixture.h"

#define CAREFUL                                                                                    \
    "durable no-wait x-queue-type=quorum x-dead-letter-exchange=dlx "                              \
    "x-dead-letter-strategy=at-least-once x-overflow=reject-publish"

enum { RETRY_MS = 5000 };

static void reject_first(struct core *core, const char *got)
{
    run(core, "1.1 basic.get q", got);
    run(core, "1.1 basic.reject 1", "");
}

static void open_with_letter(struct core *core, const char *declare)
{
    core_open(core, 1, 2);
    run(core, declare, "");
    run(core, "1.1 basic.publish - q a", "");
    reject_first(core, "1.1 basic.get-ok 1 left=0 a failures=0\n");
}

static void declare_place(struct core *core)
{
    run(core,
        "1.2 exchange.declare dlx fanout durable no-wait\n1.2 queue.declare dead durable no-wait\n"
        "1.2 queue.bind dead dlx - no-wait",
        "");
}

static void a_letter_waits_for_its_exchange(void **state)
{
    struct core *core = *state;
    open_with_letter(core, "1.1 queue.declare q " CAREFUL);
    assert_queue(core, "q", "0 0 0");
    declare_place(core);
    assert_queue(core, "dead", "0 0 0");
    pass(core, RETRY_MS, "");
    run(core, "1.2 basic.get dead no-ack", "1.2 basic.get-ok 1 left=0 a rejected:q:1\n");
    pass(core, RETRY_MS, "");
    assert_queue(core, "dead", "0 0 0");
}

static void where_there_is_a_place_it_goes_at_once(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    declare_place(core);
    run(core, "1.1 queue.declare q " CAREFUL "\n1.1 basic.publish - q a", "");
    reject_first(core, "1.1 basic.get-ok 1 left=0 a failures=0\n");
    run(core, "1.2 basic.get dead no-ack", "1.2 basic.get-ok 1 left=0 a rejected:q:1\n");
}

static void a_letter_outlives_crashes(void **state)
{
    struct core *core = *state;
    open_with_letter(core, "1.1 queue.declare q " CAREFUL);
    commit(core, "");
    core_crash(core);
    core_open(core, 1, 2);
    assert_queue(core, "q", "0 0 0");
    declare_place(core);
    pass(core, RETRY_MS, "");
    answer_all(core, "");
    run(core, "1.2 basic.get dead no-ack", "1.2 basic.get-ok 1 left=0 a rejected:q:1\n");
    commit(core, "");
    core_crash(core);
    core_open(core, 1, 2);
    pass(core, RETRY_MS, "");
    assert_queue(core, "dead", "0 0 0");
}

static void a_full_queue_gets_it_later_and_the_others_not_twice(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    declare_place(core);
    run(core,
        "1.2 queue.declare full no-wait x-max-length=1 x-overflow=reject-publish\n"
        "1.2 queue.bind full dlx - no-wait\n1.2 basic.publish - full before\n"
        "1.1 queue.declare q " CAREFUL "\n1.1 basic.publish - q a",
        "");
    reject_first(core, "1.1 basic.get-ok 1 left=0 a failures=0\n");
    pass(core, RETRY_MS, "");
    assert_queue(core, "dead", "0 0 0");
    run(core, "1.2 basic.get full no-ack", "1.2 basic.get-ok 1 left=0 before\n");
    pass(core, RETRY_MS, "");
    assert_queue(core, "dead", "1 0 0");
    assert_queue(core, "full", "1 0 0");
}

/* A try that finds no place leaves nothing in the exchanges that it has asked. */
static void a_history_has_a_letter_once(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.2 exchange.declare dlx x-recent-history no-wait\n1.1 queue.declare q " CAREFUL
        "\n1.1 basic.publish - q a",
        "");
    reject_first(core, "1.1 basic.get-ok 1 left=0 a failures=0\n");
    pass(core, RETRY_MS, "");
    pass(core, RETRY_MS, "");
    run(core, "1.2 queue.declare dead no-wait\n1.2 queue.bind dead dlx - no-wait", "");
    assert_queue(core, "dead", "0 0 0");
    pass(core, RETRY_MS, "");
    assert_queue(core, "dead", "1 0 0");
    run(core, "1.2 queue.declare late no-wait\n1.2 queue.bind late dlx - no-wait", "");
    assert_queue(core, "late", "1 0 0");
}

static void a_try_is_no_message_that_was_seen_before(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.2 exchange.declare dlx x-message-deduplication x-cache-size=9 no-wait\n"
        "1.1 queue.declare q " CAREFUL "\n1.1 basic.publish - q a x-deduplication-header=1",
        "");
    reject_first(core, "1.1 basic.get-ok 1 left=0 a failures=0\n");
    run(core, "1.2 queue.declare dead no-wait\n1.2 queue.bind dead dlx - no-wait", "");
    pass(core, RETRY_MS, "");
    assert_queue(core, "dead", "1 0 0");
    run(core, "1.2 basic.publish dlx - a x-deduplication-header=1", "");
    assert_queue(core, "dead", "1 0 0");
}

static void a_delay_begins_when_all_take_the_letter(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.2 exchange.declare dlx fanout no-wait\n"
        "1.2 exchange.declare delay x-delayed-message x-delayed-type=fanout no-wait\n"
        "1.2 exchange.bind delay dlx - no-wait\n"
        "1.2 queue.declare later no-wait\n1.2 queue.bind later delay - no-wait\n"
        "1.2 queue.declare full no-wait x-max-length=1 x-overflow=reject-publish\n"
        "1.2 queue.bind full dlx - no-wait\n1.2 basic.publish - full before\n"
        "1.1 queue.declare q " CAREFUL "\n1.1 basic.publish - q a x-delay=100",
        "");
    reject_first(core, "1.1 basic.get-ok 1 left=0 a x-delay=100 failures=0\n");
    pass(core, RETRY_MS, "");
    pass(core, RETRY_MS, "");
    assert_queue(core, "later", "0 0 0");
    run(core, "1.2 queue.purge full no-wait", "");
    pass(core, RETRY_MS, "");
    pass(core, 100, "");
    assert_queue(core, "full", "1 0 0");
    assert_queue(core, "later", "1 0 0");
}

/* The queue that had room is the one that gets it. */
static void a_place_by_chance_is_chosen_once(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.2 exchange.declare dlx x-random no-wait\n"
        "1.2 queue.declare full no-wait x-max-length=0 x-overflow=reject-publish\n"
        "1.2 queue.bind full dlx - no-wait\n1.2 queue.declare dead no-wait\n"
        "1.2 queue.bind dead dlx - no-wait\n1.1 queue.declare q " CAREFUL,
        "");
    for (int i = 0; i < 20; i++)
        run(core, "1.1 basic.publish - q a\n1.1 basic.get q", NULL), core->transcript.size = 0;
    run(core, "1.1 basic.nack 20 multiple", "");
    for (int i = 0; i < 20; i++)
        pass(core, RETRY_MS, "");
    assert_queue(core, "dead", "20 0 0");
}

static void letters_count_for_the_limit_and_are_not_purged(void **state)
{
    struct core *core = *state;
    open_with_letter(core, "1.1 queue.declare q x-max-length=2 " CAREFUL);
    run(core, "1.2 confirm.select\n1.2 basic.publish - q b\n1.2 basic.publish - q c",
        "1.2 confirm.select-ok\n1.2 nack 2\n");
    commit(core, "1.2 ack 1\n");
    run(core, "1.1 queue.purge q", "");
    commit(core, "1.1 queue.purge-ok 1\n");
    declare_place(core);
    pass(core, RETRY_MS, "");
    assert_queue(core, "dead", "1 0 0");
}

static void one_that_finds_no_place_holds_nobody_up(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 2);
    run(core,
        "1.2 exchange.declare dlx direct no-wait\n1.2 queue.declare dead no-wait\n"
        "1.2 queue.bind dead dlx good no-wait\n1.2 queue.declare r no-wait\n"
        "1.1 queue.declare q " CAREFUL
        "\n1.1 exchange.declare in fanout no-wait\n1.1 queue.bind q in - no-wait\n"
        "1.1 basic.publish in bad a\n1.1 basic.publish in good b",
        "");
    run(core, "1.1 basic.get q\n1.1 basic.get q",
        "1.1 basic.get-ok 1 left=1 a failures=0\n1.1 basic.get-ok 2 left=0 b failures=0\n");
    run(core, "1.1 basic.reject 1\n1.1 basic.reject 2", "");
    run(core, "1.2 basic.get dead no-ack", "1.2 basic.get-ok 1 left=0 b rejected:q:1\n");
    run(core, "1.2 queue.bind dead dlx bad no-wait", "");
    pass(core, RETRY_MS, "");
    run(core, "1.2 basic.get dead no-ack", "1.2 basic.get-ok 2 left=0 a rejected:q:1\n");
}

static void a_queue_that_goes_takes_its_letters_along(void **state)
{
    struct core *core = *state;
    open_with_letter(core, "1.1 queue.declare q " CAREFUL);
    commit(core, "");
    run(core, "1.1 queue.delete q", "");
    commit(core, "1.1 queue.delete-ok 0\n");
    declare_place(core);
    pass(core, RETRY_MS, "");
    assert_queue(core, "dead", "0 0 0");
    commit(core, "");
    core_crash(core);
    assert_queue(core, "q", "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(a_letter_waits_for_its_exchange),
        core_test(where_there_is_a_place_it_goes_at_once),
        core_test(a_letter_outlives_crashes),
        core_test(a_full_queue_gets_it_later_and_the_others_not_twice),
        core_test(a_history_has_a_letter_once),
        core_test(a_try_is_no_message_that_was_seen_before),
        core_test(a_delay_begins_when_all_take_the_letter),
        core_test(a_place_by_chance_is_chosen_once),
        core_test(letters_count_for_the_limit_and_are_not_purged),
        core_test(one_that_finds_no_place_holds_nobody_up),
        core_test(a_queue_that_goes_takes_its_letters_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
