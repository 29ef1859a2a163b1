/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_STORE_SQLITE_FILE_H
#define LEVERET_STORE_SQLITE_FILE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What makes a file one of ours. */
struct sqlite_format {
    const char *kind;        /* for messages: "message store" */
    uint32_t application_id; /* in the file's header */
    uint32_t version;        /* user_version; higher ones are refused */
    uint32_t page_bytes;
    const char *schema;
    /* What brings a file up to date: upgrades[i] from version i + 1 to i + 2. */
    const char *const *upgrades;
    /* More that a new file holds, in the same transaction; may be NULL. */
    bool (*fill)(sqlite3 *db);
    /* What is deleted is overwritten in the file, which writes every page that becomes free. Said
     * for each file, because what SQLite does by itself is up to who built it. */
    bool wipes_deleted;
};

/* Opens a connection that writes, in WAL mode with synchronous=FULL and without automatic
 * checkpoints; makes the file with its schema where there is none. NULL with a reason where the
 * file is foreign, newer or damaged: it is left as it is; or where there is no space, which is_full
 * says, too. A file of an older version is brought up to date in a transaction that is still open,
 * for sqlite_file_accept to end. */
sqlite3 *sqlite_file_open(const char *path, const struct sqlite_format *format, int cache_kib,
                          char *reason, size_t reason_size, bool *is_full);

/* The caller has looked at what is in the file and found nothing wrong. false with a reason where
 * the file could not be brought up to date; closing instead leaves it as it was. */
bool sqlite_file_accept(sqlite3 *db, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));

/* Another connection to a file that is open; read-only where asked. */
sqlite3 *sqlite_file_connect(const char *path, bool is_readonly, int cache_kib, char *reason,
                             size_t reason_size);

/* Does this extended code, the newest one of db, say that there was no space, or no more quota? */
bool sqlite_file_is_full(sqlite3 *db, int code);

/* Is there nothing, or a file whose making was interrupted? */
bool sqlite_file_is_unmade(const char *path);

/* A connection to a file that nobody has open, for reading alone: neither the file nor its log is
 * changed. One of an older version looks as if it were brought up to date. NULL with a reason where
 * there is none, or where it is foreign, newer or damaged. */
sqlite3 *sqlite_file_look(const char *path, const struct sqlite_format *format, char *reason,
                          size_t reason_size);

/* What SQLite says of the whole file; each fault is told and counted. Returns how many pages it
 * has.
 */
uint64_t sqlite_file_check(sqlite3 *db, void (*on_fault)(void *context, const char *text),
                           void *context, uint64_t *faults);

#endif
