/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_DIRECTORY_H
#define LEVERET_AUTH_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/users.h"

struct config;

/*
 * The users, vhosts and permissions that can be changed, on one thread (the control thread). Every
 * change is checked, then written to definitions.db, and only then published as a new snapshot.
 */
struct directory;

/* What the server does about a change; each is called on the directory's thread, after the change
 * is on disk and its snapshot was published. */
struct directory_events {
    /* The new snapshot; the callee takes references of its own. */
    void (*on_users)(void *context, struct users *users);
    /* Connections of the user are to be closed: 320 "user 'NAME' is deleted". */
    void (*on_user_deleted)(void *context, const char *user);
    /* The vhost's folder is to be made and the vhost started. False with a reason where that did
     * not work: the vhost is then removed again. Called before the change is published. */
    bool (*on_vhost_added)(void *context, const char *vhost, uint64_t id, char *reason,
                           size_t reason_size);
    /* Connections are to be closed (320 "vhost 'NAME' is deleted"), the vhost ended, and its folder
     * removed. */
    void (*on_vhost_deleted)(void *context, const char *vhost, uint64_t id);
    void *context;
};

/* Loads definitions.db of the data folder, which must exist. At the first start it gets the
 * configuration's default user, vhost and permissions. No event is called; the
 * first snapshot is directory_users. config is borrowed, events copied. NULL with a reason. */
struct directory *directory_open(const char *data_dir, const struct config *config,
                                 const struct directory_events *events, char *reason,
                                 size_t reason_size);
void directory_close(struct directory *directory);

/* The current snapshot, borrowed until the next change. */
struct users *directory_users(const struct directory *directory);

struct directory_vhost {
    uint64_t id;      /* names its folder; never used again */
    const char *name; /* borrowed */
};
size_t directory_vhost_count(const struct directory *directory);
/* Valid until the next change; ordered by name. */
struct directory_vhost directory_vhost(const struct directory *directory, size_t index);

/* Why a change was refused. status is 0 or an exit status of leveretctl (enum control_status). */
struct directory_error {
    int status;
    char text[1024];
};

/* --- changes: each returns false with an error, and then nothing has changed. Texts are copied;
 * those of a listing, which the change may free, are not to be handed in. */

bool directory_add_user(struct directory *directory, const char *user, const char *password,
                        struct directory_error *error) __attribute__((warn_unused_result));
bool directory_delete_user(struct directory *directory, const char *user,
                           struct directory_error *error) __attribute__((warn_unused_result));
bool directory_change_password(struct directory *directory, const char *user, const char *password,
                               struct directory_error *error) __attribute__((warn_unused_result));
/* No password will do until there is a new one. */
bool directory_clear_password(struct directory *directory, const char *user,
                              struct directory_error *error) __attribute__((warn_unused_result));
bool directory_set_user_tags(struct directory *directory, const char *user, const char *const *tags,
                             size_t tag_count, struct directory_error *error)
    __attribute__((warn_unused_result));
/* Changes nothing: is this the user's password? */
bool directory_authenticate_user(struct directory *directory, const char *user,
                                 const char *password, struct directory_error *error)
    __attribute__((warn_unused_result));

/* It is no error where the vhost is there already. */
bool directory_add_vhost(struct directory *directory, const char *vhost,
                         struct directory_error *error) __attribute__((warn_unused_result));
bool directory_delete_vhost(struct directory *directory, const char *vhost,
                            struct directory_error *error) __attribute__((warn_unused_result));

bool directory_set_permissions(struct directory *directory, const char *user, const char *vhost,
                               const char *configure, const char *write, const char *read,
                               struct directory_error *error) __attribute__((warn_unused_result));
/* It is no error where there were none. */
bool directory_clear_permissions(struct directory *directory, const char *user, const char *vhost,
                                 struct directory_error *error) __attribute__((warn_unused_result));

/* --- listing: rows in the order of their names; what they point to is valid until the next change
 */

struct directory_user {
    const char *name;
    const char *const *tags;
    size_t tag_count;
};
void directory_each_user(const struct directory *directory,
                         void (*visit)(void *context, const struct directory_user *user),
                         void *context);

struct directory_permission {
    const char *user;
    const char *vhost;
    const char *configure;
    const char *write;
    const char *read;
};
/* user or vhost NULL: all. False with an error where the user or the vhost is not there. */
bool directory_each_permission(const struct directory *directory, const char *user,
                               const char *vhost,
                               void (*visit)(void *context,
                                             const struct directory_permission *permission),
                               void *context, struct directory_error *error)
    __attribute__((warn_unused_result));

#endif
