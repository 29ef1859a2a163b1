/* SPDX-License-Identifier: Apache-2.0 */
/* The store of a vhost against its model: what it holds, what it gives back, what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs those before it. */
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "test_store_model.h"

struct fixture {
    char *folder;
    struct store *store;
    struct store_opened opened;
    struct model *model;
    uint64_t random;
    uint64_t batches;
    uint64_t positions[10001]; /* next, by lane */
};

static void must_open(struct fixture *f)
{
    char reason[512] = "";
    f->store = store_open(f->folder, &f->opened, reason, sizeof reason);
    if (f->store == NULL)
        fail_msg("%s", reason);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->folder = model_folder_new();
    f->model = model_new();
    f->random = 42;
    for (size_t i = 0; i <= 10000; i++)
        f->positions[i] = 1;
    must_open(f);
    *state = f;
    return 0;
}

static void shut(struct fixture *f)
{
    store_close(f->store);
    store_opened_fini(&f->opened);
    f->store = NULL;
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

/* As if the process had died: the files are what they are at this moment. */
static void reopen_after_crash(struct fixture *f)
{
    model_forget_spilled(f->model);
    char *copy = model_folder_new();
    model_folder_copy(f->folder, copy);
    shut(f);
    model_folder_free(f->folder);
    f->folder = copy;
    must_open(f);
}

static void reopen(struct fixture *f)
{
    model_forget_spilled(f->model);
    shut(f);
    must_open(f);
}

static void check_equal(struct fixture *f)
{
    assert_true(model_equals(f->model, &f->opened, f->store, &f->random));
}

static void check_messages(struct fixture *f)
{
    assert_true(model_equals_messages(f->model, f->store, &f->random));
}

static void commit(struct fixture *f, struct store_batch *batch)
{
    batch->number = ++f->batches;
    if (store_commit(f->store, batch) != STORE_OK)
        fail_msg("%s", store_error(f->store));
    model_apply(f->model, batch);
    store_batch_free(batch);
}

static void commit_queues(struct fixture *f, uint64_t first, uint64_t count)
{
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t i = 0; i < count; i++)
        model_add_queue(batch, first + i);
    commit(f, batch);
}

static void add_insert(struct fixture *f, struct store_batch *batch, uint64_t lane,
                       size_t body_bytes)
{
    model_add_insert(batch, lane, f->positions[lane]++, model_message(&f->random, body_bytes));
}

static void commit_inserts(struct fixture *f, uint64_t lane, size_t count, size_t body_bytes)
{
    struct store_batch *batch = store_batch_new(2);
    for (size_t i = 0; i < count; i++)
        add_insert(f, batch, lane, body_bytes);
    commit(f, batch);
}

static void commit_remove(struct fixture *f, uint64_t lane, uint64_t first, uint64_t count)
{
    struct store_batch *batch = store_batch_new(2);
    model_add_remove(batch, lane, first, count);
    commit(f, batch);
}

static void maintain_all(struct fixture *f)
{
    bool more = true;
    for (int slices = 0; more; slices++) {
        assert_true(slices < 10000);
        assert_int_equal(store_maintain(f->store, true, &more), STORE_OK);
    }
}

static struct store_figures figures_of(struct fixture *f)
{
    struct store_figures figures;
    store_figures(f->store, &figures);
    return figures;
}

static void path_in(char *path, size_t size, const char *folder)
{
    snprintf(path, size, "%s/messages.db", folder);
}

/* --- what it holds */

static void new_store_is_empty(void **state)
{
    struct fixture *f = *state;
    check_equal(f);
    assert_int_equal(f->opened.lane_next, 1);
    reopen(f);
    check_equal(f);
}

static void messages_come_back_as_they_were(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {0, 1, 100, 65000, 65536, 300000, 3 << 20};
    commit_queues(f, 1, 2);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        commit_inserts(f, 1, 3, sizes[i]);
        commit_inserts(f, 2, 1, sizes[i]);
    }
    check_messages(f);
    reopen_after_crash(f);
    check_equal(f);
    reopen(f);
    check_equal(f);
}

/* A message that has the body of another one, as a dead letter has. */
static void body_of_another_message_is_written_with_the_letter(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 1);
    struct store_batch *batch = store_batch_new(2);
    for (size_t i = 0; i < 3; i++) {
        struct message *message = model_message(&f->random, 5 + i * 70000);
        struct message *letter = message_readdress(message, bytes_of_text("dlx"),
                                                   bytes_of_text("key"), bytes_of_text("p"));
        message_unref(message);
        model_add_insert(batch, 1, f->positions[1]++, letter);
    }
    commit(f, batch);
    check_messages(f);
    reopen(f);
    check_equal(f);
}

static void read_keeps_to_its_bounds(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 1);
    commit_inserts(f, 1, 100, 1000);
    struct store_read read = {
        .lane = 1, .first = 11, .end = 31, .count_max = 7, .bytes_max = 1 << 20};
    struct store_read_result *result = store_read(f->store, &read);
    assert_int_equal(result->count, 7);
    assert_false(result->is_complete);
    assert_int_equal(result->rows[0].position, 11);
    store_read_result_free(result);
    read.count_max = 1000;
    result = store_read(f->store, &read);
    assert_int_equal(result->count, 20);
    assert_true(result->is_complete);
    store_read_result_free(result);
    read.bytes_max = 5000;
    result = store_read(f->store, &read);
    assert_in_range(result->count, 3, 5);
    assert_false(result->is_complete);
    store_read_result_free(result);
    read.bytes_max = 1;
    result = store_read(f->store, &read);
    assert_int_equal(result->count, 1);
    store_read_result_free(result);
}

static void unknown_lane_has_nothing(void **state)
{
    struct fixture *f = *state;
    struct store_read read = {.lane = 9, .first = 1, .end = 10, .count_max = 7, .bytes_max = 100};
    struct store_read_result *result = store_read(f->store, &read);
    assert_int_equal(result->count, 0);
    assert_true(result->is_complete);
    store_read_result_free(result);
}

static void lane_numbers_are_never_used_again(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 5);
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t lane = 1; lane <= 5; lane++)
        model_add_queue_delete(batch, lane);
    commit(f, batch);
    reopen(f);
    assert_int_equal(f->opened.lane_count, 0);
    assert_int_equal(f->opened.lane_next, 6);
}

static void shared_message_stands_once(void **state)
{
    struct fixture *f = *state;
    enum { lanes = 50, body_bytes = 40000 };
    commit_queues(f, 1, lanes);
    struct store_batch *batch = store_batch_new(2);
    struct message *message = model_message(&f->random, body_bytes);
    for (uint64_t lane = 1; lane <= lanes; lane++)
        model_add_insert(batch, lane, 1, message_ref(message));
    message_unref(message);
    commit(f, batch);
    assert_int_equal(figures_of(f).messages_written, 1);
    assert_int_equal(figures_of(f).messages_live, lanes);
    for (uint64_t lane = 1; lane < lanes; lane++)
        commit_remove(f, lane, 1, 1);
    maintain_all(f);
    reopen(f);
    check_equal(f);
    commit_remove(f, lanes, 1, 1);
    maintain_all(f);
    assert_int_equal(figures_of(f).segments, 0);
}

static void many_lanes_interleaved(void **state)
{
    struct fixture *f = *state;
    enum { lanes = 10000 };
    commit_queues(f, 1, lanes);
    for (int i = 0; i < 40; i++) {
        struct store_batch *batch = store_batch_new(2);
        for (int n = 0; n < 1000; n++)
            add_insert(f, batch, 1 + model_below(&f->random, lanes), 10);
        commit(f, batch);
    }
    reopen_after_crash(f);
    assert_in_range(f->opened.lane_count, lanes * 9 / 10, lanes);
    uint64_t count = 0;
    for (size_t i = 0; i < f->opened.lane_count; i++)
        count += f->opened.lanes[i].count;
    assert_int_equal(count, 40000);
    for (uint64_t lane = 1; lane <= lanes; lane += 97) {
        struct store_read read = {.lane = lane,
                                  .first = 0,
                                  .end = f->positions[lane],
                                  .count_max = 1000,
                                  .bytes_max = 1 << 20};
        struct store_read_result *result = store_read(f->store, &read);
        assert_int_equal(result->count, f->positions[lane] - 1);
        assert_true(result->is_complete);
        store_read_result_free(result);
    }
}

