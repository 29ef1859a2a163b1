/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the messages of a lane are: runs of positions, each a stretch of a segment with records of
 * one size, so that a place is computed and never searched for inside a segment. Runs are kept in
 * chunks. A chunk is in memory while it is used or while its row is behind; otherwise it exists as
 * a row of lane_chunk alone and is read when somebody needs it, so that a lane of millions of
 * messages holds a few chunks in memory.
 *
 * Invariants: chunks do not overlap; a chunk's key is at most its first position, its end is above
 * its last, and the next chunk's key is not below that end. disk_chunks counts the lane's rows:
 * when it equals the chunks in memory that have a row there is nothing else to look for. Rows
 * change in stored_lane_write alone, with one exception: what a purge takes whole is deleted
 * without entering memory, and must_write then sends the lane's row with it.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "store/store_internal.h"

static bool is_lane(const struct hash_node *node, const void *key)
{
    return container_of(node, struct stored_lane, by_id)->id == *(const uint64_t *)key;
}

struct stored_lane *stored_lane_find(const struct store *store, uint64_t id)
{
    struct hash_node *node = hash_table_find(&store->lanes, hash_u64(id), is_lane, &id);
    return node != NULL ? container_of(node, struct stored_lane, by_id) : NULL;
}

struct stored_lane *stored_lane_add(struct store *store, uint64_t id)
{
    struct stored_lane *lane = xcalloc(1, sizeof *lane);
    lane->id = id;
    lane->state.first = lane->state.end = lane->committed_end = 1;
    hash_table_insert(&store->lanes, &lane->by_id, hash_u64(id));
    list_node_init(&lane->node);
    list_push_back(&store->clean_lanes, &lane->node);
    return lane;
}

static void untouch(struct store *store, const struct stored_lane *lane)
{
    struct touched_lane *touched = &store->touched[lane->touch - 1];
    *touched = store->touched[--store->touched_count];
    touched->lane->touch = lane->touch;
}

void stored_lane_free(struct store *store, struct stored_lane *lane)
{
    if (lane->touch != 0)
        untouch(store, lane);
    for (size_t i = 0; i < lane->chunk_count; i++)
        chunk_free_runs(store, &lane->chunks[i]);
    free(lane->chunks);
    hash_table_remove(&store->lanes, &lane->by_id);
    list_remove(&lane->node);
    free(lane);
}

void stored_lane_dirty(struct store *store, struct stored_lane *lane, uint64_t batch)
{
    if (lane->dirty_since != 0)
        return;
    lane->dirty_since = batch;
    list_remove(&lane->node);
    list_push_back(&store->dirty_lanes, &lane->node);
}

/* --- chunks in memory */

/* The first chunk in memory with an end above the position. */
static size_t chunk_search(const struct stored_lane *lane, uint64_t position)
{
    size_t low = 0, high = lane->chunk_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lane->chunks[middle].end > position)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static struct chunk *insert_chunk(struct stored_lane *lane, size_t index, struct chunk chunk)
{
    if (lane->chunks == NULL) { /* of very many lanes most have one */
        lane->chunks = xmalloc(sizeof *lane->chunks);
        lane->chunk_capacity = 1;
    }
    lane->chunks =
        xgrow(lane->chunks, &lane->chunk_capacity, lane->chunk_count + 1, sizeof *lane->chunks);
    memmove(lane->chunks + index + 1, lane->chunks + index,
            (lane->chunk_count - index) * sizeof *lane->chunks);
    lane->chunks[index] = chunk;
    lane->chunk_count++;
    return &lane->chunks[index];
}

static void drop_chunk(struct store *store, struct stored_lane *lane, size_t index)
{
    chunk_free_runs(store, &lane->chunks[index]);
    lane->chunk_count--;
    memmove(lane->chunks + index, lane->chunks + index + 1,
            (lane->chunk_count - index) * sizeof *lane->chunks);
}

/* A chunk whose runs were split too often becomes two. */
static void split_chunk(struct store *store, struct stored_lane *lane, size_t index)
{
    struct chunk *chunk = &lane->chunks[index];
    if (chunk->run_count <= 2 * CHUNK_RUNS)
        return;
    size_t kept = chunk->run_count / 2;
    struct chunk upper = {.key = chunk->runs[kept].position, .end = chunk->end, .is_dirty = true};
    for (size_t i = kept; i < chunk->run_count; i++)
        chunk_add_run(store, &upper, upper.run_count, &chunk->runs[i]);
    chunk->run_count = kept;
    chunk->end = upper.key;
    chunk->is_dirty = true;
    insert_chunk(lane, index + 1, upper);
}

