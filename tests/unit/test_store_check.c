/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The offline check: it finds a healthy store healthy, at whatever moment its process died, and
 * finds what is wrong: bytes that changed, in each kind of row and anywhere in it; rows that are
 * gone; and rows that are sound by themselves and do not go together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs those before it. */
#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/definitions_store.h"
#include "store/store_check.h"
#include "store/store_internal.h"
#include "test_store_model.h"

struct fixture {
    char *folder;
    struct store *store;
    struct store_opened opened;
    struct model *model;
    uint64_t batches;
    uint64_t random;
    uint64_t position; /* of lane 1 */
    char said[8192];   /* by the check */
    uint64_t passed_over;
    uint64_t places_max;
};

static void must_open(struct fixture *f)
{
    char reason[512] = "";
    f->store = store_open(f->folder, &f->opened, reason, sizeof reason);
    if (f->store == NULL)
        fail_msg("%s", reason);
}

static void shut(struct fixture *f)
{
    store_close(f->store);
    store_opened_fini(&f->opened);
    f->store = NULL;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->folder = model_folder_new();
    f->model = model_new();
    f->random = 11;
    f->position = 1;
    must_open(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    shut(f);
    model_free(f->model);
    model_folder_free(f->folder);
    free(f);
    return 0;
}

static void commit(struct fixture *f, struct store_batch *batch)
{
    batch->number = STORE_BATCH_BEFORE + ++f->batches;
    if (store_commit(f->store, batch) != STORE_OK)
        fail_msg("%s", store_error(f->store));
    model_apply(f->model, batch);
    store_batch_free(batch);
}

/* --- the check */

static void note(void *context, const char *text)
{
    struct fixture *f = context;
    size_t length = strlen(f->said);
    if (strncmp(text, "a binding ", 10) == 0) { /* those of random batches go from anywhere */
        f->passed_over++;
        return;
    }
    snprintf(f->said + length, sizeof f->said - length, "%s\n", text);
}

static struct store_check check(struct fixture *f, const char *folder)
{
    struct store_check check = {.on_fault = note, .context = f, .places_max = f->places_max};
    f->said[0] = '\0';
    f->passed_over = 0;
    store_check(folder, &check);
    check.faults -= f->passed_over;
    return check;
}

static void expect_healthy(struct fixture *f, const char *folder)
{
    struct store_check found = check(f, folder);
    if (found.faults > 0)
        fail_msg("%s", f->said);
    assert_true(found.is_compared);
}

/* As if the process had died. */
static char *copy_of(struct fixture *f)
{
    char *copy = model_folder_new();
    model_folder_copy(f->folder, copy);
    return copy;
}

static void expect_healthy_now(struct fixture *f)
{
    char *copy = copy_of(f);
    expect_healthy(f, copy);
    model_folder_free(copy);
}

/* --- what is checked */

static void insert(struct fixture *f, uint64_t lane, size_t count, size_t body_bytes)
{
    struct store_batch *batch = store_batch_new(2);
    for (size_t i = 0; i < count; i++)
        model_add_insert(batch, lane, f->position++, model_message(&f->random, body_bytes));
    commit(f, batch);
}

static void fill_shelf(struct fixture *f)
{
    struct store_batch *batch = store_batch_new(2);
    model_add_shelf(batch, 5);
    commit(f, batch);
    batch = store_batch_new(2);
    for (uint64_t id = 1; id <= 10; id++) {
        model_add_delay(batch, 5, id, 1000 * id, model_message(&f->random, 50));
        model_add_key(batch, 5, 10 + id, "key");
    }
    commit(f, batch);
}

/* Rows in each table, with the journal's last rows not in them yet. */
static void fill(struct fixture *f)
{
    struct store_batch *batch = store_batch_new(2);
    model_add_queue(batch, 1);
    model_add_queue_of(batch, 2, 2);
    commit(f, batch);
    for (size_t i = 0; i < 30; i++)
        insert(f, 1 + i % 2, 40, 100 + 400 * (i % 3));
    batch = store_batch_new(2);
    model_add_remove(batch, 1, 1, 30);
    commit(f, batch);
    fill_shelf(f);
    shut(f);
    must_open(f);
    batch = store_batch_new(2);
    for (uint64_t i = 0; i < 20; i++)
        model_add_insert_of(batch, 3, 1 + i, model_message(&f->random, 10), "value");
    commit(f, batch);
    batch = store_batch_new(2);
    for (uint64_t i = 0; i < 5; i++)
        model_add_attempts(batch, 3, 1 + i, 2);
    model_add_remove(batch, 1, 85, 10);
    commit(f, batch);
    insert(f, 1, 1, 100);
}

static sqlite3 *open_file(const char *folder)
{
    char path[4096];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/messages.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void execute_in(const char *folder, const char *sql)
{
    sqlite3 *db = open_file(folder);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    if (sqlite3_changes(db) == 0)
        fail_msg("nothing changed: %s", sql);
    sqlite3_close(db);
}

static void expect_fault(struct fixture *f, const char *folder, const char *what,
                         const char *expected)
{
    struct store_check found = check(f, folder);
    if (found.faults == 0)
        fail_msg("nobody noticed: %s", what);
    if (strstr(f->said, expected) == NULL)
        fail_msg("%s: no '%s' in\n%s", what, expected, f->said);
}

/* --- healthy ones */

static void empty_store_is_healthy(void **state)
{
    struct fixture *f = *state;
    expect_healthy_now(f);
    shut(f);
    expect_healthy(f, f->folder);
    must_open(f);
}

static void check_says_what_there_is(void **state)
{
    struct fixture *f = *state;
    fill(f);
    char *copy = copy_of(f);
    struct store_check found = check(f, copy);
    if (found.faults > 0)
        fail_msg("%s", f->said);
    assert_int_equal(found.queues, 2);
    assert_int_equal(found.messages, 30 * 40 - 30 + 20 - 10 + 1);
    assert_int_equal(found.attempts, 5);
    assert_int_equal(found.values, 20);
    assert_int_equal(found.delays, 10);
    assert_int_equal(found.keys, 10);
    assert_int_equal(found.shelves, 1);
    assert_true(found.journal > 1 && found.segments >= 31 && found.records >= 1181);
    model_folder_free(copy);
}

/* Nothing is written by it, neither into the file nor beside it. */
static void check_changes_nothing(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"messages.db", "messages.db-wal"};
    struct stat before[2], after[2];
    char path[4096];
    fill(f);
    char *copy = copy_of(f);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", copy, names[i]);
        assert_int_equal(stat(path, &before[i]), 0);
    }
    expect_healthy(f, copy);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", copy, names[i]);
        assert_int_equal(stat(path, &after[i]), 0);
        assert_int_equal(before[i].st_size, after[i].st_size);
        assert_int_equal(before[i].st_mtim.tv_nsec, after[i].st_mtim.tv_nsec);
    }
    model_folder_free(copy);
    shut(f);
    expect_healthy(f, f->folder);
    snprintf(path, sizeof path, "%s/messages.db-wal", f->folder);
    assert_int_equal(stat(path, &after[0]), -1);
    must_open(f);
}

