/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page-in: on a connection of its own, beside the writer. Under the lock the reader fixes its
 * snapshot of the file and copies the places that memory holds; whatever memory does not hold is in
 * rows that this snapshot shows. A snapshot is never older than memory, and segments outlive their
 * last reference by a transaction, so that every place that was copied can be read.
 *
 * A reader pins the write-ahead log: a request is bounded by count and bytes, every statement is
 * reset before the answer goes, and the gate keeps readers away while a checkpoint is finished.
 */
#include <stdlib.h>

#include "base/xmalloc.h"
#include "store/sqlite_file.h"
#include "store/store_internal.h"

struct reading {
    struct store *store;
    const struct store_read *read;
    uint64_t end;     /* of what is committed and asked for */
    struct run *runs; /* owned; places */
    size_t run_count, run_capacity;
    uint64_t *keys; /* owned; rows that memory supersedes */
    size_t key_count, key_capacity;
    bool has_rows; /* memory does not hold all */
    bool has_attempts;
    uint64_t covered; /* messages in runs, from the source that is being copied */
    struct store_read_result *result;
    size_t row_capacity;
    size_t bytes;
    sqlite3_blob *blob;
    uint64_t blob_segment;
    struct buffer stretch;
};

static const char *const statement_sql[READ_COUNT] = {
    [READ_BEGIN] = "BEGIN",
    [READ_END] = "COMMIT",
    [READ_SNAPSHOT] = "SELECT max(batch) FROM journal",
    [READ_CHUNKS] = STORE_CHUNK_RANGE_SQL,
    [READ_ATTEMPTS] = "SELECT position, data FROM attempt WHERE lane=? AND position>=?"
                      " AND position<=? ORDER BY position",
    [READ_SHELF] = "SELECT data FROM shelf WHERE id=?",
    [READ_DELAYS] = "SELECT due, id, data FROM delay WHERE shelf=? AND (due, id)>=(?,?)"
                    " ORDER BY due, id",
};

bool reader_open(struct store *store)
{
    char reason[256];
    store->reader = sqlite_file_connect(store->path, true, 8192, reason, sizeof reason);
    if (store->reader == NULL) {
        store_report(store, "%s", reason);
        return false;
    }
    for (size_t i = 0; i < READ_COUNT; i++) {
        if (sqlite3_prepare_v3(store->reader, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &store->reader_statements[i], NULL) != SQLITE_OK)
            return reader_failed(store, statement_sql[i]);
    }
    return true;
}

bool reader_failed(struct store *store, const char *what)
{
    store_report(store, "%s: %s: %s", store->path, what, sqlite3_errmsg(store->reader));
    return false;
}

void reader_end(struct store *store)
{
    if (!sqlite3_get_autocommit(store->reader))
        sqlite3_step(store->reader_statements[READ_END]);
    sqlite3_reset(store->reader_statements[READ_END]);
}

/* --- places */

/* Copies what of the run is asked for; false when that is enough. */
static bool add_run(void *context, const struct run *whole)
{
    struct reading *reading = context;
    struct run run = *whole;
    uint64_t end = run.position + run.count;
    if (run.position >= reading->end)
        return false;
    if (end <= reading->read->first)
        return true;
    uint64_t skipped =
        reading->read->first > run.position ? reading->read->first - run.position : 0;
    if (end > reading->end)
        run.count = (uint32_t)(reading->end - run.position);
    run.position += skipped;
    run.offset += (uint32_t)skipped * run.record_bytes;
    run.count -= (uint32_t)skipped;
    reading->runs =
        xgrow(reading->runs, &reading->run_capacity, reading->run_count + 1, sizeof *reading->runs);
    reading->runs[reading->run_count++] = run;
    reading->covered += run.count;
    return reading->covered <= reading->read->count_max;
}

