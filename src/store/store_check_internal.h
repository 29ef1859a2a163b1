/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_STORE_STORE_CHECK_INTERNAL_H
#define LEVERET_STORE_STORE_CHECK_INTERNAL_H

#include "store/store_check.h"
#include "store/store_internal.h"

/* What store_check*.c share. */

struct checking {
    struct store *store;
    struct store_check *check;
    uint64_t journal_last;
    uint64_t kept; /* exchanges with a number */
};

/* Where some messages of a lane are. */
struct check_place {
    uint64_t lane;
    struct run run;
};

void check_fault(struct checking *checking, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Calls look with each row of a query; what SQLite cannot read is a fault of what. */
void check_rows(struct checking *checking, const char *what, const char *sql,
                void (*look)(struct checking *checking, sqlite3_stmt *row));
/* The same with a statement whose parameters are bound; it is reset. */
void check_step_all(struct checking *checking, const char *what, sqlite3_stmt *select,
                    void (*look)(struct checking *checking, sqlite3_stmt *row, void *context),
                    void *context);

/* --- store_check_places.c */

/* A segment's records. places: those in it, in any order. */
void check_segment(struct checking *checking, uint64_t id, struct bytes data,
                   const struct check_place *places, size_t place_count);
/* The store is loaded: lanes, the counts of segments, and every message against its place. */
void check_places(struct checking *checking);

#endif
