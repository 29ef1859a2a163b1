/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates and histories of objects, with a time that the test sets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "stats/statistics.h"

enum { SECOND = 1000, BEGIN = 1000000 * SECOND };

/* --- history */

static const struct retention_policy policy = {{{60, 5}, {600, 60}}, 2};

static uint64_t at(const struct history *history, uint64_t seconds)
{
    uint64_t value = 0;
    return history_at(history, BEGIN + seconds * SECOND, &value) ? value : UINT64_MAX;
}

static void a_sample_is_true_until_the_next_one(void **state)
{
    (void)state;
    struct history *history = history_new(1, &policy);
    assert_int_equal(at(history, 0), UINT64_MAX);
    history_add(history, BEGIN + 5 * SECOND, (uint64_t[]){3});
    history_add(history, BEGIN + 20 * SECOND, (uint64_t[]){7});
    assert_int_equal(at(history, 4), UINT64_MAX);
    assert_int_equal(at(history, 5), 3);
    assert_int_equal(at(history, 19), 3);
    assert_int_equal(at(history, 20), 7);
    assert_int_equal(at(history, 100000), 7);
    history_free(history);
}

static void what_is_older_is_kept_more_coarsely(void **state)
{
    (void)state;
    struct history *history = history_new(1, &policy);
    for (uint64_t s = 0; s <= 1000; s += 5)
        history_add(history, BEGIN + s * SECOND, (uint64_t[]){s});
    for (uint64_t s = 940; s <= 1000; s += 5)
        assert_int_equal(at(history, s), s);
    for (uint64_t s = 400; s < 940; s++)
        assert_true(at(history, s) <= s && at(history, s) + 60 > s);
    history_free(history);
}

/* What it was at the end of an idle hour is not what it was at the beginning of the level. */
static void idle_times_do_not_hide_what_was_before(void **state)
{
    (void)state;
    struct history *history = history_new(1, &policy);
    for (uint64_t s = 0; s < 100; s += 5)
        history_add(history, BEGIN + s * SECOND, (uint64_t[]){s});
    history_add(history, BEGIN + 500 * SECOND, (uint64_t[]){1000});
    assert_int_equal(at(history, 300), 95);
    assert_int_equal(at(history, 445), 95);
    assert_true(at(history, 60) <= 60);
    assert_int_equal(at(history, 500), 1000);
    history_free(history);
}

static void memory_is_bounded_by_the_policy(void **state)
{
    (void)state;
    struct history *history = history_new(1, &policy);
    for (uint64_t s = 0; s <= 100000; s += 5)
        history_add(history, BEGIN + s * SECOND, (uint64_t[]){s});
    assert_true(history_bytes(history) < 1024);
    history_free(history);
}

/* --- statistics */

static const struct bytes VHOST = {(const uint8_t *)"/", 1};

static struct statistics *new_statistics(size_t bytes_max)
{
    struct stats_config config;
    stats_config_init(&config);
    config.bytes_max = bytes_max;
    return statistics_new(&config);
}

static void pass(struct statistics *statistics, uint64_t seconds, const char *name, uint64_t in,
                 uint64_t out, bool is_new)
{
    statistics_begin(statistics, BEGIN + seconds * SECOND);
    if (name != NULL)
        statistics_record(statistics, STATS_EXCHANGE, VHOST, bytes_of_text(name),
                          (uint64_t[]){in, out}, is_new);
    statistics_end(statistics);
}

static struct stats_reading read_of(struct statistics *statistics, const char *name)
{
    struct stats_reading reading;
    statistics_read(statistics, STATS_EXCHANGE, VHOST, bytes_of_text(name), &reading);
    return reading;
}

static bool has_rates(struct statistics *statistics, const char *name, double in, double out)
{
    struct stats_reading reading = read_of(statistics, name);
    return reading.rates[0] > in - 0.001 && reading.rates[0] < in + 0.001 &&
           reading.rates[1] > out - 0.001 && reading.rates[1] < out + 0.001;
}

static void rates_are_of_the_last_pass(void **state)
{
    (void)state;
    struct statistics *statistics = new_statistics(1 << 20);
    pass(statistics, 0, "x", 10, 20, true);
    assert_true(has_rates(statistics, "x", 2, 4));
    pass(statistics, 5, "x", 15, 20, false);
    assert_true(has_rates(statistics, "x", 1, 0));
    pass(statistics, 15, "x", 115, 20, false);
    assert_true(has_rates(statistics, "x", 10, 0));
    pass(statistics, 20, NULL, 0, 0, false);
    assert_true(has_rates(statistics, "x", 0, 0));
    assert_int_equal(read_of(statistics, "x").values[0], 115);
    assert_true(has_rates(statistics, "y", 0, 0));
    statistics_free(statistics);
}

/* After an idle hour a rate is of the pass, not of the hour. */
static void an_idle_time_is_no_part_of_a_rate(void **state)
{
    (void)state;
    struct statistics *statistics = new_statistics(1 << 20);
    pass(statistics, 0, "x", 10, 0, true);
    for (uint64_t s = 5; s <= 300; s += 5)
        pass(statistics, s, NULL, 0, 0, false);
    pass(statistics, 305, "x", 20, 0, false);
    assert_true(has_rates(statistics, "x", 2, 0));
    statistics_free(statistics);
}

