/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_USERS_H
#define LEVERET_AUTH_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/password.h"
#include "base/bytes.h"

struct access;
struct config_list;

/*
 * The users, vhosts and permissions as an immutable, reference-counted snapshot that is replaced as
 * a whole. It is built by one thread and then read by any number.
 */
struct users;

/* Building: an empty snapshot with one reference. loopback_users is borrowed until the last user
 * was added. */
struct users *users_new(const struct config_list *loopback_users);
/* Names, hashes and tags are copied; a name is added once. hash is base64, "": no password. */
void users_add_user(struct users *users, const char *name, const char *hash,
                    enum password_hashing hashing, const char *const *tags, size_t tag_count);
void users_add_vhost(struct users *users, const char *name, uint64_t id);
/* As access_add_permission. */
bool users_add_permission(struct users *users, const char *user, const char *vhost,
                          const char *configure, const char *write, const char *read, char *reason,
                          size_t reason_size) __attribute__((warn_unused_result));
/* As access_add_topic_permission. */
bool users_add_topic_permission(struct users *users, const char *user, const char *vhost,
                                const char *exchange, const char *write, const char *read,
                                char *reason, size_t reason_size)
    __attribute__((warn_unused_result));

/* As access_add_limits; a user is added once. */
void users_add_limits(struct users *users, const char *user, uint64_t connections_max,
                      uint64_t channels_max);

struct users *users_ref(struct users *users);
void users_unref(struct users *users); /* NULL is allowed */

/* May the user log in with this password? False with the reason for the log (clients get one answer
 * for every reason). is_loopback: the peer is this machine. */
bool users_login(const struct users *users, struct bytes user, struct bytes password,
                 bool is_loopback, char *reason, size_t reason_size)
    __attribute__((warn_unused_result));

/* As users_login for a user whom a certificate has proven (EXTERNAL). */
bool users_login_external(const struct users *users, struct bytes user, bool is_loopback,
                          char *reason, size_t reason_size) __attribute__((warn_unused_result));

bool users_has_user(const struct users *users, struct bytes user);
/* The user's tags by number; NULL behind the last one, and for a user that there is not. */
const char *users_tag(const struct users *users, struct bytes user, size_t number);
bool users_has_tag(const struct users *users, struct bytes user, const char *tag);

/* False where there is no such vhost. id may be NULL. */
bool users_find_vhost(const struct users *users, struct bytes vhost, uint64_t *id);

void users_each_vhost(const struct users *users, void (*visit)(void *context, const char *vhost),
                      void *context);

/* The permissions, valid as long as the snapshot. */
const struct access *users_access(const struct users *users);

/* Where the current snapshot is found: one thread replaces it, any number take it. */
struct users_current;
struct users_current *users_current_new(struct users *users); /* takes a reference of its own */
void users_current_free(struct users_current *current);
/* A new reference to the current snapshot; the caller ends it with users_unref. */
struct users *users_current_get(struct users_current *current);
/* Takes a reference of its own. The old snapshot lives on until its last reference ends. */
void users_current_set(struct users_current *current, struct users *users);

#endif
