/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_PATH_H
#define LEVERET_BASE_PATH_H

/* FOLDER/NAME; the caller's. */
char *path_join(const char *folder, const char *name) __attribute__((malloc, returns_nonnull));

#endif