/* --- lanes of a queue */

static void lane_comes_with_its_first_use(void **state)
{
    struct fixture *f = *state;
    struct store_batch *batch = store_batch_new(2);
    model_add_queue_of(batch, 1, 256);
    model_add_queue_of(batch, 257, 10);
    commit(f, batch);
    reopen(f);
    check_equal(f);
    assert_int_equal(f->opened.lane_count, 0);
    assert_int_equal(f->opened.lane_next, 267);
    commit_inserts(f, 256, 3, 10);
    commit_inserts(f, 257, 3, 10);
    commit_inserts(f, 3, 1, 10);
    commit_remove(f, 2, 1, 5); /* as a purge does: nothing was ever there */
    reopen_after_crash(f);
    check_equal(f);
    assert_int_equal(f->opened.lane_count, 3);
    assert_int_equal(f->opened.lanes[1].lane, 256);
    batch = store_batch_new(2);
    model_add_queue_delete_of(batch, 1, 256);
    commit(f, batch);
    maintain_all(f);
    assert_int_equal(figures_of(f).messages_live, 3);
    reopen(f);
    check_equal(f);
    assert_int_equal(f->opened.lane_count, 1);
}

static void commit_attempts(struct fixture *f, uint64_t lane, uint64_t first, uint64_t end)
{
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t position = first; position < end; position++)
        model_add_attempts(batch, lane, position, position % 5 + 1);
    commit(f, batch);
}

static int64_t count_rows(struct fixture *f, const char *table)
{
    char path[4096], sql[80];
    sqlite3 *db;
    sqlite3_stmt *select;
    path_in(path, sizeof path, f->folder);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &select, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(select), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(select, 0);
    sqlite3_finalize(select);
    sqlite3_close(db);
    return count;
}

static void attempts_are_counted_and_go_with_their_messages(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 3);
    for (uint64_t lane = 1; lane <= 3; lane++) {
        commit_inserts(f, lane, 5000, 20);
        commit_attempts(f, lane, 1, 4001);
    }
    commit_attempts(f, 1, 30, 60);
    check_messages(f);
    commit_remove(f, 1, 1, 40);
    commit_remove(f, 1, 100, 1);
    assert_int_equal(count_rows(f, "attempt"), 3 * 4000 - 41);
    commit_remove(f, 1, 1000, 2500); /* many at once go in slices */
    commit_remove(f, 2, 1, 5000);
    struct store_batch *batch = store_batch_new(2);
    model_add_queue_delete(batch, 3);
    commit(f, batch);
    assert_true(count_rows(f, "attempt") > 4000);
    check_messages(f);
    reopen_after_crash(f);
    check_equal(f);
    commit_remove(f, 1, 1, 4000); /* also what the slices before the crash did not come to */
    maintain_all(f);
    assert_int_equal(count_rows(f, "attempt"), 0);
    reopen(f);
    check_equal(f);
}

static void commit_values(struct fixture *f, uint64_t lane, uint64_t count)
{
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t i = 0; i < count; i++) {
        char value[24];
        snprintf(value, sizeof value, "value %llu", (unsigned long long)f->positions[lane]);
        model_add_insert_of(batch, lane, f->positions[lane]++, model_message(&f->random, 20),
                            value);
    }
    commit(f, batch);
}

/* They come back with the messages that are there, whatever was swept when the process died. */
static void values_come_and_go_with_their_messages(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 3);
    for (uint64_t lane = 1; lane <= 3; lane++) {
        commit_values(f, lane, 2500);
        commit_inserts(f, lane, 10, 20); /* without */
        commit_values(f, lane, 2500);
    }
    reopen_after_crash(f);
    check_equal(f);
    assert_int_equal(f->opened.value_count, 3 * 5000);
    commit_remove(f, 1, 1, 40);
    commit_remove(f, 1, 100, 1);
    assert_int_equal(count_rows(f, "value"), 3 * 5000 - 41);
    commit_remove(f, 1, 1000, 2500); /* many at once go in slices */
    commit_remove(f, 2, 1, 5010);
    struct store_batch *batch = store_batch_new(2);
    model_add_queue_delete(batch, 3);
    commit(f, batch);
    assert_true(count_rows(f, "value") > 6000);
    reopen_after_crash(f);
    check_equal(f);
    assert_int_equal(f->opened.value_count, 5000 - 41 - 2490);
    maintain_all(f); /* what the slices before the crash did not come to is found again */
    assert_int_equal(count_rows(f, "value"), 5000 - 41 - 2490);
    commit_values(f, 2, 3);
    reopen(f);
    check_equal(f);
    commit_remove(f, 1, 1, 5010);
    maintain_all(f);
    assert_int_equal(count_rows(f, "value"), 3);
}

/* --- what exchanges keep */

static void commit_shelf(struct fixture *f, uint64_t shelf)
{
    struct store_batch *batch = store_batch_new(2);
    model_add_shelf(batch, shelf);
    commit(f, batch);
}

static void commit_delays(struct fixture *f, uint64_t shelf, uint64_t first, uint64_t count,
                          size_t body_bytes)
{
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t id = first; id < first + count; id++)
        model_add_delay(batch, shelf, id, 100000 + id * 7919 % 1000,
                        model_message(&f->random, body_bytes));
    commit(f, batch);
}

static void delays_come_back_in_the_order_in_which_they_are_due(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {0, 1, 100, 5000, 65536, 300000, 3 << 20};
    commit_shelf(f, 1);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        commit_delays(f, 1, 1 + i * 100, i < 4 ? 100 : 2, sizes[i]);
    check_messages(f);
    reopen_after_crash(f);
    check_equal(f);
    assert_int_equal(f->opened.delays[0].count, 406);
    assert_int_equal(f->opened.delays[0].end, 603);
    assert_int_equal(figures_of(f).delays, 406);
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t id = 1; id <= 200; id++)
        model_add_delay_remove(batch, 1, id, 100000 + id * 7919 % 1000);
    commit(f, batch);
    reopen(f);
    check_equal(f);
}

/* Half of what each lane has, by one request for all of them. */
static void check_read_together(struct fixture *f, uint64_t lanes, uint64_t of_each)
{
    struct store_read *reads = calloc(lanes, sizeof *reads);
    struct store_read_result **results = calloc(lanes, sizeof(struct store_read_result *));
    struct store_figures before, after;
    for (uint64_t i = 0; i < lanes; i++)
        reads[i] = (struct store_read){.lane = 1 + i,
                                       .first = 1,
                                       .end = of_each + 1,
                                       .count_max = of_each / 2,
                                       .bytes_max = 1 << 20};
    store_figures(f->store, &before);
    assert_true(store_read_together(f->store, reads, lanes, results));
    store_figures(f->store, &after);
    assert_int_equal(after.segments_read - before.segments_read, of_each / 2);
    for (uint64_t i = 0; i < lanes; i++) {
        assert_int_equal(results[i]->read.lane, 1 + i);
        assert_int_equal(results[i]->count, of_each / 2);
        assert_false(results[i]->is_complete);
        for (size_t j = 0; j < results[i]->count; j++)
            assert_int_equal(results[i]->rows[j].position, j + 1);
        store_read_result_free(results[i]);
    }
    free(results);
    free(reads);
}

