/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several reactors as real threads around one gate, with a store on disk. Each has connections that
 * publish to one queue, and consume from it, as fast as they can; batches come to the core in
 * whatever order the threads bring them, effects are made by whoever holds the gate. What a
 * connection gets must be in the core's order all the same: delivery tags one after the other,
 * the messages of one publisher in the order in which it published them, each confirm once, and
 * nothing after the end. The seeded counterpart, which replays, is in mirror.c; this one is for
 * ThreadSanitizer.
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
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "amqp/properties.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "runtime/gate.h"
#include "runtime/mailbox.h"
#include "runtime/store_pool.h"
#include "sim_random.h"
#include "store/store.h"

enum {
    REACTORS = 3,
    SESSIONS = 2, /* of each reactor */
    CONNECTIONS = REACTORS * SESSIONS,
    PUBLISHES = 8000, /* of each connection */
    DEADLINE_S = 120,
};

struct connection {
    struct session *session; /* borrowed */
    uint64_t published;
    bool is_confirmed[PUBLISHES + 1];
    uint64_t confirms;
    uint64_t delivery_tag;
    uint64_t last_of[CONNECTIONS]; /* number of the last message of each publisher */
    bool has_consumer;
    bool is_gone;
};

struct reactor {
    size_t number;
    pthread_t thread;
    struct gate *gate;          /* borrowed */
    struct mailbox *mailbox;    /* borrowed */
    _Atomic uint64_t *arrived;  /* of all reactors: deliveries so far */
    _Atomic uint64_t *finished; /* reactors whose connections are gone */
    struct connection connections[SESSIONS];
    struct sim_random random;
};

/* --- sending */

static void add_method(struct command_batch *batch, const struct connection *connection,
                       const struct amqp_method *method)
{
    struct buffer payload = {0};
    struct amqp_error error;
    amqp_method_encode(&payload, method);
    struct command *command = command_batch_add(batch);
    *command =
        (struct command){.kind = COMMAND_METHOD, .channel = 1, .session = connection->session};
    command->method = command_method_decode(buffer_bytes(&payload), AMQP_TABLE_DEPTH_MAX, &error);
    CHECK(command->method != NULL);
    buffer_fini(&payload);
}

static void add_simple(struct command_batch *batch, const struct connection *connection,
                       enum command_kind kind)
{
    *command_batch_add(batch) =
        (struct command){.kind = (uint8_t)kind, .session = connection->session};
}

static void open_connection(struct reactor *reactor, size_t index)
{
    struct connection *connection = &reactor->connections[index];
    struct session_config config = {
        .reactor = reactor->number,
        .connection = reactor->number * SESSIONS + index,
        .user = "guest",
        .channel_max = 1,
        .output_bytes = 1u << 30,
    };
    struct amqp_method methods[] = {
        {.id = AMQP_CHANNEL_OPEN},
        {.id = AMQP_CONFIRM_SELECT, .confirm_select = {.no_wait = true}},
        {.id = AMQP_QUEUE_DECLARE,
         .queue_declare = {.queue = bytes_of_text("q"), .durable = true, .no_wait = true}},
        {.id = AMQP_BASIC_CONSUME,
         .basic_consume = {.queue = bytes_of_text("q"), .no_ack = true, .no_wait = true}},
    };
    connection->session = session_new(&config);
    struct command_batch *batch = command_batch_new();
    add_simple(batch, connection, COMMAND_SESSION_OPEN);
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        add_method(batch, connection, &methods[i]);
    gate_submit(reactor->gate, batch, reactor->number);
}

/* A body is the publisher's connection and the number of the message there. */
static void add_publish(struct reactor *reactor, struct command_batch *batch, size_t index)
{
    struct connection *connection = &reactor->connections[index];
    uint64_t body[2] = {reactor->number * SESSIONS + index, ++connection->published};
    struct command *command = command_batch_add(batch);
    *command =
        (struct command){.kind = COMMAND_PUBLISH, .channel = 1, .session = connection->session};
    command->message = message_new(bytes_of_text(""), bytes_of_text("q"), bytes_of(NULL, 0),
                                   bytes_of(body, sizeof body));
    command->message->is_persistent = sim_random_chance(&reactor->random, 50);
}

