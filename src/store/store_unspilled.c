/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transient messages that were given to the store when their file had no space. Nothing waits for
 * them: they are the store's as if they were in the file, and stay in memory until there is space.
 * They are few: who is told that the disk is full spills no more, so there is at most what was on
 * its way.
 *
 * The order of positions in the file is that of the lane, so while there are any, what is spilled
 * goes behind them. They are sorted by lane and position; one that is removed leaves a hole. The
 * writer changes them under the store's lock, readers look at them under the lock.
 */
#include <stdlib.h>

#include "base/xmalloc.h"
#include "store/store_internal.h"

static int compare(const void *a, const void *b)
{
    const struct unspilled_message *left = a, *right = b;
    if (left->lane != right->lane)
        return left->lane < right->lane ? -1 : 1;
    return (left->position > right->position) - (left->position < right->position);
}

bool unspilled_has_any(const struct store *store)
{
    return atomic_load(&store->unspilled.live) > 0;
}

static void clear(struct unspilled *unspilled)
{
    for (size_t i = 0; i < unspilled->count; i++)
        message_unref(unspilled->messages[i].message);
    free(unspilled->messages);
    unspilled->messages = NULL;
    unspilled->count = unspilled->sorted = unspilled->capacity = 0;
    unspilled->live = unspilled->live_bytes = 0;
}

void unspilled_clear(struct store *store)
{
    pthread_mutex_lock(&store->lock);
    clear(&store->unspilled);
    pthread_mutex_unlock(&store->lock);
}

static void close_holes(struct unspilled *unspilled)
{
    size_t kept = 0;
    for (size_t i = 0; i < unspilled->count; i++) {
        if (unspilled->messages[i].message != NULL)
            unspilled->messages[kept++] = unspilled->messages[i];
    }
    unspilled->count = unspilled->sorted = kept;
}

static void add(struct unspilled *unspilled, const struct store_operation *operation)
{
    const struct unspilled_message message = {
        .lane = operation->lane,
        .position = operation->position,
        .expiry_ms = operation->expiry_ms,
        .message = message_ref(operation->message),
    };
    size_t count = unspilled->count;
    unspilled->messages =
        xgrow(unspilled->messages, &unspilled->capacity, count + 1, sizeof *unspilled->messages);
    /* Those of one queue come in order, and removals in between find nothing to sort. */
    if (unspilled->sorted == count &&
        (count == 0 || compare(&unspilled->messages[count - 1], &message) < 0))
        unspilled->sorted++;
    unspilled->messages[unspilled->count++] = message;
    unspilled->live++;
    unspilled->live_bytes += message_footprint(operation->message);
}

/* The index of the first that is not before. */
static size_t find(const struct unspilled *unspilled, uint64_t lane, uint64_t position)
{
    struct unspilled_message wanted = {.lane = lane, .position = position};
    size_t low = 0, high = unspilled->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&unspilled->messages[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void remove_between(struct unspilled *unspilled, size_t index, size_t end)
{
    for (; index < end; index++) {
        struct unspilled_message *kept = &unspilled->messages[index];
        if (kept->message == NULL)
            continue;
        unspilled->live--;
        unspilled->live_bytes -= message_footprint(kept->message);
        message_unref(kept->message);
        kept->message = NULL;
    }
}

static void apply_removal(struct unspilled *unspilled, const struct store_operation *operation)
{
    uint64_t lane = operation->lane, position = operation->position, count = operation->count;
    if (operation->kind == STORE_SPILL_FORGET)
        remove_between(unspilled, find(unspilled, lane, 0), find(unspilled, lane + count, 0));
    else if (position + count < position)
        remove_between(unspilled, find(unspilled, lane, position), find(unspilled, lane + 1, 0));
    else
        remove_between(unspilled, find(unspilled, lane, position),
                       find(unspilled, lane, position + count));
}

static void sort(struct unspilled *unspilled)
{
    if (unspilled->sorted < unspilled->count)
        qsort(unspilled->messages, unspilled->count, sizeof *unspilled->messages, compare);
    unspilled->sorted = unspilled->count;
}

static void apply(struct unspilled *unspilled, const struct store_operation *operation)
{
    if (operation->kind == STORE_SPILL) {
        add(unspilled, operation);
    } else if (operation->kind == STORE_REMOVE || operation->kind == STORE_SPILL_FORGET) {
        sort(unspilled);
        apply_removal(unspilled, operation);
    }
}

void unspilled_apply(struct store *store, const struct store_batch *batch)
{
    struct unspilled *unspilled = &store->unspilled;
    pthread_mutex_lock(&store->lock);
    close_holes(unspilled);
    unspilled->batch = batch->number;
    for (size_t i = 0; i < batch->count; i++)
        apply(unspilled, &batch->operations[i]);
    sort(unspilled);
    if (!unspilled_has_any(store))
        clear(unspilled);
    pthread_mutex_unlock(&store->lock);
}

struct store_batch *unspilled_batch(const struct store *store)
{
    struct store_batch *batch = store_batch_new(store->unspilled.batch);
    for (size_t i = 0; i < store->unspilled.count; i++) {
        const struct unspilled_message *kept = &store->unspilled.messages[i];
        if (kept->message != NULL)
            store_batch_add(batch, (struct store_operation){.kind = STORE_SPILL,
                                                            .lane = kept->lane,
                                                            .position = kept->position,
                                                            .expiry_ms = kept->expiry_ms,
                                                            .message = message_ref(kept->message)});
    }
    return batch;
}

/* --- reading */

static struct store_read_result *copy_some(const struct unspilled *unspilled,
                                           const struct store_read *read)
{
    struct store_read_result *result = xcalloc(1, sizeof *result);
    size_t capacity = 0, bytes = 0;
    size_t i = find(unspilled, read->lane, read->first),
           end = find(unspilled, read->lane, read->end);
    result->read = *read;
    for (; i < end && result->count < read->count_max && bytes < read->bytes_max; i++) {
        const struct unspilled_message *kept = &unspilled->messages[i];
        if (kept->message == NULL)
            continue;
        result->rows = xgrow(result->rows, &capacity, result->count + 1, sizeof *result->rows);
        result->rows[result->count++] = (struct store_row){.position = kept->position,
                                                           .expiry_ms = kept->expiry_ms,
                                                           .message = message_ref(kept->message)};
        bytes += message_footprint(kept->message);
    }
    result->is_complete = i == end;
    return result;
}

struct store_read_result *unspilled_read(struct store *store, const struct store_read *read)
{
    struct store_read_result *result = NULL;
    if (!unspilled_has_any(store) || read->kind != STORE_READ_LANE)
        return NULL;
    pthread_mutex_lock(&store->lock);
    result = copy_some(&store->unspilled, read);
    pthread_mutex_unlock(&store->lock);
    if (result->count > 0)
        return result;
    store_read_result_free(result);
    return NULL;
}
