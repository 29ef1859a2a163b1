/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_TESTS_FAULT_VFS_H
#define LEVERET_TESTS_FAULT_VFS_H

#include <stdbool.h>
#include <stdint.h>

/* A file system for SQLite that fails on command and can lose what was not synced. */

enum fault {
    FAULT_NONE,
    FAULT_ERROR,           /* the n-th write, truncation or sync fails, and everything after it */
    FAULT_FULL,            /* from the n-th on there is no space, until the next fault_vfs_arm */
    FAULT_NO_GROWTH,       /* no file can become longer */
    FAULT_FULL_BY_RESERVE, /* there is no space while the folder's reserve file holds some */
    FAULT_FULL_SPILL,      /* what is spilled finds no space from the n-th write there on */
};

/* Makes it the one that SQLite uses. */
void fault_vfs_install(void);

/* Whether it is a quota that leaves no space: SQLite is told so by another code. */
void fault_vfs_set_quota(bool is_quota);
/* Counts from 1 again. */
void fault_vfs_arm(enum fault fault, uint64_t nth);
/* Writes, truncations and syncs since it was armed. */
uint64_t fault_vfs_count(void);
/* Has anything been refused since it was armed? */
bool fault_vfs_has_fired(void);

/* The power fails: of what was written since the last sync of each file a random part is lost
 * (seed; 0 loses all of it). Files must be closed. */
void fault_vfs_lose_power(uint64_t seed);
/* What was written stays, synced or not. */
void fault_vfs_forget(void);

#endif
