/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate with real threads: several reactors, each with connections of its own, a pool of store
 * threads, and a store that this file plays: it keeps nothing, and its disk is full when a test
 * says so. What is shown: the order on every connection is the core's, whatever thread ran the
 * core; long work is handed over and goes on; nothing is handed to a reactor that ends; a vhost
 * whose disk is full is in nobody's way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/buffer.h"
#include "base/list.h"
#include "base/xmalloc.h"
#include "runtime/clock.h"
#include "runtime/event_bus.h"
#include "runtime/gate.h"
#include "runtime/store_pool.h"

enum { REACTORS = 3, SESSIONS_EACH = 2, SESSIONS = REACTORS * SESSIONS_EACH };
enum { BATCHES_EACH = 150, PUBLISHES_PER_BATCH = 4, LONG_BACKLOG = 400000 };
enum { DEADLINE_MS = 60000 };
enum { PUBLISHES = REACTORS * BATCHES_EACH * PUBLISHES_PER_BATCH };

/* --- the store */

struct store {
    atomic_bool is_full;
    atomic_bool is_short; /* of space, though a commit finds some */
    atomic_bool is_slow;  /* a commit does not end meanwhile */
    atomic_uint commits, tries;
};

enum store_result store_commit(struct store *store, const struct store_batch *batch)
{
    (void)batch;
    store->tries++;
    while (store->is_slow)
        sched_yield();
    if (store->is_full)
        return STORE_FULL;
    store->commits++;
    return STORE_OK;
}

bool store_read_together(struct store *store, const struct store_read *reads, size_t count,
                         struct store_read_result **results)
{
    (void)store, (void)reads, (void)count, (void)results;
    return false;
}

enum store_result store_maintain(struct store *store, bool is_idle, bool *more)
{
    (void)store, (void)is_idle;
    *more = false;
    return STORE_OK;
}

bool store_wants_checkpoint(const struct store *store)
{
    return store->commits % 8 == 7;
}

enum store_result store_checkpoint(struct store *store)
{
    (void)store;
    return STORE_OK;
}

bool store_is_short_of_space(const struct store *store)
{
    return store->is_full || store->is_short;
}

const char *store_error(const struct store *store)
{
    (void)store;
    return "";
}

void store_close(struct store *store)
{
    free(store);
}

static void on_store_failure(const char *vhost, const char *reason)
{
    fail_msg("store of %s: %s", vhost, reason);
}

/* --- a broker without sockets */

struct broker {
    struct access *access;
    struct mailbox mailboxes[REACTORS];
    struct store_pool *pool;
    struct store *store; /* the gate's */
    struct event_bus *events;
    struct gate *gate;
    struct session *sessions[SESSIONS];
    atomic_bool is_pausing, is_pause_over;
    atomic_uint finished; /* reactors that have all they wait for */
    atomic_bool is_over;
    size_t guest_count; /* of the mailboxes, the last ones */
};

/* Lasts until the test ends it. */
static void pause_long(void *context)
{
    struct broker *broker = context;
    broker->is_pausing = true;
    while (!broker->is_pause_over)
        sched_yield();
}

static struct gate *make_gate(struct broker *broker, struct store **store)
{
    struct vhost_config config;
    vhost_config_init(&config);
    config.reactor_count = REACTORS;
    config.event_interest = event_bus_interest(broker->events);
    config.has_event_exchange = broker->gate == NULL;
    *store = xcalloc(1, sizeof **store);
    struct gate_config gate_config = {
        .vhost = vhost_new(&config, broker->access),
        .store = *store,
        .pool = broker->pool,
        .mailboxes = broker->mailboxes,
        .reactor_count = REACTORS,
        .guest_count = broker->guest_count,
        .events = broker->events,
        .pause = pause_long,
        .pause_context = broker,
    };
    return gate_new(&gate_config);
}

static void start_with_guests(struct broker *broker, size_t store_threads, size_t guest_count)
{
    memset(broker, 0, sizeof *broker);
    broker->guest_count = guest_count;
    broker->access = access_new_open();
    for (size_t i = 0; i < REACTORS; i++)
        mailbox_init(&broker->mailboxes[i]);
    broker->pool = store_pool_new(store_threads, NULL, on_store_failure);
    broker->events = event_bus_new();
    broker->gate = make_gate(broker, &broker->store);
    event_bus_attach(broker->events, broker->gate);
}

static void start(struct broker *broker, size_t store_threads)
{
    start_with_guests(broker, store_threads, 0);
}

/* --- commands */

static void add_method(struct command_batch *batch, struct session *session,
                       const struct amqp_method *method)
{
    struct buffer payload = {0};
    struct amqp_error error;
    amqp_method_encode(&payload, method);
    struct command_method *decoded =
        command_method_decode(buffer_bytes(&payload), AMQP_TABLE_DEPTH_MAX, &error);
    assert_non_null(decoded);
    buffer_fini(&payload);
    *command_batch_add(batch) = (struct command){
        .kind = COMMAND_METHOD, .channel = 1, .session = session, .method = decoded};
}

