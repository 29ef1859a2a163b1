/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges that keep something of what passes: x-delayed-message, x-recent-history,
 * x-message-deduplication; and alternate exchanges of policies. Over crashes, too.
 */
#include "core_fixture.h"

#include "amqp/table.h"
#include "broker/policy.h"

static void reconnect(struct core *core)
{
    run(core, "1.0 connect\n1.1 channel.open", "1.0 connection.open-ok\n1.1 channel.open-ok\n");
}

/* Time passes in steps, and every read is answered, until nothing more happens. */
static void drain(struct core *core, uint64_t ms, size_t rows_max)
{
    for (int i = 0; i < 3; i++) {
        pass(core, i == 0 ? ms : 10, "");
        while (core_has_reads(core))
            answer(core, rows_max, "");
    }
}

/* --- x-delayed-message: declaring --- */

static void a_delayed_exchange_names_a_type(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 6);
    run(core, "1.1 exchange.declare d x-delayed-message",
        "1.1 channel.close 406 PRECONDITION_FAILED - Invalid argument, 'x-delayed-type' must be an "
        "existing exchange type (40.10)\n");
    run(core, "1.2 exchange.declare d x-delayed-message x-delayed-type=5",
        "1.2 channel.close 406 PRECONDITION_FAILED - Invalid argument, 'x-delayed-type' must be an "
        "existing exchange type (40.10)\n");
    run(core, "1.3 exchange.declare d x-delayed-message x-delayed-type=nonsense",
        "1.3 channel.close 406 PRECONDITION_FAILED - unknown exchange type 'nonsense' (40.10)\n");
    run(core, "1.4 exchange.declare d x-delayed-message x-delayed-type=x-delayed-message",
        "1.4 channel.close 406 PRECONDITION_FAILED - Invalid argument, 'x-delayed-message' can't "
        "be used for 'x-delayed-type' (40.10)\n");
    run(core, "1.5 exchange.declare d x-delayed-message x-delayed-type=x-message-deduplication",
        "1.5 channel.close 406 PRECONDITION_FAILED - Missing or invalid argument, 'x-cache-size' "
        "must be an integer greater than 0 (40.10)\n");
    run(core, "1.6 exchange.declare d x-delayed-message x-delayed-type=topic",
        "1.6 exchange.declare-ok\n");
}

static void declare_delayed(struct core *core, const char *more)
{
    char text[256];
    snprintf(text, sizeof text,
             "1.1 exchange.declare d x-delayed-message x-delayed-type=direct%s\n"
             "1.1 queue.declare q%s\n1.1 queue.bind q d k",
             more, more);
    run(core, text,
        *more != '\0' ? ""
                      : "1.1 exchange.declare-ok\n1.1 queue.declare-ok q 0 0\n"
                        "1.1 queue.bind-ok\n");
    if (*more != '\0')
        commit(core, "1.1 exchange.declare-ok\n1.1 queue.declare-ok q 0 0\n1.1 queue.bind-ok\n");
}

/* --- x-delayed-message: in memory --- */

static void messages_come_when_they_are_due(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_delayed(core, "");
    run(core,
        "1.1 basic.consume q c no-ack\n1.1 basic.publish d k late x-delay=5000\n"
        "1.1 basic.publish d k early x-delay=1000\n1.1 basic.publish d k now\n"
        "1.1 basic.publish d other nowhere x-delay=1000",
        "1.1 basic.consume-ok c\n1.1 deliver c 1 now\n");
    pass(core, 999, "");
    pass(core, 1, "1.1 deliver c 2 early x-delay=-1000\n");
    pass(core, 3999, "");
    pass(core, 1, "1.1 deliver c 3 late x-delay=-5000\n");
    assert_int_equal(vhost_deadline(core->vhost), UINT64_MAX);
}

/* Of one due time: in the order of the publishes. */
static void equal_delays_keep_their_order(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_delayed(core, "");
    run(core,
        "1.1 basic.publish d k a x-delay=50\n1.1 basic.publish d k b x-delay=50\n"
        "1.1 basic.publish d k c x-delay=50\n1.1 basic.publish d k d x-delay=49\n"
        "1.1 basic.consume q c no-ack",
        "1.1 basic.consume-ok c\n");
    pass(core, 50,
         "1.1 deliver c 1 d x-delay=-49\n1.1 deliver c 2 a x-delay=-50\n"
         "1.1 deliver c 3 b x-delay=-50\n1.1 deliver c 4 c x-delay=-50\n");
}

