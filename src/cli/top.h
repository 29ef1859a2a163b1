/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_TOP_H
#define LEVERET_CLI_TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

struct json_t;
struct options;

/* The command `top`: on a terminal until somebody quits, else what is now. */
int top_run(const struct options *options, const struct json_t *arguments);

/* --- what is shown, on a terminal or as text */

enum top_kind { TOP_TEXT, TOP_COUNT, TOP_BYTES, TOP_RATE, TOP_BYTE_RATE };

struct top_column {
    const char *key; /* the server's */
    const char *title;
    enum top_kind kind;
    int width; /* on a terminal; that of the first column is what is left */
};

struct top_view {
    const char *name;
    const struct top_column *columns;
    size_t column_count;
    size_t first_sort; /* column */
};

enum { TOP_VIEWS = 3, TOP_FILTER_MAX = 80 };
extern const struct top_view top_views[TOP_VIEWS];

struct top_totals {
    int64_t time_ms, published, delivered, acked;
};

struct top {
    size_t view;
    struct {
        size_t column;
        bool is_ascending;
    } sorts[TOP_VIEWS];
    char filter[TOP_FILTER_MAX + 1];
    struct json_t *answer;          /* owned; the last one, NULL: none yet */
    struct top_totals last, former; /* of the answers; time_ms 0: none */
};

/* Sorts by a column: the largest first, or texts in their order. */
void top_set_sort(struct top *top, size_t column);

/* What the server is asked; the caller's. */
struct json_t *top_request(const struct top *top, size_t row_count);
/* Takes over what it has said. */
void top_take(struct top *top, struct json_t *answer);

/* The text of a line. Totals are the lines above the table: false behind the last one. */
bool top_print_totals(const struct top *top, size_t line, struct buffer *text);
/* width 0: as wide as they need to be, which is *name_width for the first column. */
int top_name_width(const struct top *top, int width);
void top_print_titles(const struct top *top, int name_width, int width, struct buffer *text);
void top_print_row(const struct top *top, size_t row, int name_width, int width,
                   struct buffer *text);
size_t top_row_count(const struct top *top);
/* One of these numbers of the answer. */
int64_t top_number(const struct top *top, const char *key);

/* Cuts the text where it would take more than so many places on the terminal. */
void top_clip(struct buffer *text, int width);

#endif
