/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A query is a tree, and its evaluation a walk over it. Two kinds of nodes: those that say yes, no
 * or that they cannot tell, and those that have a value (a string, or an attribute's values), which
 * only equals and match take. What cannot be told counts as no within 'and' and 'or', as RabbitMQ
 * does, and is a failure at the top.
 *
 * The tree is checked when it is parsed: an unknown kind of node is a mistake in the configuration,
 * not a surprise at the first login.
 */
#include "auth/ldap_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/ldap_term.h"
#include "base/xmalloc.h"
#include "broker/access.h"

enum { group_depth_max = 64 };

struct ldap_query {
    struct ldap_term term;
};

/* --- variables */

void ldap_variables_add(struct ldap_variables *variables, const char *name, struct bytes value)
{
    variables->variables = xgrow(variables->variables, &variables->capacity, variables->count + 1,
                                 sizeof *variables->variables);
    variables->variables[variables->count++] =
        (struct ldap_variable){.name = name, .value = value, .is_dn = strcmp(name, "user_dn") == 0};
}

void ldap_variables_fini(struct ldap_variables *variables)
{
    free(variables->variables);
    *variables = (struct ldap_variables){0};
}

bool ldap_variables_have_nul(const struct ldap_variables *variables)
{
    for (size_t i = 0; i < variables->count; i++) {
        struct bytes value = variables->variables[i].value;
        if (value.size > 0 && memchr(value.data, '\0', value.size) != NULL)
            return true;
    }
    return false;
}

const struct ldap_variable *ldap_variables_find(const struct ldap_variables *variables,
                                                const char *name)
{
    for (size_t i = 0; i < variables->count; i++) {
        if (strcmp(variables->variables[i].name, name) == 0)
            return &variables->variables[i];
    }
    return NULL;
}

/* RFC 4514, section 2.4. */
static void append_quoted(struct buffer *text, struct bytes value)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];
        bool is_edge = (i == 0 && (c == ' ' || c == '#')) || (i + 1 == value.size && c == ' ');
        if (c == '\0') {
            buffer_append(text, "\\00", 3);
            continue;
        }
        if (is_edge || memchr("\"+,;<=>\\", c, 8) != NULL)
            buffer_append_u8(text, '\\');
        buffer_append_u8(text, c);
    }
}

/* The variable whose name stands at the start of "${name}...", with the size of that. */
static const struct ldap_variable *variable_at(const char *text,
                                               const struct ldap_variables *variables, size_t *size)
{
    for (size_t i = 0; i < variables->count && strncmp(text, "${", 2) == 0; i++) {
        const char *name = variables->variables[i].name;
        size_t name_size = strlen(name);
        *size = name_size + 3;
        if (strncmp(text + 2, name, name_size) == 0 && text[2 + name_size] == '}')
            return &variables->variables[i];
    }
    return NULL;
}

void ldap_fill(struct buffer *text, const char *pattern, const struct ldap_variables *variables,
               bool is_dn)
{
    /* A pattern without a type is no DN: the variable is one, or is a name of another kind. */
    bool is_quoted = is_dn && strchr(pattern, '=') != NULL;
    while (*pattern != '\0') {
        size_t size = 1;
        const struct ldap_variable *variable = variable_at(pattern, variables, &size);
        if (variable == NULL) {
            buffer_append_u8(text, (uint8_t)*pattern++);
            continue;
        }
        if (is_quoted && !variable->is_dn)
            append_quoted(text, variable->value);
        else
            buffer_append_bytes(text, variable->value);
        pattern += size;
    }
    buffer_append_u8(text, '\0');
}

void ldap_values_fini(struct ldap_values *values)
{
    for (size_t i = 0; i < values->count; i++)
        free(values->texts[i]);
    free(values->texts);
    *values = (struct ldap_values){0};
}

void ldap_values_add(struct ldap_values *values, struct bytes text)
{
    values->texts =
        xgrow(values->texts, &values->capacity, values->count + 1, sizeof *values->texts);
    values->texts[values->count++] = bytes_to_text(text);
}

void ldap_values_reverse(struct ldap_values *values)
{
    for (size_t i = 0; i < values->count / 2; i++) {
        char *text = values->texts[i];
        values->texts[i] = values->texts[values->count - 1 - i];
        values->texts[values->count - 1 - i] = text;
    }
}

