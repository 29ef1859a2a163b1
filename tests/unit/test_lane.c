/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A lane alone: its windows, what leaves memory, what is read, what is given back and purged. The
 * last test compares a lane with an array while everything happens at random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../sim/sim_random.h"
#include "base/xmalloc.h"
#include "queue/lane.h"

enum { NOT_STORED = 0, BATCH = 7, BODY_BYTES = 100, POSITIONS_MAX = 400 };

static struct message *new_message(uint64_t number)
{
    uint8_t body[BODY_BYTES] = {0};
    memcpy(body, &number, sizeof number);
    return message_new(bytes_of_text(""), bytes_of_text("q"), bytes_of(NULL, 0),
                       bytes_of(body, sizeof body));
}

static size_t footprint(void)
{
    struct message *message = new_message(0);
    size_t bytes = message_footprint(message);
    message_unref(message);
    return bytes;
}

static void push(struct lane *lane, uint64_t batch)
{
    uint64_t position = lane->next_position++;
    lane_push(lane, &(struct entry){.position = position,
                                    .message = new_message(position),
                                    .batch = batch,
                                    .body_bytes = BODY_BYTES});
    lane_check(lane);
}

static void push_many(struct lane *lane, uint64_t batch, int count)
{
    while (count-- > 0)
        push(lane, batch);
}

static uint64_t number_of(const struct message *message)
{
    uint64_t number;
    memcpy(&number, message_body(message).data, sizeof number);
    return number;
}

/* Takes the first message, which must be in memory and be this one. */
static void pop(struct lane *lane, uint64_t position)
{
    struct entry *front;
    assert_int_equal(lane_peek(lane, &front), LANE_READY);
    assert_int_equal(front->position, position);
    struct entry entry;
    lane_pop(lane, &entry);
    lane_check(lane);
    assert_int_equal(entry.position, position);
    assert_int_equal(number_of(entry.message), position);
    message_unref(entry.message);
}

/* What is spilled is on its way with this batch. */
enum { SPILL_BATCH = 1000 };

static void spill(void *context, struct lane *lane, struct entry *entry)
{
    (void)context, (void)lane;
    assert_int_equal(entry->batch, NOT_STORED);
    entry->batch = SPILL_BATCH;
}

/* Gives memory back while there is so much too much that is transient, and no bound for spilling.
 */
static void evict_excess(struct lane *lane, uint64_t committed, size_t keep_bytes, uint64_t excess)
{
    lane_evict(lane, &(struct lane_eviction){.committed = committed,
                                             .keep_bytes = keep_bytes,
                                             .excess = excess,
                                             .room = UINT64_MAX,
                                             .spill = spill});
    lane_check(lane);
}

static void evict(struct lane *lane, uint64_t committed, size_t keep_bytes)
{
    evict_excess(lane, committed, keep_bytes, 0);
}

static void give_back(struct lane *lane, uint64_t position, bool has_message)
{
    struct entry entry = {.position = position,
                          .message = has_message ? new_message(position) : NULL,
                          .batch = BATCH,
                          .body_bytes = BODY_BYTES};
    lane_return(lane, &entry, 1);
    lane_check(lane);
}

static void assert_head(const struct lane *lane, enum lane_head head)
{
    struct entry *front;
    assert_int_equal(lane_peek(lane, &front), head);
}

/* Answers a read with the messages of the positions first .. end - 1. */
static void read_back(struct lane *lane, const struct store_read *read, uint64_t first,
                      uint64_t end, bool is_complete)
{
    struct store_read_result *result = xcalloc(1, sizeof *result);
    result->read = *read;
    result->is_complete = is_complete;
    result->rows = xcalloc((size_t)(end - first), sizeof *result->rows);
    for (uint64_t position = first; position < end; position++)
        result->rows[result->count++] =
            (struct store_row){.position = position, .message = new_message(position)};
    assert_true(lane_read_done(lane, result));
    store_read_result_free(result);
    lane_check(lane);
}

static void a_lane_in_memory_is_a_fifo(void **state)
{
    (void)state;
    struct lane lane;
    lane_init(&lane, 1);
    assert_head(&lane, LANE_EMPTY);
    push_many(&lane, NOT_STORED, 3);
    pop(&lane, 1);
    push(&lane, BATCH);
    pop(&lane, 2);
    pop(&lane, 3);
    pop(&lane, 4);
    assert_head(&lane, LANE_EMPTY);
    assert_int_equal(lane.ready_count + lane.ready_bytes + lane.memory_bytes, 0);
    lane_fini(&lane);
}

