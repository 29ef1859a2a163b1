/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a ready message where it is. It is neither delivered nor moved, so that its place, its
 * redelivered flag and what a quorum queue counts stay as they are. The price is that only what is
 * in memory can be seen: of a long queue that is the beginning and the end.
 */
#include "broker/queue_life.h"

/* The how manyth of those in memory; NULL where it is in the store alone, or not there (*is_there).
 */
static const struct entry *find_in_lane(const struct lane *lane, uint64_t index, bool *is_there)
{
    const struct entry_ring *rings[] = {&lane->returned, &lane->paged, &lane->tail};
    *is_there = index < lane->ready_count;
    for (size_t i = 0; i < sizeof rings / sizeof rings[0] && *is_there; i++) {
        if (rings[i] == &lane->tail && index < lane->stretch_count)
            return NULL;
        if (rings[i] == &lane->tail)
            index -= lane->stretch_count;
        if (index < rings[i]->count)
            return entry_ring_at(rings[i], (size_t)index);
        index -= rings[i]->count;
    }
    return NULL;
}

enum vhost_peek vhost_peek(const struct vhost *vhost, struct bytes name, uint64_t index,
                           struct vhost_peeked *peeked)
{
    const struct queue *queue = queue_find(vhost, name);
    if (queue == NULL)
        return VHOST_PEEK_NO_QUEUE;
    for (unsigned priority = queue->top_priority + 1u; priority-- > 0;) {
        const struct lane *lane = queue_lane(queue, priority);
        bool is_there = false;
        const struct entry *entry = lane != NULL ? find_in_lane(lane, index, &is_there) : NULL;
        if (is_there && (entry == NULL || entry->message == NULL))
            return VHOST_PEEK_IN_STORE;
        if (is_there) {
            peeked->message = message_ref(entry->message);
            peeked->failures = entry->fate.failures;
            return VHOST_PEEK_FOUND;
        }
        index -= lane != NULL ? lane->ready_count : 0;
    }
    return VHOST_PEEK_NO_MESSAGE;
}
