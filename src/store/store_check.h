/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_STORE_STORE_CHECK_H
#define LEVERET_STORE_STORE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Looks at files that nobody has open, row by row, and changes nothing in them. Memory: 16 bytes
 * for each segment and as much as opening the store takes, and a bounded amount besides, however
 * many messages there are.
 */

/* The caller sets on_fault, its context, and what says so; the rest is what was found. */
struct store_check {
    uint64_t pages; /* of the file, each looked at by SQLite */
    uint64_t exchanges, queues, bindings;
    uint64_t lanes, chunks; /* rows that say where messages are */
    uint64_t groups;        /* rows of counts */
    uint64_t journal;       /* rows */
    uint64_t segments;      /* rows with messages */
    uint64_t records;       /* in them */
    uint64_t record_bytes;
    uint64_t messages;      /* those that queues have */
    uint64_t message_bytes; /* of their bodies */
    uint64_t attempts, values;
    uint64_t shelves, delays, keys;
    uint64_t faults;
    bool must_be_made; /* the caller says: there is a file, or it has been lost */
    bool is_unmade;    /* there is no file yet: the server died before it was made */
    bool is_compared;  /* the rows could be read, and so counts and places were compared as well */
    void (*on_fault)(void *context, const char *text);
    void *context;
    uint64_t places_max; /* held in memory at once; 0: as many as is good, half a million */
};

/* A vhost's folder. What cannot be opened is a fault, too. */
void store_check(const char *folder, struct store_check *check);

/* A folder's definitions.db. */
struct definitions;
struct definitions_check {
    uint64_t pages;
    uint64_t faults;
    void (*on_fault)(void *context, const char *text);
    void *context;
};
/* The rows that are sound: the caller's. NULL where the file cannot be read. */
struct definitions *definitions_check(const char *folder, struct definitions_check *check);

#endif
