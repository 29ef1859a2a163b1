/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues and their lanes. A queue owns a range of lane numbers from its declaration on, one for
 * each priority; a lane with its rows comes into being when it is used for the first time, so that
 * a queue with 256 priorities costs as many lanes as its messages have.
 *
 * The ranges are known in memory in the order of their numbers, which only grow, so that a new one
 * comes last. They are what the definitions say, and are read from there; a lane in no range, or
 * one that is used after its queue was deleted, is a bug of the caller or damage, and is never
 * passed over. What is left of deleted queues goes when it is most.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "store/store_internal.h"

/* How many begin at or below a number. */
static size_t count_to(const struct lane_ranges *ranges, uint64_t number)
{
    size_t low = 0, high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ranges->items[middle].first <= number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The one that a lane is in, or NULL. */
static struct lane_range *find_range(const struct store *store, uint64_t lane)
{
    size_t count = count_to(&store->ranges, lane);
    struct lane_range *range = count > 0 ? &store->ranges.items[count - 1] : NULL;
    return range != NULL && lane - range->first < range->count ? range : NULL;
}

void stored_queue_ranges_add(struct store *store, uint64_t first, uint64_t count)
{
    struct lane_ranges *ranges = &store->ranges;
    size_t at = store->is_replaying ? ranges->count : count_to(ranges, first);
    ranges->items =
        xgrow(ranges->items, &ranges->capacity, ranges->count + 1, sizeof ranges->items[0]);
    memmove(&ranges->items[at + 1], &ranges->items[at],
            (ranges->count - at) * sizeof ranges->items[0]);
    ranges->items[at] = (struct lane_range){first, (uint32_t)count};
    ranges->count++;
}

static void remove_range(struct lane_ranges *ranges, struct lane_range *range)
{
    size_t count = 0;
    range->count = 0;
    if (++ranges->gone <= ranges->count / 2)
        return;
    for (size_t i = 0; i < ranges->count; i++) {
        if (ranges->items[i].count > 0)
            ranges->items[count++] = ranges->items[i];
    }
    ranges->count = count;
    ranges->gone = 0;
}

void stored_queue_ranges_clear(struct store *store)
{
    free(store->ranges.items);
    store->ranges = (struct lane_ranges){0};
}

static int compare_ranges(const void *a, const void *b)
{
    const struct lane_range *left = a, *right = b;
    return (left->first > right->first) - (left->first < right->first);
}

bool stored_queue_ranges_check(struct store *store)
{
    struct hash_node *node = NULL;
    if (store->ranges.count > 0)
        qsort(store->ranges.items, store->ranges.count, sizeof store->ranges.items[0],
              compare_ranges);
    while ((node = hash_table_next(&store->lanes, node)) != NULL) {
        uint64_t lane = container_of(node, struct stored_lane, by_id)->id;
        if (find_range(store, lane) == NULL)
            return store_note_damage(store, "lane %llu belongs to no queue",
                                     (unsigned long long)lane);
    }
    return true;
}

/* --- lanes */

void stored_queue_release(struct store *store, uint64_t segment, uint32_t count)
{
    segment_released(store, segment, count, store->batch);
    journal_segment(store, JOURNAL_SEGMENT_RELEASE, segment, count);
}

struct stored_lane *stored_queue_find_lane(struct store *store, uint64_t id)
{
    struct stored_lane *lane = stored_lane_find(store, id);
    if (lane != NULL)
        transaction_touch(store, lane);
    else
        CHECK(find_range(store, id) != NULL);
    return lane;
}

struct stored_lane *stored_queue_need_lane(struct store *store, uint64_t id)
{
    struct stored_lane *lane = stored_queue_find_lane(store, id);
    if (lane != NULL)
        return lane;
    lane = stored_lane_add(store, id);
    transaction_touch(store, lane);
    journal_lane(store, JOURNAL_LANE_NEW, id, 0, 0);
    return lane;
}

static bool delete_lane(struct store *store, struct stored_lane *lane)
{
    uint64_t id = lane->id;
    journal_flush_run(store, lane);
    if (!stored_lane_remove(store, lane, 0, lane->state.end, stored_queue_release, true))
        return false;
    journal_lane(store, JOURNAL_LANE_DELETE, id, 0, 0);
    attempt_forget(store, lane);
    value_forget(store, lane);
    stored_lane_free(store, lane);
    return store_delete(store, SQL_LANE_DELETE, id) &&
           store_delete(store, SQL_CHUNK_DELETE_ALL, id);
}

/* --- queues */

bool stored_queue_put(struct store *store, const struct store_operation *operation)
{
    uint64_t end = operation->lane + operation->count;
    CHECK(operation->lane > 0 && operation->count >= 1 && operation->count <= STORE_LANES_MAX);
    if (find_range(store, operation->lane) == NULL)
        stored_queue_ranges_add(store, operation->lane, operation->count);
    if (end > store->head.lane_next)
        store->head.lane_next = end;
    return definition_put(store, operation);
}

bool stored_queue_delete(struct store *store, const struct store_operation *operation)
{
    struct lane_range *range = find_range(store, operation->lane);
    CHECK(range != NULL && range->first == operation->lane && range->count == operation->count);
    for (uint64_t i = 0; i < range->count; i++) {
        struct stored_lane *lane = stored_queue_find_lane(store, operation->lane + i);
        if (lane != NULL && !delete_lane(store, lane))
            return false;
    }
    remove_range(&store->ranges, range);
    return definition_delete(store, operation);
}
