/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The copy of a store that is in use: whatever is committed, deleted, moved or given back between
 * the steps, at the end it is the store of that moment, as the model knows it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs those before it. */
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/definitions_store.h"
#include "store/store_backup.h"
#include "store/store_check.h"
#include "store/store_internal.h"
#include "test_store_model.h"

struct fixture {
    char *folder;
    char *target; /* a folder, too */
    char path[4096];
    struct store *store;
    struct store_opened opened;
    struct model *model;
    uint64_t batches;
    uint64_t random;
    uint64_t position;
    char reason[512];
    _Atomic bool is_ending;
};

static struct store *must_open(const char *folder, struct store_opened *opened)
{
    char reason[512] = "";
    struct store *store = store_open(folder, opened, reason, sizeof reason);
    if (store == NULL)
        fail_msg("%s", reason);
    return store;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->folder = model_folder_new();
    f->target = model_folder_new();
    snprintf(f->path, sizeof f->path, "%s/messages.db", f->target);
    f->model = model_new();
    f->random = 5;
    f->position = 1;
    f->store = must_open(f->folder, &f->opened);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    store_opened_fini(&f->opened);
    model_free(f->model);
    model_folder_free(f->folder);
    model_folder_free(f->target);
    free(f);
    return 0;
}

static enum store_result try_commit(struct fixture *f, struct store_batch *batch)
{
    batch->number = STORE_BATCH_BEFORE + ++f->batches;
    enum store_result result = store_commit(f->store, batch);
    if (result == STORE_OK)
        model_apply(f->model, batch);
    store_batch_free(batch);
    return result;
}

static void commit(struct fixture *f, struct store_batch *batch)
{
    if (try_commit(f, batch) != STORE_OK)
        fail_msg("%s", store_error(f->store));
}

static struct store_batch *inserts(struct fixture *f, size_t count, size_t body_bytes)
{
    struct store_batch *batch = store_batch_new(2);
    for (size_t i = 0; i < count; i++)
        model_add_insert(batch, 1, f->position++, model_message(&f->random, body_bytes));
    return batch;
}

/* Some hundred pages in lane 1, of which every fourth message is gone. */
static void fill(struct fixture *f)
{
    struct store_batch *batch = store_batch_new(2);
    model_add_queue(batch, 1);
    commit(f, batch);
    for (int i = 0; i < 40; i++)
        commit(f, inserts(f, 20, 10000));
    for (uint64_t position = 1; position < f->position; position += 4) {
        batch = store_batch_new(2);
        model_add_remove(batch, 1, position, 1);
        commit(f, batch);
    }
}

static struct store_backup *begin(struct fixture *f)
{
    struct store_backup *backup =
        store_backup_begin(f->store, f->path, f->reason, sizeof f->reason);
    if (backup == NULL)
        fail_msg("%s", f->reason);
    return backup;
}

static enum store_backup_state step(struct fixture *f, struct store_backup *backup)
{
    struct store_backup_progress progress;
    enum store_backup_state state =
        store_backup_step(backup, &progress, f->reason, sizeof f->reason);
    if (state == STORE_BACKUP_FAILED)
        fail_msg("%s", f->reason);
    return state;
}

static void tell(void *context, const char *text)
{
    (void)context;
    if (strncmp(text, "a binding ", 10) != 0) /* those of random batches go from anywhere */
        fail_msg("%s", text);
}

static void expect_copy(struct fixture *f)
{
    struct store_check check = {.on_fault = tell};
    struct store_opened opened;
    store_check(f->target, &check);
    assert_true(check.is_compared);
    struct store *copy = must_open(f->target, &opened);
    model_forget_spilled(f->model);
    assert_true(model_equals(f->model, &opened, copy, &f->random));
    store_close(copy);
    store_opened_fini(&opened);
}

/* --- */

static void copy_of_a_quiet_store_is_the_store(void **state)
{
    struct fixture *f = *state;
    int steps = 1;
    fill(f);
    struct store_backup *backup = begin(f);
    while (step(f, backup) == STORE_BACKUP_MORE)
        steps++;
    store_backup_end(backup);
    assert_true(steps > 3);
    expect_copy(f);
}

