/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_STORE_BACKUP_MANIFEST_H
#define LEVERET_STORE_BACKUP_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a backup consists of: BACKUP/manifest.json, written last. A folder without one is no backup.
 */
enum { BACKUP_HASH_SIZE = 65 };

struct backup_file {
    char *path;  /* owned; relative: definitions.db, vhosts/ID/messages.db */
    char *vhost; /* owned; NULL where it is no vhost's */
    uint64_t bytes;
    uint64_t moment_ms; /* wall clock: what was committed before it is in the file */
    char sha256[BACKUP_HASH_SIZE];
};

struct backup_manifest {
    char *version; /* owned; of Leveret */
    uint64_t began_ms, ended_ms;
    struct backup_file *files; /* owned */
    size_t count, capacity;
};

/* path and vhost (which may be NULL) are copied. */
struct backup_file *backup_manifest_add(struct backup_manifest *manifest, const char *path,
                                        const char *vhost);
void backup_manifest_fini(struct backup_manifest *manifest);

/* Writes and syncs the manifest; false with a reason. */
bool backup_manifest_write(const struct backup_manifest *manifest, const char *folder, char *reason,
                           size_t reason_size) __attribute__((warn_unused_result));
/* false with a reason where it is none, or names files that a backup does not have. */
bool backup_manifest_read(struct backup_manifest *manifest, const char *folder, char *reason,
                          size_t reason_size) __attribute__((warn_unused_result));

/* Reads the file BACKUP/path for its size and its hash, and writes it to the descriptor `to` unless
 * that is -1. should_end is asked now and then, and may be NULL. false with a reason. */
bool backup_file_hash(const char *folder, struct backup_file *file, int to,
                      bool (*should_end)(void *context), void *context, char *reason,
                      size_t reason_size) __attribute__((warn_unused_result));

/* Makes names in a folder last. */
bool backup_sync_folder(const char *path, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));

#endif
