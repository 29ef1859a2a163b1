/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes on while much goes on: messages leave by themselves beside busy publishers and under
 * load, lists do not grow for ever, and nothing that is too long or too many ends the server.
 */
#include "core_fixture.h"

#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/xmalloc.h"
#include "broker/channel.h"
#include "broker/queue_life.h"

/* A publish of session 1, channel 1 with a history of one death and a delay. */
static void publish_with_death(struct core *core, const char *exchange, const char *key,
                               const char *queue, const char *reason, int64_t delay_ms)
{
    struct buffer headers = {0}, raw = {0};
    size_t array = amqp_table_add_array_begin(&headers, "x-death");
    size_t table = amqp_array_add_table_begin(&headers);
    amqp_table_add_int(&headers, "count", 1);
    amqp_table_add_text(&headers, "reason", reason);
    amqp_table_add_text(&headers, "queue", queue);
    amqp_table_end(&headers, table);
    amqp_table_end(&headers, array);
    amqp_table_add_int(&headers, "x-delay", delay_ms);
    struct amqp_properties properties = {.flags = AMQP_PROPERTY_HEADERS,
                                         .headers = buffer_bytes(&headers)};
    amqp_properties_encode(&raw, &properties);
    struct command_batch *batch = command_batch_new();
    struct command *command = command_batch_add(batch);
    *command =
        (struct command){.kind = COMMAND_PUBLISH, .channel = 1, .session = core->sessions[1]};
    command->message = message_new(bytes_of_text(exchange), bytes_of_text(key), buffer_bytes(&raw),
                                   bytes_of_text("again"));
    vhost_apply(core->vhost, batch, ++core->now_ms);
    command_batch_free(batch);
    buffer_fini(&headers);
    buffer_fini(&raw);
}

/* Runs a script whatever its answers are. */
static void quiet_run(struct core *core, const char *script)
{
    run(core, script, NULL);
    core->transcript.size = 0;
}

/* One input with the line so many times. */
static void run_repeated(struct core *core, const char *line, int count)
{
    struct buffer lines = {0};
    for (int i = 0; i < count; i++)
        buffer_append_format(&lines, "%s\n", line);
    buffer_append_u8(&lines, 0);
    quiet_run(core, (char *)lines.data);
    buffer_fini(&lines);
}

/* A line that publishes size times x to the queue, with what follows; owned by the caller. */
static char *big_publish(const char *queue, int size, const char *rest)
{
    struct buffer line = {0};
    buffer_append_format(&line, "1.1 basic.publish - %s ", queue);
    for (int i = 0; i < size; i++)
        buffer_append_u8(&line, 'x');
    buffer_append_format(&line, "%s", rest);
    buffer_append_u8(&line, 0);
    return (char *)line.data;
}

static void quiet_complete(struct core *core)
{
    uint64_t number = model_store_commit(core->store);
    if (number != 0)
        vhost_complete(core->vhost, number, ++core->now_ms);
    quiet_run(core, "");
}

static void quiet_commit(struct core *core)
{
    while (core_submit(core) || model_store_has_submitted(core->store))
        quiet_complete(core);
}

static void quiet_answer(struct core *core)
{
    while (core->read_count > 0) {
        struct store_read read = core->reads[--core->read_count];
        struct store_read_result *result = model_store_read(core->store, &read, 1);
        vhost_read_done(core->vhost, result, ++core->now_ms);
        store_read_result_free(result);
        quiet_run(core, "");
    }
}

/* A client publishes again what has died in q, with a delay, back to q. */
static void a_delayed_retry_reaches_its_queue(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 exchange.declare d x-delayed-message x-delayed-type=direct no-wait\n"
        "1.1 queue.declare q no-wait\n1.1 queue.bind q d k no-wait",
        "");
    publish_with_death(core, "d", "k", "q", "expired", 0); /* without a delay it comes */
    run(core, "", "");
    assert_queue(core, "q", "1 0 0");
    publish_with_death(core, "d", "k", "q", "expired", 1000);
    pass(core, 1000, "");
    assert_queue(core, "q", "2 0 0");
}

/* Delays while somebody else keeps the store busy. */
static void delays_come_while_the_store_is_busy(void **state)
{
    (void)state;
    struct core core_, *core = &core_;
    struct vhost_config config;
    vhost_config_init(&config);
    config.unstored_bytes_max = 1 << 16;
    core_init_with(core, &config);
    core_open(core, 1, 1);
    run(core,
        "1.1 exchange.declare d x-delayed-message x-delayed-type=direct no-wait\n"
        "1.1 queue.declare q no-wait\n1.1 queue.bind q d k no-wait\n"
        "1.1 queue.declare other durable no-wait\n1.1 basic.publish d k a x-delay=100",
        "");
    commit(core, "");
    char *line = big_publish("other", 5000, " persistent");
    run(core, line, "");
    for (int i = 0; i < 2000; i++) { /* every batch is committed at once; one is always under way */
        core_submit(core);
        run(core, line, "");
        pass(core, 5, "");
        complete(core, "");
    }
    free(line);
    assert_queue(core, "q", "1 0 0");
    core_fini(core);
}

