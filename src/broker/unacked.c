/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unacked deliveries of a channel. Tags only rise, so the ring is sorted by them, and a tag is
 * found at the front, which is where most acks point, as far behind it as it is higher, or by
 * bisection. 64 bytes a delivery: an
 * unlimited prefetch over a deep queue must stay affordable, so a stored message's body is dropped.
 *
 * Nothing that is done for one delivery takes long, however many there are, because whoever wants
 * something of the vhost waits meanwhile. So a large ring is made of chunks, as those of queues are
 * (queue/entry_ring.c), and what doubles is the table of their addresses. And where gaps are most
 * of a large ring, it is squeezed a few entries at a time: a hole moves from the front to the back,
 * with what is live before it and what has not been looked at behind it. The tags of what was in
 * the hole are lower than all behind it: whoever walks over it up to a tag is not misled.
 */
#include "broker/unacked.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/chunk_table.h"
#include "base/seldom.h"
#include "base/xmalloc.h"

_Static_assert(sizeof(struct unacked) <= 64, "an unacked delivery must stay small");

enum {
    capacity_min = 8,
    shrink_above = 1024, /* two chunks */
    trimmed_max = 32768, /* at once: more than a slice of settling makes */
    squeezed_max = 8,    /* with one delivery or ack: faster than deliveries come */
};

static bool is_small(const struct unacked_ring *ring)
{
    return ring->capacity <= UNACKED_CHUNK;
}

static size_t chunk_count(const struct unacked_ring *ring)
{
    return is_small(ring) ? 0 : ring->capacity / UNACKED_CHUNK;
}

/* So many fit. The back must not come into the chunk of the front, before its entries. */
static size_t limit(const struct unacked_ring *ring)
{
    return is_small(ring) ? ring->capacity : ring->capacity - UNACKED_CHUNK;
}

void unacked_ring_fini(struct unacked_ring *ring)
{
    CHECK(ring->live == 0);
    if (is_small(ring))
        free(ring->entries);
    else
        chunk_table_free(ring->chunks, chunk_count(ring));
    *ring = (struct unacked_ring){0};
}

/* --- a small one */

/* Copies what is live into a piece of its own. */
static void rebuild(struct unacked_ring *ring, size_t capacity)
{
    struct unacked *entries = xmalloc(capacity * sizeof *entries);
    size_t count = 0;
    for (size_t i = 0; i < ring->count; i++) {
        struct unacked *unacked = unacked_ring_at(ring, i);
        if (unacked->lane != NULL)
            entries[count++] = *unacked;
    }
    CHECK(count == ring->live);
    free(ring->entries);
    *ring = (struct unacked_ring){
        .entries = entries, .capacity = capacity, .count = count, .live = count, .front = entries};
}

static void grow_small(struct unacked_ring *ring)
{
    if (ring->capacity == 0)
        rebuild(ring, capacity_min);
    else
        rebuild(ring, ring->live > ring->capacity / 2 ? ring->capacity * 2 : ring->capacity);
}

/* --- a large one */

/* The table gets another size, and the chunk of the front is the first. */
static void move_table(struct unacked_ring *ring, size_t capacity)
{
    ring->chunks = chunk_table_resize(ring->chunks, chunk_count(ring), ring->head / UNACKED_CHUNK,
                                      capacity / UNACKED_CHUNK);
    ring->head %= UNACKED_CHUNK;
    ring->capacity = capacity;
}

/* The piece is the first chunk. */
static void move_to_chunks(struct unacked_ring *ring)
{
    void **chunks = xcalloc(shrink_above / UNACKED_CHUNK * 2, sizeof *chunks);
    if (ring->head != 0)
        rebuild(ring, UNACKED_CHUNK);
    chunks[0] = ring->entries;
    ring->chunks = chunks;
    ring->capacity = (size_t)shrink_above * 2;
}

static void leave_chunk(struct unacked_ring *ring, size_t slot)
{
    free(ring->chunks[slot / UNACKED_CHUNK]);
    ring->chunks[slot / UNACKED_CHUNK] = NULL;
}

/* The hole has come to the back. */
static void end_squeezing(struct unacked_ring *ring)
{
    size_t kept = (ring->head + ring->hole_first + UNACKED_CHUNK - 1) / UNACKED_CHUNK;
    size_t used = (ring->head + ring->count + UNACKED_CHUNK - 1) / UNACKED_CHUNK;
    for (size_t i = kept; i < used; i++)
        leave_chunk(ring, i * UNACKED_CHUNK & (ring->capacity - 1));
    ring->count = ring->hole_first;
    ring->hole_first = ring->hole_end = 0;
    ring->is_squeezed = false;
}

