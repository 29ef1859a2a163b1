/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that drives publishers and consumers over epoll.
 *
 * Edge-triggered, each socket registered once for both directions: an actor remembers that its
 * socket was readable or writable until a short read or write says otherwise, so a busy connection
 * costs no epoll_ctl and hardly an epoll_wait. Only actors that can do something are looked at,
 * however many connections there are. A turn is one read and one write of large buffers; turns go
 * round robin. While somebody can go on the loop only polls; otherwise it sleeps until a socket,
 * the timer or another thread's wake-up.
 *
 * Measured on two cores, one thread with everything is the cheapest: parting publishers from
 * consumers buys nothing as long as the broker is the slower side, and costs a third thread on two
 * cores.
 */
#include "perf/worker.h"

#include "perf/fail.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { EVENTS = 256 };

static void watch(struct worker *worker, int fd, uint32_t events, void *actor)
{
    struct epoll_event event = {.events = events, .data.ptr = actor};
    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        fail_errno("epoll_ctl");
}

void worker_init(struct worker *worker, struct run *run, unsigned actor_capacity)
{
    *worker =
        (struct worker){.run = run,
                        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
                        .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                        .timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
                        .ready = fail_calloc(actor_capacity, sizeof(struct actor *)),
                        .waiting = fail_calloc(actor_capacity, sizeof(struct actor *)),
                        .actor_capacity = actor_capacity,
                        .timer_ns = UINT64_MAX};
    if (worker->epoll_fd < 0 || worker->wake_fd < 0 || worker->timer_fd < 0)
        fail_errno("cannot set up a thread");
    watch(worker, worker->wake_fd, EPOLLIN | EPOLLET, NULL);
    watch(worker, worker->timer_fd, EPOLLIN | EPOLLET, NULL);
}

void worker_fini(struct worker *worker)
{
    close(worker->epoll_fd);
    close(worker->wake_fd);
    close(worker->timer_fd);
    free(worker->ready);
    free(worker->waiting);
}

void worker_add(struct worker *worker, struct actor *actor)
{
    if (worker->actor_count == worker->actor_capacity)
        fail("more connections than were planned for");
    actor->worker = worker;
    actor->state = TURN_AGAIN;
    actor->deadline_ns = UINT64_MAX;
    worker->actor_count++;
    worker->ready[worker->ready_count++] = actor;
    peer_set_nonblocking(&actor->peer, true);
    worker_watch(worker, actor);
}

void worker_watch(struct worker *worker, struct actor *actor)
{
    watch(worker, actor->peer.fd, EPOLLIN | EPOLLOUT | EPOLLET, actor);
}

void worker_forget(struct worker *worker, struct actor *actor)
{
    if (epoll_ctl(worker->epoll_fd, EPOLL_CTL_DEL, actor->peer.fd, NULL) != 0)
        fail_errno("epoll_ctl");
}

void worker_wake(struct worker *worker)
{
    if (write(worker->wake_fd, &(uint64_t){1}, sizeof(uint64_t)) < 0 && errno != EAGAIN)
        fail_errno("cannot wake a thread");
}

void worker_wake_waiting(struct worker *worker)
{
    if (atomic_load(&worker->is_waiting) && atomic_exchange(&worker->is_waiting, false))
        worker_wake(worker);
}

static void arm_timer(struct worker *worker, uint64_t deadline_ns)
{
    if (deadline_ns == worker->timer_ns)
        return;
    worker->timer_ns = deadline_ns;
    struct itimerspec when = {0};
    if (deadline_ns != UINT64_MAX) {
        when.it_value.tv_sec = (time_t)(deadline_ns / 1000000000U);
        when.it_value.tv_nsec = (long)(deadline_ns % 1000000000U) | 1;
    }
    timerfd_settime(worker->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void start_waiting(struct worker *worker, struct actor *actor)
{
    actor->waiting_index = worker->waiting_count;
    worker->waiting[worker->waiting_count++] = actor;
}

static void stop_waiting(struct worker *worker, struct actor *actor)
{
    struct actor *last = worker->waiting[--worker->waiting_count];
    worker->waiting[actor->waiting_index] = last;
    last->waiting_index = actor->waiting_index;
}

static void make_ready(struct worker *worker, struct actor *actor)
{
    if (actor->state == TURN_AGAIN)
        return;
    if (actor->state == TURN_WAIT)
        stop_waiting(worker, actor);
    actor->state = TURN_AGAIN;
    worker->ready[worker->ready_count++] = actor;
}

/* One turn for each actor that can do something; true when one of them can go on at once. */
static bool take_turns(struct worker *worker)
{
    while (worker->waiting_count > 0)
        make_ready(worker, worker->waiting[worker->waiting_count - 1]);
    unsigned kept = 0;
    for (unsigned i = 0; i < worker->ready_count; i++) {
        struct actor *actor = worker->ready[i];
        actor->deadline_ns = UINT64_MAX;
        actor->state = actor->take_turn(actor);
        if (actor->state == TURN_AGAIN)
            worker->ready[kept++] = actor;
        else if (actor->state == TURN_WAIT)
            start_waiting(worker, actor);
    }
    worker->ready_count = kept;
    return kept > 0;
}

static uint64_t earliest_deadline(const struct worker *worker)
{
    uint64_t earliest_ns = UINT64_MAX;
    for (unsigned i = 0; i < worker->waiting_count; i++)
        if (worker->waiting[i]->deadline_ns < earliest_ns)
            earliest_ns = worker->waiting[i]->deadline_ns;
    return earliest_ns;
}

static void note_events(struct worker *worker, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(worker->epoll_fd, events, EVENTS, timeout_ms);
    if (count < 0 && errno != EINTR)
        fail_errno("epoll_wait");
    for (int i = 0; i < count; i++) {
        struct actor *actor = events[i].data.ptr;
        if (actor == NULL) {
            worker->timer_ns = 0; /* It may have fired: whatever comes next is armed anew. */
            continue;
        }
        actor->peer.is_readable |= (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
        actor->peer.is_writable |= (events[i].events & EPOLLOUT) != 0;
        make_ready(worker, actor);
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    while (!atomic_load(&worker->is_stopped)) {
        bool goes_on = take_turns(worker);
        if (!goes_on) {
            atomic_store(&worker->is_waiting, true);
            goes_on = take_turns(worker);
            arm_timer(worker, earliest_deadline(worker));
        }
        note_events(worker, goes_on ? 0 : -1);
        atomic_store_explicit(&worker->is_waiting, false, memory_order_relaxed);
    }
    return NULL;
}

void worker_start(struct worker *worker)
{
    int failure = pthread_create(&worker->thread, NULL, work, worker);
    if (failure != 0)
        fail("cannot start a thread");
}

void worker_stop(struct worker *worker)
{
    atomic_store(&worker->is_stopped, true);
    worker_wake(worker);
    pthread_join(worker->thread, NULL);
}