/* Nothing of what came after the last step is in it. */
static void copy_is_the_store_of_the_last_step(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct store_backup *backup = begin(f);
    while (step(f, backup) == STORE_BACKUP_MORE)
        commit(f, inserts(f, 3, 10000));
    struct store_batch *batch = inserts(f, 1, 100);
    assert_int_equal(store_commit(f->store, batch), STORE_OK);
    store_batch_free(batch);
    store_backup_end(backup);
    expect_copy(f);
}

/* Who writes gets most of the time, unless the end would not come then; nobody is waited for. */
static void there_are_pauses_where_somebody_writes(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct store_backup *backup = begin(f);
    assert_int_equal(step(f, backup), STORE_BACKUP_MORE);
    assert_int_equal(store_backup_pause_ns(backup), 0);
    struct store_batch *batch = store_batch_new(2);
    model_add_remove(batch, 1, 2, 1);
    commit(f, batch);
    assert_int_equal(step(f, backup), STORE_BACKUP_MORE);
    assert_true(store_backup_pause_ns(backup) > 0);
    assert_true(store_backup_pause_ns(backup) <= 200000000);
    assert_int_equal(step(f, backup), STORE_BACKUP_MORE);
    assert_int_equal(store_backup_pause_ns(backup), 0);
    commit(f, inserts(f, 600, 60000));
    assert_int_equal(step(f, backup), STORE_BACKUP_MORE);
    assert_int_equal(store_backup_pause_ns(backup), 0);
    store_backup_end(backup);
}

/* However much each batch brings, each step leaves less to do. */
static void it_ends_however_much_is_written(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct store_backup *backup = begin(f);
    struct store_backup_progress progress;
    uint64_t left = UINT64_MAX;
    while (store_backup_step(backup, &progress, f->reason, sizeof f->reason) == STORE_BACKUP_MORE) {
        assert_true(progress.bytes_total - progress.bytes < left);
        left = progress.bytes_total - progress.bytes;
        commit(f, inserts(f, 100, 60000));
    }
    store_backup_end(backup);
    model_forget_spilled(f->model);
}

/* Somebody has opened the copy and holds a lock on it. */
static void copy_that_is_locked_is_waited_for(void **state)
{
    struct fixture *f = *state;
    sqlite3 *other;
    fill(f);
    struct store_backup *backup = begin(f);
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(step(f, backup), STORE_BACKUP_MORE);
        assert_true(store_backup_pause_ns(backup) > 0);
    }
    sqlite3_close(other);
    while (step(f, backup) == STORE_BACKUP_MORE)
        ;
    store_backup_end(backup);
    expect_copy(f);
}

/* Random lives, with space given back, checkpoints and pages that move to other places. */
static void copy_follows_all_changes(void **state)
{
    struct fixture *f = *state;
    bool more = true;
    fill(f);
    for (int life = 0; life < 6; life++) {
        struct store_backup *backup = begin(f);
        for (int i = 0; step(f, backup) == STORE_BACKUP_MORE; i++) {
            for (int n = 0; n < 5; n++)
                commit(f, model_random_batch(f->model, &f->random, 6));
            assert_int_equal(store_maintain(f->store, i % 2 == 0, &more), STORE_OK);
            if (i % 3 == 0)
                assert_int_equal(store_checkpoint(f->store), STORE_OK);
        }
        store_backup_end(backup);
        struct model *model = model_copy(f->model);
        expect_copy(f);
        model_free(f->model);
        f->model = model;
        model_folder_free(f->target);
        f->target = model_folder_new();
        snprintf(f->path, sizeof f->path, "%s/messages.db", f->target);
    }
}

/* A batch that finds no space is taken back; the copy begins again with what is true. */
static void batch_that_is_taken_back_is_not_in_it(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct store_backup *backup = begin(f);
    assert_int_equal(step(f, backup), STORE_BACKUP_MORE);
    sqlite3_exec(f->store->db, "PRAGMA max_page_count=1", NULL, NULL, NULL);
    assert_int_equal(try_commit(f, inserts(f, 400, 60000)), STORE_FULL);
    f->position -= 400;
    sqlite3_exec(f->store->db, "PRAGMA max_page_count=1000000", NULL, NULL, NULL);
    commit(f, inserts(f, 2, 10000));
    while (step(f, backup) == STORE_BACKUP_MORE)
        ;
    store_backup_end(backup);
    expect_copy(f);
}