/* --- evaluating */

struct evaluation {
    const struct ldap_variables *variables;
    const struct ldap_directory *directory;
};

static enum auth_verdict evaluate(const struct evaluation *all, const struct ldap_term *query);

static char *fill_dn(const struct evaluation *all, const struct ldap_term *pattern)
{
    struct buffer text = {0};
    ldap_fill(&text, pattern->text, all->variables, true);
    return (char *)text.data;
}

static char *user_dn(const struct evaluation *all)
{
    const struct ldap_variable *variable = ldap_variables_find(all->variables, "user_dn");
    return variable != NULL ? bytes_to_text(variable->value) : xstrdup("");
}

static enum auth_verdict evaluate_exists(const struct evaluation *all,
                                         const struct ldap_term *query)
{
    char *dn = fill_dn(all, &query->items[1]);
    enum auth_verdict verdict = all->directory->exists(all->directory->context, dn, NULL, NULL);
    free(dn);
    return verdict;
}

static const char *member_attribute(const struct ldap_term *query)
{
    return query->count > 2 ? query->items[2].text : "member";
}

static enum auth_verdict evaluate_in_group(const struct evaluation *all,
                                           const struct ldap_term *query)
{
    char *dn = fill_dn(all, &query->items[1]), *user = user_dn(all);
    enum auth_verdict verdict =
        all->directory->exists(all->directory->context, dn, member_attribute(query), user);
    free(dn);
    free(user);
    return verdict;
}

/* Is dn in a group that is in ... the target? path: the DNs that led here. */
static enum auth_verdict find_nested(const struct evaluation *all, const struct ldap_term *query,
                                     const char *dn, const char *target, struct ldap_values *path)
{
    const struct ldap_directory *directory = all->directory;
    struct ldap_values groups = {0};
    bool is_one_level = query->count > 3 && !ldap_term_is_atom(&query->items[3], "subtree");
    enum auth_verdict verdict = AUTH_NO;
    for (size_t i = 0; i < path->count; i++) {
        if (strcasecmp(path->texts[i], dn) == 0)
            return AUTH_NO;
    }
    if (path->count == group_depth_max)
        return AUTH_NO;
    if (directory->search(directory->context, directory->group_base, is_one_level,
                          member_attribute(query), dn, &groups) == AUTH_YES) {
        for (size_t i = 0; i < groups.count && verdict != AUTH_YES; i++)
            verdict = strcasecmp(groups.texts[i], target) == 0 ? AUTH_YES : AUTH_NO;
        ldap_values_add(path, bytes_of_text(dn));
        for (size_t i = 0; i < groups.count && verdict != AUTH_YES; i++)
            verdict = find_nested(all, query, groups.texts[i], target, path);
        free(path->texts[--path->count]);
    }
    ldap_values_fini(&groups);
    return verdict;
}

static enum auth_verdict evaluate_nested(const struct evaluation *all,
                                         const struct ldap_term *query)
{
    struct ldap_values path = {0};
    if (all->directory->group_base == NULL)
        return AUTH_FAILED;
    char *dn = fill_dn(all, &query->items[1]), *user = user_dn(all);
    enum auth_verdict verdict = find_nested(all, query, user, dn, &path);
    ldap_values_fini(&path);
    free(dn);
    free(user);
    return verdict;
}

static enum auth_verdict evaluate_for(const struct evaluation *all, const struct ldap_term *query)
{
    const struct ldap_term *choices = &query->items[1];
    for (size_t i = 0; i < choices->count; i++) {
        const struct ldap_term *choice = &choices->items[i];
        const struct ldap_variable *variable =
            ldap_variables_find(all->variables, choice->items[0].text);
        if (variable == NULL)
            return AUTH_FAILED;
        if (bytes_equal_text(variable->value, choice->items[1].text))
            return evaluate(all, &choice->items[2]);
    }
    return AUTH_FAILED;
}

static enum auth_verdict evaluate_all(const struct evaluation *all, const struct ldap_term *query)
{
    const struct ldap_term *parts = &query->items[1];
    enum auth_verdict verdict = AUTH_YES;
    for (size_t i = 0; i < parts->count; i++)
        verdict = verdict == AUTH_YES ? evaluate(all, &parts->items[i]) : AUTH_NO;
    return verdict;
}

