/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of changes on amq.rabbitmq.event, with RabbitMQ's names and types. A value of JSON
 * is there what Erlang's terms make of it: an object is a table where it stands outermost (and the
 * definition of a policy), else a text; nothing in it is an empty array; null is a text.
 *
 * An import is one transaction, so what it has to tell is kept until that is on disk, and dropped
 * where it fails.
 */
#include <stdlib.h>
#include <string.h>

#include "amqp/error.h"
#include "amqp/table.h"
#include "auth/directory_internal.h"
#include "base/xmalloc.h"
#include "broker/event_message.h"
#include "config/config.h"
#include "config/json_table.h"

/* --- letting them out */

static void pass_on(struct directory *directory, const char *key, struct buffer *headers)
{
    if (directory->events.on_event != NULL)
        directory->events.on_event(directory->events.context, key, headers);
    buffer_fini(headers);
}

/* Key is a literal; the headers pass. */
static void tell(struct directory *directory, const char *key, struct buffer *headers)
{
    struct held_events *held = &directory->held_events;
    if (!directory->is_importing) {
        pass_on(directory, key, headers);
        return;
    }
    held->events = xgrow(held->events, &held->capacity, held->count + 1, sizeof held->events[0]);
    held->events[held->count++] = (struct held_event){key, *headers};
}

void directory_release_events(struct directory *directory, bool are_told)
{
    struct held_events held = directory->held_events;
    directory->held_events = (struct held_events){0};
    for (size_t i = 0; i < held.count; i++) {
        if (are_told)
            pass_on(directory, held.events[i].key, &held.events[i].headers);
        else
            buffer_fini(&held.events[i].headers);
    }
    free(held.events);
}

/* --- values */

static void add_text(struct buffer *headers, const char *name, const char *text)
{
    amqp_table_add_text(headers, name, text);
}

static void add_user(struct buffer *headers)
{
    add_text(headers, "user_who_performed_action", EVENT_USER_CLI);
}

static void add_term(struct buffer *headers, const char *name, const json_t *json)
{
    struct buffer text = {0};
    json_append_term(&text, json);
    amqp_table_add_longstr(headers, name, buffer_bytes(&text));
    buffer_fini(&text);
}

/* A plain value; false where it is none. */
static bool plain_value(const json_t *json, struct amqp_value *value)
{
    switch (json_typeof(json)) {
    case JSON_TRUE:
    case JSON_FALSE:
        *value = (struct amqp_value){.type = AMQP_TYPE_BOOL, .boolean = json_is_true(json)};
        return true;
    case JSON_INTEGER:
        *value = (struct amqp_value){.type = AMQP_TYPE_INT64, .integer = json_integer_value(json)};
        return true;
    case JSON_REAL:
        *value = (struct amqp_value){.type = AMQP_TYPE_FLOAT, .number = json_real_value(json)};
        return true;
    case JSON_STRING:
    case JSON_NULL:
        *value = (struct amqp_value){
            .type = AMQP_TYPE_LONGSTR,
            .bytes = bytes_of_text(json_is_null(json) ? "null" : json_string_value(json))};
        return true;
    default:
        return false;
    }
}

static void append_item(struct buffer *headers, const json_t *json)
{
    struct amqp_value value;
    struct buffer text = {0};
    if (plain_value(json, &value)) {
        amqp_array_add_value(headers, &value);
        return;
    }
    json_append_term(&text, json);
    amqp_array_add_longstr(headers, buffer_bytes(&text));
    buffer_fini(&text);
}

static void add_list(struct buffer *headers, const char *name, const json_t *list)
{
    size_t begin = amqp_table_add_array_begin(headers, name);
    for (size_t i = 0; i < json_array_size(list); i++)
        append_item(headers, json_array_get(list, i));
    amqp_table_end(headers, begin);
}

static void add_value(struct buffer *headers, const char *name, const json_t *json, int depth);

static void add_object(struct buffer *headers, const char *name, const json_t *object, int depth)
{
    const char *key;
    json_t *inner;
    size_t begin = amqp_table_add_table_begin(headers, name);
    json_object_foreach((json_t *)(uintptr_t)object, key, inner)
    {
        bool is_definition = strcmp(key, "definition") == 0;
        if (strlen(key) <= AMQP_SHORTSTR_MAX)
            add_value(headers, key, inner, is_definition ? depth : depth - 1);
    }
    amqp_table_end(headers, begin);
}