static void random_lives_are_healthy_at_every_moment(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 600; i++) {
        bool more = true;
        commit(f, model_random_batch(f->model, &f->random, 8));
        if (i % 5 == 0)
            assert_int_equal(store_maintain(f->store, i % 2 == 0, &more), STORE_OK);
        if (i % 20 == 0)
            expect_healthy_now(f);
        if (i % 100 == 99) {
            shut(f);
            expect_healthy(f, f->folder);
            must_open(f);
        }
    }
}

static void long_life_with_many_lanes_is_healthy(void **state)
{
    enum { lanes = 300, rounds = 40 };
    struct fixture *f = *state;
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t lane = 1; lane <= lanes; lane++)
        model_add_queue(batch, lane);
    commit(f, batch);
    for (uint64_t round = 1; round <= rounds; round++) {
        batch = store_batch_new(2);
        for (uint64_t lane = 1; lane <= lanes; lane++)
            model_add_insert(batch, lane, round, model_message(&f->random, 200));
        for (uint64_t lane = 1; lane <= lanes && round > 5; lane += 3)
            model_add_remove(batch, lane, round - 5, 1);
        commit(f, batch);
    }
    expect_healthy_now(f);
    f->places_max = 700; /* the segments come in many windows */
    expect_healthy_now(f);
    char *copy = copy_of(f);
    execute_in(copy, "UPDATE segment SET data=(SELECT data FROM segment WHERE id=20) WHERE id=30");
    expect_fault(f, copy, "segment", "is not in segment 30");
    model_folder_free(copy);
}