void stored_lane_append(struct store *store, struct stored_lane *lane, const struct run *run)
{
    struct chunk *last = lane->chunk_count > 0 ? &lane->chunks[lane->chunk_count - 1] : NULL;
    CHECK(run->position >= lane->state.end && run->count > 0);
    if (last == NULL || last->run_count >= CHUNK_RUNS || last->end != lane->state.end)
        last = insert_chunk(lane, lane->chunk_count,
                            (struct chunk){.key = run->position, .end = run->position});
    chunk_open(store, last);
    if (last->run_count > 0 && run_joins(&last->runs[last->run_count - 1], run))
        last->runs[last->run_count - 1].count += run->count;
    else
        chunk_add_run(store, last, last->run_count, run);
    last->end = run_end(run);
    last->is_dirty = true;
    if (lane->state.count == 0)
        lane->state.first = run->position;
    lane->state.end = run_end(run);
    lane->state.count += run->count;
    lane->state.bytes += (uint64_t)run->count * run->body_bytes;
}

/* --- chunks on disk */

static uint64_t rows_in_memory(const struct stored_lane *lane)
{
    uint64_t count = 0;
    for (size_t i = 0; i < lane->chunk_count; i++)
        count += lane->chunks[i].is_on_disk;
    return count;
}

/* What a removal does with chunks that it takes whole. */
struct taking {
    uint64_t first, end;
    run_released *released; /* may be NULL */
    bool may_write;
    uint64_t *keys; /* owned; rows to delete */
    size_t key_count, key_capacity;
};

static void count_out(struct store *store, struct stored_lane *lane, const struct run *run,
                      uint32_t count, run_released *released)
{
    lane->state.count -= count;
    lane->state.bytes -= (uint64_t)count * run->body_bytes;
    if (released != NULL)
        released(store, run->segment, count);
}

bool stored_lane_has_chunk(const struct stored_lane *lane, uint64_t key)
{
    for (size_t i = 0; i < lane->chunk_count; i++) {
        if (lane->chunks[i].key == key)
            return true;
    }
    return false;
}

/* A row that lies in the range: it is taken whole, or comes into memory. */
static bool meet_row(struct store *store, struct stored_lane *lane, struct taking *taking,
                     uint64_t key, struct bytes row)
{
    struct chunk chunk;
    if (stored_lane_has_chunk(lane, key))
        return true;
    if (!chunk_decode(lane->id, key, row, &chunk))
        return store_note_damage(store, "the places of lane %llu from position %llu",
                                 (unsigned long long)lane->id, (unsigned long long)key);
    store->chunk_bytes += chunk.run_capacity * sizeof *chunk.runs;
    if (taking == NULL || !taking->may_write || taking->first > key || taking->end < chunk.end) {
        insert_chunk(lane, chunk_search(lane, key), chunk);
        if (lane->dirty_since == 0) {
            list_remove(&lane->node);
            list_push_back(&store->clean_lanes, &lane->node);
        }
        return true;
    }
    for (size_t i = 0; i < chunk.run_count; i++)
        count_out(store, lane, &chunk.runs[i], chunk.runs[i].count, taking->released);
    taking->keys =
        xgrow(taking->keys, &taking->key_capacity, taking->key_count + 1, sizeof *taking->keys);
    taking->keys[taking->key_count++] = key;
    chunk_free_runs(store, &chunk);
    return true;
}

static bool meet_rows(struct store *store, struct stored_lane *lane, uint64_t first, uint64_t end,
                      struct taking *taking)
{
    sqlite3_stmt *select = store->statements[SQL_CHUNK_RANGE];
    sqlite3_bind_int64(select, 1, (int64_t)lane->id);
    sqlite3_bind_int64(select, 2, (int64_t)first);
    sqlite3_bind_int64(select, 3, (int64_t)end);
    bool succeeded = true;
    int code;
    while (succeeded && (code = sqlite3_step(select)) == SQLITE_ROW)
        succeeded = meet_row(store, lane, taking, (uint64_t)sqlite3_column_int64(select, 0),
                             column_bytes(select, 1));
    if (succeeded && code != SQLITE_DONE)
        succeeded = store_note(store, code, "reading places");
    sqlite3_reset(select);
    return succeeded;
}

static bool delete_chunk_row(struct store *store, struct stored_lane *lane, uint64_t key)
{
    sqlite3_stmt *statement = store->statements[SQL_CHUNK_DELETE];
    sqlite3_bind_int64(statement, 1, (int64_t)lane->id);
    sqlite3_bind_int64(statement, 2, (int64_t)key);
    lane->disk_chunks--;
    lane->must_write = true;
    return store_step(store, SQL_CHUNK_DELETE);
}

