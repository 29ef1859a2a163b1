/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The users of this server as a back end among others. Where it is the only one, nobody comes here:
 * the snapshot is then asked where the question arises.
 */
#include <stdlib.h>

#include "auth/backend.h"
#include "auth/users.h"
#include "base/xmalloc.h"
#include "broker/access.h"

static void add_tags(const struct auth_login *login, struct auth_result *result)
{
    const char *tag;
    for (size_t i = 0; (tag = users_tag(login->users, login->user, i)) != NULL; i++)
        auth_tags_add(&result->tags, bytes_of_text(tag));
}

static enum auth_verdict authorize(struct auth_backend *backend, const struct auth_login *login,
                                   struct auth_result *result)
{
    (void)backend;
    if (!users_login_external(login->users, login->user, login->is_loopback, result->reason,
                              sizeof result->reason))
        return AUTH_NO;
    add_tags(login, result);
    return AUTH_YES;
}

static enum auth_verdict log_in(struct auth_backend *backend, const struct auth_login *login,
                                struct auth_result *result)
{
    if (!login->has_password)
        return authorize(backend, login, result);
    if (!users_login(login->users, login->user, login->password, login->is_loopback, result->reason,
                     sizeof result->reason))
        return AUTH_NO;
    add_tags(login, result);
    return AUTH_YES;
}

static enum auth_verdict check_vhost(struct auth_backend *backend,
                                     const struct auth_subject *subject, struct bytes vhost,
                                     char reason[AUTH_REASON_SIZE])
{
    (void)backend, (void)reason;
    return access_may_enter(users_access(subject->users), subject->user, vhost) ? AUTH_YES
                                                                                : AUTH_NO;
}

static enum auth_verdict check(struct auth_backend *backend, const struct auth_subject *subject,
                               struct bytes vhost, const struct access_subject *what,
                               char reason[AUTH_REASON_SIZE])
{
    const struct access *access = users_access(subject->users);
    (void)backend, (void)reason;
    bool is_allowed =
        what->kind == ACCESS_TOPIC
            ? access_allows_topic(access, subject->user, vhost, what->name, what->permission,
                                  what->key)
            : access_allows(access, subject->user, vhost, what->permission, what->name);
    return is_allowed ? AUTH_YES : AUTH_NO;
}

static void free_backend(struct auth_backend *backend)
{
    free(backend);
}

static const struct auth_backend_type type = {
    .name = "internal",
    .module = "rabbit_auth_backend_internal",
    .log_in = log_in,
    .authorize = authorize,
    .check_vhost = check_vhost,
    .check = check,
    .free = free_backend,
};

struct auth_backend *backend_internal_new(void)
{
    struct auth_backend *backend = xmalloc(sizeof *backend);
    backend->type = &type;
    return backend;
}