static void what_is_on_disk_leaves_memory(void **state)
{
    (void)state;
    struct lane lane;
    lane_init(&lane, 1);
    push_many(&lane, BATCH, 10);
    evict(&lane, BATCH - 1, footprint() * 4);
    lane_check(&lane);
    assert_int_equal(lane.memory_bytes, footprint() * 10);
    evict(&lane, BATCH, footprint() * 4);
    lane_check(&lane);
    assert_int_equal(lane.memory_bytes, footprint() * 4);
    assert_int_equal(lane.ready_count, 10);
    assert_int_equal(lane.ready_bytes, 10 * BODY_BYTES);
    /* The oldest half of what may stay is wanted next, the newest is the tail. */
    pop(&lane, 1);
    pop(&lane, 2);
    assert_head(&lane, LANE_IN_STORE);
    lane_fini(&lane);
}

/* There may be very many lanes that had their turn once. */
static void what_has_left_memory_leaves_no_room(void **state)
{
    (void)state;
    struct lane lane;
    lane_init(&lane, 1);
    push_many(&lane, BATCH, 100);
    evict(&lane, BATCH, footprint() * 10);
    assert_true(lane.tail.capacity > 0 && lane.paged.capacity > 0);
    evict(&lane, BATCH, 0);
    assert_int_equal(lane.tail.capacity + lane.paged.capacity, 0);
    assert_int_equal(lane.ready_count, 100);
    push(&lane, BATCH + 1);
    assert_int_equal(lane.ready_count, 101);
    lane_fini(&lane);
}

static void the_stretch_is_read_in_parts(void **state)
{
    (void)state;
    struct lane lane;
    struct store_read read;
    lane_init(&lane, 1);
    push_many(&lane, BATCH, 10);
    evict(&lane, BATCH, 0);
    assert_int_equal(lane.memory_bytes, 0);
    assert_head(&lane, LANE_IN_STORE);
    assert_true(lane_wants_read(&lane, 1, 1000, &read));
    assert_int_equal(read.first, 1);
    assert_int_equal(read.end, 11);
    assert_false(lane_wants_read(&lane, 2, 1000, &read));
    push(&lane, BATCH + 1);
    read_back(&lane, &read, 1, 5, false);
    pop(&lane, 1);
    assert_false(lane_wants_read(&lane, 2, 1000, &read));
    pop(&lane, 2);
    /* Half is used up: the next part is asked for ahead of the consumers. */
    assert_true(lane_wants_read(&lane, 2, 1000, &read));
    assert_int_equal(read.first, 5);
    pop(&lane, 3);
    pop(&lane, 4);
    assert_head(&lane, LANE_IN_STORE);
    read_back(&lane, &read, 5, 11, true);
    for (uint64_t position = 5; position <= 11; position++)
        pop(&lane, position);
    assert_head(&lane, LANE_EMPTY);
    lane_fini(&lane);
}

static void an_answer_that_is_late_is_ignored(void **state)
{
    (void)state;
    struct lane lane;
    struct store_read read;
    struct store_read_result stale = {.read = {.token = 99}};
    lane_init(&lane, 1);
    push_many(&lane, BATCH, 4);
    evict(&lane, BATCH, 0);
    assert_true(lane_read_done(&lane, &stale));
    assert_true(lane_wants_read(&lane, 1, 1000, &read));
    assert_true(lane_read_done(&lane, &stale));
    read_back(&lane, &read, 1, 5, true);
    pop(&lane, 1);
    lane_fini(&lane);
}

static void an_answer_that_misses_messages_is_noticed(void **state)
{
    (void)state;
    struct lane lane;
    struct store_read_result empty = {.is_complete = true};
    lane_init(&lane, 1);
    push_many(&lane, BATCH, 4);
    evict(&lane, BATCH, 0);
    assert_true(lane_wants_read(&lane, 1, 1000, &empty.read));
    assert_false(lane_read_done(&lane, &empty));
    lane_fini(&lane);
}

