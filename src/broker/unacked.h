/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_UNACKED_H
#define LEVERET_BROKER_UNACKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/message.h"

struct lane;
struct consumer;

/* A delivery that waits for its ack. */
struct unacked {
    uint64_t tag;
    uint64_t position;
    uint64_t expiry_ms : 48;
    uint64_t failures : 16;
    struct lane *lane;         /* borrowed: its queue counts its unacked; NULL once settled */
    struct consumer *consumer; /* likewise; NULL for basic.get */
    struct message *message;   /* ref; NULL while the message is in the store alone */
    uint64_t batch;            /* as in struct entry */
    uint32_t operation;
    uint32_t body_bytes : 31;
    uint32_t is_in_tx : 1; /* settled in a transaction that is not committed */
};

/* The unacked deliveries of a channel by ascending tag. Settled ones in the middle stay as gaps
 * until those before them are settled, or until they are most of the ring. */
struct unacked_ring {
    struct unacked *entries; /* owned; capacity is 0 or a power of two */
    size_t capacity;
    size_t head;
    size_t count; /* with gaps */
    size_t live;  /* without */
};

void unacked_ring_fini(struct unacked_ring *ring);
/* A place for one more, whose tag is higher than all before; the caller fills all of it. */
struct unacked *unacked_ring_add(struct unacked_ring *ring);

static inline struct unacked *unacked_ring_at(const struct unacked_ring *ring, size_t index)
{
    return &ring->entries[(ring->head + index) & (ring->capacity - 1)];
}

/* Index of the first entry whose tag is not below; count where there is none. */
size_t unacked_ring_search(const struct unacked_ring *ring, uint64_t tag);

/* The entry of a tag, or NULL where it is settled or never was. Most acks are for the first. */
struct unacked *unacked_ring_find_behind(const struct unacked_ring *ring, uint64_t tag);
static inline struct unacked *unacked_ring_find(const struct unacked_ring *ring, uint64_t tag)
{
    struct unacked *first = ring->count > 0 ? unacked_ring_at(ring, 0) : NULL;
    bool is_first = first != NULL && first->tag == tag && first->lane != NULL;
    return is_first ? first : unacked_ring_find_behind(ring, tag);
}

/* Makes an entry a gap; it owns nothing any more. */
static inline void unacked_ring_settle(struct unacked_ring *ring, struct unacked *unacked)
{
    unacked->lane = NULL;
    unacked->consumer = NULL;
    unacked->message = NULL;
    ring->live--;
}

/* Drops gaps: at the front, and everywhere when they are most of the ring. Indexes change. */
void unacked_ring_trim(struct unacked_ring *ring);

#endif
