/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store dies at every write and every sync of a short run, in turn, and what had not been
 * synced is lost in whole or in part; the disk is full from every write on, in turn. Afterwards the
 * store must hold everything up to the last batch that it confirmed, and no more than the batch
 * after.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs those before it. */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/test_store_model.h"
#include "fault_vfs.h"

enum { batch_count = 16, run_seed = 77 };

struct run {
    char *folder;
    struct store *store;
    struct store_opened opened;
    char reason[512];
    struct model *confirmed;
    struct model *attempted; /* with the batch that failed; NULL where none did */
    uint64_t random;
};

static void run_init(struct run *run)
{
    *run = (struct run){.folder = model_folder_new(), .confirmed = model_new(), .random = run_seed};
}

static bool run_open(struct run *run)
{
    run->store = store_open(run->folder, &run->opened, run->reason, sizeof run->reason);
    return run->store != NULL;
}

static void run_close(struct run *run)
{
    store_close(run->store);
    store_opened_fini(&run->opened);
    run->store = NULL;
}

static void run_fini(struct run *run)
{
    run_close(run);
    model_free(run->confirmed);
    if (run->attempted != NULL)
        model_free(run->attempted);
    model_folder_free(run->folder);
}

static enum store_result run_batch(struct run *run, struct store_batch *batch)
{
    enum store_result result = store_commit(run->store, batch);
    if (result == STORE_OK) {
        model_apply(run->confirmed, batch);
    } else if (run->attempted == NULL) {
        run->attempted = model_copy(run->confirmed);
        model_apply(run->attempted, batch);
    }
    return result;
}

/* Every way in which the store writes: batches, slices of reclaim, checkpoints. */
static enum store_result run_step(struct run *run, int step)
{
    bool more;
    if (step % 6 == 5)
        return store_maintain(run->store, true, &more);
    if (step % 8 == 7)
        return store_checkpoint(run->store);
    struct store_batch *batch = model_random_batch(run->confirmed, &run->random, 4);
    enum store_result result = run_batch(run, batch);
    store_batch_free(batch);
    return result;
}

/* Runs until something fails; true where all went well. Whatever was refused must have been told.
 */
static bool run_all(struct run *run)
{
    if (!run_open(run)) {
        assert_true(fault_vfs_has_fired());
        assert_true(run->reason[0] != '\0');
        return false;
    }
    for (int step = 0; step < batch_count; step++) {
        enum store_result result = run_step(run, step);
        assert_int_equal(result != STORE_OK, fault_vfs_has_fired());
        if (result == STORE_OK)
            continue;
        assert_int_equal(result, STORE_FAILED);
        assert_true(store_error(run->store)[0] != '\0');
        assert_int_equal(run_step(run, 0), STORE_FAILED);
        return false;
    }
    return true;
}

/* The store as it is found holds what was confirmed, or also the batch that was under way. */
static void check_recovered(struct run *run, uint64_t nth)
{
    uint64_t random = nth;
    assert_true(run_open(run));
    bool is_attempted = run->attempted != NULL &&
                        model_would_equal(run->attempted, &run->opened, run->store, &random);
    if (is_attempted) {
        model_free(run->confirmed);
        run->confirmed = run->attempted;
        run->attempted = NULL;
    }
    assert_true(is_attempted || model_equals(run->confirmed, &run->opened, run->store, &random));
    for (int step = 0; step < 3; step++)
        assert_int_equal(run_step(run, step), STORE_OK);
    run_close(run);
    assert_true(run_open(run));
    assert_true(model_equals(run->confirmed, &run->opened, run->store, &random));
}

/* One run that dies at its nth operation; false where it never came to that. */
static bool die_at(uint64_t nth, uint64_t lose_seed)
{
    struct run run;
    run_init(&run);
    fault_vfs_forget();
    fault_vfs_arm(FAULT_ERROR, nth);
    bool succeeded = run_all(&run);
    run_close(&run);
    bool has_died = fault_vfs_has_fired();
    assert_true(has_died || succeeded);
    fault_vfs_lose_power(lose_seed);
    fault_vfs_arm(FAULT_NONE, 0);
    check_recovered(&run, nth);
    run_fini(&run);
    return has_died;
}

static void dies_at_every_write_and_sync_losing_all(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (die_at(nth, 0))
        nth++;
    assert_true(nth > 100);
}

static void dies_at_every_write_and_sync_losing_some(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (die_at(nth, nth * 31 + 1))
        nth++;
    assert_true(nth > 100);
}

/* --- a full disk */

static void commit_until_full(struct run *run)
{
    for (int step = 0; step < batch_count && !fault_vfs_has_fired(); step++) {
        uint64_t before = run->random;
        enum store_result result = run_step(run, step);
        if (result == STORE_OK)
            continue;
        assert_int_equal(result, STORE_FULL);
        assert_true(model_equals_messages(run->confirmed, run->store, &run->random));
        fault_vfs_arm(FAULT_NONE, 0);
        run->random = before;
        assert_int_equal(run_step(run, step), STORE_OK);
        return;
    }
}

static void full_disk_rolls_back_and_the_same_batch_succeeds_later(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 120; nth++) {
        struct run run;
        run_init(&run);
        fault_vfs_arm(FAULT_NONE, 0);
        assert_true(run_open(&run));
        fault_vfs_arm(FAULT_FULL, nth);
        commit_until_full(&run);
        fault_vfs_arm(FAULT_NONE, 0);
        for (int step = 0; step < 5; step++)
            assert_int_equal(run_step(&run, step), STORE_OK);
        run_close(&run);
        assert_true(run_open(&run));
        assert_true(model_equals(run.confirmed, &run.opened, run.store, &run.random));
        run_fini(&run);
        fault_vfs_forget();
    }
}

