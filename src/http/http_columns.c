/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which columns a client asks for. The handlers of a list ask of every row and every field whether
 * it is wanted, so the text is cut into paths before the first row is made.
 */
#include "http/http_columns.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"

struct column {
    const char *path;
    size_t name_bytes; /* of the path's first name */
};

struct http_columns {
    char *text;           /* owned: the paths, each with its NUL */
    struct column *items; /* owned */
    size_t count, capacity;
};

struct http_columns *http_columns_new(const char *text)
{
    if (text == NULL)
        return NULL;
    struct http_columns *columns = xcalloc(1, sizeof *columns);
    char *rest = columns->text = xstrdup(text), *path;
    while ((path = strsep(&rest, ",")) != NULL) {
        if (path[0] == '\0')
            continue;
        columns->items =
            xgrow(columns->items, &columns->capacity, columns->count + 1, sizeof columns->items[0]);
        columns->items[columns->count++] = (struct column){path, strcspn(path, ".")};
    }
    return columns;
}

void http_columns_free(struct http_columns *columns)
{
    if (columns == NULL)
        return;
    free(columns->items);
    free(columns->text);
    free(columns);
}

bool http_columns_want(const struct http_columns *columns, const char *name)
{
    if (columns == NULL)
        return true;
    size_t size = strlen(name);
    for (size_t i = 0; i < columns->count; i++) {
        const struct column *column = &columns->items[i];
        if (column->name_bytes == size && memcmp(column->path, name, size) == 0)
            return true;
    }
    return false;
}

bool http_columns_mention(const struct http_columns *columns, const char *part)
{
    if (columns == NULL)
        return true;
    for (size_t i = 0; i < columns->count; i++) {
        if (strstr(columns->items[i].path, part) != NULL)
            return true;
    }
    return false;
}

/* --- paths */

json_t *http_columns_find(json_t *object, const char *path)
{
    for (path += strspn(path, "."); object != NULL && path[0] != '\0'; path += strspn(path, ".")) {
        size_t size = strcspn(path, ".");
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)size, path);
        object = json_object_get(object, name);
        path += size;
    }
    return object;
}

/* Puts a value that was found at a path to the same place of another object. */
static void put(json_t *target, const char *path, json_t *value)
{
    path += strspn(path, ".");
    size_t size = strcspn(path, ".");
    char name[256];
    snprintf(name, sizeof name, "%.*s", (int)size, path);
    const char *rest = path + size + strspn(path + size, ".");
    if (rest[0] == '\0') {
        json_object_set(target, name, value);
        return;
    }
    json_t *inner = json_object_get(target, name);
    if (!json_is_object(inner)) {
        inner = json_object();
        json_object_set_new(target, name, inner);
    }
    put(inner, rest, value);
}

json_t *http_columns_select(const struct http_columns *columns, json_t *object)
{
    if (columns == NULL)
        return object;
    json_t *selected = json_object();
    for (size_t i = 0; i < columns->count; i++) {
        const char *path = columns->items[i].path;
        json_t *value = http_columns_find(object, path);
        if (value != NULL)
            put(selected, path, value);
    }
    json_decref(object);
    return selected;
}