/* What expires, without dead letters, costs the store nothing to speak of. */
static void expiry_keeps_up_while_the_store_is_busy(void **state)
{
    (void)state;
    struct core core_, *core = &core_;
    struct vhost_config config;
    vhost_config_init(&config);
    config.unstored_bytes_max = 1 << 16;
    core_init_with(core, &config);
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q durable no-wait x-message-ttl=10", "");
    commit(core, "");
    char *line = big_publish("q", 100, " persistent");
    run_repeated(core, line, 100);
    for (int i = 0; i < 100; i++) { /* 100 messages in 5 ms, 20,000/s; each lives for 10 ms */
        core_submit(core);
        run_repeated(core, line, 100);
        core->now_ms += 3;
        complete(core, "");
    }
    struct queue_status status;
    vhost_queue_status(core->vhost, bytes_of_text("q"), &status);
    assert_true(status.ready < 1000);
    free(line);
    core_fini(core);
}

/* Declares q with a key for dead letters that no message can have. */
static void declare_with_long_key(struct core *core, const char *flags)
{
    char line[700], key[301];
    core_open(core, 1, 1);
    memset(key, 'k', 300);
    key[300] = 0;
    snprintf(line, sizeof line,
             "1.1 queue.declare q%s no-wait x-dead-letter-exchange=amq.fanout "
             "x-dead-letter-routing-key=%s",
             flags, key);
    run(core, line, "");
}

static void a_long_dead_letter_key_does_not_end_the_server(void **state)
{
    struct core *core = *state;
    declare_with_long_key(core, "");
    run(core, "1.1 basic.publish - q a\n1.1 basic.get q\n1.1 basic.reject 1", NULL);
}

/* Exchanges that go one after the other. */
static void a_long_chain_of_auto_delete_exchanges_goes(void **state)
{
    struct core *core = *state;
    enum { COUNT = 100000 };
    struct buffer lines = {0};
    core_open(core, 1, 1);
    for (int i = 0; i < COUNT; i++)
        buffer_append_format(&lines, "1.1 exchange.declare e%d fanout auto-delete no-wait\n", i);
    for (int i = 1; i < COUNT; i++)
        buffer_append_format(&lines, "1.1 exchange.bind e%d e%d - no-wait\n", i - 1, i);
    buffer_append_u8(&lines, 0);
    run(core, (char *)lines.data, "");
    run(core, "1.1 exchange.delete e0 no-wait", "");
    buffer_fini(&lines);
}

/* Commands behind a channel that waits again and again. */
static void what_is_deferred_needs_no_more_memory_for_ever(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q durable no-wait\n1.1 queue.declare q durable", "");
    struct channel *channel = channel_find(core->sessions[1], 1);
    for (int i = 0; i <= 20000; i++) {
        /* a client that is always two commands ahead */
        char line[200];
        snprintf(line, sizeof line, "1.1 queue.declare q%d durable\n1.1 queue.delete q%d", i, i);
        quiet_run(core, line);
        for (int k = 0; k < 2; k++) {
            core_submit(core);
            quiet_complete(core);
        }
    }
    assert_true(channel->deferred_capacity < 64 + 4 * channel->deferred_count);
}

/* A message behind one without an expiry, in the store, while its consumer does nothing. */
static void what_is_in_the_store_expires_behind_what_was_delivered(void **state)
{
    (void)state;
    struct core core_, *core = &core_;
    struct vhost_config config;
    vhost_config_init(&config);
    config.lane_bytes_max = 1000;
    core_init_with(core, &config);
    core_open(core, 1, 2);
    run(core, "1.1 queue.declare q durable no-wait\n1.1 basic.publish - q first persistent", "");
    quiet_commit(core);
    run(core, "1.1 basic.get q no-ack", NULL); /* the mark covers what comes next */
    quiet_commit(core);
    char *stays = big_publish("q", 600, " persistent");
    char *expires = big_publish("q", 600, " persistent expiration=1000");
    run(core, stays, "");
    run(core, expires, "");
    run(core, expires, "");
    free(stays);
    free(expires);
    commit(core, "");
    run(core, "1.1 basic.publish - q last persistent expiration=1000",
        ""); /* memory is given back */
    quiet_run(core, "1.2 basic.qos 1\n1.2 basic.consume q c");
    quiet_commit(core);
    quiet_answer(core);
    assert_queue(core, "q", "3 1 1");
    for (int i = 0; i < 100; i++) {
        struct command_batch nothing = {0};
        vhost_apply(core->vhost, &nothing, core->now_ms += 1000);
        quiet_run(core, "");
        quiet_answer(core);
    }
    assert_queue(core, "q", "0 1 1");
    core_fini(core);
}