static void what_is_no_delay_is_routed_at_once(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_delayed(core, "");
    run(core,
        "1.1 basic.publish d k a x-delay=0\n1.1 basic.publish d k b x-delay=-5\n"
        "1.1 basic.publish d k c x-delay=4294967296\n1.1 basic.publish d k e x-delay=true\n"
        "1.1 basic.publish d k f x-delay=soon\n1.1 basic.publish d nowhere g mandatory x-delay=0",
        "1.1 basic.return 312 NO_ROUTE g x-delay=0\n");
    assert_queue(core, "q", "5 0 0");
}

static void mandatory_never_returns_what_waits(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_delayed(core, "");
    run(core,
        "1.1 confirm.select\n1.1 basic.publish d nowhere a mandatory x-delay=10\n"
        "1.1 basic.publish d k b mandatory x-delay=10",
        "1.1 confirm.select-ok\n1.1 ack 2 multiple\n");
    pass(core, 20, "");
    assert_queue(core, "q", "1 0 0");
}

/* The bindings that are there when a message is due decide, and the alternate exchange then. */
static void bindings_count_when_the_message_is_due(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 exchange.declare d x-delayed-message x-delayed-type=topic "
        "alternate-exchange=amq.fanout\n"
        "1.1 queue.declare q\n1.1 queue.declare rest\n1.1 queue.bind rest amq.fanout k\n"
        "1.1 basic.publish d a.b 1 x-delay=10\n1.1 basic.publish d b.b 2 x-delay=10\n"
        "1.1 queue.bind q d a.*",
        "1.1 exchange.declare-ok\n1.1 queue.declare-ok q 0 0\n1.1 queue.declare-ok rest 0 0\n"
        "1.1 queue.bind-ok\n1.1 queue.bind-ok\n");
    assert_queue(core, "rest", "0 0 0");
    pass(core, 20, "");
    assert_queue(core, "q", "1 0 0");
    assert_queue(core, "rest", "1 0 0");
}

/* From another exchange to a delayed one, and on to a third. */
static void a_delayed_exchange_is_one_of_several(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_delayed(core, "");
    run(core,
        "1.1 exchange.bind d amq.fanout x\n1.1 exchange.bind amq.direct d k\n"
        "1.1 queue.declare p\n1.1 queue.bind p amq.direct k\n1.1 queue.declare f\n"
        "1.1 queue.bind f amq.fanout x\n1.1 basic.publish amq.fanout k a CC=other x-delay=10",
        "1.1 exchange.bind-ok\n1.1 exchange.bind-ok\n1.1 queue.declare-ok p 0 0\n"
        "1.1 queue.bind-ok\n1.1 queue.declare-ok f 0 0\n1.1 queue.bind-ok\n");
    assert_queue(core, "f", "1 0 0");
    assert_queue(core, "p", "0 0 0");
    pass(core, 20, "");
    assert_queue(core, "f", "1 0 0");
    assert_queue(core, "p", "1 0 0");
    assert_queue(core, "q", "1 0 0");
}

static void delays_go_with_their_exchange(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_delayed(core, " durable");
    run(core, "1.1 basic.publish d k a persistent x-delay=10\n1.1 exchange.delete d", "");
    commit(core, "1.1 exchange.delete-ok\n");
    pass(core, 20, "");
    assert_queue(core, "q", "0 0 0");
    assert_int_equal(vhost_deadline(core->vhost), UINT64_MAX);
    core_crash(core);
    pass(core, 20, "");
}

/* --- x-delayed-message: in the store --- */

static void a_delay_is_confirmed_when_it_is_stored(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_delayed(core, " durable");
    run(core, "1.1 confirm.select\n1.1 basic.publish d k a persistent x-delay=100000",
        "1.1 confirm.select-ok\n");
    commit(core, "1.1 ack 1\n");
    core_crash(core);
    reconnect(core);
    pass(core, 1, "");
    answer(core, 10, "");
    assert_queue(core, "q", "0 0 0");
    pass(core, 100000, "");
    assert_queue(core, "q", "1 0 0");
    commit(core, "");
    core_crash(core);
    pass(core, 200000, "");
    assert_queue(core, "q", "1 0 0");
}

