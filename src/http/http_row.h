/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_ROW_H
#define LEVERET_HTTP_HTTP_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct http_call;
struct http_columns;
struct json_t;

/* A row of a list, of which the client may want some columns only: the others cost nothing. */
struct http_row {
    struct json_t *json;                /* an object */
    const struct http_columns *columns; /* borrowed; NULL: all */
};

bool http_row_wants(const struct http_row *row, const char *name);
/* The value is taken over; it goes where nobody wants it. */
void http_row_put(struct http_row *row, const char *name, struct json_t *value);
void http_row_number(struct http_row *row, const char *name, uint64_t value);
void http_row_flag(struct http_row *row, const char *name, bool value);
/* null where there is no data. */
void http_row_text(struct http_row *row, const char *name, struct bytes text);
/* An object; "" where the table has nothing in it. */
void http_row_table(struct http_row *row, const char *name, struct bytes table);

/* idle_since, of such a time (wall-clock ms); nothing where that is 0: it is not idle. */
void http_row_idle_since(struct http_row *row, uint64_t time_ms);

/* A list whose rows are made when they are wanted: of 50,000 one page may be all that is shown, and
 * of a long answer the next rows are made when the client has taken the ones before. */
struct http_list {
    size_t count;
    /* What a client filters pages by. */
    struct bytes (*name)(const void *context, size_t number);
    void (*fill)(const void *context, size_t number, struct http_row *row);
    void *context; /* owned */
    void (*free)(void *context);
    size_t bytes; /* that the context keeps in memory, about */
};

/* The call's answer, on any thread that has it: the rows in the order which the client asks for;
 * what is equal in that stays in the order of the list, which is taken over. It lives until the
 * client has all of it: fill and free are called on one thread after the other, and what they need
 * of the call or its job is there. */
void http_reply_rows(struct http_call *call, const struct http_list *list);
/* The same for what may be asked for in pages. */
void http_reply_row_pages(struct http_call *call, const struct http_list *list);

#endif
