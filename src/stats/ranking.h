/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_STATS_RANKING_H
#define LEVERET_STATS_RANKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * The first few of very many rows, in the order of one of their columns, and how fast their
 * counters rise. A ranking is made anew for each look; what it has seen of the counters is a past,
 * from which the next one makes rates.
 */

enum { RANKING_TEXTS = 4, RANKING_NUMBERS = 6, RANKING_COUNTERS = 3 };

struct ranking_row {
    uint64_t key; /* of the same object the same at each look */
    struct bytes texts[RANKING_TEXTS];
    uint64_t numbers[RANKING_NUMBERS];
    uint64_t counters[RANKING_COUNTERS];
    double rates[RANKING_COUNTERS]; /* per second; filled in; below 0: not known yet */
};

/* The counters of all rows of a look. */
struct ranking_past;
void ranking_past_free(struct ranking_past *past);
/* When it was, in the caller's clock. */
uint64_t ranking_past_ms(const struct ranking_past *past);

enum ranking_column_kind { RANKING_TEXT, RANKING_NUMBER, RANKING_RATE };
struct ranking_column {
    enum ranking_column_kind kind;
    size_t index; /* in texts, numbers, or rates */
};

struct ranking_rows {
    struct ranking_row **rows; /* owned, each owned */
    size_t count, capacity;
};

struct ranking {
    struct ranking_column order;
    bool is_ascending;
    size_t count_max;                /* at least 1 */
    struct bytes filter;             /* only rows that have this in a text; no data: all */
    const struct ranking_past *past; /* borrowed; NULL: none */
    struct ranking_past *present;    /* owned */
    struct ranking_rows rows;        /* first things first */
    size_t seen_count, matching_count;
};

/* The caller has set order, is_ascending, count_max, filter (borrowed) and past, the rest is 0. */
void ranking_begin(struct ranking *ranking, uint64_t now_ms);
/* Its texts are copied where it is among the first. */
void ranking_add(struct ranking *ranking, struct ranking_row *row);
/* Frees the rows; the past that this look is for the next one is the caller's. */
struct ranking_past *ranking_end(struct ranking *ranking);

#endif