/* What a client gets before recover-ok would be put back by it, as far as it knows. */
static void nothing_is_delivered_while_a_channel_recovers(void **state)
{
    (void)state;
    struct core core_, *core = &core_;
    struct vhost_config config;
    vhost_config_init(&config);
    config.settle_slice = 2;
    core_init_with(core, &config);
    core_open(core, 1, 2);
    quiet_run(core, "1.1 queue.declare q no-wait\n1.1 queue.declare r no-wait\n"
                    "1.2 basic.consume q c no-wait\n1.2 basic.consume r d no-wait");
    run_repeated(core, "1.1 basic.publish - q a", 100);
    run(core, "1.2 basic.recover requeue", "");
    run(core, "1.1 basic.publish - r late", "");
    do {
        buffer_clear(&core->transcript);
        run(core, "", NULL);
    } while (core->transcript.data[0] == 0);
    const char *reply = strstr((char *)core->transcript.data, "basic.recover-ok");
    const char *late = strstr((char *)core->transcript.data, "late");
    assert_non_null(reply);
    assert_true(late == NULL || late > reply);
    for (int i = 0; i < 200 && late == NULL; i++) {
        buffer_clear(&core->transcript);
        run(core, "", NULL);
        late = strstr((char *)core->transcript.data, "late");
    }
    assert_non_null(late);
    core_fini(core);
}

/* But for those that look when a first message expires. */
static size_t reads_under_way(const struct core *core)
{
    size_t count = 0;
    for (size_t i = 0; i < core->read_count; i++)
        count += core->reads[i].count_max > 1;
    return count;
}

/* A consumer of very many queues in the store: their heads are read a few at a time, each is
 * delivered before it leaves memory again, and none is read twice. */
static void very_many_queues_are_read_in_turn(void **state)
{
    (void)state;
    enum { QUEUES = 75, OF_A_CHANNEL = 15, READS_MAX = 4 };
    struct core core_, *core = &core_;
    struct vhost_config config;
    char line[120];
    vhost_config_init(&config);
    config.window_bytes_max = config.lane_bytes_max = 1;
    config.reads_max = READS_MAX;
    core_init_with(core, &config);
    core_open(core, 1, 2);
    for (int i = 0; i < QUEUES; i++) {
        snprintf(line, sizeof line,
                 "1.1 queue.declare q%d durable no-wait\n1.1 basic.publish - q%d a persistent", i,
                 i);
        run(core, line, "");
    }
    quiet_commit(core);
    core_restart(core);
    core_open(core, 1, QUEUES / OF_A_CHANNEL);
    for (int i = 0; i < QUEUES; i++) {
        snprintf(line, sizeof line, "1.%d basic.consume q%d c%d no-wait", 1 + i / OF_A_CHANNEL, i,
                 i);
        run(core, line, "");
        assert_true(reads_under_way(core) <= READS_MAX);
    }
    size_t reads = 0;
    while (core->read_count > 0) {
        assert_true(reads_under_way(core) <= READS_MAX);
        struct store_read read = core->reads[--core->read_count];
        struct store_read_result *result = model_store_read(core->store, &read, 10);
        vhost_read_done(core->vhost, result, ++core->now_ms);
        store_read_result_free(result);
        quiet_run(core, "");
        quiet_commit(core);
        reads++;
    }
    assert_int_equal(core_counters(core).delivered, QUEUES);
    assert_true(reads < 2 * QUEUES + READS_MAX);
    core_fini(core);
}

/* A message for each of so many queues in turn, so many times; then consumers of all of them, in
 * one input. */
static void consume_what_came_in_turn(struct core *core, int queues, int of_each, int of_a_channel)
{
    char line[120];
    for (int i = 0; i < queues; i++) {
        snprintf(line, sizeof line, "1.1 queue.declare q%d durable no-wait", i);
        run(core, line, "");
    }
    for (int i = 0; i < queues * of_each; i++) {
        snprintf(line, sizeof line, "1.1 basic.publish - q%d a persistent", i % queues);
        run(core, line, "");
    }
    quiet_commit(core);
    core_restart(core);
    pass(core, 1000, "");
    core_settle(core, 1); /* the first of each lane was read: it might expire */
    core_open(core, 1, (unsigned)(queues / of_a_channel));
    struct buffer all = {0};
    for (int i = 0; i < queues; i++)
        buffer_append_format(&all, "1.%d basic.consume q%d c%d no-ack no-wait\n",
                             1 + i / of_a_channel, i, i);
    buffer_append_u8(&all, '\0');
    run(core, (char *)all.data, "");
    buffer_fini(&all);
    quiet_commit(core);
}