/* depth: so many objects, one in the other, are tables. */
static void add_value(struct buffer *headers, const char *name, const json_t *json, int depth)
{
    struct amqp_value value;
    if (plain_value(json, &value))
        amqp_table_add_value(headers, name, &value);
    else if (json_is_array(json) || (depth > 0 && json_object_size(json) == 0))
        add_list(headers, name, json);
    else if (depth > 0)
        add_object(headers, name, json, depth);
    else
        add_term(headers, name, json);
}

/* The members of an object as headers. */
static void add_members(struct buffer *headers, const json_t *object)
{
    const char *key;
    json_t *inner;
    json_object_foreach((json_t *)(uintptr_t)object, key, inner) add_value(headers, key, inner, 1);
}

/* --- users */

void directory_event_user(struct directory *directory, const char *key, const char *user)
{
    struct buffer headers = {0};
    add_user(&headers);
    add_text(&headers, "name", user);
    tell(directory, key, &headers);
}

void directory_event_tags(struct directory *directory, const char *user, const char *const *tags,
                          size_t tag_count)
{
    struct buffer headers = {0};
    add_user(&headers);
    size_t begin = amqp_table_add_array_begin(&headers, "tags");
    for (size_t i = 0; i < tag_count; i++)
        amqp_array_add_longstr(&headers, bytes_of_text(tags[i]));
    amqp_table_end(&headers, begin);
    add_text(&headers, "name", user);
    tell(directory, "user.tags.set", &headers);
}

void directory_event_user_limits(struct directory *directory, const char *user,
                                 const json_t *limits)
{
    struct buffer headers = {0};
    if (limits != NULL)
        add_members(&headers, limits);
    add_text(&headers, "username", user);
    add_user(&headers);
    add_text(&headers, "name", "limits");
    tell(directory, limits != NULL ? "user.limits.set" : "user.limits.cleared", &headers);
}

/* --- permissions */

static void add_place(struct buffer *headers, const char *user, const char *vhost)
{
    add_text(headers, "vhost", vhost);
    add_text(headers, "user", user);
}

void directory_event_permission(struct directory *directory, const struct permission_row *row)
{
    struct buffer headers = {0};
    add_user(&headers);
    add_text(&headers, "read", row->read);
    add_text(&headers, "write", row->write);
    add_text(&headers, "configure", row->configure);
    add_place(&headers, row->user, row->vhost);
    tell(directory, "permission.created", &headers);
}

void directory_event_topic_permission(struct directory *directory, const char *const *texts)
{
    struct buffer headers = {0};
    add_user(&headers);
    add_text(&headers, "read", texts[4]);
    add_text(&headers, "write", texts[3]);
    add_text(&headers, "exchange", texts[2]);
    add_place(&headers, texts[0], texts[1]);
    tell(directory, "topic.permission.created", &headers);
}

void directory_event_permissions_gone(struct directory *directory, const char *key,
                                      const char *user, const char *vhost)
{
    struct buffer headers = {0};
    add_user(&headers);
    add_place(&headers, user, vhost);
    tell(directory, key, &headers);
}

/* --- parameters */

static void tell_parameter(struct directory *directory, const char *vhost, const char *component,
                           const char *name, const json_t *value, bool is_set)
{
    struct buffer headers = {0};
    add_user(&headers);
    if (value != NULL)
        add_value(&headers, "value", value, 1);
    add_text(&headers, "name", name);
    add_text(&headers, "component", component);
    if (vhost != NULL)
        add_text(&headers, "vhost", vhost);
    tell(directory, is_set ? "parameter.set" : "parameter.cleared", &headers);
}

static void tell_policy(struct directory *directory, const char *key, const char *vhost,
                        const char *name, const json_t *value)
{
    struct buffer headers = {0};
    if (value != NULL)
        add_members(&headers, value);
    add_user(&headers);
    add_text(&headers, "vhost", vhost);
    add_text(&headers, "name", name);
    tell(directory, key, &headers);
}

static void tell_vhost_limits(struct directory *directory, const char *name, const json_t *value)
{
    struct buffer headers = {0};
    if (value != NULL)
        add_members(&headers, value);
    add_user(&headers);
    add_text(&headers, "name", name);
    tell(directory, value != NULL ? "vhost.limits.set" : "vhost.limits.cleared", &headers);
}

/* A policy is told as such and not as a parameter, an operator policy as both. */
void directory_event_parameter(struct directory *directory, const char *vhost,
                               const char *component, const char *name, const json_t *value)
{
    bool is_set = value != NULL;
    bool is_policy = strcmp(component, "policy") == 0;
    bool is_operator = strcmp(component, "operator_policy") == 0;
    if (!is_policy)
        tell_parameter(directory, vhost, component, name, value, is_set);
    if (is_set && (is_policy || is_operator))
        tell_policy(directory, "policy.set", vhost, name, value);
    else if (is_policy || is_operator)
        tell_policy(directory, is_operator ? "operator.policy.cleared" : "policy.cleared", vhost,
                    name, NULL);
    else if (strcmp(component, "vhost-limits") == 0)
        tell_vhost_limits(directory, name, value);
}