static void add_publish(struct command_batch *batch, struct session *session, const char *exchange,
                        const char *key, uint64_t number)
{
    static const uint8_t persistent[] = {0x10, 0, 2};
    struct message *message =
        message_new(bytes_of_text(exchange), bytes_of_text(key),
                    bytes_of(persistent, sizeof persistent), bytes_of(&number, sizeof number));
    message->is_persistent = true;
    *command_batch_add(batch) = (struct command){
        .kind = COMMAND_PUBLISH, .channel = 1, .session = session, .message = message};
}

/* A session with a channel; handles are the numbers of the sessions. */
static void add_session(struct broker *broker, struct command_batch *batch, size_t number)
{
    struct session_config config = {
        .reactor = number % REACTORS,
        .connection = number,
        .user = "guest",
        .channel_max = 16,
        .output_bytes = 1u << 30,
    };
    broker->sessions[number] = session_new(&config);
    *command_batch_add(batch) =
        (struct command){.kind = COMMAND_SESSION_OPEN, .session = broker->sessions[number]};
    add_method(batch, broker->sessions[number], &(struct amqp_method){.id = AMQP_CHANNEL_OPEN});
}

static void add_queue(struct command_batch *batch, struct session *session, const char *name,
                      bool is_durable)
{
    struct amqp_method declare = {
        .id = AMQP_QUEUE_DECLARE,
        .queue_declare = {.queue = bytes_of_text(name), .durable = is_durable}};
    add_method(batch, session, &declare);
}

/* --- taking mail as a reactor does */

typedef void effect_visitor(void *context, const struct effect *effect);

/* Only wakes. */
static void do_nothing(struct task *task)
{
    (void)task;
}

/* Returns how many other tasks were run: those are gates that were handed over. */
static size_t take_mail(struct mailbox *mailbox, effect_visitor *visit, void *context)
{
    size_t task_count = 0;
    struct mail mail = mailbox_take(mailbox);
    for (struct effect_chunk *chunk = mail.effects.first; chunk != NULL; chunk = chunk->next) {
        for (size_t i = 0; visit != NULL && i < chunk->count; i++)
            visit(context, &chunk->effects[i]);
    }
    effect_chain_clear(&mail.effects);
    while (mail.tasks != NULL) {
        struct task *task = mail.tasks;
        mail.tasks = task->next;
        task_count += task->run != do_nothing;
        task->run(task);
    }
    return task_count;
}

static void sleep_until_woken(struct mailbox *mailbox)
{
    struct pollfd event = {.fd = mailbox->event_fd, .events = POLLIN};
    if (!mailbox_fall_asleep(mailbox))
        return;
    assert_int_equal(poll(&event, 1, DEADLINE_MS), 1);
    mailbox_clear_event(mailbox);
}

static void count_acks(void *context, const struct effect *effect)
{
    uint64_t *acked = context;
    if (effect->kind == EFFECT_ACK)
        *acked = effect->tag;
}

static void stop(struct broker *broker)
{
    gate_stop_handing_over(broker->gate);
    for (size_t i = 0; i < REACTORS; i++)
        take_mail(&broker->mailboxes[i], NULL, NULL);
    gate_drain(broker->gate);
    event_bus_detach(broker->events, broker->gate);
    gate_free(broker->gate);
    event_bus_free(broker->events);
    store_pool_free(broker->pool);
    for (size_t i = 0; i < REACTORS; i++)
        mailbox_fini(&broker->mailboxes[i]);
    access_free(broker->access);
}

/* --- long work */

static void fill_long_queue(struct command_batch *batch, struct session *session)
{
    add_queue(batch, session, "long", false);
    for (uint64_t i = 0; i < LONG_BACKLOG; i++)
        add_publish(batch, session, "", "long", i);
}

/* Leaves so much memory to free that one holder's rounds are not enough. */
static void add_purge(struct command_batch *batch, struct session *session)
{
    struct amqp_method purge = {.id = AMQP_QUEUE_PURGE,
                                .queue_purge = {.queue = bytes_of_text("long")}};
    add_method(batch, session, &purge);
}

static void purge_a_long_queue(struct broker *broker)
{
    struct command_batch *batch = command_batch_new();
    add_session(broker, batch, 1);
    fill_long_queue(batch, broker->sessions[1]);
    add_purge(batch, broker->sessions[1]);
    gate_submit(broker->gate, batch, 1);
}

/* --- the order on every connection */

