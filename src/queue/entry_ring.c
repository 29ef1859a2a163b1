/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings of entries in order of position. Appending and taking from the front are the way of almost
 * every message; inserting in between happens when a consumer gives a message back, near the front,
 * so that moving the shorter side is cheap, and merging serves the channel that closes with very
 * many.
 */
#include "queue/entry_ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"

enum { capacity_min = 8, shrink_above = 1024 };

void entry_ring_fini(struct entry_ring *ring)
{
    for (size_t i = 0; i < ring->count; i++)
        message_unref(entry_ring_at(ring, i)->message);
    free(ring->entries);
    *ring = (struct entry_ring){0};
}

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
    ring->capacity = capacity;
    ring->head = 0;
}

void entry_ring_grow(struct entry_ring *ring)
{
    move_to(ring, ring->capacity > 0 ? ring->capacity * 2 : capacity_min);
}

/* Makes room for so many more. */
static void reserve(struct entry_ring *ring, size_t count)
{
    size_t capacity = ring->capacity > 0 ? ring->capacity : capacity_min;
    while (capacity < ring->count + count)
        capacity *= 2;
    if (capacity > ring->capacity)
        move_to(ring, capacity);
}

void entry_ring_shrink(struct entry_ring *ring)
{
    if (ring->capacity <= shrink_above || ring->count > ring->capacity / 8)
        return;
    if (ring->count == 0) {
        entry_ring_fini(ring);
        return;
    }
    move_to(ring, ring->capacity / 4);
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
    if (ring->count == ring->capacity)
        entry_ring_grow(ring);
    if (index < ring->count / 2) {
        ring->head = (ring->head - 1) & (ring->capacity - 1);
        for (size_t i = 0; i < index; i++)
            *entry_ring_at(ring, i) = *entry_ring_at(ring, i + 1);
    } else {
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
    if (is_behind || is_before)
        reserve(ring, count);
    for (size_t i = 0; is_behind && i < count; i++)
        entry_ring_push(ring, entries[i]);
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
            entry_ring_push(&merged, entries[next++]);
        entry_ring_push(&merged, *old);
    }
    while (next < count)
        entry_ring_push(&merged, entries[next++]);
    free(ring->entries);
    *ring = merged;
}
