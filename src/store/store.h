/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_STORE_STORE_H
#define LEVERET_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue/store_batch.h"

/*
 * The store of one vhost: its durable definitions and messages, in FOLDER/messages.db; and the
 * transient messages for which there is no memory, in FOLDER/spill.db, until it is opened again.
 *
 * Threads: no thread is started here. One thread at a time is the writer (store_commit,
 * store_maintain, store_close). store_read, store_read_together, store_checkpoint, store_figures
 * and store_error may be called by other threads while the writer works.
 */
struct store;

/* Opens the store in an existing folder, or makes it there, and says what is in it: the caller
 * frees *opened with store_opened_fini. NULL with a reason where the file is foreign, newer than
 * this program, damaged or cannot be opened; it is then as it was. Takes time in the number of
 * queues, and of keys and values of deduplication, not of messages. */
struct store *store_open(const char *folder, struct store_opened *opened, char *reason,
                         size_t reason_size);

/* Makes the next opening quick, and closes. After a failure it closes only. */
void store_close(struct store *store);

enum store_result {
    STORE_OK,
    STORE_FULL,   /* no space: nothing of it happened; the same may be tried again later */
    STORE_FAILED, /* nothing is known to have happened; the store does no more: see store_error */
};

/* Applies the batch in one transaction. STORE_OK: it is on disk. A batch without insertions also
 * goes through on a full disk, as far as the reserved space lasts; one with insertions when it
 * comes a second time, so that it does not stand in the way of acks. What is spilled, and finds no
 * space, stays in memory and stands in nobody's way: store_is_short_of_space says so. */
enum store_result store_commit(struct store *store, const struct store_batch *batch)
    __attribute__((warn_unused_result));

/* The stored messages of a range. NULL where a row is damaged or cannot be read: see store_error.
 * Sees what is committed, and possibly not what the batch under way removes. */
struct store_read_result *store_read(struct store *store, const struct store_read *read)
    __attribute__((warn_unused_result));

/* The same for several requests at once, which costs less: messages of different lanes that came
 * one after the other are found in one place. results[i] answers reads[i]. false: there are none.
 */
bool store_read_together(struct store *store, const struct store_read *reads, size_t count,
                         struct store_read_result **results) __attribute__((warn_unused_result));

/* A bounded slice of giving space back: deletes what nobody needs, moves the remains of sparse
 * segments together and, when is_idle, shortens the file. *more says whether there is more to do.
 * The commits do some of it themselves when the debt grows: this is for idle moments. */
enum store_result store_maintain(struct store *store, bool is_idle, bool *more)
    __attribute__((warn_unused_result));

/* Is the reserve for a full disk used up, or was something spilled for which there is no space?
 * Until store_maintain could mend that nobody should add messages. */
bool store_is_short_of_space(const struct store *store);

/* Should store_checkpoint be called (by a thread that may block)? */
bool store_wants_checkpoint(const struct store *store);

/* Copies the write-ahead log into the file, beside the writer, who finishes it. */
enum store_result store_checkpoint(struct store *store) __attribute__((warn_unused_result));

/* Why the store failed, once something said so; "" before. Valid until store_close. */
const char *store_error(const struct store *store);

/* For metrics. */
struct store_figures {
    uint64_t file_bytes;
    uint64_t wal_bytes;
    uint64_t commits;
    uint64_t commit_ns_max;
    uint64_t messages_written; /* records; a message in several queues counts once */
    uint64_t messages_live;    /* references to stored messages */
    uint64_t messages_debt;    /* references that are gone while their bytes are still there */
    uint64_t segments;         /* rows that hold messages */
    uint64_t segments_empty;   /* of those, rows to delete */
    uint64_t messages_moved;   /* written again to give space back */
    uint64_t segments_read;    /* how often one was opened for messages that were asked for */
    uint64_t journal_rows;
    uint64_t delays;           /* messages that are not due yet */
    uint64_t keys;             /* of deduplication */
    uint64_t rows_debt;        /* delays and keys of exchanges that are gone */
    uint64_t mapping_bytes;    /* memory that holds the places of messages */
    uint64_t messages_spilled; /* transient messages: in none of the counts above */
    uint64_t spill_bytes;      /* their file and its log */
    bool is_reserve_used;
};
void store_figures(const struct store *store, struct store_figures *figures);

#endif