static void copy_memory(struct reading *reading)
{
    struct stored_lane *lane = stored_lane_find(reading->store, reading->read->lane);
    if (lane == NULL)
        return;
    reading->has_attempts = lane->has_attempts;
    uint64_t rows_in_memory = 0;
    reading->end =
        reading->read->end < lane->committed_end ? reading->read->end : lane->committed_end;
    reading->keys =
        xgrow(NULL, &reading->key_capacity, lane->chunk_count + 1, sizeof *reading->keys);
    for (size_t i = 0; i < lane->chunk_count; i++) {
        const struct chunk *chunk = &lane->chunks[i];
        if (chunk->is_on_disk)
            rows_in_memory++;
        reading->keys[reading->key_count++] = chunk->key;
        if (chunk->end > reading->read->first && chunk->key < reading->end &&
            reading->covered <= reading->read->count_max)
            chunk_visit(chunk, add_run, reading);
    }
    reading->has_rows = lane->disk_chunks != rows_in_memory;
}

/* From here on the reader sees one state, and copies the places that go with it. */
static bool begin(struct reading *reading)
{
    struct store *store = reading->store;
    pthread_mutex_lock(&store->turn);
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *snapshot = store->reader_statements[READ_SNAPSHOT];
    bool succeeded = sqlite3_step(store->reader_statements[READ_BEGIN]) == SQLITE_DONE;
    succeeded = succeeded && sqlite3_step(snapshot) == SQLITE_ROW;
    sqlite3_reset(store->reader_statements[READ_BEGIN]);
    if (succeeded)
        copy_memory(reading);
    pthread_mutex_unlock(&store->lock);
    pthread_mutex_unlock(&store->turn);
    bool was_reset = sqlite3_reset(snapshot) == SQLITE_OK;
    return (succeeded && was_reset) || reader_failed(store, "reading");
}

static bool is_superseded(const struct reading *reading, uint64_t key)
{
    size_t low = 0, high = reading->key_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reading->keys[middle] < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low < reading->key_count && reading->keys[low] == key;
}

static bool add_row(struct reading *reading, uint64_t key, struct bytes row)
{
    struct chunk chunk;
    if (is_superseded(reading, key))
        return true;
    if (!chunk_decode(reading->read->lane, key, row, &chunk)) {
        store_report(reading->store, "%s is damaged: the places of lane %llu from position %llu",
                     reading->store->path, (unsigned long long)reading->read->lane,
                     (unsigned long long)key);
        return false;
    }
    chunk_visit(&chunk, add_run, reading);
    free(chunk.runs);
    return true;
}

static bool copy_rows(struct reading *reading)
{
    sqlite3_stmt *select = reading->store->reader_statements[READ_CHUNKS];
    if (!reading->has_rows || reading->read->first >= reading->end)
        return true;
    reading->covered = 0;
    sqlite3_bind_int64(select, 1, (int64_t)reading->read->lane);
    sqlite3_bind_int64(select, 2, (int64_t)reading->read->first);
    sqlite3_bind_int64(select, 3, (int64_t)reading->end);
    bool succeeded = true;
    int code = SQLITE_DONE;
    while (succeeded && reading->covered <= reading->read->count_max &&
           (code = sqlite3_step(select)) == SQLITE_ROW)
        succeeded =
            add_row(reading, (uint64_t)sqlite3_column_int64(select, 0), column_bytes(select, 1));
    if (succeeded && code != SQLITE_DONE && code != SQLITE_ROW)
        succeeded = reader_failed(reading->store, "reading places");
    sqlite3_reset(select);
    return succeeded;
}

static int compare_runs(const void *a, const void *b)
{
    const struct run *left = a, *right = b;
    return (left->position > right->position) - (left->position < right->position);
}

/* --- messages */

static bool open_segment(struct reading *reading, uint64_t segment)
{
    int code = SQLITE_OK;
    if (reading->blob == NULL)
        code = sqlite3_blob_open(reading->store->reader, "main", "segment", "data",
                                 (int64_t)segment, 0, &reading->blob);
    else if (reading->blob_segment != segment)
        code = sqlite3_blob_reopen(reading->blob, (int64_t)segment);
    reading->blob_segment = segment;
    return code == SQLITE_OK || reader_failed(reading->store, "reading messages");
}

