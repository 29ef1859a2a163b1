/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transient messages that leave memory. They go to a second store, spill.db beside messages.db,
 * which is made when the first of them comes, is not synced, and is deleted when the vhost is
 * opened. It has the same tables and the same code, and each of the two takes its own operations
 * out of every batch: the insertions differ, a removal concerns whoever has the lane. A batch
 * without anything for messages.db costs no sync.
 *
 * A lane of a durable queue has the same number in both, and each position in one of them at most.
 * So a read asks both where both have something, and merges the answers.
 *
 * The part of a batch that is spilled is committed first. If the other one then finds the disk
 * full, the batch comes again, and its number says that the first part is done. Messages for which
 * this file finds no space are no reason to wait, neither for what is durable nor for acks: they
 * stay in memory (store_unspilled.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "store/store_internal.h"

struct store *spill_of(const struct store *store)
{
    return atomic_load(&((struct store *)store)->spill);
}

void spill_remove(const char *folder)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
    size_t size = strlen(folder) + sizeof "/" SPILL_FILE "-journal";
    char *path = xmalloc(size);
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        snprintf(path, size, "%s/" SPILL_FILE "%s", folder, suffixes[i]);
        unlink(path);
    }
    free(path);
}

/* --- writing */

bool spill_is_own(const struct store *store, const struct store_operation *operation)
{
    switch (operation->kind) {
    case STORE_NOTHING:
        return false;
    case STORE_SPILL:
    case STORE_SPILL_FORGET:
        return store->is_spill;
    case STORE_REMOVE:
        return store->is_spill ? stored_lane_find(store, operation->lane) != NULL
                               : operation->lane < STORE_SPILL_LANES;
    default:
        return !store->is_spill;
    }
}

/* A removal from a lane without messages changes nothing. */
static bool is_work(const struct store *store, const struct store_operation *operation)
{
    if (!spill_is_own(store, operation))
        return false;
    if (operation->kind != STORE_REMOVE)
        return true;
    const struct stored_lane *lane = stored_lane_find(store, operation->lane);
    return lane != NULL && lane->state.count > 0;
}

bool spill_has_work(const struct store *store, const struct store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (is_work(store, &batch->operations[i]))
            return true;
    }
    return false;
}

static bool spills(const struct store_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->operations[i].kind == STORE_SPILL)
            return true;
    }
    return false;
}

static enum store_result open_spill(struct store *store)
{
    char reason[512];
    struct store_opened opened;
    bool is_full;
    spill_remove(store->folder);
    struct store *spill =
        store_open_file(store->folder, true, &opened, reason, sizeof reason, &is_full);
    if (spill == NULL && is_full)
        return STORE_FULL;
    if (spill == NULL) {
        store_report(store, "%s", reason);
        return store_fail(store);
    }
    store_opened_fini(&opened);
    atomic_store(&store->spill, spill);
    return STORE_OK;
}

enum store_result spill_fail(struct store *store)
{
    store_report(store, "%s", store_error(spill_of(store)));
    return store_fail(store);
}

/* Into the file, which is made for the first messages. */
static enum store_result commit(struct store *store, const struct store_batch *batch)
{
    enum store_result result = STORE_OK;
    if (spill_of(store) == NULL && spills(batch))
        result = open_spill(store);
    struct store *spill = spill_of(store);
    if (result != STORE_OK || spill == NULL || !spill_has_work(spill, batch))
        return result;
    result = store_commit_part(spill, batch);
    return result == STORE_FAILED ? spill_fail(store) : result;
}

/* In the log and in the file: what stays in the log for want of space for both would be in the way
 * of acks. */
static bool has_space_for(const struct store *store, uint64_t bytes)
{
    return store_has_space(store, 2 * bytes);
}

/* The reserve comes first. */
enum store_result spill_settle(struct store *store)
{
    if (!unspilled_has_any(store) || atomic_load(&store->is_reserve_used) ||
        !has_space_for(store, store->unspilled.live_bytes))
        return STORE_OK;
    struct store_batch *batch = unspilled_batch(store);
    enum store_result result = commit(store, batch);
    store_batch_free(batch);
    if (result == STORE_OK)
        unspilled_clear(store);
    return result == STORE_FULL ? STORE_OK : result;
}

