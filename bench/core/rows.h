/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BENCH_CORE_ROWS_H
#define LEVERET_BENCH_CORE_ROWS_H

#include <stddef.h>

/*
 * The rows of bench/instructions. A row is a script that is always the same: it prepares a round
 * (commands, what stands in queues), lets it be measured, checks that what came out is what had to,
 * puts everything back, and goes on with the next one.
 *
 * callgrind counts while a function runs whose name begins with measured_ (--toggle-collect), and
 * nothing else; these are all there are of them, so that they say what is in a figure.
 */
enum { round_messages = 256, row_rounds = 40 };

struct row {
    const char *name;
    /* Runs the row; the number of messages that were measured. */
    size_t (*run)(void);
};

/* The core alone; ended by a row without a name. */
extern const struct row core_rows[];
/* A connection on a socket pair, without the core. */
extern const struct row wire_rows[];

#endif