/* Each session has a queue of its own that gets everything, so all must see the same sequence. */
struct reactor_thread {
    struct broker *broker;
    size_t number;
    pthread_t thread;
    size_t handed_over;
    size_t delivered[SESSIONS];
    uint64_t last_tag[SESSIONS];
    uint64_t confirmed[SESSIONS];
    uint64_t *seen[SESSIONS]; /* bodies in the order of delivery */
};

static void see(void *context, const struct effect *effect)
{
    struct reactor_thread *reactor = context;
    size_t session = effect->connection;
    assert_int_equal(session % REACTORS, reactor->number);
    if (effect->kind == EFFECT_ACK)
        reactor->confirmed[session] += effect->flag ? effect->tag - reactor->confirmed[session] : 1;
    if (effect->kind != EFFECT_DELIVER)
        return;
    assert_int_equal(effect->tag, ++reactor->last_tag[session]);
    assert_true(reactor->delivered[session] < PUBLISHES);
    memcpy(&reactor->seen[session][reactor->delivered[session]++],
           message_body(effect->message).data, sizeof(uint64_t));
}

static void open_fanout_session(struct broker *broker, struct command_batch *batch, size_t number)
{
    char queue[16];
    snprintf(queue, sizeof queue, "q%zu", number);
    add_session(broker, batch, number);
    struct session *session = broker->sessions[number];
    struct amqp_method bind = {
        .id = AMQP_QUEUE_BIND,
        .queue_bind = {.queue = bytes_of_text(queue), .exchange = bytes_of_text("amq.fanout")}};
    struct amqp_method consume = {.id = AMQP_BASIC_CONSUME,
                                  .basic_consume = {.queue = bytes_of_text(queue),
                                                    .consumer_tag = bytes_of_text("c"),
                                                    .no_ack = number % 2 == 0}};
    add_queue(batch, session, queue, number % 3 == 0);
    add_method(batch, session, &bind);
    add_method(batch, session, &consume);
    add_method(batch, session, &(struct amqp_method){.id = AMQP_CONFIRM_SELECT});
}

static void serve(struct reactor_thread *reactor)
{
    struct mailbox *mailbox = &reactor->broker->mailboxes[reactor->number];
    sleep_until_woken(mailbox);
    reactor->handed_over += take_mail(mailbox, see, reactor);
}

/* Are the first so many of its publishes confirmed, and so many messages there? */
static bool has_come(const struct reactor_thread *reactor, size_t published, size_t delivered)
{
    for (size_t i = reactor->number; i < SESSIONS; i += REACTORS) {
        if (reactor->confirmed[i] < published / SESSIONS_EACH || reactor->delivered[i] < delivered)
            return false;
    }
    return true;
}

static void publish_batch(struct reactor_thread *reactor, size_t index)
{
    struct broker *broker = reactor->broker;
    struct command_batch *batch = command_batch_new();
    for (size_t i = 0; i < PUBLISHES_PER_BATCH; i++) {
        size_t session = reactor->number + REACTORS * (i % SESSIONS_EACH);
        uint64_t body = (uint64_t)reactor->number << 32 | (index * PUBLISHES_PER_BATCH + i);
        add_publish(batch, broker->sessions[session], "amq.fanout", "", body);
    }
    if (index == BATCHES_EACH / 4 && reactor->number == 0)
        add_purge(batch, broker->sessions[0]);
    gate_submit(broker->gate, batch, reactor->number);
}

/* One batch at a time is under way, so that the purge outlasts the rounds of any holder. */
static void *run_reactor(void *context)
{
    struct reactor_thread *reactor = context;
    struct broker *broker = reactor->broker;
    for (size_t i = 0; i < BATCHES_EACH; i++) {
        publish_batch(reactor, i);
        while (!has_come(reactor, (i + 1) * PUBLISHES_PER_BATCH, 0))
            serve(reactor);
    }
    while (!has_come(reactor, 0, PUBLISHES))
        serve(reactor);
    broker->finished++;
    while (!broker->is_over)
        serve(reactor);
    return NULL;
}

static void count(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct vhost_counters *counters = context;
    (void)now_ms;
    vhost_count(vhost, counters);
}

/* Until the last one is done a reactor must be there for a gate that is handed over to it. */
static void join_reactors(struct broker *broker, struct reactor_thread *reactors)
{
    struct task wakes[REACTORS] = {{.run = do_nothing}, {.run = do_nothing}, {.run = do_nothing}};
    struct vhost_counters counters;
    while (broker->finished < REACTORS) {
        gate_call(broker->gate, count, &counters);
        gate_tick(broker->gate);
        poll(NULL, 0, 1);
    }
    broker->is_over = true;
    for (size_t i = 0; i < REACTORS; i++)
        mailbox_post_task(&broker->mailboxes[i], &wakes[i]);
    for (size_t i = 0; i < REACTORS; i++)
        pthread_join(reactors[i].thread, NULL);
    for (size_t i = 0; i < REACTORS; i++)
        take_mail(&broker->mailboxes[i], NULL, NULL);
}