static enum auth_verdict evaluate_any(const struct evaluation *all, const struct ldap_term *query)
{
    const struct ldap_term *parts = &query->items[1];
    enum auth_verdict verdict = AUTH_NO;
    for (size_t i = 0; i < parts->count && verdict != AUTH_YES; i++)
        verdict = evaluate(all, &parts->items[i]);
    return verdict;
}

static enum auth_verdict evaluate_not(const struct evaluation *all, const struct ldap_term *query)
{
    enum auth_verdict verdict = evaluate(all, &query->items[1]);
    return verdict == AUTH_YES ? AUTH_NO : verdict == AUTH_NO ? AUTH_YES : AUTH_FAILED;
}

/* --- values */

static bool value_of(const struct evaluation *all, const struct ldap_term *term,
                     struct ldap_values *values)
{
    struct buffer text = {0};
    if (ldap_term_is(term, "attribute", 3)) {
        char *dn = fill_dn(all, &term->items[1]);
        enum auth_verdict verdict =
            all->directory->attribute(all->directory->context, dn, term->items[2].text, values);
        free(dn);
        return verdict == AUTH_YES && values->count > 0;
    }
    ldap_fill(&text, term->kind == TERM_STRING ? term->text : term->items[1].text, all->variables,
              false);
    ldap_values_add(values, bytes_of(text.data, text.size - 1));
    buffer_fini(&text);
    return true;
}

static bool matches(const char *text, const char *pattern)
{
    char reason[256];
    struct bytes none = {0};
    struct access *access = access_new();
    bool is_match = access_add_permission(access, none, none, bytes_of_text(pattern), none, none,
                                          reason, sizeof reason) &&
                    access_allows(access, none, none, PERMISSION_CONFIGURE, bytes_of_text(text));
    access_free(access);
    return is_match;
}

static bool is_equal(const char *left, const char *right)
{
    return strcmp(left, right) == 0;
}

/* Any value on one side with the one on the other; several on both sides compare to nothing. */
static enum auth_verdict compare(const struct evaluation *all, const struct ldap_term *query,
                                 bool (*compares)(const char *left, const char *right))
{
    struct ldap_values left = {0}, right = {0};
    bool is_found = false;
    if (value_of(all, &query->items[1], &left) && value_of(all, &query->items[2], &right) &&
        (left.count == 1 || right.count == 1)) {
        for (size_t i = 0; i < left.count * right.count && !is_found; i++)
            is_found = compares(left.texts[i / right.count], right.texts[i % right.count]);
    }
    ldap_values_fini(&left);
    ldap_values_fini(&right);
    return is_found ? AUTH_YES : AUTH_NO;
}

static enum auth_verdict evaluate_equals(const struct evaluation *all,
                                         const struct ldap_term *query)
{
    return compare(all, query, is_equal);
}

static enum auth_verdict evaluate_match(const struct evaluation *all, const struct ldap_term *query)
{
    return compare(all, query, matches);
}

static enum auth_verdict evaluate_constant(const struct evaluation *all,
                                           const struct ldap_term *query)
{
    (void)all;
    return ldap_term_is_atom(&query->items[1], "true") ? AUTH_YES : AUTH_NO;
}

/* --- the kinds of nodes, and what may stand in them */

enum operand { NOTHING, A_BOOL, A_STRING, AN_ATOM, A_QUERY, QUERIES, CHOICES, A_VALUE };

static const struct {
    const char *name;
    enum operand operands[3];
    size_t count_min;
    enum auth_verdict (*evaluate)(const struct evaluation *all, const struct ldap_term *query);
} nodes[] = {
    {"constant", {A_BOOL}, 1, evaluate_constant},
    {"for", {CHOICES}, 1, evaluate_for},
    {"exists", {A_STRING}, 1, evaluate_exists},
    {"in_group", {A_STRING, A_STRING}, 1, evaluate_in_group},
    {"in_group_nested", {A_STRING, A_STRING, AN_ATOM}, 1, evaluate_nested},
    {"not", {A_QUERY}, 1, evaluate_not},
    {"and", {QUERIES}, 1, evaluate_all},
    {"or", {QUERIES}, 1, evaluate_any},
    {"equals", {A_VALUE, A_VALUE}, 2, evaluate_equals},
    {"match", {A_VALUE, A_VALUE}, 2, evaluate_match},
};