static void what_was_known_before_has_no_rate_at_first(void **state)
{
    (void)state;
    struct statistics *statistics = new_statistics(1 << 20);
    pass(statistics, 0, "x", 1000, 0, false);
    assert_true(has_rates(statistics, "x", 0, 0));
    statistics_free(statistics);
}

/* Its counters begin again. */
static void what_is_deleted_and_made_again_is_another_one(void **state)
{
    (void)state;
    struct statistics *statistics = new_statistics(1 << 20);
    pass(statistics, 0, "x", 1000, 0, true);
    pass(statistics, 5, "x", 10, 0, true);
    assert_true(has_rates(statistics, "x", 2, 0));
    statistics_free(statistics);
}

static void samples_go_back_from_the_last_pass(void **state)
{
    (void)state;
    struct stats_samples samples;
    struct statistics *statistics = new_statistics(1 << 20);
    for (uint64_t s = 0; s <= 20; s += 5)
        pass(statistics, s, "x", s + 1, 0, true);
    statistics_sample(statistics, STATS_EXCHANGE, VHOST, bytes_of_text("x"),
                      &(struct stats_range){60, 5}, &samples);
    assert_int_equal(samples.count, 13);
    assert_int_equal(samples.newest_ms, BEGIN + 20 * SECOND);
    assert_int_equal(samples.step_ms, 5 * SECOND);
    for (size_t i = 0; i < samples.count; i++)
        assert_int_equal(samples.values[i * samples.width], i <= 4 ? 21 - 5 * i : 0);
    stats_samples_fini(&samples);
    statistics_sample(statistics, STATS_EXCHANGE, VHOST, bytes_of_text("y"),
                      &(struct stats_range){60, 5}, &samples);
    assert_int_equal(samples.count, 0);
    statistics_sample_nothing(statistics, STATS_EXCHANGE, &(struct stats_range){60, 5}, &samples);
    assert_int_equal(samples.count, 13);
    assert_int_equal(samples.newest_ms, BEGIN + 20 * SECOND);
    for (size_t i = 0; i < samples.count * samples.width; i++)
        assert_int_equal(samples.values[i], 0);
    stats_samples_fini(&samples);
    statistics_free(statistics);
}

/* Whatever a client asks for. */
static void samples_are_as_many_as_there_can_be(void **state)
{
    (void)state;
    struct stats_samples samples;
    struct statistics *statistics = new_statistics(1 << 20);
    pass(statistics, 0, "x", 1, 0, true);
    statistics_sample(statistics, STATS_EXCHANGE, VHOST, bytes_of_text("x"),
                      &(struct stats_range){UINT32_MAX, 1}, &samples);
    assert_int_equal(samples.count, 61);
    stats_samples_fini(&samples);
    statistics_sample(statistics, STATS_EXCHANGE, VHOST, bytes_of_text("x"),
                      &(struct stats_range){0, 0}, &samples);
    assert_int_equal(samples.count, 1);
    stats_samples_fini(&samples);
    statistics_free(statistics);
}

static void busy(struct statistics *statistics, uint64_t seconds, int count)
{
    char name[32];
    statistics_begin(statistics, BEGIN + seconds * SECOND);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "exchange %d", i);
        statistics_record(statistics, STATS_EXCHANGE, VHOST, bytes_of_text(name),
                          (uint64_t[]){seconds + 10, 0}, seconds == 0);
    }
    statistics_end(statistics);
}

static void many_busy_objects_keep_to_the_budget(void **state)
{
    (void)state;
    enum { BUDGET = 256 << 10 };
    struct statistics *statistics = new_statistics(BUDGET);
    for (uint64_t s = 0; s < 100; s += 5) {
        busy(statistics, s, 5000);
        assert_true(statistics_bytes(statistics) <= BUDGET);
    }
    assert_true(statistics_bytes(statistics) > BUDGET / 2);
    assert_true(has_rates(statistics, "exchange 0", 1, 0));
    statistics_free(statistics);
}

static void who_is_busy_now_takes_the_place_of_who_was(void **state)
{
    (void)state;
    struct statistics *statistics = new_statistics(64 << 10);
    busy(statistics, 0, 5000);
    for (uint64_t s = 5; s <= 30; s += 5)
        pass(statistics, s, "x", s, 0, true);
    struct stats_samples samples;
    statistics_sample(statistics, STATS_EXCHANGE, VHOST, bytes_of_text("x"),
                      &(struct stats_range){60, 5}, &samples);
    assert_true(samples.count > 0);
    assert_int_equal(samples.values[0], 30);
    stats_samples_fini(&samples);
    statistics_free(statistics);
}

static void what_is_idle_for_long_costs_nothing(void **state)
{
    (void)state;
    struct statistics *statistics = new_statistics(1 << 20);
    busy(statistics, 0, 100);
    assert_true(statistics_bytes(statistics) > 0);
    pass(statistics, 4000, NULL, 0, 0, false);
    assert_int_equal(statistics_bytes(statistics), 0);
    statistics_free(statistics);
}

