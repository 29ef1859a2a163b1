/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows come one by one and are not kept but for the first few, so that a look at a million queues
 * costs the memory of what is shown. Only the counters of all of them are, 32 bytes for each: in
 * the order in which they came, and sorted by key when the look is over, for the next one to
 * search.
 *
 * Equal rows stand in the order of their first texts, so that what is shown does not dance.
 */
#define _GNU_SOURCE 1 /* memmem */
#include "stats/ranking.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/status_rows.h"

struct past_row {
    uint64_t key;
    uint64_t counters[RANKING_COUNTERS];
};

struct ranking_past {
    uint64_t time_ms;
    struct past_row *rows; /* owned; by key */
    size_t count, capacity;
};

static int compare_keys(const void *a, const void *b)
{
    const struct past_row *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

void ranking_past_free(struct ranking_past *past)
{
    if (past != NULL)
        free(past->rows);
    free(past);
}

uint64_t ranking_past_ms(const struct ranking_past *past)
{
    return past->time_ms;
}

static void remember(struct ranking_past *past, const struct ranking_row *row)
{
    struct past_row seen = {.key = row->key};
    memcpy(seen.counters, row->counters, sizeof seen.counters);
    past->rows = xgrow(past->rows, &past->capacity, past->count + 1, sizeof past->rows[0]);
    past->rows[past->count++] = seen;
}

/* What was not there then has come since; so has what counts less now, under the name of another.
 */
static void fill_rates(const struct ranking *ranking, struct ranking_row *row)
{
    static const struct past_row nothing;
    const struct ranking_past *past = ranking->past;
    const struct past_row *former = NULL;
    for (size_t i = 0; i < RANKING_COUNTERS; i++)
        row->rates[i] = -1;
    if (past == NULL || ranking->present->time_ms <= past->time_ms)
        return;
    if (past->count > 0)
        former = bsearch(&(struct past_row){.key = row->key}, past->rows, past->count,
                         sizeof past->rows[0], compare_keys);
    double elapsed_s = (double)(ranking->present->time_ms - past->time_ms) / 1000;
    for (size_t i = 0; i < RANKING_COUNTERS; i++) {
        uint64_t before = former != NULL ? former->counters[i] : nothing.counters[i];
        before = before <= row->counters[i] ? before : 0;
        row->rates[i] = (double)(row->counters[i] - before) / elapsed_s;
    }
}

/* --- order */

static int compare_texts(const struct ranking_row *a, const struct ranking_row *b)
{
    int order = 0;
    for (size_t i = 0; i < RANKING_TEXTS && order == 0; i++)
        order = bytes_compare(a->texts[i], b->texts[i]);
    return order;
}

static int compare_column(struct ranking_column column, const struct ranking_row *a,
                          const struct ranking_row *b)
{
    size_t i = column.index;
    switch (column.kind) {
    case RANKING_NUMBER:
        return (a->numbers[i] > b->numbers[i]) - (a->numbers[i] < b->numbers[i]);
    case RANKING_RATE:
        return (a->rates[i] > b->rates[i]) - (a->rates[i] < b->rates[i]);
    default:
        return bytes_compare(a->texts[i], b->texts[i]);
    }
}

static bool is_before(const struct ranking *ranking, const struct ranking_row *a,
                      const struct ranking_row *b)
{
    int order = compare_column(ranking->order, a, b);
    if (order == 0)
        return compare_texts(a, b) < 0;
    return ranking->is_ascending ? order < 0 : order > 0;
}

static bool is_wanted(const struct ranking *ranking, const struct ranking_row *row)
{
    struct bytes filter = ranking->filter;
    bool is_found = filter.size == 0;
    for (size_t i = 0; i < RANKING_TEXTS && !is_found; i++)
        is_found = row->texts[i].size > 0 &&
                   memmem(row->texts[i].data, row->texts[i].size, filter.data, filter.size) != NULL;
    return is_found;
}

static void keep(struct ranking_rows *rows, const struct ranking_row *row)
{
    static const size_t texts[RANKING_TEXTS] = {
        offsetof(struct ranking_row, texts[0]), offsetof(struct ranking_row, texts[1]),
        offsetof(struct ranking_row, texts[2]), offsetof(struct ranking_row, texts[3])};
    static const struct status_row_kind kind = {sizeof *row, RANKING_TEXTS, texts, NULL, NULL};
    rows->rows = xgrow(rows->rows, &rows->capacity, rows->count + 1, sizeof rows->rows[0]);
    rows->rows[rows->count++] = status_row_copy(&kind, row);
}

void ranking_begin(struct ranking *ranking, uint64_t now_ms)
{
    CHECK(ranking->count_max > 0);
    ranking->present = xcalloc(1, sizeof *ranking->present);
    ranking->present->time_ms = now_ms;
}

void ranking_add(struct ranking *ranking, struct ranking_row *row)
{
    struct ranking_rows *rows = &ranking->rows;
    ranking->seen_count++;
    remember(ranking->present, row);
    if (!is_wanted(ranking, row))
        return;
    ranking->matching_count++;
    fill_rates(ranking, row);
    bool is_full = rows->count == ranking->count_max;
    if (is_full && !is_before(ranking, row, rows->rows[rows->count - 1]))
        return;
    if (is_full)
        free(rows->rows[--rows->count]);
    keep(rows, row);
    for (size_t i = rows->count - 1; i > 0; i--) {
        struct ranking_row *last = rows->rows[i];
        if (!is_before(ranking, last, rows->rows[i - 1]))
            break;
        rows->rows[i] = rows->rows[i - 1];
        rows->rows[i - 1] = last;
    }
}

struct ranking_past *ranking_end(struct ranking *ranking)
{
    struct ranking_past *past = ranking->present;
    if (past->count > 0)
        qsort(past->rows, past->count, sizeof past->rows[0], compare_keys);
    for (size_t i = 0; i < ranking->rows.count; i++)
        free(ranking->rows.rows[i]);
    free(ranking->rows.rows);
    ranking->rows = (struct ranking_rows){.rows = NULL};
    ranking->present = NULL;
    return past;
}
