/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_GATE_H
#define LEVERET_RUNTIME_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/octets.h"
#include "broker/vhost.h"
#include "runtime/mailbox.h"
#include "store/store.h"

/*
 * The gate of a vhost: whoever has something for the vhost leaves it in the gate's inbox, and one
 * thread at a time, the holder, runs what is there. See gate.c. All functions may be called by any
 * thread.
 */
struct gate;
struct event_bus;
struct store_pool;
struct wake;

struct gate_config {
    struct vhost *vhost;       /* owned by the gate from here on */
    struct store *store;       /* likewise */
    struct store_pool *pool;   /* borrowed: it outlives the gate */
    struct mailbox *mailboxes; /* borrowed: those of the reactors, by number */
    size_t reactor_count;
    size_t guest_count; /* the last so many are other threads: they have sessions, but the gate
                           is never handed over to them */
    struct event_bus *events; /* borrowed: it outlives the gate; NULL: the vhost makes no events */
    void (*pause)(void *context); /* how long a moment is; NULL: about a commit */
    void *pause_context;          /* borrowed */
    void *owner;                  /* borrowed; for gate_owner */
    struct wake *wake; /* borrowed; NULL: somebody ticks the gate whenever something may be due */
};

struct gate *gate_new(const struct gate_config *config);
/* Nothing is in the inbox or on its way to or from the store any more. */
void gate_free(struct gate *gate);

const char *gate_name(const struct gate *gate);
struct store *gate_store(const struct gate *gate);
void *gate_owner(const struct gate *gate);

/* The caller is no reactor. */
enum { GATE_NO_REACTOR = -1 };

/* Gives the batch away; runs it now, unless another thread holds the gate, which then does. The
 * reactor is the caller's number. */
void gate_submit(struct gate *gate, struct command_batch *batch, size_t reactor);

/* The same for a guest, which never becomes the holder while there are reactors. */
void gate_leave(struct gate *gate, struct command_batch *batch, size_t guest);

/* How many batches of this reactor wait to be run. A reactor that is far ahead of the core is to
 * read no more from its sockets: the inbox has no bound of its own. */
size_t gate_backlog(struct gate *gate, size_t reactor);

/* How long the gate was held since it was made, in nanoseconds: what throughput is bounded by,
 * whatever the number of threads. The moment from handing it over to its being taken is not
 * counted; what other programs took of the processor meanwhile is. */
uint64_t gate_held_ns(struct gate *gate);

/* What the connections of the vhost have read and written, as far as they have been looked at:
 * more of it, and all since the gate was made. */
void gate_add_octets(struct gate *gate, const struct octets *octets);
struct octets gate_octets(struct gate *gate);

/* Runs a function as the holder, and returns when it has run. Not from a reactor, not from inside
 * the gate. */
typedef void gate_function(struct vhost *vhost, uint64_t now_ms, void *context);
void gate_call(struct gate *gate, gate_function *function, void *context);
/* The same for threads that are busy with other things for long: the caller never becomes the
 * holder, while there are reactors, so that nobody waits for it when the system gives its processor
 * to others. */
void gate_ask(struct gate *gate, gate_function *function, void *context);

/* From the store pool: a batch is on disk; a slice of maintenance is done, and there is more to do,
 * now or (is_short: of space) some time later; reading is done. The result passes. */
void gate_committed(struct gate *gate, uint64_t batch_number, bool is_short);
/* Lets a moment pass; the moment before the next batch is over. */
void gate_pause(struct gate *gate);
void gate_paused(struct gate *gate);
void gate_maintained(struct gate *gate, bool has_more, bool is_short);
void gate_reads_done(struct gate *gate, struct store_read_result **results, size_t count);
/* A checkpoint of the store starts (false: one is under way already) and ends. */
bool gate_begin_checkpoint(struct gate *gate);
void gate_end_checkpoint(struct gate *gate);
/* The disk is full (or no longer): publishers are blocked meanwhile. */
void gate_set_disk_full(struct gate *gate, bool is_full);
/* The batch on its way is lost, and with it every later one, which may build on it. */
void gate_give_up(struct gate *gate);
bool gate_has_given_up(const struct gate *gate);
/* The alarms of the whole server (enum vhost_alarm), beside a full disk. */
void gate_set_alarms(struct gate *gate, unsigned alarms);

/* From the event bus, whatever the caller holds: there is something for this vhost. It is not run
 * here but by the holder, or by a reactor. */
void gate_announce_events(struct gate *gate, struct event_bus *bus);

/* Now and then (about twice a second): what is due by time, and idle maintenance of the store. */
void gate_tick(struct gate *gate);

/* Goes on with a gate that was handed over; see gate.c. */
void gate_run_handed_over(struct gate *gate, int reactor);

/* Before the reactors end: afterwards no gate is handed over to them, and what was handed over
 * stands in their mailboxes before anything that is posted from now on. */
void gate_stop_handing_over(struct gate *gate);

/* Waits until everything that was submitted so far is on disk, or, where the disk is full and stays
 * so, given up. Not from a reactor. */
void gate_drain(struct gate *gate);
/* Has that begun? The sessions of the vhost have ended then. */
bool gate_is_draining(struct gate *gate);

#endif
