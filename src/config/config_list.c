/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of `prefix.NAME = value` lines. NAME is a place in an order (ssl_options.versions.1) or a
 * word (loopback_users.guest); entries are kept sorted by it, runs of digits compared as numbers,
 * so that .10 comes after .9. The same NAME again replaces its entry: a later file overrides an
 * earlier one.
 *
 * Defaults are entries like others until the configuration says something about the list: then they
 * go, as a list in rabbitmq.conf replaces RabbitMQ's default list instead of adding to it.
 */
#include "config/config_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"

static void entry_fini(struct config_entry *entry)
{
    free(entry->name);
    free(entry->value);
}

static void list_clear(struct config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        entry_fini(&list->entries[i]);
    list->count = 0;
}

void config_list_fini(struct config_list *list)
{
    list_clear(list);
    free(list->entries);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The length of the digits at text, leading zeros skipped. */
static size_t digits_at(const char **text)
{
    size_t length = 0;
    *text += strspn(*text, "0");
    while (is_digit((*text)[length]))
        length++;
    return length;
}

/* Compares the numbers at *left and *right and moves both behind them. */
static int compare_numbers(const char **left, const char **right)
{
    size_t left_length = digits_at(left);
    size_t right_length = digits_at(right);
    if (left_length != right_length)
        return left_length < right_length ? -1 : 1;
    int order = memcmp(*left, *right, left_length);
    *left += left_length;
    *right += right_length;
    return order;
}

static int compare_names(const char *left, const char *right)
{
    const char *l = left;
    const char *r = right;
    while (*l != '\0' && *r != '\0') {
        if (is_digit(*l) && is_digit(*r)) {
            int order = compare_numbers(&l, &r);
            if (order != 0)
                return order;
        } else if (*l != *r) {
            return (unsigned char)*l < (unsigned char)*r ? -1 : 1;
        } else {
            l++;
            r++;
        }
    }
    if (*l != *r)
        return *l == '\0' ? -1 : 1;
    return strcmp(left, right);
}

/* The index of the first entry that is not before name. */
static size_t list_place(const struct config_list *list, const char *name)
{
    size_t place = 0;
    while (place < list->count && compare_names(list->entries[place].name, name) < 0)
        place++;
    return place;
}

static bool is_at(const struct config_list *list, size_t place, const char *name)
{
    return place < list->count && strcmp(list->entries[place].name, name) == 0;
}

static void list_insert(struct config_list *list, const char *name, const char *value)
{
    size_t place = list_place(list, name);
    if (is_at(list, place, name)) {
        free(list->entries[place].value);
        list->entries[place].value = xstrdup(value);
        return;
    }
    list->entries = xgrow(list->entries, &list->capacity, list->count + 1, sizeof(*list->entries));
    memmove(&list->entries[place + 1], &list->entries[place],
            (list->count - place) * sizeof(*list->entries));
    list->entries[place] = (struct config_entry){xstrdup(name), xstrdup(value)};
    list->count++;
}

static void list_drop_defaults(struct config_list *list)
{
    if (list->is_default)
        list_clear(list);
    list->is_default = false;
}

void config_list_add_default(struct config_list *list, const char *name, const char *value)
{
    list_insert(list, name, value);
    list->is_default = true;
}

void config_list_put(struct config_list *list, const char *name, const char *value)
{
    list_drop_defaults(list);
    list_insert(list, name, value);
}

void config_list_remove(struct config_list *list, const char *name)
{
    list_drop_defaults(list);
    size_t place = list_place(list, name);
    if (!is_at(list, place, name))
        return;
    entry_fini(&list->entries[place]);
    list->count--;
    memmove(&list->entries[place], &list->entries[place + 1],
            (list->count - place) * sizeof(*list->entries));
}

bool config_list_has_name(const struct config_list *list, const char *name)
{
    return is_at(list, list_place(list, name), name);
}

const char *config_list_value(const struct config_list *list, const char *name)
{
    size_t place = list_place(list, name);
    return is_at(list, place, name) ? list->entries[place].value : NULL;
}

void config_listeners_clear(struct config_listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        free(listeners->entries[i].name);
        free(listeners->entries[i].address);
    }
    listeners->count = 0;
    listeners->is_default = false;
    listeners->is_none = false;
}

void config_listeners_fini(struct config_listeners *listeners)
{
    config_listeners_clear(listeners);
    free(listeners->entries);
}

void config_listeners_set_none(struct config_listeners *listeners)
{
    config_listeners_clear(listeners);
    listeners->is_none = true;
}

/* The entry of name, made if it is not there. */
static struct config_listener *listener_named(struct config_listeners *listeners, const char *name)
{
    for (size_t i = 0; i < listeners->count; i++) {
        if (strcmp(listeners->entries[i].name, name) == 0)
            return &listeners->entries[i];
    }
    listeners->entries = xgrow(listeners->entries, &listeners->capacity, listeners->count + 1,
                               sizeof(*listeners->entries));
    struct config_listener *listener = &listeners->entries[listeners->count++];
    *listener = (struct config_listener){.name = xstrdup(name)};
    return listener;
}

void config_listeners_put(struct config_listeners *listeners, const char *name, char *address,
                          uint16_t port)
{
    if (listeners->is_none) {
        free(address);
        return;
    }
    if (listeners->is_default)
        config_listeners_clear(listeners);
    struct config_listener *listener = listener_named(listeners, name);
    free(listener->address);
    listener->address = address;
    listener->port = port;
}

void config_listeners_add_default(struct config_listeners *listeners, uint16_t port)
{
    config_listeners_put(listeners, "default", NULL, port);
    listeners->is_default = true;
}
