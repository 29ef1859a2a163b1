/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reactor: one thread, one event loop, the connections that were given to it, for life. A turn of
 * its loop reads sockets into batches of commands, one per vhost; submits them; carries out the
 * effects in its mailbox; and writes. Nothing of a connection is touched by another thread.
 *
 * Connections are named by handles (slot and generation), so that an effect for one that is gone
 * finds nobody.
 */
#include "runtime/reactor.h"

#include <event2/event.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "auth/identity.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "net/connection.h"
#include "runtime/clock.h"
#include "runtime/event_loop.h"
#include "runtime/gate.h"
#include "runtime/log.h"
#include "runtime/reactor_internal.h"
#include "runtime/scheduling.h"
#include "runtime/server.h"
#include "runtime/user_totals.h"

enum { tick_ms = 250, rounds_per_turn_max = 16, backlog_max = 8 };

/* --- handles */

static uint64_t take_slot(struct reactor *reactor)
{
    uint32_t index = reactor->first_free;
    if (index != UINT32_MAX) {
        reactor->first_free = reactor->slots[index].next_free;
    } else {
        index = (uint32_t)reactor->slot_count++;
        reactor->slots = xgrow(reactor->slots, &reactor->slot_capacity, reactor->slot_count,
                               sizeof *reactor->slots);
        reactor->slots[index] = (struct slot){.generation = 1};
    }
    return (uint64_t)reactor->slots[index].generation << 32 | index;
}

struct slot *reactor_find_slot(const struct reactor *reactor, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    if (index >= reactor->slot_count || reactor->slots[index].generation != handle >> 32 ||
        reactor->slots[index].connection == NULL)
        return NULL;
    return &reactor->slots[index];
}

static void free_slot(struct reactor *reactor, uint64_t handle)
{
    uint32_t index = (uint32_t)handle;
    reactor_drop_jobs(reactor, &reactor->slots[index]);
    auth_identity_unref(reactor->slots[index].identity);
    reactor->slots[index].identity = NULL;
    if (reactor->slots[index].user_totals != NULL)
        user_totals_release(server_user_totals(reactor->server), reactor->slots[index].user_totals);
    reactor->slots[index].user_totals = NULL;
    reactor->slots[index].connection = NULL;
    reactor->slots[index].generation++;
    reactor->slots[index].next_free = reactor->first_free;
    reactor->first_free = index;
}

/* --- gathering commands */

struct command_batch *reactor_gather(void *context, struct vhost_gate *gate)
{
    struct reactor *reactor = context;
    if (gate->batch == NULL)
        gate->batch = command_batch_new();
    if (!gate->is_gathering) {
        gate->is_gathering = true;
        gate->next_gathering = reactor->gathering;
        reactor->gathering = gate;
    }
    return gate->batch;
}

static void submit(void *context, struct vhost_gate *gate)
{
    struct reactor *reactor = context;
    struct command_batch *batch = gate->batch;
    gate->batch = NULL;
    if (batch == NULL)
        return;
    gate_submit(gate->gate, batch, reactor->number);
    gate->is_behind = true;
}

static void submit_all(struct reactor *reactor)
{
    while (reactor->gathering != NULL) {
        struct vhost_gate *gate = reactor->gathering;
        reactor->gathering = gate->next_gathering;
        gate->is_gathering = false;
        submit(reactor, gate);
    }
}

/* --- vhosts */

struct vhost_gate *reactor_find_gate(struct reactor *reactor, struct bytes vhost)
{
    struct gate *gate = server_find_gate(reactor->server, vhost);
    struct vhost_gate *link = reactor->gates;
    if (gate == NULL)
        return NULL;
    while (link != NULL && link->gate != gate)
        link = link->next;
    if (link != NULL) {
        server_release_gate(reactor->server, gate);
        return link;
    }
    link = xcalloc(1, sizeof *link);
    link->gate = gate;
    link->next = reactor->gates;
    reactor->gates = link;
    return link;
}

static void free_gate(struct reactor *reactor, struct vhost_gate *gate)
{
    struct vhost_gate **place = &reactor->gates;
    while (*place != gate)
        place = &(*place)->next;
    *place = gate->next;
    server_release_gate(reactor->server, gate->gate);
    free(gate);
}

