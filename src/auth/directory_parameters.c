/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runtime parameters. As in RabbitMQ, policies and the limits of a vhost are parameters as well,
 * with components of their own; what is special about them is only who asks for them under another
 * name, and that the vhost is told. Values are kept as JSON, keys in order.
 */
#include <stdlib.h>
#include <string.h>

#include "auth/directory_internal.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/policy.h"
#include "config/config.h"
#include "config/json_table.h"

static const char *const policy_components[] = {"policy", "operator_policy"};

/* --- writing */

json_t *directory_parse(const char *text, struct directory_error *error)
{
    json_t *value = json_parse(text);
    if (value == NULL)
        directory_refuse(error, CONTROL_UNAVAILABLE, "JSON decoding error. Reason: badarg");
    return value;
}

bool directory_write_json(struct directory *directory, enum definitions_kind kind,
                          const char *const *key, const json_t *value,
                          struct directory_error *error)
{
    const char *texts[DEFINITIONS_TEXTS_MAX];
    int count = definitions_key_count(kind);
    char *text = json_print(value);
    for (int i = 0; i < count; i++)
        texts[i] = key[i];
    texts[count] = text;
    bool is_written = directory_write_text(directory, kind, texts);
    free(text);
    return is_written || directory_refuse_write(directory, error);
}

static unsigned change_of(const char *component)
{
    if (strcmp(component, "vhost-limits") == 0)
        return DIRECTORY_SETTINGS;
    for (int i = 0; i < 2; i++) {
        if (strcmp(component, policy_components[i]) == 0)
            return DIRECTORY_POLICIES;
    }
    return 0;
}

static void tell(struct directory *directory, const char *vhost, const char *component)
{
    unsigned change = change_of(component);
    if (change != 0)
        directory_tell(directory, vhost, change);
}

/* What changes nothing is not told. */
static bool has_value(const struct directory *directory, const char *const *key,
                      const json_t *value)
{
    const struct text_row *row = directory_rows_text(&directory->rows, DEFINITIONS_PARAMETER, key);
    json_t *former = row != NULL ? json_parse(row->texts[3]) : NULL;
    bool is_same = former != NULL && json_equal(former, value);
    json_decref(former);
    return is_same;
}

bool directory_set_parameter_json(struct directory *directory, const char *vhost,
                                  const char *component, const char *name, const json_t *value,
                                  struct directory_error *error)
{
    const char *const key[] = {vhost, component, name};
    struct buffer complaints = {0};
    bool is_right = directory_need_vhost(directory, vhost, CONTROL_DATA, error);
    bool is_new = !has_value(directory, key, value);
    if (is_right && !parameter_check(component, name, value, &complaints))
        is_right = directory_refuse_invalid(error, &complaints);
    buffer_fini(&complaints);
    if (!is_right || !directory_write_json(directory, DEFINITIONS_PARAMETER, key, value, error))
        return false;
    tell(directory, vhost, component);
    if (is_new)
        directory_event_parameter(directory, vhost, component, name, value);
    return true;
}

/* As RabbitMQ without the plug-in: who makes a shovel, or an upstream of federation, expects
 * messages to be moved. Imports keep them, since definitions are to come in, and to go out again,
 * as they are. */
static bool refuse_foreign(const char *component, struct directory_error *error)
{
    struct buffer complaint = {0};
    buffer_append_format(&complaint, "component %s not found\n", component);
    bool is_right = directory_refuse_invalid(error, &complaint);
    buffer_fini(&complaint);
    return is_right;
}

bool directory_set_parameter(struct directory *directory, const char *vhost, const char *component,
                             const char *name, const char *text, struct directory_error *error)
{
    if (strcmp(component, "policy") == 0)
        return directory_refuse(error, CONTROL_UNAVAILABLE,
                                "policies may not be set using this method");
    if (parameter_is_foreign(component))
        return refuse_foreign(component, error);
    json_t *value = directory_parse(text, error);
    bool is_set = value != NULL &&
                  directory_set_parameter_json(directory, vhost, component, name, value, error);
    json_decref(value);
    return is_set;
}

bool directory_clear_parameter(struct directory *directory, const char *vhost,
                               const char *component, const char *name,
                               struct directory_error *error)
{
    const char *const key[] = {vhost, component, name};
    if (!directory_need_vhost(directory, vhost, CONTROL_DATA, error))
        return false;
    if (directory_rows_text(&directory->rows, DEFINITIONS_PARAMETER, key) == NULL)
        return directory_refuse(error, CONTROL_UNAVAILABLE, "Parameter does not exist");
    if (!directory_remove_text(directory, DEFINITIONS_PARAMETER, key))
        return directory_refuse_write(directory, error);
    tell(directory, vhost, component);
    directory_event_parameter(directory, vhost, component, name, NULL);
    return true;
}

