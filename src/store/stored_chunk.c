/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chunk is a stretch of a lane: its runs in the order of their positions, in memory or as one row
 * of lane_chunk. Of very many lanes nearly all wait for their next message or ack; what they have
 * in memory is packed meanwhile, as it is in a row. Which chunks a lane has, and which of them are
 * in memory, is stored_lane.c's business.
 */
#include <stdlib.h>

#include "base/check.h"
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

enum { block_bytes = 16 }; /* that malloc needs for a small one */

static size_t memory_of(const struct chunk *chunk)
{
    return chunk->is_packed ? chunk->run_capacity + block_bytes
                            : chunk->run_capacity * sizeof *chunk->runs;
}

void chunk_free_runs(struct store *store, struct chunk *chunk)
{
    store->chunk_bytes -= memory_of(chunk);
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
    CHECK(!chunk->is_packed);
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

static void append_runs(struct buffer *row, const struct chunk *chunk)
{
    uint64_t position = chunk->key, segment = 0;
    for (size_t i = 0; i < chunk->run_count; i++) {
        append_run(row, &chunk->runs[i], position, segment);
        position = run_end(&chunk->runs[i]);
        segment = chunk->runs[i].segment;
    }
}

/* So many, behind those that are there; where the last one ends. */
static uint64_t take_runs(struct reader *reader, struct chunk *chunk, uint64_t count)
{
    uint64_t position = chunk->key, segment = 0;
    while (chunk->run_count < count)
        chunk->runs[chunk->run_count++] = take_run(reader, &position, &segment);
    return position;
}

bool chunk_decode(uint64_t lane, uint64_t key, struct bytes row, struct chunk *chunk)
{
    struct reader reader;
    if (!row_open(row, ROW_CHUNK, lane, key, &reader))
        return false;
    *chunk = (struct chunk){.key = key, .is_on_disk = true};
    chunk->end = key + reader_varint(&reader);
    uint64_t count = reader_varint(&reader);
    if (reader.failed || count > reader_left(&reader))
        return false;
    reserve(chunk, (size_t)count + 1);
    uint64_t end = take_runs(&reader, chunk, count);
    if (!reader.failed && end <= chunk->end)
        return true;
    free(chunk->runs);
    return false;
}

void chunk_encode(struct buffer *row, uint64_t lane, const struct chunk *chunk)
{
    row_begin(row);
    buffer_append_varint(row, chunk->end - chunk->key);
    buffer_append_varint(row, chunk->run_count);
    if (chunk->is_packed)
        buffer_append(row, chunk->packed, chunk->run_capacity);
    else
        append_runs(row, chunk);
    row_seal(row, ROW_CHUNK, lane, chunk->key);
}

/* --- packed */

void chunk_pack(struct store *store, struct chunk *chunk)
{
    if (chunk->is_packed || chunk->run_count == 0)
        return;
    buffer_clear(&store->row);
    append_runs(&store->row, chunk);
    chunk_free_runs(store, chunk);
    chunk->packed = xmemdup(store->row.data, store->row.size);
    chunk->run_capacity = store->row.size;
    chunk->is_packed = true;
    store->chunk_bytes += memory_of(chunk);
}

static struct reader packed_reader(const struct chunk *chunk)
{
    return reader_of(bytes_of(chunk->packed, chunk->run_capacity));
}

void chunk_open(struct store *store, struct chunk *chunk)
{
    if (!chunk->is_packed)
        return;
    struct chunk opened = *chunk;
    struct reader reader = packed_reader(chunk);
    opened.runs = NULL;
    opened.run_count = opened.run_capacity = 0;
    opened.is_packed = false;
    reserve(&opened, chunk->run_count + 1); /* it is opened because it will have one more */
    take_runs(&reader, &opened, chunk->run_count);
    CHECK(!reader.failed && reader_left(&reader) == 0);
    chunk_free_runs(store, chunk);
    *chunk = opened;
    store->chunk_bytes += memory_of(chunk);
}

void chunk_visit(const struct chunk *chunk, bool (*visit)(void *context, const struct run *run),
                 void *context)
{
    struct reader reader = chunk->is_packed ? packed_reader(chunk) : reader_of(bytes_of(NULL, 0));
    uint64_t position = chunk->key, segment = 0;
    bool goes_on = true;
    for (size_t i = 0; goes_on && i < chunk->run_count; i++) {
        struct run run = chunk->is_packed ? take_run(&reader, &position, &segment) : chunk->runs[i];
        goes_on = visit(context, &run);
    }
}