/* That one is cleared is told as parameter.set without a value, as by RabbitMQ. */
void directory_event_global(struct directory *directory, const char *name, const json_t *value)
{
    tell_parameter(directory, NULL, "global", name, value, true);
}

/* --- vhosts */

/* "a,b" as a text, or, where the vhost has a default type of queues, a list: as RabbitMQ 3.10. */
static json_t *shown_tags(const json_t *metadata)
{
    struct buffer text = {0};
    json_t *tags = json_object_get(metadata, "tags");
    if (json_object_get(metadata, "default_queue_type") != NULL)
        return tags != NULL ? json_incref(tags) : json_array();
    for (size_t i = 0; i < json_array_size(tags); i++)
        buffer_append_format(&text, "%s%s", i > 0 ? "," : "",
                             json_string_value(json_array_get(tags, i)));
    json_t *joined = json_stringn((const char *)text.data, text.size);
    buffer_fini(&text);
    return joined != NULL ? joined : json_string("");
}

/* #{description => <<"d">>,tags => <<"a,b">>} */
static void add_metadata(struct buffer *headers, const char *type, const char *description,
                         const json_t *tags)
{
    struct buffer text = {0};
    json_t *values[] = {type != NULL ? json_string(type) : NULL, json_string(description)};
    buffer_append_bytes(&text, bytes_of_text("#{"));
    if (type != NULL) {
        buffer_append_bytes(&text, bytes_of_text("default_queue_type => "));
        json_append_term(&text, values[0]);
        buffer_append_u8(&text, ',');
    }
    buffer_append_bytes(&text, bytes_of_text("description => "));
    json_append_term(&text, values[1]);
    buffer_append_bytes(&text, bytes_of_text(",tags => "));
    json_append_term(&text, tags);
    buffer_append_u8(&text, '}');
    amqp_table_add_longstr(headers, "metadata", buffer_bytes(&text));
    json_decref(values[0]);
    json_decref(values[1]);
    buffer_fini(&text);
}

static void add_cluster_state(struct buffer *headers, const char *node)
{
    size_t begin = amqp_table_add_table_begin(headers, "cluster_state");
    add_text(headers, node, "running");
    amqp_table_end(headers, begin);
}

void directory_event_vhost_created(struct directory *directory, const char *vhost,
                                   const json_t *metadata)
{
    struct buffer headers = {0};
    json_t *tags = shown_tags(metadata);
    const char *type = json_string_value(json_object_get(metadata, "default_queue_type"));
    const char *description = json_string_value(json_object_get(metadata, "description"));
    if (description == NULL)
        description = "";
    add_value(&headers, "tags", tags, 1); /* twice, as in RabbitMQ */
    add_text(&headers, "description", description);
    add_user(&headers);
    add_cluster_state(&headers, directory->config->node_name);
    amqp_table_add_bool(&headers, "tracing", json_is_true(json_object_get(metadata, "tracing")));
    add_metadata(&headers, type, description, tags);
    add_text(&headers, "default_queue_type", type != NULL ? type : "undefined");
    add_value(&headers, "tags", tags, 1);
    add_text(&headers, "description", description);
    add_text(&headers, "name", vhost);
    json_decref(tags);
    tell(directory, "vhost.created", &headers);
}

void directory_event_vhost_emptied(struct directory *directory, const char *vhost)
{
    const struct directory_rows *rows = &directory->rows;
    for (size_t i = 0; i < rows->permission_count; i++) {
        if (strcmp(rows->permissions[i].vhost, vhost) == 0)
            directory_event_permissions_gone(directory, "permission.deleted",
                                             rows->permissions[i].user, vhost);
    }
    const struct text_rows *parameters = &rows->others[DEFINITIONS_PARAMETER];
    for (size_t i = 0; i < parameters->count; i++) {
        const char *const *texts = parameters->rows[i].texts;
        if (strcmp(texts[0], vhost) == 0)
            directory_event_parameter(directory, vhost, texts[1], texts[2], NULL);
    }
}

void directory_event_vhost_deleted(struct directory *directory, const char *vhost)
{
    struct buffer headers = {0};
    directory_event_user(directory, "vhost.deleted", vhost);
    add_text(&headers, "user_who_performed_action", EVENT_USER_INTERNAL);
    add_text(&headers, "node", directory->config->node_name);
    add_text(&headers, "name", vhost);
    tell(directory, "vhost.down", &headers);
}