/* Without its messages. */
static enum store_result commit_removals(struct store *store, const struct store_batch *batch)
{
    struct store_batch *removals = store_batch_new(batch->number);
    for (size_t i = 0; i < batch->count; i++) {
        uint8_t kind = batch->operations[i].kind;
        if (kind == STORE_REMOVE || kind == STORE_SPILL_FORGET)
            store_batch_add(removals, batch->operations[i]);
    }
    enum store_result result = commit(store, removals);
    store_batch_free(removals);
    return result;
}

/* Its messages stay in memory where they find no space, and the rest goes on. They are not tried
 * again before that: what the batch removes was there before them. */
static enum store_result commit_or_keep(struct store *store, const struct store_batch *batch)
{
    if (store->unspilled.batch == batch->number) /* it comes again */
        return commit_removals(store, batch);
    enum store_result result = spill_settle(store);
    bool is_for_file = !spills(batch) || has_space_for(store, batch->bytes);
    if (result == STORE_OK && is_for_file && !unspilled_has_any(store)) {
        result = commit(store, batch);
        if (result != STORE_FULL || !spills(batch))
            return result;
    }
    if (result == STORE_FAILED)
        return result;
    unspilled_apply(store, batch);
    return commit_removals(store, batch);
}

enum store_result spill_commit(struct store *store, const struct store_batch *batch)
{
    if (store->spilled_batch == batch->number)
        return STORE_OK;
    enum store_result result = commit_or_keep(store, batch);
    if (result == STORE_OK)
        store->spilled_batch = batch->number;
    return result;
}

enum { NAME_SIZE = 24 };

/* A lane of the spill is a queue of its own, named by the number. Size of text: NAME_SIZE. */
static struct store_definition name_of(uint64_t lane, char *text)
{
    int length = snprintf(text, NAME_SIZE, "%llu", (unsigned long long)lane);
    return (struct store_definition){.name = bytes_of(text, (size_t)length),
                                     .type = bytes_of_text("classic")};
}

bool spill_need_lane(struct store *store, uint64_t lane)
{
    char text[NAME_SIZE];
    if (stored_lane_find(store, lane) != NULL)
        return true;
    struct store_definition definition = name_of(lane, text);
    return stored_queue_put(
        store, &(struct store_operation){
                   .kind = STORE_QUEUE_PUT, .lane = lane, .count = 1, .definition = &definition});
}

bool spill_forget(struct store *store, const struct store_operation *operation)
{
    char text[NAME_SIZE];
    for (uint64_t lane = operation->lane; lane < operation->lane + operation->count; lane++) {
        if (stored_lane_find(store, lane) == NULL)
            continue;
        struct store_definition definition = name_of(lane, text);
        if (!stored_queue_delete(store, &(struct store_operation){.kind = STORE_QUEUE_DELETE,
                                                                  .lane = lane,
                                                                  .count = 1,
                                                                  .definition = &definition}))
            return false;
    }
    return true;
}

/* --- reading */

static bool has_lane(struct store *store, uint64_t id)
{
    pthread_mutex_lock(&store->lock);
    const struct stored_lane *lane = stored_lane_find(store, id);
    bool has_messages = lane != NULL && lane->state.first < lane->committed_end;
    pthread_mutex_unlock(&store->lock);
    return has_messages;
}

/* The position up to which the answer holds all that it was asked for. */
static uint64_t reach(const struct store_read_result *result)
{
    return result->is_complete || result->count == 0 ? UINT64_MAX
                                                     : result->rows[result->count - 1].position;
}

/* One answer with the rows of both up to where both are whole. What was in memory when that was
 * read may have come into the file before that was. */
static struct store_read_result *merge(struct store_read_result *a, struct store_read_result *b)
{
    struct store_read_result *merged = xcalloc(1, sizeof *merged);
    uint64_t last = reach(a) < reach(b) ? reach(a) : reach(b);
    size_t i = 0, j = 0;
    merged->read = a->read;
    merged->rows = xcalloc(a->count + b->count, sizeof *merged->rows);
    while ((i < a->count || j < b->count) && merged->count < a->read.count_max) {
        bool is_of_a =
            j == b->count || (i < a->count && a->rows[i].position <= b->rows[j].position);
        if (is_of_a && j < b->count && a->rows[i].position == b->rows[j].position)
            j++;
        struct store_row *row = is_of_a ? &a->rows[i++] : &b->rows[j++];
        if (row->position > last)
            break;
        merged->rows[merged->count++] = *row;
        row->message = NULL;
    }
    merged->is_complete = a->is_complete && b->is_complete && i == a->count && j == b->count;
    store_read_result_free(a);
    store_read_result_free(b);
    return merged;
}

