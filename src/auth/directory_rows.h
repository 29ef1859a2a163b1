/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_DIRECTORY_ROWS_H
#define LEVERET_AUTH_DIRECTORY_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "auth/password.h"

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

/* Each removes a row if it is there; users and vhosts take their permissions along. */
void directory_rows_remove_user(struct directory_rows *rows, const char *name);
void directory_rows_remove_vhost(struct directory_rows *rows, const char *name);
void directory_rows_remove_permission(struct directory_rows *rows, const char *user,
                                      const char *vhost);

#endif