static void files_of_former_versions_are_healthy(void **state)
{
    struct fixture *f = *state;
    static const char *const names[] = {"messages-v1.db",        "messages-v2.db",
                                        "messages-v3.db",        "messages-v1-killed.db",
                                        "messages-v2-killed.db", "messages-v3-killed.db"};
    const char *root = getenv("srcdir");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char command[8192];
        char *folder = model_folder_new();
        snprintf(command, sizeof command, "cp '%s/tests/data/%s' '%s/messages.db'",
                 root != NULL ? root : ".", names[i], folder);
        assert_int_equal(system(command), 0);
        expect_healthy(f, folder);
        model_folder_free(folder);
    }
}

/* --- damage */

static const struct table {
    const char *name, *key, *said;
} tables[] = {
    {"segment", "id", "checksum is wrong"},
    {"journal", "batch", "checksum is wrong"},
    {"lane", "id", "checksum is wrong"},
    {"lane_chunk", "lane, key", "checksum is wrong"},
    {"segment_group", "id", "checksum is wrong"},
    {"definition", "kind, key", "checksum is wrong"},
    {"attempt", "lane, position", "checksum is wrong"},
    {"value", "lane, position", "checksum is wrong"},
    {"shelf", "id", "checksum is wrong"},
    {"delay", "shelf, due, id", "checksum is wrong"},
    {"dedup", "shelf, position", "checksum is wrong"},
};
enum { table_count = sizeof tables / sizeof tables[0] };

/* Flips a bit of the row's data, so many thousandths behind its beginning. */
static void flip(const char *folder, const struct table *table, const char *order, int thousandths)
{
    char sql[512];
    sqlite3 *db = open_file(folder);
    sqlite3_stmt *select = NULL, *update = NULL;
    snprintf(sql, sizeof sql, "SELECT data FROM %s ORDER BY %s %s LIMIT 1", table->name, table->key,
             order);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &select, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(select), SQLITE_ROW);
    struct bytes old = column_bytes(select, 0);
    uint8_t *data = malloc(old.size);
    memcpy(data, old.data, old.size);
    size_t size = old.size;
    sqlite3_finalize(select);
    data[(size - 1) * (size_t)thousandths / 1000] ^= 0x10;
    snprintf(sql, sizeof sql,
             "UPDATE %s SET data=? WHERE (%s) IN (SELECT %s FROM %s ORDER BY %s %s LIMIT 1)",
             table->name, table->key, table->key, table->name, table->key, order);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &update, NULL), SQLITE_OK);
    sqlite3_bind_blob(update, 1, data, (int)size, free);
    assert_int_equal(sqlite3_step(update), SQLITE_DONE);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_finalize(update);
    sqlite3_close(db);
}

static void changed_bits_are_found_anywhere(void **state)
{
    struct fixture *f = *state;
    static const char *const orders[] = {"", "DESC"};
    static const int places[] = {0, 400, 700, 1000};
    fill(f);
    for (size_t i = 0; i < table_count; i++) {
        for (size_t n = 0; n < 8; n++) {
            char *copy = copy_of(f);
            /* keys of several columns are ordered by the first one: any row will do */
            flip(copy, &tables[i], orders[n % 2], places[n / 2]);
            expect_fault(f, copy, tables[i].name, tables[i].said);
            model_folder_free(copy);
        }
    }
}

/* A row that stands in another's place. */
static void rows_in_a_wrong_place_are_found(void **state)
{
    struct fixture *f = *state;
    static const char *const moves[] = {
        "UPDATE lane SET data=(SELECT data FROM lane WHERE id=2) WHERE id=1",
        "UPDATE lane_chunk SET data=(SELECT data FROM lane_chunk WHERE lane=2) WHERE lane=1",
        ("UPDATE journal SET data=(SELECT data FROM journal ORDER BY batch LIMIT 1)"
         " WHERE batch=(SELECT max(batch) FROM journal)"),
        "UPDATE delay SET data=(SELECT data FROM delay WHERE id=1) WHERE id=2",
        "UPDATE dedup SET data=(SELECT data FROM dedup WHERE position=11) WHERE position=12",
        "UPDATE attempt SET data=(SELECT data FROM attempt WHERE position=1) WHERE position=2",
        "UPDATE value SET data=(SELECT data FROM value WHERE position=1) WHERE position=2",
    };
    fill(f);
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
        char *copy = copy_of(f);
        execute_in(copy, moves[i]);
        expect_fault(f, copy, moves[i], "checksum is wrong");
        model_folder_free(copy);
    }
}

