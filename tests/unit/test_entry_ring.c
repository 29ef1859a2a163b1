/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings of entries, beside a sorted array that does the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../sim/sim_random.h"
#include "queue/entry_ring.h"

enum { MODEL_MAX = 40000, STEPS = 3000 };

/* The positions that are in the ring, from first on. */
struct model {
    uint64_t positions[MODEL_MAX];
    size_t first, count;
    uint64_t next; /* position of what comes last */
    struct entry_ring ring;
};

static struct entry entry_at(uint64_t position)
{
    return (struct entry){.position = position, .body_bytes = (uint32_t)position};
}

static void push(struct entry_ring *ring, uint64_t position)
{
    struct entry entry = entry_at(position);
    entry_ring_push(ring, &entry);
}

static void check(const struct model *model)
{
    assert_int_equal(model->ring.count, model->count);
    for (size_t i = 0; i < model->count; i++) {
        const struct entry *entry = entry_ring_at(&model->ring, i);
        assert_int_equal(entry->position, model->positions[model->first + i]);
        assert_int_equal(entry->body_bytes, (uint32_t)entry->position);
    }
    if (model->count > 0)
        assert_ptr_equal(entry_ring_front(&model->ring), entry_ring_at(&model->ring, 0));
    else
        assert_null(entry_ring_front(&model->ring));
}

static void push_some(struct model *model, size_t count)
{
    for (; count > 0 && model->first + model->count < MODEL_MAX; count--) {
        model->next += 10;
        push(&model->ring, model->next);
        model->positions[model->first + model->count++] = model->next;
    }
}

static void pop_some(struct model *model, size_t count)
{
    for (; count > 0 && model->count > 0; count--, model->count--)
        assert_int_equal(entry_ring_pop(&model->ring).position, model->positions[model->first++]);
}

/* Into the model only. */
static void add(struct model *model, uint64_t position)
{
    size_t at = model->first + model->count;
    for (; at > model->first && model->positions[at - 1] > position; at--)
        model->positions[at] = model->positions[at - 1];
    model->positions[at] = position;
    model->count++;
}

/* A position that is not in it: those of push_some are multiples of 10. */
static uint64_t other_position(struct model *model, struct sim_random *random)
{
    for (;;) {
        uint64_t position = 1 + sim_random_next(random) % (model->next + 10);
        size_t at = entry_ring_search(&model->ring, position);
        bool is_there =
            at < model->ring.count && entry_ring_at(&model->ring, at)->position == position;
        if (!is_there && position % 10 != 0)
            return position;
    }
}

static void insert_one(struct model *model, struct sim_random *random)
{
    if (model->first + model->count == MODEL_MAX)
        return;
    uint64_t position = other_position(model, random);
    entry_ring_insert(&model->ring, entry_at(position));
    add(model, position);
}

/* What was in front comes back, as when a channel ends. */
static void return_some(struct model *model, size_t count)
{
    struct entry entries[2000] = {0};
    size_t returned = count < model->first && count < 2000 ? count : 0;
    uint64_t before = model->count > 0 ? model->positions[model->first] : UINT64_MAX;
    size_t kept = 0;
    for (size_t i = model->first - returned; i < model->first; i++) {
        if (model->positions[i] < before &&
            (kept == 0 || model->positions[i] > entries[kept - 1].position))
            entries[kept++] = entry_at(model->positions[i]);
    }
    entry_ring_merge(&model->ring, entries, kept);
    for (size_t i = kept; i > 0; i--)
        model->positions[--model->first] = entries[i - 1].position;
    model->count += kept;
}

static void a_ring_does_what_an_array_does(void **state)
{
    (void)state;
    struct model *model = malloc(sizeof *model);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct sim_random random = {seed};
        memset(model, 0, sizeof *model);
        size_t size_max = (size_t)1 << (1 + seed % 12);
        for (int i = 0; i < STEPS; i++) {
            size_t size = sim_random_next(&random) % size_max;
            switch (sim_random_next(&random) % 6) {
            case 0:
            case 1:
                push_some(model, size);
                break;
            case 2:
                pop_some(model, size);
                break;
            case 3:
                insert_one(model, &random);
                break;
            case 4:
                return_some(model, size);
                break;
            default:
                entry_ring_shrink(&model->ring);
            }
            if (i % 50 == 0)
                check(model);
        }
        check(model);
        entry_ring_fini(&model->ring);
    }
    free(model);
}

static void merging_in_between_keeps_the_order(void **state)
{
    (void)state;
    struct entry_ring ring = {0};
    struct entry entries[3000];
    for (uint64_t i = 0; i < 3000; i++) {
        push(&ring, 2 * i);
        entries[i] = entry_at(2 * i + 1);
    }
    entry_ring_merge(&ring, entries, 3000);
    assert_int_equal(ring.count, 6000);
    for (uint64_t i = 0; i < 6000; i++)
        assert_int_equal(entry_ring_at(&ring, i)->position, i);
    entry_ring_fini(&ring);
}

/* Else one more entry would cost the moving of millions. */
static void what_is_in_a_large_ring_stays_where_it_is(void **state)
{
    (void)state;
    struct entry_ring ring = {0};
    for (uint64_t i = 0; i < 10000; i++)
        push(&ring, i);
    const struct entry *places[10];
    for (size_t i = 0; i < 10; i++)
        places[i] = entry_ring_at(&ring, 1000 * i);
    for (uint64_t i = 10000; i < 1000000; i++)
        push(&ring, i);
    for (size_t i = 0; i < 10; i++)
        assert_ptr_equal(places[i], entry_ring_at(&ring, 1000 * i));
    for (uint64_t i = 0; i < 1000000; i++)
        assert_int_equal(entry_ring_pop(&ring).position, i);
    entry_ring_shrink(&ring);
    assert_int_equal(ring.capacity, 0);
    entry_ring_fini(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_does_what_an_array_does),
        cmocka_unit_test(merging_in_between_keeps_the_order),
        cmocka_unit_test(what_is_in_a_large_ring_stays_where_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
