/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_STORE_DEFINITIONS_STORE_H
#define LEVERET_STORE_DEFINITIONS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What exists in the whole server, in FOLDER/definitions.db: vhosts, users, permissions, policies,
 * limits and parameters. Each change is one transaction, on disk when the function returns true.
 * One thread at a time. Texts are UTF-8 and ended by NUL.
 */
struct definitions_store;

struct definitions_vhost {
    uint64_t id; /* never used again; names the vhost's folder */
    char *name;
};

struct definitions_user {
    char *name;
    char *password_hash;     /* as RabbitMQ writes it: base64; "" where the user has no password */
    char *hashing_algorithm; /* "rabbit_password_hashing_sha256" */
    char *tags;              /* separated by commas: "administrator" */
};

struct definitions_permission {
    char *user;
    char *vhost;
    char *configure, *write, *read; /* patterns */
};

/* What is texts alone: a key of one to three, and what it says. Values are JSON. */
enum definitions_kind {
    DEFINITIONS_VHOST_METADATA,   /* vhost; metadata */
    DEFINITIONS_USER_LIMITS,      /* user; limits */
    DEFINITIONS_TOPIC_PERMISSION, /* user, vhost, exchange; write, read (patterns) */
    DEFINITIONS_PARAMETER,        /* vhost, component, name; value. Policies are such, too. */
    DEFINITIONS_GLOBAL,           /* name; value */
};
enum { DEFINITIONS_KIND_COUNT = DEFINITIONS_GLOBAL + 1, DEFINITIONS_TEXTS_MAX = 5 };

/* How many texts a row has, and how many of them are its key. */
int definitions_text_count(enum definitions_kind kind);
int definitions_key_count(enum definitions_kind kind);

struct definitions_row {
    char *texts[DEFINITIONS_TEXTS_MAX];
};

/* Everything, in the order of names. */
struct definitions {
    struct definitions_vhost *vhosts;
    size_t vhost_count;
    struct definitions_user *users;
    size_t user_count;
    struct definitions_permission *permissions;
    size_t permission_count;
    struct {
        struct definitions_row *rows;
        size_t count;
    } others[DEFINITIONS_KIND_COUNT];
};

/* Opens the file, or makes it in an existing folder. NULL with a reason where the file is foreign,
 * newer or damaged: it is then as it was. */
struct definitions_store *definitions_store_open(const char *folder, char *reason,
                                                 size_t reason_size);
void definitions_store_close(struct definitions_store *store);

/* Reads everything, and verifies it. NULL where a row is damaged: see definitions_store_error. */
struct definitions *definitions_load(struct definitions_store *store)
    __attribute__((warn_unused_result));
void definitions_free(struct definitions *definitions);

/* Why the last function failed. */
const char *definitions_store_error(const struct definitions_store *store);

/* Puts replace what has the same name. Deletes succeed where there is nothing. */
bool definitions_put_user(struct definitions_store *store, const struct definitions_user *user)
    __attribute__((warn_unused_result));
/* With the user's permissions. */
bool definitions_delete_user(struct definitions_store *store, const char *name)
    __attribute__((warn_unused_result));
/* The vhost's id, the one that it has where it exists already; 0 after a failure. */
uint64_t definitions_put_vhost(struct definitions_store *store, const char *name)
    __attribute__((warn_unused_result));
/* With the permissions in it. */
bool definitions_delete_vhost(struct definitions_store *store, const char *name)
    __attribute__((warn_unused_result));
bool definitions_put_permission(struct definitions_store *store,
                                const struct definitions_permission *permission)
    __attribute__((warn_unused_result));
bool definitions_delete_permission(struct definitions_store *store, const char *user,
                                   const char *vhost) __attribute__((warn_unused_result));

/* Likewise for what is texts alone. Its user or vhost takes it along when it is deleted. */
bool definitions_put(struct definitions_store *store, enum definitions_kind kind,
                     const char *const *texts) __attribute__((warn_unused_result));
bool definitions_delete(struct definitions_store *store, enum definitions_kind kind,
                        const char *const *key) __attribute__((warn_unused_result));

/* Changes between the two are one transaction, on disk when definitions_end returns true; where
 * succeeded is false, none of them has happened. */
bool definitions_begin(struct definitions_store *store) __attribute__((warn_unused_result));
bool definitions_end(struct definitions_store *store, bool succeeded)
    __attribute__((warn_unused_result));

#endif
