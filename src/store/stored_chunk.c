/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chunk is a stretch of a lane: its runs in the order of their positions, in memory or as one row
 * of lane_chunk. Which chunks a lane has, and which of them are in memory, is stored_lane.c's
 * business.
 */
#include <stdlib.h>

#include "base/xmalloc.h"
#include "store/store_internal.h"

bool run_joins(const struct run *run, const struct run *next)
{
    return next->position == run_end(run) && next->segment == run->segment &&
           next->record_bytes == run->record_bytes && next->body_bytes == run->body_bytes &&
           next->offset == run->offset + (uint64_t)run->count * run->record_bytes &&
           run->count <= UINT32_MAX - next->count;
}

/* --- in memory */

void chunk_free_runs(struct store *store, struct chunk *chunk)
{
    store->chunk_bytes -= chunk->run_capacity * sizeof *chunk->runs;
    free(chunk->runs);
}

/* Of very many lanes most have one run or two that are not on disk yet. */
static void reserve(struct chunk *chunk, size_t count)
{
    if (chunk->runs == NULL) {
        chunk->run_capacity = count;
        chunk->runs = xcalloc(count, sizeof *chunk->runs);
    }
    chunk->runs = xgrow(chunk->runs, &chunk->run_capacity, count, sizeof *chunk->runs);
}

void chunk_add_run(struct store *store, struct chunk *chunk, size_t index, const struct run *run)
{
    size_t before = chunk->run_capacity;
    reserve(chunk, chunk->run_count + 1);
    store->chunk_bytes += (chunk->run_capacity - before) * sizeof *chunk->runs;
    memmove(chunk->runs + index + 1, chunk->runs + index,
            (chunk->run_count - index) * sizeof *chunk->runs);
    chunk->runs[index] = *run;
    chunk->run_count++;
}

size_t chunk_find_run(const struct chunk *chunk, uint64_t position)
{
    size_t low = 0, high = chunk->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (run_end(&chunk->runs[middle]) > position)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* --- as a row */

struct run run_decode(struct reader *reader)
{
    struct run run = {.position = reader_varint(reader)};
    uint64_t count = reader_varint(reader);
    run.segment = reader_varint(reader);
    uint64_t offset = reader_varint(reader), record_bytes = reader_varint(reader),
             body_bytes = reader_varint(reader);
    if ((count | offset | record_bytes | body_bytes) > UINT32_MAX || count == 0)
        reader->failed = true;
    run.count = (uint32_t)count;
    run.offset = (uint32_t)offset;
    run.record_bytes = (uint32_t)record_bytes;
    run.body_bytes = (uint32_t)body_bytes;
    return run;
}

void run_encode(struct buffer *row, const struct run *run)
{
    buffer_append_varint(row, run->position);
    buffer_append_varint(row, run->count);
    buffer_append_varint(row, run->segment);
    buffer_append_varint(row, run->offset);
    buffer_append_varint(row, run->record_bytes);
    buffer_append_varint(row, run->body_bytes);
}

/* In a chunk position and segment are differences to the run before: small numbers. */
static struct run take_run(struct reader *reader, uint64_t *position, uint64_t *segment)
{
    struct run run = run_decode(reader);
    *segment += (run.segment >> 1) ^ (0 - (run.segment & 1));
    run.segment = *segment;
    run.position += *position;
    *position = run_end(&run);
    return run;
}

static void append_run(struct buffer *row, const struct run *run, uint64_t position,
                       uint64_t segment)
{
    struct run relative = *run;
    uint64_t difference = run->segment - segment;
    relative.position -= position;
    relative.segment = difference << 1 ^ (0 - (difference >> 63));
    run_encode(row, &relative);
}

bool chunk_decode(uint64_t lane, uint64_t key, struct bytes row, struct chunk *chunk)
{
    struct reader reader;
    if (!row_open(row, ROW_CHUNK, lane, key, &reader))
        return false;
    *chunk = (struct chunk){.key = key, .is_on_disk = true};
    chunk->end = key + reader_varint(&reader);
    uint64_t count = reader_varint(&reader), position = key, segment = 0;
    if (reader.failed || count > reader_left(&reader))
        return false;
    reserve(chunk, (size_t)count + 1);
    while (chunk->run_count < count)
        chunk->runs[chunk->run_count++] = take_run(&reader, &position, &segment);
    if (!reader.failed && position <= chunk->end)
        return true;
    free(chunk->runs);
    return false;
}

void chunk_encode(struct buffer *row, uint64_t lane, const struct chunk *chunk)
{
    uint64_t position = chunk->key, segment = 0;
    row_begin(row);
    buffer_append_varint(row, chunk->end - chunk->key);
    buffer_append_varint(row, chunk->run_count);
    for (size_t i = 0; i < chunk->run_count; i++) {
        append_run(row, &chunk->runs[i], position, segment);
        position = run_end(&chunk->runs[i]);
        segment = chunk->runs[i].segment;
    }
    row_seal(row, ROW_CHUNK, lane, chunk->key);
}