/* Acked positions at the end of what the store has seen belong to no message. */
static void a_stretch_may_end_in_nothing(void **state)
{
    (void)state;
    struct lane lane;
    struct store_read read;
    struct store_lane_state found = {.lane = 1,
                                     .first = 3,
                                     .end = 20,
                                     .delivered_below = 5,
                                     .count = 2,
                                     .bytes = 2 * BODY_BYTES};
    lane_init(&lane, 1);
    lane_restore(&lane, &found);
    lane_check(&lane);
    assert_true(lane_wants_read(&lane, 1, 1000, &read));
    read_back(&lane, &read, 3, 5, false);
    pop(&lane, 3);
    pop(&lane, 4);
    assert_head(&lane, LANE_EMPTY);
    push_many(&lane, BATCH, 2);
    evict(&lane, BATCH, 0);
    assert_true(lane_wants_read(&lane, 2, 1000, &read));
    assert_int_equal(read.first, 20);
    read_back(&lane, &read, 20, 22, true);
    pop(&lane, 20);
    lane_fini(&lane);
}

static void transient_messages_stay_in_memory(void **state)
{
    (void)state;
    struct lane lane;
    lane_init(&lane, 1);
    push_many(&lane, NOT_STORED, 8);
    push(&lane, BATCH);
    evict(&lane, SPILL_BATCH, footprint());
    assert_int_equal(lane.memory_bytes, footprint() * 9);
    assert_int_equal(lane.transient_bytes, footprint() * 8);
    lane_fini(&lane);
}

static void too_many_of_them_are_spilled(void **state)
{
    (void)state;
    struct lane lane;
    struct store_read read;
    lane_init(&lane, 1);
    push_many(&lane, NOT_STORED, 10);
    evict_excess(&lane, BATCH, footprint() * 4, footprint() * 3);
    assert_int_equal(lane.transient_bytes, footprint() * 7);
    assert_int_equal(lane.memory_bytes, footprint() * 10);
    evict(&lane, BATCH, footprint() * 4); /* not on disk yet */
    assert_int_equal(lane.memory_bytes, footprint() * 10);
    evict_excess(&lane, SPILL_BATCH, footprint() * 4, 1);
    assert_int_equal(lane.memory_bytes, footprint() * 6);
    /* The oldest two are wanted next and stayed; then come those that are on disk. */
    pop(&lane, 1);
    pop(&lane, 2);
    assert_head(&lane, LANE_IN_STORE);
    assert_true(lane_wants_read(&lane, 1, 1000, &read));
    assert_int_equal(read.first, 3);
    assert_int_equal(read.end, 7);
    read_back(&lane, &read, 3, 7, true);
    for (uint64_t position = 3; position <= 10; position++)
        pop(&lane, position);
    assert_head(&lane, LANE_EMPTY);
    assert_int_equal(lane.memory_bytes + lane.transient_bytes + lane.led_bytes, 0);
    lane_fini(&lane);
}

static void no_more_is_spilled_than_there_is_room_for(void **state)
{
    (void)state;
    struct lane lane;
    struct lane_eviction eviction = {
        .committed = BATCH, .excess = 1 << 20, .room = footprint() * 3, .spill = spill};
    lane_init(&lane, 1);
    push_many(&lane, NOT_STORED, 10);
    lane_evict(&lane, &eviction);
    assert_int_equal(lane.transient_bytes, footprint() * 7);
    lane_evict(&lane, &eviction);
    assert_int_equal(lane.transient_bytes, footprint() * 4);
    lane_check(&lane);
    lane_fini(&lane);
}

static void transient_messages_between_stored_ones_are_spilled(void **state)
{
    (void)state;
    struct lane lane;
    struct store_read read;
    lane_init(&lane, 1);
    for (int i = 0; i < 5; i++) {
        push(&lane, BATCH);
        push(&lane, NOT_STORED);
    }
    evict(&lane, BATCH, 0);
    assert_int_equal(lane.transient_bytes, 0);
    assert_int_equal(lane.memory_bytes, footprint() * 9); /* what is behind the first transient */
    evict(&lane, SPILL_BATCH, 0);
    assert_int_equal(lane.memory_bytes, 0);
    push(&lane, SPILL_BATCH + 1);
    assert_true(lane_wants_read(&lane, 1, 1000, &read));
    read_back(&lane, &read, 1, 11, true);
    for (uint64_t position = 1; position <= 11; position++)
        pop(&lane, position);
    lane_fini(&lane);
}

