/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues and their lanes. A queue owns a range of lane numbers from its declaration on, one for
 * each priority; a lane with its rows comes into being when it is used for the first time, so that
 * a queue with 256 priorities costs as many lanes as its messages have.
 *
 * The ranges are known in memory by their first number, and a lane that is used for the first time
 * looks for its range below its own number: not far, and once in its life. They are what the
 * definitions say, and are read from there; a lane in no range, or one that is used after its queue
 * was deleted, is a bug of the caller or damage, and is never passed over.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "store/store_internal.h"

static bool is_range(const struct hash_node *node, const void *key)
{
    return container_of(node, struct lane_range, by_first)->first == *(const uint64_t *)key;
}

static struct lane_range *find_range(const struct store *store, uint64_t first)
{
    struct hash_node *node = hash_table_find(&store->ranges, hash_u64(first), is_range, &first);
    return node != NULL ? container_of(node, struct lane_range, by_first) : NULL;
}

static bool has_range(const struct store *store, uint64_t lane)
{
    for (uint64_t below = 0; below < STORE_LANES_MAX && below < lane; below++) {
        const struct lane_range *range = find_range(store, lane - below);
        if (range != NULL)
            return below < range->count;
    }
    return false;
}

void stored_queue_ranges_add(struct store *store, uint64_t first, uint64_t count)
{
    struct lane_range *range = xcalloc(1, sizeof *range);
    range->first = first;
    range->count = count;
    hash_table_insert(&store->ranges, &range->by_first, hash_u64(first));
}

static void remove_range(struct store *store, struct lane_range *range)
{
    hash_table_remove(&store->ranges, &range->by_first);
    free(range);
}

void stored_queue_ranges_clear(struct store *store)
{
    struct hash_node *node;
    size_t cursor = 0;
    while ((node = hash_table_remaining(&store->ranges, &cursor)) != NULL)
        remove_range(store, container_of(node, struct lane_range, by_first));
}

bool stored_queue_ranges_check(struct store *store)
{
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&store->lanes, node)) != NULL) {
        uint64_t lane = container_of(node, struct stored_lane, by_id)->id;
        if (!has_range(store, lane))
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
        CHECK(has_range(store, id));
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
    CHECK(range != NULL && range->count == operation->count);
    for (uint64_t i = 0; i < range->count; i++) {
        struct stored_lane *lane = stored_queue_find_lane(store, operation->lane + i);
        if (lane != NULL && !delete_lane(store, lane))
            return false;
    }
    remove_range(store, range);
    return definition_delete(store, operation);
}
