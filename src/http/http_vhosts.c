/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vhosts: listing, making, changing and deleting them. A user who is neither an administrator
 * nor monitors sees those that it may enter.
 *
 * As in RabbitMQ a PUT sets description and tags even where it does not name them, and whoever
 * makes a vhost may do everything in it.
 */
#include <string.h>

#include "auth/directory.h"
#include "base/buffer.h"
#include "config/config.h"
#include "http/http_call.h"
#include "http/http_resources.h"
#include "http/http_stats.h"

/* --- listing */

static void put_stats(json_t *row, const struct http_context *context, const char *name,
                      const struct http_ages *ages)
{
    const struct http_stats stats = {.statistics = context->statistics,
                                     .kind = STATS_VHOST,
                                     .vhost = bytes_of_text(name),
                                     .name = bytes_of_text(""),
                                     .ages = ages};
    http_stats_put(&stats, STATS_LENGTHS, row);
    http_stats_put(&stats, STATS_DATA, row);
    http_stats_add(&stats, STATS_MESSAGES, row, "message_stats");
}

static json_t *row_of(const struct http_context *context, const struct http_call *call,
                      const char *name)
{
    struct http_ages ages;
    http_ages_read(&ages, call);
    json_t *metadata = directory_vhost_metadata(context->directory, name);
    json_t *description = json_object_get(metadata, "description");
    json_t *tags = json_object_get(metadata, "tags");
    json_t *type = json_object_get(metadata, "default_queue_type");
    bool is_tracing = json_is_true(json_object_get(metadata, "tracing"));
    if (description == NULL)
        json_object_set_new(metadata, "description", description = json_string(""));
    if (tags == NULL)
        json_object_set_new(metadata, "tags", tags = json_array());
    bool is_protected = json_is_true(json_object_get(metadata, "protected_from_deletion"));
    json_t *row =
        json_pack("{s:s, s:O, s:O, s:b, s:b, s:{s:s}}", "name", name, "description", description,
                  "tags", tags, "tracing", is_tracing, "protected_from_deletion", is_protected,
                  "cluster_state", context->config->node_name, "running");
    json_object_set(row, "default_queue_type", type);
    if (type == NULL)
        json_object_set_new(row, "default_queue_type", json_string("undefined"));
    json_object_del(metadata, "tracing");
    json_object_set_new(row, "metadata", metadata);
    if (http_stats_are_wanted(context, call))
        put_stats(row, context, name, &ages);
    return row;
}

static void get_vhosts(const struct http_context *context, struct http_call *call)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < directory_vhost_count(context->directory); i++) {
        const char *name = directory_vhost(context->directory, i).name;
        if (http_call_sees_vhost(call, name))
            json_array_append_new(rows, row_of(context, call, name));
    }
    http_reply_pages(call, rows, "name");
}

static void get_vhost(const struct http_context *context, struct http_call *call)
{
    const char *name = http_call_parameter(call, "vhost");
    if (directory_has_vhost(context->directory, name))
        http_reply(call, row_of(context, call, name));
    else
        http_not_found(call);
}

/* --- changing */

/* Tags with commas between them; false, answered, where they are neither a text nor a list. */
static bool read_tags(struct http_call *call, struct buffer *text)
{
    const json_t *tags = json_object_get(http_call_body(call), "tags");
    if (json_is_string(tags))
        buffer_append_bytes(text, bytes_of_text(json_string_value(tags)));
    for (size_t i = 0; i < json_array_size(tags); i++) {
        const char *tag = json_string_value(json_array_get(tags, i));
        if (tag != NULL)
            buffer_append_format(text, "%s%s", text->size > 0 ? "," : "", tag);
    }
    buffer_append_u8(text, '\0');
    if (tags == NULL || json_is_null(tags) || json_is_string(tags) || json_is_array(tags))
        return true;
    http_bad_request(call, "tags must be a string or a list of strings");
    return false;
}

/* A text that may be left out; false, answered, where it is something else. */
static bool read_text(struct http_call *call, const char *key, const char **text)
{
    const json_t *value = json_object_get(http_call_body(call), key);
    *text = json_string_value(value);
    if (value == NULL || json_is_null(value) || *text != NULL)
        return true;
    http_bad_request(call, "%s must be a string", key);
    return false;
}

