/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_DIRECTORY_ROWS_H
#define LEVERET_AUTH_DIRECTORY_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "auth/password.h"
#include "store/definitions_store.h"

/* The rows that a directory holds: users and vhosts ordered by name, permissions by vhost and user.
 * The texts of rows that are in are owned; those of rows handed in are copied. */

struct user_row {
    const char *name;
    const char *hash; /* "": no password */
    enum password_hashing hashing;
    const char *const *tags;
    size_t tag_count;
};

struct vhost_row {
    const char *name;
    uint64_t id;
};

struct permission_row {
    const char *user;
    const char *vhost;
    const char *configure;
    const char *write;
    const char *read;
};

/* What is texts alone, as the store has it: the key first. */
struct text_row {
    const char *texts[DEFINITIONS_TEXTS_MAX];
};

struct text_rows {
    struct text_row *rows; /* ordered by their keys */
    size_t count, capacity;
};

struct directory_rows {
    struct user_row *users;
    size_t user_count;
    size_t user_capacity;
    struct vhost_row *vhosts;
    size_t vhost_count;
    size_t vhost_capacity;
    struct permission_row *permissions;
    size_t permission_count;
    size_t permission_capacity;
    struct text_rows others[DEFINITIONS_KIND_COUNT];
};

void directory_rows_fini(struct directory_rows *rows);

/* NULL where there is none. */
const struct user_row *directory_rows_user(const struct directory_rows *rows, const char *name);
const struct vhost_row *directory_rows_vhost(const struct directory_rows *rows, const char *name);

/* Each adds a row, or replaces the one of that name. */
void directory_rows_put_user(struct directory_rows *rows, const struct user_row *user);
void directory_rows_put_vhost(struct directory_rows *rows, const struct vhost_row *vhost);
void directory_rows_put_permission(struct directory_rows *rows,
                                   const struct permission_row *permission);

/* Likewise for what is texts alone. */
const struct text_row *directory_rows_text(const struct directory_rows *rows,
                                           enum definitions_kind kind, const char *const *key);
void directory_rows_put_text(struct directory_rows *rows, enum definitions_kind kind,
                             const char *const *texts);
void directory_rows_remove_text(struct directory_rows *rows, enum definitions_kind kind,
                                const char *const *key);

/* Each removes a row if it is there; users and vhosts take along what belongs to them. */
void directory_rows_remove_user(struct directory_rows *rows, const char *name);
void directory_rows_remove_vhost(struct directory_rows *rows, const char *name);
void directory_rows_remove_permission(struct directory_rows *rows, const char *user,
                                      const char *vhost);

#endif