static void the_head_window_can_go_back(void **state)
{
    (void)state;
    struct lane lane;
    struct store_read read;
    lane_init(&lane, 1);
    push_many(&lane, BATCH, 6);
    evict(&lane, BATCH, 0);
    assert_true(lane_wants_read(&lane, 1, 1000, &read));
    read_back(&lane, &read, 1, 7, true);
    assert_int_equal(lane.memory_bytes, footprint() * 6);
    pop(&lane, 1);
    evict(&lane, BATCH, footprint() * 2);
    lane_check(&lane);
    assert_int_equal(lane.memory_bytes, footprint() * 2);
    pop(&lane, 2);
    pop(&lane, 3);
    assert_true(lane_wants_read(&lane, 2, 1000, &read));
    assert_int_equal(read.first, 4);
    assert_int_equal(read.end, 7);
    read_back(&lane, &read, 4, 7, true);
    pop(&lane, 4);
    lane_fini(&lane);
}

static void what_is_given_back_comes_first(void **state)
{
    (void)state;
    struct lane lane;
    struct entry entries[] = {{.position = 2, .batch = BATCH, .body_bytes = BODY_BYTES},
                              {.position = 4, .batch = BATCH, .body_bytes = BODY_BYTES}};
    struct store_read read;
    lane_init(&lane, 1);
    push_many(&lane, BATCH, 6);
    for (uint64_t position = 1; position <= 5; position++)
        pop(&lane, position);
    give_back(&lane, 5, true);
    give_back(&lane, 3, true);
    lane_return(&lane, entries, 2);
    lane_check(&lane);
    /* 2 and 4 lost their bodies while they were unacked. */
    assert_head(&lane, LANE_IN_STORE);
    assert_true(lane_wants_read(&lane, 1, 1000, &read));
    assert_int_equal(read.first, 2);
    assert_int_equal(read.end, 3);
    give_back(&lane, 1, true);
    pop(&lane, 1);
    read_back(&lane, &read, 2, 3, true);
    pop(&lane, 2);
    pop(&lane, 3);
    assert_true(lane_wants_read(&lane, 2, 1000, &read));
    read_back(&lane, &read, 4, 5, true);
    pop(&lane, 4);
    pop(&lane, 5);
    pop(&lane, 6);
    lane_fini(&lane);
}

static void a_returned_message_leaves_memory_too(void **state)
{
    (void)state;
    struct lane lane;
    struct store_read read;
    lane_init(&lane, 1);
    push_many(&lane, BATCH, 3);
    pop(&lane, 1);
    pop(&lane, 2);
    give_back(&lane, 1, true);
    give_back(&lane, 2, true);
    evict(&lane, BATCH, 0);
    lane_check(&lane);
    assert_int_equal(lane.memory_bytes, 0);
    assert_int_equal(lane.ready_count, 3);
    assert_true(lane_wants_read(&lane, 1, 1000, &read));
    assert_int_equal(read.first, 1);
    assert_int_equal(read.end, 3);
    read_back(&lane, &read, 1, 3, true);
    pop(&lane, 1);
    pop(&lane, 2);
    assert_head(&lane, LANE_IN_STORE);
    lane_fini(&lane);
}

static void redelivered_is_what_is_below_the_mark(void **state)
{
    (void)state;
    struct lane lane;
    struct store_lane_state found = {
        .lane = 1, .first = 1, .end = 10, .delivered_below = 4, .count = 9, .bytes = 9};
    lane_init(&lane, 1);
    lane_restore(&lane, &found);
    assert_true(lane_is_redelivered(&lane, &(struct entry){.position = 3}));
    assert_false(lane_is_redelivered(&lane, &(struct entry){.position = 4}));
    lane_fini(&lane);
    /* A mark that ran ahead of what there is does not mark what comes. */
    found.delivered_below = 50;
    lane_init(&lane, 1);
    lane_restore(&lane, &found);
    assert_true(lane_is_redelivered(&lane, &(struct entry){.position = 9}));
    assert_false(lane_is_redelivered(&lane, &(struct entry){.position = lane.next_position}));
    assert_int_equal(lane.next_position, 10);
    lane_fini(&lane);
}

/* --- purging */

struct purged {
    uint64_t first[8], count[8];
    size_t range_count;
    uint64_t cancelled;
};

static void on_range(void *context, uint64_t first, uint64_t count)
{
    struct purged *purged = context;
    purged->first[purged->range_count] = first;
    purged->count[purged->range_count++] = count;
}

static void on_cancel(void *context, const struct entry *entry)
{
    ((struct purged *)context)->cancelled += entry->batch > BATCH;
}

