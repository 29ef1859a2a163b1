/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening, and reading back what the file says. The state in memory is made from rows alone: those
 * of counts and lanes, then the journal on top of them, and at the end all of it must fit together.
 * A transaction that found the disk full comes here too, so that there is one way to a state, the
 * one that every start takes, and none that is only taken when something is wrong.
 *
 * Opening reads a row for each queue and none for its messages: places are read when somebody needs
 * them. Damage in what is read here is found before anybody has the store, and the file is then
 * left as it was.
 *
 * The schema and the statements stand together: whoever changes a table finds what uses it below.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "store/sqlite_file.h"
#include "store/store_internal.h"

enum { writer_cache_kib = 12288 };

/* The first row of the journal. */
static bool fill_new(sqlite3 *db)
{
    struct buffer row = {0};
    sqlite3_stmt *insert = NULL;
    journal_encode(&row, &(struct journal_head){1, 1, 0}, 1, bytes_of(NULL, 0));
    bool succeeded =
        sqlite3_prepare_v2(db, "INSERT INTO journal VALUES(1,?)", -1, &insert, NULL) == SQLITE_OK &&
        sqlite3_bind_blob64(insert, 1, row.data, row.size, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_step(insert) == SQLITE_DONE;
    sqlite3_finalize(insert);
    buffer_fini(&row);
    return succeeded;
}

#define SCHEMA_OF_VERSION_2                                                                        \
    "CREATE TABLE attempt(lane INTEGER NOT NULL, position INTEGER NOT NULL, data BLOB NOT NULL,"   \
    " PRIMARY KEY(lane, position)) STRICT, WITHOUT ROWID;"                                         \
    "CREATE TABLE shelf(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"                       \
    "CREATE TABLE delay(shelf INTEGER NOT NULL, due INTEGER NOT NULL, id INTEGER NOT NULL,"        \
    " data BLOB NOT NULL, PRIMARY KEY(shelf, due, id)) STRICT, WITHOUT ROWID;"                     \
    "CREATE TABLE dedup(shelf INTEGER NOT NULL, position INTEGER NOT NULL, data BLOB NOT NULL,"    \
    " PRIMARY KEY(shelf, position)) STRICT, WITHOUT ROWID;"

#define SCHEMA_OF_VERSION_3                                                                        \
    "CREATE TABLE value(lane INTEGER NOT NULL, position INTEGER NOT NULL, data BLOB NOT NULL,"     \
    " PRIMARY KEY(lane, position)) STRICT, WITHOUT ROWID;"

static const char *const upgrades[STORE_VERSION - 1] = {SCHEMA_OF_VERSION_2, SCHEMA_OF_VERSION_3};

static const struct sqlite_format format = {
    .kind = " message store",
    .application_id = STORE_APPLICATION_ID,
    .version = STORE_VERSION,
    .page_bytes = 16384,
    .schema =
        "CREATE TABLE segment(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
        "CREATE TABLE journal(batch INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
        "CREATE TABLE lane(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
        "CREATE TABLE lane_chunk(lane INTEGER NOT NULL, key INTEGER NOT NULL, data BLOB NOT NULL,"
        " PRIMARY KEY(lane, key)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE segment_group(id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
        "CREATE TABLE definition(kind INTEGER NOT NULL, key BLOB NOT NULL, data BLOB NOT NULL,"
        " PRIMARY KEY(kind, key)) STRICT, WITHOUT ROWID;" SCHEMA_OF_VERSION_2 SCHEMA_OF_VERSION_3,
    .upgrades = upgrades,
    .fill = fill_new,
};

static const char *const statement_sql[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_SEGMENT_INSERT] = "INSERT INTO segment VALUES(?,?)",
    [SQL_SEGMENT_DELETE] = "DELETE FROM segment WHERE id=?",
    [SQL_SEGMENT_READ] = "SELECT data FROM segment WHERE id=?",
    [SQL_JOURNAL_INSERT] = "INSERT INTO journal VALUES(?,?)",
    [SQL_JOURNAL_TRIM] = "DELETE FROM journal WHERE batch<?",
    [SQL_LANE_PUT] = "INSERT OR REPLACE INTO lane VALUES(?,?)",
    [SQL_LANE_DELETE] = "DELETE FROM lane WHERE id=?",
    [SQL_CHUNK_PUT] = "INSERT OR REPLACE INTO lane_chunk VALUES(?,?,?)",
    [SQL_CHUNK_DELETE] = "DELETE FROM lane_chunk WHERE lane=? AND key=?",
    [SQL_CHUNK_DELETE_ALL] = "DELETE FROM lane_chunk WHERE lane=?",
    [SQL_CHUNK_RANGE] = STORE_CHUNK_RANGE_SQL,
    [SQL_GROUP_PUT] = "INSERT OR REPLACE INTO segment_group VALUES(?,?)",
    [SQL_GROUP_DELETE] = "DELETE FROM segment_group WHERE id=?",
    [SQL_DEFINITION_PUT] = "INSERT OR REPLACE INTO definition VALUES(?,?,?)",
    [SQL_DEFINITION_READ] = "SELECT data FROM definition WHERE kind=? AND key=?",
    [SQL_DEFINITION_DELETE] = "DELETE FROM definition WHERE kind=? AND key=?",
    [SQL_ATTEMPT_PUT] = "INSERT OR REPLACE INTO attempt VALUES(?,?,?)",
    [SQL_ATTEMPT_DELETE] = "DELETE FROM attempt WHERE lane=? AND position>=? AND position<?",
    [SQL_ATTEMPT_SWEEP] = "DELETE FROM attempt WHERE lane=?1 AND position>=?2 AND position<min(?3,"
                          " coalesce((SELECT position FROM attempt WHERE lane=?1 AND position>=?2"
                          " ORDER BY position LIMIT 1 OFFSET ?4), ?3))",
    [SQL_ATTEMPT_LANE] = "SELECT min(lane) FROM attempt WHERE lane>?",
    [SQL_VALUE_PUT] = "INSERT INTO value VALUES(?,?,?)",
    [SQL_VALUE_DELETE] = "DELETE FROM value WHERE lane=? AND position>=? AND position<?",
    [SQL_VALUE_SWEEP] = "DELETE FROM value WHERE lane=?1 AND position>=?2 AND position<min(?3,"
                        " coalesce((SELECT position FROM value WHERE lane=?1 AND position>=?2"
                        " ORDER BY position LIMIT 1 OFFSET ?4), ?3))",
    [SQL_VALUE_LANE] = "SELECT min(lane) FROM value WHERE lane>?",
    [SQL_SHELF_PUT] = "INSERT OR REPLACE INTO shelf VALUES(?,?)",
    [SQL_SHELF_DELETE] = "DELETE FROM shelf WHERE id=?",
    [SQL_DELAY_INSERT] = "INSERT INTO delay VALUES(?,?,?,?)",
    [SQL_DELAY_DELETE] = "DELETE FROM delay WHERE shelf=? AND due=? AND id=?",
    [SQL_DELAY_FIRST] = "SELECT due FROM delay WHERE shelf=? ORDER BY due, id LIMIT 1",
    [SQL_DELAY_SIZES] = "SELECT due, id, length(data) FROM delay WHERE shelf=? ORDER BY due, id",
    [SQL_DELAY_SWEEP] = "DELETE FROM delay WHERE shelf=? AND (due, id)<=(?,?)",
    [SQL_DEDUP_INSERT] = "INSERT INTO dedup VALUES(?,?,?)",
    [SQL_DEDUP_DELETE] = "DELETE FROM dedup WHERE shelf=? AND position>=? AND position<?",
    [SQL_DEDUP_SWEEP] = "DELETE FROM dedup WHERE shelf=?1 AND position<coalesce((SELECT position"
                        " FROM dedup WHERE shelf=?1 ORDER BY position LIMIT 1 OFFSET ?2),"
                        " 9223372036854775807)",
    [SQL_VACUUM] = "PRAGMA incremental_vacuum(256)",
};

