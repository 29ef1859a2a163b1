/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A scope is PERMISSION:VHOST/NAME or PERMISSION:VHOST/NAME/KEY, after a prefix (by default the
 * resource server's id and a dot). Its parts are patterns: * stands for any run of bytes, and %XX
 * for a byte, so that a slash or a star can be meant. Or, where the configuration says so, they are
 * regular expressions that match the whole of what is asked about.
 *
 * Which claims hold scopes differs between the servers that make tokens; what is looked at, and in
 * which order, is RabbitMQ's.
 */
#include "auth/oauth2_scope.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "config/config.h"

enum { parts_max = 3, regex_bytes_max = 2048, regex_work_max = 10000 };

static const char requesting_party_path[] = "authorization.permissions.scopes";

/* The member whose name is the first size bytes of text. */
static const json_t *member_of(const json_t *object, const char *text, size_t size)
{
    char *name = bytes_to_text(bytes_of(text, size));
    const json_t *member = json_object_get(object, name);
    free(name);
    return member;
}

/* --- collecting */

static void add_words(json_t *scopes, const char *prefix, const char *text)
{
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        if (size > 0)
            json_array_append_new(scopes, json_sprintf("%s%.*s", prefix, (int)size, text));
        text += size + (text[size] != '\0');
    }
}

/* A string of words or an array of strings, each with the prefix in front. */
static void add_plain(json_t *scopes, const char *prefix, const json_t *value)
{
    if (json_is_string(value))
        add_words(scopes, prefix, json_string_value(value));
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *member = json_array_get(value, i);
        if (json_is_string(member))
            json_array_append_new(scopes, json_sprintf("%s%s", prefix, json_string_value(member)));
    }
}

/* An object holds them by the id of the resource server, which is then their prefix. */
static void add_value(json_t *scopes, const struct config_auth_oauth2 *config, const json_t *value)
{
    char prefix[256];
    if (!json_is_object(value)) {
        add_plain(scopes, "", value);
        return;
    }
    snprintf(prefix, sizeof prefix, "%s.", config->resource_server_id);
    add_plain(scopes, prefix, json_object_get(value, config->resource_server_id));
}

/* Follows a path of names with dots between, into each object of an array. */
static void add_at_path(json_t *scopes, const struct config_auth_oauth2 *config,
                        const json_t *value, const char *path, size_t path_size)
{
    if (path_size == 0) {
        add_value(scopes, config, value);
        return;
    }
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            const json_t *member = json_array_get(value, i);
            if (json_is_object(member))
                add_at_path(scopes, config, member, path, path_size);
        }
        return;
    }
    const char *dot = memchr(path, '.', path_size);
    size_t size = dot != NULL ? (size_t)(dot - path) : path_size;
    const json_t *next = member_of(value, path, size);
    size_t used = dot != NULL ? size + 1 : size;
    if (next != NULL)
        add_at_path(scopes, config, next, path + used, path_size - used);
}

static void add_at_paths(json_t *scopes, const struct config_auth_oauth2 *config,
                         const json_t *claims, const char *paths)
{
    while (paths != NULL && *paths != '\0') {
        size_t size = strcspn(paths, " ");
        if (size > 0)
            add_at_path(scopes, config, claims, paths, size);
        paths += size + (paths[size] != '\0');
    }
}

static const char *alias_of(const struct config_auth_oauth2 *config, const char *scope)
{
    const char *found = config_list_value(&config->scope_aliases, scope);
    for (size_t i = 0; found == NULL && i < config->scope_alias_names.count; i++) {
        const struct config_entry *entry = &config->scope_alias_names.entries[i];
        if (strcmp(entry->value, scope) == 0)
            found = config_list_value(&config->scope_alias_scopes, entry->name);
    }
    return found;
}

static void add_aliased(json_t *scopes, const struct config_auth_oauth2 *config)
{
    for (size_t i = 0, count = json_array_size(scopes); i < count; i++) {
        const char *alias = alias_of(config, json_string_value(json_array_get(scopes, i)));
        if (alias != NULL)
            add_words(scopes, "", alias);
    }
}

static json_t *without_prefix(const json_t *scopes, const struct config_auth_oauth2 *config)
{
    char own[256];
    json_t *ours = json_array();
    snprintf(own, sizeof own, "%s.", config->resource_server_id);
    const char *prefix = config->scope_prefix != NULL ? config->scope_prefix : own;
    for (size_t i = 0; i < json_array_size(scopes); i++) {
        const char *scope = json_string_value(json_array_get(scopes, i));
        if (strncmp(scope, prefix, strlen(prefix)) == 0)
            json_array_append_new(ours, json_string(scope + strlen(prefix)));
    }
    return ours;
}

json_t *oauth2_scopes(const json_t *claims, const struct config_auth_oauth2 *config)
{
    json_t *scopes = json_array();
    add_plain(scopes, "", json_object_get(claims, "scope"));
    add_at_path(scopes, config, claims, requesting_party_path, strlen(requesting_party_path));
    add_at_paths(scopes, config, claims, config->additional_scopes_key);
    add_aliased(scopes, config);
    json_t *ours = without_prefix(scopes, config);
    json_decref(scopes);
    return ours;
}