/* A gate that nobody uses stays until nothing gathers for it. */
static void free_unused_gates(struct reactor *reactor)
{
    struct vhost_gate *next;
    for (struct vhost_gate *gate = reactor->gates; gate != NULL; gate = next) {
        next = gate->next;
        if (gate->connection_count == 0 && !gate->is_gathering)
            free_gate(reactor, gate);
    }
}

/* --- what connections ask of their reactor; their logins are in reactor_login.c */

static void closed(void *context, struct connection *connection)
{
    struct reactor *reactor = context;
    struct vhost_gate *gate = connection_gate(connection);
    reactor_tell_closed(reactor, connection);
    if (gate != NULL) {
        reactor_count_octets(&reactor->slots[(uint32_t)connection_handle(connection)]);
        gate->connection_count--;
    }
    free_slot(reactor, connection_handle(connection));
    connection_free(connection);
    atomic_fetch_sub_explicit(&reactor->connection_count, 1, memory_order_relaxed);
}

static void note(void *context, const struct connection *connection, enum connection_note note,
                 const char *text)
{
    static const struct {
        enum log_category category;
        enum config_log_level level;
    } kinds[] = {
        [CONNECTION_NOTE_INFO] = {LOG_CONNECTION, CONFIG_LOG_INFO},
        [CONNECTION_NOTE_WARNING] = {LOG_CONNECTION, CONFIG_LOG_WARNING},
        [CONNECTION_NOTE_ERROR] = {LOG_CONNECTION, CONFIG_LOG_ERROR},
        [CONNECTION_NOTE_CHANNEL_ERROR] = {LOG_CHANNEL, CONFIG_LOG_ERROR},
    };
    struct connection_status status;
    (void)context;
    if (!log_takes(kinds[note].category, kinds[note].level))
        return;
    connection_describe(connection, &status);
    bool has_name = status.client_name[0] != '\0';
    log_write(kinds[note].category, kinds[note].level, "connection %s%s%.200s: %s", status.name,
              has_name ? " - " : "", status.client_name, text);
}

/* --- mail */

static void carry_out(struct reactor *reactor, struct effect *effect)
{
    struct slot *slot = reactor_find_slot(reactor, effect->connection);
    if (slot == NULL)
        effect_release(effect);
    else if (effect->kind == EFFECT_ACCESS_QUESTION || effect->kind == EFFECT_SECRET_QUESTION)
        reactor_ask(reactor, slot, effect);
    else
        connection_on_effect(slot->connection, effect);
}

static bool handle_mail(struct reactor *reactor)
{
    struct mail mail = mailbox_take(reactor->mailbox);
    bool has_any = mail.tasks != NULL || mail.effects.first != NULL;
    while (mail.effects.first != NULL) {
        struct effect_chunk *chunk = mail.effects.first;
        mail.effects.first = chunk->next;
        for (size_t i = 0; i < chunk->count; i++)
            carry_out(reactor, &chunk->effects[i]);
        effect_chunk_free(chunk);
    }
    while (mail.tasks != NULL) {
        struct task *task = mail.tasks;
        mail.tasks = task->next;
        task->run(task);
    }
    return has_any;
}

struct adoption {
    struct task task;
    struct reactor *reactor;
    int fd;
    struct tls_context *tls;
};

static void run_adoption(struct task *task)
{
    struct adoption *adoption = container_of(task, struct adoption, task);
    struct reactor *reactor = adoption->reactor;
    struct tls_stream *tls = NULL;
    if (adoption->tls != NULL && (tls = tls_stream_new(adoption->tls, adoption->fd)) == NULL) {
        close(adoption->fd);
        atomic_fetch_sub_explicit(&reactor->connection_count, 1, memory_order_relaxed);
    } else {
        uint64_t handle = take_slot(reactor);
        struct slot *slot = &reactor->slots[(uint32_t)handle];
        slot->number = server_number_connection(reactor->server);
        slot->connected_ms = clock_wall_ms();
        slot->counted = (struct octets){0};
        slot->connection = connection_new(&reactor->host, adoption->fd, tls, handle);
    }
    free(adoption);
}