/* Due while the broker was down; a transient message waits as well, and is then transient. */
static void what_was_due_meanwhile_comes_at_once(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_delayed(core, " durable");
    run(core, "1.1 basic.publish d k a persistent x-delay=100\n1.1 basic.publish d k b x-delay=200",
        "");
    commit(core, "");
    core_crash(core);
    core->now_ms += 1000;
    reconnect(core);
    pass(core, 1, "");
    answer(core, 10, "");
    assert_queue(core, "q", "2 0 0");
    run(core, "1.1 basic.consume q c no-ack",
        "1.1 basic.consume-ok c\n1.1 deliver c 1 a x-delay="
        "-100\n1.1 deliver c 2 b x-delay=-200\n");
}

/* A delay shorter than a commit: the message is in the queue, or still delayed, never both. */
static void a_delay_that_ends_before_it_is_stored(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_delayed(core, " durable");
    run(core, "1.1 confirm.select\n1.1 basic.publish d k a persistent x-delay=5",
        "1.1 confirm.select-ok\n");
    pass(core, 10, "");
    assert_queue(core, "q", "1 0 0");
    commit(core, "1.1 ack 1\n");
    core_crash(core);
    drain(core, 100, 10);
    assert_queue(core, "q", "1 0 0");
}

static void publish_many(struct core *core, unsigned first, unsigned count, unsigned delay_ms,
                         unsigned delay_step_ms)
{
    for (unsigned i = first; i < first + count; i++) {
        char line[96];
        snprintf(line, sizeof line, "1.1 basic.publish d k m%u persistent x-delay=%u", i,
                 delay_ms + i * delay_step_ms % 1000003);
        run(core, line, "");
    }
}

/* More than memory holds, of all delays, before and after the horizon, committed and not, with
 * reads that come back piece by piece and late: nothing is lost, and nothing comes twice, over a
 * crash in the middle. */
static void more_delays_than_memory_come_once(void **state)
{
    enum { count = 20000 };
    struct core *core = *state;
    uint64_t begin_ms = core->now_ms;
    core_open(core, 1, 1);
    declare_delayed(core, " durable");
    for (unsigned i = 0; i < count; i += 500) {
        publish_many(core, i, 500, 2000000, i % 1000 == 0 ? 7919 : 104729);
        if (i % 1500 == 0)
            commit(core, "");
        else if (i % 2000 == 0)
            core_submit(core);
    }
    commit(core, "");
    assert_queue(core, "q", "0 0 0");
    for (unsigned i = 0; i < 400; i++) {
        drain(core, 10000, i % 3 == 0 ? 100 : 5000);
        if (i % 5 == 0)
            commit(core, "");
        if (i == 250) {
            commit(core, "");
            core_crash(core);
        }
    }
    commit(core, "");
    drain(core, begin_ms, 5000);
    assert_queue(core, "q", "20000 0 0");
}

/* New messages keep coming while the window runs empty and is read on: each at its time. */
static void delays_keep_coming_while_others_leave(void **state)
{
    struct core *core = *state;
    unsigned number = 0;
    core_open(core, 1, 1);
    declare_delayed(core, " durable");
    publish_many(core, 0, 6000, 1000, 1);
    commit(core, "");
    for (unsigned round = 0; round < 300; round++) {
        publish_many(core, number, 40, 10 + round % 7 * 400, 13);
        number += 40;
        if (round % 4 == 0)
            core_submit(core);
        drain(core, 100, round % 2 == 0 ? 50 : 3000);
        if (round % 4 == 2)
            commit(core, "");
    }
    for (unsigned i = 0; i < 30; i++) { /* as fast as the store takes them */
        commit(core, "");
        drain(core, 2000000, 5000);
    }
    assert_queue(core, "q", "18000 0 0");
}

/* --- x-recent-history */

