/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot is three tables: users, vhosts, and the permissions (struct access). It is never
 * changed once it was published, so its readers need no lock. A reader holds a reference for as
 * long as it looks at the snapshot or has given its permissions to a vhost; the last reference
 * frees it, on whichever thread that is.
 *
 * A lock is needed only around "which one is current": between reading that pointer and counting
 * the reference, the snapshot could otherwise be replaced and freed.
 */
#include "auth/users.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash_table.h"
#include "base/xmalloc.h"
#include "broker/access.h"
#include "config/config.h"

struct user {
    struct hash_node by_name;
    char *name; /* owned */
    char *hash; /* owned */
    enum password_hashing hashing;
    bool is_loopback_only;
    char **tags; /* owned */
    size_t tag_count;
};

struct vhost_row {
    struct hash_node by_name;
    char *name; /* owned */
    uint64_t id;
};

struct users {
    atomic_size_t references;
    const struct config_list *loopback_users; /* borrowed: while it is built */
    struct hash_table users;                  /* of struct user, owned */
    struct hash_table vhosts;                 /* of struct vhost_row, owned */
    struct access *access;                    /* owned */
};

static bool user_matches(const struct hash_node *node, const void *key)
{
    const struct bytes *name = key;
    return bytes_equal_text(*name, container_of(node, struct user, by_name)->name);
}

static bool vhost_matches(const struct hash_node *node, const void *key)
{
    const struct bytes *name = key;
    return bytes_equal_text(*name, container_of(node, struct vhost_row, by_name)->name);
}

static const struct user *find_user(const struct users *users, struct bytes name)
{
    struct hash_node *node =
        hash_table_find(&users->users, bytes_hash(name, 0), user_matches, &name);
    return node != NULL ? container_of(node, struct user, by_name) : NULL;
}

/* --- building */

struct users *users_new(const struct config_list *loopback_users)
{
    struct users *users = xcalloc(1, sizeof *users);
    atomic_init(&users->references, 1);
    users->loopback_users = loopback_users;
    hash_table_init(&users->users);
    hash_table_init(&users->vhosts);
    users->access = access_new();
    return users;
}

void users_add_user(struct users *users, const char *name, const char *hash,
                    enum password_hashing hashing, const char *const *tags, size_t tag_count)
{
    struct user *user = xcalloc(1, sizeof *user);
    user->name = xstrdup(name);
    user->hash = xstrdup(hash);
    user->hashing = hashing;
    user->is_loopback_only = config_list_has_name(users->loopback_users, name);
    user->tags = xcalloc(tag_count + 1, sizeof user->tags[0]);
    user->tag_count = tag_count;
    for (size_t i = 0; i < tag_count; i++)
        user->tags[i] = xstrdup(tags[i]);
    hash_table_insert(&users->users, &user->by_name, bytes_hash(bytes_of_text(name), 0));
}

void users_add_vhost(struct users *users, const char *name, uint64_t id)
{
    struct vhost_row *vhost = xcalloc(1, sizeof *vhost);
    vhost->name = xstrdup(name);
    vhost->id = id;
    hash_table_insert(&users->vhosts, &vhost->by_name, bytes_hash(bytes_of_text(name), 0));
}

bool users_add_permission(struct users *users, const char *user, const char *vhost,
                          const char *configure, const char *write, const char *read, char *reason,
                          size_t reason_size)
{
    return access_add_permission(users->access, bytes_of_text(user), bytes_of_text(vhost),
                                 bytes_of_text(configure), bytes_of_text(write),
                                 bytes_of_text(read), reason, reason_size);
}

bool users_add_topic_permission(struct users *users, const char *user, const char *vhost,
                                const char *exchange, const char *write, const char *read,
                                char *reason, size_t reason_size)
{
    return access_add_topic_permission(users->access, bytes_of_text(user), bytes_of_text(vhost),
                                       bytes_of_text(exchange), bytes_of_text(write),
                                       bytes_of_text(read), reason, reason_size);
}

void users_add_limits(struct users *users, const char *user, uint64_t connections_max,
                      uint64_t channels_max)
{
    const struct access_limits limits = {connections_max, channels_max};
    access_add_limits(users->access, bytes_of_text(user), &limits);
}

/* --- references */

static void user_free(struct user *user)
{
    for (size_t i = 0; i < user->tag_count; i++)
        free(user->tags[i]);
    free(user->tags);
    free(user->name);
    free(user->hash);
    free(user);
}

/* The walk looks at the chains of a table that grows: so nothing freed may be left in one. */
static void free_users(struct users *users)
{
    struct hash_node *node = hash_table_next(&users->users, NULL);
    while (node != NULL) {
        struct user *user = container_of(node, struct user, by_name);
        node = hash_table_next(&users->users, node);
        hash_table_remove(&users->users, &user->by_name);
        user_free(user);
    }
    hash_table_fini(&users->users);
}