static bool submit_some(struct reactor *reactor)
{
    struct command_batch *batch = command_batch_new();
    for (unsigned i = 1 + sim_random_below(&reactor->random, 60); i > 0; i--) {
        size_t index = sim_random_below(&reactor->random, SESSIONS);
        if (reactor->connections[index].published < PUBLISHES)
            add_publish(reactor, batch, index);
    }
    if (batch->count == 0) {
        command_batch_free(batch);
        return false;
    }
    gate_submit(reactor->gate, batch, reactor->number);
    return true;
}

/* --- what comes back */

static void confirm(struct connection *connection, uint64_t tag)
{
    CHECK(tag <= connection->published);
    CHECK(!connection->is_confirmed[tag]);
    connection->is_confirmed[tag] = true;
    connection->confirms++;
}

static void on_ack(struct connection *connection, const struct effect *effect)
{
    for (uint64_t tag = 1; effect->flag && tag < effect->tag; tag++) {
        if (!connection->is_confirmed[tag])
            confirm(connection, tag);
    }
    confirm(connection, effect->tag);
}

static void on_deliver(struct reactor *reactor, struct connection *connection,
                       const struct effect *effect)
{
    uint64_t body[2];
    CHECK(connection->has_consumer);
    CHECK(effect->tag == connection->delivery_tag + 1);
    connection->delivery_tag = effect->tag;
    memcpy(body, message_body(effect->message).data, sizeof body);
    CHECK(body[0] < CONNECTIONS && body[1] > connection->last_of[body[0]]);
    connection->last_of[body[0]] = body[1];
    atomic_fetch_add(reactor->arrived, 1);
}

static void on_effect(struct reactor *reactor, struct effect *effect)
{
    CHECK(effect->connection / SESSIONS == reactor->number);
    struct connection *connection = &reactor->connections[effect->connection % SESSIONS];
    CHECK(!connection->is_gone);
    switch (effect->kind) {
    case EFFECT_DELIVER:
        on_deliver(reactor, connection, effect);
        break;
    case EFFECT_ACK:
        on_ack(connection, effect);
        break;
    case EFFECT_CONSUMER_ADD:
        connection->has_consumer = true;
        break;
    case EFFECT_SESSION_CLOSED:
        connection->is_gone = true;
        break;
    default:
        CHECK(effect->kind != EFFECT_CHANNEL_ERROR && effect->kind != EFFECT_CONNECTION_CLOSE);
    }
    effect_release(effect);
}

static void look_into_mailbox(struct reactor *reactor)
{
    struct mail mail = mailbox_take(reactor->mailbox);
    while (mail.effects.first != NULL) {
        struct effect_chunk *chunk = mail.effects.first;
        mail.effects.first = chunk->next;
        for (size_t i = 0; i < chunk->count; i++)
            on_effect(reactor, &chunk->effects[i]);
        effect_chunk_free(chunk);
    }
    while (mail.tasks != NULL) {
        struct task *task = mail.tasks;
        mail.tasks = task->next;
        task->run(task);
    }
}

static void wait_for_mail(struct reactor *reactor)
{
    struct pollfd event = {.fd = reactor->mailbox->event_fd, .events = POLLIN};
    if (!mailbox_fall_asleep(reactor->mailbox))
        return;
    if (poll(&event, 1, 20) > 0)
        mailbox_clear_event(reactor->mailbox);
}

static bool is_done(const struct reactor *reactor)
{
    for (size_t i = 0; i < SESSIONS; i++) {
        if (reactor->connections[i].confirms < PUBLISHES)
            return false;
    }
    return atomic_load(reactor->arrived) == (uint64_t)CONNECTIONS * PUBLISHES;
}

static bool are_gone(const struct reactor *reactor)
{
    for (size_t i = 0; i < SESSIONS; i++) {
        if (!reactor->connections[i].is_gone)
            return false;
    }
    return true;
}

static bool are_all_finished(const struct reactor *reactor)
{
    return atomic_load(reactor->finished) == REACTORS;
}

static void wait_until(struct reactor *reactor, bool (*is_so)(const struct reactor *reactor))
{
    struct timespec start, now;
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (!is_so(reactor)) {
        wait_for_mail(reactor);
        look_into_mailbox(reactor);
        clock_gettime(CLOCK_MONOTONIC, &now);
        CHECK(now.tv_sec - start.tv_sec < DEADLINE_S);
    }
}