static bool prepare_statements(struct store *store)
{
    for (size_t i = 0; i < SQL_COUNT; i++) {
        int code = sqlite3_prepare_v3(store->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                      &store->statements[i], NULL);
        if (code != SQLITE_OK)
            return store_note(store, code, statement_sql[i]);
    }
    return true;
}

/* --- what the file says */

bool store_load_rows(struct store *store, const char *sql,
                     bool (*load)(struct store *store, uint64_t id, struct bytes row))
{
    sqlite3_stmt *select = NULL;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &select, NULL);
    if (code != SQLITE_OK)
        return store_note(store, code, sql);
    bool succeeded = true;
    while (succeeded && (code = sqlite3_step(select)) == SQLITE_ROW)
        succeeded = load(store, (uint64_t)sqlite3_column_int64(select, 0), column_bytes(select, 1));
    if (succeeded && code != SQLITE_DONE)
        succeeded = store_note(store, code, sql);
    sqlite3_finalize(select);
    return succeeded;
}

static bool load_group(struct store *store, uint64_t id, struct bytes row)
{
    return segment_group_read(store, id, row) ||
           store_note_damage(store, "the counts of group %llu", (unsigned long long)id);
}

static bool settle_lanes(struct store *store)
{
    struct hash_node *node = NULL;
    if (store->has_lane_count && store->lane_count != store->lanes.count)
        return store_note_damage(store, "there are %llu lanes, not %llu",
                                 (unsigned long long)store->lanes.count,
                                 (unsigned long long)store->lane_count);
    while ((node = hash_table_next(&store->lanes, node)) != NULL) {
        struct stored_lane *lane = container_of(node, struct stored_lane, by_id);
        if (lane->is_ghost || lane->id >= store->head.lane_next)
            return store_note_damage(store, "there is no lane %llu", (unsigned long long)lane->id);
        lane->committed_end = lane->state.end;
    }
    return true;
}

