/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes with users and vhosts beside their names: limits of users, topic permissions, and the
 * metadata of vhosts (description, tags, default queue type, and here also whether it is traced).
 */
#include <stdlib.h>
#include <string.h>

#include "auth/directory_internal.h"
#include "broker/access.h"
#include "config/json_table.h"

bool directory_refuse_invalid(struct directory_error *error, const struct buffer *complaints)
{
    return directory_refuse(error, CONTROL_UNAVAILABLE, "Validation failed\n\n%.*s",
                            (int)complaints->size, (const char *)complaints->data);
}

/* --- limits of users */

static bool need_limited_user(const struct directory *directory, const char *user,
                              struct directory_error *error)
{
    return directory_rows_user(&directory->rows, user) != NULL ||
           directory_refuse(error, CONTROL_UNAVAILABLE, "{:no_such_user, \"%s\"}", user);
}

const char *directory_user_limits(const struct directory *directory, const char *user)
{
    const char *const key[] = {user};
    const struct text_row *row =
        directory_rows_text(&directory->rows, DEFINITIONS_USER_LIMITS, key);
    return row != NULL ? row->texts[1] : "{}";
}

static bool write_user_limits(struct directory *directory, const char *user, const json_t *limits,
                              struct directory_error *error)
{
    const char *const key[] = {user};
    bool is_written =
        json_object_size(limits) > 0
            ? directory_write_json(directory, DEFINITIONS_USER_LIMITS, key, limits, error)
            : directory_remove_text(directory, DEFINITIONS_USER_LIMITS, key) ||
                  directory_refuse_write(directory, error);
    if (is_written)
        directory_publish(directory);
    return is_written;
}

bool directory_set_user_limits_json(struct directory *directory, const char *user,
                                    const json_t *limits, struct directory_error *error)
{
    static const char *const keys[] = {"max-connections", "max-channels"};
    struct buffer complaints = {0};
    if (!need_limited_user(directory, user, error))
        return false;
    bool is_right = parameter_check_limits("user-limits", limits, keys, 2, &complaints);
    if (!is_right)
        directory_refuse(error, CONTROL_UNAVAILABLE, "%.*s", (int)complaints.size - 1,
                         (const char *)complaints.data);
    buffer_fini(&complaints);
    if (!is_right)
        return false;
    json_t *merged = json_parse(directory_user_limits(directory, user));
    json_object_update(merged, (json_t *)(uintptr_t)limits);
    bool is_written = write_user_limits(directory, user, merged, error);
    if (is_written)
        directory_event_user_limits(directory, user, limits);
    json_decref(merged);
    return is_written;
}

bool directory_set_user_limits(struct directory *directory, const char *user, const char *text,
                               struct directory_error *error)
{
    json_t *limits = directory_parse(text, error);
    bool is_set = limits != NULL && directory_set_user_limits_json(directory, user, limits, error);
    json_decref(limits);
    return is_set;
}

bool directory_clear_user_limits(struct directory *directory, const char *user, const char *limit,
                                 struct directory_error *error)
{
    if (!need_limited_user(directory, user, error))
        return false;
    json_t *limits = json_parse(directory_user_limits(directory, user));
    if (strcmp(limit, "all") == 0)
        json_object_clear(limits);
    else
        json_object_del(limits, limit);
    bool is_written = write_user_limits(directory, user, limits, error);
    if (is_written)
        directory_event_user_limits(directory, user, NULL);
    json_decref(limits);
    return is_written;
}

/* A negative limit is none. */
static uint64_t limit_of(const json_t *limits, const char *name)
{
    const json_t *limit = json_object_get(limits, name);
    json_int_t value = json_integer_value(limit);
    return json_is_integer(limit) && value >= 0 ? (uint64_t)value : UINT64_MAX;
}

void directory_add_user_limits(const struct directory *directory, struct users *users)
{
    const struct text_rows *rows = &directory->rows.others[DEFINITIONS_USER_LIMITS];
    for (size_t i = 0; i < rows->count; i++) {
        json_t *limits = json_parse(rows->rows[i].texts[1]);
        users_add_limits(users, rows->rows[i].texts[0], limit_of(limits, "max-connections"),
                         limit_of(limits, "max-channels"));
        json_decref(limits);
    }
}

/* --- topic permissions */

