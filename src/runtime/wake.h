/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_WAKE_H
#define LEVERET_RUNTIME_WAKE_H

#include <stdint.h>

#include "base/heap.h"

struct event_base;
struct mailbox;
struct gate;

/* Runs gates when something in them is due, on the thread of an event loop. */
struct wake;

/* A gate's place in it; zero-initialised. */
struct wake_node {
    struct heap_node heap_node;
    struct gate *gate; /* borrowed */
};

/* base and mailbox, whose tasks the loop's thread runs, are borrowed. */
struct wake *wake_new(struct event_base *base, struct mailbox *mailbox);
/* No gate is in it any more, and no thread posts to the mailbox. */
void wake_free(struct wake *wake);

/* Any thread: gate_tick(gate) is to be called at due_ms (wall clock) at the latest. A time that is
 * later than the one asked for already changes nothing. */
void wake_at(struct wake *wake, struct wake_node *node, struct gate *gate, uint64_t due_ms);

/* The loop's thread: the gate goes. */
void wake_forget(struct wake *wake, struct wake_node *node);

#endif