void reactor_adopt(struct reactor *reactor, int fd, struct tls_context *tls)
{
    struct adoption *adoption = xmalloc(sizeof *adoption);
    *adoption = (struct adoption){{.run = run_adoption}, reactor, fd, tls};
    atomic_fetch_add_explicit(&reactor->connection_count, 1, memory_order_relaxed);
    mailbox_post_task(reactor->mailbox, &adoption->task);
}

size_t reactor_channel_count(const struct reactor *reactor)
{
    return atomic_load_explicit(&reactor->host.channel_count, memory_order_relaxed);
}

size_t reactor_connection_count(const struct reactor *reactor)
{
    return atomic_load_explicit(&reactor->connection_count, memory_order_relaxed);
}

/* --- the loop */

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct reactor *reactor = context;
    (void)fd, (void)what;
    mailbox_clear_event(reactor->mailbox);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct reactor *reactor = context;
    (void)fd, (void)what;
    reactor->host.now_ms = clock_steady_ms();
    reactor->has_due = true;
    reactor_end_expired(reactor);
    free_unused_gates(reactor);
}

/* Commands make effects, and effects make bytes and credit, which are commands again. A consumer
 * that reads as fast as this writes would keep it here for ever, and the other sockets waiting. */
static void finish_turn(struct reactor *reactor)
{
    int rounds = 0;
    do {
        submit_all(reactor);
        bool has_mail = handle_mail(reactor);
        if (connection_host_is_dirty(&reactor->host))
            connection_host_flush(&reactor->host);
        else if (!has_mail)
            return;
    } while (reactor->gathering != NULL && ++rounds < rounds_per_turn_max);
}

static bool is_far_ahead(const struct reactor *reactor)
{
    for (struct vhost_gate *link = reactor->gates; link != NULL; link = link->next) {
        if (link->is_behind && gate_backlog(link->gate, reactor->number) > backlog_max)
            return true;
        link->is_behind = false;
    }
    return false;
}

/* Lets the core catch up: mail is still taken, for a gate may be handed over to this reactor. Not
 * every round of the core has mail for it, so that it looks again after a moment. */
static void wait_for_core(struct reactor *reactor)
{
    struct pollfd event = {.fd = reactor->mailbox->event_fd, .events = POLLIN};
    while (is_far_ahead(reactor) && !reactor->is_stopping) {
        if (mailbox_fall_asleep(reactor->mailbox) && poll(&event, 1, 1) > 0)
            mailbox_clear_event(reactor->mailbox);
        finish_turn(reactor);
    }
}

static void *run(void *context)
{
    struct reactor *reactor = context;
    prctl(PR_SET_NAME, "reactor");
    reactor->messages.pool = server_messages(reactor->server);
    reactor->messages.bytes_max = message_cache_bytes;
    if (reactor->messages.pool != NULL)
        message_cache_use(&reactor->messages);
    scheduling_prefer_latency();
    while (!reactor->is_stopping) {
        wait_for_core(reactor);
        bool may_wait = reactor->gathering == NULL && !reactor->has_due &&
                        mailbox_fall_asleep(reactor->mailbox);
        event_base_loop(reactor->base, may_wait ? EVLOOP_ONCE : EVLOOP_NONBLOCK | EVLOOP_ONCE);
        reactor->host.now_ms = clock_steady_ms();
        if (reactor->has_due)
            reactor->has_due = connection_host_tick(&reactor->host);
        finish_turn(reactor);
        connection_host_end_turn(&reactor->host);
    }
    message_cache_use(NULL);
    message_cache_fini(&reactor->messages);
    return NULL;
}

static void init_events(struct reactor *reactor)
{
    struct timeval tick = {.tv_usec = tick_ms * 1000};
    reactor->base = event_loop_new();
    reactor->wake_event = event_new(reactor->base, reactor->mailbox->event_fd, EV_READ | EV_PERSIST,
                                    on_wake, reactor);
    reactor->tick_event = event_new(reactor->base, -1, EV_PERSIST, on_tick, reactor);
    CHECK(reactor->wake_event != NULL && reactor->tick_event != NULL);
    CHECK(event_add(reactor->wake_event, NULL) == 0);
    CHECK(event_add(reactor->tick_event, &tick) == 0);
}

