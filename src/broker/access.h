/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_ACCESS_H
#define LEVERET_BROKER_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/*
 * Who may do what: the users, vhosts and permissions as an immutable snapshot, which several
 * threads read at once and which is replaced as a whole. Patterns are compiled when the snapshot is
 * made.
 */
struct access;

enum permission { PERMISSION_CONFIGURE, PERMISSION_WRITE, PERMISSION_READ };

/* Has the user a permission row in the vhost? (connection.open) */
bool access_may_enter(const struct access *access, struct bytes user, struct bytes vhost);

/* Does the user's pattern match the resource's name? The patterns are unanchored PCRE; an empty one
 * is "^$". A user without a row in the vhost may nothing. The default exchange is "amq.default". */
bool access_allows(const struct access *access, struct bytes user, struct bytes vhost,
                   enum permission permission, struct bytes resource);

/* May the user publish to the topic exchange with this routing key (PERMISSION_WRITE), or bind from
 * it with this key (PERMISSION_READ)? Yes where there is no topic permission for the user in that
 * exchange. */
bool access_allows_topic(const struct access *access, struct bytes user, struct bytes vhost,
                         struct bytes exchange, enum permission permission, struct bytes key);

/* Building a snapshot. Names and patterns are copied. */
struct access *access_new(void);
/* false where a pattern does not compile; reason then tells why. */
bool access_add_permission(struct access *access, struct bytes user, struct bytes vhost,
                           struct bytes configure, struct bytes write, struct bytes read,
                           char *reason, size_t reason_size);
/* Likewise for the routing keys of a topic exchange. In the patterns {username} and {vhost} stand
 * for the user and the vhost; what else is in braces is left as it is, {client_id} too, which only
 * clients of other protocols have. */
bool access_add_topic_permission(struct access *access, struct bytes user, struct bytes vhost,
                                 struct bytes exchange, struct bytes write, struct bytes read,
                                 char *reason, size_t reason_size);
/* The most connections and channels that the user may have in all vhosts; UINT64_MAX: none. */
struct access_limits {
    uint64_t connections;
    uint64_t channels;
};
void access_add_limits(struct access *access, struct bytes user,
                       const struct access_limits *limits);
struct access_limits access_limits_of(const struct access *access, struct bytes user);

void access_free(struct access *access);

/* A snapshot in which every user may do everything (tests, tools). */
struct access *access_new_open(void);

#endif
