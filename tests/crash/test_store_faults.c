/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store dies at every write and every sync of a short run, in turn, and what had not been
 * synced is lost in whole or in part; the disk is full from every write on, in turn. Afterwards the
 * store must hold everything up to the last batch that it confirmed, and no more than the batch
 * after. The same with a process that is killed at any moment, and with a file of an older version
 * at every write of being brought up to date.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs those before it. */
#include <cmocka.h>

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/hash_table.h"

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
    uint64_t batches; /* that were confirmed */
    bool is_scripted; /* what exchanges keep and messages that fail, instead of a bit of all */
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
        run->batches++;
    } else if (run->attempted == NULL) {
        run->attempted = model_copy(run->confirmed);
        model_apply(run->attempted, batch);
    }
    return result;
}

/* --- a life of its own for what exchanges keep and for messages that fail */

enum { first_lane = 1, lanes = 8, shelf = 9, other_shelf = 10, delays_a_step = 25 };

static void add_delays(struct store_batch *batch, uint64_t *random, uint64_t number, uint64_t step)
{
    for (uint64_t id = step * delays_a_step + 1; id <= (step + 1) * delays_a_step; id++)
        model_add_delay(batch, number, id, 1000 + id * 7 % 50,
                        model_message(random, id % 9 == 0 ? 30000 : 50));
}

static void remove_delays(struct store_batch *batch, uint64_t number, uint64_t step)
{
    for (uint64_t id = step * delays_a_step + 1; id <= (step + 1) * delays_a_step; id += 2)
        model_add_delay_remove(batch, number, id, 1000 + id * 7 % 50);
}

static void add_to_lanes(struct store_batch *batch, uint64_t *random, uint64_t step)
{
    for (uint64_t i = 0; i < 12; i++) {
        uint64_t lane = first_lane + (step + i) % 3, position = step * 12 + i + 1;
        model_add_insert(batch, lane, position, model_message(random, 40));
        if (i % 2 == 0)
            model_add_attempts(batch, lane, position, i + 1);
    }
}

static void add_scripted(struct store_batch *batch, uint64_t *random, int step)
{
    uint64_t number = (uint64_t)step;
    switch (step) {
    case 0:
        model_add_queue_of(batch, first_lane, lanes);
        model_add_shelf(batch, shelf);
        model_add_shelf(batch, other_shelf);
        break;
    case 8:
        model_add_shelf_delete(batch, other_shelf);
        break;
    case 12:
        model_add_queue_delete_of(batch, first_lane, lanes);
        break;
    default:
        add_delays(batch, random, shelf, number);
        model_add_key(batch, shelf, (number + 1) * 100, "key");
        if (step < 8)
            add_delays(batch, random, other_shelf, number);
        if (step < 12)
            add_to_lanes(batch, random, number);
        if (step == 4)
            remove_delays(batch, shelf, 3);
        if (step == 6)
            model_add_remove(batch, first_lane, 1, 50);
        if (step == 9)
            model_add_key_remove(batch, shelf, 0, 400);
    }
}

static struct store_batch *next_batch(struct run *run, int step)
{
    struct store_batch *batch;
    if (!run->is_scripted) {
        batch = model_random_batch(run->confirmed, &run->random, 4);
    } else {
        batch = store_batch_new(0);
        add_scripted(batch, &run->random, step);
    }
    batch->number = STORE_BATCH_BEFORE + 1 + run->batches;
    return batch;
}