static void start_reactor(struct broker *broker, struct reactor_thread *reactor, size_t number)
{
    *reactor = (struct reactor_thread){.broker = broker, .number = number};
    for (size_t i = number; i < SESSIONS; i += REACTORS)
        reactor->seen[i] = xcalloc(PUBLISHES, sizeof(uint64_t));
}

static void count_consumers(void *context, const struct effect *effect)
{
    size_t *consumers = context;
    *consumers += effect->kind == EFFECT_CONSUMER_ADD;
}

/* Durable queues come when they are on disk: all are there before the first publish. Until the
 * reactors run their mail is taken here, for the gate may be handed over to them. */
static void wait_for_consumers(struct broker *broker)
{
    uint64_t deadline_ms = clock_steady_ms() + DEADLINE_MS;
    size_t consumers = 0;
    while (consumers < SESSIONS) {
        assert_true(clock_steady_ms() < deadline_ms);
        for (size_t i = 0; i < REACTORS; i++)
            take_mail(&broker->mailboxes[i], count_consumers, &consumers);
        poll(NULL, 0, 1);
    }
}

static void the_order_on_every_connection_is_the_cores(void **state)
{
    struct broker broker;
    struct reactor_thread reactors[REACTORS];
    (void)state;
    start(&broker, 2);
    for (size_t i = 0; i < REACTORS; i++)
        start_reactor(&broker, &reactors[i], i);
    struct command_batch *batch = command_batch_new();
    for (size_t i = 0; i < SESSIONS; i++)
        open_fanout_session(&broker, batch, i);
    fill_long_queue(batch, broker.sessions[0]);
    gate_submit(broker.gate, batch, 0);
    wait_for_consumers(&broker);
    for (size_t i = 0; i < REACTORS; i++)
        assert_int_equal(pthread_create(&reactors[i].thread, NULL, run_reactor, &reactors[i]), 0);
    join_reactors(&broker, reactors);
    size_t handed_over = 0;
    for (size_t i = 0; i < REACTORS; i++)
        handed_over += reactors[i].handed_over;
    assert_true(handed_over > 0);
    for (size_t i = 1; i < SESSIONS; i++)
        assert_memory_equal(reactors[i % REACTORS].seen[i], reactors[0].seen[0],
                            PUBLISHES * sizeof(uint64_t));
    for (size_t i = 0; i < SESSIONS; i++)
        free(reactors[i % REACTORS].seen[i]);
    stop(&broker);
}

/* --- handing over */

static void long_work_is_handed_over_again_and_again(void **state)
{
    struct broker broker;
    size_t handed_over = 0, now;
    (void)state;
    start(&broker, 1);
    purge_a_long_queue(&broker);
    while ((now = take_mail(&broker.mailboxes[1], NULL, NULL)) > 0)
        handed_over += now;
    assert_true(handed_over >= 2);
    stop(&broker);
}

static void a_handed_over_gate_goes_to_the_reactor_whose_batch_is_next(void **state)
{
    struct broker broker;
    (void)state;
    start(&broker, 1);
    purge_a_long_queue(&broker);
    struct command_batch *batch = command_batch_new();
    add_session(&broker, batch, 2);
    gate_submit(broker.gate, batch, 2); /* reactor 1 holds the gate: it is in its mailbox */
    assert_int_equal(gate_backlog(broker.gate, 2), 1);
    assert_int_equal(gate_backlog(broker.gate, 1), 0);
    while (take_mail(&broker.mailboxes[1], NULL, NULL) > 0)
        ;
    struct vhost_counters counters;
    gate_call(broker.gate, count, &counters);
    assert_int_equal(counters.sessions, 2);
    assert_int_equal(gate_backlog(broker.gate, 2), 0);
    stop(&broker);
}

static void nothing_is_handed_over_to_reactors_that_end(void **state)
{
    struct broker broker;
    (void)state;
    start(&broker, 1);
    gate_stop_handing_over(broker.gate);
    purge_a_long_queue(&broker);
    for (size_t i = 0; i < REACTORS; i++)
        assert_int_equal(take_mail(&broker.mailboxes[i], NULL, NULL), 0);
    stop(&broker);
}

static void note_thread(struct vhost *vhost, uint64_t now_ms, void *context)
{
    (void)vhost, (void)now_ms;
    *(pthread_t *)context = pthread_self();
}

struct asker {
    struct gate *gate;
    pthread_t ran; /* the thread that ran what was asked */
};

static void *ask(void *context)
{
    struct asker *asker = context;
    gate_ask(asker->gate, note_thread, &asker->ran);
    return NULL;
}

