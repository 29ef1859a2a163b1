/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first of very many rows, against all of them sorted, and rates between two looks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stats/ranking.h"

enum { ROWS = 500, FIRST = 7 };

/* Row i of ROWS: its number is any order of them all. */
static uint64_t number_of(size_t i)
{
    return i * 263 % ROWS;
}

static void add(struct ranking *ranking, size_t i, uint64_t counter)
{
    char name[32];
    snprintf(name, sizeof name, "row-%03zu", i);
    struct ranking_row row = {.key = i,
                              .texts = {bytes_of_text(name)},
                              .numbers = {number_of(i), number_of(i) / 100},
                              .counters = {counter}};
    ranking_add(ranking, &row);
}

static const struct ranking_row *row_at(const struct ranking *ranking, size_t i)
{
    assert_true(i < ranking->rows.count);
    return ranking->rows.rows[i];
}

static void the_largest_come_first(void **state)
{
    (void)state;
    struct ranking ranking = {.order = {RANKING_NUMBER, 0}, .count_max = FIRST};
    ranking_begin(&ranking, 1000);
    for (size_t i = 0; i < ROWS; i++)
        add(&ranking, i, 0);
    assert_int_equal(ranking.rows.count, FIRST);
    assert_int_equal(ranking.seen_count, ROWS);
    for (size_t i = 0; i < FIRST; i++)
        assert_int_equal(row_at(&ranking, i)->numbers[0], ROWS - 1 - i);
    ranking_past_free(ranking_end(&ranking));
}

static void the_smallest_come_first_where_that_is_wanted(void **state)
{
    (void)state;
    struct ranking ranking = {
        .order = {RANKING_NUMBER, 0}, .is_ascending = true, .count_max = FIRST};
    ranking_begin(&ranking, 1000);
    for (size_t i = 0; i < ROWS; i++)
        add(&ranking, i, 0);
    for (size_t i = 0; i < FIRST; i++)
        assert_int_equal(row_at(&ranking, i)->numbers[0], i);
    ranking_past_free(ranking_end(&ranking));
}

static void equal_ones_stand_by_name(void **state)
{
    (void)state;
    struct ranking ranking = {.order = {RANKING_NUMBER, 1}, .count_max = 2 * ROWS};
    ranking_begin(&ranking, 1000);
    for (size_t i = ROWS; i > 0; i--)
        add(&ranking, i - 1, 0);
    assert_int_equal(ranking.rows.count, ROWS);
    for (size_t i = 1; i < ROWS; i++) {
        const struct ranking_row *former = row_at(&ranking, i - 1), *row = row_at(&ranking, i);
        assert_true(former->numbers[1] > row->numbers[1] ||
                    (former->numbers[1] == row->numbers[1] &&
                     bytes_compare(former->texts[0], row->texts[0]) < 0));
    }
    ranking_past_free(ranking_end(&ranking));
}

static void only_those_with_the_text_are_shown(void **state)
{
    (void)state;
    struct ranking ranking = {.order = {RANKING_TEXT, 0}, .is_ascending = true, .count_max = FIRST};
    ranking.filter = bytes_of_text("-12");
    ranking_begin(&ranking, 1000);
    for (size_t i = 0; i < ROWS; i++)
        add(&ranking, i, 0);
    assert_int_equal(ranking.matching_count, 10);
    for (size_t i = 0; i < FIRST; i++)
        assert_int_equal(row_at(&ranking, i)->key, 120 + i);
    ranking_past_free(ranking_end(&ranking));
}

static void rates_are_those_since_the_look_before(void **state)
{
    (void)state;
    struct ranking first = {.order = {RANKING_RATE, 0}, .count_max = FIRST};
    ranking_begin(&first, 1000);
    for (size_t i = 0; i < ROWS; i++)
        add(&first, i, 1000);
    assert_true(row_at(&first, 0)->rates[0] < 0); /* not known */
    struct ranking_past *past = ranking_end(&first);
    struct ranking second = {.order = {RANKING_RATE, 0}, .count_max = FIRST, .past = past};
    ranking_begin(&second, 3000);
    for (size_t i = 0; i < ROWS; i++)
        add(&second, i, i == 17 ? 1500 : i == 18 ? 600 : 1000); /* 18 is another one of its name */
    add(&second, ROWS, 40);                                     /* has come since */
    static const size_t keys[] = {18, 17, ROWS};
    static const double rates[] = {300, 250, 20};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(row_at(&second, i)->key, keys[i]);
        assert_true(row_at(&second, i)->rates[0] == rates[i]);
    }
    assert_true(row_at(&second, 3)->rates[0] == 0);
    ranking_past_free(ranking_end(&second));
    ranking_past_free(past);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_come_first),
        cmocka_unit_test(the_smallest_come_first_where_that_is_wanted),
        cmocka_unit_test(equal_ones_stand_by_name),
        cmocka_unit_test(only_those_with_the_text_are_shown),
        cmocka_unit_test(rates_are_those_since_the_look_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
