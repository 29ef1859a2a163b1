/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_STORE_DATA_FOLDER_H
#define LEVERET_STORE_DATA_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The folder with everything that is durable: FOLDER/lock, FOLDER/definitions.db and, for each
 * vhost, FOLDER/vhosts/ID with its messages.db. One process at a time has it. */
struct data_folder;

/* Makes the folder (mode 0700, and its parents' last part only) where it is missing, and locks it.
 * NULL with a reason, which names the holder's process where another one has it. */
struct data_folder *data_folder_open(const char *path, char *reason, size_t reason_size);

/* For somebody who changes nothing in a folder that is there: no server begins to work in it
 * meanwhile, and others may look as well. NULL with a reason where it is in use, or is none. */
struct data_folder *data_folder_look(const char *path, char *reason, size_t reason_size);

/* Unlocks. */
void data_folder_close(struct data_folder *folder);

const char *data_folder_path(const struct data_folder *folder);

/* Makes the names in any folder last; false with errno. */
bool data_folder_sync(const char *path) __attribute__((warn_unused_result));

/* Are there definitions, or nothing yet that they would define? Without them the messages of all
 * vhosts are nobody's. false with a reason where a restore was broken off, or the file was lost. */
bool data_folder_check_definitions(const struct data_folder *folder, char *reason,
                                   size_t reason_size);

/* Makes the vhost's folder where it is missing. The caller frees the path. NULL with a reason. */
char *data_folder_vhost(struct data_folder *folder, uint64_t vhost, char *reason,
                        size_t reason_size);

/* Deletes a vhost's folder with its files. true where it is gone. */
bool data_folder_remove_vhost(struct data_folder *folder, uint64_t vhost, char *reason,
                              size_t reason_size);

/* Deletes the folders of vhosts that is_known says are not known: what is left of a deletion that
 * was interrupted. Returns how many. */
size_t data_folder_remove_orphans(struct data_folder *folder,
                                  bool (*is_known)(void *context, uint64_t vhost), void *context);

#endif