static void a_history_has_a_length(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 4);
    run(core, "1.1 exchange.declare h x-recent-history x-recent-history-length=0",
        "1.1 channel.close 406 PRECONDITION_FAILED - Invalid argument 0, 'x-recent-history-length' "
        "must be a positive integer (40.10)\n");
    run(core, "1.2 exchange.declare h x-recent-history x-recent-history-length=many",
        "1.2 channel.close 406 PRECONDITION_FAILED - Invalid argument <<\"many\">>, "
        "'x-recent-history-length' must be a positive integer (40.10)\n");
    run(core, "1.3 exchange.declare h x-recent-history x-recent-history-length=true",
        "1.3 channel.close 406 PRECONDITION_FAILED - Invalid argument true, "
        "'x-recent-history-length' must be a positive integer (40.10)\n");
    run(core, "1.4 exchange.declare h x-recent-history", "1.4 exchange.declare-ok\n");
}

static void who_is_bound_later_gets_the_last_messages(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 exchange.declare h x-recent-history x-recent-history-length=3\n"
        "1.1 queue.declare first\n1.1 queue.bind first h k\n"
        "1.1 basic.publish h a 1\n1.1 basic.publish h b 2\n1.1 basic.publish h c 3\n"
        "1.1 basic.publish h d secret x-recent-history-no-store=true\n"
        "1.1 basic.publish h e 5 x-recent-history-no-store=false\n"
        "1.1 queue.declare later\n1.1 queue.bind later h other\n1.1 queue.bind later h other",
        "1.1 exchange.declare-ok\n1.1 queue.declare-ok first 0 0\n1.1 queue.bind-ok\n"
        "1.1 queue.declare-ok later 0 0\n1.1 queue.bind-ok\n1.1 queue.bind-ok\n");
    assert_queue(core, "first", "5 0 0");
    run(core, "1.1 basic.consume later c no-ack",
        "1.1 basic.consume-ok c\n1.1 deliver c 1 2\n1.1 deliver c 2 3\n1.1 deliver c 3 5\n");
}

static void twenty_messages_are_kept_by_default(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 exchange.declare h x-recent-history", "1.1 exchange.declare-ok\n");
    for (int i = 0; i < 100; i++)
        run(core, "1.1 basic.publish h k m", "");
    run(core, "1.1 queue.declare q\n1.1 queue.bind q h k",
        "1.1 queue.declare-ok q 0 0\n1.1 queue.bind-ok\n");
    assert_queue(core, "q", "20 0 0");
}

/* What an exchange is told it routes, the newest first. */
static void an_exchange_gets_the_history_too(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 exchange.declare h x-recent-history\n1.1 queue.declare q\n"
        "1.1 queue.bind q amq.direct a\n1.1 basic.publish h a 1\n1.1 basic.publish h b 2\n"
        "1.1 basic.publish h a 3\n1.1 basic.consume q c no-ack\n1.1 exchange.bind amq.direct h x",
        "1.1 exchange.declare-ok\n1.1 queue.declare-ok q 0 0\n1.1 queue.bind-ok\n"
        "1.1 basic.consume-ok c\n1.1 deliver c 1 3\n1.1 deliver c 2 1\n1.1 exchange.bind-ok\n");
}

static void declare_history(struct core *core, unsigned length)
{
    char text[256];
    snprintf(text, sizeof text,
             "1.1 exchange.declare h x-recent-history durable x-recent-history-length=%u", length);
    run(core, text, "");
    commit(core, "1.1 exchange.declare-ok\n");
}

/* Persistent messages of a durable exchange are there after a crash; what is bound before they were
 * read gets them then, and messages that came meanwhile behind them. */