static void purge_names_what_is_stored_and_cancels_what_is_not_yet(void **state)
{
    (void)state;
    struct lane lane;
    struct purged purged = {0};
    lane_init(&lane, 1);
    push_many(&lane, BATCH, 8);
    pop(&lane, 1);
    pop(&lane, 2);
    give_back(&lane, 1, true);
    evict(&lane, BATCH, footprint() * 4);
    push(&lane, NOT_STORED);
    push_many(&lane, BATCH + 1, 2);
    struct lane_remains *remains = lane_purge(&lane, BATCH, on_range, on_cancel, &purged);
    lane_check(&lane);
    assert_head(&lane, LANE_EMPTY);
    assert_int_equal(lane.ready_count + lane.memory_bytes, 0);
    assert_int_equal(purged.cancelled, 2);
    uint64_t removed = 0;
    for (size_t i = 0; i < purged.range_count; i++)
        removed += purged.count[i];
    assert_int_equal(removed, 7);
    assert_int_equal(purged.first[0], 1);
    assert_int_equal(purged.count[0], 1);
    assert_false(lane_remains_free_some(remains, 1));
    assert_true(lane_remains_free_some(remains, 100));
    free(remains);
    assert_null(lane_purge(&lane, BATCH, on_range, on_cancel, &purged));
    lane_fini(&lane);
}

static void a_purge_makes_reads_under_way_stale(void **state)
{
    (void)state;
    struct lane lane;
    struct purged purged = {0};
    struct store_read old, new;
    lane_init(&lane, 1);
    push_many(&lane, BATCH, 4);
    evict(&lane, BATCH, 0);
    assert_true(lane_wants_read(&lane, 1, 1000, &old));
    struct lane_remains *remains = lane_purge(&lane, BATCH, on_range, on_cancel, &purged);
    assert_true(lane_remains_free_some(remains, 0));
    free(remains);
    push_many(&lane, BATCH, 2);
    evict(&lane, BATCH, 0);
    assert_true(lane_wants_read(&lane, 2, 1000, &new));
    read_back(&lane, &old, 1, 5, true);
    assert_head(&lane, LANE_IN_STORE);
    read_back(&lane, &new, 5, 7, true);
    pop(&lane, 5);
    pop(&lane, 6);
    lane_fini(&lane);
}

/* --- at random, beside an array of what is ready */

struct twin {
    struct sim_random random;
    struct lane lane;
    bool is_ready[POSITIONS_MAX + 1];
    bool is_out[POSITIONS_MAX + 1];
    uint64_t batch[POSITIONS_MAX + 1];
    uint64_t gathering, committed, spilled_last;
    struct store_read read;
    bool has_read;
    uint64_t tokens;
};

static void twin_push(struct twin *twin)
{
    if (twin->lane.next_position > POSITIONS_MAX)
        return;
    uint64_t position = twin->lane.next_position;
    twin->batch[position] = sim_random_chance(&twin->random, 70) ? twin->gathering : NOT_STORED;
    twin->is_ready[position] = true;
    push(&twin->lane, twin->batch[position]);
}

static uint64_t twin_first(const struct twin *twin)
{
    uint64_t position = 1;
    while (position <= POSITIONS_MAX && !twin->is_ready[position])
        position++;
    return position;
}

static void twin_pop(struct twin *twin)
{
    struct entry *front;
    uint64_t first = twin_first(twin);
    enum lane_head head = lane_peek(&twin->lane, &front);
    assert_int_equal(head == LANE_EMPTY, first > POSITIONS_MAX);
    if (head == LANE_IN_STORE) {
        /* Perhaps the first message itself is in memory: where the stretch begins is known from
         * below. But then there is something to read. */
        if (!twin->has_read)
            twin->has_read = lane_wants_read(&twin->lane, ++twin->tokens, 1u << 20, &twin->read);
        assert_true(twin->has_read);
        return;
    }
    if (head == LANE_EMPTY)
        return;
    pop(&twin->lane, first);
    twin->is_ready[first] = false;
    twin->is_out[first] = sim_random_chance(&twin->random, 40);
}