/* Segments that change places have sound records, which are not those that the places say. */
static void segment_in_a_wrong_place_is_found(void **state)
{
    struct fixture *f = *state;
    fill(f);
    char *copy = copy_of(f);
    execute_in(copy, "UPDATE segment SET data=(SELECT data FROM segment WHERE id=7) WHERE id=4");
    expect_fault(f, copy, "segment", "is not in segment 4");
    model_folder_free(copy);
}

static void missing_rows_are_found(void **state)
{
    struct fixture *f = *state;
    static const char *const losses[][2] = {
        {"DELETE FROM segment WHERE id=(SELECT max(id) FROM segment)", "is missing"},
        {"DELETE FROM segment WHERE id=7", "segment 7 is missing"},
        {"DELETE FROM journal WHERE batch=(SELECT max(batch) FROM journal)", "segment"},
        {"DELETE FROM journal WHERE batch=(SELECT max(batch) FROM journal) - 1", "are missing"},
        {"DELETE FROM journal", "the journal is empty"},
        {"DELETE FROM lane WHERE id=1", "there is no lane 1"},
        {"DELETE FROM lane_chunk WHERE lane=1", "lane 1 has 0 rows of places"},
        {"DELETE FROM segment_group", "segment"},
        {"DELETE FROM definition WHERE kind=1", "definitions are missing"},
        {("DELETE FROM definition WHERE kind=2 AND"
          " key=(SELECT min(key) FROM definition WHERE kind=2)"),
         "definitions are missing"},
        {"DELETE FROM shelf", "has no shelf"},
        {"DELETE FROM delay WHERE id=3", "keeps 9 delays, its count says 10"},
        {"DELETE FROM delay", "keeps 0 delays, its count says 10"},
        {"DELETE FROM dedup WHERE position=13", "keeps 9 keys, its count says 10"},
        {"DELETE FROM dedup", "keeps 0 keys, its count says 10"},
    };
    fill(f);
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        char *copy = copy_of(f);
        execute_in(copy, losses[i][0]);
        expect_fault(f, copy, losses[i][0], losses[i][1]);
        model_folder_free(copy);
    }
}

static void rows_that_nobody_knows_are_found(void **state)
{
    struct fixture *f = *state;
    static const char *const additions[][2] = {
        {"INSERT INTO segment SELECT 9999, data FROM segment WHERE id=1",
         "segment 9999 has 40 owners of messages, its count says 0"},
        {"INSERT INTO lane SELECT 99, data FROM lane WHERE id=1", "checksum"},
        {"INSERT INTO delay SELECT shelf, due + 1, id, data FROM delay WHERE id=1", "checksum"},
    };
    fill(f);
    for (size_t i = 0; i < sizeof additions / sizeof additions[0]; i++) {
        char *copy = copy_of(f);
        execute_in(copy, additions[i][0]);
        expect_fault(f, copy, additions[i][0], additions[i][1]);
        model_folder_free(copy);
    }
}

/* --- counters that are wrong, in rows whose checksums are right */

static void put_row(const char *folder, const char *sql, struct buffer *row)
{
    sqlite3 *db = open_file(folder);
    sqlite3_stmt *update = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &update, NULL), SQLITE_OK);
    sqlite3_bind_blob(update, 1, row->data, (int)row->size, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(update), SQLITE_DONE);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_finalize(update);
    sqlite3_close(db);
    buffer_fini(row);
}

static void get_varints(const char *folder, const char *sql, uint64_t *numbers, size_t count)
{
    sqlite3 *db = open_file(folder);
    sqlite3_stmt *select = NULL;
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &select, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(select), SQLITE_ROW);
    struct bytes data = column_bytes(select, 0);
    struct reader reader = reader_of(bytes_of(data.data + 8, data.size - 8));
    for (size_t i = 0; i < count; i++)
        numbers[i] = reader_varint(&reader);
    assert_false(reader.failed);
    sqlite3_finalize(select);
    sqlite3_close(db);
}

static void wrong_counters_of_a_lane_are_found(void **state)
{
    static const char *const said[] = {
        "lane 1 knows of batch",  "lane 1 has positions", "lane 1 has positions",        NULL,
        "messages, its row says", "bytes, its row says",  "rows of places, its row says"};
    struct fixture *f = *state;
    fill(f);
    shut(f);
    for (size_t i = 0; i < 7; i++) {
        uint64_t numbers[7];
        struct buffer row = {0};
        if (said[i] == NULL)
            continue; /* what may have been delivered: a mark, with nothing to compare it to */
        char *copy = copy_of(f);
        get_varints(copy, "SELECT data FROM lane WHERE id=1", numbers, 7);
        numbers[i] = i == 2 ? numbers[i] - 2 : numbers[i] + (i == 0 ? 100000 : 1);
        row_begin(&row);
        for (size_t n = 0; n < 7; n++)
            buffer_append_varint(&row, numbers[n]);
        row_seal(&row, ROW_LANE, 1, 0);
        put_row(copy, "UPDATE lane SET data=? WHERE id=1", &row);
        expect_fault(f, copy, "lane", said[i]);
        model_folder_free(copy);
    }
    must_open(f);
}