/* It may be slow, and nobody is to wait for it. */
static void who_asks_is_no_holder(void **state)
{
    struct broker broker;
    pthread_t thread;
    (void)state;
    start(&broker, 1);
    struct asker asker = {.gate = broker.gate};
    assert_int_equal(pthread_create(&thread, NULL, ask, &asker), 0);
    while (take_mail(&broker.mailboxes[0], NULL, NULL) == 0)
        sleep_until_woken(&broker.mailboxes[0]);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(pthread_equal(asker.ran, pthread_self()));
    stop(&broker);
}

static void who_asks_when_reactors_have_ended_does_it_himself(void **state)
{
    struct broker broker;
    pthread_t ran;
    (void)state;
    start(&broker, 1);
    gate_stop_handing_over(broker.gate);
    gate_ask(broker.gate, note_thread, &ran);
    assert_true(pthread_equal(ran, pthread_self()));
    stop(&broker);
}

static void count_opened(void *context, const struct effect *effect)
{
    size_t *opened = context;
    *opened += effect->kind == EFFECT_SESSION_OPENED;
}

/* Its batch is run by a reactor, and the effects come to it. */
static void a_guest_holds_no_gate(void **state)
{
    enum { GUEST = REACTORS - 1 };
    struct broker broker;
    size_t opened = 0;
    (void)state;
    start_with_guests(&broker, 1, 1);
    struct command_batch *batch = command_batch_new();
    add_session(&broker, batch, GUEST);
    gate_leave(broker.gate, batch, GUEST);
    take_mail(&broker.mailboxes[GUEST], count_opened, &opened);
    assert_int_equal(opened, 0);
    assert_int_equal(take_mail(&broker.mailboxes[0], NULL, NULL), 1);
    assert_int_equal(take_mail(&broker.mailboxes[GUEST], count_opened, &opened), 0);
    assert_int_equal(opened, 1);
    stop(&broker);
}

static void no_gate_is_handed_over_to_a_guest(void **state)
{
    enum { GUEST = REACTORS - 1 };
    struct broker broker;
    size_t opened = 0;
    (void)state;
    start_with_guests(&broker, 1, 1);
    purge_a_long_queue(&broker);
    struct command_batch *batch = command_batch_new();
    add_session(&broker, batch, GUEST);
    gate_leave(broker.gate, batch, GUEST); /* reactor 1 holds the gate: it is in its mailbox */
    while (take_mail(&broker.mailboxes[1], NULL, NULL) > 0)
        ;
    assert_int_equal(take_mail(&broker.mailboxes[GUEST], count_opened, &opened), 0);
    assert_int_equal(opened, 1);
    stop(&broker);
}

/* --- how long it is held */

enum { BUSY_NS = 3000000 };

static void be_busy(void)
{
    uint64_t end_ns = clock_steady_ns() + BUSY_NS;
    while (clock_steady_ns() < end_ns)
        ;
}

static void be_busy_in_it(struct vhost *vhost, uint64_t now_ms, void *context)
{
    (void)vhost, (void)now_ms, (void)context;
    be_busy();
}

static void the_time_inside_is_counted_and_no_other(void **state)
{
    struct broker broker;
    (void)state;
    start(&broker, 1);
    gate_stop_handing_over(broker.gate); /* nobody plays the reactors */
    uint64_t begin_ns = clock_steady_ns(), before_ns = gate_held_ns(broker.gate);
    gate_call(broker.gate, be_busy_in_it, NULL);
    gate_call(broker.gate, be_busy_in_it, NULL);
    uint64_t held_ns = gate_held_ns(broker.gate);
    assert_in_range(held_ns - before_ns, 2 * BUSY_NS, clock_steady_ns() - begin_ns);
    be_busy();
    /* The store may have come in to say that it is ready. */
    assert_in_range(gate_held_ns(broker.gate) - held_ns, 0, BUSY_NS / 2);
    stop(&broker);
}

/* And so does who goes on with it. */
static void who_hands_it_over_counts_as_well(void **state)
{
    struct broker broker;
    (void)state;
    start(&broker, 1);
    purge_a_long_queue(&broker);
    uint64_t first_ns = gate_held_ns(broker.gate);
    assert_true(first_ns > 0);
    while (take_mail(&broker.mailboxes[1], NULL, NULL) > 0)
        ;
    assert_true(gate_held_ns(broker.gate) > first_ns);
    stop(&broker);
}

/* --- a full disk */

/* Another vhost with the same store pool. As of the first one nothing is handed over to reactors,
 * which nobody plays here. */
static struct gate *add_gate(struct broker *broker, struct store **store)
{
    struct gate *other = make_gate(broker, store);
    gate_stop_handing_over(broker->gate);
    gate_stop_handing_over(other);
    return other;
}

static void publish_with_confirm(struct broker *broker, struct gate *gate, size_t session)
{
    struct command_batch *batch = command_batch_new();
    add_session(broker, batch, session);
    add_method(batch, broker->sessions[session], &(struct amqp_method){.id = AMQP_CONFIRM_SELECT});
    add_queue(batch, broker->sessions[session], "q", true);
    add_publish(batch, broker->sessions[session], "", "q", 1);
    gate_submit(gate, batch, session);
}