/* All of them are recorded in each pass. */
static void vhosts_in_which_nothing_happens_cost_little(void **state)
{
    (void)state;
    enum { VHOSTS = 100, ROW_BYTES = 18 * 8 };
    uint64_t values[STATS_WIDTH_MAX] = {1, 2, 3};
    struct statistics *statistics = new_statistics(1 << 20);
    struct stats_samples samples;
    for (uint64_t s = 0; s < 7200; s += 5) {
        statistics_begin(statistics, BEGIN + s * SECOND);
        for (uint8_t i = 0; i < VHOSTS; i++)
            statistics_record(statistics, STATS_VHOST, bytes_of(&i, 1), bytes_of_text(""), values,
                              true);
        statistics_end(statistics);
    }
    assert_true(statistics_bytes(statistics) < VHOSTS * 20 * ROW_BYTES);
    statistics_sample(statistics, STATS_VHOST, bytes_of("", 1), bytes_of_text(""),
                      &(struct stats_range){60, 5}, &samples);
    assert_int_equal(samples.count, 13);
    assert_int_equal(samples.values[0], 1);
    assert_int_equal(samples.values[12 * samples.width + 2], 3);
    stats_samples_fini(&samples);
    statistics_free(statistics);
}

static uint64_t sample_count(struct statistics *statistics, enum stats_kind kind, const char *name)
{
    const struct stats_range range = {60, 5};
    struct stats_samples samples;
    statistics_sample(statistics, kind, VHOST, bytes_of_text(name), &range, &samples);
    uint64_t count = samples.count;
    stats_samples_fini(&samples);
    return count;
}

/* A vhost's numbers are read from here, an exchange's are not. */
static void a_reset_begins_anew(void **state)
{
    (void)state;
    struct stats_reading reading;
    uint64_t numbers[STATS_WIDTH_MAX] = {100};
    struct statistics *statistics = new_statistics(1 << 20);
    statistics_begin(statistics, BEGIN);
    statistics_record(statistics, STATS_VHOST, VHOST, bytes_of_text(""), numbers, true);
    statistics_end(statistics);
    pass(statistics, 5, "x", 10, 10, true);
    assert_true(has_rates(statistics, "x", 2, 2));
    assert_int_not_equal(sample_count(statistics, STATS_EXCHANGE, "x"), 0);
    statistics_reset(statistics);
    assert_true(has_rates(statistics, "x", 0, 0));
    assert_int_equal(sample_count(statistics, STATS_EXCHANGE, "x"), 0);
    assert_int_equal(sample_count(statistics, STATS_VHOST, ""), 0);
    assert_true(statistics_read(statistics, STATS_VHOST, VHOST, bytes_of_text(""), &reading));
    assert_int_equal(reading.values[0], 100);
    assert_true(reading.rates[0] == 0);
    pass(statistics, 10, "x", 15, 10, false);
    assert_true(has_rates(statistics, "x", 0, 0));
    pass(statistics, 15, "x", 20, 10, false);
    assert_true(has_rates(statistics, "x", 1, 0));
    statistics_free(statistics);
}

static void the_numbers_of_a_queue_are_in_the_order_of_its_fields(void **state)
{
    (void)state;
    uint64_t values[STATS_WIDTH_MAX];
    size_t count, named;
    struct queue_counters counters = {.publish = 1, .deliveries = {2, 3, 4, 5, 6, 7, 8}};
    count = stats_of_queue(values, &counters, 9, 10);
    const struct stats_field *fields = stats_fields(STATS_QUEUE, &named);
    assert_int_equal(count, named);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, "deliver_get") == 0)
            assert_int_equal(values[i], 14);
        if (strcmp(fields[i].name, "ack") == 0)
            assert_int_equal(values[i], 8);
        if (strcmp(fields[i].name, "messages") == 0)
            assert_int_equal(values[i], 19);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sample_is_true_until_the_next_one),
        cmocka_unit_test(what_is_older_is_kept_more_coarsely),
        cmocka_unit_test(idle_times_do_not_hide_what_was_before),
        cmocka_unit_test(memory_is_bounded_by_the_policy),
        cmocka_unit_test(rates_are_of_the_last_pass),
        cmocka_unit_test(an_idle_time_is_no_part_of_a_rate),
        cmocka_unit_test(what_was_known_before_has_no_rate_at_first),
        cmocka_unit_test(what_is_deleted_and_made_again_is_another_one),
        cmocka_unit_test(samples_go_back_from_the_last_pass),
        cmocka_unit_test(samples_are_as_many_as_there_can_be),
        cmocka_unit_test(many_busy_objects_keep_to_the_budget),
        cmocka_unit_test(who_is_busy_now_takes_the_place_of_who_was),
        cmocka_unit_test(what_is_idle_for_long_costs_nothing),
        cmocka_unit_test(a_reset_begins_anew),
        cmocka_unit_test(vhosts_in_which_nothing_happens_cost_little),
        cmocka_unit_test(the_numbers_of_a_queue_are_in_the_order_of_its_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
