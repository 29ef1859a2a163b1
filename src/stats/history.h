/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_STATS_HISTORY_H
#define LEVERET_STATS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What some numbers of an object were, some time back: every few seconds of the last minutes, more
 * coarsely of the time before. Times are in ms, from whatever clock, and given by the caller.
 */
struct history;

/* Samples every interval_s, of the last age_s. */
struct retention {
    uint32_t age_s;
    uint32_t interval_s;
};

enum { HISTORY_LEVELS_MAX = 4 };

/* Finest first. */
struct retention_policy {
    struct retention levels[HISTORY_LEVELS_MAX];
    size_t count;
};

/* width: how many numbers a sample has. The policy is borrowed. */
struct history *history_new(size_t width, const struct retention_policy *policy);
void history_free(struct history *history);

/* The numbers from this time on, until the next call. Times never go back. */
void history_add(struct history *history, uint64_t time_ms, const uint64_t *values);

/* The numbers at a time: false before the first sample. What is older than any level keeps is that
 * which is known of the time after it. */
bool history_at(const struct history *history, uint64_t time_ms, uint64_t *values);

/* Memory, in bytes. */
size_t history_bytes(const struct history *history);

/* The interval of the finest level that goes so far back, of the coarsest where none does. */
uint32_t retention_interval_s(const struct retention_policy *policy, uint64_t age_s);
/* How far back the coarsest one goes. */
uint32_t retention_age_s(const struct retention_policy *policy);

#endif
