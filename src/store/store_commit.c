/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch becomes a transaction: its messages are placed in segments first, without the lock, then
 * every operation is applied in order, under it. Applying changes memory and writes the same into
 * the journal, with the functions that replay uses (store_journal.c).
 *
 * On a full disk a batch is tried up to three times, each with more space than before: as it is,
 * after the log was told to begin again, and with the reserve. The reserve is for acks, since
 * without them a full disk never becomes less full; a batch with messages has it on its second
 * coming only, when the caller knows and lets no more in.
 */
#include <time.h>

#include "base/check.h"
#include "store/store_internal.h"

/* --- operations of a batch */

static bool apply_insert(struct store *store, const struct store_operation *operation,
                         const struct run *place)
{
    struct stored_lane *lane = stored_queue_need_lane(store, operation->lane);
    stored_lane_append(store, lane, place);
    journal_run(store, lane, place);
    return operation->definition == NULL || value_put(store, lane, operation);
}

static bool apply_remove(struct store *store, const struct store_operation *operation)
{
    struct stored_lane *lane = stored_queue_find_lane(store, operation->lane);
    if (lane == NULL)
        return true;
    uint64_t end = operation->position + operation->count;
    journal_flush_run(store, lane);
    if (end > lane->state.end || end < operation->position)
        end = lane->state.end;
    if (operation->position >= end)
        return true;
    journal_lane(store, JOURNAL_REMOVE, operation->lane, operation->position,
                 end - operation->position);
    return stored_lane_remove(store, lane, operation->position, end, stored_queue_release, true) &&
           attempt_remove(store, lane, operation->position, end) &&
           value_remove(store, lane, operation->position, end);
}

static bool apply_delivered(struct store *store, const struct store_operation *operation)
{
    stored_queue_need_lane(store, operation->lane)->state.delivered_below = operation->position;
    journal_lane(store, JOURNAL_DELIVERED, operation->lane, operation->position, 0);
    return true;
}

static bool apply_attempts(struct store *store, const struct store_operation *operation)
{
    struct stored_lane *lane = stored_queue_find_lane(store, operation->lane);
    return lane == NULL || attempt_put(store, lane, operation->position, operation->count);
}

static bool apply_exchange(struct store *store, const struct store_operation *operation)
{
    if (operation->kind == STORE_EXCHANGE_PUT)
        return shelf_put(store, operation->lane) && definition_put(store, operation);
    return shelf_delete(store, operation->lane) && definition_delete(store, operation);
}

static bool apply(struct store *store, const struct store_operation *operation,
                  const struct run *place)
{
    switch (operation->kind) {
    case STORE_EXCHANGE_PUT:
    case STORE_EXCHANGE_DELETE:
        return apply_exchange(store, operation);
    case STORE_BINDING_PUT:
        return definition_put(store, operation);
    case STORE_BINDING_DELETE:
        return definition_delete(store, operation);
    case STORE_QUEUE_PUT:
        return stored_queue_put(store, operation);
    case STORE_QUEUE_DELETE:
        return stored_queue_delete(store, operation);
    case STORE_INSERT:
        return apply_insert(store, operation, place);
    case STORE_REMOVE:
        return apply_remove(store, operation);
    case STORE_DELIVERED:
        return apply_delivered(store, operation);
    case STORE_ATTEMPTS:
        return apply_attempts(store, operation);
    case STORE_DELAY_INSERT:
        return shelf_delay_insert(store, operation);
    case STORE_DELAY_REMOVE:
        return shelf_delay_remove(store, operation);
    case STORE_DEDUP_PUT:
        return shelf_key_put(store, operation);
    case STORE_DEDUP_REMOVE:
        return shelf_key_remove(store, operation);
    case STORE_SPILL:
        return spill_need_lane(store, operation->lane) && apply_insert(store, operation, place);
    case STORE_SPILL_FORGET:
        return spill_forget(store, operation);
    default:
        return true;
    }
}

static bool apply_batch(struct store *store, const struct store_batch *batch)
{
    bool succeeded = true;
    transaction_take_turn(store);
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; succeeded && i < batch->count; i++) {
        if (spill_is_own(store, &batch->operations[i]))
            succeeded = apply(store, &batch->operations[i], &store->places[i]);
    }
    pthread_mutex_unlock(&store->lock);
    return succeeded;
}

/* --- a batch */

enum store_result store_commit_part(struct store *store, const struct store_batch *batch)
{
    if (atomic_load(&store->has_failed))
        return STORE_FAILED;
    bool succeeded = transaction_begin(store) && record_place_batch(store, batch) &&
                     apply_batch(store, batch) && reclaim_with_commit(store);
    return transaction_finish(store, succeeded, batch->count);
}

static enum store_result commit_once(struct store *store, const struct store_batch *batch)
{
    enum store_result result = spill_commit(store, batch);
    if (result != STORE_OK || !spill_has_work(store, batch))
        return result;
    return store_commit_part(store, batch);
}

static bool make_space(struct store *store)
{
    bool is_made = checkpoint_for_space(store);
    struct store *spill = spill_of(store);
    if (spill != NULL && checkpoint_for_space(spill))
        is_made = true;
    return is_made;
}

uint64_t store_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void count_commit(struct store *store, uint64_t start_ns)
{
    uint64_t took_ns = store_now_ns() - start_ns;
    pthread_mutex_lock(&store->lock);
    store->figures.commits++;
    store->figures.is_reserve_used = store->is_reserve_used;
    if (took_ns > store->figures.commit_ns_max)
        store->figures.commit_ns_max = took_ns;
    pthread_mutex_unlock(&store->lock);
}

static bool has_messages(const struct store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->operations[i].message != NULL && batch->operations[i].kind != STORE_SPILL)
            return true;
    }
    return false;
}

/* Acks may; and messages that come again after the caller was told, who lets no more in: the acks
 * behind them have to get through. What is spilled never needs it. */
static bool may_use_reserve(const struct store *store, const struct store_batch *batch)
{
    return store->was_full || !has_messages(batch);
}

enum store_result store_commit(struct store *store, const struct store_batch *batch)
{
    if (atomic_load(&store->has_failed))
        return STORE_FAILED;
    uint64_t start_ns = store_now_ns();
    writer_enter(store, false);
    enum store_result result = commit_once(store, batch);
    if (result == STORE_FULL && make_space(store))
        result = commit_once(store, batch);
    if (result == STORE_FULL && may_use_reserve(store, batch) && reserve_release(store)) {
        (void)make_space(store);
        result = commit_once(store, batch);
    }
    store->was_full = result == STORE_FULL;
    if (result == STORE_OK && batch->bytes > 0)
        reserve_restore(store);
    writer_leave(store);
    count_commit(store, start_ns);
    return result;
}