/* Everything of the range that a row holds and memory does not comes into memory (or is taken). */
static bool load_range(struct store *store, struct stored_lane *lane, struct taking *taking,
                       uint64_t first, uint64_t end)
{
    while (first < end && lane->disk_chunks > 0) {
        size_t index = chunk_search(lane, first);
        if (index == lane->chunk_count || lane->chunks[index].key > first)
            break;
        first = lane->chunks[index].end;
    }
    if (first >= end || lane->disk_chunks == rows_in_memory(lane))
        return true;
    bool succeeded = meet_rows(store, lane, first, end, taking);
    for (size_t i = 0; taking != NULL && succeeded && i < taking->key_count; i++)
        succeeded = delete_chunk_row(store, lane, taking->keys[i]);
    return succeeded;
}

/* --- changes */

static void cut_run(struct store *store, struct chunk *chunk, size_t *index, uint64_t first,
                    uint64_t end)
{
    struct run *run = &chunk->runs[*index];
    struct run upper = *run;
    uint32_t left = first > run->position ? (uint32_t)(first - run->position) : 0;
    uint32_t right = end < run_end(run) ? (uint32_t)(run_end(run) - end) : 0;
    upper.position = end;
    upper.offset = run->offset + (run->count - right) * run->record_bytes;
    upper.count = right;
    run->count = left;
    if (right > 0 && left > 0)
        chunk_add_run(store, chunk, *index + 1, &upper);
    else if (right > 0)
        *run = upper;
    *index += left > 0;
    chunk->is_dirty = true;
}

/* Removes [first, end) from a chunk; whole runs go together. */
static void cut_chunk(struct store *store, struct stored_lane *lane, struct chunk *chunk,
                      uint64_t first, uint64_t end, run_released *released)
{
    chunk_open(store, chunk);
    size_t index = chunk_find_run(chunk, first), whole = 0;
    while (index + whole < chunk->run_count && chunk->runs[index + whole].position < end) {
        struct run *run = &chunk->runs[index + whole];
        uint64_t from = first > run->position ? first : run->position;
        uint64_t to = end < run_end(run) ? end : run_end(run);
        count_out(store, lane, run, (uint32_t)(to - from), released);
        if (to - from == run->count) {
            whole++;
            continue;
        }
        size_t at = index + whole;
        cut_run(store, chunk, &at, from, to);
        if (whole == 0)
            index = at;
        else
            break; /* its upper part is left, and it was the last */
    }
    if (whole == 0)
        return;
    memmove(chunk->runs + index, chunk->runs + index + whole,
            (chunk->run_count - index - whole) * sizeof *chunk->runs);
    chunk->run_count -= whole;
    chunk->is_dirty = true;
}

static void cut_chunks(struct store *store, struct stored_lane *lane, uint64_t first, uint64_t end,
                       run_released *released)
{
    size_t index = chunk_search(lane, first);
    while (index < lane->chunk_count && lane->chunks[index].key < end) {
        cut_chunk(store, lane, &lane->chunks[index], first, end, released);
        if (lane->chunks[index].run_count == 0 && !lane->chunks[index].is_on_disk) {
            drop_chunk(store, lane, index);
            continue;
        }
        split_chunk(store, lane, index);
        index++;
    }
}

static void raise_first(struct stored_lane *lane, uint64_t first, uint64_t end)
{
    if (first <= lane->state.first && end > lane->state.first)
        lane->state.first = end < lane->state.end ? end : lane->state.end;
    if (lane->state.count == 0)
        lane->state.first = lane->state.end;
}

bool stored_lane_remove(struct store *store, struct stored_lane *lane, uint64_t first, uint64_t end,
                        run_released *released, bool may_write)
{
    struct taking taking = {
        .first = first, .end = end, .released = released, .may_write = may_write};
    bool succeeded = load_range(store, lane, &taking, first, end);
    free(taking.keys);
    if (!succeeded)
        return false;
    cut_chunks(store, lane, first, end, released);
    raise_first(lane, first, end);
    return true;
}

bool stored_lane_locate(struct store *store, struct stored_lane *lane, uint64_t position,
                        struct run *run)
{
    run->count = 0;
    if (!load_range(store, lane, NULL, position, position + 1))
        return false;
    size_t index = chunk_search(lane, position);
    if (index == lane->chunk_count)
        return true;
    struct chunk *chunk = &lane->chunks[index];
    chunk_open(store, chunk);
    size_t at = chunk_find_run(chunk, position);
    if (at == chunk->run_count || chunk->runs[at].position > position)
        return true;
    *run = chunk->runs[at];
    run->offset += (uint32_t)(position - run->position) * run->record_bytes;
    run->position = position;
    run->count = 1;
    return true;
}