/* Every way in which the store writes: batches, slices of reclaim, checkpoints. */
static enum store_result run_step(struct run *run, int step)
{
    bool more;
    if (step % 6 == 5)
        return store_maintain(run->store, true, &more);
    if (step % 8 == 7)
        return store_checkpoint(run->store);
    struct store_batch *batch = next_batch(run, step);
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

static void forget_spilled(struct run *run)
{
    model_forget_spilled(run->confirmed);
    if (run->attempted != NULL)
        model_forget_spilled(run->attempted);
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
    run->is_scripted = false;
    for (int step = 0; step < 3; step++)
        assert_int_equal(run_step(run, step), STORE_OK);
    run_close(run);
    forget_spilled(run);
    assert_true(run_open(run));
    assert_true(model_equals(run->confirmed, &run->opened, run->store, &random));
}

/* What a run is made of. */
enum kind { KIND_ALL, KIND_SCRIPTED, KIND_SPILLS, KIND_COUNT };

static void run_init_of(struct run *run, enum kind kind)
{
    run_init(run);
    run->is_scripted = kind == KIND_SCRIPTED;
    run->confirmed->has_spills = kind == KIND_SPILLS;
}

/* One run that dies at its nth operation; false where it never came to that. */
static bool die_at(uint64_t nth, uint64_t lose_seed, enum kind kind)
{
    struct run run;
    run_init_of(&run, kind);
    fault_vfs_forget();
    fault_vfs_arm(FAULT_ERROR, nth);
    bool succeeded = run_all(&run);
    run_close(&run);
    bool has_died = fault_vfs_has_fired();
    assert_true(has_died || succeeded);
    fault_vfs_lose_power(lose_seed);
    fault_vfs_arm(FAULT_NONE, 0);
    forget_spilled(&run);
    check_recovered(&run, nth);
    run_fini(&run);
    return has_died;
}

static void dies_at_every_write_and_sync_losing_all(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (die_at(nth, 0, KIND_ALL))
        nth++;
    assert_true(nth > 100);
}

static void dies_at_every_write_and_sync_losing_some(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (die_at(nth, nth * 31 + 1, KIND_ALL))
        nth++;
    assert_true(nth > 100);
}

static void dies_with_what_exchanges_keep(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (die_at(nth, nth % 2 == 0 ? 0 : nth * 31 + 1, KIND_SCRIPTED))
        nth++;
    assert_true(nth > 100);
}

static void dies_with_what_is_spilled(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (die_at(nth, nth % 2 == 0 ? 0 : nth * 31 + 1, KIND_SPILLS))
        nth++;
    assert_true(nth > 100);
}

/* --- a process that is killed */

/* What the child has confirmed, in memory that outlives it. */
struct shared {
    _Atomic int steps;
};

static void live_until_killed(struct run *run, struct shared *shared)
{
    if (!run_open(run))
        _exit(1);
    for (int step = 0; !run->is_scripted || step < batch_count; step++) {
        if (run_step(run, step) != STORE_OK)
            _exit(1);
        atomic_store(&shared->steps, step + 1);
    }
    for (;;)
        pause();
}

/* In the middle of the step after so many, wherever it is when this much time has passed. */
static void kill_after(pid_t child, const struct shared *shared, int steps, uint64_t ns)
{
    int status;
    struct timespec step = {.tv_nsec = 50000}, time = {.tv_nsec = (long)ns};
    while (atomic_load(&shared->steps) < steps) {
        assert_int_equal(waitpid(child, &status, WNOHANG), 0);
        nanosleep(&step, NULL);
    }
    nanosleep(&time, NULL);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

/* The batches follow from the seed and the model alone: what the child did can be told again. */
static void retell(struct run *run, int steps)
{
    for (int step = 0; step <= steps; step++) {
        if (step % 6 == 5 || step % 8 == 7)
            continue;
        struct store_batch *batch = next_batch(run, step);
        if (step < steps) {
            model_apply(run->confirmed, batch);
        } else {
            run->attempted = model_copy(run->confirmed);
            model_apply(run->attempted, batch);
        }
        store_batch_free(batch);
    }
}

static void killed_store_holds_what_it_confirmed(void **state)
{
    (void)state;
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    fault_vfs_arm(FAULT_NONE, 0);
    for (uint64_t i = 0; i < 40; i++) {
        struct run run;
        run_init(&run);
        run.random = i;
        run.is_scripted = i % 2 == 0;
        atomic_store(&shared->steps, 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            live_until_killed(&run, shared);
        kill_after(child, shared, (int)(i % batch_count), i * 37 % 11 * 50000);
        retell(&run, atomic_load(&shared->steps));
        check_recovered(&run, i + 1);
        run_fini(&run);
    }
    munmap(shared, sizeof *shared);
}

/* --- a file of version 1 */

static void copy_kept(const char *folder)
{
    const char *source = getenv("srcdir");
    char from[4096], path[4200];
    struct buffer data = {0};
    uint8_t block[65536];
    size_t size;
    snprintf(from, sizeof from, "%s/tests/data/messages-v1-killed.db",
             source != NULL ? source : ".");
    snprintf(path, sizeof path, "%s/messages.db", folder);
    FILE *file = fopen(from, "rb");
    assert_non_null(file);
    while ((size = fread(block, 1, sizeof block, file)) > 0)
        buffer_append(&data, block, size);
    fclose(file);
    file = fopen(path, "wb");
    assert_int_equal(fwrite(data.data, 1, data.size, file), data.size);
    assert_int_equal(fclose(file), 0);
    buffer_fini(&data);
}

/* A number for everything that the store says. */
static uint64_t hash_of(struct run *run)
{
    struct buffer said = {0};
    store_batch_encode(run->opened.definitions, &said);
    for (size_t i = 0; i < run->opened.lane_count; i++) {
        const struct store_lane_state *lane = &run->opened.lanes[i];
        struct store_read read = {.lane = lane->lane,
                                  .end = lane->end,
                                  .count_max = SIZE_MAX >> 1,
                                  .bytes_max = SIZE_MAX >> 1};
        struct store_read_result *result = store_read(run->store, &read);
        assert_non_null(result);
        assert_true(result->is_complete && result->count == lane->count);
        buffer_append(&said, lane, sizeof *lane);
        for (size_t n = 0; n < result->count; n++) {
            buffer_append_u64(&said, result->rows[n].position);
            buffer_append_bytes(&said, message_body(result->rows[n].message));
        }
        store_read_result_free(result);
    }
    uint64_t hash = bytes_hash(buffer_bytes(&said), 0);
    buffer_fini(&said);
    return hash;
}

static uint64_t upgrade_undisturbed(void)
{
    struct run run;
    run_init(&run);
    fault_vfs_arm(FAULT_NONE, 0);
    copy_kept(run.folder);
    assert_true(run_open(&run));
    assert_int_equal(run.opened.lane_count, 4);
    uint64_t hash = hash_of(&run);
    run_fini(&run);
    return hash;
}

static bool upgrade_with(enum fault fault, uint64_t nth, uint64_t expected)
{
    struct run run;
    run_init(&run);
    copy_kept(run.folder);
    fault_vfs_forget();
    fault_vfs_arm(fault, nth);
    bool succeeded = run_open(&run);
    assert_true(succeeded || run.reason[0] != '\0');
    if (succeeded)
        run_close(&run);
    bool has_fired = fault_vfs_has_fired();
    if (fault == FAULT_ERROR)
        fault_vfs_lose_power(nth % 2 == 0 ? 0 : nth * 31 + 1);
    fault_vfs_arm(FAULT_NONE, 0);
    assert_true(run_open(&run));
    assert_true(hash_of(&run) == expected);
    run_fini(&run);
    return has_fired;
}

static void dies_while_a_file_is_brought_up_to_date(void **state)
{
    (void)state;
    uint64_t expected = upgrade_undisturbed(), nth = 1;
    while (upgrade_with(FAULT_ERROR, nth, expected))
        nth++;
    assert_true(nth > 5);
    for (nth = 1; upgrade_with(FAULT_FULL, nth, expected);)
        nth++;
    assert_true(nth > 5);
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
        if (!run->confirmed->has_spills) /* what is spilled may be done already */
            assert_true(model_equals_messages(run->confirmed, run->store, &run->random));
        fault_vfs_arm(FAULT_NONE, 0);
        run->random = before;
        assert_int_equal(run_step(run, step), STORE_OK);
        return;
    }
}

static void be_full_at(uint64_t nth)
{
    struct run run;
    run_init_of(&run, nth % KIND_COUNT);
    fault_vfs_arm(FAULT_NONE, 0);
    assert_true(run_open(&run));
    fault_vfs_arm(FAULT_FULL, nth);
    commit_until_full(&run);
    fault_vfs_arm(FAULT_NONE, 0);
    run.is_scripted = false;
    for (int step = 0; step < 5; step++)
        assert_int_equal(run_step(&run, step), STORE_OK);
    assert_true(model_equals_messages(run.confirmed, run.store, &run.random));
    run_close(&run);
    forget_spilled(&run);
    assert_true(run_open(&run));
    assert_true(model_equals(run.confirmed, &run.opened, run.store, &run.random));
    run_fini(&run);
    fault_vfs_forget();
}

static void full_disk_rolls_back_and_the_same_batch_succeeds_later(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 360; nth++)
        be_full_at(nth);
}

static void quota_that_is_used_up_is_a_full_disk(void **state)
{
    (void)state;
    fault_vfs_set_quota(true);
    for (uint64_t nth = 1; nth < 360; nth += 7)
        be_full_at(nth);
    fault_vfs_set_quota(false);
}

static void full_disk_at_opening_is_told(void **state)
{
    (void)state;
    struct run run;
    uint64_t nth = 0;
    bool succeeded = false;
    while (!succeeded) {
        run_init(&run);
        fault_vfs_arm(FAULT_FULL, ++nth);
        succeeded = run_open(&run);
        assert_true(succeeded || run.reason[0] != '\0');
        fault_vfs_arm(FAULT_NONE, 0);
        assert_true(succeeded || run_open(&run));
        run_fini(&run);
    }
    assert_true(nth > 5);
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

static struct store_batch *batch_of_spills(struct run *run, uint64_t first, size_t count)
{
    struct store_batch *batch = store_batch_new(STORE_BATCH_BEFORE + 1 + run->batches);
    for (uint64_t i = 0; i < count; i++)
        model_add_spill(batch, STORE_SPILL_LANES + 1, first + i, model_message(&run->random, 1000));
    return batch;
}

static void run_and_free(struct run *run, struct store_batch *batch, enum store_result expected)
{
    assert_int_equal(run_batch(run, batch), expected);
    store_batch_free(batch);
}

static void check_messages(struct run *run)
{
    assert_true(model_equals_messages(run->confirmed, run->store, &run->random));
}

static void maintain_all(struct run *run)
{
    bool more = true;
    while (more)
        assert_int_equal(store_maintain(run->store, true, &more), STORE_OK);
}

static struct store_batch *next_number(const struct run *run)
{
    return store_batch_new(STORE_BATCH_BEFORE + 1 + run->batches);
}

static uint64_t spilled_bytes(const struct run *run)
{
    struct store_figures figures;
    store_figures(run->store, &figures);
    return figures.spill_bytes;
}

/* The file of what is spilled cannot even be made; then it cannot grow. Nobody waits for that: the
 * store has the messages, in memory, and says that there is no space. */
static void what_finds_no_space_to_be_spilled_is_there_all_the_same(void **state)
{
    (void)state;
    struct run run;
    run_init(&run);
    fault_vfs_arm(FAULT_NONE, 0);
    assert_true(run_open(&run));
    fault_vfs_arm(FAULT_FULL_SPILL, 1);
    run_and_free(&run, batch_of_spills(&run, 1, 50), STORE_OK);
    assert_true(fault_vfs_has_fired());
    assert_true(store_is_short_of_space(run.store));
    check_messages(&run);
    assert_int_equal(spilled_bytes(&run), 0);

    fault_vfs_arm(FAULT_NONE, 0);
    run_and_free(&run, batch_of_spills(&run, 51, 50), STORE_OK);
    assert_false(store_is_short_of_space(run.store));
    assert_true(spilled_bytes(&run) > 0);
    check_messages(&run);

    fault_vfs_arm(FAULT_FULL_SPILL, 1);
    run_and_free(&run, batch_of_spills(&run, 101, 50), STORE_OK);
    assert_true(fault_vfs_has_fired());
    run_and_free(&run, batch_of_spills(&run, 151, 50), STORE_OK);
    assert_true(store_is_short_of_space(run.store));
    for (int i = 0; i < 20; i++) /* with requests of random size */
        check_messages(&run);

    fault_vfs_arm(FAULT_NONE, 0);
    maintain_all(&run);
    assert_false(store_is_short_of_space(run.store));
    check_messages(&run);
    run_fini(&run);
}

/* What is durable is written with the batch, as if nothing had been spilled with it; and what is
 * taken of the messages in memory goes. */
static void nothing_durable_waits_for_what_is_spilled(void **state)
{
    enum { LANE = 1 };
    (void)state;
    struct run run;
    run_init(&run);
    fault_vfs_arm(FAULT_NONE, 0);
    assert_true(run_open(&run));
    struct store_batch *queue = next_number(&run);
    model_add_queue_of(queue, LANE, 2);
    run_and_free(&run, queue, STORE_OK);
    fault_vfs_arm(FAULT_FULL_SPILL, 1);
    for (uint64_t i = 0; i < 30; i++) {
        struct store_batch *batch = next_number(&run);
        uint64_t first = 1 + i * 10;
        for (uint64_t position = first; position < first + 10; position++) {
            struct message *message = model_message(&run.random, 500);
            if (position % 3 == 0)
                model_add_insert(batch, LANE, position, message);
            else
                model_add_spill(batch, LANE + (position % 3 == 1), position, message);
        }
        if (i > 2)
            model_add_remove(batch, LANE, first - 25, 7);
        if (i % 4 == 3)
            model_add_remove(batch, LANE + 1, 1, first - 15);
        run_and_free(&run, batch, STORE_OK);
        check_messages(&run);
    }
    assert_true(store_is_short_of_space(run.store));
    struct store_batch *forget = next_number(&run);
    model_add_spill_forget(forget, LANE, 2);
    run_and_free(&run, forget, STORE_OK);
    check_messages(&run);
    assert_false(store_is_short_of_space(run.store));

    run_and_free(&run, batch_of_spills(&run, 1, 10), STORE_OK);
    fault_vfs_arm(FAULT_NONE, 0);
    run_close(&run);
    forget_spilled(&run);
    assert_true(run_open(&run));
    assert_true(model_equals(run.confirmed, &run.opened, run.store, &run.random));
    run_fini(&run);
}

/* Removing takes space, too, before it gives space: that of the reserve, which nothing that is
 * spilled may have used. */
static void acks_of_what_is_spilled_use_the_reserve(void **state)
{
    (void)state;
    struct run run;
    struct store_figures figures;
    run_init(&run);
    fault_vfs_arm(FAULT_NONE, 0);
    assert_true(run_open(&run));
    run_and_free(&run, batch_of_spills(&run, 1, 50), STORE_OK);
    fault_vfs_arm(FAULT_FULL_BY_RESERVE, 1);
    for (int i = 1; i < 4; i++)
        run_and_free(&run, batch_of_spills(&run, 1 + 50 * (uint64_t)i, 50), STORE_OK);
    store_figures(run.store, &figures);
    assert_false(figures.is_reserve_used);
    struct store_batch *ack = next_number(&run);
    model_add_remove(ack, STORE_SPILL_LANES + 1, 1, 70);
    run_and_free(&run, ack, STORE_OK);
    store_figures(run.store, &figures);
    assert_true(figures.is_reserve_used);
    check_messages(&run);
    fault_vfs_arm(FAULT_NONE, 0);
    maintain_all(&run);
    assert_false(store_is_short_of_space(run.store));
    check_messages(&run);
    run_fini(&run);
}

/* What is to be removed there waits for space, as what is durable does: the batch comes again. */
static void live_with_little_space(struct run *run, int step)
{
    bool more;
    struct store_batch *batch = next_batch(run, step);
    if (model_below(&run->random, 4) == 0)
        fault_vfs_arm(FAULT_FULL_SPILL, 1 + model_below(&run->random, 12));
    if (store_commit(run->store, batch) == STORE_FULL) {
        fault_vfs_arm(FAULT_NONE, 0);
        assert_int_equal(store_commit(run->store, batch), STORE_OK);
    }
    model_apply(run->confirmed, batch);
    run->batches++;
    store_batch_free(batch);
    if (model_below(&run->random, 4) == 0)
        assert_int_not_equal(store_maintain(run->store, true, &more), STORE_FAILED);
    if (model_below(&run->random, 5) == 0)
        fault_vfs_arm(FAULT_NONE, 0);
    if (model_below(&run->random, 3) == 0)
        check_messages(run);
}

/* A life in which the disk is full for what is spilled now and then, at any write there. */
static void a_full_disk_where_messages_are_spilled_passes(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct run run;
        run_init_of(&run, KIND_SPILLS);
        run.random = seed;
        fault_vfs_arm(FAULT_NONE, 0);
        assert_true(run_open(&run));
        for (int step = 0; step < 40; step++)
            live_with_little_space(&run, step);
        fault_vfs_arm(FAULT_NONE, 0);
        run_fini(&run);
        fault_vfs_forget();
    }
}

static void a_broken_disk_where_messages_are_spilled_is_told(void **state)
{
    (void)state;
    for (uint64_t nth = 1; nth < 40; nth++) {
        struct run run;
        run_init(&run);
        fault_vfs_arm(FAULT_NONE, 0);
        assert_true(run_open(&run));
        fault_vfs_arm(FAULT_ERROR, nth);
        while (!fault_vfs_has_fired() && run.batches < 40) {
            struct store_batch *batch = batch_of_spills(&run, run.batches * 10 + 1, 10);
            enum store_result result = run_batch(&run, batch);
            assert_int_equal(result == STORE_FAILED, fault_vfs_has_fired());
            store_batch_free(batch);
        }
        assert_true(strstr(store_error(run.store), "spill.db") != NULL);
        run_close(&run);
        fault_vfs_arm(FAULT_NONE, 0);
        assert_true(run_open(&run));
        run_fini(&run);
        fault_vfs_forget();
    }
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
    for (uint64_t i = 0; i < 640; i++) { /* until the journal is as long as it becomes */
        commit_and_remove(&run, 1 + i * 100);
        if (i % 20 == 19)
            assert_int_equal(store_checkpoint(run.store), STORE_OK);
    }
    fault_vfs_arm(FAULT_NO_GROWTH, 1);
    for (uint64_t i = 640; i < 720 && !fault_vfs_has_fired(); i++)
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
        cmocka_unit_test(dies_with_what_exchanges_keep),
        cmocka_unit_test(dies_with_what_is_spilled),
        cmocka_unit_test(killed_store_holds_what_it_confirmed),
        cmocka_unit_test(dies_while_a_file_is_brought_up_to_date),
        cmocka_unit_test(full_disk_rolls_back_and_the_same_batch_succeeds_later),
        cmocka_unit_test(quota_that_is_used_up_is_a_full_disk),
        cmocka_unit_test(full_disk_at_opening_is_told),
        cmocka_unit_test(acks_use_the_reserve),
        cmocka_unit_test(messages_that_come_again_use_the_reserve),
        cmocka_unit_test(log_begins_again_where_it_cannot_grow),
        cmocka_unit_test(what_finds_no_space_to_be_spilled_is_there_all_the_same),
        cmocka_unit_test(nothing_durable_waits_for_what_is_spilled),
        cmocka_unit_test(acks_of_what_is_spilled_use_the_reserve),
        cmocka_unit_test(a_full_disk_where_messages_are_spilled_passes),
        cmocka_unit_test(a_broken_disk_where_messages_are_spilled_is_told),
    };
    fault_vfs_install();
    return cmocka_run_group_tests_name("store faults", tests, NULL, NULL);
}
