/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the value of a runtime parameter may be, component by component, with RabbitMQ's complaints:
 * all of them, the last key's first, as it gathers them.
 *
 * Parameters of federation, and shovels of definitions, are kept and exported; nothing acts on them
 * yet. Of a shovel only that it is an object is checked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/directory_internal.h"
#include "broker/policy.h"
#include "config/json_table.h"

enum value_kind { NUMBER, BINARY, BOOLEAN, ENUMERATION, URI, REGEX, APPLY_TO, DEFINITION };

struct key {
    const char *name;
    enum value_kind kind;
    bool is_mandatory;
    const char *words; /* of an ENUMERATION, as Erlang prints the list */
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

static bool is_uri(const char *text)
{
    return strncmp(text, "amqp://", 7) == 0 || strncmp(text, "amqps://", 8) == 0;
}

static void complain_of_uri(struct buffer *complaints, const char *text)
{
    const char *end = strstr(text, "://");
    buffer_append_format(complaints, "\"%s\" not a valid URI: ", text);
    if (end != NULL)
        buffer_append_format(complaints, "{{unexpected_uri_scheme,\"%.*s\"},\"%s\"}\n",
                             (int)(end - text), text, text);
    else if (text[0] != '\0')
        buffer_append_format(complaints, "{{unable_to_parse_uri,no_scheme},\"%s\"}\n", text);
    else
        buffer_append_format(complaints, "{{unable_to_parse_uri,no_scheme},[]}\n");
}

static void check_uri(struct buffer *complaints, const char *name, const json_t *value)
{
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++)
            check_uri(complaints, name, json_array_get(value, i));
    } else if (!json_is_string(value)) {
        complain_of_type(complaints, name, "list", value);
    } else if (!is_uri(json_string_value(value))) {
        complain_of_uri(complaints, json_string_value(value));
    }
}

static bool is_listed(const char *words, const json_t *value)
{
    char quoted[80];
    snprintf(quoted, sizeof quoted, "\"%s\"", json_string_value(value));
    return strstr(words, quoted) != NULL;
}

static void check_enumeration(struct buffer *complaints, const struct key *key, const json_t *value)
{
    char type[200];
    if (!json_is_string(value)) {
        complain_of_type(complaints, key->name, "binary", value);
    } else if (!is_listed(key->words, value)) {
        snprintf(type, sizeof type, "one of %s", key->words);
        complain_of_type(complaints, key->name, type, value);
    }
}

static void check_value(struct buffer *complaints, const struct key *key, const json_t *value,
                        bool is_operator)
{
    switch (key->kind) {
    case NUMBER:
        if (!json_is_number(value))
            complain_of_type(complaints, key->name, "a number", value);
        break;
    case BINARY:
        if (!json_is_string(value))
            complain_of_type(complaints, key->name, "binary", value);
        break;
    case BOOLEAN:
        if (!json_is_boolean(value))
            complain_of_type(complaints, key->name, "boolean", value);
        break;
    case ENUMERATION:
        check_enumeration(complaints, key, value);
        break;
    case URI:
        check_uri(complaints, key->name, value);
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
    struct key limits[4] = {{NULL, NUMBER, false, NULL}};
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
    {"priority", NUMBER, true, NULL},
    {"pattern", REGEX, true, NULL},
    {"apply-to", APPLY_TO, false, NULL},
    {"definition", DEFINITION, true, NULL},
};

#define FEDERATION_KEYS                                                                            \
    {"exchange", BINARY, false, NULL}, {"queue", BINARY, false, NULL},                             \
        {"consumer-tag", BINARY, false, NULL}, {"prefetch-count", NUMBER, false, NULL},            \
        {"reconnect-delay", NUMBER, false, NULL}, {"max-hops", NUMBER, false, NULL},               \
        {"expires", NUMBER, false, NULL}, {"message-ttl", NUMBER, false, NULL},                    \
        {"trust-user-id", BOOLEAN, false, NULL},                                                   \
        {"ack-mode", ENUMERATION, false,                                                           \
         "[<<\"no-ack\">>,<<\"on-publish\">>,<<\"on-confirm\">>]"},                                \
        {"resource-cleanup-mode", ENUMERATION, false, "[<<\"default\">>,<<\"never\">>]"},          \
        {"queue-type", ENUMERATION, false, "[<<\"classic\">>,<<\"quorum\">>]"},                    \
        {"ha-policy", BINARY, false, NULL}, {"bind-nowait", BOOLEAN, false, NULL},                 \
    {                                                                                              \
        "channel-use-mode", ENUMERATION, false, "[<<\"multiple\">>,<<\"single\">>]"                \
    }

static const struct key upstream_keys[] = {{"uri", URI, true, NULL}, FEDERATION_KEYS};
static const struct key upstream_set_keys[] = {{"upstream", BINARY, true, NULL}, FEDERATION_KEYS};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void check_upstream_set(struct buffer *complaints, const char *name, const json_t *value)
{
    if (!json_is_array(value)) {
        complain_of_type(complaints, name, "list", value);
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++)
        check_object(complaints, name, json_array_get(value, i), upstream_set_keys,
                     COUNT(upstream_set_keys), false);
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
    else if (strcmp(component, "federation-upstream") == 0)
        check_object(complaints, name, value, upstream_keys, COUNT(upstream_keys), false);
    else if (strcmp(component, "federation-upstream-set") == 0)
        check_upstream_set(complaints, name, value);
    else if (strcmp(component, "shovel") != 0)
        buffer_append_format(complaints, "component %s not found\n", component);
    else if (!json_is_object(value))
        complain(complaints, "shovel not a list ", value, "");
    return complaints->size == before;
}
