/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A history is added to only when something has changed, so what an idle object costs is what it
 * had: a sample is true until the next one. Each level is a ring of samples, one at most in each of
 * its intervals, the last one of that interval. So a sample enters a level when the next one comes
 * that is of another interval, and until then the newest one stands beside the levels, once.
 *
 * A ring grows as it is needed. In front of what a level has to know stays one sample, which says
 * what was true when its time begins.
 */
#include "stats/history.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"

enum { CAPACITY_MIN = 4 };

struct level {
    uint64_t *rows; /* owned; a time, then the values */
    uint32_t first, count, capacity;
};

struct history {
    const struct retention_policy *policy; /* borrowed */
    uint32_t width;
    bool has_any;
    struct level levels[]; /* the policy's; behind them the newest row */
};

static size_t row_size(const struct history *history)
{
    return history->width + 1;
}

static size_t bytes_without_levels(const struct retention_policy *policy, size_t width)
{
    return sizeof(struct history) + policy->count * sizeof(struct level) +
           (width + 1) * sizeof(uint64_t);
}

static uint64_t *newest(const struct history *history)
{
    return (uint64_t *)(uintptr_t)(history->levels + history->policy->count);
}

static uint64_t *row_at(const struct history *history, const struct level *level, size_t number)
{
    return level->rows + (level->first + number) % level->capacity * row_size(history);
}

struct history *history_new(size_t width, const struct retention_policy *policy)
{
    CHECK(width > 0 && policy->count <= HISTORY_LEVELS_MAX);
    struct history *history = xcalloc(1, bytes_without_levels(policy, width));
    history->policy = policy;
    history->width = (uint32_t)width;
    return history;
}

void history_free(struct history *history)
{
    if (history == NULL)
        return;
    for (size_t i = 0; i < history->policy->count; i++)
        free(history->levels[i].rows);
    free(history);
}

/* --- adding */

static void grow(const struct history *history, struct level *level)
{
    uint32_t capacity = level->capacity > 0 ? level->capacity * 2 : CAPACITY_MIN;
    uint64_t *rows = xmalloc(capacity * row_size(history) * sizeof rows[0]);
    for (size_t i = 0; i < level->count; i++)
        memcpy(rows + i * row_size(history), row_at(history, level, i),
               row_size(history) * sizeof rows[0]);
    free(level->rows);
    *level = (struct level){rows, 0, level->count, capacity};
}

/* Drops what is older than the level goes, but for the last of these. */
static void prune(const struct history *history, struct level *level, uint64_t oldest_ms)
{
    while (level->count > 1 && row_at(history, level, 1)[0] <= oldest_ms) {
        level->first = (level->first + 1) % level->capacity;
        level->count--;
    }
}

static void push(const struct history *history, struct level *level, const uint64_t *row)
{
    if (level->count == level->capacity)
        grow(history, level);
    memcpy(row_at(history, level, level->count), row, row_size(history) * sizeof row[0]);
    level->count++;
}

static void pass_on(struct history *history, size_t number, uint64_t time_ms)
{
    const struct retention *retention = &history->policy->levels[number];
    uint64_t interval_ms = (uint64_t)retention->interval_s * 1000;
    uint64_t age_ms = (uint64_t)retention->age_s * 1000;
    if (time_ms / interval_ms == newest(history)[0] / interval_ms)
        return;
    prune(history, &history->levels[number], time_ms > age_ms ? time_ms - age_ms : 0);
    push(history, &history->levels[number], newest(history));
}

void history_add(struct history *history, uint64_t time_ms, const uint64_t *values)
{
    CHECK(!history->has_any || time_ms >= newest(history)[0]);
    for (size_t i = 0; history->has_any && i < history->policy->count; i++)
        pass_on(history, i, time_ms);
    history->has_any = true;
    newest(history)[0] = time_ms;
    memcpy(newest(history) + 1, values, history->width * sizeof values[0]);
}

/* --- looking */

/* The last row that is not after the time, or NULL. */
static const uint64_t *search(const struct history *history, const struct level *level,
                              uint64_t time_ms)
{
    size_t low = 0, high = level->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (row_at(history, level, middle)[0] <= time_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? row_at(history, level, low - 1) : NULL;
}

/* Has the level all that it is to have of that time? The coarsest one says what it can. */
static bool is_within(const struct history *history, size_t number, uint64_t time_ms)
{
    uint64_t age_ms = (uint64_t)history->policy->levels[number].age_s * 1000;
    return number + 1 == history->policy->count || time_ms + age_ms >= newest(history)[0];
}

bool history_at(const struct history *history, uint64_t time_ms, uint64_t *values)
{
    const uint64_t *row = NULL;
    if (history->has_any && newest(history)[0] <= time_ms)
        row = newest(history);
    for (size_t i = 0; row == NULL && i < history->policy->count; i++) {
        if (is_within(history, i, time_ms))
            row = search(history, &history->levels[i], time_ms);
    }
    if (row != NULL)
        memcpy(values, row + 1, history->width * sizeof values[0]);
    return row != NULL;
}

size_t history_bytes(const struct history *history)
{
    size_t bytes = bytes_without_levels(history->policy, history->width);
    for (size_t i = 0; i < history->policy->count; i++)
        bytes += history->levels[i].capacity * row_size(history) * sizeof(uint64_t);
    return bytes;
}

uint32_t retention_interval_s(const struct retention_policy *policy, uint64_t age_s)
{
    size_t i = 0;
    while (i + 1 < policy->count && policy->levels[i].age_s < age_s)
        i++;
    return policy->levels[i].interval_s;
}

uint32_t retention_age_s(const struct retention_policy *policy)
{
    return policy->levels[policy->count - 1].age_s;
}
