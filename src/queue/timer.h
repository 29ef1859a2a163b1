/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_QUEUE_TIMER_H
#define LEVERET_QUEUE_TIMER_H

#include "base/heap.h"

struct vhost;

/* Something that is to happen at a time, as the vhost keeps it (timer_set). Zero-initialised but
 * for fire, which may set it again. */
struct timer {
    struct heap_node node;
    void (*fire)(struct vhost *vhost, struct timer *timer);
};

static inline bool timer_is_set(const struct timer *timer)
{
    return heap_node_is_set(&timer->node);
}

/* When it is due (wall-clock ms); UINT64_MAX where it is not set. */
static inline uint64_t timer_due_ms(const struct timer *timer)
{
    return timer_is_set(timer) ? timer->node.key : UINT64_MAX;
}

#endif