/* Messages of very many lanes that came in turn share segments: each is read once for all. */
static void a_segment_is_read_once_for_all_lanes(void **state)
{
    struct fixture *f = *state;
    enum { lanes = 50, of_each = 40, body_bytes = 1000 };
    commit_queues(f, 1, lanes);
    for (int i = 0; i < of_each; i++) {
        struct store_batch *batch = store_batch_new(2);
        for (uint64_t lane = 1; lane <= lanes; lane++)
            add_insert(f, batch, lane, body_bytes);
        commit(f, batch);
    }
    check_read_together(f, lanes, of_each); /* the places are in memory */
    reopen(f);
    check_read_together(f, lanes, of_each);
    check_messages(f);
}

static void read_of_delays_keeps_to_its_bounds(void **state)
{
    struct fixture *f = *state;
    commit_shelf(f, 1);
    commit_delays(f, 1, 1, 100, 1000);
    struct store_read read = {
        .kind = STORE_READ_DELAYS, .lane = 1, .count_max = 7, .bytes_max = 1 << 20};
    struct store_read_result *result = store_read(f->store, &read);
    assert_int_equal(result->count, 7);
    assert_false(result->is_complete);
    store_read_result_free(result);
    read.count_max = 100;
    result = store_read(f->store, &read);
    assert_int_equal(result->count, 100);
    assert_true(result->is_complete);
    read.due_ms = result->rows[98].expiry_ms;
    read.first = result->rows[98].position + 1;
    store_read_result_free(result);
    result = store_read(f->store, &read);
    assert_int_equal(result->count, 1);
    assert_true(result->is_complete);
    store_read_result_free(result);
    read.due_ms = 0, read.first = 0, read.bytes_max = 5000;
    result = store_read(f->store, &read);
    assert_in_range(result->count, 3, 5);
    assert_false(result->is_complete);
    store_read_result_free(result);
    read.lane = 77;
    result = store_read(f->store, &read);
    assert_int_equal(result->count, 0);
    assert_true(result->is_complete);
    store_read_result_free(result);
}

/* As the broker goes through them: each request goes on where the last one ended, what was read is
 * removed, and others come that are due later, in any order. */
static void delays_are_read_on_while_others_come(void **state)
{
    struct fixture *f = *state;
    struct store_read read = {
        .kind = STORE_READ_DELAYS, .lane = 1, .count_max = 9, .bytes_max = 1 << 20};
    uint64_t id = 1, read_count = 0;
    commit_shelf(f, 1);
    for (int round = 0; round < 400; round++) {
        struct store_batch *batch = store_batch_new(2);
        for (uint64_t i = model_below(&f->random, round < 200 ? 16 : 4); i > 0; i--) {
            model_add_delay(batch, 1, id, read.due_ms + 1 + model_below(&f->random, 5000),
                            model_message(&f->random, 10));
            id += 1 + model_below(&f->random, 2) * 5000;
        }
        commit(f, batch);
        const struct model_shelf *shelf = &f->model->shelves[0];
        size_t wanted = shelf->count < read.count_max ? shelf->count : read.count_max;
        struct store_read_result *result = store_read(f->store, &read);
        assert_non_null(result);
        assert_int_equal(result->count, wanted);
        assert_int_equal(result->is_complete, wanted == shelf->count);
        batch = store_batch_new(2);
        for (size_t i = 0; i < result->count; i++) {
            const struct store_row *row = &result->rows[i];
            assert_int_equal(row->position, shelf->delays[i].position);
            assert_int_equal(row->expiry_ms, shelf->delays[i].expiry_ms);
            model_add_delay_remove(batch, 1, row->position, row->expiry_ms);
            read.due_ms = row->expiry_ms;
            read.first = row->position + 1;
        }
        read_count += result->count;
        store_read_result_free(result);
        commit(f, batch);
    }
    assert_true(read_count > 1000);
    check_messages(f);
}

/* A deletion is a mark; the rows follow in slices that no commit notices. */
static void what_an_exchange_leaves_goes_in_slices(void **state)
{
    struct fixture *f = *state;
    enum { delays = 20000, keys = 5000 };
    commit_queues(f, 1, 1);
    commit_shelf(f, 2);
    commit_shelf(f, 3);
    for (uint64_t i = 0; i < delays / 1000; i++)
        commit_delays(f, 2, 1 + i * 1000, 1000, 200);
    commit_delays(f, 3, 1, 10, 200);
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t i = 0; i < keys; i++)
        model_add_key(batch, 2, delays + 1 + i, "key");
    commit(f, batch);
    batch = store_batch_new(2);
    model_add_shelf_delete(batch, 2);
    commit(f, batch);
    assert_in_range(figures_of(f).rows_debt, delays + keys - 600, delays + keys);
    assert_int_equal(figures_of(f).delays, 10);
    reopen_after_crash(f); /* what is left is known again */
    check_equal(f);
    assert_in_range(figures_of(f).rows_debt, delays + keys - 600, delays + keys);
    uint64_t debt = figures_of(f).rows_debt;
    commit_inserts(f, 1, 1, 10);
    assert_in_range(debt - figures_of(f).rows_debt, 1, 300);
    maintain_all(f);
    assert_int_equal(figures_of(f).rows_debt, 0);
    assert_int_equal(count_rows(f, "delay"), 10);
    assert_int_equal(count_rows(f, "dedup"), 0);
    assert_int_equal(count_rows(f, "shelf"), 1);
    reopen(f);
    check_equal(f);
}

static void keys_come_back_in_their_order(void **state)
{
    struct fixture *f = *state;
    commit_shelf(f, 1);
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t i = 1; i <= 300; i++)
        model_add_key(batch, 1, i, i % 2 ? "" : "some key");
    model_add_key_remove(batch, 1, 1, 100);
    model_add_key_remove(batch, 1, 250, 1);
    commit(f, batch);
    reopen_after_crash(f);
    check_equal(f);
    uint64_t last = 0, found = 0;
    for (size_t i = 0; i < f->opened.definitions->count; i++) {
        const struct store_operation *key = &f->opened.definitions->operations[i];
        if (key->kind != STORE_DEDUP_PUT)
            continue;
        assert_true(key->position > last);
        last = key->position;
        found++;
    }
    assert_int_equal(found, 199);
    assert_int_equal(f->opened.delays[0].end, 301);
}

/* --- the mapping leaves memory and comes back */

static void commit_mixed_sizes(struct fixture *f, int batches)
{
    for (int i = 0; i < batches; i++) {
        struct store_batch *batch = store_batch_new(2);
        for (size_t n = 0; n < 40; n++)
            add_insert(f, batch, 1, n % 2 * 7 + (size_t)i % 5);
        commit(f, batch);
    }
}

static void chunks_are_written_and_read_again(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 1);
    commit_mixed_sizes(f, 300); /* every message is a run: 12,000 runs, 46 chunks */
    reopen(f);
    assert_int_equal(figures_of(f).mapping_bytes, 0);
    check_equal(f);
    commit_remove(f, 1, 1, 100);
    commit_remove(f, 1, 5000, 3);
    assert_in_range(figures_of(f).mapping_bytes, 1, 4 * 512 * 32);
    check_messages(f);
    commit_remove(f, 1, 200, 9000); /* over many chunks that only the file holds */
    assert_true(figures_of(f).mapping_bytes < 6 * 512 * 32);
    reopen_after_crash(f);
    check_equal(f);
    commit_remove(f, 1, 0, UINT64_MAX);
    reopen_after_crash(f);
    check_equal(f);
    assert_int_equal(f->opened.lanes[0].count, 0);
}

static void scattered_acks_are_remembered(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 1);
    commit_inserts(f, 1, 4000, 16);
    for (int i = 0; i < 20; i++) {
        struct store_batch *batch = store_batch_new(2);
        for (int n = 0; n < 90; n++)
            model_add_remove(batch, 1, 1 + model_below(&f->random, 4000), 1);
        commit(f, batch);
    }
    check_messages(f);
    reopen_after_crash(f);
    check_equal(f);
    reopen(f);
    check_equal(f);
}