static size_t find_node(const struct ldap_term *query)
{
    for (size_t i = 0; i < sizeof nodes / sizeof nodes[0]; i++) {
        if (query->kind == TERM_TUPLE && query->count > 0 &&
            ldap_term_is_atom(&query->items[0], nodes[i].name))
            return i;
    }
    return SIZE_MAX;
}

static enum auth_verdict evaluate(const struct evaluation *all, const struct ldap_term *query)
{
    return nodes[find_node(query)].evaluate(all, query);
}

static bool is_query(const struct ldap_term *term);

static bool is_choice(const struct ldap_term *term)
{
    return term->kind == TERM_TUPLE && term->count == 3 && term->items[0].kind == TERM_ATOM &&
           term->items[1].text != NULL && is_query(&term->items[2]);
}

static bool is_list_of(const struct ldap_term *term, bool (*is_item)(const struct ldap_term *item))
{
    for (size_t i = 0; i < term->count; i++) {
        if (!is_item(&term->items[i]))
            return false;
    }
    return term->kind == TERM_LIST;
}

static bool is_value(const struct ldap_term *term)
{
    return term->kind == TERM_STRING ||
           (ldap_term_is(term, "string", 2) && term->items[1].kind == TERM_STRING) ||
           (ldap_term_is(term, "attribute", 3) && term->items[1].kind == TERM_STRING &&
            term->items[2].kind == TERM_STRING);
}

static bool is_operand(const struct ldap_term *term, enum operand operand)
{
    switch (operand) {
    case A_BOOL:
        return ldap_term_is_atom(term, "true") || ldap_term_is_atom(term, "false");
    case A_STRING:
        return term->kind == TERM_STRING;
    case AN_ATOM:
        return term->kind == TERM_ATOM;
    case A_QUERY:
        return is_query(term);
    case QUERIES:
        return is_list_of(term, is_query);
    case CHOICES:
        return is_list_of(term, is_choice);
    case A_VALUE:
        return is_value(term);
    case NOTHING:
        break;
    }
    return false;
}

static bool is_query(const struct ldap_term *term)
{
    size_t node = find_node(term);
    if (node == SIZE_MAX || term->count - 1 < nodes[node].count_min || term->count > 4)
        return false;
    for (size_t i = 1; i < term->count; i++) {
        if (!is_operand(&term->items[i], nodes[node].operands[i - 1]))
            return false;
    }
    return true;
}

static bool is_tag(const struct ldap_term *term)
{
    return term->kind == TERM_TUPLE && term->count == 2 && term->items[0].kind == TERM_ATOM &&
           is_query(&term->items[1]);
}

/* --- from outside */

struct ldap_query *ldap_query_parse(const char *text, bool is_tags, char reason[AUTH_REASON_SIZE])
{
    struct ldap_query *query = xcalloc(1, sizeof *query);
    bool is_good = ldap_term_parse(&query->term, text, reason);
    if (is_good && !(is_tags ? is_list_of(&query->term, is_tag) : is_query(&query->term))) {
        snprintf(reason, AUTH_REASON_SIZE, "it is a term, but not %s",
                 is_tags ? "a list of tags and their queries" : "a query");
        is_good = false;
    }
    if (is_good)
        return query;
    ldap_query_free(query);
    return NULL;
}

void ldap_query_free(struct ldap_query *query)
{
    if (query != NULL)
        ldap_term_fini(&query->term);
    free(query);
}

enum auth_verdict ldap_query_evaluate(const struct ldap_query *query,
                                      const struct ldap_variables *variables,
                                      const struct ldap_directory *directory)
{
    struct evaluation all = {variables, directory};
    return evaluate(&all, &query->term);
}

void ldap_query_tags(const struct ldap_query *query, const struct ldap_variables *variables,
                     const struct ldap_directory *directory, struct auth_tags *tags)
{
    struct evaluation all = {variables, directory};
    for (size_t i = 0; i < query->term.count; i++) {
        const struct ldap_term *tag = &query->term.items[i];
        if (evaluate(&all, &tag->items[1]) == AUTH_YES)
            auth_tags_add(tags, bytes_of_text(tag->items[0].text));
    }
}