static void full_disk_at_opening_is_told(void **state)
{
    (void)state;
    struct run run;
    run_init(&run);
    fault_vfs_arm(FAULT_FULL, 1);
    assert_false(run_open(&run));
    assert_true(run.reason[0] != '\0');
    fault_vfs_arm(FAULT_NONE, 0);
    assert_true(run_open(&run));
    run_fini(&run);
}

static struct store_batch *batch_of_inserts(struct run *run, uint64_t first, size_t count)
{
    struct store_batch *batch = store_batch_new(2);
    for (uint64_t i = 0; i < count; i++)
        model_add_insert(batch, 1, first + i, model_message(&run->random, 1000));
    return batch;
}

static void acks_use_the_reserve(void **state)
{
    (void)state;
    struct run run;
    struct store_figures figures;
    run_init(&run);
    fault_vfs_arm(FAULT_NONE, 0);
    assert_true(run_open(&run));
    struct store_batch *queue = store_batch_new(2);
    model_add_queue(queue, 1);
    struct store_batch *first = batch_of_inserts(&run, 1, 50);
    struct store_batch *second = batch_of_inserts(&run, 51, 50);
    struct store_batch *ack = store_batch_new(2);
    model_add_remove(ack, 1, 1, 20);
    assert_int_equal(run_batch(&run, queue), STORE_OK);
    assert_int_equal(run_batch(&run, first), STORE_OK);

    fault_vfs_arm(FAULT_FULL_BY_RESERVE, 1);
    assert_int_equal(store_commit(run.store, second), STORE_FULL);
    assert_int_equal(run_batch(&run, ack), STORE_OK);
    store_figures(run.store, &figures);
    assert_true(figures.is_reserve_used);
    assert_true(model_equals_messages(run.confirmed, run.store, &run.random));

    fault_vfs_arm(FAULT_NONE, 0);
    assert_int_equal(run_batch(&run, second), STORE_OK);
    store_figures(run.store, &figures);
    assert_false(figures.is_reserve_used);
    store_batch_free(queue), store_batch_free(first);
    store_batch_free(second), store_batch_free(ack);
    run_fini(&run);
}

/* A caller that is told of a full disk lets no more messages in; those that are on their way must
 * not keep the acks behind them from being written. */
static void messages_that_come_again_use_the_reserve(void **state)
{
    (void)state;
    struct run run;
    run_init(&run);
    fault_vfs_arm(FAULT_NONE, 0);
    assert_true(run_open(&run));
    struct store_batch *queue = store_batch_new(2);
    model_add_queue(queue, 1);
    struct store_batch *inserts = batch_of_inserts(&run, 1, 50);
    assert_int_equal(run_batch(&run, queue), STORE_OK);
    fault_vfs_arm(FAULT_FULL_BY_RESERVE, 1);
    assert_int_equal(store_commit(run.store, inserts), STORE_FULL);
    assert_int_equal(run_batch(&run, inserts), STORE_OK);
    fault_vfs_arm(FAULT_NONE, 0);
    store_batch_free(queue), store_batch_free(inserts);
    run_fini(&run);
}

/* Messages come and go in a file and a log that are as long as they can be. */
static void commit_and_remove(struct run *run, uint64_t first)
{
    bool more;
    struct store_batch *batch = batch_of_inserts(run, first, 100);
    struct store_batch *remove = store_batch_new(2);
    model_add_remove(remove, 1, first, 100);
    assert_int_equal(run_batch(run, batch), STORE_OK);
    assert_int_equal(run_batch(run, remove), STORE_OK);
    assert_int_not_equal(store_maintain(run->store, false, &more), STORE_FAILED);
    store_batch_free(batch), store_batch_free(remove);
}

static void log_begins_again_where_it_cannot_grow(void **state)
{
    (void)state;
    struct run run;
    struct store_figures figures;
    run_init(&run);
    fault_vfs_arm(FAULT_NONE, 0);
    assert_true(run_open(&run));
    struct store_batch *queue = store_batch_new(2);
    model_add_queue(queue, 1);
    assert_int_equal(run_batch(&run, queue), STORE_OK);
    for (uint64_t i = 0; i < 160; i++) { /* until the journal is as long as it becomes */
        commit_and_remove(&run, 1 + i * 100);
        if (i % 20 == 19)
            assert_int_equal(store_checkpoint(run.store), STORE_OK);
    }
    fault_vfs_arm(FAULT_NO_GROWTH, 1);
    for (uint64_t i = 160; i < 240 && !fault_vfs_has_fired(); i++)
        commit_and_remove(&run, 1 + i * 100);
    assert_true(fault_vfs_has_fired());
    store_figures(run.store, &figures);
    assert_false(figures.is_reserve_used);
    assert_true(model_equals_messages(run.confirmed, run.store, &run.random));
    fault_vfs_arm(FAULT_NONE, 0);
    store_batch_free(queue);
    run_fini(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dies_at_every_write_and_sync_losing_all),
        cmocka_unit_test(dies_at_every_write_and_sync_losing_some),
        cmocka_unit_test(full_disk_rolls_back_and_the_same_batch_succeeds_later),
        cmocka_unit_test(full_disk_at_opening_is_told),
        cmocka_unit_test(acks_use_the_reserve),
        cmocka_unit_test(messages_that_come_again_use_the_reserve),
        cmocka_unit_test(log_begins_again_where_it_cannot_grow),
    };
    fault_vfs_install();
    return cmocka_run_group_tests_name("store faults", tests, NULL, NULL);
}