/* What one of the two files holds, added to what was found before; takes that, which may be NULL.
 */
static struct store_read_result *add_part(struct store *part, const struct store_read *read,
                                          struct store_read_result *found)
{
    struct store_read_result *more;
    if (store_read_part(part, read, 1, &more))
        return found != NULL ? merge(found, more) : more;
    store_read_result_free(found);
    return NULL;
}

/* Messages go from memory into the file, never back: so memory is read first. */
static struct store_read_result *read_everywhere(struct store *store, const struct store_read *read)
{
    struct store *spill;
    struct store_read_result *found = unspilled_read(store, read);
    if (read->kind == STORE_READ_LANE && (spill = spill_of(store)) != NULL &&
        has_lane(spill, read->lane)) {
        found = add_part(spill, read, found);
        if (found == NULL) {
            (void)spill_fail(store);
            return NULL;
        }
    }
    bool is_all = found != NULL && !has_lane(store, read->lane);
    return is_all ? found : add_part(store, read, found);
}

enum part { PART_MAIN, PART_SPILL, PART_SEVERAL };

static enum part part_with(struct store *store, const struct store_read *read)
{
    struct store *spill = spill_of(store);
    if (unspilled_has_any(store))
        return PART_SEVERAL;
    if (read->kind != STORE_READ_LANE || spill == NULL || !has_lane(spill, read->lane))
        return PART_MAIN;
    return has_lane(store, read->lane) ? PART_SEVERAL : PART_SPILL;
}

/* Requests that one file answers. */
struct share {
    struct store_read *reads;           /* owned */
    struct store_read_result **results; /* owned */
    size_t *indexes;                    /* owned: of the requests among all */
    size_t count;
};

static void add_to_share(struct share *share, const struct store_read *read, size_t index,
                         size_t most)
{
    if (share->reads == NULL) {
        share->reads = xcalloc(most, sizeof *share->reads);
        share->results = xcalloc(most, sizeof(struct store_read_result *));
        share->indexes = xcalloc(most, sizeof *share->indexes);
    }
    share->reads[share->count] = *read;
    share->indexes[share->count++] = index;
}

static bool read_share(struct store *part, const struct share *share,
                       struct store_read_result **results)
{
    if (share->count > 0 && !store_read_part(part, share->reads, share->count, share->results))
        return false;
    for (size_t i = 0; i < share->count; i++)
        results[share->indexes[i]] = share->results[i];
    return true;
}

static void free_share(struct share *share)
{
    free(share->reads);
    free(share->results);
    free(share->indexes);
}

/* As far as they come; the others stay NULL. */
static bool read_parts(struct store *store, const struct store_read *reads, size_t count,
                       struct share *shares, struct store_read_result **results)
{
    for (size_t i = 0; i < count; i++) {
        enum part part = part_with(store, &reads[i]);
        if (part != PART_SEVERAL)
            add_to_share(&shares[part], &reads[i], i, count);
        else if ((results[i] = read_everywhere(store, &reads[i])) == NULL)
            return false;
    }
    if (!read_share(spill_of(store), &shares[PART_SPILL], results)) {
        (void)spill_fail(store);
        return false;
    }
    return read_share(store, &shares[PART_MAIN], results);
}

bool store_read_together(struct store *store, const struct store_read *reads, size_t count,
                         struct store_read_result **results)
{
    struct share shares[2] = {0};
    for (size_t i = 0; i < count; i++)
        results[i] = NULL;
    bool succeeded = read_parts(store, reads, count, shares, results);
    free_share(&shares[PART_MAIN]);
    free_share(&shares[PART_SPILL]);
    for (size_t i = 0; !succeeded && i < count; i++)
        store_read_result_free(results[i]);
    return succeeded;
}
