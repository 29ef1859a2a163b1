/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the value of a runtime parameter may be, component by component, with RabbitMQ's complaints:
 * all of them, the last key's first, as it gathers them.
 *
 * Shovels and what is of federation come with definitions only, are kept and exported; nothing acts
 * on them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/directory_internal.h"
#include "broker/policy.h"
#include "config/json_table.h"

enum value_kind { NUMBER, REGEX, APPLY_TO, DEFINITION };

struct key {
    const char *name;
    enum value_kind kind;
    bool is_mandatory;
};

static void complain(struct buffer *complaints, const char *before, const json_t *value,
                     const char *after)
{
    buffer_append_format(complaints, "%s", before);
    json_append_term(complaints, value);
    buffer_append_format(complaints, "%s\n", after);
}

static void complain_of_type(struct buffer *complaints, const char *name, const char *type,
                             const json_t *value)
{
    char before[300];
    snprintf(before, sizeof before, "%s should be %s, actually was ", name, type);
    complain(complaints, before, value, "");
}

/* --- policies */

static void check_pattern(struct buffer *complaints, const json_t *value)
{
    char reason[400];
    struct policies *policies = policies_new();
    const struct policy_source source = {
        .name = bytes_of_text("p"),
        .pattern = bytes_of_text(json_string_value(value)),
        .apply_to = bytes_of_text("all"),
        .definition = bytes_of_text(""),
    };
    if (!policies_add(policies, &source, reason, sizeof reason))
        buffer_append_format(complaints, "%s\n", reason);
    policies_free(policies);
}

static void check_apply_to(struct buffer *complaints, const json_t *value)
{
    char reason[400];
    if (!policy_apply_to_check(bytes_of_text(json_string_value(value)), reason, sizeof reason))
        buffer_append_format(complaints, "%s\n", reason);
}

static void check_definition(struct buffer *complaints, const json_t *value, bool is_operator)
{
    char reason[2048];
    struct buffer table = {0};
    if (!json_is_object(value))
        complain(complaints, "definition must be a dictionary: ", value, "");
    else if (!json_to_table(value, &table))
        buffer_append_format(complaints, "definition must be a dictionary\n");
    else if (!policy_check(buffer_bytes(&table), is_operator, reason, sizeof reason))
        buffer_append_format(complaints, "%s\n", reason);
    buffer_fini(&table);
}

/* --- values */

static void check_value(struct buffer *complaints, const struct key *key, const json_t *value,
                        bool is_operator)
{
    switch (key->kind) {
    case NUMBER:
        if (!json_is_number(value))
            complain_of_type(complaints, key->name, "a number", value);
        break;
    case REGEX:
    case APPLY_TO:
        if (!json_is_string(value))
            complain_of_type(complaints, key->name, "a binary", value);
        else if (key->kind == REGEX)
            check_pattern(complaints, value);
        else
            check_apply_to(complaints, value);
        break;
    case DEFINITION:
        check_definition(complaints, value, is_operator);
        break;
    }
}

/* --- objects */

static bool is_known(const struct key *keys, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i].name, name) == 0)
            return true;
    }
    return false;
}

static void check_unknown(struct buffer *complaints, const char *name, const json_t *object,
                          const struct key *keys, size_t count)
{
    const char *key;
    json_t *value;
    bool is_first = true;
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        if (is_known(keys, count, key))
            continue;
        buffer_append_format(complaints, "%s{<<\"%s\">>,", is_first ? "Unrecognised terms [" : ",",
                             key);
        json_append_term(complaints, value);
        buffer_append_u8(complaints, '}');
        is_first = false;
    }
    if (!is_first)
        buffer_append_format(complaints, "] in %s\n", name);
}

static bool is_empty_list(const json_t *value)
{
    return json_is_array(value) && json_array_size(value) == 0;
}

static void complain_of_shape(struct buffer *complaints, const char *name, const json_t *value)
{
    char before[300];
    snprintf(before, sizeof before, "%s not a list ", name);
    complain(complaints, before, value, "");
}

static void check_object(struct buffer *complaints, const char *name, const json_t *object,
                         const struct key *keys, size_t count, bool is_operator)
{
    if (!json_is_object(object) && !is_empty_list(object)) { /* to Erlang, lists of pairs */
        complain_of_shape(complaints, name, object);
        return;
    }
    check_unknown(complaints, name, object, keys, count);
    for (size_t i = count; i-- > 0;) {
        const json_t *value = json_object_get(object, keys[i].name);
        if (value != NULL)
            check_value(complaints, &keys[i], value, is_operator);
        else if (keys[i].is_mandatory)
            buffer_append_format(complaints, "Key \"%s\" not found in %s\n", keys[i].name, name);
    }
}

bool parameter_check_limits(const char *name, const json_t *value, const char *const *keys,
                            size_t key_count, struct buffer *complaints)
{
    struct key limits[4] = {{NULL, NUMBER, false}};
    size_t before = complaints->size;
    if (is_empty_list(value)) {
        complain_of_shape(complaints, name, value);
        return false;
    }
    for (size_t i = 0; i < key_count; i++)
        limits[i] = (struct key){.name = keys[i], .kind = NUMBER};
    check_object(complaints, name, value, limits, key_count, false);
    for (size_t i = 0; i < key_count; i++) {
        const json_t *limit = json_object_get(value, keys[i]);
        if (json_is_real(limit))
            complain_of_type(complaints, keys[i], "a number", limit);
    }
    return complaints->size == before;
}

/* --- components */

static const struct key policy_keys[] = {
    {"priority", NUMBER, true},
    {"pattern", REGEX, true},
    {"apply-to", APPLY_TO, false},
    {"definition", DEFINITION, true},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Of what a plug-in of RabbitMQ would act on, only the shape is checked. */
static void check_foreign(struct buffer *complaints, const char *component, const char *name,
                          const json_t *value)
{
    bool is_list = strcmp(component, "federation-upstream-set") == 0;
    if (!parameter_is_foreign(component))
        buffer_append_format(complaints, "component %s not found\n", component);
    else if (is_list && !json_is_array(value))
        complain_of_type(complaints, name, "list", value);
    else if (!is_list && !json_is_object(value))
        complain_of_shape(complaints, name, value);
}

bool parameter_is_foreign(const char *component)
{
    static const char *const components[] = {"shovel", "federation-upstream",
                                             "federation-upstream-set"};
    for (size_t i = 0; i < COUNT(components); i++) {
        if (strcmp(component, components[i]) == 0)
            return true;
    }
    return false;
}

bool parameter_check(const char *component, const char *name, const json_t *value,
                     struct buffer *complaints)
{
    static const char *const limits[] = {"max-connections", "max-queues"};
    size_t before = complaints->size;
    bool is_operator = strcmp(component, "operator_policy") == 0;
    if (is_operator || strcmp(component, "policy") == 0)
        check_object(complaints, name, value, policy_keys, COUNT(policy_keys), is_operator);
    else if (strcmp(component, "vhost-limits") == 0)
        (void)!parameter_check_limits(name, value, limits, COUNT(limits), complaints);
    else
        check_foreign(complaints, component, name, value);
    return complaints->size == before;
}
