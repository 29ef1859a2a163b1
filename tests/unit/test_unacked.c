/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring of a channel's unacked deliveries.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../sim/sim_random.h"
#include "broker/unacked.h"

/* The ring does not look at its queues: any address tells a live entry from a gap. */
static struct lane *const a_lane = (struct lane *)(uintptr_t)64;

static void push(struct unacked_ring *ring, uint64_t tag)
{
    *unacked_ring_add(ring) = (struct unacked){.tag = tag, .position = tag * 10, .lane = a_lane};
}

static void settle(struct unacked_ring *ring, uint64_t tag)
{
    struct unacked *unacked = unacked_ring_find(ring, tag);
    assert_non_null(unacked);
    assert_int_equal(unacked->position, tag * 10);
    unacked_ring_settle(ring, unacked);
    unacked_ring_trim(ring);
}

static void a_tag_is_found_until_it_is_settled(void **state)
{
    (void)state;
    struct unacked_ring ring = {0};
    assert_null(unacked_ring_find(&ring, 1));
    push(&ring, 3);
    push(&ring, 5);
    push(&ring, 9);
    assert_null(unacked_ring_find(&ring, 4));
    assert_null(unacked_ring_find(&ring, 10));
    assert_int_equal(unacked_ring_search(&ring, 4), 1);
    settle(&ring, 5);
    assert_null(unacked_ring_find(&ring, 5));
    assert_int_equal(ring.live, 2);
    assert_int_equal(ring.count, 3);
    settle(&ring, 3);
    assert_int_equal(ring.count, 1);
    settle(&ring, 9);
    assert_int_equal(ring.count, 0);
    unacked_ring_fini(&ring);
}

static void gaps_do_not_make_it_grow(void **state)
{
    (void)state;
    struct unacked_ring ring = {0};
    push(&ring, 1);
    for (uint64_t tag = 2; tag < 10000; tag++) {
        push(&ring, tag);
        settle(&ring, tag);
    }
    assert_true(ring.capacity <= 1024);
    assert_int_equal(ring.live, 1);
    settle(&ring, 1);
    unacked_ring_fini(&ring);
}

static void memory_is_given_back(void **state)
{
    (void)state;
    struct unacked_ring ring = {0};
    for (uint64_t tag = 1; tag <= 100000; tag++)
        push(&ring, tag);
    for (uint64_t tag = 1; tag < 100000; tag++)
        settle(&ring, tag);
    assert_true(ring.capacity <= 1024);
    settle(&ring, 100000);
    unacked_ring_fini(&ring);
}

static void what_is_in_a_large_ring_stays_where_it_is(void **state)
{
    enum { TAGS = 300000, WATCHED = 10 };
    (void)state;
    struct unacked_ring ring = {0};
    const struct unacked *places[WATCHED];
    for (uint64_t tag = 1; tag <= 10000; tag++)
        push(&ring, tag);
    for (size_t i = 0; i < WATCHED; i++)
        places[i] = unacked_ring_at(&ring, 1000 * i);
    for (uint64_t tag = 10001; tag <= TAGS; tag++)
        push(&ring, tag);
    for (size_t i = 0; i < WATCHED; i++)
        assert_ptr_equal(places[i], unacked_ring_at(&ring, 1000 * i));
    for (uint64_t tag = 1; tag <= TAGS; tag++)
        settle(&ring, tag);
    unacked_ring_fini(&ring);
}

/* One in so many is never settled, so that there is a live one in every chunk. */
static void gaps_of_a_large_ring_are_squeezed_out(void **state)
{
    enum { TAGS = 200000, KEPT = 400, BEHIND = 3000 };
    (void)state;
    struct unacked_ring ring = {0};
    size_t capacity_max = 0;
    for (uint64_t tag = 1; tag <= TAGS; tag++) {
        push(&ring, tag);
        if (tag > BEHIND && (tag - BEHIND) % KEPT != 0)
            settle(&ring, tag - BEHIND);
        if (ring.capacity > capacity_max)
            capacity_max = ring.capacity;
    }
    assert_true(capacity_max <= 16384);
    assert_int_equal(ring.live, BEHIND + (TAGS - BEHIND) / KEPT);
    for (uint64_t tag = 1; tag <= TAGS; tag++) {
        bool is_left = tag > TAGS - BEHIND || tag % KEPT == 0;
        assert_int_equal(unacked_ring_find(&ring, tag) != NULL, is_left);
        if (is_left)
            settle(&ring, tag);
    }
    assert_int_equal(ring.live, 0);
    assert_true(ring.capacity <= 1024);
    unacked_ring_fini(&ring);
}

static void any_order_of_settling_is_right(void **state)
{
    (void)state;
    enum { TAGS = 3000 };
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct sim_random random = {seed};
        struct unacked_ring ring = {0};
        bool is_live[TAGS + 1] = {false};
        uint64_t next = 1;
        size_t live = 0;
        while (next <= TAGS || live > 0) {
            uint64_t tag = 1 + sim_random_below(&random, TAGS);
            if (next <= TAGS && sim_random_chance(&random, 50)) {
                push(&ring, next);
                is_live[next++] = true;
                live++;
            } else if (is_live[tag]) {
                settle(&ring, tag);
                is_live[tag] = false;
                live--;
            } else {
                assert_null(unacked_ring_find(&ring, tag));
            }
            assert_int_equal(ring.live, live);
        }
        unacked_ring_fini(&ring);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tag_is_found_until_it_is_settled),
        cmocka_unit_test(gaps_do_not_make_it_grow),
        cmocka_unit_test(memory_is_given_back),
        cmocka_unit_test(what_is_in_a_large_ring_stays_where_it_is),
        cmocka_unit_test(gaps_of_a_large_ring_are_squeezed_out),
        cmocka_unit_test(any_order_of_settling_is_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
