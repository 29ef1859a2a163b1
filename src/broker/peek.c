/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a ready message where it is. It is neither delivered nor moved, so that its place, its
 * redelivered flag and what a quorum queue counts stay as they are. The price is that only what is
 * in memory can be seen: of a long queue that is the beginning and the end.
 */
#include "broker/queue_life.h"

/* The ready message with this index (below ready_count), in the order of the lane's windows; NULL
 * where it is in the store alone. */
static const struct entry *find_in_lane(const struct lane *lane, uint64_t index)
{
    if (index < lane->returned.count)
        return entry_ring_at(&lane->returned, (size_t)index);
    index -= lane->returned.count;
    if (index < lane->paged.count)
        return entry_ring_at(&lane->paged, (size_t)index);
    index -= lane->paged.count;
    if (index < lane->stretch_count)
        return NULL;
    return entry_ring_at(&lane->tail, (size_t)(index - lane->stretch_count));
}

/* The lane with the ready message of this index, which becomes that in the lane; the highest
 * priority comes first. NULL where the queue has not so many. */
static const struct lane *find_lane(const struct queue *queue, uint64_t *index)
{
    for (unsigned priority = queue->top_priority + 1u; priority-- > 0;) {
        const struct lane *lane = queue_lane(queue, priority);
        if (lane == NULL)
            continue;
        if (*index < lane->ready_count)
            return lane;
        *index -= lane->ready_count;
    }
    return NULL;
}

enum vhost_peek vhost_peek(const struct vhost *vhost, struct bytes name, uint64_t index,
                           struct vhost_peeked *peeked)
{
    const struct queue *queue = queue_find(vhost, name);
    if (queue == NULL)
        return VHOST_PEEK_NO_QUEUE;
    const struct lane *lane = find_lane(queue, &index);
    if (lane == NULL)
        return VHOST_PEEK_NO_MESSAGE;
    const struct entry *entry = find_in_lane(lane, index);
    if (entry == NULL || entry->message == NULL)
        return VHOST_PEEK_IN_STORE;
    peeked->message = message_ref(entry->message);
    peeked->failures = entry->fate.failures;
    return VHOST_PEEK_FOUND;
}
