/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unacked deliveries of a channel. Tags only rise, so the ring is sorted by them, and a tag is
 * found at the front, which is where most acks point, or by bisection. 64 bytes a delivery: an
 * unlimited prefetch over a deep queue must stay affordable, so a stored message's body is dropped.
 */
#include "broker/unacked.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"

_Static_assert(sizeof(struct unacked) <= 64, "an unacked delivery must stay small");

enum { capacity_min = 8, shrink_above = 1024 };

void unacked_ring_fini(struct unacked_ring *ring)
{
    CHECK(ring->live == 0);
    free(ring->entries);
    *ring = (struct unacked_ring){0};
}

/* Copies what is live into an array of its own. */
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
    *ring = (struct unacked_ring){entries, capacity, 0, count, count};
}

struct unacked *unacked_ring_add(struct unacked_ring *ring)
{
    if (ring->count == ring->capacity && ring->live > ring->capacity / 2)
        rebuild(ring, ring->capacity * 2);
    else if (ring->count == ring->capacity)
        rebuild(ring, ring->capacity > 0 ? ring->capacity : capacity_min);
    ring->live++;
    return unacked_ring_at(ring, ring->count++);
}

size_t unacked_ring_search(const struct unacked_ring *ring, uint64_t tag)
{
    size_t low = 0, high = ring->count;
    if (high > 0 && unacked_ring_at(ring, 0)->tag >= tag)
        return 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (unacked_ring_at(ring, middle)->tag < tag)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct unacked *unacked_ring_find_behind(const struct unacked_ring *ring, uint64_t tag)
{
    size_t index = unacked_ring_search(ring, tag);
    if (index == ring->count)
        return NULL;
    struct unacked *unacked = unacked_ring_at(ring, index);
    return unacked->tag == tag && unacked->lane != NULL ? unacked : NULL;
}

void unacked_ring_trim(struct unacked_ring *ring)
{
    while (ring->count > 0 && unacked_ring_at(ring, 0)->lane == NULL) {
        ring->head = (ring->head + 1) & (ring->capacity - 1);
        ring->count--;
    }
    if (ring->capacity <= shrink_above || ring->live > ring->capacity / 8)
        return;
    rebuild(ring, ring->capacity / 4);
}
