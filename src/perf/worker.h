/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_WORKER_H
#define LEVERET_PERF_WORKER_H

#include "perf/peer.h"
#include "perf/run.h"

#include <pthread.h>

/* What an actor can do next: more at once; nothing until its socket has something; nothing until a
 * counter moves, the worker is woken, or deadline_ns (UINT64_MAX: none) comes. */
enum turn { TURN_AGAIN, TURN_SOCKET, TURN_WAIT };

/* A connection with a task: the first member of a publisher and of a consumer. */
struct actor {
    struct peer peer;
    struct worker *worker; /* borrowed: outlives its actors */
    enum turn (*take_turn)(struct actor *actor);
    enum turn state;
    unsigned waiting_index; /* where it stands in its worker's list, in TURN_WAIT */
    uint64_t deadline_ns;
};

struct worker {
    struct run *run; /* borrowed: lives in main */
    pthread_t thread;
    int epoll_fd;
    int wake_fd;
    int timer_fd;
    struct actor **ready;   /* owned array of borrowed actors: those in TURN_AGAIN */
    struct actor **waiting; /* owned array of borrowed actors: those in TURN_WAIT */
    unsigned ready_count;
    unsigned waiting_count;
    unsigned actor_count;
    unsigned actor_capacity;
    uint64_t timer_ns;
    _Atomic bool is_waiting;
    _Atomic bool is_stopped;
};

void worker_init(struct worker *worker, struct run *run, unsigned actor_capacity);
void worker_fini(struct worker *worker);

/* Before the start only. Switches the actor's socket to non-blocking. */
void worker_add(struct worker *worker, struct actor *actor);

/* In a turn: the actor has another socket, whose state it knows, than the one that was closed; or
 * its socket is nothing to it any more, but stays open. */
void worker_watch(struct worker *worker, struct actor *actor);
void worker_forget(struct worker *worker, struct actor *actor);

void worker_start(struct worker *worker);

/* From any thread: the waiting actors look again. */
void worker_wake(struct worker *worker);
void worker_wake_waiting(struct worker *worker);

/* Ends the thread after its current round and waits for it. */
void worker_stop(struct worker *worker);

#endif