/* All that was asked for; counts the messages read of each lane. */
static void answer_together(struct core *core, size_t rows_max, size_t *seen)
{
    size_t count = core->read_count;
    struct store_read *reads = core->reads;
    core->reads = NULL;
    core->read_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct store_read_result *result = model_store_read(core->store, &reads[i], rows_max);
        seen[reads[i].lane] += result->count;
        vhost_read_done(core->vhost, result, ++core->now_ms);
        store_read_result_free(result);
        quiet_run(core, "");
    }
    free(reads);
}

/* Lanes whose turn it is are read to the end before others begin, so that few are half read at a
 * time, and are asked for together, so that neighbours share what is read. */
static void neighbours_are_read_together(void **state)
{
    (void)state;
    enum { QUEUES = 60, OF_EACH = 40, OF_A_CHANNEL = 15, AT_ONCE = 10, READS_MAX = 8 };
    struct core core_, *core = &core_;
    struct vhost_config config;
    size_t seen[QUEUES + 1] = {0}, times = 0;
    vhost_config_init(&config);
    config.reads_max = READS_MAX;
    core_init_with(core, &config);
    core_open(core, 1, 1);
    consume_what_came_in_turn(core, QUEUES, OF_EACH, OF_A_CHANNEL);
    for (; core->read_count > 0; times++) {
        size_t half_read = 0;
        answer_together(core, AT_ONCE, seen);
        quiet_commit(core);
        for (size_t i = 1; i <= QUEUES; i++)
            half_read += seen[i] > 0 && seen[i] < OF_EACH - 1;
        assert_true(half_read <= READS_MAX);
    }
    for (size_t i = 1; i <= QUEUES; i++)
        assert_int_equal(seen[i], OF_EACH - 1);
    assert_int_equal(core_counters(core).delivered_no_ack, QUEUES * OF_EACH);
    assert_true(times <= 2 * (QUEUES * OF_EACH / AT_ONCE) / READS_MAX);
    core_fini(core);
}

/* A consumer that takes nothing more keeps the turn of its queue no longer where somebody sets the
 * clock back. */
static void turns_end_when_the_clock_goes_back(void **state)
{
    (void)state;
    enum { HOUR_MS = 3600000 };
    struct core core_, *core = &core_;
    struct vhost_config config;
    vhost_config_init(&config);
    config.reads_max = 1;
    core_init_with(core, &config);
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q durable no-wait\n1.1 queue.declare r durable no-wait", "");
    run_repeated(core, "1.1 basic.publish - q a persistent", 20);
    run_repeated(core, "1.1 basic.publish - r a persistent", 4);
    quiet_commit(core);
    core_restart(core);
    pass(core, HOUR_MS, "");
    core_settle(core, 1); /* the first of each lane was read: it might expire */
    core->session_config.output_bytes = 1;
    core_open(core, 1, 1);
    core->session_config.output_bytes = 1u << 30;
    core_open(core, 2, 1);
    quiet_run(core, "1.1 basic.consume q slow no-ack no-wait");
    core_settle(core, 20);
    quiet_run(core, "1.0 credit 300");
    core_settle(core, 20);
    quiet_run(core, "2.1 basic.consume r c no-ack no-wait");
    core_settle(core, 20);
    uint64_t of_slow = core_counters(core).delivered_no_ack - 1;
    assert_true(of_slow < 10);
    core->now_ms -= HOUR_MS;
    quiet_run(core, "");
    core_settle(core, 20);
    assert_int_equal(core_counters(core).delivered_no_ack, of_slow + 4);
    core_fini(core);
}

/* Who waits for a queue whose turn has not come hears when it is purged meanwhile. */
static void a_queue_is_purged_before_it_is_read(void **state)
{
    (void)state;
    struct core core_, *core = &core_;
    struct vhost_config config;
    vhost_config_init(&config);
    config.window_bytes_max = config.lane_bytes_max = 1;
    config.reads_max = 1;
    core_init_with(core, &config);
    core_open(core, 1, 3);
    quiet_run(core, "1.1 queue.declare q durable no-wait\n1.1 queue.declare r durable no-wait\n"
                    "1.1 basic.publish - q a persistent\n1.1 basic.publish - r b persistent");
    quiet_commit(core);
    run(core, "", "");
    run(core, "1.1 basic.get q no-ack\n1.2 basic.get r no-ack", "");
    run(core, "1.3 queue.purge r no-wait", "");
    quiet_commit(core);
    core_settle(core, 1);
    run(core, "", NULL);
    assert_non_null(strstr((char *)core->transcript.data, "1.1 basic.get-ok"));
    assert_non_null(strstr((char *)core->transcript.data, "1.2 basic.get-empty"));
    core_fini(core);
}

