/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_UNACKED_H
#define LEVERET_BROKER_UNACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/entry_ring.h"
#include "queue/message.h"

struct lane;
struct consumer;

/* A delivery that waits for its ack. */
struct unacked {
    uint64_t tag;
    uint64_t position;
    struct entry_fate fate;
    struct lane *lane;         /* borrowed: its queue counts its unacked; NULL once settled */
    struct consumer *consumer; /* likewise; NULL for basic.get */
    struct message *message;   /* ref; NULL while the message is in the store alone */
    uint64_t batch;            /* as in struct entry */
    uint32_t operation;
    uint32_t body_bytes : 31;
    uint32_t is_in_tx : 1; /* settled in a transaction that is not committed */
};

enum { UNACKED_CHUNK = 512 };

/* The unacked deliveries of a channel by ascending tag. Settled ones in the middle stay as gaps
 * until those before them are settled, or until they are most of the ring and it is squeezed. */
struct unacked_ring {
    union {
        struct unacked *entries; /* owned; a small one's */
        void **chunks;           /* owned, of UNACKED_CHUNK entries each; NULL where nothing is */
    };
    size_t capacity; /* 0 or a power of two; a small one's is at most UNACKED_CHUNK */
    size_t head;
    size_t count;          /* with gaps */
    size_t live;           /* without */
    struct unacked *front; /* borrowed: the first, where count is not 0 */
    /* While it is squeezed: all before hole_first are live, from there to hole_end none is. */
    size_t hole_first, hole_end;
    bool is_squeezed;
};

void unacked_ring_fini(struct unacked_ring *ring);
/* A place for one more, whose tag is higher than all before; the caller fills all of it. Indexes
 * and places of others change. */
struct unacked *unacked_ring_add(struct unacked_ring *ring);

static inline struct unacked *unacked_ring_at(const struct unacked_ring *ring, size_t index)
{
    size_t slot = (ring->head + index) & (ring->capacity - 1);
    struct unacked *chunk =
        ring->capacity <= UNACKED_CHUNK ? ring->entries : ring->chunks[slot / UNACKED_CHUNK];
    return &chunk[slot % UNACKED_CHUNK];
}

/* Index of the first entry whose tag is not below; count where there is none. */
size_t unacked_ring_search(const struct unacked_ring *ring, uint64_t tag);

/* The entry of a tag, or NULL where it is settled or never was. Most acks are for the first. */
struct unacked *unacked_ring_find_behind(const struct unacked_ring *ring, uint64_t tag);
static inline struct unacked *unacked_ring_find(const struct unacked_ring *ring, uint64_t tag)
{
    struct unacked *front = ring->front;
    bool is_front = ring->count > 0 && front->tag == tag && front->lane != NULL;
    return is_front ? front : unacked_ring_find_behind(ring, tag);
}

/* Makes an entry a gap; it owns nothing any more. */
static inline void unacked_ring_settle(struct unacked_ring *ring, struct unacked *unacked)
{
    unacked->lane = NULL;
    unacked->consumer = NULL;
    unacked->message = NULL;
    ring->live--;
}

/* Drops gaps: some of those at the front, and others when they are most of the ring. Indexes and
 * places change. */
void unacked_ring_trim(struct unacked_ring *ring);

#endif
