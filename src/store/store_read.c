/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page-in: on a connection of its own, beside the writer. Under the lock the reader fixes its
 * snapshot of the file and copies the places that memory holds; whatever memory does not hold is in
 * rows that this snapshot shows. A snapshot is never older than memory, and segments outlive their
 * last reference by a transaction, so that every place that was copied can be read.
 *
 * What is asked for together is read in one snapshot, segment by segment in the order in which they
 * lie: messages that came one after the other, for very many lanes, share a segment, which is then
 * read once for all of them.
 *
 * A reader pins the write-ahead log: a request is bounded by count and bytes, every statement is
 * reset before the answer goes, and the gate keeps readers away while a checkpoint is finished.
 */
#include <stdlib.h>

#include "base/xmalloc.h"
#include "store/sqlite_file.h"
#include "store/store_internal.h"

/* What is found out about one of the requests. */
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
    bool is_cut;                     /* there are more runs than these, which are enough */
    uint64_t covered, covered_bytes; /* by runs, from the source that is being copied */
    struct store_read_result *result;
};

/* Messages to be read that lie one behind the other. */
struct piece {
    struct run run;
    struct store_read_result *result;
    size_t row; /* where its messages go */
};

/* Requests that are answered together. */
struct page_in {
    struct store *store;
    struct reading *readings; /* owned */
    size_t count;
    struct piece *pieces; /* owned */
    size_t piece_count, piece_capacity;
    sqlite3_blob *blob; /* of a segment */
    uint64_t blob_segment;
    uint64_t segments_read;
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

/* Is there more than the answer will hold? */
static bool is_covered(const struct reading *reading)
{
    return reading->covered > reading->read->count_max ||
           reading->covered_bytes > reading->read->bytes_max;
}

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
    reading->covered_bytes += (uint64_t)run.count * run.record_bytes;
    reading->is_cut |= is_covered(reading);
    return !is_covered(reading);
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
        if (chunk->end > reading->read->first && chunk->key < reading->end && !is_covered(reading))
            chunk_visit(chunk, add_run, reading);
    }
    reading->has_rows = lane->disk_chunks != rows_in_memory;
}

