/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A plain lock around the core convoys: with more threads than cores, whoever waits for it sleeps,
 * and so do the sockets of its reactor. So nobody waits. A thread that comes with something puts it
 * into the inbox; if nobody holds the gate it becomes the holder and runs all that is in the inbox
 * until it is empty, else it goes on with its sockets and the holder runs it.
 *
 * Before the gate is given up, the effects are in the mailboxes of the reactors that own their
 * connections: two runs of the core therefore reach a mailbox in the order of the core, which is
 * the order on every connection (design, invariant 8). One batch of the vhost is with the store at
 * a time; what comes meanwhile gathers for the next. What is consumed before its batch leaves is
 * never written: where consumers are about as fast as the disk a batch waits a moment for them,
 * which makes it much smaller, and delays nothing but the confirms of what they do not take.
 *
 * Who wakes another thread may lose its processor to it, and with the gate in its hand would make
 * all wait. So whom the effects wake, and what the store is given, waits until the gate is given
 * up, which is at once, or until the next round begins.
 *
 * A holder has sockets of its own that wait. After a bounded number of rounds, or some milliseconds
 * where rounds are long, it hands the gate, still held, to the reactor whose batch is next. That
 * goes by the reactor's mailbox, posted under the gate's mutex, so that once gate_stop_handing_over
 * has returned no gate is on its way to a reactor that ends. (A gate's mutex is taken before a
 * mailbox's, never after it.)
 */
#include "runtime/gate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "runtime/clock.h"
#include "runtime/event_bus.h"
#include "runtime/log.h"
#include "runtime/store_pool.h"
#include "runtime/wake.h"

enum { rounds_max = 16, held_max_ns = 2000000, idle_before_maintenance_ms = 300 };
enum { pause_us = 200 }; /* about a commit */
enum { asleep_max = 8 }; /* woken together */

enum note_kind {
    NOTE_COMMITTED,
    NOTE_PAUSED,
    NOTE_MAINTAINED,
    NOTE_READ_DONE,
    NOTE_CALL,
    NOTE_DISK,
    NOTE_ALARMS,
    NOTE_EVENTS,
    NOTE_TICK
};

/* Anything but commands that is to be run by the holder. */
struct note {
    struct note *next;
    enum note_kind kind;
    bool flag;                        /* disk: it is full; maintained: there is more to do */
    bool is_short;                    /* maintained, committed: of space */
    unsigned alarms;                  /* alarms */
    uint64_t batch_number;            /* committed */
    struct store_read_result *result; /* read done; owned */
    struct event_bus *bus;            /* events; borrowed: it outlives the gate */
    gate_function *function;          /* call */
    void *context;
    bool is_done; /* call: set under the gate's mutex */
};

struct gate {
    struct gate_config config;
    char *name; /* owned */
    pthread_mutex_t mutex;
    pthread_cond_t done; /* a call was run, or the store has nothing of this vhost any more */
    /* Under the mutex. */
    bool is_held;
    struct note *first_note, *last_note;
    struct command_batch *first_batch, *last_batch;
    size_t *backlogs; /* owned; batches in the inbox, by reactor */
    bool is_in_checkpoint;
    bool is_draining;     /* no maintenance any more */
    bool has_no_reactors; /* they are ending: it is not handed over any more */
    bool is_idle;         /* nothing is with the store, nothing is to be given to it */
    struct wake_node wake_node;
    /* The holder's. */
    bool is_writer_busy;
    bool has_paused; /* before the batch that is gathered */
    bool has_maintenance;
    bool may_maintain;
    bool is_disk_full;
    unsigned alarms; /* of the server */
    uint64_t maintain_after_ms;
    size_t reads_under_way;
    /* The writer's: whoever commits. */
    bool has_given_up;
    /* Anybody's. */
    atomic_uint_fast64_t held_ns;
    atomic_uint_fast64_t read_bytes, written_bytes;
};

struct gate *gate_new(const struct gate_config *config)
{
    struct gate *gate = xcalloc(1, sizeof *gate);
    gate->config = *config;
    gate->name = xstrdup(vhost_name(config->vhost));
    gate->backlogs = xcalloc(config->reactor_count, sizeof *gate->backlogs);
    gate->is_idle = true;
    gate->has_maintenance = true;
    CHECK(pthread_mutex_init(&gate->mutex, NULL) == 0);
    CHECK(pthread_cond_init(&gate->done, NULL) == 0);
    return gate;
}

void gate_free(struct gate *gate)
{
    CHECK(!gate->is_held && gate->first_note == NULL && gate->first_batch == NULL);
    if (gate->config.wake != NULL)
        wake_forget(gate->config.wake, &gate->wake_node);
    vhost_free(gate->config.vhost);
    store_close(gate->config.store);
    pthread_mutex_destroy(&gate->mutex);
    pthread_cond_destroy(&gate->done);
    free(gate->backlogs);
    free(gate->name);
    free(gate);
}

const char *gate_name(const struct gate *gate)
{
    return gate->name;
}

struct store *gate_store(const struct gate *gate)
{
    return gate->config.store;
}

void *gate_owner(const struct gate *gate)
{
    return gate->config.owner;
}

/* --- running */

/* What a round leaves to be done when the gate is given up, or before the next round: it takes
 * system calls, in which a thread may lose its processor to the one that it wakes, or frees memory.
 */
struct aftermath {
    struct store_pool *pool;            /* borrowed */
    struct mailbox *asleep[asleep_max]; /* borrowed; of reactors that sleep and have mail */
    size_t asleep_count;
    struct store_read *reads; /* owned */
    size_t read_count;
    struct store_batch *batch;  /* owned; to be committed, */
    bool is_pausing;            /* or the writer is to wait a moment for it, */
    bool is_maintaining;        /* or it has time for maintenance */
    struct command_batch *done; /* owned */
};

static void set_alarms(struct gate *gate, uint64_t now_ms)
{
    unsigned full = gate->is_disk_full ? VHOST_ALARM_DISK : 0;
    vhost_set_alarms(gate->config.vhost, gate->alarms | full, now_ms);
}

static void set_disk_full(struct gate *gate, bool is_full, uint64_t now_ms)
{
    if (gate->is_disk_full == is_full)
        return;
    gate->is_disk_full = is_full;
    set_alarms(gate, now_ms);
    if (is_full)
        log_warning("vhost '%s': no space for its store, publishers are blocked", gate_name(gate));
    else
        log_info("vhost '%s': there is space for its store again", gate_name(gate));
}

/* What others have for an exchange of this vhost. */
static void publish_events(struct gate *gate, struct event_bus *bus, uint64_t now_ms)
{
    struct message **messages;
    size_t count = event_bus_take(bus, gate, &messages);
    if (count > 0)
        vhost_publish(gate->config.vhost, messages, count, now_ms);
    free(messages);
}

static void run_note(struct gate *gate, struct note *note)
{
    struct vhost *vhost = gate->config.vhost;
    uint64_t now_ms = clock_wall_ms();
    switch (note->kind) {
    case NOTE_COMMITTED:
        gate->is_writer_busy = false;
        gate->has_maintenance = true;
        gate->maintain_after_ms = now_ms + idle_before_maintenance_ms;
        set_disk_full(gate, note->is_short, now_ms); /* before more is spilled */
        vhost_complete(vhost, note->batch_number, now_ms);
        break;
    case NOTE_PAUSED:
        gate->is_writer_busy = false;
        gate->has_paused = true;
        break;
    case NOTE_MAINTAINED:
        gate->is_writer_busy = false;
        gate->has_maintenance = note->flag || note->is_short;
        gate->maintain_after_ms = note->flag ? 0 : now_ms + idle_before_maintenance_ms;
        break;
    case NOTE_READ_DONE:
        gate->reads_under_way--;
        vhost_read_done(vhost, note->result, now_ms);
        store_read_result_free(note->result);
        break;
    case NOTE_CALL:
        note->function(vhost, now_ms, note->context);
        break;
    case NOTE_DISK:
        set_disk_full(gate, note->flag, now_ms);
        break;
    case NOTE_ALARMS:
        gate->alarms = note->alarms;
        set_alarms(gate, now_ms);
        break;
    case NOTE_EVENTS:
        publish_events(gate, note->bus, now_ms);
        break;
    case NOTE_TICK:
        break;
    }
}

/* That of a call is the caller's, and gone once it knows. */
static void finish_note(struct gate *gate, struct note *note)
{
    if (note->kind != NOTE_CALL) {
        free(note);
        return;
    }
    pthread_mutex_lock(&gate->mutex);
    note->is_done = true;
    pthread_cond_broadcast(&gate->done);
    pthread_mutex_unlock(&gate->mutex);
}

static void wake_all(struct aftermath *left)
{
    for (size_t i = 0; i < left->asleep_count; i++)
        mailbox_wake(left->asleep[i]);
    left->asleep_count = 0;
}

static void post_effects(struct gate *gate, struct aftermath *left)
{
    for (size_t i = 0; i < gate->config.reactor_count; i++) {
        struct mailbox *mailbox = &gate->config.mailboxes[i];
        if (!mailbox_leave_effects(mailbox, vhost_take_effects(gate->config.vhost, i)))
            continue;
        if (left->asleep_count == asleep_max)
            wake_all(left);
        left->asleep[left->asleep_count++] = mailbox;
    }
}

/* Before the effects leave: who has an answer can rely on the event being on its way. */
static void post_events(struct gate *gate)
{
    struct message **messages;
    size_t count = vhost_take_events(gate->config.vhost, &messages);
    if (count > 0)
        event_bus_post(gate->config.events, messages, count);
    free(messages);
}

/* true where it has something to do. */
static bool feed_writer(struct gate *gate, struct aftermath *left)
{
    left->is_pausing = !gate->has_paused && vhost_batch_shrinks(gate->config.vhost);
    left->batch = left->is_pausing ? NULL : vhost_take_batch(gate->config.vhost);
    gate->has_paused = false;
    gate->is_writer_busy = left->is_pausing || left->batch != NULL;
    return gate->is_writer_busy;
}

static void feed_store(struct gate *gate, struct aftermath *left)
{
    left->read_count = vhost_take_reads(gate->config.vhost, &left->reads);
    gate->reads_under_way += left->read_count;
    if (gate->is_writer_busy)
        return;
    if (feed_writer(gate, left))
        return;
    if (gate->has_maintenance && gate->may_maintain && clock_wall_ms() >= gate->maintain_after_ms)
        gate->is_writer_busy = left->is_maintaining = true;
}

/* What the store is given keeps the gate from being freed meanwhile, though it is given up. */
static void do_aftermath(struct gate *gate, struct aftermath *left)
{
    wake_all(left);
    if (left->read_count > 0)
        store_pool_read(left->pool, gate, left->reads, left->read_count);
    if (left->batch != NULL)
        store_pool_commit(left->pool, gate, left->batch);
    else if (left->is_pausing)
        store_pool_pause(left->pool, gate);
    else if (left->is_maintaining)
        store_pool_maintain(left->pool, gate);
    while (left->done != NULL) {
        struct command_batch *next = left->done->next;
        command_batch_free(left->done);
        left->done = next;
    }
    *left = (struct aftermath){.pool = left->pool};
}

/* What was in the inbox when it was looked at. */
struct inbox {
    struct note *notes;
    struct command_batch *batches;
};

/* Takes what is there; where there is nothing, gives the gate up and returns false. */
static bool take_inbox(struct gate *gate, struct inbox *inbox)
{
    pthread_mutex_lock(&gate->mutex);
    *inbox = (struct inbox){gate->first_note, gate->first_batch};
    gate->may_maintain = !gate->is_draining;
    gate->first_note = gate->last_note = NULL;
    gate->first_batch = gate->last_batch = NULL;
    memset(gate->backlogs, 0, gate->config.reactor_count * sizeof *gate->backlogs);
    bool has_any = inbox->notes != NULL || inbox->batches != NULL;
    uint64_t due_ms = vhost_deadline(gate->config.vhost);
    if (!has_any && due_ms > clock_wall_ms()) {
        if (due_ms != UINT64_MAX && gate->config.wake != NULL && !gate->is_draining)
            wake_at(gate->config.wake, &gate->wake_node, gate, due_ms);
        gate->is_held = false;
        gate->is_idle = !gate->is_writer_busy && gate->reads_under_way == 0;
        pthread_cond_broadcast(&gate->done);
        pthread_mutex_unlock(&gate->mutex);
        return false;
    }
    pthread_mutex_unlock(&gate->mutex);
    return true;
}

static void run_inbox(struct gate *gate, struct inbox *inbox, struct aftermath *left)
{
    struct note *notes = inbox->notes;
    for (struct note *note = notes; note != NULL; note = note->next)
        run_note(gate, note);
    for (struct command_batch *batch = inbox->batches; batch != NULL; batch = batch->next)
        vhost_apply(gate->config.vhost, batch, clock_wall_ms());
    if (inbox->batches == NULL && notes == NULL) {
        struct command_batch nothing = {0};
        vhost_apply(gate->config.vhost, &nothing, clock_wall_ms());
    }
    post_events(gate);
    post_effects(gate, left);
    feed_store(gate, left);
    left->done = inbox->batches;
    while (notes != NULL) {
        struct note *next = notes->next;
        finish_note(gate, notes);
        notes = next;
    }
}

struct handed_over {
    struct task task;
    struct gate *gate;
    int reactor;
};

static void run_handed_over(struct task *task)
{
    struct handed_over *handed = container_of(task, struct handed_over, task);
    gate_run_handed_over(handed->gate, handed->reactor);
    free(handed);
}

static bool is_guest(const struct gate *gate, size_t number)
{
    return number + gate->config.guest_count >= gate->config.reactor_count;
}

/* The reactor that waits for the gate, or the holder itself where nobody does. */
static int next_holder_locked(const struct gate *gate, int reactor)
{
    int next = reactor;
    if (gate->first_batch != NULL && !is_guest(gate, gate->first_batch->reactor))
        next = (int)gate->first_batch->reactor;
    return next != GATE_NO_REACTOR ? next : 0;
}

/* false where there are no reactors any more. */
static bool hand_over_locked(struct gate *gate, int reactor)
{
    if (gate->has_no_reactors)
        return false;
    struct handed_over *handed = xmalloc(sizeof *handed);
    int next = next_holder_locked(gate, reactor);
    *handed = (struct handed_over){{.run = run_handed_over}, gate, next};
    mailbox_post_task(&gate->config.mailboxes[next], &handed->task);
    return true;
}

/* false where the holder must go on itself. */
static bool hand_over(struct gate *gate, int reactor)
{
    pthread_mutex_lock(&gate->mutex);
    bool is_possible = hand_over_locked(gate, reactor);
    pthread_mutex_unlock(&gate->mutex);
    return is_possible;
}

void gate_stop_handing_over(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->has_no_reactors = true;
    pthread_mutex_unlock(&gate->mutex);
}

/* Counts the time since, and returns the present one. Before the gate is given up: then it may be
 * freed. */
static uint64_t count_held(struct gate *gate, uint64_t since_ns)
{
    uint64_t now_ns = clock_steady_ns();
    atomic_fetch_add_explicit(&gate->held_ns, now_ns - since_ns, memory_order_relaxed);
    return now_ns;
}

void gate_run_handed_over(struct gate *gate, int reactor)
{
    struct inbox inbox;
    struct aftermath left = {.pool = gate->config.pool};
    int rounds = 0;
    uint64_t started_ns = clock_steady_ns(), now_ns = started_ns;
    while (take_inbox(gate, &inbox)) {
        do_aftermath(gate, &left);
        run_inbox(gate, &inbox, &left);
        now_ns = count_held(gate, now_ns);
        bool is_long = ++rounds >= rounds_max || now_ns - started_ns >= held_max_ns;
        if (is_long && hand_over(gate, reactor))
            break;
    }
    do_aftermath(gate, &left);
}

void gate_add_octets(struct gate *gate, const struct octets *octets)
{
    atomic_fetch_add_explicit(&gate->read_bytes, octets->read, memory_order_relaxed);
    atomic_fetch_add_explicit(&gate->written_bytes, octets->written, memory_order_relaxed);
}

struct octets gate_octets(struct gate *gate)
{
    return (struct octets){
        atomic_load_explicit(&gate->read_bytes, memory_order_relaxed),
        atomic_load_explicit(&gate->written_bytes, memory_order_relaxed),
    };
}

uint64_t gate_held_ns(struct gate *gate)
{
    return atomic_load_explicit(&gate->held_ns, memory_order_relaxed);
}

/* --- the inbox */

/* Unlocks; becomes the holder if there is none. */
static void unlock_and_run(struct gate *gate, int reactor)
{
    bool was_held = gate->is_held;
    gate->is_held = true;
    gate->is_idle = false;
    pthread_mutex_unlock(&gate->mutex);
    if (!was_held)
        gate_run_handed_over(gate, reactor);
}

static void add_batch_locked(struct gate *gate, struct command_batch *batch, size_t reactor)
{
    batch->next = NULL;
    batch->reactor = reactor;
    if (gate->last_batch != NULL)
        gate->last_batch->next = batch;
    else
        gate->first_batch = batch;
    gate->last_batch = batch;
    gate->backlogs[reactor]++;
}

void gate_submit(struct gate *gate, struct command_batch *batch, size_t reactor)
{
    pthread_mutex_lock(&gate->mutex);
    add_batch_locked(gate, batch, reactor);
    unlock_and_run(gate, (int)reactor);
}

size_t gate_backlog(struct gate *gate, size_t reactor)
{
    pthread_mutex_lock(&gate->mutex);
    size_t backlog = gate->backlogs[reactor];
    pthread_mutex_unlock(&gate->mutex);
    return backlog;
}

/* No memory is asked for with the mutex in hand: malloc may wait for another thread. */
static void add_note_locked(struct gate *gate, struct note *note)
{
    note->next = NULL;
    if (gate->last_note != NULL)
        gate->last_note->next = note;
    else
        gate->first_note = note;
    gate->last_note = note;
}

static void leave(struct gate *gate, struct note *note)
{
    pthread_mutex_lock(&gate->mutex);
    add_note_locked(gate, note);
    unlock_and_run(gate, GATE_NO_REACTOR);
}

static void leave_note(struct gate *gate, struct note note)
{
    leave(gate, xmemdup(&note, sizeof note));
}

static void wait_until_done(struct gate *gate, const struct note *call)
{
    pthread_mutex_lock(&gate->mutex);
    while (!call->is_done)
        pthread_cond_wait(&gate->done, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

void gate_call(struct gate *gate, gate_function *function, void *context)
{
    struct note call = {.kind = NOTE_CALL, .function = function, .context = context};
    leave(gate, &call);
    wait_until_done(gate, &call);
}

/* Nobody holds the gate: a reactor is to. false where there are none any more. */
static bool call_reactor_locked(struct gate *gate)
{
    if (!hand_over_locked(gate, GATE_NO_REACTOR))
        return false;
    gate->is_held = true;
    gate->is_idle = false;
    return true;
}

/* Unlocks; a reactor becomes the holder if there is none. */
static void unlock_and_leave(struct gate *gate)
{
    if (gate->is_held || call_reactor_locked(gate))
        pthread_mutex_unlock(&gate->mutex);
    else
        unlock_and_run(gate, GATE_NO_REACTOR);
}

void gate_leave(struct gate *gate, struct command_batch *batch, size_t guest)
{
    CHECK(is_guest(gate, guest));
    pthread_mutex_lock(&gate->mutex);
    add_batch_locked(gate, batch, guest);
    unlock_and_leave(gate);
}

void gate_ask(struct gate *gate, gate_function *function, void *context)
{
    struct note call = {.kind = NOTE_CALL, .function = function, .context = context};
    pthread_mutex_lock(&gate->mutex);
    add_note_locked(gate, &call);
    unlock_and_leave(gate);
    wait_until_done(gate, &call);
}

void gate_committed(struct gate *gate, uint64_t batch_number, bool is_short)
{
    leave_note(
        gate,
        (struct note){.kind = NOTE_COMMITTED, .batch_number = batch_number, .is_short = is_short});
}

void gate_pause(struct gate *gate)
{
    if (gate->config.pause != NULL)
        gate->config.pause(gate->config.pause_context);
    else
        nanosleep(&(struct timespec){.tv_nsec = pause_us * 1000L}, NULL);
}

void gate_paused(struct gate *gate)
{
    leave_note(gate, (struct note){.kind = NOTE_PAUSED});
}

void gate_maintained(struct gate *gate, bool has_more, bool is_short)
{
    leave_note(gate,
               (struct note){.kind = NOTE_MAINTAINED, .flag = has_more, .is_short = is_short});
}

void gate_reads_done(struct gate *gate, struct store_read_result **results, size_t count)
{
    struct note *notes = NULL, *next;
    for (size_t i = count; i > 0; i--) {
        struct note note = {.kind = NOTE_READ_DONE, .result = results[i - 1], .next = notes};
        notes = xmemdup(&note, sizeof note);
    }
    pthread_mutex_lock(&gate->mutex);
    for (; notes != NULL; notes = next) {
        next = notes->next;
        add_note_locked(gate, notes);
    }
    unlock_and_run(gate, GATE_NO_REACTOR);
}

bool gate_begin_checkpoint(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    bool is_first = !gate->is_in_checkpoint;
    gate->is_in_checkpoint = true;
    pthread_mutex_unlock(&gate->mutex);
    return is_first;
}

void gate_end_checkpoint(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->is_in_checkpoint = false;
    pthread_cond_broadcast(&gate->done);
    pthread_mutex_unlock(&gate->mutex);
}

void gate_set_disk_full(struct gate *gate, bool is_full)
{
    leave_note(gate, (struct note){.kind = NOTE_DISK, .flag = is_full});
}

void gate_give_up(struct gate *gate)
{
    gate->has_given_up = true;
}

bool gate_has_given_up(const struct gate *gate)
{
    return gate->has_given_up;
}

void gate_set_alarms(struct gate *gate, unsigned alarms)
{
    leave_note(gate, (struct note){.kind = NOTE_ALARMS, .alarms = alarms});
}

/* Where the reactors have ended nobody can receive events any more, and they are dropped. */
void gate_announce_events(struct gate *gate, struct event_bus *bus)
{
    struct note *note = xmemdup(&(struct note){.kind = NOTE_EVENTS, .bus = bus}, sizeof *note);
    pthread_mutex_lock(&gate->mutex);
    bool has_reactors = !gate->has_no_reactors;
    if (has_reactors) {
        add_note_locked(gate, note);
        if (!gate->is_held)
            call_reactor_locked(gate);
    }
    pthread_mutex_unlock(&gate->mutex);
    if (!has_reactors)
        free(note);
}

void gate_tick(struct gate *gate)
{
    leave_note(gate, (struct note){.kind = NOTE_TICK});
}

bool gate_is_draining(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    bool is_draining = gate->is_draining;
    pthread_mutex_unlock(&gate->mutex);
    return is_draining;
}

void gate_drain(struct gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
    gate->is_draining = true;
    while (gate->is_held || !gate->is_idle || gate->is_in_checkpoint)
        pthread_cond_wait(&gate->done, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}