/* Letters that found no place go in slices, too. */
static void parked_letters_leave_in_slices(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    run(core,
        "1.1 queue.declare q durable no-wait x-queue-type=quorum x-dead-letter-exchange=dlx "
        "x-dead-letter-strategy=at-least-once x-overflow=reject-publish x-message-ttl=100",
        "");
    run_repeated(core, "1.1 basic.publish - q a", 20000);
    quiet_commit(core);
    for (int i = 0; i < 2000; i++) {
        pass(core, i == 0 ? 100 : 1, "");
        quiet_commit(core);
    }
    assert_queue(core, "q", "0 0 0");
    run(core,
        "1.1 exchange.declare dlx fanout no-wait\n1.1 queue.declare dead durable no-wait\n"
        "1.1 queue.bind dead dlx - no-wait",
        "");
    struct parked_letters *parked = queue_find(core->vhost, bytes_of_text("q"))->parked;
    quiet_commit(core);
    uint64_t now_ms = core->now_ms, due_ms = timer_due_ms(&parked->timer);
    pass(core, due_ms - now_ms, ""); /* one input */
    struct queue_status status;
    vhost_queue_status(core->vhost, bytes_of_text("dead"), &status);
    assert_true(status.ready <= 4096);
}

/* What waits for replies is no queue of the vhost's. */
static void reply_queues_are_not_limited(void **state)
{
    struct core *core = *state;
    core_open(core, 1, 1);
    vhost_set_limits(core->vhost, &(struct vhost_limits){1, UINT64_MAX, UINT64_MAX, UINT64_MAX});
    run(core, "1.1 basic.consume amq.rabbitmq.reply-to c no-ack\n1.1 queue.declare q",
        "1.1 basic.consume-ok c\n1.1 queue.declare-ok q 0 0\n");
}

/* Nobody's memory grows while messages are fetched all the time. */
static void fetches_need_no_more_memory_for_ever(void **state)
{
    struct core *core = *state;
    enum { COUNT = 3000 };
    char line[100];
    core_open(core, 1, 1);
    run(core, "1.1 queue.declare q durable no-wait x-dead-letter-exchange=amq.fanout", "");
    run_repeated(core, "1.1 basic.publish - q a persistent", COUNT);
    quiet_commit(core);
    for (int i = 0; i < COUNT; i++) {
        quiet_run(core, "1.1 basic.get q");
        quiet_commit(core);
    }
    assert_queue(core, "q", "0 3000 0");
    const struct lane *lane = &queue_find(core->vhost, bytes_of_text("q"))->lane;
    for (int i = 1; i <= COUNT; i++) {
        snprintf(line, sizeof line, "1.1 basic.reject %d", i);
        run(core, line, "");
        if (i > 1)
            answer(core, 1, "");
    }
    assert_true(lane_fetches(lane)->capacity < 100);
}

/* And such a queue may be in the store already. */
static void a_long_key_in_a_durable_queue_after_a_restart(void **state)
{
    struct core *core = *state;
    declare_with_long_key(core, " durable x-message-ttl=1000");
    run(core, "1.1 basic.publish - q a persistent", "");
    quiet_commit(core);
    core_crash(core);
    pass(core, 2000, "");
    answer_all(core, "");
    pass(core, 2000, "");
}

/* A message for each of so many queues, in inputs of 500, each on disk before the next comes. */
static void publish_to_many(struct core *core, int count)
{
    for (int i = 0; i < count;) {
        struct buffer lines = {0};
        do
            buffer_append_format(&lines, "1.1 basic.publish - q%d body persistent\n", i);
        while (++i % 500 != 0);
        buffer_append_u8(&lines, 0);
        quiet_run(core, (char *)lines.data);
        quiet_commit(core);
        buffer_fini(&lines);
    }
}

/* What memory holds is bounded also where each queue has a message or two there. */
static void very_many_queues_keep_to_the_memory(void **state)
{
    enum { QUEUES = 4000, MEMORY = 20000, OF_AN_INPUT = 500 * 200 };
    (void)state;
    struct core core;
    struct vhost_config config;
    struct buffer lines = {0};
    vhost_config_init(&config);
    config.window_bytes_max = MEMORY;
    core_init_with(&core, &config);
    core_open(&core, 1, 1);
    for (int i = 0; i < QUEUES; i++)
        buffer_append_format(&lines, "1.1 queue.declare q%d durable no-wait\n", i);
    buffer_append_u8(&lines, 0);
    quiet_run(&core, (char *)lines.data);
    quiet_commit(&core);
    for (int round = 0; round < 3; round++) {
        publish_to_many(&core, QUEUES);
        assert_in_range(core_counters(&core).window_bytes, 1, MEMORY + OF_AN_INPUT);
    }
    assert_queue(&core, "q17", "3 0 0");
    buffer_fini(&lines);
    core_fini(&core);
}