/* From here on the reader sees one state, and copies the places that go with it. */
static bool begin(const struct page_in *page_in)
{
    struct store *store = page_in->store;
    pthread_mutex_lock(&store->turn);
    pthread_mutex_lock(&store->lock);
    sqlite3_stmt *snapshot = store->reader_statements[READ_SNAPSHOT];
    bool succeeded = sqlite3_step(store->reader_statements[READ_BEGIN]) == SQLITE_DONE;
    succeeded = succeeded && sqlite3_step(snapshot) == SQLITE_ROW;
    sqlite3_reset(store->reader_statements[READ_BEGIN]);
    for (size_t i = 0; succeeded && i < page_in->count; i++)
        copy_memory(&page_in->readings[i]);
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
    reading->covered = reading->covered_bytes = 0;
    sqlite3_bind_int64(select, 1, (int64_t)reading->read->lane);
    sqlite3_bind_int64(select, 2, (int64_t)reading->read->first);
    sqlite3_bind_int64(select, 3, (int64_t)reading->end);
    bool succeeded = true;
    int code = SQLITE_DONE;
    while (succeeded && !is_covered(reading) && (code = sqlite3_step(select)) == SQLITE_ROW)
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

/* --- what of it goes into the answer */

/* How many messages of a run fit, behind so many bytes of others. The first one always does. */
static uint32_t count_wanted(const struct reading *reading, const struct run *run, uint64_t bytes)
{
    size_t taken = reading->result->count;
    uint64_t count = reading->read->count_max - taken;
    uint64_t room = reading->read->bytes_max > bytes ? reading->read->bytes_max - bytes : 0;
    if (count > room / run->record_bytes)
        count = room / run->record_bytes;
    if (count == 0 && taken == 0)
        count = 1;
    return count < run->count ? (uint32_t)count : run->count;
}

static void add_piece(struct page_in *page_in, const struct reading *reading, const struct run *run,
                      uint32_t count)
{
    page_in->pieces = xgrow(page_in->pieces, &page_in->piece_capacity, page_in->piece_count + 1,
                            sizeof *page_in->pieces);
    struct piece *piece = &page_in->pieces[page_in->piece_count++];
    *piece = (struct piece){*run, reading->result, reading->result->count};
    piece->run.count = count;
}

/* In the order of positions, as much as was asked for. */
static void plan(struct page_in *page_in, struct reading *reading)
{
    struct store_read_result *result = reading->result;
    uint64_t bytes = 0;
    if (reading->run_count > 0)
        qsort(reading->runs, reading->run_count, sizeof *reading->runs, compare_runs);
    result->is_complete = !reading->is_cut;
    for (size_t i = 0; i < reading->run_count; i++) {
        const struct run *run = &reading->runs[i];
        uint32_t count = count_wanted(reading, run, bytes);
        if (count > 0)
            add_piece(page_in, reading, run, count);
        result->count += count;
        bytes += (uint64_t)count * run->record_bytes;
        if (count < run->count) {
            result->is_complete = false;
            break;
        }
    }
    if (result->count > 0)
        result->rows = xcalloc(result->count, sizeof *result->rows);
}

static int compare_places(const void *a, const void *b)
{
    const struct run *left = &((const struct piece *)a)->run;
    const struct run *right = &((const struct piece *)b)->run;
    if (left->segment != right->segment)
        return left->segment < right->segment ? -1 : 1;
    return (left->offset > right->offset) - (left->offset < right->offset);
}

/* --- messages */

static bool open_segment(struct page_in *page_in, uint64_t segment)
{
    int code = SQLITE_OK;
    if (page_in->blob != NULL && page_in->blob_segment == segment)
        return true;
    if (page_in->blob == NULL)
        code = sqlite3_blob_open(page_in->store->reader, "main", "segment", "data",
                                 (int64_t)segment, 0, &page_in->blob);
    else
        code = sqlite3_blob_reopen(page_in->blob, (int64_t)segment);
    page_in->blob_segment = segment;
    page_in->segments_read++;
    return code == SQLITE_OK || reader_failed(page_in->store, "reading messages");
}

static uint64_t piece_end(const struct piece *piece)
{
    return piece->run.offset + (uint64_t)piece->run.count * piece->run.record_bytes;
}

static bool take_record(const struct page_in *page_in, const struct piece *piece, uint32_t index,
                        struct bytes bytes)
{
    struct store_row *row = &piece->result->rows[piece->row + index];
    row->position = piece->run.position + index;
    row->message = record_message(bytes, piece->result->read.lane, row->position, &row->expiry_ms);
    if (row->message == NULL)
        store_report(page_in->store, "%s is damaged: the message at position %llu of lane %llu",
                     page_in->store->path, (unsigned long long)row->position,
                     (unsigned long long)piece->result->read.lane);
    return row->message != NULL;
}

static bool take_piece(const struct page_in *page_in, const struct piece *piece,
                       const uint8_t *data)
{
    size_t record_bytes = piece->run.record_bytes;
    for (uint32_t i = 0; i < piece->run.count; i++) {
        if (!take_record(page_in, piece, i, bytes_of(data + i * record_bytes, record_bytes)))
            return false;
    }
    return true;
}

/* Pieces of one segment without a gap between them; several may be of the same message. */
static bool read_stretch(struct page_in *page_in, const struct piece *pieces, size_t count,
                         uint64_t end)
{
    uint64_t first = pieces[0].run.offset, size = end - first;
    if (size > INT32_MAX || !open_segment(page_in, pieces[0].run.segment))
        return false;
    buffer_clear(&page_in->stretch);
    buffer_reserve(&page_in->stretch, (size_t)size);
    if (end > (uint64_t)sqlite3_blob_bytes(page_in->blob) ||
        sqlite3_blob_read(page_in->blob, page_in->stretch.data, (int)size, (int)first) != SQLITE_OK)
        return reader_failed(page_in->store, "reading messages");
    for (size_t i = 0; i < count; i++) {
        if (!take_piece(page_in, &pieces[i],
                        page_in->stretch.data + (pieces[i].run.offset - first)))
            return false;
    }
    return true;
}

static bool read_pieces(struct page_in *page_in)
{
    struct piece *pieces = page_in->pieces;
    size_t count = page_in->piece_count;
    if (count > 0)
        qsort(pieces, count, sizeof *pieces, compare_places);
    for (size_t first = 0, next; first < count; first = next) {
        uint64_t end = piece_end(&pieces[first]);
        for (next = first + 1;
             next < count && pieces[next].run.segment == pieces[first].run.segment &&
             pieces[next].run.offset <= end;
             next++) {
            if (piece_end(&pieces[next]) > end)
                end = piece_end(&pieces[next]);
        }
        if (!read_stretch(page_in, pieces + first, next - first, end))
            return false;
    }
    return true;
}

/* --- */

static struct page_in new_page_in(struct store *store, struct store_read_result **results,
                                  size_t count)
{
    struct page_in page_in = {.store = store, .count = count};
    page_in.readings = xcalloc(count, sizeof *page_in.readings);
    for (size_t i = 0; i < count; i++)
        page_in.readings[i] =
            (struct reading){.store = store, .read = &results[i]->read, .result = results[i]};
    return page_in;
}

static void end(struct page_in *page_in)
{
    sqlite3_blob_close(page_in->blob);
    reader_end(page_in->store);
    pthread_mutex_lock(&page_in->store->report_lock);
    page_in->store->figures.segments_read += page_in->segments_read;
    pthread_mutex_unlock(&page_in->store->report_lock);
    for (size_t i = 0; i < page_in->count; i++) {
        free(page_in->readings[i].runs);
        free(page_in->readings[i].keys);
    }
    free(page_in->readings);
    free(page_in->pieces);
    buffer_fini(&page_in->stretch);
}

static bool read_lanes(struct store *store, struct store_read_result **results, size_t count)
{
    struct page_in page_in = new_page_in(store, results, count);
    bool succeeded = begin(&page_in);
    for (size_t i = 0; succeeded && i < count; i++) {
        succeeded = copy_rows(&page_in.readings[i]);
        plan(&page_in, &page_in.readings[i]);
    }
    succeeded = succeeded && read_pieces(&page_in);
    for (size_t i = 0; succeeded && i < count; i++)
        succeeded = !page_in.readings[i].has_attempts || attempt_read(store, results[i]);
    end(&page_in);
    return succeeded;
}

/* Delays are read by themselves, lanes together. */
static bool read_all(struct store *store, struct store_read_result **results, size_t count)
{
    bool succeeded = true;
    for (size_t first = 0, next; succeeded && first < count; first = next) {
        next = first;
        while (next < count && results[next]->read.kind == STORE_READ_LANE)
            next++;
        if (next > first)
            succeeded = read_lanes(store, results + first, next - first);
        else
            succeeded = read_delays(store, results[next++]);
    }
    return succeeded;
}

bool store_read_part(struct store *store, const struct store_read *reads, size_t count,
                     struct store_read_result **results)
{
    if (atomic_load(&store->has_failed))
        return false;
    for (size_t i = 0; i < count; i++) {
        results[i] = xcalloc(1, sizeof *results[i]);
        results[i]->read = reads[i];
    }
    pthread_mutex_lock(&store->gate);
    bool succeeded = read_all(store, results, count);
    pthread_mutex_unlock(&store->gate);
    if (succeeded)
        return true;
    store_fail(store);
    for (size_t i = 0; i < count; i++)
        store_read_result_free(results[i]);
    return false;
}

struct store_read_result *store_read(struct store *store, const struct store_read *read)
{
    struct store_read_result *result;
    return store_read_together(store, read, 1, &result) ? result : NULL;
}
