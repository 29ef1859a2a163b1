/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal: one row for each transaction, with everything that it did to lanes and segments, in
 * order. The state that the store keeps in memory is, by definition, what the rows of lanes, chunks
 * and groups say, brought up to date by the journal; opening the store does just that, with the
 * functions that made the changes in the first place.
 *
 * A row holds the lowest unused lane and segment numbers and a sum over all definitions, by which a
 * missing one is found out, then operations: a varint of kind and lane (or segment), and varints by
 * kind; the last one says how many lanes there are, so that a missing one is found out as well.
 *
 * Rows of lanes and groups are written at different times, each with the number of the batch up to
 * which it is complete; an operation that a row holds already is passed over. A lane whose row was
 * deleted while operations on it are still in the journal is a ghost: it takes them and comes to
 * nothing, and it is damage when the journal ends before the ghost's deletion.
 */
#include "base/check.h"
#include "store/store_internal.h"

enum { kind_bits = 4, trim_rows = 32 };

/* --- writing */

void journal_begin(struct store *store)
{
    buffer_clear(&store->journal);
}

static void append_tag(struct store *store, int kind, uint64_t number)
{
    CHECK(number << kind_bits >> kind_bits == number);
    buffer_append_varint(&store->journal, number << kind_bits | (uint64_t)kind);
}

static void append_place(struct store *store, int kind, uint64_t lane, const struct run *run)
{
    append_tag(store, kind, lane);
    run_encode(&store->journal, run);
}

static struct run *open_run(const struct store *store, const struct stored_lane *lane)
{
    CHECK(lane->touch != 0);
    return &store->touched[lane->touch - 1].open_run;
}

void journal_flush_run(struct store *store, struct stored_lane *lane)
{
    struct run *open = open_run(store, lane);
    if (open->count == 0)
        return;
    append_place(store, JOURNAL_RUN, lane->id, open);
    open->count = 0;
}

void journal_run(struct store *store, struct stored_lane *lane, const struct run *run)
{
    struct run *open = open_run(store, lane);
    if (open->count > 0 && run_joins(open, run)) {
        open->count += run->count;
        return;
    }
    journal_flush_run(store, lane);
    *open = *run;
}

void journal_lane(struct store *store, int kind, uint64_t lane, uint64_t position, uint64_t count)
{
    append_tag(store, kind, lane);
    if (kind == JOURNAL_REMOVE || kind == JOURNAL_DELIVERED)
        buffer_append_varint(&store->journal, position);
    if (kind == JOURNAL_REMOVE)
        buffer_append_varint(&store->journal, count);
}

void journal_move(struct store *store, uint64_t lane, const struct run *run)
{
    append_place(store, JOURNAL_MOVE, lane, run);
}

void journal_segment(struct store *store, int kind, uint64_t segment, uint64_t count)
{
    append_tag(store, kind, segment);
    if (kind != JOURNAL_SEGMENT_DELETE)
        buffer_append_varint(&store->journal, count);
}

static uint64_t oldest_needed(struct store *store)
{
    uint64_t oldest = store->batch;
    struct list_node *node = list_front(&store->dirty_lanes);
    if (node != NULL && list_entry(node, struct stored_lane, node)->dirty_since < oldest)
        oldest = list_entry(node, struct stored_lane, node)->dirty_since;
    node = list_front(&store->segments.dirty);
    if (node != NULL && list_entry(node, struct segment_group, node)->dirty_since < oldest)
        oldest = list_entry(node, struct segment_group, node)->dirty_since;
    return oldest;
}

/* The newest row stays always: it holds the numbers that are not to be used again. */
static bool trim(struct store *store)
{
    uint64_t oldest = oldest_needed(store);
    if (oldest < store->journal_first + trim_rows)
        return true;
    store->journal_first = oldest;
    return store_delete(store, SQL_JOURNAL_TRIM, oldest);
}

void journal_encode(struct buffer *row, const struct journal_head *head, uint64_t batch,
                    struct bytes operations)
{
    row_begin(row);
    buffer_append_varint(row, head->lane_next);
    buffer_append_varint(row, head->segment_next);
    buffer_append_u64(row, head->definition_sum);
    buffer_append_bytes(row, operations);
    row_seal(row, ROW_JOURNAL, batch, 0);
}

bool journal_write(struct store *store)
{
    struct buffer *row = &store->row;
    append_tag(store, JOURNAL_LANE_COUNT, store->lanes.count);
    journal_encode(row, &store->head, store->batch, buffer_bytes(&store->journal));
    return store_put(store, SQL_JOURNAL_INSERT, store->batch, row) && trim(store);
}

/* --- replay */

/* The lane that an operation of a batch changes; NULL where there is nothing to do any more. */
static struct stored_lane *lane_to_change(struct store *store, uint64_t id, uint64_t batch)
{
    struct stored_lane *lane = stored_lane_find(store, id);
    if (lane == NULL) {
        lane = stored_lane_add(store, id);
        lane->is_ghost = true;
    }
    if (lane->is_ghost || lane->as_of >= batch)
        return NULL;
    transaction_touch(store, lane);
    return lane;
}