static void journal_stays_short(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 3);
    for (int i = 0; i < 3000; i++) {
        commit_inserts(f, 1 + (uint64_t)i % 3, 1, 8);
        if (i % 4 == 0)
            commit_remove(f, 1 + (uint64_t)i % 3, 1, (uint64_t)i / 8);
    }
    assert_true(figures_of(f).journal_rows < 1200);
    reopen_after_crash(f);
    check_equal(f);
}

/* --- space */

/* SQLite's memory, all connections together: a new file, and one that was there. */
static void memory_does_not_grow_with_what_is_written(void **state)
{
    const size_t body_bytes = 16 << 10, count = 256, batches = 24; /* 96 MiB */
    struct fixture *f = *state;
    commit_queues(f, 1, 1);
    for (int times = 0; times < 2; times++) {
        for (size_t i = 0; i < batches; i++)
            commit_inserts(f, 1, count, body_bytes);
        assert_in_range(sqlite3_memory_used(), 0, 32 << 20);
        reopen(f);
    }
}

/* Nor does the memory of places, where very many lanes are in use and none rests. */
static void places_of_very_many_lanes_leave_memory(void **state)
{
    enum { LANES = 4000, BATCHES = 600, OF_A_BATCH = 1000 };
    struct fixture *f = *state;
    commit_queues(f, 1, LANES);
    for (uint64_t i = 0; i < BATCHES; i++) {
        struct store_batch *batch = store_batch_new(2);
        for (uint64_t j = 0; j < OF_A_BATCH; j++)
            add_insert(f, batch, 1 + (i * OF_A_BATCH + j) % LANES, 8);
        commit(f, batch);
    }
    assert_in_range(figures_of(f).mapping_bytes, 1, 20 << 20);
    for (uint64_t lane = 1; lane <= LANES; lane += 3)
        commit_remove(f, lane, lane % 50, 20);
    check_messages(f);
    reopen_after_crash(f);
    check_equal(f);
}

static void everything_removed_gives_the_space_back(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 2);
    for (int i = 0; i < 40; i++)
        commit_inserts(f, 1 + (uint64_t)i % 2, 250, 2000);
    assert_int_equal(store_checkpoint(f->store), STORE_OK);
    uint64_t full_bytes = figures_of(f).file_bytes;
    assert_true(full_bytes > 18 << 20);
    commit_remove(f, 1, 0, UINT64_MAX);
    struct store_batch *batch = store_batch_new(2);
    model_add_queue_delete(batch, 2);
    commit(f, batch);
    assert_int_equal(figures_of(f).messages_live, 0);
    maintain_all(f);
    struct store_figures figures = figures_of(f);
    assert_int_equal(figures.segments, 0);
    assert_int_equal(figures.messages_debt, 0);
    reopen(f);
    check_equal(f);
    assert_true(figures_of(f).file_bytes < full_bytes / 3);
}

static void sparse_segments_are_moved_together(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 2);
    for (int i = 0; i < 60; i++)
        commit_inserts(f, 1 + (uint64_t)i % 2, 1000, 16);
    for (uint64_t lane = 1; lane <= 2; lane++) {
        struct store_batch *batch = store_batch_new(2);
        for (uint64_t i = 0; i < 300; i++)
            model_add_remove(batch, lane, 1 + i * 100, 99);
        commit(f, batch);
    }
    uint64_t segments = figures_of(f).segments;
    maintain_all(f);
    assert_true(figures_of(f).messages_moved > 0);
    assert_true(figures_of(f).segments < segments / 2);
    check_messages(f);
    reopen_after_crash(f);
    check_equal(f);
    commit_inserts(f, 1, 10, 16);
    commit_remove(f, 1, 0, 5000);
    reopen(f);
    check_equal(f);
}

static void commits_alone_bound_the_debt(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 1);
    for (int i = 0; i < 150; i++) {
        struct store_batch *batch = store_batch_new(2);
        uint64_t first = f->positions[1];
        for (int n = 0; n < 200; n++)
            add_insert(f, batch, 1, 3000);
        commit(f, batch);
        commit_remove(f, 1, first, 200);
    }
    assert_true(figures_of(f).segments_empty < 200);
}

/* A page that becomes free is noted, not written: deleting would cost as much as filling did. */
static void deleting_writes_little(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 1);
    for (int i = 0; i < 32; i++)
        commit_inserts(f, 1, 250, 2000);
    reopen(f);
    assert_int_equal(figures_of(f).wal_bytes, 0);
    commit_remove(f, 1, 0, UINT64_MAX);
    bool more = true;
    for (int slices = 0; more; slices++) {
        assert_true(slices < 10000);
        assert_int_equal(store_maintain(f->store, false, &more), STORE_OK);
    }
    assert_int_equal(figures_of(f).segments, 0);
    assert_true(figures_of(f).wal_bytes < 4 << 20);
}

static void commit_log_of(struct fixture *f, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes / 500000; i++)
        commit_inserts(f, 1, 250, 2000);
}

/* A log that begins again has nothing that was copied, however much that was of the one before. */
static void log_that_begins_again_is_copied_like_the_first(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 1);
    commit_log_of(f, 24 << 20);
    assert_true(store_wants_checkpoint(f->store));
    assert_int_equal(store_checkpoint(f->store), STORE_OK);
    assert_false(store_wants_checkpoint(f->store));
    commit_log_of(f, 12 << 20);
    assert_in_range(figures_of(f).wal_bytes, 24 << 20, 30 << 20);
    assert_true(store_wants_checkpoint(f->store));
    assert_int_equal(store_checkpoint(f->store), STORE_OK);
    assert_false(store_wants_checkpoint(f->store));
    check_messages(f);
}

/* --- the reserve */

/* Then nothing is kept for acks, and nobody has to wait for it to be filled. */
static void where_no_reserve_can_be_made_there_is_space(void **state)
{
    struct fixture *f = *state;
    char path[4096];
    shut(f);
    snprintf(path, sizeof path, "%s/reserve", f->folder);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    must_open(f);
    commit_queues(f, 1, 1);
    assert_false(store_is_short_of_space(f->store));
    maintain_all(f);
    assert_false(store_is_short_of_space(f->store));
    assert_int_equal(rmdir(path), 0);
}

/* --- files of earlier versions */

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size + 1);
    assert_int_equal(fread(data, 1, *size, file), *size);
    fclose(file);
    return data;
}

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

/* The files in tests/data were written with this, each by the first program with its version; see
 * make_kept_file below. */
static struct message *kept_message(uint64_t lane, uint64_t position)
{
    char body[80];
    snprintf(body, sizeof body, "message %u of lane %u%*s", (unsigned)position, (unsigned)lane,
             (int)(position % 7), "");
    static const uint8_t properties[] = {0x10, 0x00, 0x02}; /* delivery_mode 2 */
    struct message *message =
        message_new(bytes_of_text("exchange"), bytes_of_text("a.b"),
                    bytes_of(properties, sizeof properties), bytes_of_text(body));
    message->is_persistent = position % 2 == 0;
    return message;
}

static void add_kept_definition(struct store_batch *batch, uint8_t kind, const char *name,
                                const char *type, const char *destination)
{
    struct store_definition definition = {
        .name = bytes_of_text(name),
        .type = bytes_of_text(type),
        .destination = bytes_of_text(destination),
        .routing_key = bytes_of_text(kind == STORE_BINDING_PUT ? "a.*" : ""),
        .internal = kind == STORE_EXCHANGE_PUT,
    };
    store_batch_add(batch, (struct store_operation){
                               .kind = kind, .definition = store_definition_copy(&definition)});
}