static void wait_for_ack(struct broker *broker, size_t reactor)
{
    uint64_t acked = 0;
    while (acked == 0) {
        sleep_until_woken(&broker->mailboxes[reactor]);
        take_mail(&broker->mailboxes[reactor], count_acks, &acked);
    }
}

static void a_full_disk_is_in_no_other_vhosts_way(void **state)
{
    struct broker broker;
    struct store *other_store;
    (void)state;
    start(&broker, 1);
    struct gate *other = add_gate(&broker, &other_store);
    broker.store->is_full = true;
    publish_with_confirm(&broker, broker.gate, 0);
    publish_with_confirm(&broker, other, 1);
    wait_for_ack(&broker, 1);
    assert_int_equal(broker.store->commits, 0);
    broker.store->is_full = false;
    wait_for_ack(&broker, 0);
    gate_drain(other);
    gate_free(other);
    stop(&broker);
}

/* --- what is consumed meanwhile */

static void submit_ack(struct broker *broker, uint64_t tag)
{
    struct command_batch *batch = command_batch_new();
    *command_batch_add(batch) = (struct command){.kind = COMMAND_ACK,
                                                 .channel = 1,
                                                 .session = broker->sessions[0],
                                                 .multiple = true,
                                                 .tag = tag};
    gate_submit(broker->gate, batch, 0);
}

static void wait_for_tag(struct broker *broker, size_t reactor, uint64_t tag)
{
    uint64_t acked = 0;
    while (acked < tag) {
        sleep_until_woken(&broker->mailboxes[reactor]);
        take_mail(&broker->mailboxes[reactor], count_acks, &acked);
    }
}

static void publish_more(struct broker *broker, struct gate *gate, size_t session, size_t count)
{
    struct command_batch *batch = command_batch_new();
    for (size_t i = 0; i < count; i++)
        add_publish(batch, broker->sessions[session], "", "q", i);
    gate_submit(gate, batch, session);
}

static void open_consumer(struct broker *broker)
{
    struct command_batch *batch = command_batch_new();
    gate_stop_handing_over(broker->gate); /* nobody plays the reactors */
    publish_with_confirm(broker, broker->gate, 0);
    add_method(batch, broker->sessions[0],
               &(struct amqp_method){.id = AMQP_BASIC_CONSUME,
                                     .basic_consume = {.queue = bytes_of_text("q"),
                                                       .consumer_tag = bytes_of_text("c")}});
    gate_submit(broker->gate, batch, 0);
    wait_for_ack(broker, 0);
    gate_drain(broker->gate);
}

/* Messages 3 to 10 gather behind a commit, which goes on; 3 to 6 of them are consumed. */
static void consume_half_during_a_commit(struct broker *broker)
{
    broker->store->is_slow = true;
    publish_more(broker, broker->gate, 0, 1);
    publish_more(broker, broker->gate, 0, 8);
    submit_ack(broker, 6);
}

/* Half of what gathered during a commit is consumed when it ends: the rest gets a moment, and is
 * consumed as well. */
static void a_batch_waits_for_consumers_that_are_fast(void **state)
{
    struct broker broker;
    (void)state;
    start(&broker, 2);
    open_consumer(&broker);
    consume_half_during_a_commit(&broker);
    unsigned commits = broker.store->commits;
    broker.store->is_slow = false;
    while (!broker.is_pausing)
        sched_yield();
    submit_ack(&broker, 0);
    wait_for_tag(&broker, 0, 10);
    assert_int_equal(broker.store->commits, commits + 1);
    broker.is_pause_over = true;
    stop(&broker);
}

/* It is written when the moment is over. */
static void a_batch_does_not_wait_for_long(void **state)
{
    struct broker broker;
    (void)state;
    start(&broker, 2);
    open_consumer(&broker);
    consume_half_during_a_commit(&broker);
    broker.is_pause_over = true;
    broker.store->is_slow = false;
    wait_for_tag(&broker, 0, 10);
    stop(&broker);
}

/* The only thread does not sleep while another vhost has something to write. */
static void a_batch_that_waits_is_in_no_other_vhosts_way(void **state)
{
    struct broker broker;
    struct store *other_store;
    (void)state;
    start(&broker, 1);
    struct gate *other = add_gate(&broker, &other_store);
    open_consumer(&broker);
    consume_half_during_a_commit(&broker);
    publish_with_confirm(&broker, other, 1);
    publish_more(&broker, other, 1, 1);
    broker.store->is_slow = false;
    wait_for_tag(&broker, 1, 2);
    broker.is_pause_over = true;
    wait_for_tag(&broker, 0, 10);
    gate_drain(other);
    gate_free(other);
    stop(&broker);
}