static void a_history_outlives_a_crash(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_history(core, 4);
    run(core,
        "1.1 basic.publish h k 1 persistent\n1.1 basic.publish h k 2 persistent\n"
        "1.1 basic.publish h k 3 persistent\n1.1 basic.publish h k transient",
        "");
    commit(core, "");
    core_crash(core);
    reconnect(core);
    run(core,
        "1.1 basic.publish h k 5\n1.1 queue.declare q\n1.1 queue.bind q h k\n"
        "1.1 basic.publish h k 6 persistent",
        "1.1 queue.declare-ok q 0 0\n1.1 queue.bind-ok\n");
    assert_queue(core, "q", "1 0 0");
    while (core_has_reads(core))
        answer(core, 2, "");
    run(core, "1.1 basic.consume q c no-ack",
        "1.1 basic.consume-ok c\n1.1 deliver c 1 6\n1.1 deliver c 2 2\n1.1 deliver c 3 3\n"
        "1.1 deliver c 4 5\n1.1 deliver c 5 6\n");
    commit(core, "");
    core_crash(core);
    reconnect(core);
    drain(core, 1, 10);
    run(core, "1.1 queue.declare r\n1.1 queue.bind r h k",
        "1.1 queue.declare-ok r 0 0\n1.1 queue.bind-ok\n");
    assert_queue(core, "r", "3 0 0");
}

static void a_long_history_forgets_in_the_store(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_history(core, 100);
    for (int i = 0; i < 1000; i++) {
        run(core, "1.1 basic.publish h k m persistent", "");
        if (i % 70 == 0)
            commit(core, "");
    }
    commit(core, "");
    core_crash(core);
    reconnect(core);
    drain(core, 1, 7);
    run(core, "1.1 queue.declare q\n1.1 queue.bind q h k",
        "1.1 queue.declare-ok q 0 0\n1.1 queue.bind-ok\n");
    assert_queue(core, "q", "100 0 0");
}

/* --- x-message-deduplication */

static void a_cache_has_a_size(void **state)
{
    static const char size[] =
        "channel.close 406 PRECONDITION_FAILED - Missing or invalid argument, 'x-cache-size' must "
        "be an integer greater than 0 (40.10)\n";
    struct core *core = *state;
    char expected[200];
    core_open(core, 1, 6);
    snprintf(expected, sizeof expected, "1.1 %s", size);
    run(core, "1.1 exchange.declare x x-message-deduplication", expected);
    snprintf(expected, sizeof expected, "1.2 %s", size);
    run(core, "1.2 exchange.declare x x-message-deduplication x-cache-size=0", expected);
    snprintf(expected, sizeof expected, "1.3 %s", size);
    run(core, "1.3 exchange.declare x x-message-deduplication x-cache-size=5x", expected);
    run(core, "1.4 exchange.declare x x-message-deduplication x-cache-size=5 x-cache-ttl=0",
        "1.4 channel.close 406 PRECONDITION_FAILED - Invalid argument, 'x-cache-ttl' must be an "
        "integer greater than 0 (40.10)\n");
    run(core,
        "1.5 exchange.declare x x-message-deduplication x-cache-size=5 x-cache-persistence=tape",
        "1.5 channel.close 406 PRECONDITION_FAILED - Invalid argument, 'x-cache-persistence' must "
        "be either 'disk' or 'memory' (40.10)\n");
    run(core,
        "1.6 exchange.declare x x-message-deduplication x-cache-size=5 x-cache-ttl=7 "
        "x-cache-persistence=memory",
        "1.6 exchange.declare-ok\n");
}

static void declare_deduplication(struct core *core, const char *arguments)
{
    char text[300];
    snprintf(text, sizeof text,
             "1.1 exchange.declare x x-message-deduplication durable %s\n"
             "1.1 queue.declare q durable\n1.1 queue.bind q x k",
             arguments);
    run(core, text, "");
    commit(core, "1.1 exchange.declare-ok\n1.1 queue.declare-ok q 0 0\n1.1 queue.bind-ok\n");
}

static void a_value_passes_once(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_deduplication(core, "x-cache-size=100 alternate-exchange=amq.fanout");
    run(core,
        "1.1 basic.consume q c no-ack\n1.1 basic.publish x k a x-deduplication-header=1\n"
        "1.1 basic.publish x other b x-deduplication-header=1\n"
        "1.1 basic.publish x k c x-deduplication-header=one\n"
        "1.1 basic.publish x k d x-deduplication-header=one\n"
        "1.1 basic.publish x k e\n1.1 basic.publish x k f\n"
        "1.1 basic.publish x k g x-deduplication-header=true\n"
        "1.1 basic.publish x k h x-deduplication-header=false\n"
        "1.1 basic.publish x k i x-deduplication-header=true",
        "1.1 basic.consume-ok c\n1.1 deliver c 1 a\n1.1 deliver c 2 c\n1.1 deliver c 3 e\n"
        "1.1 deliver c 4 f\n1.1 deliver c 5 g\n1.1 deliver c 6 h\n");
}