static void wrong_counts_of_segments_are_found(void **state)
{
    struct fixture *f = *state;
    fill(f);
    shut(f);
    for (int i = 0; i < 2; i++) {
        uint64_t numbers[1 + 1 + 8];
        struct buffer row = {0};
        char *copy = copy_of(f);
        /* as of, nothing of segment 0, and total and live of the next four */
        get_varints(copy, "SELECT data FROM segment_group WHERE id=0", numbers, 10);
        assert_int_equal(numbers[1], 0);
        assert_int_equal(numbers[8], 40);
        numbers[i == 0 ? 9 : 8] += i == 0 ? (uint64_t)-1 : 1;
        sqlite3 *db = open_file(copy);
        sqlite3_stmt *select = NULL;
        sqlite3_prepare_v2(db, "SELECT data FROM segment_group WHERE id=0", -1, &select, NULL);
        assert_int_equal(sqlite3_step(select), SQLITE_ROW);
        struct bytes data = column_bytes(select, 0);
        struct reader reader = reader_of(bytes_of(data.data + 8, data.size - 8));
        for (size_t n = 0; n < 10; n++)
            reader_varint(&reader);
        row_begin(&row);
        for (size_t n = 0; n < 10; n++)
            buffer_append_varint(&row, numbers[n]);
        buffer_append_bytes(&row, reader_take(&reader, reader_left(&reader)));
        sqlite3_finalize(select);
        sqlite3_close(db);
        row_seal(&row, ROW_GROUP, 0, 0);
        put_row(copy, "UPDATE segment_group SET data=? WHERE id=0", &row);
        expect_fault(f, copy, "counts",
                     i == 0 ? "segment 4 holds 40 messages, its count says 39"
                            : "segment 4 has 40 owners of messages, its count says 41");
        model_folder_free(copy);
    }
    must_open(f);
}

static void attempts_of_no_message_are_found(void **state)
{
    struct fixture *f = *state;
    struct buffer row = {0};
    fill(f);
    char *copy = copy_of(f);
    row_begin(&row);
    buffer_append_varint(&row, 1);
    row_seal(&row, ROW_ATTEMPT, 1, 999999);
    put_row(copy, "INSERT INTO attempt VALUES(1, 999999, ?)", &row);
    expect_fault(f, copy, "attempt", "attempts of lane 1 at position 999999");
    model_folder_free(copy);
}

/* --- pages */

/* Overwrites a page in the middle of the file, as a bad disk would. */
static void spoilt_pages_are_found(void **state)
{
    struct fixture *f = *state;
    char path[4096];
    uint8_t rubbish[16384];
    fill(f);
    shut(f);
    for (long page = 1; page < 20; page += 3) {
        char *copy = copy_of(f);
        memset(rubbish, 0x77, sizeof rubbish);
        snprintf(path, sizeof path, "%s/messages.db", copy);
        FILE *file = fopen(path, "r+b");
        assert_non_null(file);
        assert_int_equal(fseek(file, page * (long)sizeof rubbish, SEEK_SET), 0);
        assert_int_equal(fwrite(rubbish, sizeof rubbish, 1, file), 1);
        fclose(file);
        struct store_check found = check(f, copy);
        if (found.faults == 0)
            fail_msg("page %ld", page);
        model_folder_free(copy);
    }
    must_open(f);
}

/* As a server leaves it that dies behind the first step of making a file: nothing is wrong with it,
 * and the next one makes it. */
