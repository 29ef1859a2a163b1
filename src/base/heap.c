/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary heap in an array. A node knows its place, so that it can be moved or removed without
 * a search.
 */
#include "base/heap.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"

static void put(struct heap *heap, size_t index, struct heap_node *node)
{
    heap->nodes[index] = node;
    node->place = index + 1;
}

static void sift_up(struct heap *heap, size_t index, struct heap_node *node)
{
    while (index > 0) {
        size_t parent = (index - 1) / 2;
        if (heap->nodes[parent]->key <= node->key)
            break;
        put(heap, index, heap->nodes[parent]);
        index = parent;
    }
    put(heap, index, node);
}

static void sift_down(struct heap *heap, size_t index, struct heap_node *node)
{
    size_t child;
    while ((child = 2 * index + 1) < heap->count) {
        if (child + 1 < heap->count && heap->nodes[child + 1]->key < heap->nodes[child]->key)
            child++;
        if (heap->nodes[child]->key >= node->key)
            break;
        put(heap, index, heap->nodes[child]);
        index = child;
    }
    put(heap, index, node);
}

void heap_fini(struct heap *heap)
{
    free(heap->nodes);
    *heap = (struct heap){0};
}

void heap_set(struct heap *heap, struct heap_node *node, uint64_t key)
{
    uint64_t before = node->key;
    node->key = key;
    if (node->place == 0) {
        heap->nodes = xgrow(heap->nodes, &heap->capacity, heap->count + 1, sizeof heap->nodes[0]);
        sift_up(heap, heap->count++, node);
    } else if (key < before) {
        sift_up(heap, node->place - 1, node);
    } else {
        sift_down(heap, node->place - 1, node);
    }
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (node->place == 0)
        return;
    size_t index = node->place - 1;
    CHECK(index < heap->count && heap->nodes[index] == node);
    struct heap_node *last = heap->nodes[--heap->count];
    node->place = 0;
    if (last == node)
        return;
    if (last->key < node->key)
        sift_up(heap, index, last);
    else
        sift_down(heap, index, last);
}
