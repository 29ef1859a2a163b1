/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A queue and the turns of its subscribers. Those that can take a message stand in one list, higher
 * priorities first, and within a priority by turn: taking a message moves a subscriber behind its
 * equals. A subscriber without prefetch or output credit leaves the list, so that the next one
 * is always at its front, whatever the number of those that wait.
 *
 * A priority queue has a lane for each priority, made when its first message comes. Which of up to
 * 256 have something ready stands in a bitmap, so that no message costs a walk over all of them.
 */
#include "queue/queue.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"

static const struct queue_settings plain_settings = QUEUE_SETTINGS_PLAIN;

static void drop_settings(struct queue *queue)
{
    if (queue->settings != &plain_settings)
        free((void *)(uintptr_t)queue->settings);
    queue->settings = &plain_settings;
}

void queue_set_settings(struct queue *queue, const struct queue_settings *settings)
{
    drop_settings(queue);
    if (memcmp(settings, &plain_settings, sizeof *settings) != 0)
        queue->settings = xmemdup(settings, sizeof *settings);
}

struct queue *queue_new(struct bytes name, struct bytes arguments, uint8_t max_priority,
                        uint64_t lane_id)
{
    struct queue *queue = xcalloc(1, sizeof *queue + name.size + arguments.size);
    uint8_t *at = (uint8_t *)(queue + 1);
    if (name.size > 0)
        memcpy(at, name.data, name.size);
    if (arguments.size > 0)
        memcpy(at + name.size, arguments.data, arguments.size);
    queue->name = bytes_of(at, name.size);
    queue->arguments = bytes_of(at + name.size, arguments.size);
    queue->max_priority = max_priority;
    queue->settings = &plain_settings;
    queue->takers = UINT8_MAX;
    queue->upper = max_priority > 0 ? xcalloc(max_priority, sizeof(struct lane *)) : NULL;
    queue->levels = max_priority > 0 ? xcalloc(1, sizeof *queue->levels) : NULL;
    lane_init(&queue->lane, lane_id);
    queue->lane.queue = queue;
    queue->lane.levels = queue->levels;
    list_init(&queue->subscribers);
    list_init(&queue->active);
    list_init(&queue->bindings);
    list_init(&queue->waiting);
    list_node_init(&queue->owner_node);
    list_node_init(&queue->dispatch_node);
    list_node_init(&queue->mark_node);
    return queue;
}

void queue_free(struct queue *queue)
{
    CHECK(list_is_empty(&queue->subscribers) && list_is_empty(&queue->bindings));
    CHECK(list_is_empty(&queue->waiting) && queue->unacked_count == 0);
    list_remove(&queue->owner_node);
    list_remove(&queue->dispatch_node);
    list_remove(&queue->mark_node);
    for (unsigned i = 0; i < queue->top_priority; i++) {
        if (queue->upper[i] != NULL)
            lane_fini(queue->upper[i]);
        free(queue->upper[i]);
    }
    lane_fini(&queue->lane);
    if (queue->parked != NULL)
        lane_fini(&queue->parked->lane);
    free(queue->parked);
    value_set_free(queue->values);
    drop_settings(queue);
    free(queue->levels);
    free(queue->upper);
    free(queue);
}

/* --- lanes */

void queue_number_lanes(struct queue *queue, uint64_t lane_id)
{
    CHECK(queue->lane.id == 0 && lane_id > STORE_SPILL_LANES);
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        struct lane *lane = queue_lane(queue, priority);
        if (lane != NULL)
            lane->id = lane_id + priority;
    }
}

struct lane *queue_use_lane(struct queue *queue, unsigned priority)
{
    CHECK(priority <= queue->max_priority);
    struct lane *lane = queue_lane(queue, priority);
    if (lane != NULL)
        return lane;
    lane = queue->upper[priority - 1] = xmalloc(sizeof *lane);
    lane_init(lane, queue->lane.id != 0 ? queue->lane.id + priority : 0);
    lane->queue = queue;
    lane->priority = (uint8_t)priority;
    lane->levels = queue->levels;
    if (priority > queue->top_priority)
        queue->top_priority = (uint8_t)priority;
    return lane;
}