static void fill_kept_definitions(struct fixture *f)
{
    struct store_batch *batch = store_batch_new(2);
    add_kept_definition(batch, STORE_EXCHANGE_PUT, "exchange", "topic", "");
    add_kept_definition(batch, STORE_EXCHANGE_PUT, "other", "fanout", "");
    for (uint64_t lane = 1; lane <= 4; lane++)
        model_add_queue(batch, lane);
    add_kept_definition(batch, STORE_BINDING_PUT, "exchange", "", "queue 1");
    add_kept_definition(batch, STORE_BINDING_PUT, "exchange", "", "queue 2");
    add_kept_definition(batch, STORE_BINDING_PUT, "other", "", "queue 3");
    add_kept_definition(batch, STORE_BINDING_DELETE, "other", "", "queue 3");
    commit(f, batch);
}

static void fill_kept(struct fixture *f)
{
    fill_kept_definitions(f);
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t position = 1; position <= 40; position++) {
        struct message *shared = kept_message(1, position);
        model_add_insert(batch, 1, position, shared);
        model_add_insert(batch, 2, position, message_ref(shared));
        model_add_insert(batch, 3 + position % 2, position, kept_message(3, position));
    }
    commit(f, batch);
    batch = store_batch_new(2);
    model_add_remove(batch, 1, 1, 12);
    model_add_remove(batch, 1, 20, 1);
    model_add_remove(batch, 3, 0, 100);
    model_add_queue_delete(batch, 4);
    store_batch_add(batch,
                    (struct store_operation){.kind = STORE_DELIVERED, .lane = 2, .position = 17});
    commit(f, batch);
    for (uint64_t position = 41; position <= 43; position++) {
        batch = store_batch_new(2);
        model_add_insert(batch, 2, position, kept_message(2, position));
        commit(f, batch);
    }
}

static void add_kept_step(struct store_batch *batch, uint64_t step, uint64_t *ends)
{
    for (uint64_t i = 0; i < 4; i++) {
        uint64_t lane = 1 + (step + i * i) % 3;
        model_add_insert(batch, lane, ends[lane], kept_message(lane, ends[lane]));
        ends[lane]++;
    }
    if (step % 7 == 3)
        model_add_remove(batch, 1, 1 + step * 2 / 3, 3);
    if (step % 5 == 1)
        model_add_remove(batch, 2, 1, step / 2);
    if (step % 11 == 5)
        store_batch_add(
            batch, (struct store_operation){.kind = STORE_DELIVERED, .lane = 3, .position = step});
}

/* Long enough for everything that a file can hold: chunks, counts, rows that are behind the
 * journal.
 */
static void fill_kept_life(struct fixture *f)
{
    uint64_t ends[4] = {1, 1, 1, 1};
    fill_kept_definitions(f);
    for (uint64_t step = 0; step < 300; step++) {
        struct store_batch *batch = store_batch_new(2);
        add_kept_step(batch, step, ends);
        commit(f, batch);
    }
}

/* What version 2 can hold beside what version 1 could. */
static void fill_kept_version_2(struct fixture *f)
{
    uint64_t first = f->model->lane_next;
    struct store_batch *batch = store_batch_new(2);
    model_add_queue_of(batch, first, 256);
    model_add_insert(batch, first, 1, kept_message(first, 1));
    model_add_insert(batch, first + 255, 1, kept_message(first + 255, 1));
    model_add_attempts(batch, first + 255, 1, 3);
    model_add_attempts(batch, 2, 5, 65535);
    for (uint64_t shelf = first + 256; shelf < first + 259; shelf++) {
        model_add_shelf(batch, shelf);
        for (uint64_t id = 1; id <= 20; id++)
            model_add_delay(batch, shelf, id, 5000 + id * 7 % 10, kept_message(shelf, id));
        for (uint64_t position = 21; position <= 30; position++)
            model_add_key(batch, shelf, position, position % 2 ? "a key" : "another");
    }
    commit(f, batch);
    batch = store_batch_new(2);
    model_add_delay_remove(batch, first + 256, 10, 5000);
    model_add_key_remove(batch, first + 256, 21, 3);
    model_add_shelf_delete(batch, first + 257);
    commit(f, batch);
}

/* What version 3 can hold beside what version 2 could. */
static void fill_kept_version_3(struct fixture *f)
{
    uint64_t first = f->model->lane_next;
    struct store_batch *batch = store_batch_new(2);
    model_add_queue_of(batch, first, 3);
    for (uint64_t position = 1; position <= 50; position++)
        model_add_insert_of(batch, first + position % 2, position,
                            kept_message(first + position % 2, position),
                            position % 7 == 0 ? "" : "a value");
    model_add_insert(batch, first, 60, kept_message(first, 60));
    commit(f, batch);
    batch = store_batch_new(2);
    model_add_remove(batch, first, 1, 20);
    commit(f, batch);
}

static uint32_t version_of_file(const char *folder)
{
    char path[4096];
    size_t size;
    path_in(path, sizeof path, folder);
    uint8_t *data = read_file(path, &size);
    uint32_t version = (uint32_t)data[62] << 8 | data[63];
    free(data);
    return version;
}

static void copy_kept(const char *name, const char *folder)
{
    const char *source = getenv("srcdir");
    char kept[4096], path[4096];
    size_t size;
    snprintf(kept, sizeof kept, "%s/tests/data/%s", source != NULL ? source : ".", name);
    path_in(path, sizeof path, folder);
    uint8_t *data = read_file(kept, &size);
    write_file(path, data, size);
    free(data);
}

/* The model was filled by a store of today; the file of then must hold the same, and go on. */
static void check_kept(struct fixture *f, const char *name)
{
    shut(f);
    copy_kept(name, f->folder);
    must_open(f);
    check_equal(f);
    shut(f);
    assert_int_equal(version_of_file(f->folder), 3);
    must_open(f);
    check_equal(f);
    fill_kept_version_2(f);
    fill_kept_version_3(f);
    for (int i = 0; i < 5; i++)
        commit(f, model_random_batch(f->model, &f->random, 8));
    maintain_all(f);
    reopen_after_crash(f);
    check_equal(f);
    reopen(f);
    check_equal(f);
}

/* Version 1 made a queue's lane with the queue. */
static void use_all_lanes(struct model *model)
{
    for (size_t i = 0; i < model->lane_count; i++)
        model->lanes[i].is_used = true;
}

static void file_of_version_1_is_brought_up_to_date(void **state)
{
    struct fixture *f = *state;
    fill_kept(f);
    use_all_lanes(f->model);
    check_kept(f, "messages-v1.db");
}

static void file_of_version_1_that_nobody_closed(void **state)
{
    struct fixture *f = *state;
    fill_kept_life(f);
    use_all_lanes(f->model);
    check_kept(f, "messages-v1-killed.db");
}

static void file_of_version_2_is_read(void **state)
{
    struct fixture *f = *state;
    fill_kept(f);
    fill_kept_version_2(f);
    check_kept(f, "messages-v2.db");
}

static void file_of_version_2_that_nobody_closed(void **state)
{
    struct fixture *f = *state;
    fill_kept_life(f);
    fill_kept_version_2(f);
    check_kept(f, "messages-v2-killed.db");
}

static void file_of_version_3_is_read(void **state)
{
    struct fixture *f = *state;
    fill_kept(f);
    fill_kept_version_2(f);
    fill_kept_version_3(f);
    check_kept(f, "messages-v3.db");
}

static void file_of_version_3_that_nobody_closed(void **state)
{
    struct fixture *f = *state;
    fill_kept_life(f);
    fill_kept_version_2(f);
    fill_kept_version_3(f);
    check_kept(f, "messages-v3-killed.db");
}