static void twin_return(struct twin *twin)
{
    struct entry entries[POSITIONS_MAX];
    size_t count = 0;
    for (uint64_t position = 1; position <= POSITIONS_MAX; position++) {
        if (!twin->is_out[position] || sim_random_chance(&twin->random, 30))
            continue;
        bool is_stored =
            twin->batch[position] != NOT_STORED && twin->batch[position] <= twin->committed;
        bool has_message = !is_stored || sim_random_chance(&twin->random, 30);
        entries[count++] = (struct entry){.position = position,
                                          .message = has_message ? new_message(position) : NULL,
                                          .batch = twin->batch[position],
                                          .body_bytes = BODY_BYTES};
        twin->is_out[position] = false;
        twin->is_ready[position] = true;
    }
    lane_return(&twin->lane, entries, count);
}

static void twin_answer(struct twin *twin)
{
    if (!twin->has_read)
        return;
    struct store_read_result *result = xcalloc(1, sizeof *result);
    unsigned count_max = 1 + sim_random_below(&twin->random, 20);
    result->read = twin->read;
    result->rows = xcalloc(POSITIONS_MAX, sizeof *result->rows);
    result->is_complete = true;
    for (uint64_t position = twin->read.first; position < twin->read.end; position++) {
        if (twin->batch[position] == NOT_STORED ||
            !(twin->is_ready[position] || twin->is_out[position]))
            continue;
        if (result->count == count_max) {
            result->is_complete = false;
            break;
        }
        result->rows[result->count++] =
            (struct store_row){.position = position, .message = new_message(position)};
    }
    assert_true(lane_read_done(&twin->lane, result));
    store_read_result_free(result);
    twin->has_read = false;
}

static void twin_spill(void *context, struct lane *lane, struct entry *entry)
{
    struct twin *twin = context;
    (void)lane;
    assert_int_equal(entry->batch, NOT_STORED);
    assert_true(entry->position > twin->spilled_last);
    twin->spilled_last = entry->position;
    entry->batch = twin->batch[entry->position] = twin->gathering;
}

static void twin_evict(struct twin *twin)
{
    struct lane_eviction eviction = {
        .committed = twin->committed,
        .keep_bytes = footprint() * sim_random_below(&twin->random, 20),
        .excess = footprint() * sim_random_below(&twin->random, 2) * 5,
        .room = footprint() * sim_random_below(&twin->random, 20),
        .spill = twin_spill,
        .context = twin,
    };
    lane_evict(&twin->lane, &eviction);
}

static void twin_step(struct twin *twin)
{
    switch (sim_random_below(&twin->random, 12)) {
    case 0:
        twin_return(twin);
        break;
    case 1:
        twin_evict(twin);
        break;
    case 2:
        twin->committed = twin->gathering++;
        break;
    case 3:
    case 4:
        twin_answer(twin);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        twin_push(twin);
        break;
    default:
        twin_pop(twin);
    }
    lane_check(&twin->lane);
}

static void a_lane_is_an_ordered_set_whatever_happens(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct twin twin = {.random = {seed}, .gathering = 2, .committed = 1};
        lane_init(&twin.lane, 1);
        for (int i = 0; i < 600; i++)
            twin_step(&twin);
        while (twin_first(&twin) <= POSITIONS_MAX) {
            twin_pop(&twin);
            twin_answer(&twin);
        }
        assert_int_equal(twin.lane.ready_count + twin.lane.memory_bytes, 0);
        lane_fini(&twin.lane);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lane_in_memory_is_a_fifo),
        cmocka_unit_test(what_is_on_disk_leaves_memory),
        cmocka_unit_test(what_has_left_memory_leaves_no_room),
        cmocka_unit_test(the_stretch_is_read_in_parts),
        cmocka_unit_test(an_answer_that_is_late_is_ignored),
        cmocka_unit_test(an_answer_that_misses_messages_is_noticed),
        cmocka_unit_test(a_stretch_may_end_in_nothing),
        cmocka_unit_test(transient_messages_stay_in_memory),
        cmocka_unit_test(too_many_of_them_are_spilled),
        cmocka_unit_test(no_more_is_spilled_than_there_is_room_for),
        cmocka_unit_test(transient_messages_between_stored_ones_are_spilled),
        cmocka_unit_test(the_head_window_can_go_back),
        cmocka_unit_test(what_is_given_back_comes_first),
        cmocka_unit_test(a_returned_message_leaves_memory_too),
        cmocka_unit_test(redelivered_is_what_is_below_the_mark),
        cmocka_unit_test(purge_names_what_is_stored_and_cancels_what_is_not_yet),
        cmocka_unit_test(a_purge_makes_reads_under_way_stale),
        cmocka_unit_test(a_lane_is_an_ordered_set_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
