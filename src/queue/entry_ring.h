/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_QUEUE_ENTRY_RING_H
#define LEVERET_QUEUE_ENTRY_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/message.h"

/* Times fit into 48 bits until the year 10889. */
#define ENTRY_EXPIRY(ms) ((ms) & ((UINT64_C(1) << 48) - 1))

/* A message's place in a lane. */
struct entry {
    uint64_t position;
    uint64_t expiry_ms : 48; /* wall-clock ms; 0 = never */
    uint64_t failures : 16;  /* deliveries that were given back: what a quorum queue counts */
    struct message *message; /* ref; NULL while the message is in the store alone */
    uint64_t batch;          /* number of the batch that stores it; 0 = it is not stored */
    uint32_t operation;      /* index of its insertion in that batch */
    uint32_t body_bytes;
};

/* Entries in ascending order of position, in a ring that doubles. Zero-initialised is empty. */
struct entry_ring {
    struct entry *entries; /* owned; capacity is 0 or a power of two */
    size_t capacity;
    size_t head;
    size_t count;
};

void entry_ring_fini(struct entry_ring *ring);
void entry_ring_grow(struct entry_ring *ring);
/* Gives memory back where the ring is much larger than what is in it. */
void entry_ring_shrink(struct entry_ring *ring);

static inline struct entry *entry_ring_at(const struct entry_ring *ring, size_t index)
{
    return &ring->entries[(ring->head + index) & (ring->capacity - 1)];
}

/* NULL when empty. */
static inline struct entry *entry_ring_front(const struct entry_ring *ring)
{
    return ring->count > 0 ? &ring->entries[ring->head] : NULL;
}

static inline void entry_ring_push(struct entry_ring *ring, struct entry entry)
{
    if (ring->count == ring->capacity)
        entry_ring_grow(ring);
    *entry_ring_at(ring, ring->count) = entry;
    ring->count++;
}

static inline struct entry entry_ring_pop(struct entry_ring *ring)
{
    struct entry entry = ring->entries[ring->head];
    ring->head = (ring->head + 1) & (ring->capacity - 1);
    ring->count--;
    return entry;
}

/* Index of the first entry whose position is not below; count where there is none. */
size_t entry_ring_search(const struct entry_ring *ring, uint64_t position);

/* Puts an entry where its position belongs, moving the shorter side. */
void entry_ring_insert(struct entry_ring *ring, struct entry entry);

/* Merges count entries, ascending, in time linear in both. */
void entry_ring_merge(struct entry_ring *ring, const struct entry *entries, size_t count);

#endif