/* As with the plug-in, a repetition has no route: it is returned, or goes to the alternate. */
static void a_repetition_has_no_route(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_deduplication(core, "x-cache-size=100");
    run(core,
        "1.1 confirm.select\n1.1 basic.publish x k a mandatory x-deduplication-header=1\n"
        "1.1 basic.publish x k b mandatory x-deduplication-header=1",
        "1.1 confirm.select-ok\n1.1 basic.return 312 NO_ROUTE b\n1.1 ack 2 multiple\n");
    assert_queue(core, "q", "1 0 0");
}

/* Whoever gets a confirm need not send the message once more: the first one is safe by then. */
static void a_repetition_is_confirmed_when_the_first_is_stored(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_deduplication(core, "x-cache-size=100 x-cache-persistence=disk");
    run(core,
        "1.1 basic.publish x k a persistent x-deduplication-header=1\n1.1 confirm.select\n"
        "1.1 basic.publish x k b persistent x-deduplication-header=1",
        "1.1 confirm.select-ok\n");
    assert_true(core_submit(core));
    run(core, "1.1 basic.publish x k c persistent x-deduplication-header=1", "");
    commit(core, "1.1 ack 2 multiple\n");
    run(core, "1.1 basic.publish x k d persistent x-deduplication-header=1", "1.1 ack 3\n");
}

static void a_value_is_forgotten_in_time(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_deduplication(core, "x-cache-size=100 x-cache-ttl=1000");
    run(core,
        "1.1 basic.publish x k a x-deduplication-header=1\n"
        "1.1 basic.publish x k b x-deduplication-header=2 x-cache-ttl=5000",
        "");
    pass(core, 998, "");
    run(core, "1.1 basic.publish x k c x-deduplication-header=1", "");
    assert_queue(core, "q", "2 0 0");
    pass(core, 1, "");
    run(core,
        "1.1 basic.publish x k d x-deduplication-header=1\n"
        "1.1 basic.publish x k e x-deduplication-header=2",
        "");
    assert_queue(core, "q", "3 0 0");
    pass(core, 4000, "");
    run(core, "1.1 basic.publish x k f x-deduplication-header=2", "");
    assert_queue(core, "q", "4 0 0");
}

static void the_oldest_value_makes_room(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_deduplication(core, "x-cache-size=2");
    run(core,
        "1.1 basic.publish x k a x-deduplication-header=1\n"
        "1.1 basic.publish x k b x-deduplication-header=2\n"
        "1.1 basic.publish x k c x-deduplication-header=3\n"
        "1.1 basic.publish x k d x-deduplication-header=3\n"
        "1.1 basic.publish x k e x-deduplication-header=2\n"
        "1.1 basic.publish x k f x-deduplication-header=1",
        "");
    assert_queue(core, "q", "4 0 0");
}

/* "disk" outlives a crash, "memory" does not; what was forgotten stays forgotten. */
static void values_on_disk_outlive_a_crash(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_deduplication(core, "x-cache-size=2 x-cache-persistence=disk");
    run(core,
        "1.1 confirm.select\n1.1 basic.publish x k a x-deduplication-header=1\n"
        "1.1 basic.publish x k b x-deduplication-header=2\n"
        "1.1 basic.publish x k c x-deduplication-header=3",
        "1.1 confirm.select-ok\n");
    commit(core, "1.1 ack 3 multiple\n");
    core_crash(core);
    reconnect(core);
    run(core,
        "1.1 basic.publish x k d x-deduplication-header=2\n"
        "1.1 basic.publish x k e x-deduplication-header=3\n"
        "1.1 basic.publish x k f x-deduplication-header=1",
        "");
    assert_queue(core, "q", "1 0 0");
    commit(core, "");
    core_crash(core);
    reconnect(core);
    run(core,
        "1.1 basic.publish x k g x-deduplication-header=1\n"
        "1.1 basic.publish x k h x-deduplication-header=2\n1.1 exchange.delete x",
        "");
    assert_queue(core, "q", "1 0 0");
    commit(core, "1.1 exchange.delete-ok\n");
    core_crash(core);
}