static void execute_in(const char *folder, const char *sql)
{
    char path[4096];
    sqlite3 *db;
    path_in(path, sizeof path, folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void keep_file(const char *folder, const char *target)
{
    char path[4096];
    size_t size;
    path_in(path, sizeof path, folder);
    uint8_t *data = read_file(path, &size);
    write_file(target, data, size);
    free(data);
}

/* Run once for each released format: test_store --make-kept-file FILE, and --make-killed-file FILE
 * for what is left of a process that was killed, in one file. */
static int make_kept_file(const char *target, bool is_killed)
{
    void *state = NULL;
    set_up(&state);
    struct fixture *f = state;
    if (is_killed) {
        fill_kept_life(f);
        fill_kept_version_2(f);
        fill_kept_version_3(f);
        char *copy = model_folder_new();
        model_folder_copy(f->folder, copy);
        execute_in(copy, "PRAGMA wal_checkpoint(TRUNCATE)");
        keep_file(copy, target);
        model_folder_free(copy);
        return tear_down(&state);
    }
    fill_kept(f);
    fill_kept_version_2(f);
    fill_kept_version_3(f);
    shut(f);
    keep_file(f->folder, target);
    must_open(f);
    return tear_down(&state);
}

/* --- a random life */

static void live(struct fixture *f, uint64_t seed, int rounds)
{
    f->random = seed;
    f->model->has_spills = seed % 2 == 0;
    for (int i = 0; i < rounds; i++) {
        bool more;
        commit(f, model_random_batch(f->model, &f->random, 1 + model_below(&f->random, 8)));
        if (model_below(&f->random, 8) == 0)
            assert_int_equal(store_maintain(f->store, model_below(&f->random, 2), &more), STORE_OK);
        if (model_below(&f->random, 15) == 0)
            assert_int_equal(store_checkpoint(f->store), STORE_OK);
        if (model_below(&f->random, 25) == 0)
            check_messages(f);
        if (model_below(&f->random, 30) != 0)
            continue;
        if (model_below(&f->random, 2))
            reopen(f);
        else
            reopen_after_crash(f);
        check_equal(f);
    }
    reopen(f);
    check_equal(f);
}

static void random_lives_equal_the_model(void **state)
{
    uint64_t first = 1, count = 4;
    if (getenv("STORE_SEED") != NULL)
        first = strtoull(getenv("STORE_SEED"), NULL, 10), count = 1;
    for (uint64_t seed = first; seed < first + count; seed++) {
        print_message("seed %llu (STORE_SEED repeats it)\n", (unsigned long long)seed);
        tear_down(state);
        set_up(state);
        live(*state, seed, 160);
    }
}

/* --- a reader beside the writer */

struct beside {
    struct fixture *fixture;
    _Atomic uint64_t committed; /* positions below are there */
    _Atomic uint64_t removed;   /* positions below may be gone */
    _Atomic bool is_done;
    uint64_t read;
    const char *failure;
};

static void *read_beside(void *argument)
{
    struct beside *beside = argument;
    uint64_t random = 5;
    while (!atomic_load(&beside->is_done) && beside->failure == NULL) {
        uint64_t end = atomic_load(&beside->committed);
        uint64_t first = 1 + model_below(&random, end);
        struct store_read read = {
            .lane = 1, .first = first, .end = end, .count_max = 50, .bytes_max = 1 << 20};
        struct store_read_result *result = store_read(beside->fixture->store, &read);
        uint64_t removed = atomic_load(&beside->removed);
        if (result == NULL) {
            beside->failure = store_error(beside->fixture->store);
            break;
        }
        uint64_t wanted = first > removed ? first : removed;
        for (size_t i = 0; i < result->count; i++) {
            if (result->rows[i].position > wanted && wanted >= removed)
                beside->failure = "a message is missing";
            wanted = result->rows[i].position + 1;
        }
        if (result->is_complete && wanted < end && first >= removed)
            beside->failure = "messages are missing at the end";
        beside->read += result->count;
        store_read_result_free(result);
    }
    return NULL;
}

static void reader_beside_the_writer_misses_nothing(void **state)
{
    struct fixture *f = *state;
    struct beside beside = {.fixture = f};
    pthread_t thread;
    bool more;
    atomic_store(&beside.committed, 1);
    atomic_store(&beside.removed, 1);
    commit_queues(f, 1, 1);
    assert_int_equal(pthread_create(&thread, NULL, read_beside, &beside), 0);
    for (uint64_t i = 0; i < 300; i++) {
        commit_inserts(f, 1, 50, i % 50);
        atomic_store(&beside.committed, f->positions[1]);
        if (i % 10 == 9) {
            uint64_t head = f->positions[1] - 300;
            atomic_store(&beside.removed, head);
            commit_remove(f, 1, 0, head);
            assert_int_equal(store_maintain(f->store, true, &more), STORE_OK);
            assert_int_equal(store_checkpoint(f->store), STORE_OK);
        }
    }
    atomic_store(&beside.is_done, true);
    pthread_join(thread, NULL);
    if (beside.failure != NULL)
        fail_msg("%s", beside.failure);
    assert_true(beside.read > 0);
}

/* --- a reader beside a writer that removes */

/* Looks at what was removed before it began. */
static void *read_removed(void *argument)
{
    struct beside *beside = argument;
    while (!atomic_load(&beside->is_done) && beside->failure == NULL) {
        uint64_t gone = atomic_load(&beside->removed);
        struct store_read read = {
            .lane = 1, .first = 0, .end = gone + 200, .count_max = 500, .bytes_max = 1 << 20};
        struct store_read_result *result = store_read(beside->fixture->store, &read);
        if (result == NULL) {
            beside->failure = store_error(beside->fixture->store);
            break;
        }
        if (result->count > 0 && result->rows[0].position < gone)
            beside->failure = "a message that was removed is there again";
        beside->read += result->count;
        store_read_result_free(result);
    }
    return NULL;
}

/* Two lanes that alternate, message by message, have many places, which are written in chunks and
 * taken back while the reader looks. */
static void commit_alternating(struct fixture *f, size_t count)
{
    struct store_batch *batch = store_batch_new(2);
    for (size_t i = 0; i < count; i++) {
        add_insert(f, batch, 1, i % 50);
        add_insert(f, batch, 2, i % 50);
    }
    commit(f, batch);
}

static void reader_beside_the_writer_sees_nothing_removed(void **state)
{
    struct fixture *f = *state;
    struct beside beside = {.fixture = f};
    uint64_t head = 0;
    pthread_t thread;
    atomic_store(&beside.removed, 0);
    commit_queues(f, 1, 2);
    commit_alternating(f, 20000);
    assert_int_equal(pthread_create(&thread, NULL, read_removed, &beside), 0);
    for (uint64_t i = 0; i < 1500; i++) {
        commit_alternating(f, 60);
        commit_remove(f, 1, head, 61);
        head += 61;
        atomic_store(&beside.removed, head);
    }
    atomic_store(&beside.is_done, true);
    pthread_join(thread, NULL);
    if (beside.failure != NULL)
        fail_msg("%s", beside.failure);
    assert_true(beside.read > 0);
}

/* --- damage, strangers, versions */

/* Opening must be refused with this in the reason, and the file left as it is. */
static void check_refused(const uint8_t *data, size_t size, const char *expected)
{
    char *folder = model_folder_new();
    char path[4096], reason[512] = "";
    struct store_opened opened;
    size_t size_after;
    path_in(path, sizeof path, folder);
    write_file(path, data, size);
    struct store *store = store_open(folder, &opened, reason, sizeof reason);
    assert_null(store);
    if (strstr(reason, expected) == NULL || strstr(reason, path) == NULL)
        fail_msg("'%s' does not say '%s'", reason, expected);
    uint8_t *after = read_file(path, &size_after);
    assert_int_equal(size_after, size);
    assert_memory_equal(after, data, size);
    free(after);
    model_folder_free(folder);
}

/* The reserve is made after the file, so that there was one. */
static void store_that_was_lost_is_not_begun_anew(void **state)
{
    char path[4096], reserve[4096], reason[512] = "";
    (void)state;
    struct store_opened opened;
    char *folder = model_folder_new();
    snprintf(reserve, sizeof reserve, "%s/reserve", folder);
    path_in(path, sizeof path, folder);
    write_file(reserve, (const uint8_t *)"", 0);
    assert_null(store_open(folder, &opened, reason, sizeof reason));
    assert_non_null(strstr(reason, "messages.db is gone"));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(unlink(reserve), 0);
    struct store *store = store_open(folder, &opened, reason, sizeof reason);
    assert_non_null(store);
    store_opened_fini(&opened);
    store_close(store);
    model_folder_free(folder);
}

static void foreign_and_newer_files_are_refused(void **state)
{
    struct fixture *f = *state;
    char path[4096];
    size_t size;
    shut(f);
    path_in(path, sizeof path, f->folder);
    uint8_t *data = read_file(path, &size);
    check_refused((const uint8_t *)"a letter to somebody", 20, "not a SQLite file");
    check_refused(data, 60, "not a SQLite file");
    data[63]++;
    check_refused(data, size, "newer version");
    data[63]--, data[70] ^= 1;
    check_refused(data, size, "not a file of ours");
    free(data);
    must_open(f);
}

enum verdict { REFUSED, FAILED, EQUAL, WRONG };

static enum verdict judge(struct fixture *f, const char *folder)
{
    char reason[512] = "";
    struct store_opened opened;
    struct store *store = store_open(folder, &opened, reason, sizeof reason);
    if (store == NULL) {
        assert_true(reason[0] != '\0');
        return REFUSED;
    }
    bool equal = model_would_equal(f->model, &opened, store, &f->random);
    enum verdict verdict = equal ? EQUAL : store_error(store)[0] != '\0' ? FAILED : WRONG;
    store_close(store);
    store_opened_fini(&opened);
    return verdict;
}

static void flip_and_judge(struct fixture *f, uint8_t *data, size_t size, int *verdicts)
{
    char *folder = model_folder_new();
    char path[4096];
    size_t at = model_below(&f->random, size), size_after;
    uint8_t bit = (uint8_t)(1 << model_below(&f->random, 8));
    path_in(path, sizeof path, folder);
    data[at] ^= bit;
    write_file(path, data, size);
    enum verdict verdict = judge(f, folder);
    if (verdict == WRONG)
        fail_msg("bit %u of byte %zu makes wrong data", bit, at);
    if (verdict == REFUSED) {
        uint8_t *after = read_file(path, &size_after);
        assert_int_equal(size_after, size);
        assert_memory_equal(after, data, size);
        free(after);
    }
    verdicts[verdict]++;
    data[at] ^= bit;
    model_folder_free(folder);
}

static void flipped_bits_are_found_out(void **state)
{
    struct fixture *f = *state;
    char path[4096];
    size_t size;
    int verdicts[4] = {0};
    for (int i = 0; i < 30; i++)
        commit(f, model_random_batch(f->model, &f->random, 8));
    shut(f);
    path_in(path, sizeof path, f->folder);
    uint8_t *data = read_file(path, &size);
    for (int i = 0; i < 400; i++)
        flip_and_judge(f, data, size, verdicts);
    free(data);
    print_message("refused %d, failed %d, unharmed %d\n", verdicts[REFUSED], verdicts[FAILED],
                  verdicts[EQUAL]);
    assert_true(verdicts[FAILED] > 0 && verdicts[REFUSED] > 0);
    must_open(f);
    check_equal(f);
}

/* The new tables come with the transaction in which all of the file was read, or not at all. */
static void damaged_file_of_version_1_stays_as_it_is(void **state)
{
    struct fixture *f = *state;
    char path[4096];
    size_t size;
    int verdicts[4] = {0};
    fill_kept_life(f);
    use_all_lanes(f->model);
    shut(f);
    copy_kept("messages-v1-killed.db", f->folder);
    path_in(path, sizeof path, f->folder);
    uint8_t *data = read_file(path, &size);
    for (int i = 0; i < 300; i++)
        flip_and_judge(f, data, size, verdicts);
    free(data);
    assert_true(verdicts[FAILED] > 0 && verdicts[REFUSED] > 0);
    must_open(f);
    check_equal(f);
}

static void damaged_store_does_no_more(void **state)
{
    struct fixture *f = *state;
    char path[4096];
    sqlite3 *db;
    commit_queues(f, 1, 1);
    commit_inserts(f, 1, 5, 100);
    path_in(path, sizeof path, f->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE segment SET data=zeroblob(length(data))", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    struct store_read read = {.lane = 1, .first = 1, .end = 6, .count_max = 9, .bytes_max = 9999};
    assert_null(store_read(f->store, &read));
    assert_non_null(strstr(store_error(f->store), "damaged: the message at position 1 of lane 1"));
    struct store_batch *batch = store_batch_new(2);
    model_add_remove(batch, 1, 1, 1);
    assert_int_equal(store_commit(f->store, batch), STORE_FAILED);
    store_batch_free(batch);
    reopen(f);
    assert_int_equal(f->opened.lanes[0].count, 5);
}

/* Rows that are taken away, one kind after the other: at the latest whoever asks for them hears of
 * it. */
static void missing_rows_are_found_out(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *sql, *reason;
    } cases[] = {
        {"DELETE FROM lane WHERE id=2", "lanes"},
        {"DELETE FROM shelf WHERE id=5", "has no shelf"},
        {"DELETE FROM delay WHERE shelf=5", "no delays of exchange number 5"},
        {"DELETE FROM dedup WHERE shelf=6 AND position=2", "exchange number 6 lacks keys"},
        {"UPDATE dedup SET position=99 WHERE shelf=6 AND position=2", "a key of exchange number 6"},
        {"UPDATE shelf SET data=(SELECT data FROM shelf WHERE id=6) WHERE id=5", "number 5 keeps"},
        {"DELETE FROM definition WHERE kind=2 AND key=CAST('queue 3' AS BLOB)", "definitions are"},
    };
    commit_queues(f, 1, 4);
    for (uint64_t lane = 1; lane <= 4; lane++)
        commit_inserts(f, lane, 3, 10);
    commit_shelf(f, 5);
    commit_shelf(f, 6);
    commit_delays(f, 5, 1, 10, 10);
    struct store_batch *batch = store_batch_new(2);
    model_add_key(batch, 6, 1, "one");
    model_add_key(batch, 6, 2, "two");
    commit(f, batch);
    for (int i = 0; i < 40; i++) /* so that nothing stands in the journal as well */
        commit_attempts(f, 1, 1, 2);
    shut(f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *copy = model_folder_new();
        char reason[512] = "";
        struct store_opened opened;
        model_folder_copy(f->folder, copy);
        execute_in(copy, cases[i].sql);
        if (store_open(copy, &opened, reason, sizeof reason) != NULL)
            fail_msg("opened after %s", cases[i].sql);
        if (strstr(reason, cases[i].reason) == NULL)
            fail_msg("'%s' does not say '%s'", reason, cases[i].reason);
        model_folder_free(copy);
    }
    must_open(f);
    check_equal(f);
}

static void missing_delay_is_found_out(void **state)
{
    struct fixture *f = *state;
    commit_shelf(f, 1);
    commit_delays(f, 1, 1, 10, 10);
    shut(f);
    execute_in(f->folder, "DELETE FROM delay WHERE id=4");
    must_open(f);
    struct store_read read = {
        .kind = STORE_READ_DELAYS, .lane = 1, .count_max = 99, .bytes_max = 99999};
    assert_null(store_read(f->store, &read));
    assert_non_null(strstr(store_error(f->store), "what exchange number 1 keeps"));
    reopen(f);
    struct store_batch *batch = store_batch_new(2);
    model_add_delay_remove(batch, 1, 4, 100000 + 4 * 7919 % 1000);
    assert_int_equal(store_commit(f->store, batch), STORE_FAILED);
    assert_non_null(strstr(store_error(f->store), "no delay 4 of exchange number 1"));
    store_batch_free(batch);
}

static void damaged_delay_is_found_out(void **state)
{
    struct fixture *f = *state;
    commit_queues(f, 1, 1);
    commit_inserts(f, 1, 5, 10);
    commit_attempts(f, 1, 1, 6);
    commit_shelf(f, 2);
    commit_delays(f, 2, 1, 10, 10);
    shut(f);
    execute_in(f->folder, "UPDATE delay SET due=due+1000 WHERE id=4");
    execute_in(f->folder, "UPDATE attempt SET data=(SELECT data FROM attempt WHERE position=2)"
                          " WHERE position=3");
    must_open(f);
    struct store_read read = {
        .kind = STORE_READ_DELAYS, .lane = 2, .count_max = 99, .bytes_max = 99999};
    assert_null(store_read(f->store, &read));
    assert_non_null(strstr(store_error(f->store), "the delay 4 of exchange number 2"));
    reopen(f);
    read = (struct store_read){.lane = 1, .first = 1, .end = 6, .count_max = 99, .bytes_max = 9999};
    assert_null(store_read(f->store, &read));
    assert_non_null(strstr(store_error(f->store), "the attempts at position 3 of lane 1"));
}

/* Gives one row of a table, counted in the order of its key, other data. */
static void damage_one(const char *folder, const char *table, const char *data, int row)
{
    char path[4096], sql[512], key[64] = "rowid";
    sqlite3 *db;
    path_in(path, sizeof path, folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    static const char *const keys[][2] = {
        {"lane_chunk", "lane, key"}, {"attempt", "lane, position"}, {"dedup", "shelf, position"},
        {"value", "lane, position"}, {"delay", "shelf, due, id"},   {"definition", "kind, key"}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(table, keys[i][0]) == 0)
            snprintf(key, sizeof key, "%s", keys[i][1]);
    }
    snprintf(
        sql, sizeof sql,
        "UPDATE %s SET data=%s WHERE (%s) IN (SELECT %s FROM %s ORDER BY %s LIMIT 1 OFFSET %d)",
        table, data, key, key, table, key, row);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    if (sqlite3_changes(db) != 1)
        fail_msg("%s has no row %d", table, row);
    sqlite3_close(db);
}

/* Something of everything, so that each table has rows. */
static void fill_all_tables(struct fixture *f)
{
    commit_queues(f, 1, 2);
    commit_mixed_sizes(f, 60);
    assert_int_equal(store_checkpoint(f->store), STORE_OK);
    reopen(f);
    commit_inserts(f, 2, 20, 100);
    commit_attempts(f, 2, 1, 20);
    commit_values(f, 2, 20);
    commit_shelf(f, 5);
    commit_delays(f, 5, 1, 10, 10);
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t key = 1; key <= 9; key++)
        model_add_key(batch, 5, key, "key");
    commit(f, batch);
}

/* The first byte behind the checksum, and a row that is another one's: whoever reads either hears
 * of it, at the opening or later, and nobody is given what is wrong. */
static void changed_rows_of_every_table_are_found_out(void **state)
{
    struct fixture *f = *state;
    static const char *const tables[] = {"segment",       "journal",    "lane",    "lane_chunk",
                                         "segment_group", "definition", "attempt", "shelf",
                                         "delay",         "dedup",      "value"};
    static const char *const flipped =
        "CAST(substr(data,1,8) || CASE substr(data,9,1) WHEN x'5a' THEN x'a5' ELSE x'5a' END ||"
        " substr(data,10) AS BLOB)";
    static const char *const changes[] = {NULL, "substr(data,1,length(data)-1)", "x''"};
    fill_all_tables(f);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (size_t n = 0; n < sizeof changes / sizeof changes[0]; n++) {
            char *copy = model_folder_new();
            model_folder_copy(f->folder, copy);
            damage_one(copy, tables[i], changes[n] != NULL ? changes[n] : flipped, 0);
            enum verdict verdict = judge(f, copy);
            if (verdict != REFUSED && verdict != FAILED)
                fail_msg("%s, change %zu: %s", tables[i], n,
                         verdict == WRONG ? "wrong data" : "nobody noticed");
            model_folder_free(copy);
        }
    }
    reopen(f);
    check_equal(f);
}