/* -1: it is not said. As RabbitMQ, which takes the words as well. */
static bool read_tracing(struct http_call *call, int *is_tracing)
{
    json_t *value = json_object_get(http_call_body(call), "tracing");
    const char *word = json_string_value(value);
    *is_tracing = -1;
    if (json_is_true(value) || (word != NULL && strcmp(word, "true") == 0))
        *is_tracing = 1;
    else if (json_is_false(value) || (word != NULL && strcmp(word, "false") == 0))
        *is_tracing = 0;
    else if (value != NULL && !json_is_null(value))
        http_bad_request_json(call, json_pack("[s, O]", "not_boolean", value));
    return value == NULL || json_is_null(value) || *is_tracing != -1;
}

/* The maker of a vhost may do everything in it, if it is a user of this server. */
static bool permit(struct directory *directory, const char *user, const char *vhost,
                   struct directory_error *error)
{
    return !directory_find_user(directory, user, NULL) ||
           directory_set_permissions(directory, user, vhost, ".*", ".*", ".*", error);
}

static void set_vhost(struct directory *directory, struct http_call *call, const char *tags)
{
    struct directory_error error;
    const char *name = http_call_parameter(call, "vhost"), *description, *type;
    int is_tracing;
    if (!read_text(call, "description", &description) ||
        !read_text(call, "default_queue_type", &type) || !read_tracing(call, &is_tracing))
        return;
    bool is_new = !directory_has_vhost(directory, name);
    if (directory_add_vhost_with(directory, name, description != NULL ? description : "", tags,
                                 type, &error) &&
        (is_tracing < 0 || directory_set_tracing(directory, name, is_tracing == 1, &error)) &&
        (!is_new || permit(directory, http_call_user(call), name, &error)))
        http_reply_put(call, is_new);
    else
        http_refuse(call, &error);
}

static void put_vhost(const struct http_context *context, struct http_call *call)
{
    struct buffer tags = {0};
    if (read_tags(call, &tags))
        set_vhost(context->directory, call, (const char *)tags.data);
    buffer_fini(&tags);
}

static void refuse_protected(struct http_call *call, const char *name)
{
    struct buffer reason = {0};
    buffer_append_format(
        &reason, "Refusing to delete virtual host '%s' because it is protected from deletion",
        name);
    buffer_append_u8(&reason, '\0');
    http_precondition_failed(call, (const char *)reason.data);
    buffer_fini(&reason);
}

static void delete_vhost(const struct http_context *context, struct http_call *call)
{
    struct directory_error error;
    const char *name = http_call_parameter(call, "vhost");
    if (!directory_has_vhost(context->directory, name))
        http_not_found(call);
    else if (directory_is_vhost_protected(context->directory, name))
        refuse_protected(call, name);
    else if (directory_delete_vhost(context->directory, name, &error))
        http_reply_done(call);
    else
        http_refuse(call, &error);
}

static void set_protection(const struct http_context *context, struct http_call *call,
                           bool is_protected)
{
    struct directory_error error;
    const char *name = http_call_parameter(call, "vhost");
    if (!directory_has_vhost(context->directory, name))
        http_not_found(call);
    else if (directory_set_vhost_protection(context->directory, name, is_protected, &error))
        http_reply_done(call);
    else
        http_refuse(call, &error);
}

static void protect_vhost(const struct http_context *context, struct http_call *call)
{
    set_protection(context, call, true);
}

static void unprotect_vhost(const struct http_context *context, struct http_call *call)
{
    set_protection(context, call, false);
}

/* One that is there runs; it is for RabbitMQ's nodes, each of which may have failed to start it. */
static void start_vhost(const struct http_context *context, struct http_call *call)
{
    const char *node = http_call_parameter(call, "node");
    if (!directory_has_vhost(context->directory, http_call_parameter(call, "vhost")))
        http_not_found(call);
    else if (strcmp(node, context->config->node_name) == 0)
        http_reply_done(call);
    else
        http_bad_request(call, "Unknown node: %s", node);
}

const struct http_route http_vhost_routes[] = {
    {"/vhosts", HTTP_FOR_MANAGEMENT, HTTP_FOR_ADMINISTRATORS, .lists_vhosts = true,
     .age_error = "invalid_range_parameters", .get = get_vhosts},
    {"/vhosts/:vhost", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .age_error = "bad_request",
     .get = get_vhost, .put = put_vhost, .delete = delete_vhost},
    {"/vhosts/:vhost/deletion/protection", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .post = protect_vhost, .delete = unprotect_vhost},
    {"/vhosts/:vhost/start/:node", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS,
     .takes_any_accept = true, .post = start_vhost},
    {.pattern = NULL},
};