static void values_in_memory_go_with_it(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    declare_deduplication(core, "x-cache-size=2");
    run(core, "1.1 basic.publish x k a persistent x-deduplication-header=1", "");
    commit(core, "");
    core_crash(core);
    reconnect(core);
    run(core, "1.1 basic.publish x k a persistent x-deduplication-header=1", "");
    assert_queue(core, "q", "2 0 0");
}

/* --- policies */

static void set_policy(struct core *core, const char *pattern, struct buffer definition)
{
    struct policies *policies = policies_new();
    char reason[100];
    struct policy_source source = {
        .name = bytes_of_text("p"),
        .pattern = bytes_of_text(pattern),
        .apply_to = bytes_of_text("exchanges"),
        .definition = buffer_bytes(&definition),
    };
    if (definition.size > 0)
        assert_true(policies_add(policies, &source, reason, sizeof reason));
    vhost_set_policies(core->vhost, policies);
    buffer_fini(&definition);
}

static struct buffer alternate(const char *name)
{
    struct buffer definition = {0};
    amqp_table_add_text(&definition, "alternate-exchange", name);
    return definition;
}

/* An argument goes before the policy; routes that were known are looked up anew. */
static void a_policy_names_an_alternate_exchange(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 exchange.declare plain direct\n"
        "1.1 exchange.declare own direct alternate-exchange=amq.direct\n1.1 queue.declare q\n"
        "1.1 queue.bind q amq.fanout x\n1.1 queue.declare r\n1.1 queue.bind r amq.direct k\n"
        "1.1 basic.publish plain k a mandatory",
        "1.1 exchange.declare-ok\n1.1 exchange.declare-ok\n1.1 queue.declare-ok q 0 0\n"
        "1.1 queue.bind-ok\n1.1 queue.declare-ok r 0 0\n1.1 queue.bind-ok\n"
        "1.1 basic.return 312 NO_ROUTE a\n");
    set_policy(core, "^(plain|own|new)$", alternate("amq.fanout"));
    run(core,
        "1.1 basic.publish plain k b mandatory\n1.1 basic.publish own k c mandatory\n"
        "1.1 exchange.declare new direct\n1.1 basic.publish new k d mandatory",
        "1.1 exchange.declare-ok\n");
    assert_queue(core, "q", "2 0 0");
    assert_queue(core, "r", "1 0 0");
    set_policy(core, "", (struct buffer){0});
    run(core, "1.1 basic.publish plain k e mandatory\n1.1 basic.publish own k f mandatory",
        "1.1 basic.return 312 NO_ROUTE e\n");
    assert_queue(core, "r", "2 0 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(a_delayed_exchange_names_a_type),
        core_test(messages_come_when_they_are_due),
        core_test(equal_delays_keep_their_order),
        core_test(what_is_no_delay_is_routed_at_once),
        core_test(mandatory_never_returns_what_waits),
        core_test(bindings_count_when_the_message_is_due),
        core_test(a_delayed_exchange_is_one_of_several),
        core_test(delays_go_with_their_exchange),
        core_test(a_delay_is_confirmed_when_it_is_stored),
        core_test(what_was_due_meanwhile_comes_at_once),
        core_test(a_delay_that_ends_before_it_is_stored),
        core_test(more_delays_than_memory_come_once),
        core_test(delays_keep_coming_while_others_leave),
        core_test(a_history_has_a_length),
        core_test(who_is_bound_later_gets_the_last_messages),
        core_test(twenty_messages_are_kept_by_default),
        core_test(an_exchange_gets_the_history_too),
        core_test(a_history_outlives_a_crash),
        core_test(a_long_history_forgets_in_the_store),
        core_test(a_cache_has_a_size),
        core_test(a_value_passes_once),
        core_test(a_repetition_has_no_route),
        core_test(a_repetition_is_confirmed_when_the_first_is_stored),
        core_test(a_value_is_forgotten_in_time),
        core_test(the_oldest_value_makes_room),
        core_test(values_on_disk_outlive_a_crash),
        core_test(values_in_memory_go_with_it),
        core_test(a_policy_names_an_alternate_exchange),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
