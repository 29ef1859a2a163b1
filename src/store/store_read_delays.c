/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading the next delays of an exchange: rows that follow each other in their table, in a snapshot
 * of the file. Memory knows nothing of them, so the writer need not be waited for; the shelf's row
 * in the same snapshot says how many there are, which is compared where all of them were read.
 */
#include "base/xmalloc.h"
#include "store/store_internal.h"

static bool damaged_shelf(struct store *store, uint64_t id)
{
    store_report(store, "%s is damaged: what exchange number %llu keeps", store->path,
                 (unsigned long long)id);
    return false;
}

/* is_gone where there is no such shelf (any more). */
static bool read_shelf(struct store *store, uint64_t id, struct shelf_row *shelf)
{
    sqlite3_stmt *select = store->reader_statements[READ_SHELF];
    bool succeeded = true;
    *shelf = (struct shelf_row){.is_gone = true};
    sqlite3_bind_int64(select, 1, (int64_t)id);
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW)
        succeeded = shelf_row_open(column_bytes(select, 0), id, shelf) || damaged_shelf(store, id);
    else if (code != SQLITE_DONE)
        succeeded = reader_failed(store, "reading delays");
    sqlite3_reset(select);
    return succeeded;
}

static bool take_delay(struct store *store, struct store_read_result *result, size_t *capacity,
                       struct store_row row, struct bytes data)
{
    row.message = delay_message(result->read.lane, row.expiry_ms, row.position, data);
    if (row.message == NULL) {
        store_report(store, "%s is damaged: the delay %llu of exchange number %llu", store->path,
                     (unsigned long long)row.position, (unsigned long long)result->read.lane);
        return false;
    }
    result->rows = xgrow(result->rows, capacity, result->count + 1, sizeof *result->rows);
    result->rows[result->count++] = row;
    return true;
}

static bool is_enough(const struct store_read_result *result, size_t bytes)
{
    return result->count >= result->read.count_max ||
           (result->count > 0 && bytes > result->read.bytes_max);
}

/* Stops at a row that it does not take, or at the end: then the answer is complete. */
static bool take_rows(struct store *store, sqlite3_stmt *select, struct store_read_result *result)
{
    size_t capacity = 0, bytes = 0;
    int code;
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        struct store_row row = {.position = (uint64_t)sqlite3_column_int64(select, 1),
                                .expiry_ms = (uint64_t)sqlite3_column_int64(select, 0)};
        struct bytes data = column_bytes(select, 2);
        bytes += data.size;
        if (is_enough(result, bytes))
            return true;
        if (!take_delay(store, result, &capacity, row, data))
            return false;
    }
    result->is_complete = code == SQLITE_DONE;
    return code == SQLITE_DONE || reader_failed(store, "reading delays");
}

static bool read_rows(struct store *store, struct store_read_result *result)
{
    sqlite3_stmt *select = store->reader_statements[READ_DELAYS];
    sqlite3_bind_int64(select, 1, (int64_t)result->read.lane);
    sqlite3_bind_int64(select, 2, (int64_t)result->read.due_ms);
    sqlite3_bind_int64(select, 3, (int64_t)result->read.first);
    bool succeeded = take_rows(store, select, result);
    sqlite3_reset(select);
    return succeeded;
}

static bool read_snapshot(struct store *store, struct store_read_result *result)
{
    struct shelf_row shelf;
    bool has_begun = sqlite3_step(store->reader_statements[READ_BEGIN]) == SQLITE_DONE;
    sqlite3_reset(store->reader_statements[READ_BEGIN]);
    if (!has_begun)
        return reader_failed(store, "reading delays");
    if (!read_shelf(store, result->read.lane, &shelf))
        return false;
    result->is_complete = shelf.is_gone || shelf.delays == 0;
    if (result->is_complete)
        return true;
    if (!read_rows(store, result))
        return false;
    bool is_all = result->is_complete && result->read.due_ms == 0 && result->read.first == 0;
    return !is_all || result->count == shelf.delays || damaged_shelf(store, result->read.lane);
}

bool read_delays(struct store *store, struct store_read_result *result)
{
    bool succeeded = read_snapshot(store, result);
    reader_end(store);
    return succeeded;
}