/* channel_max_per_node; two that open at the same moment on two threads may both be the last. */
static bool allow_channel(void *context, struct amqp_error *error)
{
    const struct reactor *reactor = context;
    const struct config *config = server_config(reactor->server);
    return config->channel_max_per_node == CONFIG_UNLIMITED ||
           server_channel_count(reactor->server) < config->channel_max_per_node ||
           amqp_error_set(error, AMQP_NOT_ALLOWED,
                          "number of channels opened on node '%s' has reached the maximum allowed "
                          "limit of (%llu)",
                          config->node_name, (unsigned long long)config->channel_max_per_node);
}

static void append_server_properties(void *context, struct buffer *table)
{
    const struct reactor *reactor = context;
    server_append_properties(reactor->server, table);
}

struct reactor *reactor_new(struct server *server, size_t number, struct mailbox *mailbox,
                            const struct net_settings *settings)
{
    struct reactor *reactor = xcalloc(1, sizeof *reactor);
    reactor->server = server;
    reactor->number = number;
    reactor->mailbox = mailbox;
    reactor->first_free = UINT32_MAX;
    init_events(reactor);
    reactor->host = (struct connection_host){
        .settings = settings,
        .base = reactor->base,
        .reactor = number,
        .now_ms = clock_steady_ms(),
        .context = reactor,
        .server_properties = append_server_properties,
        .mechanisms = reactor_mechanisms,
        .login = reactor_login,
        .open_vhost = reactor_open_vhost,
        .opening = reactor_opening,
        .allow_channel = allow_channel,
        .gather = reactor_gather,
        .submit = submit,
        .closed = closed,
        .note = note,
    };
    connection_host_init(&reactor->host);
    CHECK(pthread_create(&reactor->thread, NULL, run, reactor) == 0);
    return reactor;
}

/* --- ending */

struct ending {
    struct task task;
    struct reactor *reactor;
    bool ends_thread;
};

static void run_ending(struct task *task)
{
    struct ending *ending = container_of(task, struct ending, task);
    struct reactor *reactor = ending->reactor;
    struct amqp_error error = {0};
    amqp_error_set(&error, AMQP_CONNECTION_FORCED,
                   "broker forced connection closure with reason 'shutdown'");
    for (size_t i = 0; i < reactor->slot_count; i++) {
        struct connection *connection = reactor->slots[i].connection;
        if (connection != NULL && connection_session(connection) == NULL)
            connection_shut(connection, &error);
    }
    reactor->is_stopping = ending->ends_thread;
    free(ending);
}

static void post_ending(struct reactor *reactor, bool ends_thread)
{
    struct ending *ending = xmalloc(sizeof *ending);
    *ending = (struct ending){{.run = run_ending}, reactor, ends_thread};
    mailbox_post_task(reactor->mailbox, &ending->task);
}

void reactor_shut(struct reactor *reactor)
{
    post_ending(reactor, false);
}

void reactor_stop(struct reactor *reactor)
{
    post_ending(reactor, true);
    pthread_join(reactor->thread, NULL);
}

void reactor_free(struct reactor *reactor)
{
    for (size_t i = 0; i < reactor->slot_count; i++) {
        /* The session of a client that has not answered its close is the vhost's, which goes later
         * and counts in the totals until then. Their table frees them. */
        reactor->slots[i].user_totals = NULL;
        if (reactor->slots[i].connection != NULL)
            closed(reactor, reactor->slots[i].connection);
    }
    while (reactor->gates != NULL) {
        command_batch_free(reactor->gates->batch);
        free_gate(reactor, reactor->gates);
    }
    connection_host_fini(&reactor->host);
    event_free(reactor->wake_event);
    event_free(reactor->tick_event);
    event_base_free(reactor->base);
    free(reactor->slots);
    free(reactor);
}