/* --- policies for very many queues */

/* A policy with a max-length for all queues, behind so many others whose pattern is hard to match.
 */
static void set_policies(struct core *core, int64_t max_length, int hard_count)
{
    struct policies *policies = policies_new();
    struct buffer definition = {0};
    char reason[100];
    amqp_table_add_int(&definition, "max-length", max_length);
    struct policy_source source = {
        .name = bytes_of_text("p"),
        .pattern = bytes_of_text("^a"),
        .apply_to = bytes_of_text("queues"),
        .definition = buffer_bytes(&definition),
    };
    assert_true(policies_add(policies, &source, reason, sizeof reason));
    source.pattern = bytes_of_text("^(a+)+$");
    for (source.priority = 1; source.priority <= hard_count; source.priority++)
        assert_true(policies_add(policies, &source, reason, sizeof reason));
    vhost_set_policies(core->vhost, policies);
    buffer_fini(&definition);
}

static void declare_many(struct core *core, int count)
{
    struct buffer lines = {0};
    core_open(core, 1, 1);
    for (int i = 0; i < count; i++)
        buffer_append_format(
            &lines, "1.1 queue.declare aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-%d no-wait\n", i);
    buffer_append_u8(&lines, 0);
    quiet_run(core, (char *)lines.data);
    buffer_fini(&lines);
}

static size_t count_obedient(const struct core *core, uint64_t max_length)
{
    struct hash_node *node = NULL;
    size_t count = 0;
    while ((node = hash_table_next(&core->vhost->queues, node)) != NULL)
        count += container_of(node, struct queue, by_name)->settings->max_length == max_length;
    return count;
}

/* Until nothing is due at once; the most queues that one input changed. */
static size_t obey(struct core *core, uint64_t max_length)
{
    size_t most = 0, before = count_obedient(core, max_length);
    for (int i = 0; i < 10000 && vhost_deadline(core->vhost) == 0; i++) {
        quiet_run(core, "");
        size_t now = count_obedient(core, max_length);
        most = now - before > most ? now - before : most;
        before = now;
    }
    return most;
}

static void policies_are_obeyed_in_slices(void **state)
{
    struct core *core = *state;
    declare_many(core, 3000);
    set_policies(core, 7, 0);
    assert_int_equal(count_obedient(core, 7), 0);
    assert_int_equal(vhost_deadline(core->vhost), 0);
    assert_in_range(obey(core, 7), 1, 1024);
    assert_int_equal(count_obedient(core, 7), 3000);
}

/* Nobody waits for the one before, and none is kept for ever. */
static void policies_may_change_while_they_are_obeyed(void **state)
{
    struct core *core = *state;
    declare_many(core, 3000);
    for (uint64_t length = 1; length <= 300; length++) {
        set_policies(core, (int64_t)length, 0);
        quiet_run(core, "");
        assert_in_range(count_obedient(core, length), 1, 1024);
        assert_in_range(core->vhost->former_policy_count, 0, 100);
    }
    obey(core, 300);
    assert_int_equal(count_obedient(core, 300), 3000);
    assert_int_equal(core->vhost->former_policy_count, 0);
}

static void count_row(void *context, const struct queue_status *status)
{
    assert_true(bytes_equal_text(policy_name(status->policy), "p"));
    ++*(size_t *)context;
}

/* Slices are smaller where queues take longer, those of listings too. */
static void patterns_that_are_hard_make_slices_small(void **state)
{
    struct core *core = *state;
    size_t listed = 0;
    struct vhost_listing listing = {0};
    const struct vhost_visitor visitor = {.queue = count_row, .context = &listed};
    declare_many(core, 50);
    set_policies(core, 7, 40);
    vhost_list(core->vhost, &listing, &visitor, 50);
    assert_in_range(listed, 1, 8); /* a bucket */
    while (!listing.is_done)
        vhost_list(core->vhost, &listing, &visitor, 50);
    assert_int_equal(listed, 50);
    assert_in_range(obey(core, 7), 1, 8);
    assert_int_equal(count_obedient(core, 7), 50);
}

/* --- settling very many */

enum { VERY_MANY = 30000, SLICE_MAX = 2 * 8192 };

