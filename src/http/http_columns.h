/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_COLUMNS_H
#define LEVERET_HTTP_HTTP_COLUMNS_H

#include <stdbool.h>

struct json_t;

/* What a client wants of objects: names with commas between, also of what is inside: a.b. They are
 * read once, however many rows they are for. */
struct http_columns;

/* NULL, and NULL everywhere below: all. */
struct http_columns *http_columns_new(const char *text);
void http_columns_free(struct http_columns *columns);

/* Is it wanted, or something inside of it? */
bool http_columns_want(const struct http_columns *columns, const char *name);
/* Is something wanted in whose name this is? */
bool http_columns_mention(const struct http_columns *columns, const char *part);

/* A new object with what is wanted of this one, which is taken over. */
struct json_t *http_columns_select(const struct http_columns *columns, struct json_t *object);

/* The value at a.b.c; borrowed, NULL where there is none. */
struct json_t *http_columns_find(struct json_t *object, const char *path);

#endif