SELDOM static void squeeze(struct unacked_ring *ring)
{
    for (int i = 0; i < squeezed_max && ring->hole_end < ring->count; i++, ring->hole_end++) {
        struct unacked *from = unacked_ring_at(ring, ring->hole_end);
        if (from->lane == NULL)
            continue;
        if (ring->hole_first < ring->hole_end) {
            *unacked_ring_at(ring, ring->hole_first) = *from;
            from->lane = NULL;
            from->consumer = NULL;
            from->message = NULL;
        }
        ring->hole_first++;
    }
    if (ring->hole_end == ring->count)
        end_squeezing(ring);
}

SELDOM static void grow(struct unacked_ring *ring)
{
    if (ring->capacity == UNACKED_CHUNK && ring->live > UNACKED_CHUNK / 2) {
        move_to_chunks(ring);
    } else if (is_small(ring)) {
        grow_small(ring);
    } else {
        move_table(ring, ring->capacity * 2);
    }
}

/* For the back, which has come to its slot. */
SELDOM static void add_chunk(struct unacked_ring *ring, size_t slot)
{
    ring->chunks[slot / UNACKED_CHUNK] = xmalloc(UNACKED_CHUNK * sizeof(struct unacked));
    if (ring->live <= ring->count / 2 && ring->count > UNACKED_CHUNK)
        ring->is_squeezed = true;
}

SELDOM static void shrink(struct unacked_ring *ring)
{
    size_t capacity = ring->capacity / 4 > shrink_above ? ring->capacity / 4 : shrink_above;
    if (ring->count <= capacity - UNACKED_CHUNK)
        move_table(ring, capacity);
    else
        ring->is_squeezed = true;
}

/* --- coming and going */

struct unacked *unacked_ring_add(struct unacked_ring *ring)
{
    if (ring->is_squeezed)
        squeeze(ring);
    if (ring->count == limit(ring))
        grow(ring);
    size_t slot = (ring->head + ring->count) & (ring->capacity - 1);
    if (!is_small(ring) && ring->chunks[slot / UNACKED_CHUNK] == NULL)
        add_chunk(ring, slot);
    struct unacked *unacked = unacked_ring_at(ring, ring->count);
    if (ring->count++ == 0)
        ring->front = unacked;
    ring->live++;
    return unacked;
}

/* The front has left its chunk, or the piece's end. */
SELDOM static void leave_front(struct unacked_ring *ring)
{
    if (!is_small(ring))
        leave_chunk(ring, (ring->head - 1) & (ring->capacity - 1));
    if (ring->count > 0)
        ring->front = unacked_ring_at(ring, 0);
}

static inline void drop_gaps(struct unacked_ring *ring)
{
    size_t left = ring->count < trimmed_max ? ring->count : trimmed_max;
    for (; left > 0 && ring->front->lane == NULL; left--) {
        ring->head = (ring->head + 1) & (ring->capacity - 1);
        ring->count--;
        ring->front++;
        if (ring->head % UNACKED_CHUNK == 0)
            leave_front(ring);
    }
}

SELDOM static void trim_squeezed(struct unacked_ring *ring)
{
    size_t before = ring->count;
    drop_gaps(ring);
    size_t dropped = before - ring->count;
    ring->hole_first -= dropped < ring->hole_first ? dropped : ring->hole_first;
    ring->hole_end -= dropped < ring->hole_end ? dropped : ring->hole_end;
    squeeze(ring);
}

void unacked_ring_trim(struct unacked_ring *ring)
{
    if (ring->is_squeezed)
        trim_squeezed(ring);
    else
        drop_gaps(ring);
    if (ring->capacity > shrink_above && ring->live <= ring->capacity / 8)
        shrink(ring);
}

/* --- looking */

static size_t search_between(const struct unacked_ring *ring, uint64_t tag, size_t low, size_t high)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (unacked_ring_at(ring, middle)->tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Behind the front. Mostly each tag is one above the one before: then it is known where one lies.
 */
static size_t search_behind(const struct unacked_ring *ring, uint64_t tag)
{
    uint64_t distance = tag - ring->front->tag;
    if (distance < ring->count && unacked_ring_at(ring, distance)->tag == tag)
        return distance;
    if (unacked_ring_at(ring, ring->count - 1)->tag < tag)
        return ring->count;
    return search_between(ring, tag, 0, ring->count);
}

size_t unacked_ring_search(const struct unacked_ring *ring, uint64_t tag)
{
    if (ring->count == 0 || (!ring->is_squeezed && ring->front->tag >= tag))
        return 0;
    if (!ring->is_squeezed)
        return search_behind(ring, tag);
    size_t index = search_between(ring, tag, 0, ring->hole_first);
    return index < ring->hole_first ? index
                                    : search_between(ring, tag, ring->hole_end, ring->count);
}

struct unacked *unacked_ring_find_behind(const struct unacked_ring *ring, uint64_t tag)
{
    size_t index = unacked_ring_search(ring, tag);
    if (index == ring->count)
        return NULL;
    struct unacked *unacked = unacked_ring_at(ring, index);
    return unacked->tag == tag && unacked->lane != NULL ? unacked : NULL;
}