static void file_that_was_begun_is_no_fault(void **state)
{
    struct fixture *f = *state;
    char path[4096];
    struct store_opened opened;
    sqlite3 *db;
    char *folder = model_folder_new();
    snprintf(path, sizeof path, "%s/messages.db", folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA page_size=16384; PRAGMA auto_vacuum=incremental",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 16384);
    assert_true(check(f, folder).is_unmade);
    struct store *store = store_open(folder, &opened, f->said, sizeof f->said);
    if (store == NULL)
        fail_msg("%s", f->said);
    store_close(store);
    store_opened_fini(&opened);
    expect_healthy(f, folder);
    model_folder_free(folder);
}

static void file_that_is_none_is_a_fault(void **state)
{
    struct fixture *f = *state;
    char *folder = model_folder_new();
    char path[4096];
    assert_true(check(f, folder).is_unmade);
    assert_int_equal(check(f, folder).faults, 0);
    struct store_check made = {.on_fault = note, .context = f, .must_be_made = true};
    store_check(folder, &made);
    assert_false(made.is_unmade);
    assert_int_equal(made.faults, 1);
    snprintf(path, sizeof path, "%s/reserve", folder);
    FILE *reserve = fopen(path, "wb");
    fputs("it was there", reserve);
    fclose(reserve);
    expect_fault(f, folder, "no file", "is not there");
    snprintf(path, sizeof path, "%s/messages.db", folder);
    FILE *file = fopen(path, "wb");
    fputs("no database", file);
    fclose(file);
    expect_fault(f, folder, "no database", "not a SQLite file or damaged");
    model_folder_free(folder);
}

/* --- definitions.db */

static uint64_t check_definitions(struct fixture *f, const char *folder)
{
    struct definitions_check found = {.on_fault = note, .context = f};
    f->said[0] = '\0';
    definitions_free(definitions_check(folder, &found));
    return found.faults;
}

static void damage_in_definitions_is_found(void **state)
{
    struct fixture *f = *state;
    static const char *const changes[][2] = {
        {"UPDATE user SET tags='administrator'", "begins with 'u'"},
        {"UPDATE permission SET read=''", "begins with 'u'"},
        {"UPDATE vhost SET id=7", "begins with 'v'"},
        {"DELETE FROM user", "a permission of user 'u'"},
        {"DELETE FROM vhost", "a permission of user 'u' in vhost 'v'"},
        {"UPDATE parameter SET value='{}'", "begins with 'v'"},
        {"UPDATE vhost_next SET id=1", "vhost 'v' has number 1, the next one is 1"},
    };
    char reason[512];
    char *folder = model_folder_new();
    struct definitions_store *store = definitions_store_open(folder, reason, sizeof reason);
    struct definitions_user user = {(char *)"u", (char *)"h", (char *)"a", (char *)""};
    struct definitions_permission permission = {(char *)"u", (char *)"v", (char *)"", (char *)".*",
                                                (char *)".*"};
    const char *parameter[] = {"v", "policy", "p", "[]"};
    assert_non_null(store);
    assert_int_equal(definitions_put_vhost(store, "v"), 1);
    assert_true(definitions_put_user(store, &user));
    assert_true(definitions_put_permission(store, &permission));
    assert_true(definitions_put(store, DEFINITIONS_PARAMETER, parameter));
    definitions_store_close(store);
    if (check_definitions(f, folder) != 0)
        fail_msg("%s", f->said);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char path[4096];
        sqlite3 *db;
        char *copy = model_folder_new();
        model_folder_copy(folder, copy);
        snprintf(path, sizeof path, "%s/definitions.db", copy);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, changes[i][0], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        uint64_t faults = check_definitions(f, copy);
        if (faults == 0 || strstr(f->said, changes[i][1]) == NULL)
            fail_msg("%s: %s", changes[i][0], f->said);
        model_folder_free(copy);
    }
    model_folder_free(folder);
}

#define fixture_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(empty_store_is_healthy),
        fixture_test(check_says_what_there_is),
        fixture_test(check_changes_nothing),
        fixture_test(random_lives_are_healthy_at_every_moment),
        fixture_test(long_life_with_many_lanes_is_healthy),
        fixture_test(files_of_former_versions_are_healthy),
        fixture_test(changed_bits_are_found_anywhere),
        fixture_test(rows_in_a_wrong_place_are_found),
        fixture_test(segment_in_a_wrong_place_is_found),
        fixture_test(missing_rows_are_found),
        fixture_test(rows_that_nobody_knows_are_found),
        fixture_test(wrong_counters_of_a_lane_are_found),
        fixture_test(wrong_counts_of_segments_are_found),
        fixture_test(attempts_of_no_message_are_found),
        fixture_test(spoilt_pages_are_found),
        fixture_test(file_that_was_begun_is_no_fault),
        fixture_test(file_that_is_none_is_a_fault),
        fixture_test(damage_in_definitions_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