static void look_on(struct vhost *vhost, uint64_t now_ms, void *context)
{
    (void)vhost, (void)now_ms, (void)context;
}

static void publish_another(struct broker *broker, uint64_t number)
{
    struct command_batch *batch = command_batch_new();
    add_publish(batch, broker->sessions[0], "", "q", number);
    gate_submit(broker->gate, batch, 0);
}

/* What was to be written is, but the store says that nobody should add more. */
static void publishers_wait_where_the_store_is_short_of_space(void **state)
{
    struct broker broker;
    (void)state;
    start(&broker, 1);
    gate_stop_handing_over(broker.gate);
    publish_with_confirm(&broker, broker.gate, 0);
    wait_for_tag(&broker, 0, 1);
    broker.store->is_short = true;
    publish_another(&broker, 2);
    wait_for_tag(&broker, 0, 2);
    unsigned tries = broker.store->tries;
    publish_another(&broker, 3);
    gate_call(broker.gate, look_on, NULL);
    assert_int_equal(broker.store->tries, tries);
    broker.store->is_short = false;
    gate_set_disk_full(broker.gate, false);
    wait_for_tag(&broker, 0, 3);
    stop(&broker);
}

static void a_vhost_with_a_full_disk_can_be_closed(void **state)
{
    struct broker broker;
    uint64_t acked = 0;
    (void)state;
    start(&broker, 1);
    gate_stop_handing_over(broker.gate);
    publish_with_confirm(&broker, broker.gate, 0);
    wait_for_ack(&broker, 0);
    broker.store->is_full = true;
    struct command_batch *batch = command_batch_new();
    add_publish(batch, broker.sessions[0], "", "q", 2);
    gate_submit(broker.gate, batch, 0);
    take_mail(&broker.mailboxes[0], count_acks, &acked);
    assert_int_equal(acked, 0);
    stop(&broker);
}

/* --- from vhost to vhost */

enum { EVENTS_EACH = 2000, EVENTS_PER_BATCH = 8 };

/* Reactor 0 has a consumer of events in one vhost; the others declare queues in another one. */
struct teller {
    struct broker *broker;
    struct gate *other;
    size_t number;
    pthread_t thread;
    unsigned next[REACTORS]; /* the consumer: which queue of whom is to be told next */
    unsigned told;
};

static unsigned number_behind(struct bytes text, size_t at)
{
    unsigned number = 0;
    for (; at < text.size; at++)
        number = number * 10 + text.data[at] - '0';
    return number;
}

static void see_event(void *context, const struct effect *effect)
{
    struct teller *teller = context;
    struct bytes headers;
    struct amqp_value name;
    if (effect->kind != EFFECT_DELIVER)
        return;
    assert_true(amqp_properties_headers(message_properties(effect->message), &headers));
    assert_true(amqp_table_find(headers, "name", &name));
    unsigned who = name.bytes.data[1] - '0';
    assert_in_range(who, 1, REACTORS - 1);
    assert_int_equal(number_behind(name.bytes, 3), teller->next[who]++); /* q1.17 */
    teller->told++;
}

static void *declare_queues(void *context)
{
    struct teller *teller = context;
    struct broker *broker = teller->broker;
    char name[32];
    for (unsigned i = 0; i < EVENTS_EACH;) {
        struct command_batch *batch = command_batch_new();
        for (unsigned j = 0; j < EVENTS_PER_BATCH; j++) {
            snprintf(name, sizeof name, "q%zu.%u", teller->number, i++);
            add_queue(batch, broker->sessions[teller->number], name, false);
        }
        gate_submit(teller->other, batch, teller->number);
        take_mail(&broker->mailboxes[teller->number], NULL, NULL);
    }
    broker->finished++;
    while (!broker->is_over) {
        take_mail(&broker->mailboxes[teller->number], NULL, NULL);
        poll(NULL, 0, 1);
    }
    return NULL;
}

static void open_event_consumer(struct broker *broker)
{
    struct command_batch *batch = command_batch_new();
    struct amqp_method bind = {.id = AMQP_QUEUE_BIND,
                               .queue_bind = {.queue = bytes_of_text("events"),
                                              .exchange = bytes_of_text("amq.rabbitmq.event"),
                                              .routing_key = bytes_of_text("queue.created")}};
    struct amqp_method consume = {.id = AMQP_BASIC_CONSUME,
                                  .basic_consume = {.queue = bytes_of_text("events"),
                                                    .consumer_tag = bytes_of_text("c"),
                                                    .no_ack = true}};
    add_session(broker, batch, 0);
    add_queue(batch, broker->sessions[0], "events", false);
    add_method(batch, broker->sessions[0], &bind);
    add_method(batch, broker->sessions[0], &consume);
    gate_submit(broker->gate, batch, 0);
    assert_true(event_bus_is_wanted(broker->events));
}

