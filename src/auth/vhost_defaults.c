/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the configuration has new virtual hosts begin with (default_limits, default_policies,
 * default_users): limits, operator policies, and users with their permissions, each for the virtual
 * hosts whose name a pattern matches (https://www.rabbitmq.com/docs/vhosts#limits). It is given
 * once, when a virtual host is made; from then on it is like anything that was set by hand.
 *
 * The lines of the configuration are put together into JSON objects, by kind and by name, which is
 * what the functions that set limits and policies take.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/directory_internal.h"
#include "base/xmalloc.h"
#include "broker/pattern.h"
#include "config/config.h"
#include "config/config_key.h"

static json_t *member(json_t *object, const char *name)
{
    if (json_object_get(object, name) == NULL)
        json_object_set_new(object, name, json_object());
    return json_object_get(object, name);
}

/* {"default_limits": {NAME: {"max_queues": "5", ...}}, ...}: names and fields are the last two
 * words of a key, the kind is the first. */
static json_t *read_defaults(const struct config_list *list)
{
    json_t *defaults = json_object();
    for (size_t i = 0; i < list->count; i++) {
        struct config_path path;
        if (!config_path_init(&path, list->entries[i].name))
            continue;
        json_t *named = member(member(defaults, path.segments[0]), path.segments[path.count - 2]);
        json_object_set_new(named, path.segments[path.count - 1],
                            json_string(list->entries[i].value));
        config_path_fini(&path);
    }
    return defaults;
}

static const char *text_of(const json_t *fields, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(fields, name));
    return text != NULL ? text : otherwise;
}

/* Does the pattern, a field of that name, match the virtual host? false with an error set, too. */
static bool is_for(const json_t *fields, const char *name, const char *vhost,
                   struct directory_error *error)
{
    char reason[256];
    const char *text = text_of(fields, name, ".*");
    struct pattern *pattern = pattern_new(bytes_of_text(text), reason, sizeof reason);
    if (pattern == NULL)
        return directory_refuse(error, CONTROL_SOFTWARE, "pattern '%s' of new virtual hosts: %s",
                                text, reason);
    size_t steps_left = PATTERN_STEPS_MAX;
    bool is_match = pattern_matches(pattern, bytes_of_text(vhost), &steps_left);
    pattern_free(pattern);
    return is_match;
}

/* Adds a number under RabbitMQ's name, "max_queues" as "max-queues". */
static void add_number(json_t *object, const char *field, const char *text)
{
    char name[64];
    snprintf(name, sizeof name, "%s", field);
    for (char *c = name; *c != '\0'; c++) {
        if (*c == '_')
            *c = '-';
    }
    json_object_set_new(object, name, json_integer(strtoll(text, NULL, 10)));
}

static bool is_pattern(const char *field)
{
    return strcmp(field, "pattern") == 0 || strcmp(field, "vhost_pattern") == 0 ||
           strcmp(field, "queue_pattern") == 0 || strcmp(field, "apply_to") == 0;
}

/* All fields that are no patterns, as JSON text; owned by the caller. */
static char *numbers_of(json_t *fields)
{
    const char *field;
    json_t *value, *numbers = json_object();
    json_object_foreach(fields, field, value)
    {
        if (!is_pattern(field))
            add_number(numbers, field, json_string_value(value));
    }
    char *text = json_dumps(numbers, JSON_COMPACT);
    json_decref(numbers);
    return text;
}

/* The first that match. */
static bool give_limits(struct directory *directory, const char *vhost, json_t *all,
                        struct directory_error *error)
{
    const char *name;
    json_t *fields;
    json_object_foreach(all, name, fields)
    {
        if (is_for(fields, "pattern", vhost, error)) {
            char *limits = numbers_of(fields);
            bool is_set = directory_set_vhost_limits(directory, vhost, limits, error);
            free(limits);
            return is_set;
        }
    }
    return error->text[0] == '\0';
}

static bool give_policies(struct directory *directory, const char *vhost, json_t *all,
                          struct directory_error *error)
{
    const char *name;
    json_t *fields;
    json_object_foreach(all, name, fields)
    {
        if (!is_for(fields, "vhost_pattern", vhost, error))
            continue;
        char *definition = numbers_of(fields);
        const struct directory_policy policy = {
            .vhost = vhost,
            .name = name,
            .pattern = text_of(fields, "queue_pattern", ".*"),
            .apply_to = text_of(fields, "apply_to", "all"),
            .definition = definition,
            .is_operator = true,
        };
        bool is_set = directory_set_policy(directory, &policy, error);
        free(definition);
        if (!is_set)
            return false;
    }
    return error->text[0] == '\0';
}

/* Tags between commas; owned by the caller, with *copy, into which they point. */
static const char **split_tags(const char *text, char **copy, size_t *count)
{
    const char **tags = xcalloc(strlen(text) + 1, sizeof *tags);
    char *rest = NULL;
    *copy = xstrdup(text);
    *count = 0;
    for (char *tag = strtok_r(*copy, ", ", &rest); tag; tag = strtok_r(NULL, ", ", &rest))
        tags[(*count)++] = tag;
    return tags;
}

/* Known by a certificate, or gets a password later. */
static bool add_user_without_password(struct directory *directory, const char *name,
                                      struct directory_error *error)
{
    const struct user_row user = {.name = name, .hash = ""};
    if (!directory_write_user(directory, &user))
        return directory_refuse_write(directory, error);
    directory_publish(directory);
    directory_event_user(directory, "user.created", name);
    return true;
}

static bool make_user(struct directory *directory, const char *name, json_t *fields,
                      struct directory_error *error)
{
    char *copy;
    size_t count;
    const char *password = json_string_value(json_object_get(fields, "password"));
    const char **tags = split_tags(text_of(fields, "tags", ""), &copy, &count);
    bool is_made = (password != NULL ? directory_add_user(directory, name, password, error)
                                     : add_user_without_password(directory, name, error)) &&
                   directory_set_user_tags(directory, name, tags, count, error);
    free(tags);
    free(copy);
    return is_made;
}

static bool give_users(struct directory *directory, const char *vhost, json_t *all,
                       struct directory_error *error)
{
    const char *name;
    json_t *fields;
    json_object_foreach(all, name, fields)
    {
        if (!is_for(fields, "vhost_pattern", vhost, error))
            continue;
        if (directory_rows_user(&directory->rows, name) == NULL &&
            !make_user(directory, name, fields, error))
            return false;
        if (!directory_set_permissions(directory, name, vhost, text_of(fields, "configure", ".*"),
                                       text_of(fields, "write", ".*"),
                                       text_of(fields, "read", ".*"), error))
            return false;
    }
    return error->text[0] == '\0';
}

bool directory_give_defaults(struct directory *directory, const char *vhost,
                             struct directory_error *error)
{
    json_t *defaults = read_defaults(&directory->config->vhost_defaults);
    *error = (struct directory_error){0};
    bool is_done =
        give_limits(directory, vhost, json_object_get(defaults, "default_limits"), error) &&
        give_policies(directory, vhost, json_object_get(defaults, "default_policies"), error) &&
        give_users(directory, vhost, json_object_get(defaults, "default_users"), error);
    json_decref(defaults);
    return is_done;
}