/* With the names of user and vhost in the patterns, where they may stand for something else. */
static bool topic_permission_compiles(const char *const texts[5], char *reason, size_t reason_size)
{
    struct access *access = access_new();
    bool is_good = access_add_topic_permission(
        access, bytes_of_text(texts[0]), bytes_of_text(texts[1]), bytes_of_text(texts[2]),
        bytes_of_text(texts[3]), bytes_of_text(texts[4]), reason, reason_size);
    access_free(access);
    return is_good;
}

bool directory_set_topic_permissions(struct directory *directory, const char *user,
                                     const char *vhost, const char *exchange, const char *write,
                                     const char *read, struct directory_error *error)
{
    char reason[512];
    const char *const texts[] = {user, vhost, exchange, write, read};
    if (!directory_need_both(directory, user, vhost, error))
        return false;
    if (!topic_permission_compiles(texts, reason, sizeof reason))
        return directory_refuse(error, CONTROL_UNAVAILABLE, "%s", reason);
    if (!directory_write_text(directory, DEFINITIONS_TOPIC_PERMISSION, texts))
        return directory_refuse_write(directory, error);
    directory_publish(directory);
    directory_event_topic_permission(directory, texts);
    return true;
}

static bool is_wanted(const char *text, const char *wanted)
{
    return wanted == NULL || strcmp(text, wanted) == 0;
}

bool directory_clear_topic_permissions(struct directory *directory, const char *user,
                                       const char *vhost, const char *exchange,
                                       struct directory_error *error)
{
    const struct text_rows *rows = &directory->rows.others[DEFINITIONS_TOPIC_PERMISSION];
    if (!directory_need_both(directory, user, vhost, error))
        return false;
    for (size_t i = rows->count; i-- > 0;) {
        const char *const *texts = rows->rows[i].texts;
        if (strcmp(texts[0], user) != 0 || strcmp(texts[1], vhost) != 0 ||
            !is_wanted(texts[2], exchange))
            continue;
        const struct text_row row = rows->rows[i]; /* removing moves the array, not the texts */
        if (!definitions_delete(directory->store, DEFINITIONS_TOPIC_PERMISSION, row.texts))
            return directory_refuse_write(directory, error);
        directory_rows_remove_text(&directory->rows, DEFINITIONS_TOPIC_PERMISSION, row.texts);
    }
    directory_publish(directory);
    /* Of one exchange RabbitMQ says permission.deleted, too. */
    directory_event_permissions_gone(
        directory, exchange != NULL ? "permission.deleted" : "topic.permission.deleted", user,
        vhost);
    return true;
}

bool directory_each_topic_permission(
    const struct directory *directory, const char *user, const char *vhost,
    void (*visit)(void *context, const struct directory_topic_permission *permission),
    void *context, struct directory_error *error)
{
    const struct text_rows *rows = &directory->rows.others[DEFINITIONS_TOPIC_PERMISSION];
    if ((user != NULL && !need_limited_user(directory, user, error)) ||
        (vhost != NULL && !directory_need_vhost(directory, vhost, CONTROL_DATA, error)))
        return false;
    for (size_t i = 0; i < rows->count; i++) {
        const char *const *texts = rows->rows[i].texts;
        const struct directory_topic_permission permission = {texts[0], texts[1], texts[2],
                                                              texts[3], texts[4]};
        if (is_wanted(texts[0], user) && is_wanted(texts[1], vhost))
            visit(context, &permission);
    }
    return true;
}

/* --- metadata of vhosts */

json_t *directory_vhost_metadata(const struct directory *directory, const char *vhost)
{
    const char *const key[] = {vhost};
    const struct text_row *row =
        directory_rows_text(&directory->rows, DEFINITIONS_VHOST_METADATA, key);
    json_t *metadata = row != NULL ? json_parse(row->texts[1]) : NULL;
    return metadata != NULL ? metadata : json_object();
}

/* NULL: there is no such type. */
static const char *queue_type_named(const char *text)
{
    static const char *const types[] = {"classic", "quorum", "stream"};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(text, types[i]) == 0)
            return types[i];
    }
    return NULL;
}

static bool is_fine_metadata(const json_t *metadata, struct directory_error *error)
{
    const json_t *type = json_object_get(metadata, "default_queue_type");
    return type == NULL || json_is_null(type) ||
           (json_is_string(type) && queue_type_named(json_string_value(type)) != NULL) ||
           (json_is_string(type) && strcmp(json_string_value(type), "undefined") == 0) ||
           directory_refuse(error, CONTROL_UNAVAILABLE, "invalid_queue_type");
}