static void *run_reactor(void *context)
{
    struct reactor *reactor = context;
    for (size_t i = 0; i < SESSIONS; i++)
        open_connection(reactor, i);
    while (submit_some(reactor))
        look_into_mailbox(reactor);
    wait_until(reactor, is_done);
    struct command_batch *batch = command_batch_new();
    for (size_t i = 0; i < SESSIONS; i++)
        add_simple(batch, &reactor->connections[i], COMMAND_SESSION_CLOSE);
    gate_submit(reactor->gate, batch, reactor->number);
    wait_until(reactor, are_gone);
    atomic_fetch_add(reactor->finished, 1);
    wait_until(reactor, are_all_finished); /* the gate may be handed to it still */
    return NULL;
}

/* --- the test */

struct place {
    char folder[64];
    struct access *access;
    struct mailbox mailboxes[REACTORS];
    struct store_pool *pool;
    struct gate *gate;
};

static void on_failure(const char *vhost, const char *reason)
{
    fprintf(stderr, "the store of %s failed: %s\n", vhost, reason);
    abort();
}

static void open_place(struct place *place)
{
    char reason[256] = "";
    struct vhost_config config;
    struct store_opened opened;
    snprintf(place->folder, sizeof place->folder, "test-reactors-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    struct store *store = store_open(place->folder, &opened, reason, sizeof reason);
    assert_string_equal(reason, "");
    vhost_config_init(&config);
    config.reactor_count = REACTORS;
    place->access = access_new_open();
    struct vhost *vhost = vhost_new(&config, place->access);
    vhost_restore(vhost, &opened);
    store_opened_fini(&opened);
    for (size_t i = 0; i < REACTORS; i++)
        mailbox_init(&place->mailboxes[i]);
    place->pool = store_pool_new(2, NULL, on_failure);
    place->gate = gate_new(&(struct gate_config){.vhost = vhost,
                                                 .store = store,
                                                 .pool = place->pool,
                                                 .mailboxes = place->mailboxes,
                                                 .reactor_count = REACTORS});
}

static void close_place(struct place *place)
{
    char command[128];
    gate_drain(place->gate);
    store_pool_free(place->pool);
    gate_free(place->gate);
    for (size_t i = 0; i < REACTORS; i++)
        mailbox_fini(&place->mailboxes[i]);
    access_free(place->access);
    snprintf(command, sizeof command, "rm -r %s", place->folder);
    assert_int_equal(system(command), 0);
}

static void check_vhost(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct vhost_counters *counters = context;
    (void)now_ms;
    vhost_check(vhost);
    vhost_count(vhost, counters);
}

static void every_connection_sees_the_order_of_the_core(void **state)
{
    (void)state;
    struct place place;
    struct vhost_counters counters;
    _Atomic uint64_t arrived = 0, finished = 0;
    struct reactor *reactors = xcalloc(REACTORS, sizeof *reactors);
    open_place(&place);
    for (size_t i = 0; i < REACTORS; i++) {
        reactors[i].number = i;
        reactors[i].gate = place.gate;
        reactors[i].mailbox = &place.mailboxes[i];
        reactors[i].arrived = &arrived;
        reactors[i].finished = &finished;
        reactors[i].random.state = i;
        assert_int_equal(pthread_create(&reactors[i].thread, NULL, run_reactor, &reactors[i]), 0);
    }
    for (size_t i = 0; i < REACTORS; i++)
        assert_int_equal(pthread_join(reactors[i].thread, NULL), 0);
    gate_stop_handing_over(place.gate);
    for (size_t i = 0; i < REACTORS; i++)
        look_into_mailbox(&reactors[i]);
    gate_call(place.gate, check_vhost, &counters);
    assert_int_equal(counters.published, (uint64_t)CONNECTIONS * PUBLISHES);
    assert_int_equal(counters.delivered, (uint64_t)CONNECTIONS * PUBLISHES);
    assert_int_equal(counters.ready + counters.unacked + counters.sessions, 0);
    close_place(&place);
    free(reactors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_connection_sees_the_order_of_the_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