bool stored_lane_move(struct store *store, struct stored_lane *lane, const struct run *run)
{
    struct run old;
    if (!stored_lane_locate(store, lane, run->position, &old))
        return false;
    if (old.count == 0 || old.body_bytes != run->body_bytes)
        return store_note_damage(store, "lane %llu has no position %llu to move",
                                 (unsigned long long)lane->id, (unsigned long long)run->position);
    size_t index = chunk_search(lane, run->position);
    struct chunk *chunk = &lane->chunks[index];
    size_t at = chunk_find_run(chunk, run->position);
    if (chunk->runs[at].count == 1) {
        chunk->runs[at] = *run;
    } else {
        cut_run(store, chunk, &at, run->position, run->position + 1);
        chunk_add_run(store, chunk, at, run);
    }
    if (at > 0 && run_joins(&chunk->runs[at - 1], run)) {
        chunk->runs[at - 1].count++;
        memmove(chunk->runs + at, chunk->runs + at + 1,
                (chunk->run_count - at - 1) * sizeof *chunk->runs);
        chunk->run_count--;
    }
    chunk->is_dirty = true;
    split_chunk(store, lane, index);
    return true;
}

/* --- rows */

static bool write_chunk(struct store *store, struct stored_lane *lane, struct chunk *chunk)
{
    sqlite3_stmt *put = store->statements[SQL_CHUNK_PUT];
    chunk_encode(&store->row, lane->id, chunk);
    sqlite3_bind_int64(put, 1, (int64_t)lane->id);
    sqlite3_bind_int64(put, 2, (int64_t)chunk->key);
    sqlite3_bind_blob64(put, 3, store->row.data, store->row.size, SQLITE_STATIC);
    lane->disk_chunks += !chunk->is_on_disk;
    chunk->is_on_disk = true;
    chunk->is_dirty = false;
    return store_step(store, SQL_CHUNK_PUT);
}

static bool write_chunks(struct store *store, struct stored_lane *lane)
{
    bool succeeded = true;
    for (size_t i = 0; succeeded && i < lane->chunk_count;) {
        struct chunk *chunk = &lane->chunks[i];
        if (chunk->run_count > 0) {
            if (chunk->is_dirty)
                succeeded = write_chunk(store, lane, chunk);
            i++;
            continue;
        }
        if (chunk->is_on_disk)
            succeeded = delete_chunk_row(store, lane, chunk->key);
        drop_chunk(store, lane, i);
    }
    return succeeded;
}

static void encode_lane(struct buffer *row, const struct stored_lane *lane)
{
    row_begin(row);
    buffer_append_varint(row, lane->as_of);
    buffer_append_varint(row, lane->state.first);
    buffer_append_varint(row, lane->state.end);
    buffer_append_varint(row, lane->state.delivered_below);
    buffer_append_varint(row, lane->state.count);
    buffer_append_varint(row, lane->state.bytes);
    buffer_append_varint(row, lane->disk_chunks);
    row_seal(row, ROW_LANE, lane->id, 0);
}

bool stored_lane_write(struct store *store, struct stored_lane *lane)
{
    if (!write_chunks(store, lane))
        return false;
    lane->as_of = store->batch;
    encode_lane(&store->row, lane);
    lane->dirty_since = 0;
    lane->must_write = false;
    list_remove(&lane->node);
    list_push_back(&store->clean_lanes, &lane->node);
    return store_put(store, SQL_LANE_PUT, lane->id, &store->row);
}

bool stored_lane_read(struct store *store, uint64_t id, struct bytes row)
{
    struct reader reader;
    if (!row_open(row, ROW_LANE, id, 0, &reader))
        return store_note_damage(store, "the row of lane %llu", (unsigned long long)id);
    struct stored_lane *lane = stored_lane_add(store, id);
    lane->as_of = reader_varint(&reader);
    lane->state.first = reader_varint(&reader);
    lane->state.end = reader_varint(&reader);
    lane->state.delivered_below = reader_varint(&reader);
    lane->state.count = reader_varint(&reader);
    lane->state.bytes = reader_varint(&reader);
    lane->disk_chunks = reader_varint(&reader);
    return !reader.failed ||
           store_note_damage(store, "the row of lane %llu", (unsigned long long)id);
}

void stored_lane_shrink(struct store *store, struct stored_lane *lane, bool is_cold)
{
    for (size_t i = lane->chunk_count; i-- > 0;) {
        bool is_end = i == 0 || i + 1 == lane->chunk_count;
        if (!lane->chunks[i].is_dirty && lane->chunks[i].is_on_disk && (is_cold || !is_end))
            drop_chunk(store, lane, i);
    }
    if (lane->chunk_count == 0) {
        free(lane->chunks);
        lane->chunks = NULL;
        lane->chunk_capacity = 0;
    }
}