void oauth2_scope_tags(const json_t *scopes, struct auth_tags *tags)
{
    for (size_t i = 0; i < json_array_size(scopes); i++) {
        const char *scope = json_string_value(json_array_get(scopes, i));
        if (strncmp(scope, "tag:", 4) == 0)
            auth_tags_add(tags, bytes_of_text(scope + 4));
    }
}

/* --- patterns */

static int digit_of(uint8_t c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* A part between stars, with %XX and + replaced. false where a % is followed by no number. */
static bool decode_part(struct bytes part, struct buffer *decoded)
{
    buffer_clear(decoded);
    for (size_t i = 0; i < part.size; i++) {
        if (part.data[i] != '%') {
            buffer_append_u8(decoded, part.data[i] == '+' ? ' ' : part.data[i]);
            continue;
        }
        int high = i + 2 < part.size ? digit_of(part.data[i + 1]) : -1;
        int low = i + 2 < part.size ? digit_of(part.data[i + 2]) : -1;
        if (high < 0 || low < 0)
            return false;
        buffer_append_u8(decoded, (uint8_t)(high << 4 | low));
        i += 2;
    }
    return true;
}

static size_t find_run(struct bytes text, size_t from, struct bytes run)
{
    for (size_t at = from; at + run.size <= text.size; at++) {
        if (run.size == 0 || memcmp(text.data + at, run.data, run.size) == 0)
            return at;
    }
    return SIZE_MAX;
}

static struct bytes take_part(struct bytes *pattern, bool *is_last)
{
    const uint8_t *star = pattern->size > 0 ? memchr(pattern->data, '*', pattern->size) : NULL;
    *is_last = star == NULL;
    size_t size = star != NULL ? (size_t)(star - pattern->data) : pattern->size;
    struct bytes part = bytes_of(pattern->data, size);
    size_t used = star != NULL ? size + 1 : size;
    *pattern = bytes_of(pattern->data + used, pattern->size - used);
    return part;
}

/* The part at place of the text: its end, or SIZE_MAX. The first stands at the start, every other
 * one at the first place where it fits, and what the last one ends with must be the end: so *q
 * matches aq, but not aqq. That is RabbitMQ's rule, and what a scope grants must not be more here.
 */
static size_t match_part(struct bytes text, size_t place, struct bytes part, bool is_first,
                         bool is_last)
{
    size_t at = place;
    if (!is_first && is_last && part.size == 0)
        return text.size;
    if (!is_first)
        at = place < text.size ? find_run(text, place, part) : SIZE_MAX;
    if (at == SIZE_MAX || text.size - at < part.size ||
        (part.size > 0 && memcmp(text.data + at, part.data, part.size) != 0))
        return SIZE_MAX;
    return !is_last || at + part.size == text.size ? at + part.size : SIZE_MAX;
}

static bool matches_wildcard(struct bytes text, struct bytes pattern)
{
    struct buffer part = {0};
    size_t place = 0;
    bool is_first = true, is_last = false;
    while (!is_last && place != SIZE_MAX) {
        struct bytes raw = take_part(&pattern, &is_last);
        place = decode_part(raw, &part)
                    ? match_part(text, place, buffer_bytes(&part), is_first, is_last)
                    : SIZE_MAX;
        is_first = false;
    }
    buffer_fini(&part);
    return place != SIZE_MAX;
}

/* Modifiers, callouts, comments and verbs are refused, as RabbitMQ does. */
static bool is_acceptable_regex(struct bytes pattern)
{
    static const char modifiers[] = "iImMsSxXJUn-C#";
    for (size_t i = 0; i + 1 < pattern.size; i++) {
        if (pattern.data[i] != '(')
            continue;
        if (pattern.data[i + 1] == '*')
            return false;
        if (pattern.data[i + 1] == '?' && i + 2 < pattern.size &&
            memchr(modifiers, pattern.data[i + 2], sizeof modifiers - 1) != NULL)
            return false;
    }
    return pattern.size <= regex_bytes_max;
}

static bool matches_regex(struct bytes text, struct bytes pattern)
{
    struct buffer whole = {0};
    int code;
    size_t offset;
    bool is_match = false;
    if (!is_acceptable_regex(pattern))
        return false;
    buffer_append_format(&whole, "\\A(?:%.*s)\\z", (int)pattern.size, (const char *)pattern.data);
    pcre2_code *regex =
        pcre2_compile(whole.data, whole.size, PCRE2_UTF | PCRE2_UCP, &code, &offset, NULL);
    if (regex != NULL) {
        pcre2_match_context *limits = pcre2_match_context_create(NULL);
        pcre2_match_data *scratch = pcre2_match_data_create(1, NULL);
        CHECK(limits != NULL && scratch != NULL);
        pcre2_set_match_limit(limits, regex_work_max);
        PCRE2_SPTR subject = text.size > 0 ? text.data : (PCRE2_SPTR) "";
        is_match = pcre2_match(regex, subject, text.size, 0, 0, scratch, limits) >= 0;
        pcre2_match_data_free(scratch);
        pcre2_match_context_free(limits);
        pcre2_code_free(regex);
    }
    buffer_fini(&whole);
    return is_match;
}

static bool matches(bool is_regex, struct bytes text, struct bytes pattern)
{
    return is_regex ? matches_regex(text, pattern) : matches_wildcard(text, pattern);
}

/* --- variables */

static void add_escaped(struct buffer *scope, struct bytes value, bool is_regex)
{
    static const char special[] = "\\^$.|?*+()[]{}-/";
    for (size_t i = 0; i < value.size; i++) {
        if (is_regex && memchr(special, value.data[i], sizeof special - 1) != NULL)
            buffer_append_u8(scope, '\\');
        buffer_append_u8(scope, value.data[i]);
    }
}

static bool is_delimiter(uint8_t c)
{
    return c == '{' || c == '}' || c == '.' || c == '*';
}

/* {name} stands for a claim that is a string, {vhost} for the vhost, and an unknown name for
 * itself. false where a brace is not closed. */
static bool expand(const char *scope, const json_t *claims, bool is_regex, struct bytes vhost,
                   struct buffer *expanded)
{
    buffer_clear(expanded);
    while (*scope != '\0') {
        if (*scope != '{') {
            buffer_append_u8(expanded, (uint8_t)*scope++);
            continue;
        }
        size_t size = 0;
        scope++;
        while (scope[size] != '\0' && !is_delimiter((uint8_t)scope[size]))
            size++;
        if (size == 0 || scope[size] != '}')
            return false;
        struct bytes name = bytes_of(scope, size);
        const json_t *claim = member_of(claims, scope, size);
        if (bytes_equal_text(name, "vhost"))
            name = vhost;
        else if (json_is_string(claim))
            name = bytes_of_text(json_string_value(claim));
        add_escaped(expanded, name, is_regex);
        scope += size + 1;
    }
    return true;
}

/* --- asking */

struct grant {
    enum permission permission;
    struct bytes parts[parts_max]; /* vhost, name, key */
    size_t count;
};

static bool read_permission(struct bytes *scope, enum permission *permission)
{
    static const enum permission all[] = {PERMISSION_CONFIGURE, PERMISSION_WRITE, PERMISSION_READ};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        const char *word = auth_permission_word(all[i]);
        size_t size = strlen(word);
        if (!bytes_start_with(*scope, word) || scope->size <= size || scope->data[size] != ':')
            continue;
        *permission = all[i];
        *scope = bytes_of(scope->data + size + 1, scope->size - size - 1);
        return true;
    }
    return false;
}