/* Session 1 has so many messages of q, unacked on its channel 2; session 2 has a channel. */
static void deliver_very_many(struct core *core, const char *declaration, const char *publish)
{
    core_open(core, 1, 2);
    core_open(core, 2, 2);
    run(core, declaration, "");
    quiet_commit(core);
    run(core, "1.2 basic.consume q c", "1.2 basic.consume-ok c\n");
    run(core, publish, NULL);
    run_repeated(core, publish, VERY_MANY - 1);
    quiet_run(core, "");
    quiet_commit(core);
    assert_queue(core, "q", "0 30000 1");
}

static struct queue_status status_of(struct core *core, const char *queue)
{
    struct queue_status status;
    assert_true(vhost_queue_status(core->vhost, bytes_of_text(queue), &status));
    return status;
}

/* The next slice: false where there is none. What it says stays in the transcript. */
static bool go_on(struct core *core)
{
    struct command_batch nothing = {0};
    if (vhost_deadline(core->vhost) != 0)
        return false;
    vhost_apply(core->vhost, &nothing, core->now_ms);
    vhost_check(core->vhost);
    return true;
}

/* Each leaves so many unacked messages of q fewer, at most; returns their number. */
static int go_on_until_settled(struct core *core, uint64_t most)
{
    int slices = 0;
    uint64_t before = status_of(core, "q").unacked;
    for (; go_on(core); slices++) {
        uint64_t after = status_of(core, "q").unacked;
        assert_true(before - after <= most);
        before = after;
    }
    assert_int_equal(before, 0);
    return slices;
}

/* Nobody else waits for it; what comes behind it on its channel does. */
static void very_many_are_rejected_in_slices(void **state)
{
    struct core *core = *state;
    deliver_very_many(core,
                      "1.1 queue.declare q no-wait x-dead-letter-exchange= "
                      "x-dead-letter-routing-key=dead\n1.1 queue.declare dead no-wait",
                      "1.1 basic.publish - q a");
    run(core, "1.2 basic.nack 0 multiple\n1.2 basic.qos 5\n2.1 queue.declare other",
        "2.1 queue.declare-ok other 0 0\n");
    assert_in_range(status_of(core, "dead").ready, 1, 1024);
    assert_true(go_on_until_settled(core, 1024) > 25);
    run(core, "", "1.2 basic.qos-ok\n");
    assert_queue(core, "dead", "30000 0 0");
}

/* Dead letters are no faster than the store, which is behind after the first slice. */
static void very_many_letters_wait_for_the_store(void **state)
{
    struct core core_, *core = &core_;
    struct vhost_config config;
    (void)state;
    vhost_config_init(&config);
    config.unstored_bytes_max = 1 << 18;
    core_init_with(core, &config);
    deliver_very_many(core,
                      "1.1 queue.declare q no-wait x-dead-letter-exchange= "
                      "x-dead-letter-routing-key=dead\n1.1 queue.declare dead durable no-wait",
                      "1.1 basic.publish - q a persistent");
    run(core, "1.2 basic.nack 30000 multiple", "");
    for (uint64_t before = 0; before < VERY_MANY;) {
        while (go_on(core))
            ;
        uint64_t after = status_of(core, "dead").ready;
        assert_in_range(after - before, 1, 2048);
        before = after;
        core_submit(core);
        quiet_complete(core);
    }
    core_fini(core);
}

static void very_many_are_acked_in_slices(void **state)
{
    struct core *core = *state;
    deliver_very_many(core, "1.1 queue.declare q durable no-wait",
                      "1.1 basic.publish - q a persistent");
    run(core, "1.2 basic.ack 29999 multiple\n1.2 basic.ack 30000\n1.2 basic.ack 30001", "");
    assert_true(status_of(core, "q").unacked >= VERY_MANY - SLICE_MAX);
    assert_true(go_on_until_settled(core, SLICE_MAX) >= 2);
    run(core, "",
        "1.2 channel.close 406 PRECONDITION_FAILED - unknown delivery tag 30001 (60.80)\n");
    quiet_commit(core);
    core_crash(core);
    core_open(core, 1, 1);
    assert_queue(core, "q", "0 0 0");
}

/* What is delivered meanwhile is not among all there are. */
static void what_comes_during_the_slices_stays(void **state)
{
    struct core *core = *state;
    deliver_very_many(core, "1.1 queue.declare q no-wait", "1.1 basic.publish - q a");
    run(core, "1.2 basic.ack 0 multiple", "");
    run(core, "1.1 basic.publish - q new", "1.2 deliver c 30001 new\n");
    while (go_on(core))
        ;
    assert_queue(core, "q", "0 1 1");
    run(core, "1.2 basic.ack 30001", "");
}