static void free_vhosts(struct users *users)
{
    struct hash_node *node = hash_table_next(&users->vhosts, NULL);
    while (node != NULL) {
        struct vhost_row *vhost = container_of(node, struct vhost_row, by_name);
        node = hash_table_next(&users->vhosts, node);
        hash_table_remove(&users->vhosts, &vhost->by_name);
        free(vhost->name);
        free(vhost);
    }
    hash_table_fini(&users->vhosts);
}

struct users *users_ref(struct users *users)
{
    atomic_fetch_add_explicit(&users->references, 1, memory_order_relaxed);
    return users;
}

void users_unref(struct users *users)
{
    if (users == NULL || atomic_fetch_sub_explicit(&users->references, 1, memory_order_acq_rel) > 1)
        return;
    free_users(users);
    free_vhosts(users);
    access_free(users->access);
    free(users);
}

/* --- asking */

static void say(char *reason, size_t reason_size, struct bytes user, const char *what)
{
    snprintf(reason, reason_size, "user '%.*s' %s", (int)user.size,
             user.size > 0 ? (const char *)user.data : "", what);
}

static bool check_place(const struct user *user, bool is_loopback, char *reason, size_t reason_size)
{
    if (is_loopback || !user->is_loopback_only)
        return true;
    say(reason, reason_size, bytes_of_text(user->name), "can only connect via localhost");
    return false;
}

bool users_login(const struct users *users, struct bytes name, struct bytes password,
                 bool is_loopback, char *reason, size_t reason_size)
{
    const struct user *user = find_user(users, name);
    /* A user may have been given an empty password; RabbitMQ does not let it log in with that. */
    if (password.size == 0) {
        say(reason, reason_size, name,
            "attempted to log in with a blank password, which is not allowed; a client with a "
            "certificate can use the EXTERNAL mechanism");
        return false;
    }
    if (user == NULL || !password_matches(user->hashing, user->hash, password)) {
        say(reason, reason_size, name, "- invalid credentials");
        return false;
    }
    return check_place(user, is_loopback, reason, reason_size);
}

bool users_login_external(const struct users *users, struct bytes name, bool is_loopback,
                          char *reason, size_t reason_size)
{
    const struct user *user = find_user(users, name);
    if (user == NULL) {
        say(reason, reason_size, name, "- invalid credentials");
        return false;
    }
    return check_place(user, is_loopback, reason, reason_size);
}

bool users_has_user(const struct users *users, struct bytes user)
{
    return find_user(users, user) != NULL;
}

const char *users_tag(const struct users *users, struct bytes name, size_t number)
{
    const struct user *user = find_user(users, name);
    return user != NULL && number < user->tag_count ? user->tags[number] : NULL;
}

bool users_has_tag(const struct users *users, struct bytes name, const char *tag)
{
    const struct user *user = find_user(users, name);
    for (size_t i = 0; user != NULL && i < user->tag_count; i++) {
        if (strcmp(user->tags[i], tag) == 0)
            return true;
    }
    return false;
}

bool users_find_vhost(const struct users *users, struct bytes name, uint64_t *id)
{
    struct hash_node *node =
        hash_table_find(&users->vhosts, bytes_hash(name, 0), vhost_matches, &name);
    if (node != NULL && id != NULL)
        *id = container_of(node, struct vhost_row, by_name)->id;
    return node != NULL;
}

void users_each_vhost(const struct users *users, void (*visit)(void *context, const char *vhost),
                      void *context)
{
    struct hash_node *node = hash_table_next(&users->vhosts, NULL);
    for (; node != NULL; node = hash_table_next(&users->vhosts, node))
        visit(context, container_of(node, struct vhost_row, by_name)->name);
}

const struct access *users_access(const struct users *users)
{
    return users->access;
}

/* --- the current snapshot */

struct users_current {
    pthread_mutex_t lock;
    struct users *users; /* ref */
};

struct users_current *users_current_new(struct users *users)
{
    struct users_current *current = xcalloc(1, sizeof *current);
    CHECK(pthread_mutex_init(&current->lock, NULL) == 0);
    current->users = users_ref(users);
    return current;
}

void users_current_free(struct users_current *current)
{
    if (current == NULL)
        return;
    users_unref(current->users);
    pthread_mutex_destroy(&current->lock);
    free(current);
}

struct users *users_current_get(struct users_current *current)
{
    pthread_mutex_lock(&current->lock);
    struct users *users = users_ref(current->users);
    pthread_mutex_unlock(&current->lock);
    return users;
}

void users_current_set(struct users_current *current, struct users *users)
{
    users_ref(users);
    pthread_mutex_lock(&current->lock);
    struct users *former = current->users;
    current->users = users;
    pthread_mutex_unlock(&current->lock);
    users_unref(former);
}
