/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back from struct config to the lines of rabbitmq.conf: what is in force, whether somebody
 * set it or not. The kind of a value, which is the function that applies it, says how it is
 * written. Of keys that mean the same the first one of the table is shown.
 */
#include "config/config_show.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "config/config_apply.h"

typedef enum config_outcome apply_function(const struct config_key *key,
                                           struct config_assignment *assignment);

struct showing {
    const struct config *config;
    void (*visit)(void *context, const char *key, const char *value);
    void *context;
};

static bool is_secret(const char *name)
{
    static const char *const words[] = {"pass", "secret", "cookie"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t size = strlen(words[i]);
        for (const char *place = name; *place != '\0'; place++) {
            if (strncasecmp(place, words[i], size) == 0)
                return true;
        }
    }
    return false;
}

/* Of "user:password@host/path" what is in front of the "@"; 0: there is no login. */
static size_t login_size(const char *address)
{
    size_t size = strcspn(address, "/?#");
    while (size > 0 && address[size] != '@')
        size--;
    return size;
}

void config_append_shown(struct buffer *text, const char *name, const char *value)
{
    const char *address;
    if (is_secret(name))
        value = CONFIG_SHOWN_SECRET;
    for (; (address = strstr(value, "://")) != NULL; value = address) {
        address += strlen("://");
        buffer_append(text, value, (size_t)(address - value));
        size_t size = login_size(address);
        if (size > 0)
            buffer_append_format(text, CONFIG_SHOWN_SECRET);
        address += size;
    }
    buffer_append(text, value, strlen(value));
}

static void show(const struct showing *showing, const char *key, const char *value)
{
    struct buffer text = {0};
    config_append_shown(&text, key, value);
    buffer_append_u8(&text, '\0');
    showing->visit(showing->context, key, (const char *)text.data);
    buffer_fini(&text);
}

static const void *field_of(const struct showing *showing, const struct config_key *key)
{
    return (const char *)showing->config + key->offset;
}

static bool is_one_of(apply_function *apply, apply_function *const *kinds, size_t count)
{
    size_t i = 0;
    while (i < count && kinds[i] != apply)
        i++;
    return i < count;
}

/* --- numbers and words */

static uint64_t read_number(const void *field, size_t size)
{
    switch (size) {
    case 1:
        return *(const uint8_t *)field;
    case 2:
        return *(const uint16_t *)field;
    case 4:
        return *(const uint32_t *)field;
    default:
        return *(const uint64_t *)field;
    }
}

static void show_number(const struct showing *showing, const struct config_key *key)
{
    char text[24];
    uint64_t number = read_number(field_of(showing, key), key->size);
    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    if (key->apply != apply_auto_count && number < key->min)
        return; /* nobody has set it */
    if (key->apply == apply_limit && number == CONFIG_UNLIMITED)
        show(showing, key->pattern, "infinity");
    else if (key->apply == apply_auto_count && number == 0)
        show(showing, key->pattern, "auto");
    else
        show(showing, key->pattern, text);
}

static void show_ratio(const struct showing *showing, const struct config_key *key)
{
    char text[32];
    snprintf(text, sizeof text, "%g", *(const double *)field_of(showing, key));
    show(showing, key->pattern, text);
}

/* Of words that mean the same, the first. */
static void show_choice(const struct showing *showing, const struct config_key *key)
{
    uint64_t value = read_number(field_of(showing, key), key->size);
    const struct config_choice *choice = key->choices;
    while (choice->word != NULL && (uint64_t)choice->value != value)
        choice++;
    if (choice->word != NULL) /* no secret, whatever the key is called */
        showing->visit(showing->context, key->pattern, choice->word);
}

/* A rotation that says nothing about it goes by that of log.file. */
static void show_rotation(const struct showing *showing, const struct config_key *key)
{
    char text[24];
    const struct config_log_rotation *rotation = field_of(showing, key);
    snprintf(text, sizeof text, "%u", (unsigned)rotation->count);
    if (key->apply == apply_log_count && rotation->is_count_set)
        show(showing, key->pattern, text);
    else if (key->apply == apply_log_compress && rotation->is_compress_set)
        show(showing, key->pattern, rotation->compresses ? "true" : "false");
}

static void show_port(const struct showing *showing, const struct config_key *key)
{
    char text[24];
    const struct config_management *management = field_of(showing, key);
    snprintf(text, sizeof text, "%llu", (unsigned long long)management->port);
    show(showing, key->pattern, management->port == CONFIG_UNLIMITED ? "none" : text);
}

/* --- texts */

static void show_text(const struct showing *showing, const struct config_key *key)
{
    const char *text = *(char *const *)field_of(showing, key);
    if (text != NULL && text[0] != '\0')
        show(showing, key->pattern, text);
}

/* --- lists: the name of the entry stands in place of $name */

