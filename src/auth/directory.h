/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_DIRECTORY_H
#define LEVERET_AUTH_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/users.h"
#include "broker/policy.h"

struct buffer;
struct config;
struct json_t;

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
    /* Something of the vhost changed: what is told by the sum of enum directory_change. Not called
     * for a vhost that was just added or deleted. */
    void (*on_vhost_changed)(void *context, const char *vhost, unsigned changes);
    /* directory_cluster_name has another answer. */
    void (*on_cluster_name)(void *context);
    /* For amq.rabbitmq.event: the routing key (a literal) and the headers, which stay the
     * directory's. */
    void (*on_event)(void *context, const char *key, struct buffer *headers);
    void *context;
};

enum directory_change {
    DIRECTORY_POLICIES = 1, /* directory_policies has another answer */
    DIRECTORY_SETTINGS = 2, /* directory_vhost_settings likewise */
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
/* Makes a user or replaces all that it is, from an object as definitions have it: name, tags,
 * password or password_hash and hashing_algorithm, limits. */
bool directory_put_user(struct directory *directory, const struct json_t *user,
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

/* description and tags (a comma between each two) may be NULL, default_queue_type too. What is
 * given replaces what a vhost that is there already has; what is not stays. */
bool directory_add_vhost_with(struct directory *directory, const char *vhost,
                              const char *description, const char *tags,
                              const char *default_queue_type, struct directory_error *error)
    __attribute__((warn_unused_result));
bool directory_set_tracing(struct directory *directory, const char *vhost, bool is_tracing,
                           struct directory_error *error) __attribute__((warn_unused_result));

/* description, tags, default_queue_type, tracing, protected_from_deletion, as far as they were set;
 * a new object. */
struct json_t *directory_vhost_metadata(const struct directory *directory, const char *vhost);
/* A vhost that is protected is not deleted. */
bool directory_set_vhost_protection(struct directory *directory, const char *vhost,
                                    bool is_protected, struct directory_error *error)
    __attribute__((warn_unused_result));
bool directory_is_vhost_protected(const struct directory *directory, const char *vhost);

/* --- policies, parameters, limits: values are JSON texts; checked as RabbitMQ checks them */

struct directory_policy {
    const char *vhost, *name, *pattern;
    const char *apply_to;   /* "all", "queues", ... */
    const char *definition; /* JSON */
    int64_t priority;
    bool is_operator;
};
bool directory_set_policy(struct directory *directory, const struct directory_policy *policy,
                          struct directory_error *error) __attribute__((warn_unused_result));
/* The same, of any JSON that may be one: an object with pattern, definition, priority and apply-to.
 */
bool directory_put_policy(struct directory *directory, const char *vhost, const char *name,
                          const struct json_t *value, bool is_operator,
                          struct directory_error *error) __attribute__((warn_unused_result));
/* vhost NULL: those of all. Ordered by vhost and priority, the lowest first. */
bool directory_each_policy(const struct directory *directory, const char *vhost, bool is_operator,
                           void (*visit)(void *context, const struct directory_policy *policy),
                           void *context, struct directory_error *error)
    __attribute__((warn_unused_result));
/* Would it apply to an object of this name, were it the only one? */
bool directory_policy_matches(const struct directory_policy *policy, enum policy_target target,
                              const char *name);

bool directory_set_parameter(struct directory *directory, const char *vhost, const char *component,
                             const char *name, const char *value, struct directory_error *error)
    __attribute__((warn_unused_result));
/* Policies are cleared with this, too: components "policy" and "operator_policy". It is an error
 * where there is none. */
bool directory_clear_parameter(struct directory *directory, const char *vhost,
                               const char *component, const char *name,
                               struct directory_error *error) __attribute__((warn_unused_result));

struct directory_parameter {
    const char *vhost, *component, *name, *value;
};
/* vhost or component NULL: all. Policies are not among them unless asked for by component;
 * operator policies are, as in RabbitMQ. */
bool directory_each_parameter(const struct directory *directory, const char *vhost,
                              const char *component,
                              void (*visit)(void *context,
                                            const struct directory_parameter *parameter),
                              void *context, struct directory_error *error)
    __attribute__((warn_unused_result));

bool directory_set_global_parameter(struct directory *directory, const char *name,
                                    const char *value, struct directory_error *error)
    __attribute__((warn_unused_result));
bool directory_clear_global_parameter(struct directory *directory, const char *name,
                                      struct directory_error *error)
    __attribute__((warn_unused_result));
/* The global parameter cluster_name, or else the configuration's; the caller frees it. */
char *directory_cluster_name(const struct directory *directory);
/* In the order of names; the value is JSON. */
void directory_each_global_parameter(const struct directory *directory,
                                     void (*visit)(void *context, const char *name,
                                                   const char *value),
                                     void *context);

/* limits: {"max-connections": 5}; an empty object takes all away. */
bool directory_set_vhost_limits(struct directory *directory, const char *vhost, const char *limits,
                                struct directory_error *error) __attribute__((warn_unused_result));
/* Those given are added to those that are there. */
bool directory_set_user_limits(struct directory *directory, const char *user, const char *limits,
                               struct directory_error *error) __attribute__((warn_unused_result));
/* limit: one, or "all". */
bool directory_clear_user_limits(struct directory *directory, const char *user, const char *limit,
                                 struct directory_error *error) __attribute__((warn_unused_result));
/* JSON, "{}" where there are none; valid until the next change. */
const char *directory_vhost_limits(const struct directory *directory, const char *vhost);
const char *directory_user_limits(const struct directory *directory, const char *user);

/* The policies of a vhost, compiled; the caller's. */
struct policies *directory_policies(const struct directory *directory, const char *vhost);

/* What else the core has to know of a vhost. */
struct directory_vhost_settings {
    uint64_t queues_max;            /* UINT64_MAX: no limit */
    uint64_t connections_max;       /* likewise */
    const char *default_queue_type; /* "classic", "quorum", "stream"; NULL: the server's */
    bool is_tracing;
};
void directory_vhost_settings(const struct directory *directory, const char *vhost,
                              struct directory_vhost_settings *settings);

bool directory_set_topic_permissions(struct directory *directory, const char *user,
                                     const char *vhost, const char *exchange, const char *write,
                                     const char *read, struct directory_error *error)
    __attribute__((warn_unused_result));
/* exchange NULL: all of the user in the vhost. It is no error where there were none. */
bool directory_clear_topic_permissions(struct directory *directory, const char *user,
                                       const char *vhost, const char *exchange,
                                       struct directory_error *error)
    __attribute__((warn_unused_result));
struct directory_topic_permission {
    const char *user, *vhost, *exchange, *write, *read;
};
/* user or vhost NULL: all. */
bool directory_each_topic_permission(
    const struct directory *directory, const char *user, const char *vhost,
    void (*visit)(void *context, const struct directory_topic_permission *permission),
    void *context, struct directory_error *error) __attribute__((warn_unused_result));

/* --- definitions.json: an object of RabbitMQ's form (struct json_t) */

/* Takes users, vhosts, permissions, policies and parameters over, in one transaction; everything is
 * published and told once. What is there already is replaced, nothing is removed. vhost is that of
 * objects that name none. */
bool directory_import(struct directory *directory, const struct json_t *definitions,
                      const char *vhost, struct directory_error *error)
    __attribute__((warn_unused_result));
/* Adds the same to an object. vhost NULL: everything; else what belongs to it alone. */
void directory_export(const struct directory *directory, const char *vhost,
                      struct json_t *definitions);

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
    const char *hash;    /* base64; "": no password */
    const char *hashing; /* RabbitMQ's name for the algorithm */
    const char *const *tags;
    size_t tag_count;
};
void directory_each_user(const struct directory *directory,
                         void (*visit)(void *context, const struct directory_user *user),
                         void *context);
/* False where there is none; user may be NULL. */
bool directory_find_user(const struct directory *directory, const char *name,
                         struct directory_user *user);
bool directory_has_vhost(const struct directory *directory, const char *name);

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