bool directory_set_vhost_metadata(struct directory *directory, const char *vhost,
                                  const json_t *metadata, struct directory_error *error)
{
    const char *const key[] = {vhost};
    if (!directory_need_vhost(directory, vhost, CONTROL_DATA, error) ||
        !is_fine_metadata(metadata, error) ||
        !directory_write_json(directory, DEFINITIONS_VHOST_METADATA, key, metadata, error))
        return false;
    directory_tell(directory, vhost, DIRECTORY_SETTINGS);
    return true;
}

static json_t *split_tags(const char *text)
{
    json_t *tags = json_array();
    while (*text != '\0') {
        size_t blank = strspn(text, ", ");
        size_t size = strcspn(text + blank, ",");
        if (size > 0)
            json_array_append_new(tags, json_stringn(text + blank, size));
        text += blank + size;
    }
    return tags;
}

bool directory_add_vhost_with(struct directory *directory, const char *vhost,
                              const char *description, const char *tags,
                              const char *default_queue_type, struct directory_error *error)
{
    json_t *metadata = directory_vhost_metadata(directory, vhost);
    if (description != NULL || json_object_get(metadata, "description") == NULL)
        json_object_set_new(metadata, "description",
                            json_string(description != NULL ? description : ""));
    if (tags != NULL || json_object_get(metadata, "tags") == NULL)
        json_object_set_new(metadata, "tags", split_tags(tags != NULL ? tags : ""));
    if (default_queue_type != NULL)
        json_object_set_new(metadata, "default_queue_type", json_string(default_queue_type));
    bool is_new = directory_rows_vhost(&directory->rows, vhost) == NULL;
    bool is_done = is_fine_metadata(metadata, error) &&
                   directory_add_vhost(directory, vhost, error) &&
                   directory_set_vhost_metadata(directory, vhost, metadata, error);
    if (is_done && is_new) {
        directory_event_vhost_created(directory, vhost, metadata);
        is_done = directory_give_defaults(directory, vhost, error);
    }
    json_decref(metadata);
    return is_done;
}

bool directory_set_tracing(struct directory *directory, const char *vhost, bool is_tracing,
                           struct directory_error *error)
{
    json_t *metadata = directory_vhost_metadata(directory, vhost);
    if (is_tracing)
        json_object_set_new(metadata, "tracing", json_true());
    else
        json_object_del(metadata, "tracing");
    bool is_done = directory_set_vhost_metadata(directory, vhost, metadata, error);
    json_decref(metadata);
    return is_done;
}

/* The key of the metadata. */
static const char protection[] = "protected_from_deletion";

bool directory_set_vhost_protection(struct directory *directory, const char *vhost,
                                    bool is_protected, struct directory_error *error)
{
    json_t *metadata = directory_vhost_metadata(directory, vhost);
    json_object_set_new(metadata, protection, json_boolean(is_protected));
    bool is_done = directory_set_vhost_metadata(directory, vhost, metadata, error);
    json_decref(metadata);
    return is_done;
}

bool directory_is_vhost_protected(const struct directory *directory, const char *vhost)
{
    json_t *metadata = directory_vhost_metadata(directory, vhost);
    bool is_protected = json_is_true(json_object_get(metadata, protection));
    json_decref(metadata);
    return is_protected;
}

static const char *queue_type_of(const json_t *metadata)
{
    const char *type = json_string_value(json_object_get(metadata, "default_queue_type"));
    return type != NULL ? queue_type_named(type) : NULL;
}

void directory_vhost_settings(const struct directory *directory, const char *vhost,
                              struct directory_vhost_settings *settings)
{
    json_t *metadata = directory_vhost_metadata(directory, vhost);
    json_t *limits = json_parse(directory_vhost_limits(directory, vhost));
    *settings = (struct directory_vhost_settings){
        .queues_max = limit_of(limits, "max-queues"),
        .connections_max = limit_of(limits, "max-connections"),
        .default_queue_type = queue_type_of(metadata),
        .is_tracing = json_is_true(json_object_get(metadata, "tracing")),
    };
    json_decref(limits);
    json_decref(metadata);
}