static void copy_that_is_given_up_changes_nothing(void **state)
{
    struct fixture *f = *state;
    fill(f);
    struct store_backup *backup = begin(f);
    assert_int_equal(step(f, backup), STORE_BACKUP_MORE);
    store_backup_end(backup);
    commit(f, inserts(f, 3, 10000));
    assert_true(model_equals_messages(f->model, f->store, &f->random));
}

static void file_that_is_there_stays(void **state)
{
    struct fixture *f = *state;
    FILE *file = fopen(f->path, "w");
    fclose(file);
    assert_null(store_backup_begin(f->store, f->path, f->reason, sizeof f->reason));
    assert_non_null(strstr(f->reason, "File exists"));
}

static void copy_is_for_its_owner_alone(void **state)
{
    struct fixture *f = *state;
    struct stat status;
    store_backup_end(begin(f));
    assert_int_equal(stat(f->path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

/* --- on two threads */

static void *write_on(void *context)
{
    struct fixture *f = context;
    bool more;
    for (int i = 0; !atomic_load(&f->is_ending); i++) {
        commit(f, inserts(f, 4, 10000));
        struct store_batch *batch = store_batch_new(2);
        model_add_remove(batch, 1, f->position / 2, 3);
        commit(f, batch);
        if (i % 4 == 0 && store_maintain(f->store, false, &more) != STORE_OK)
            fail_msg("%s", store_error(f->store));
    }
    return NULL;
}

/* It ends although the writer never pauses, and what it gives is sound. */
static void copy_ends_beside_a_writer(void **state)
{
    struct fixture *f = *state;
    pthread_t writer;
    struct store_check check = {.on_fault = tell};
    fill(f);
    uint64_t messages = f->position * 3 / 4 - 2;
    assert_int_equal(pthread_create(&writer, NULL, write_on, f), 0);
    struct store_backup *backup = begin(f);
    while (step(f, backup) == STORE_BACKUP_MORE)
        ;
    store_backup_end(backup);
    atomic_store(&f->is_ending, true);
    pthread_join(writer, NULL);
    store_check(f->target, &check);
    assert_true(check.messages >= messages / 2);
    assert_true(model_equals_messages(f->model, f->store, &f->random));
}

/* --- definitions.db */

static void definitions_are_copied_beside_their_owner(void **state)
{
    struct fixture *f = *state;
    char reason[512], path[4096];
    struct definitions_store *store = definitions_store_open(f->folder, reason, sizeof reason);
    struct definitions_check check = {.on_fault = tell};
    assert_non_null(store);
    assert_int_equal(definitions_put_vhost(store, "v"), 1);
    snprintf(path, sizeof path, "%s/definitions.db", f->target);
    if (!definitions_backup(f->folder, path, reason, sizeof reason))
        fail_msg("%s", reason);
    assert_int_equal(definitions_put_vhost(store, "w"), 2);
    definitions_store_close(store);
    struct definitions *definitions = definitions_check(f->target, &check);
    assert_int_equal(definitions->vhost_count, 1);
    assert_string_equal(definitions->vhosts[0].name, "v");
    definitions_free(definitions);
}

#define fixture_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        fixture_test(copy_of_a_quiet_store_is_the_store),
        fixture_test(copy_is_the_store_of_the_last_step),
        fixture_test(there_are_pauses_where_somebody_writes),
        fixture_test(it_ends_however_much_is_written),
        fixture_test(copy_that_is_locked_is_waited_for),
        fixture_test(copy_follows_all_changes),
        fixture_test(batch_that_is_taken_back_is_not_in_it),
        fixture_test(copy_that_is_given_up_changes_nothing),
        fixture_test(file_that_is_there_stays),
        fixture_test(copy_is_for_its_owner_alone),
        fixture_test(copy_ends_beside_a_writer),
        fixture_test(definitions_are_copied_beside_their_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