bool directory_each_parameter(const struct directory *directory, const char *vhost,
                              const char *component,
                              void (*visit)(void *context,
                                            const struct directory_parameter *parameter),
                              void *context, struct directory_error *error)
{
    const struct text_rows *rows = &directory->rows.others[DEFINITIONS_PARAMETER];
    if (vhost != NULL && !directory_need_vhost(directory, vhost, CONTROL_DATA, error))
        return false;
    for (size_t i = 0; i < rows->count; i++) {
        const char *const *texts = rows->rows[i].texts;
        const struct directory_parameter parameter = {texts[0], texts[1], texts[2], texts[3]};
        bool is_wanted =
            component != NULL ? strcmp(texts[1], component) == 0 : strcmp(texts[1], "policy") != 0;
        if (is_wanted && (vhost == NULL || strcmp(texts[0], vhost) == 0))
            visit(context, &parameter);
    }
    return true;
}

/* --- policies */

bool directory_put_policy(struct directory *directory, const char *vhost, const char *name,
                          const json_t *value, bool is_operator, struct directory_error *error)
{
    return directory_set_parameter_json(directory, vhost, policy_components[is_operator], name,
                                        value, error);
}

bool directory_set_policy(struct directory *directory, const struct directory_policy *policy,
                          struct directory_error *error)
{
    json_t *definition = directory_parse(policy->definition, error);
    if (definition == NULL)
        return false;
    json_t *value = json_object();
    json_object_set_new(value, "pattern", json_string(policy->pattern));
    json_object_set_new(value, "apply-to", json_string(policy->apply_to));
    json_object_set_new(value, "priority", json_integer((json_int_t)policy->priority));
    json_object_set_new(value, "definition", definition);
    bool is_set = directory_set_parameter_json(directory, policy->vhost,
                                               policy_components[policy->is_operator], policy->name,
                                               value, error);
    json_decref(value);
    return is_set;
}

static const char *text_of(const json_t *object, const char *name, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : otherwise;
}

struct listed_policy {
    struct directory_policy policy;
    json_t *value;    /* owned */
    char *definition; /* owned */
};

static struct listed_policy read_policy(const char *const *texts, bool is_operator)
{
    json_t *value = json_parse(texts[3]);
    char *definition = json_print(json_object_get(value, "definition"));
    double priority = json_number_value(json_object_get(value, "priority"));
    return (struct listed_policy){
        .policy = {.vhost = texts[0],
                   .name = texts[2],
                   .pattern = text_of(value, "pattern", ""),
                   .apply_to = text_of(value, "apply-to", "all"),
                   .definition = definition,
                   .priority = (int64_t)priority,
                   .is_operator = is_operator},
        .value = value,
        .definition = definition,
    };
}

static int compare_policies(const void *a, const void *b)
{
    const struct directory_policy *x = &((const struct listed_policy *)a)->policy;
    const struct directory_policy *y = &((const struct listed_policy *)b)->policy;
    int order = strcmp(x->vhost, y->vhost);
    if (order == 0)
        order = (x->priority > y->priority) - (x->priority < y->priority);
    return order != 0 ? order : strcmp(x->name, y->name);
}

bool directory_each_policy(const struct directory *directory, const char *vhost, bool is_operator,
                           void (*visit)(void *context, const struct directory_policy *policy),
                           void *context, struct directory_error *error)
{
    const struct text_rows *rows = &directory->rows.others[DEFINITIONS_PARAMETER];
    size_t count = 0;
    if (vhost != NULL && !directory_need_vhost(directory, vhost, CONTROL_DATA, error))
        return false;
    struct listed_policy *list = xcalloc(rows->count + 1, sizeof *list);
    for (size_t i = 0; i < rows->count; i++) {
        const char *const *texts = rows->rows[i].texts;
        if (strcmp(texts[1], policy_components[is_operator]) == 0 &&
            (vhost == NULL || strcmp(texts[0], vhost) == 0))
            list[count++] = read_policy(texts, is_operator);
    }
    qsort(list, count, sizeof *list, compare_policies);
    for (size_t i = 0; i < count; i++) {
        visit(context, &list[i].policy);
        json_decref(list[i].value);
        free(list[i].definition);
    }
    free(list);
    return true;
}