static void start_teller(struct teller *teller, struct broker *broker, struct gate *other,
                         size_t number)
{
    struct command_batch *batch = command_batch_new();
    *teller = (struct teller){.broker = broker, .other = other, .number = number};
    add_session(broker, batch, number);
    gate_submit(other, batch, number);
    assert_int_equal(pthread_create(&teller->thread, NULL, declare_queues, teller), 0);
}

static void events_of_another_vhost_come_in_their_order(void **state)
{
    struct broker broker;
    struct store *other_store;
    struct teller tellers[REACTORS] = {{.broker = &broker}};
    uint64_t deadline_ms = clock_steady_ms() + DEADLINE_MS;
    (void)state;
    start(&broker, 1);
    struct gate *other = make_gate(&broker, &other_store);
    open_event_consumer(&broker);
    for (size_t i = 1; i < REACTORS; i++)
        start_teller(&tellers[i], &broker, other, i);
    while (tellers[0].told < (REACTORS - 1) * EVENTS_EACH) {
        assert_true(clock_steady_ms() < deadline_ms);
        take_mail(&broker.mailboxes[0], see_event, &tellers[0]);
        poll(NULL, 0, 1);
    }
    broker.is_over = true;
    for (size_t i = 1; i < REACTORS; i++)
        pthread_join(tellers[i].thread, NULL);
    assert_int_equal(event_bus_dropped(broker.events), 0);
    gate_stop_handing_over(other);
    for (size_t i = 0; i < REACTORS; i++)
        take_mail(&broker.mailboxes[i], NULL, NULL);
    gate_drain(other);
    gate_free(other);
    stop(&broker);
}

/* Nobody serves the mailboxes, so that the vhost with the exchange does not run. */
static void a_vhost_that_does_not_keep_up_loses_events(void **state)
{
    enum { POSTED = 70000, KEPT = 65536 };
    struct broker broker;
    struct message **messages;
    (void)state;
    start(&broker, 1);
    for (size_t i = 0; i < POSTED; i++)
        event_bus_post_one(broker.events, message_new(bytes_of_text("x"), bytes_of_text("k"),
                                                      bytes_of(NULL, 0), bytes_of(NULL, 0)));
    assert_int_equal(event_bus_dropped(broker.events), POSTED - KEPT);
    assert_int_equal(event_bus_take(broker.events, NULL, &messages), 0);
    size_t count = event_bus_take(broker.events, broker.gate, &messages);
    assert_int_equal(count, KEPT);
    for (size_t i = 0; i < count; i++)
        message_unref(messages[i]);
    free(messages);
    stop(&broker);
}

static void what_is_posted_without_such_a_vhost_is_gone(void **state)
{
    struct broker broker;
    struct message **messages;
    (void)state;
    start(&broker, 1);
    atomic_store(event_bus_interest(broker.events), true);
    event_bus_detach(broker.events, broker.gate);
    assert_false(event_bus_is_wanted(broker.events));
    event_bus_post_one(broker.events, message_new(bytes_of_text("x"), bytes_of_text("k"),
                                                  bytes_of(NULL, 0), bytes_of(NULL, 0)));
    assert_int_equal(event_bus_take(broker.events, broker.gate, &messages), 0);
    assert_int_equal(event_bus_dropped(broker.events), 0);
    stop(&broker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_on_every_connection_is_the_cores),
        cmocka_unit_test(long_work_is_handed_over_again_and_again),
        cmocka_unit_test(a_handed_over_gate_goes_to_the_reactor_whose_batch_is_next),
        cmocka_unit_test(nothing_is_handed_over_to_reactors_that_end),
        cmocka_unit_test(who_asks_is_no_holder),
        cmocka_unit_test(who_asks_when_reactors_have_ended_does_it_himself),
        cmocka_unit_test(a_guest_holds_no_gate),
        cmocka_unit_test(no_gate_is_handed_over_to_a_guest),
        cmocka_unit_test(the_time_inside_is_counted_and_no_other),
        cmocka_unit_test(who_hands_it_over_counts_as_well),
        cmocka_unit_test(a_full_disk_is_in_no_other_vhosts_way),
        cmocka_unit_test(publishers_wait_where_the_store_is_short_of_space),
        cmocka_unit_test(a_vhost_with_a_full_disk_can_be_closed),
        cmocka_unit_test(a_batch_waits_for_consumers_that_are_fast),
        cmocka_unit_test(a_batch_does_not_wait_for_long),
        cmocka_unit_test(a_batch_that_waits_is_in_no_other_vhosts_way),
        cmocka_unit_test(events_of_another_vhost_come_in_their_order),
        cmocka_unit_test(a_vhost_that_does_not_keep_up_loses_events),
        cmocka_unit_test(what_is_posted_without_such_a_vhost_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
