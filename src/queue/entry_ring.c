/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings of entries in order of position. Appending and taking from the front are the way of almost
 * every message; inserting in between happens when a consumer gives a message back, near the front,
 * so that moving the shorter side is cheap, and merging serves the channel that closes with very
 * many.
 *
 * A ring of a million entries that doubles moves 40 MB at once, and whoever wants something of the
 * vhost meanwhile waits. So only a small one is one piece. A large one is made of chunks, and what
 * doubles is the table of their addresses; a chunk is made when the first entry comes into it and
 * freed when the front leaves it. Invariant: one chunk's worth stays free, so that the back is
 * never in the chunk of the front behind its entries.
 */
#include "queue/entry_ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/chunk_table.h"
#include "base/xmalloc.h"

/* Of very many queues most hold little, and are empty most of the time. */
enum { capacity_min = 2, capacity_kept = 32, chunks_min = 4 };

static void set_capacity(struct entry_ring *ring, size_t capacity)
{
    CHECK(capacity <= UINT32_MAX / 2);
    ring->capacity = (uint32_t)capacity;
    ring->limit = ring->capacity <= ENTRY_CHUNK ? ring->capacity : ring->capacity - ENTRY_CHUNK;
}

static size_t chunk_count(const struct entry_ring *ring)
{
    return entry_ring_is_small(ring) ? 0 : ring->capacity / ENTRY_CHUNK;
}

/* What is in it is gone, or lies elsewhere. */
static void free_memory(struct entry_ring *ring)
{
    if (entry_ring_is_small(ring))
        free(ring->entries);
    else
        chunk_table_free(ring->chunks, chunk_count(ring));
    *ring = (struct entry_ring){0};
}

void entry_ring_fini(struct entry_ring *ring)
{
    for (size_t i = 0; i < ring->count; i++)
        message_unref(entry_ring_at(ring, i)->message);
    free_memory(ring);
}

/* A small one, into a piece of another size, in order. */
static void move_to(struct entry_ring *ring, size_t capacity)
{
    struct entry *entries = xmalloc(capacity * sizeof *entries);
    size_t first = ring->capacity - ring->head;
    if (first > ring->count)
        first = ring->count;
    if (ring->count > 0) {
        memcpy(entries, ring->entries + ring->head, first * sizeof *entries);
        memcpy(entries + first, ring->entries, (ring->count - first) * sizeof *entries);
    }
    free(ring->entries);
    ring->entries = entries;
    ring->head = 0;
    set_capacity(ring, capacity);
}

/* The piece, in order, is the first chunk. */
static void move_to_chunks(struct entry_ring *ring)
{
    void **chunks = xcalloc(chunks_min, sizeof *chunks);
    if (ring->head != 0)
        move_to(ring, ENTRY_CHUNK);
    chunks[0] = ring->entries;
    ring->chunks = chunks;
    set_capacity(ring, (size_t)chunks_min * ENTRY_CHUNK);
}

/* The table gets another size, and the chunk of the front is the first. */
static void move_table(struct entry_ring *ring, size_t capacity)
{
    ring->chunks = chunk_table_resize(ring->chunks, chunk_count(ring), ring->head / ENTRY_CHUNK,
                                      capacity / ENTRY_CHUNK);
    ring->head %= ENTRY_CHUNK;
    set_capacity(ring, capacity);
}

void entry_ring_grow(struct entry_ring *ring)
{
    if (ring->capacity < ENTRY_CHUNK)
        move_to(ring, ring->capacity > 0 ? ring->capacity * 2 : capacity_min);
    else if (ring->capacity == ENTRY_CHUNK)
        move_to_chunks(ring);
    else
        move_table(ring, ring->capacity * 2);
}

void entry_ring_leave_chunk(struct entry_ring *ring)
{
    size_t left = ((ring->head - 1) & (ring->capacity - 1)) / ENTRY_CHUNK;
    free(ring->chunks[left]);
    ring->chunks[left] = NULL;
}

struct entry *entry_ring_add_chunk(struct entry_ring *ring, size_t chunk)
{
    ring->chunks[chunk] = xmalloc(ENTRY_CHUNK * sizeof(struct entry));
    return ring->chunks[chunk];
}

void entry_ring_shrink(struct entry_ring *ring)
{
    size_t kept = (size_t)chunks_min * ENTRY_CHUNK;
    if (ring->capacity <= kept || ring->count > ring->capacity / 8)
        return;
    if (ring->count == 0)
        free_memory(ring);
    else
        move_table(ring, ring->capacity / 4 > kept ? ring->capacity / 4 : kept);
}

void entry_ring_empty(struct entry_ring *ring)
{
    if (ring->capacity > capacity_kept)
        free_memory(ring);
}

size_t entry_ring_search(const struct entry_ring *ring, uint64_t position)
{
    size_t low = 0, high = ring->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (entry_ring_at(ring, middle)->position < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void entry_ring_insert(struct entry_ring *ring, struct entry entry)
{
    size_t index = entry_ring_search(ring, entry.position);
    if (ring->count == ring->limit)
        entry_ring_grow(ring);
    if (index < ring->count / 2 || ring->count == 0) {
        ring->head = (ring->head - 1) & (ring->capacity - 1);
        entry_ring_make(ring, 0);
        for (size_t i = 0; i < index; i++)
            *entry_ring_at(ring, i) = *entry_ring_at(ring, i + 1);
    } else {
        entry_ring_make(ring, ring->count);
        for (size_t i = ring->count; i > index; i--)
            *entry_ring_at(ring, i) = *entry_ring_at(ring, i - 1);
    }
    ring->count++;
    *entry_ring_at(ring, index) = entry;
}

/* In front of all that is there, or behind it: then what is there need not be moved. */
static bool add_at_an_end(struct entry_ring *ring, const struct entry *entries, size_t count)
{
    bool is_behind =
        ring->count == 0 || entry_ring_at(ring, ring->count - 1)->position < entries[0].position;
    bool is_before = !is_behind && entries[count - 1].position < entry_ring_front(ring)->position;
    for (size_t i = 0; is_behind && i < count; i++)
        entry_ring_push(ring, &entries[i]);
    for (size_t i = count; is_before && i > 0; i--)
        entry_ring_insert(ring, entries[i - 1]);
    return is_behind || is_before;
}

void entry_ring_merge(struct entry_ring *ring, const struct entry *entries, size_t count)
{
    if (count == 0 || add_at_an_end(ring, entries, count))
        return;
    struct entry_ring merged = {0};
    size_t next = 0;
    for (size_t i = 0; i < ring->count; i++) {
        struct entry *old = entry_ring_at(ring, i);
        while (next < count && entries[next].position < old->position)
            entry_ring_push(&merged, &entries[next++]);
        entry_ring_push(&merged, old);
    }
    while (next < count)
        entry_ring_push(&merged, &entries[next++]);
    free_memory(ring);
    *ring = merged;
}