static void show_entry(const struct showing *showing, const struct config_key *key,
                       const char *name, const char *value)
{
    struct buffer text = {0};
    const char *place = strchr(key->pattern, '$');
    buffer_append(&text, key->pattern, (size_t)(place - key->pattern));
    for (; *name != '\0'; name++)
        buffer_append_format(&text, *name == '.' ? "\\%c" : "%c", *name);
    place += strcspn(place, ".");
    buffer_append(&text, place, strlen(place) + 1);
    show(showing, (const char *)text.data, value);
    buffer_fini(&text);
}

static void show_list(const struct showing *showing, const struct config_key *key)
{
    const struct config_list *list = field_of(showing, key);
    for (size_t i = 0; i < list->count; i++)
        show_entry(showing, key, list->entries[i].name, list->entries[i].value);
}

/* Entries that are kept by the whole key. */
static void show_whole(const struct showing *showing, const struct config_key *key)
{
    const struct config_list *list = field_of(showing, key);
    for (size_t i = 0; i < list->count; i++)
        show(showing, list->entries[i].name, list->entries[i].value);
}

static void show_listeners(const struct showing *showing, const struct config_key *key)
{
    const struct config_listeners *listeners = field_of(showing, key);
    for (size_t i = 0; i < listeners->count; i++) {
        char text[80];
        const struct config_listener *entry = &listeners->entries[i];
        const char *address = entry->address != NULL ? entry->address : "";
        bool is_bracketed = strchr(address, ':') != NULL;
        snprintf(text, sizeof text, "%s%.46s%s%s%u", is_bracketed ? "[" : "", address,
                 is_bracketed ? "]" : "", address[0] != '\0' ? ":" : "", (unsigned)entry->port);
        show_entry(showing, key, entry->name, text);
    }
}

/* Lists that are not empty by default. */
static void show_none(const struct showing *showing, const struct config_key *key)
{
    const struct config_listeners *listeners = field_of(showing, key);
    const struct config_list *list = field_of(showing, key);
    if (key->apply == apply_no_listeners ? listeners->is_none : list->count == 0)
        show(showing, key->pattern, "none");
}

/* --- all of them */

static bool is_number(apply_function *apply)
{
    static apply_function *const kinds[] = {apply_count, apply_limit, apply_auto_count, apply_size,
                                            apply_frame_size};
    return is_one_of(apply, kinds, sizeof kinds / sizeof kinds[0]);
}

static bool is_text(apply_function *apply)
{
    static apply_function *const kinds[] = {apply_text,    apply_name,    apply_checked,
                                            apply_or_none, apply_backend, apply_file_or_false,
                                            apply_address};
    return is_one_of(apply, kinds, sizeof kinds / sizeof kinds[0]);
}

static bool is_list(apply_function *apply)
{
    static apply_function *const kinds[] = {apply_entry, apply_choice_entry, apply_member,
                                            apply_backend_entry, apply_loopback_user};
    return is_one_of(apply, kinds, sizeof kinds / sizeof kinds[0]);
}

static bool is_whole(apply_function *apply)
{
    static apply_function *const kinds[] = {apply_vhost_default, apply_vhost_count,
                                            apply_vhost_size, apply_vhost_duration};
    return is_one_of(apply, kinds, sizeof kinds / sizeof kinds[0]);
}

static void show_key(const struct showing *showing, const struct config_key *key)
{
    if (is_number(key->apply))
        show_number(showing, key);
    else if (is_text(key->apply))
        show_text(showing, key);
    else if (is_list(key->apply))
        show_list(showing, key);
    else if (is_whole(key->apply))
        show_whole(showing, key);
    else if (key->apply == apply_bool)
        show(showing, key->pattern, *(const bool *)field_of(showing, key) ? "true" : "false");
    else if (key->apply == apply_choice)
        show_choice(showing, key);
    else if (key->apply == apply_ratio)
        show_ratio(showing, key);
    else if (key->apply == apply_management_port)
        show_port(showing, key);
    else if (key->apply == apply_listener)
        show_listeners(showing, key);
    else if (key->apply == apply_no_listeners || key->apply == apply_no_loopback_users)
        show_none(showing, key);
    else if (key->apply == apply_log_count || key->apply == apply_log_compress)
        show_rotation(showing, key);
}

/* Does an earlier key show the same field in the same way? */
static bool is_alias(const struct config_key *keys, size_t index)
{
    const struct config_key *key = &keys[index];
    for (size_t i = 0; i < index; i++) {
        bool is_same_kind = keys[i].apply == key->apply ||
                            (is_text(keys[i].apply) && is_text(key->apply)) ||
                            (is_whole(keys[i].apply) && is_whole(key->apply));
        if (is_same_kind && keys[i].offset == key->offset)
            return true;
    }
    return false;
}

void config_show(const struct config *config,
                 void (*visit)(void *context, const char *key, const char *value), void *context)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    const struct showing showing = {config, visit, context};
    for (size_t i = 0; i < count; i++) {
        if (!is_alias(keys, i))
            show_key(&showing, &keys[i]);
    }
}
