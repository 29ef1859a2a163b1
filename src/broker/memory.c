/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the messages of a vhost may take of memory, and who gives some back: the store has the
 * rest.
 *
 * Lanes above their share give memory back at once; then the coldest do until the whole fits.
 * Those that have nothing to give go behind the others, and only so many are asked each time:
 * there may be very many: more than were touched, or lanes of a message or two would come faster
 * than they go. The others are asked soon, whether something happens or not; when all were asked
 * in vain, after a time.
 */
#include "broker/queue_life.h"
#include "broker/vhost_internal.h"

enum {
    evict_slice = 64,
    share_of_queue = 320,  /* bytes: a part of what it is */
    evict_again_ms = 1000, /* after nobody had anything to give */
};

/* Very many queues take memory themselves, and leave less for their messages; but a third stays. */
static size_t window_max(const struct vhost *vhost)
{
    size_t max = vhost->config.window_bytes_max, taken = vhost->queues.count * share_of_queue;
    return taken < max - max / 3 ? max - taken : max / 3;
}

/* How much more transient messages hold than they may. The memory alarm may be for what is in other
 * places, but publishers wait for it: then they may hold no more than those that are stored. */
static uint64_t transient_excess(const struct vhost *vhost)
{
    size_t max = vhost->config.transient_bytes_max;
    if ((vhost->alarms & VHOST_ALARM_MEMORY) != 0 && max > vhost->window_bytes_max)
        max = vhost->window_bytes_max;
    return vhost->transient_bytes > max ? vhost->transient_bytes - max : 0;
}

/* On a full disk the space that is left is for acks: nothing is spilled. */
static void evict(struct vhost *vhost, struct list_node *node, size_t keep_bytes)
{
    struct lane *lane = list_entry(node, struct lane, memory_node);
    size_t unstored = vhost_unstored_bytes(vhost), unstored_max = vhost->config.unstored_bytes_max;
    bool is_disk_low = (vhost->alarms & VHOST_ALARM_DISK) != 0;
    lane_count_memory(vhost, lane);
    struct lane_eviction eviction = {
        .committed = vhost->committed,
        .keep_bytes = keep_bytes,
        .excess = transient_excess(vhost),
        .room = unstored < unstored_max && !is_disk_low ? unstored_max - unstored + 1 : 0,
        .spill = queue_spill,
        .context = vhost,
    };
    lane_evict(lane, &eviction);
    lane_count_memory(vhost, lane);
    if (lane->memory_bytes > 0)
        list_push_back(&vhost->cold, node);
}

static bool is_above_memory(const struct vhost *vhost)
{
    return vhost->window_bytes > vhost->window_bytes_max || transient_excess(vhost) > 0;
}

/* What the coldest lane may keep. Where only transient messages are too many, a large lane keeps
 * its share, since it may be the busiest, too. */
static size_t cold_share(const struct vhost *vhost, const struct lane *lane)
{
    bool is_large = lane->memory_bytes > vhost->config.lane_bytes_max;
    bool is_stored_above = vhost->window_bytes > vhost->window_bytes_max;
    return is_large && !is_stored_above ? vhost->config.lane_bytes_max : 0;
}

/* Becomes less with all that is spilled or dropped. */
static uint64_t left_to_give(const struct vhost *vhost)
{
    return vhost->window_bytes + 2 * vhost->transient_bytes;
}

/* The coldest lanes give, so many of them; true where there are more. */
static bool evict_some(struct vhost *vhost, size_t slice)
{
    const struct list_node *last = vhost->cold.head.previous;
    for (; slice > 0 && is_above_memory(vhost); slice--) {
        struct list_node *node = list_pop_front(&vhost->cold);
        if (node == NULL)
            return false;
        evict(vhost, node, cold_share(vhost, list_entry(node, struct lane, memory_node)));
        if (node == last)
            return false;
    }
    return is_above_memory(vhost);
}

void vhost_give_memory_back(struct vhost *vhost)
{
    struct list_node *node;
    size_t slice = evict_slice;
    vhost->window_bytes_max = window_max(vhost);
    for (; (node = list_pop_front(&vhost->touched)) != NULL; slice += 2)
        evict(vhost, node, vhost->config.lane_bytes_max);
    vhost->is_spilling = transient_excess(vhost) > 0;
    uint64_t before = left_to_give(vhost);
    vhost->evict_due_ms = UINT64_MAX;
    if (!evict_some(vhost, slice))
        return;
    vhost->asked_in_vain = left_to_give(vhost) < before ? 0 : vhost->asked_in_vain + slice;
    vhost->evict_due_ms = vhost->now_ms;
    if (vhost->asked_in_vain > vhost->queues.count) {
        vhost->asked_in_vain = 0;
        vhost->evict_due_ms += evict_again_ms;
    }
}
