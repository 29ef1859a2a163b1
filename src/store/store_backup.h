/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_STORE_STORE_BACKUP_H
#define LEVERET_STORE_STORE_BACKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct store;

/*
 * A copy of a store's file while its writer works: a bounded number of pages at a time, between two
 * batches. Any one thread beside the writer's; the store stays open meanwhile. The copy is what the
 * store was at the moment of the last step: everything committed before it, and nothing after.
 */
struct store_backup;

enum store_backup_state { STORE_BACKUP_MORE, STORE_BACKUP_DONE, STORE_BACKUP_FAILED };

struct store_backup_progress {
    uint64_t bytes, bytes_total; /* the total grows and shrinks with the store's file */
};

/* Makes the file (mode 0600), which must not be there. NULL with a reason. */
struct store_backup *store_backup_begin(struct store *store, const char *path, char *reason,
                                        size_t reason_size);
/* DONE: the copy is whole and on disk. FAILED: with a reason; the store goes on. */
enum store_backup_state store_backup_step(struct store_backup *backup,
                                          struct store_backup_progress *progress, char *reason,
                                          size_t reason_size) __attribute__((warn_unused_result));
/* How long to wait before the next step, so that whoever uses the store is not slowed down much: 0
 * where nobody does, or where the end would not come otherwise. */
uint64_t store_backup_pause_ns(const struct store_backup *backup);
/* At any time; what is not whole is left where it is. */
void store_backup_end(struct store_backup *backup);

/* The same at once for a folder's definitions.db, which is small, beside whoever has it open. */
bool definitions_backup(const char *folder, const char *path, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));

#endif