static bool is_enough(const struct reading *reading, uint32_t next_bytes)
{
    const struct store_read_result *result = reading->result;
    return result->count >= reading->read->count_max ||
           (result->count > 0 && reading->bytes + next_bytes > reading->read->bytes_max);
}

static bool take_record(struct reading *reading, const struct run *run, uint32_t index,
                        struct bytes bytes)
{
    struct store_read_result *result = reading->result;
    struct store_row row = {.position = run->position + index};
    row.message = record_message(bytes, result->read.lane, row.position, &row.expiry_ms);
    if (row.message == NULL) {
        store_report(reading->store, "%s is damaged: the message at position %llu of lane %llu",
                     reading->store->path, (unsigned long long)row.position,
                     (unsigned long long)result->read.lane);
        return false;
    }
    result->rows =
        xgrow(result->rows, &reading->row_capacity, result->count + 1, sizeof *result->rows);
    result->rows[result->count++] = row;
    reading->bytes += bytes.size;
    return true;
}

/* How many messages of a run fit into what is asked for. */
static uint32_t count_wanted(const struct reading *reading, const struct run *run)
{
    uint64_t count = reading->read->count_max - reading->result->count;
    uint64_t bytes =
        reading->read->bytes_max > reading->bytes ? reading->read->bytes_max - reading->bytes : 0;
    if (count > bytes / run->record_bytes)
        count = bytes / run->record_bytes;
    if (count == 0)
        count = 1;
    return count < run->count ? (uint32_t)count : run->count;
}

static bool read_run(struct reading *reading, const struct run *run)
{
    uint32_t count = count_wanted(reading, run);
    size_t size = (size_t)count * run->record_bytes;
    if (size > INT32_MAX || !open_segment(reading, run->segment))
        return false;
    buffer_clear(&reading->stretch);
    buffer_reserve(&reading->stretch, size);
    if ((uint64_t)run->offset + size > (uint64_t)sqlite3_blob_bytes(reading->blob) ||
        sqlite3_blob_read(reading->blob, reading->stretch.data, (int)size, (int)run->offset) !=
            SQLITE_OK)
        return reader_failed(reading->store, "reading messages");
    for (uint32_t i = 0; i < count; i++) {
        struct bytes record =
            bytes_of(reading->stretch.data + (size_t)i * run->record_bytes, run->record_bytes);
        if (!take_record(reading, run, i, record))
            return false;
    }
    return true;
}

static bool read_runs(struct reading *reading)
{
    if (reading->run_count > 0)
        qsort(reading->runs, reading->run_count, sizeof *reading->runs, compare_runs);
    for (size_t i = 0; i < reading->run_count; i++) {
        size_t before = reading->result->count;
        if (is_enough(reading, reading->runs[i].record_bytes))
            return true;
        if (!read_run(reading, &reading->runs[i]))
            return false;
        if (reading->result->count - before < reading->runs[i].count)
            return true;
    }
    reading->result->is_complete = true;
    return true;
}

/* --- */

static void end(struct reading *reading)
{
    sqlite3_blob_close(reading->blob);
    reader_end(reading->store);
    free(reading->runs);
    free(reading->keys);
    buffer_fini(&reading->stretch);
}

static bool read_lane(struct store *store, struct store_read_result *result)
{
    struct reading reading = {.store = store, .read = &result->read, .result = result};
    bool succeeded = begin(&reading) && copy_rows(&reading) && read_runs(&reading) &&
                     (!reading.has_attempts || attempt_read(store, result));
    end(&reading);
    return succeeded;
}

struct store_read_result *store_read(struct store *store, const struct store_read *read)
{
    return spill_read(store, read);
}

struct store_read_result *store_read_part(struct store *store, const struct store_read *read)
{
    if (atomic_load(&store->has_failed))
        return NULL;
    struct store_read_result *result = xcalloc(1, sizeof *result);
    result->read = *read;
    pthread_mutex_lock(&store->gate);
    bool succeeded =
        read->kind == STORE_READ_DELAYS ? read_delays(store, result) : read_lane(store, result);
    pthread_mutex_unlock(&store->gate);
    if (succeeded)
        return result;
    store_fail(store);
    store_read_result_free(result);
    return NULL;
}