static bool replay_run(struct store *store, uint64_t id, uint64_t batch, struct reader *reader,
                       bool is_move)
{
    struct run run = run_decode(reader);
    struct stored_lane *lane = lane_to_change(store, id, batch);
    if (reader->failed || lane == NULL)
        return !reader->failed;
    if (is_move)
        return stored_lane_move(store, lane, &run);
    if (run.position < lane->state.end)
        return false;
    stored_lane_append(store, lane, &run);
    return true;
}

static bool replay_remove(struct store *store, uint64_t id, uint64_t batch, struct reader *reader)
{
    uint64_t first = reader_varint(reader), count = reader_varint(reader);
    struct stored_lane *lane = lane_to_change(store, id, batch);
    if (reader->failed || lane == NULL)
        return !reader->failed;
    return stored_lane_remove(store, lane, first, first + count, NULL, false);
}

static bool replay_delivered(struct store *store, uint64_t id, uint64_t batch,
                             struct reader *reader)
{
    uint64_t position = reader_varint(reader);
    struct stored_lane *lane = lane_to_change(store, id, batch);
    if (lane != NULL)
        lane->state.delivered_below = position;
    return !reader->failed;
}

static bool replay_lane(struct store *store, int kind, uint64_t id, uint64_t batch)
{
    struct stored_lane *lane = stored_lane_find(store, id);
    if (kind == JOURNAL_LANE_NEW) {
        if (lane == NULL)
            stored_lane_dirty(store, stored_lane_add(store, id), batch);
        return true;
    }
    if (lane != NULL && lane->as_of >= batch)
        return false;
    if (lane != NULL)
        stored_lane_free(store, lane);
    return true;
}

static bool replay_segment(struct store *store, int kind, uint64_t id, uint64_t batch,
                           struct reader *reader)
{
    uint64_t count = kind != JOURNAL_SEGMENT_DELETE ? reader_varint(reader) : 0;
    if (reader->failed || count > INT32_MAX)
        return false;
    if (kind == JOURNAL_SEGMENT_NEW)
        segment_created(store, id, (uint32_t)count, batch);
    else if (kind == JOURNAL_SEGMENT_RELEASE)
        segment_released(store, id, (uint32_t)count, batch);
    else
        segment_deleted(store, id, batch);
    return true;
}

static bool replay_operation(struct store *store, uint64_t batch, struct reader *reader)
{
    uint64_t tag = reader_varint(reader), number = tag >> kind_bits;
    int kind = (int)(tag & ((1 << kind_bits) - 1));
    switch (kind) {
    case JOURNAL_RUN:
    case JOURNAL_MOVE:
        return replay_run(store, number, batch, reader, kind == JOURNAL_MOVE);
    case JOURNAL_REMOVE:
        return replay_remove(store, number, batch, reader);
    case JOURNAL_DELIVERED:
        return replay_delivered(store, number, batch, reader);
    case JOURNAL_LANE_NEW:
    case JOURNAL_LANE_DELETE:
        return replay_lane(store, kind, number, batch);
    case JOURNAL_SEGMENT_NEW:
    case JOURNAL_SEGMENT_RELEASE:
    case JOURNAL_SEGMENT_DELETE:
        return replay_segment(store, kind, number, batch, reader);
    case JOURNAL_LANE_COUNT:
        store->has_lane_count = true;
        store->lane_count = number;
        return true;
    default:
        return false;
    }
}

static bool replay_row(struct store *store, uint64_t batch, struct bytes row)
{
    struct reader reader;
    bool succeeded = row_open(row, ROW_JOURNAL, batch, 0, &reader) &&
                     (store->batch == 0 || batch == store->batch + 1);
    if (store->batch == 0)
        store->journal_first = batch;
    store->batch = batch;
    if (succeeded) {
        store->head.lane_next = reader_varint(&reader);
        store->head.segment_next = reader_varint(&reader);
        store->head.definition_sum = reader_u64(&reader);
    }
    while (succeeded && reader_left(&reader) > 0)
        succeeded = replay_operation(store, batch, &reader);
    transaction_forget_touched(store);
    if (succeeded && !reader.failed)
        return true;
    return store_note_damage(store, "the journal row %llu", (unsigned long long)batch);
}

static bool replay_rows(struct store *store, sqlite3_stmt *select)
{
    int code;
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        if (!replay_row(store, (uint64_t)sqlite3_column_int64(select, 0), column_bytes(select, 1)))
            return false;
    }
    return code == SQLITE_DONE || store_note(store, code, "reading the journal");
}

bool journal_replay(struct store *store)
{
    sqlite3_stmt *select = NULL;
    int code = sqlite3_prepare_v2(store->db, "SELECT batch, data FROM journal ORDER BY batch", -1,
                                  &select, NULL);
    if (code != SQLITE_OK)
        return store_note(store, code, "reading the journal");
    bool succeeded = replay_rows(store, select);
    sqlite3_finalize(select);
    if (succeeded && store->batch == 0)
        return store_note_damage(store, "the journal is empty");
    return succeeded;
}