static void add_policy(void *context, const struct directory_policy *policy)
{
    char reason[400];
    struct buffer table = {0};
    json_t *definition = json_parse(policy->definition);
    /* It was checked before it was let in. */
    CHECK(json_is_object(definition) && json_to_table(definition, &table));
    const struct policy_source source = {
        .name = bytes_of_text(policy->name),
        .pattern = bytes_of_text(policy->pattern),
        .apply_to = bytes_of_text(policy->apply_to),
        .definition = buffer_bytes(&table),
        .priority = policy->priority,
        .is_operator = policy->is_operator,
    };
    CHECK(policies_add(context, &source, reason, sizeof reason));
    buffer_fini(&table);
    json_decref(definition);
}

bool directory_policy_matches(const struct directory_policy *policy, enum policy_target target,
                              const char *name)
{
    struct policies *alone = policies_new();
    add_policy(alone, policy);
    bool matches = policies_find(alone, target, bytes_of_text(name), policy->is_operator) != NULL;
    policies_free(alone);
    return matches;
}

struct policies *directory_policies(const struct directory *directory, const char *vhost)
{
    struct directory_error error;
    struct policies *policies = policies_new();
    CHECK(directory_each_policy(directory, vhost, false, add_policy, policies, &error));
    CHECK(directory_each_policy(directory, vhost, true, add_policy, policies, &error));
    return policies;
}

/* --- limits of a vhost */

bool directory_set_vhost_limits(struct directory *directory, const char *vhost, const char *limits,
                                struct directory_error *error)
{
    static const char name[] = "limits";
    const char *const key[] = {vhost, "vhost-limits", name};
    json_t *value = directory_parse(limits, error);
    if (value == NULL)
        return false;
    bool is_none = json_is_object(value) && json_object_size(value) == 0;
    bool is_there = directory_rows_text(&directory->rows, DEFINITIONS_PARAMETER, key) != NULL;
    bool is_set = false;
    if (!is_none)
        is_set = directory_set_parameter_json(directory, vhost, key[1], name, value, error);
    else if (is_there)
        is_set = directory_clear_parameter(directory, vhost, key[1], name, error);
    else
        is_set = directory_need_vhost(directory, vhost, CONTROL_DATA, error);
    json_decref(value);
    return is_set;
}

const char *directory_vhost_limits(const struct directory *directory, const char *vhost)
{
    const char *const key[] = {vhost, "vhost-limits", "limits"};
    const struct text_row *row = directory_rows_text(&directory->rows, DEFINITIONS_PARAMETER, key);
    return row != NULL ? row->texts[3] : "{}";
}

/* --- global parameters */

static const char cluster_name[] = "cluster_name";

char *directory_cluster_name(const struct directory *directory)
{
    const char *const key[] = {cluster_name};
    const struct text_row *row = directory_rows_text(&directory->rows, DEFINITIONS_GLOBAL, key);
    json_t *value = row != NULL ? json_parse(row->texts[1]) : NULL;
    const char *name = json_string_value(value);
    char *copy = xstrdup(name != NULL ? name : directory->config->cluster_name);
    json_decref(value);
    return copy;
}

static void tell_global(const struct directory *directory, const char *name)
{
    if (strcmp(name, cluster_name) == 0 && directory->events.on_cluster_name != NULL)
        directory->events.on_cluster_name(directory->events.context);
}

bool directory_set_global_json(struct directory *directory, const char *name, const json_t *value,
                               struct directory_error *error)
{
    const char *const key[] = {name};
    if (!directory_write_json(directory, DEFINITIONS_GLOBAL, key, value, error))
        return false;
    tell_global(directory, name);
    directory_event_global(directory, name, value);
    return true;
}

bool directory_set_global_parameter(struct directory *directory, const char *name, const char *text,
                                    struct directory_error *error)
{
    json_t *value = directory_parse(text, error);
    bool is_set = value != NULL && directory_set_global_json(directory, name, value, error);
    json_decref(value);
    return is_set;
}

bool directory_clear_global_parameter(struct directory *directory, const char *name,
                                      struct directory_error *error)
{
    const char *const key[] = {name};
    if (directory_rows_text(&directory->rows, DEFINITIONS_GLOBAL, key) == NULL)
        return directory_refuse(error, CONTROL_UNAVAILABLE, "Parameter does not exist");
    if (!directory_remove_text(directory, DEFINITIONS_GLOBAL, key))
        return directory_refuse_write(directory, error);
    tell_global(directory, name);
    directory_event_global(directory, name, NULL);
    return true;
}

void directory_each_global_parameter(const struct directory *directory,
                                     void (*visit)(void *context, const char *name,
                                                   const char *value),
                                     void *context)
{
    const struct text_rows *rows = &directory->rows.others[DEFINITIONS_GLOBAL];
    for (size_t i = 0; i < rows->count; i++)
        visit(context, rows->rows[i].texts[0], rows->rows[i].texts[1]);
}
