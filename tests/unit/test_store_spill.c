/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transient messages in the store: they are read, removed and forgotten as others are, beside
 * durable ones of the same lane, and are gone when the store is opened again. test_store has them
 * in its random lives, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "test_store_model.h"

enum { LANE = 1, QUEUE_LANES = 3 };

struct fixture {
    char *folder;
    struct store *store;
    struct store_opened opened;
    struct model *model;
    struct store_batch *batch; /* that is being gathered */
    uint64_t batches;
    uint64_t random;
};

static void must_open(struct fixture *f)
{
    char reason[512] = "";
    f->store = store_open(f->folder, &f->opened, reason, sizeof reason);
    if (f->store == NULL)
        fail_msg("%s", reason);
}

static void gather(struct fixture *f)
{
    f->batch = store_batch_new(STORE_BATCH_BEFORE + ++f->batches);
}

static void commit(struct fixture *f)
{
    if (store_commit(f->store, f->batch) != STORE_OK)
        fail_msg("%s", store_error(f->store));
    model_apply(f->model, f->batch);
    store_batch_free(f->batch);
    gather(f);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->folder = model_folder_new();
    f->model = model_new();
    f->random = 7;
    must_open(f);
    gather(f);
    model_add_queue_of(f->batch, LANE, QUEUE_LANES);
    commit(f);
    *state = f;
    return 0;
}

static void shut(struct fixture *f)
{
    store_close(f->store);
    store_opened_fini(&f->opened);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    shut(f);
    store_batch_free(f->batch);
    model_free(f->model);
    model_folder_free(f->folder);
    free(f);
    return 0;
}

static struct message *message(struct fixture *f)
{
    return model_message(&f->random, 100 + model_below(&f->random, 2000));
}

static void add_insert(struct fixture *f, uint64_t lane, uint64_t position)
{
    model_add_insert(f->batch, lane, position, message(f));
}

static void add_spill(struct fixture *f, uint64_t lane, uint64_t position)
{
    model_add_spill(f->batch, lane, position, message(f));
}

static void check(struct fixture *f)
{
    assert_true(model_equals_messages(f->model, f->store, &f->random));
}

static struct store_figures figures(const struct fixture *f)
{
    struct store_figures figures;
    store_figures(f->store, &figures);
    return figures;
}

static bool has_file(const struct fixture *f, const char *name)
{
    char path[4096];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    return stat(path, &status) == 0;
}

static void a_spilled_message_comes_back(void **state)
{
    struct fixture *f = *state;
    for (uint64_t position = 1; position <= 1000; position++)
        add_spill(f, LANE, position);
    commit(f);
    check(f);
    assert_int_equal(figures(f).messages_spilled, 1000);
    assert_int_equal(figures(f).messages_live, 0);
    assert_true(figures(f).spill_bytes > 0);
}

/* Positions alternate, and an answer that is cut short by one of the files is cut for both. */
static void one_lane_may_be_in_both_files(void **state)
{
    struct fixture *f = *state;
    for (uint64_t position = 1; position <= 2000; position += 2)
        add_insert(f, LANE, position);
    commit(f);
    for (uint64_t position = 2; position <= 2000; position += 2)
        add_spill(f, LANE, position);
    commit(f);
    for (int i = 0; i < 20; i++) /* with requests of random size */
        check(f);
    model_add_remove(f->batch, LANE, 100, 801);
    commit(f);
    check(f);
    assert_int_equal(figures(f).messages_spilled, 1000 - 401);
    assert_int_equal(figures(f).messages_live, 1000 - 400);
}

static void what_was_spilled_is_gone_when_the_store_is_opened_again(void **state)
{
    struct fixture *f = *state;
    for (uint64_t position = 1; position <= 100; position++) {
        if (position % 2 == 0)
            add_spill(f, LANE, position);
        else
            add_insert(f, LANE, position);
    }
    add_spill(f, STORE_SPILL_LANES + 1, 1);
    commit(f);
    assert_true(has_file(f, "spill.db"));
    shut(f);
    assert_false(has_file(f, "spill.db"));
    model_forget_spilled(f->model);
    must_open(f);
    check(f);
    assert_int_equal(f->opened.lane_count, 1);
    assert_int_equal(f->opened.lanes[0].count, 50);
}

