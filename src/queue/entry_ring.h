/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_QUEUE_ENTRY_RING_H
#define LEVERET_QUEUE_ENTRY_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/message.h"

/* Times fit into 47 bits until the year 6429. */
#define ENTRY_EXPIRY(ms) ((ms) & ((UINT64_C(1) << 47) - 1))

/* What decides how a message ends. */
struct entry_fate {
    uint64_t expiry_ms : 47;  /* wall-clock ms; 0 = never */
    uint64_t is_fleeting : 1; /* a transient message in a durable queue, where others may stay */
    uint64_t failures : 16;   /* deliveries that were given back: what a quorum queue counts */
};

/* A message's place in a lane. */
struct entry {
    uint64_t position;
    struct entry_fate fate;
    struct message *message; /* ref; NULL while the message is in the store alone */
    uint64_t batch;          /* number of the batch that stores it; 0 = it is not stored */
    uint32_t operation;      /* index of its insertion in that batch */
    uint32_t body_bytes;
};

enum { ENTRY_CHUNK = 512 };

/* Entries in ascending order of position: a small one is a ring that doubles, a large one a ring of
 * pieces that never move. Zero-initialised is empty. */
struct entry_ring {
    union {
        struct entry *entries; /* owned; a small one's */
        void **chunks;         /* owned, of ENTRY_CHUNK entries each; NULL where nothing is */
    };
    uint32_t capacity; /* 0 or a power of two; a small one's is at most ENTRY_CHUNK */
    uint32_t limit;    /* so many fit */
    uint32_t head;
    uint32_t count;
};

void entry_ring_fini(struct entry_ring *ring);
void entry_ring_grow(struct entry_ring *ring);
/* Gives memory back where the ring is much larger than what is in it. */
void entry_ring_shrink(struct entry_ring *ring);
/* The last entry has left: no more than a little room is kept. */
void entry_ring_empty(struct entry_ring *ring);
/* The front has left its chunk. */
void entry_ring_leave_chunk(struct entry_ring *ring);
/* The memory of a chunk that has none. */
struct entry *entry_ring_add_chunk(struct entry_ring *ring, size_t chunk);

static inline bool entry_ring_is_small(const struct entry_ring *ring)
{
    return ring->capacity <= ENTRY_CHUNK;
}

static inline struct entry *entry_ring_at_slot(const struct entry_ring *ring, size_t slot)
{
    struct entry *chunk =
        entry_ring_is_small(ring) ? ring->entries : ring->chunks[slot / ENTRY_CHUNK];
    return &chunk[slot % ENTRY_CHUNK];
}

static inline struct entry *entry_ring_at(const struct entry_ring *ring, size_t index)
{
    return entry_ring_at_slot(ring, (ring->head + index) & (ring->capacity - 1));
}

/* The same, of an index that may have no memory yet. */
static inline struct entry *entry_ring_make(struct entry_ring *ring, size_t index)
{
    size_t slot = (ring->head + index) & (ring->capacity - 1);
    if (entry_ring_is_small(ring))
        return &ring->entries[slot];
    struct entry *chunk = ring->chunks[slot / ENTRY_CHUNK];
    if (chunk == NULL)
        chunk = entry_ring_add_chunk(ring, slot / ENTRY_CHUNK);
    return &chunk[slot % ENTRY_CHUNK];
}

/* NULL when empty. */
static inline struct entry *entry_ring_front(const struct entry_ring *ring)
{
    return ring->count > 0 ? entry_ring_at_slot(ring, ring->head) : NULL;
}

/* The message of the entry that will be the front after a few more is looked at soon. */
static OFTEN void entry_ring_prefetch(const struct entry_ring *ring)
{
    enum { ahead = 4 };
    if (ring->count > ahead)
        message_prefetch(entry_ring_at(ring, ahead)->message);
}

static inline void entry_ring_push(struct entry_ring *ring, const struct entry *entry)
{
    if (ring->count == ring->limit)
        entry_ring_grow(ring);
    *entry_ring_make(ring, ring->count) = *entry;
    ring->count++;
}

/* Takes the front off. */
static inline void entry_ring_drop(struct entry_ring *ring)
{
    ring->head = (ring->head + 1) & (ring->capacity - 1);
    ring->count--;
    if (ring->head % ENTRY_CHUNK == 0 && !entry_ring_is_small(ring))
        entry_ring_leave_chunk(ring);
}

static inline struct entry entry_ring_pop(struct entry_ring *ring)
{
    struct entry entry = *entry_ring_at_slot(ring, ring->head);
    entry_ring_drop(ring);
    return entry;
}

/* Index of the first entry whose position is not below; count where there is none. */
size_t entry_ring_search(const struct entry_ring *ring, uint64_t position);

/* Puts an entry where its position belongs, moving the shorter side. */
void entry_ring_insert(struct entry_ring *ring, struct entry entry);

/* Merges count entries, ascending, in time linear in both. */
void entry_ring_merge(struct entry_ring *ring, const struct entry *entries, size_t count);

#endif