/* The queue hands nothing out before all are back in their places. */
static void very_many_are_put_back_in_order(void **state)
{
    struct core *core = *state;
    deliver_very_many(core, "1.1 queue.declare q no-wait", "1.1 basic.publish - q a");
    run(core,
        "1.2 basic.cancel c no-wait\n1.1 basic.publish - q last\n2.1 basic.qos 2\n"
        "1.2 basic.nack 0 multiple requeue\n2.1 basic.consume q d\n2.2 basic.get q\n"
        "1.1 queue.declare other",
        "2.1 basic.qos-ok\n1.1 queue.declare-ok other 0 0\n");
    assert_true(status_of(core, "q").unacked >= VERY_MANY - SLICE_MAX);
    assert_true(go_on(core));
    expect(core, "");
    while (go_on(core))
        ;
    run(core, "1.1 basic.publish - q more",
        "2.1 basic.consume-ok d\n2.2 basic.get-ok 1 redelivered left=30000 a\n"
        "2.1 deliver d 1 redelivered a\n2.1 deliver d 2 redelivered a\n");
    assert_queue(core, "q", "29999 3 1");
}

/* The same by the end of the channel, which is gone at once, and of the connection. */
static void what_a_channel_leaves_is_put_back_in_slices(void **state)
{
    static const char *const ends[] = {"1.2 channel.close", "1.0 gone"};
    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct core core_, *core = &core_;
        core_init(core);
        deliver_very_many(core, "1.1 queue.declare q no-wait", "1.1 basic.publish - q a");
        run(core, "1.1 basic.publish - q second\n1.2 basic.reject 30001 requeue",
            "1.2 deliver c 30001 second\n1.2 deliver c 30002 redelivered second\n");
        quiet_run(core, ends[i]);
        run(core, "2.1 basic.qos 1\n2.1 basic.consume q d\n2.2 queue.declare other",
            "2.1 basic.qos-ok\n2.2 queue.declare-ok other 0 0\n");
        uint64_t left = status_of(core, "q").unacked;
        assert_in_range(left, 1, VERY_MANY - 1);
        while (go_on(core))
            ;
        run(core, "", "2.1 basic.consume-ok d\n2.1 deliver d 1 redelivered a\n");
        assert_queue(core, "q", "30000 1 1");
        core_fini(core);
    }
}

/* The queue goes, or all of the vhost does, while some are back. */
static void the_slices_outlive_their_queue(void **state)
{
    struct core *core = *state;
    deliver_very_many(core, "1.1 queue.declare q no-wait", "1.1 basic.publish - q a");
    quiet_run(core, "1.2 basic.nack 30000 multiple requeue\n2.1 queue.delete q");
    while (go_on(core))
        ;
    run(core, "2.1 queue.declare q", "2.1 queue.declare-ok q 0 0\n");
    assert_int_equal(core_counters(core).unacked, 0);
}

static void the_vhost_ends_between_slices(void **state)
{
    struct core *core = *state;
    deliver_very_many(core, "1.1 queue.declare q no-wait", "1.1 basic.publish - q a");
    run(core, "1.0 gone", NULL);
    assert_int_equal(vhost_deadline(core->vhost), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        core_test(a_delayed_retry_reaches_its_queue),
        cmocka_unit_test(delays_come_while_the_store_is_busy),
        cmocka_unit_test(expiry_keeps_up_while_the_store_is_busy),
        core_test(what_is_deferred_needs_no_more_memory_for_ever),
        cmocka_unit_test(very_many_queues_are_read_in_turn),
        cmocka_unit_test(neighbours_are_read_together),
        cmocka_unit_test(turns_end_when_the_clock_goes_back),
        cmocka_unit_test(a_queue_is_purged_before_it_is_read),
        cmocka_unit_test(nothing_is_delivered_while_a_channel_recovers),
        cmocka_unit_test(what_is_in_the_store_expires_behind_what_was_delivered),
        core_test(fetches_need_no_more_memory_for_ever),
        core_test(parked_letters_leave_in_slices),
        core_test(very_many_are_rejected_in_slices),
        cmocka_unit_test(very_many_letters_wait_for_the_store),
        core_test(very_many_are_acked_in_slices),
        core_test(what_comes_during_the_slices_stays),
        core_test(very_many_are_put_back_in_order),
        cmocka_unit_test(what_a_channel_leaves_is_put_back_in_slices),
        core_test(the_slices_outlive_their_queue),
        core_test(the_vhost_ends_between_slices),
        core_test(reply_queues_are_not_limited),
        cmocka_unit_test(very_many_queues_keep_to_the_memory),
        core_test(policies_are_obeyed_in_slices),
        core_test(policies_may_change_while_they_are_obeyed),
        core_test(patterns_that_are_hard_make_slices_small),
        core_test(a_long_key_in_a_durable_queue_after_a_restart),
        core_test(a_long_dead_letter_key_does_not_end_the_server),
        core_test(a_long_chain_of_auto_delete_exchanges_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