static void a_crash_leaves_nothing_that_was_spilled(void **state)
{
    struct fixture *f = *state;
    char *copy = model_folder_new();
    add_insert(f, LANE, 1);
    add_spill(f, LANE, 2);
    commit(f);
    model_folder_copy(f->folder, copy);
    shut(f);
    model_folder_free(f->folder);
    f->folder = copy;
    assert_true(has_file(f, "spill.db"));
    must_open(f);
    assert_false(has_file(f, "spill.db"));
    model_forget_spilled(f->model);
    check(f);
    add_spill(f, LANE, 2); /* it would be another one */
    commit(f);
    check(f);
}

static void queues_that_are_not_durable_have_lanes_of_their_own(void **state)
{
    struct fixture *f = *state;
    for (uint64_t position = 1; position <= 300; position++) {
        add_spill(f, STORE_SPILL_LANES + 1, position);
        add_spill(f, STORE_SPILL_LANES + 257, position);
    }
    commit(f);
    check(f);
    model_add_remove(f->batch, STORE_SPILL_LANES + 1, 1, 299);
    commit(f);
    check(f);
    model_add_spill_forget(f->batch, STORE_SPILL_LANES + 257, 256);
    commit(f);
    check(f);
    assert_int_equal(figures(f).messages_spilled, 1);
}

static void a_forgotten_lane_leaves_its_space(void **state)
{
    struct fixture *f = *state;
    bool more = true;
    for (uint64_t position = 1; position <= 12000; position++)
        add_spill(f, LANE + 1, position);
    add_insert(f, LANE + 1, 12001);
    commit(f);
    uint64_t full = figures(f).spill_bytes;
    model_add_spill_forget(f->batch, LANE, QUEUE_LANES);
    commit(f);
    check(f);
    while (more)
        assert_int_equal(store_maintain(f->store, true, &more), STORE_OK);
    assert_true(figures(f).spill_bytes < full / 2);
    assert_int_equal(figures(f).messages_live, 1);
}

/* Spilled in one batch and forgotten in the same: a queue goes whose message is unacked. */
static void what_is_forgotten_at_once_is_never_there(void **state)
{
    struct fixture *f = *state;
    add_spill(f, LANE, 1);
    model_add_spill_forget(f->batch, LANE, QUEUE_LANES);
    commit(f);
    check(f);
    assert_int_equal(figures(f).messages_spilled, 0);
}

static uint64_t log_bytes(const struct fixture *f)
{
    char path[4096];
    struct stat status;
    snprintf(path, sizeof path, "%s/messages.db-wal", f->folder);
    return stat(path, &status) == 0 ? (uint64_t)status.st_size : 0;
}

static void nothing_is_synced_for_transient_messages_alone(void **state)
{
    struct fixture *f = *state;
    add_insert(f, LANE, 1);
    commit(f);
    uint64_t before = log_bytes(f);
    for (uint64_t position = 2; position < 50; position++) {
        add_spill(f, LANE + 1, position);
        commit(f);
    }
    model_add_remove(f->batch, LANE + 1, 2, 10);
    commit(f);
    check(f);
    assert_int_equal(log_bytes(f), before);
    assert_int_equal(figures(f).messages_spilled, 38);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_spilled_message_comes_back),
        TEST(one_lane_may_be_in_both_files),
        TEST(what_was_spilled_is_gone_when_the_store_is_opened_again),
        TEST(a_crash_leaves_nothing_that_was_spilled),
        TEST(queues_that_are_not_durable_have_lanes_of_their_own),
        TEST(a_forgotten_lane_leaves_its_space),
        TEST(what_is_forgotten_at_once_is_never_there),
        TEST(nothing_is_synced_for_transient_messages_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