static bool read_grant(struct bytes scope, struct grant *grant)
{
    *grant = (struct grant){0};
    if (!read_permission(&scope, &grant->permission))
        return false;
    for (;;) {
        const uint8_t *slash = scope.size > 0 ? memchr(scope.data, '/', scope.size) : NULL;
        size_t size = slash != NULL ? (size_t)(slash - scope.data) : scope.size;
        if (grant->count == parts_max)
            return false;
        grant->parts[grant->count++] = bytes_of(scope.data, size);
        if (slash == NULL)
            return grant->count >= 2;
        scope = bytes_of(slash + 1, scope.size - size - 1);
    }
}

/* what NULL: the vhost alone. */
static bool grants(const struct grant *grant, bool is_regex, struct bytes vhost,
                   const struct access_subject *what)
{
    if (!matches(is_regex, vhost, grant->parts[0]))
        return false;
    if (what == NULL)
        return true;
    return grant->permission == what->permission &&
           matches(is_regex, what->name, grant->parts[1]) &&
           (what->kind != ACCESS_TOPIC ||
            (grant->count == parts_max && matches(is_regex, what->key, grant->parts[2])));
}

static bool allow(const json_t *scopes, const json_t *claims, bool is_regex, struct bytes vhost,
                  const struct access_subject *what)
{
    struct buffer scope = {0};
    bool is_allowed = false;
    for (size_t i = 0; i < json_array_size(scopes) && !is_allowed; i++) {
        struct grant grant;
        const char *text = json_string_value(json_array_get(scopes, i));
        is_allowed = expand(text, claims, is_regex, vhost, &scope) &&
                     read_grant(buffer_bytes(&scope), &grant) &&
                     grants(&grant, is_regex, vhost, what);
    }
    buffer_fini(&scope);
    return is_allowed;
}

bool oauth2_scopes_enter(const json_t *scopes, const json_t *claims, bool is_regex,
                         struct bytes vhost)
{
    return allow(scopes, claims, is_regex, vhost, NULL);
}

bool oauth2_scopes_allow(const json_t *scopes, const json_t *claims, bool is_regex,
                         struct bytes vhost, const struct access_subject *what)
{
    return allow(scopes, claims, is_regex, vhost, what);
}
