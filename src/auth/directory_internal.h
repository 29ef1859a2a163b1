/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_DIRECTORY_INTERNAL_H
#define LEVERET_AUTH_DIRECTORY_INTERNAL_H

/* What the files of the directory share. Nobody else includes it. */

#include <jansson.h>

#include "auth/directory.h"
#include "auth/directory_rows.h"
#include "base/buffer.h"
#include "net/control.h"
#include "store/definitions_store.h"

struct held_event {
    const char *key;
    struct buffer headers; /* owned */
};

struct held_events {
    struct held_event *events; /* owned */
    size_t count, capacity;
};

struct directory {
    const struct config *config; /* borrowed */
    struct directory_events events;
    struct definitions_store *store; /* owned */
    struct directory_rows rows;
    struct users *users; /* ref; of the rows as they are */
    /* While an import runs, nothing is published or told; afterwards everything is. */
    bool is_importing;
    struct held_events held_events; /* those of the import */
};

/* Sets the error and returns false. */
bool directory_refuse(struct directory_error *error, enum control_status status, const char *format,
                      ...) __attribute__((format(printf, 3, 4)));
bool directory_refuse_write(const struct directory *directory, struct directory_error *error);
/* RabbitMQ's form for what a validation says: complaints ends with a line feed. */
bool directory_refuse_invalid(struct directory_error *error, const struct buffer *complaints);

/* Is it there? The status is that for a missing one. */
bool directory_need_user(const struct directory *directory, const char *name,
                         const struct user_row **user, struct directory_error *error);
bool directory_need_vhost(const struct directory *directory, const char *name,
                          enum control_status status, struct directory_error *error);
/* Are user and vhost there? In the words of the commands about permissions. */
bool directory_need_both(const struct directory *directory, const char *user, const char *vhost,
                         struct directory_error *error);

/* Puts the limits of all users into a snapshot that is being made. */
void directory_add_user_limits(const struct directory *directory, struct users *users);
/* Makes and publishes a new snapshot of all rows. */
void directory_publish(struct directory *directory);
/* Tells that something of a vhost changed (enum directory_change). */
void directory_tell(struct directory *directory, const char *vhost, unsigned changes);

/* Writes to the store and changes the rows. Nothing is published. */
bool directory_write_text(struct directory *directory, enum definitions_kind kind,
                          const char *const *texts);
bool directory_remove_text(struct directory *directory, enum definitions_kind kind,
                           const char *const *key);
/* Reads all rows from the store again. */
void directory_reload(struct directory *directory);
/* Starts a vhost whose row is there; where that does not work the row goes. */
bool directory_start_vhost(struct directory *directory, const char *name,
                           struct directory_error *error);
bool directory_write_user(struct directory *directory, const struct user_row *user);
bool directory_write_vhost(struct directory *directory, const char *name);
bool directory_write_permission(struct directory *directory,
                                const struct permission_row *permission);
bool directory_patterns_compile(const struct permission_row *permission, char *reason,
                                size_t reason_size);

/* A JSON text, or NULL with the error set. */
json_t *directory_parse(const char *text, struct directory_error *error);
/* Keeps a JSON value under the texts of the key, of which there are key_count. */
bool directory_write_json(struct directory *directory, enum definitions_kind kind,
                          const char *const *key, const json_t *value,
                          struct directory_error *error);

/* What the configuration has a new vhost begin with. */
bool directory_give_defaults(struct directory *directory, const char *vhost,
                             struct directory_error *error);

/* Tells, or forgets, what an import has to tell. */
void directory_release_events(struct directory *directory, bool are_told);
/* Events, after what they tell of: directory_events.c. */
void directory_event_user(struct directory *directory, const char *key, const char *user);
void directory_event_tags(struct directory *directory, const char *user, const char *const *tags,
                          size_t tag_count);
/* limits NULL: cleared; likewise the values below. */
void directory_event_user_limits(struct directory *directory, const char *user,
                                 const json_t *limits);
void directory_event_permission(struct directory *directory, const struct permission_row *row);
void directory_event_topic_permission(struct directory *directory, const char *const *texts);
void directory_event_permissions_gone(struct directory *directory, const char *key,
                                      const char *user, const char *vhost);
void directory_event_parameter(struct directory *directory, const char *vhost,
                               const char *component, const char *name, const json_t *value);
void directory_event_global(struct directory *directory, const char *name, const json_t *value);
void directory_event_vhost_created(struct directory *directory, const char *vhost,
                                   const json_t *metadata);
/* Before its rows go, and after. */
void directory_event_vhost_emptied(struct directory *directory, const char *vhost);
void directory_event_vhost_deleted(struct directory *directory, const char *vhost);

/* Is it what a plug-in of RabbitMQ acts on, and nothing here? */
bool parameter_is_foreign(const char *component);
/* Checks of a parameter's value, which append complaints, each ended by a line feed. */
bool parameter_check(const char *component, const char *name, const json_t *value,
                     struct buffer *complaints);
/* max-connections and so on: numbers only. name is what the complaints call the whole. */
bool parameter_check_limits(const char *name, const json_t *value, const char *const *keys,
                            size_t key_count, struct buffer *complaints);

/* As the functions without json. */
bool directory_set_parameter_json(struct directory *directory, const char *vhost,
                                  const char *component, const char *name, const json_t *value,
                                  struct directory_error *error);
bool directory_set_user_limits_json(struct directory *directory, const char *user,
                                    const json_t *limits, struct directory_error *error);
bool directory_set_global_json(struct directory *directory, const char *name, const json_t *value,
                               struct directory_error *error);
bool directory_set_vhost_metadata(struct directory *directory, const char *vhost,
                                  const json_t *metadata, struct directory_error *error);

#endif