struct lane *queue_first_lane_of_several(const struct queue *queue)
{
    const uint64_t *occupied = queue->levels->occupied;
    for (unsigned word = queue->top_priority / 64 + 1; word-- > 0;) {
        if (occupied[word] != 0)
            return queue_lane(queue, word * 64 + 63 - (unsigned)__builtin_clzll(occupied[word]));
    }
    return queue_lane(queue, 0);
}

bool queue_has_fetches(const struct queue *queue)
{
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        const struct lane *lane = queue_lane(queue, priority);
        if (lane != NULL && lane_has_fetches(lane))
            return true;
    }
    return false;
}

uint64_t queue_ready_count(const struct queue *queue)
{
    return queue->levels != NULL ? queue->levels->ready_count : queue->lane.ready_count;
}

void queue_persistent(const struct queue *queue, uint64_t *count, uint64_t *bytes)
{
    *count = *bytes = 0;
    if (!queue->is_durable)
        return;
    *count = queue_ready_count(queue) + queue->unacked_count - queue->fleeting_unacked;
    *bytes = queue_ready_bytes(queue) + queue->unacked_bytes - queue->fleeting_unacked_bytes;
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        const struct lane *lane = queue_lane(queue, priority);
        *count -= lane != NULL ? lane->fleeting_count : 0;
        *bytes -= lane != NULL ? lane->fleeting_bytes : 0;
    }
}

void queue_paged_out(const struct queue *queue, uint64_t *count, uint64_t *bytes)
{
    *count = *bytes = 0;
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        const struct lane *lane = queue_lane(queue, priority);
        if (lane == NULL)
            continue;
        *count += lane->stretch_count;
        *bytes += lane->stretch_bytes;
    }
}

uint64_t queue_memory_bytes(const struct queue *queue)
{
    uint64_t bytes = 0;
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        const struct lane *lane = queue_lane(queue, priority);
        bytes += lane != NULL ? lane->memory_bytes : 0;
    }
    return bytes;
}

uint64_t queue_ready_bytes(const struct queue *queue)
{
    return queue->levels != NULL ? queue->levels->ready_bytes : queue->lane.ready_bytes;
}

void queue_check(const struct queue *queue)
{
    uint64_t count = 0, bytes = 0;
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        const struct lane *lane = queue_lane(queue, priority);
        if (lane == NULL)
            continue;
        count += lane->ready_count;
        bytes += lane->ready_bytes;
        CHECK(queue->levels == NULL ||
              (lane->ready_count > 0) ==
                  (queue->levels->occupied[priority / 64] >> priority % 64 & 1));
    }
    CHECK(count == queue_ready_count(queue) && bytes == queue_ready_bytes(queue));
}

/* --- subscribers */

void queue_subscribe(struct queue *queue, struct subscriber *subscriber, int32_t priority)
{
    subscriber->queue = queue;
    subscriber->priority = priority;
    list_push_back(&queue->subscribers, &subscriber->queue_node);
    list_node_init(&subscriber->active_node);
    queue->subscriber_count++;
    queue->had_subscriber = true;
    if (queue->single == NULL)
        queue->single = subscriber;
}

void queue_unsubscribe(struct queue *queue, struct subscriber *subscriber)
{
    list_remove(&subscriber->active_node);
    list_remove(&subscriber->queue_node);
    CHECK(queue->subscriber_count > 0);
    queue->subscriber_count--;
    if (queue->single != subscriber)
        return;
    struct list_node *first = list_front(&queue->subscribers);
    queue->single = first != NULL ? list_entry(first, struct subscriber, queue_node) : NULL;
}

static bool is_above_all_active(const struct queue *queue, const struct subscriber *subscriber)
{
    const struct subscriber *first = queue_next_subscriber(queue);
    return first != NULL && first->priority < subscriber->priority;
}

void queue_activate(struct queue *queue, struct subscriber *subscriber)
{
    list_remove(&subscriber->active_node);
    /* A few important subscribers before very many others must not walk past all of them. */
    if (is_above_all_active(queue, subscriber)) {
        list_push_front(&queue->active, &subscriber->active_node);
        return;
    }
    struct list_node *place = &queue->active.head;
    while (place->previous != &queue->active.head) {
        struct subscriber *before = list_entry(place->previous, struct subscriber, active_node);
        if (before->priority >= subscriber->priority)
            break;
        place = place->previous;
    }
    list_insert_before(place, &subscriber->active_node);
}

void queue_deactivate(struct subscriber *subscriber)
{
    list_remove(&subscriber->active_node);
}