bool store_load(struct store *store, struct store_batch *definitions)
{
    store->is_replaying = true;
    bool succeeded = store_load_rows(store, "SELECT id, data FROM segment_group", load_group) &&
                     store_load_rows(store, "SELECT id, data FROM lane", stored_lane_read) &&
                     journal_replay(store) && settle_lanes(store) && segment_table_check(store) &&
                     shelf_load(store) && definition_load(store, definitions) &&
                     stored_queue_ranges_check(store) && attempt_load(store) && value_load(store);
    store->is_replaying = false;
    return succeeded;
}

void store_unload(struct store *store)
{
    struct hash_node *node = hash_table_next(&store->lanes, NULL);
    while (node != NULL) {
        struct hash_node *next = hash_table_next(&store->lanes, node);
        stored_lane_free(store, container_of(node, struct stored_lane, by_id));
        node = next;
    }
    segment_table_fini(&store->segments);
    stored_queue_ranges_clear(store);
    shelf_clear(store);
    store->has_lane_count = false;
    store->touched_count = store->move_count = store->sweep_count = 0;
    store->packed_references = 0;
    buffer_clear(&store->packed);
    store->batch = 0;
}

/* --- opening */

static int compare_lanes(const void *a, const void *b)
{
    const struct store_lane_state *left = a, *right = b;
    return (left->lane > right->lane) - (left->lane < right->lane);
}

static void list_lanes(const struct store *store, struct store_opened *opened)
{
    opened->lane_next = store->head.lane_next;
    opened->lanes = xcalloc(store->lanes.count, sizeof *opened->lanes);
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&store->lanes, node)) != NULL) {
        const struct stored_lane *lane = container_of(node, struct stored_lane, by_id);
        opened->lanes[opened->lane_count++] = (struct store_lane_state){
            .lane = lane->id,
            .first = lane->state.first,
            .end = lane->state.end,
            .delivered_below = lane->state.delivered_below,
            .count = lane->state.count,
            .bytes = lane->state.bytes,
        };
    }
    if (opened->lane_count > 0)
        qsort(opened->lanes, opened->lane_count, sizeof *opened->lanes, compare_lanes);
}

static bool open_all(struct store *store, struct store_opened *opened)
{
    char reason[sizeof store->error];
    if (!prepare_statements(store) || !store_load(store, opened->definitions) ||
        !shelf_list(store, opened) || !shelf_load_keys(store, opened))
        return false;
    list_lanes(store, opened);
    if (!value_list(store, opened))
        return false;
    if (!sqlite_file_accept(store->db, reason, sizeof reason)) {
        store_report(store, "%s", reason);
        return false;
    }
    return reader_open(store) && checkpoint_open(store);
}

/* Nothing of it has to survive. */
static bool forgo_syncs(struct store *store)
{
    const char *sql = "PRAGMA synchronous=OFF";
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

struct store *store_open_file(const char *folder, bool is_spill, struct store_opened *opened,
                              char *reason, size_t reason_size, bool *is_full)
{
    struct store *store = store_new(folder, is_spill);
    store->page_bytes = format.page_bytes;
    *opened = (struct store_opened){.definitions = store_batch_new(STORE_BATCH_BEFORE)};
    store->db =
        sqlite_file_open(store->path, &format, writer_cache_kib, reason, reason_size, is_full);
    if (store->db != NULL && open_all(store, opened) && (!is_spill || forgo_syncs(store))) {
        if (!is_spill)
            reserve_open(store, folder);
        transaction_publish(store);
        return store;
    }
    if (store->db != NULL)
        snprintf(reason, reason_size, "%s",
                 store->error[0] != '\0' ? store->error : "the disk is full");
    store_opened_fini(opened);
    store_free(store);
    return NULL;
}

/* It would be an empty store that nobody had asked for. */
static bool is_lost(const char *folder)
{
    size_t size = strlen(folder) + sizeof "/messages.db";
    char *path = xmalloc(size);
    snprintf(path, size, "%s/messages.db", folder);
    bool is_lost = reserve_is_there(folder) && sqlite_file_is_unmade(path);
    free(path);
    return is_lost;
}

struct store *store_open(const char *folder, struct store_opened *opened, char *reason,
                         size_t reason_size)
{
    bool is_full;
    if (is_lost(folder)) {
        snprintf(reason, reason_size,
                 "%s/messages.db is gone: put it back, or remove %s/reserve to begin without it",
                 folder, folder);
        return NULL;
    }
    spill_remove(folder);
    return store_open_file(folder, false, opened, reason, reason_size, &is_full);
}

struct store *store_open_to_look(const char *folder, char *reason, size_t reason_size)
{
    struct store *store = store_new(folder, false);
    store->db = sqlite_file_look(store->path, &format, reason, reason_size);
    if (store->db != NULL && prepare_statements(store))
        return store;
    if (store->db != NULL)
        snprintf(reason, reason_size, "%s", store->error);
    store_free(store);
    return NULL;
}
