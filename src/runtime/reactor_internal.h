/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_REACTOR_INTERNAL_H
#define LEVERET_RUNTIME_REACTOR_INTERNAL_H

/* What the files reactor*.c share. */

#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/connection.h"
#include "queue/message_cache.h"
#include "runtime/gate.h"
#include "runtime/reactor.h"

struct auth_identity;
struct job;

/* A vhost as this reactor sees it: its gate, and the batch that gathers for it in this turn. */
struct vhost_gate {
    struct vhost_gate *next;
    struct gate *gate; /* a reference */
    size_t connection_count;
    struct command_batch *batch; /* owned; NULL while nothing has gathered */
    bool is_gathering;           /* is in the list of those with a batch */
    bool is_behind;              /* may have batches that nobody has run yet */
    struct vhost_gate *next_gathering;
};

struct slot {
    struct connection *connection;   /* NULL: free */
    struct auth_identity *identity;  /* ref; NULL: not logged in, or the snapshot of users tells */
    struct job *jobs;                /* what the pool has of it */
    struct user_totals *user_totals; /* held; NULL: it has no session */
    uint64_t number;                 /* of the connection, over all of the server's */
    uint64_t connected_ms;           /* when it was accepted (wall-clock) */
    struct octets counted;           /* of the connection, which its vhost's account has */
    uint32_t generation;
    uint32_t next_free;
};

struct reactor {
    struct server *server;
    size_t number;
    struct mailbox *mailbox;
    pthread_t thread;
    struct event_base *base;
    struct event *wake_event, *tick_event;
    struct connection_host host;
    struct message_cache messages; /* its thread's */
    struct vhost_gate *gates;      /* owned */
    struct vhost_gate *gathering;  /* those with a batch */
    struct slot *slots;            /* owned */
    size_t slot_count, slot_capacity;
    uint32_t first_free; /* UINT32_MAX: none */
    bool has_due;        /* connections may have something that is due now */
    bool is_stopping;
    _Atomic size_t connection_count;
};

/* NULL where the connection is gone. */
struct slot *reactor_find_slot(const struct reactor *reactor, uint64_t handle);
struct vhost_gate *reactor_find_gate(struct reactor *reactor, struct bytes vhost);
/* The callbacks of struct connection_host. */
struct command_batch *reactor_gather(void *context, struct vhost_gate *gate);
void reactor_mechanisms(void *context, struct connection *connection, struct buffer *names);
enum login_result reactor_login(void *context, const struct login_request *request,
                                struct login_answer *answer);
struct vhost_gate *reactor_open_vhost(void *context, struct connection *connection,
                                      const char *user, struct bytes vhost,
                                      struct amqp_error *error);

/* Adds to the vhost's account what has come since the last time; false where nothing has. */
bool reactor_count_octets(struct slot *slot);

/* What is told of connections: reactor_events.c. */
void reactor_opening(void *context, const struct connection *connection,
                     struct session_config *config);
void reactor_tell_closed(struct reactor *reactor, const struct connection *connection);
/* user: no data where the response names none; reason NULL: it has logged in. */
void reactor_tell_login(struct reactor *reactor, const struct connection *connection,
                        struct bytes user, const char *reason);

/* The connection goes: what has not begun of its jobs never will. */
void reactor_drop_jobs(struct reactor *reactor, struct slot *slot);
/* Finds out what a session asks; the effect passes. */
void reactor_ask(struct reactor *reactor, struct slot *slot, struct effect *effect);
/* Ends the connections whose credentials have expired. */
void reactor_end_expired(struct reactor *reactor);

#endif
