/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_HEAP_H
#define LEVERET_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An intrusive binary heap by a 64-bit key: the node with the lowest key is first. Setting, moving
 * and removing a node take time logarithmic in their number. The heap owns its array, not the
 * nodes. Zero-initialised, heap and node are empty and in no heap. */
struct heap_node {
    uint64_t key;
    size_t place; /* index in the heap's array + 1; 0 = in no heap */
};

struct heap {
    struct heap_node **nodes; /* owned */
    size_t count;
    size_t capacity;
};

void heap_fini(struct heap *heap);

static inline bool heap_node_is_set(const struct heap_node *node)
{
    return node->place != 0;
}

/* The node with the lowest key, or NULL. */
static inline struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->nodes[0] : NULL;
}

/* Puts the node into the heap with this key, or moves it there. */
void heap_set(struct heap *heap, struct heap_node *node, uint64_t key);

/* Takes the node out; harmless where it is in no heap. */
void heap_remove(struct heap *heap, struct heap_node *node);

#endif