/* The time that it takes goes with their number, not with its square. */
static void many_queues_are_shut_in_no_time(void **state)
{
    enum { queues = 100000, seconds_max = 3 };
    struct fixture *f = *state;
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t i = 1; i <= queues; i++)
        model_add_queue(batch, i);
    assert_int_equal(store_commit(f->store, batch), STORE_OK);
    store_batch_free(batch);
    clock_t before = clock();
    shut(f);
    assert_true(clock() - before < (clock_t)seconds_max * CLOCKS_PER_SEC);
}

#define fixture_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int count, char **arguments)
{
    if (count == 3 && strcmp(arguments[1], "--make-kept-file") == 0)
        return make_kept_file(arguments[2], false);
    if (count == 3 && strcmp(arguments[1], "--make-killed-file") == 0)
        return make_kept_file(arguments[2], true);
    const struct CMUnitTest tests[] = {
        fixture_test(new_store_is_empty),
        fixture_test(messages_come_back_as_they_were),
        fixture_test(body_of_another_message_is_written_with_the_letter),
        fixture_test(read_keeps_to_its_bounds),
        fixture_test(unknown_lane_has_nothing),
        fixture_test(many_queues_are_shut_in_no_time),
        fixture_test(lane_numbers_are_never_used_again),
        fixture_test(shared_message_stands_once),
        fixture_test(many_lanes_interleaved),
        fixture_test(lane_comes_with_its_first_use),
        fixture_test(attempts_are_counted_and_go_with_their_messages),
        fixture_test(values_come_and_go_with_their_messages),
        fixture_test(delays_come_back_in_the_order_in_which_they_are_due),
        fixture_test(a_segment_is_read_once_for_all_lanes),
        fixture_test(read_of_delays_keeps_to_its_bounds),
        fixture_test(delays_are_read_on_while_others_come),
        fixture_test(what_an_exchange_leaves_goes_in_slices),
        fixture_test(keys_come_back_in_their_order),
        fixture_test(chunks_are_written_and_read_again),
        fixture_test(scattered_acks_are_remembered),
        fixture_test(journal_stays_short),
        fixture_test(memory_does_not_grow_with_what_is_written),
        fixture_test(places_of_very_many_lanes_leave_memory),
        fixture_test(everything_removed_gives_the_space_back),
        fixture_test(sparse_segments_are_moved_together),
        fixture_test(commits_alone_bound_the_debt),
        fixture_test(deleting_writes_little),
        fixture_test(log_that_begins_again_is_copied_like_the_first),
        fixture_test(where_no_reserve_can_be_made_there_is_space),
        fixture_test(file_of_version_1_is_brought_up_to_date),
        fixture_test(file_of_version_1_that_nobody_closed),
        fixture_test(file_of_version_2_is_read),
        fixture_test(file_of_version_2_that_nobody_closed),
        fixture_test(file_of_version_3_is_read),
        fixture_test(file_of_version_3_that_nobody_closed),
        fixture_test(damaged_file_of_version_1_stays_as_it_is),
        fixture_test(random_lives_equal_the_model),
        fixture_test(reader_beside_the_writer_misses_nothing),
        fixture_test(reader_beside_the_writer_sees_nothing_removed),
        fixture_test(store_that_was_lost_is_not_begun_anew),
        fixture_test(foreign_and_newer_files_are_refused),
        fixture_test(flipped_bits_are_found_out),
        fixture_test(missing_rows_are_found_out),
        fixture_test(missing_delay_is_found_out),
        fixture_test(damaged_delay_is_found_out),
        fixture_test(changed_rows_of_every_table_are_found_out),
        fixture_test(damaged_store_does_no_more),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
