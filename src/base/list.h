/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_LIST_H
#define LEVERET_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/check.h"

/* An intrusive, circular, doubly linked list. A node that is in no list points to itself, so that
 * it can be asked and removing it twice is harmless. The list owns nothing. */
struct list_node {
    struct list_node *next;
    struct list_node *previous;
};

struct list {
    struct list_node head;
};

static inline void list_node_init(struct list_node *node)
{
    node->next = node;
    node->previous = node;
}

static inline void list_init(struct list *list)
{
    list_node_init(&list->head);
}

static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool list_node_is_linked(const struct list_node *node)
{
    return node->next != node;
}

static inline void list_insert_before(struct list_node *place, struct list_node *node)
{
    node->next = place;
    node->previous = place->previous;
    place->previous->next = node;
    place->previous = node;
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_before(&list->head, node);
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_before(list->head.next, node);
}

static inline void list_remove(struct list_node *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    list_node_init(node);
}

/* NULL when the list is empty. */
static inline struct list_node *list_front(const struct list *list)
{
    return list_is_empty(list) ? NULL : list->head.next;
}

static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list_front(list);
    if (node != NULL)
        list_remove(node);
    return node;
}

/* Moves all of from to the end of to, in order. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    struct list_node *first = from->head.next;
    struct list_node *last = from->head.previous;
    first->previous = to->head.previous;
    to->head.previous->next = first;
    last->next = &to->head;
    to->head.previous = last;
    list_init(from);
}

#define list_entry(node, type, member) container_of(node, type, member)

/* Walks the entries; the body may remove the current one and no other. */
#define list_for_each(list, node)                                                                  \
    for (struct list_node *node = (list)->head.next, *node##_next = node->next;                    \
         node != &(list)->head; node = node##_next, node##_next = node->next)

#endif
