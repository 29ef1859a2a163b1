/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client may want of a list, in the order in which it is done: only what has a name that
 * fits (of pages only), an order, one page, and of each row only some columns.
 *
 * Values of different kinds are ordered as in RabbitMQ, which orders Erlang's terms: numbers, then
 * the words true, false and null, then texts. What a row does not have counts as 0 there.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <event2/http.h>
#include <limits.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "http/http_internal.h"

enum {
    PAGE_ROWS = 100,
    PAGE_ROWS_MAX = 500,
    MATCH_STEPS_MAX = 10000, /* for one name */
};

static const char *asked(const struct http_call *call, const char *name)
{
    return evhttp_find_header(&call->query, name);
}

static bool is_asked(const struct http_call *call, const char *name)
{
    const char *value = asked(call, name);
    return value != NULL && strcmp(value, "true") == 0;
}

/* --- columns */

/* The value at a.b.c; borrowed, NULL where there is none. */
static json_t *find_dotted(json_t *row, const char *path)
{
    while (row != NULL && path[0] != '\0') {
        size_t size = strcspn(path, ".");
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)size, path);
        row = json_object_get(row, name);
        path += size + (path[size] == '.');
    }
    return row;
}

/* Puts a value that was found at a path to the same place of another object. */
static void put_dotted(json_t *target, const char *path, json_t *value)
{
    size_t size = strcspn(path, ".");
    char name[256];
    snprintf(name, sizeof name, "%.*s", (int)size, path);
    if (path[size] == '\0') {
        json_object_set(target, name, value);
        return;
    }
    json_t *inner = json_object_get(target, name);
    if (!json_is_object(inner)) {
        inner = json_object();
        json_object_set_new(target, name, inner);
    }
    put_dotted(inner, path + size + 1, value);
}

static json_t *select_columns(json_t *row, const char *columns)
{
    json_t *selected = json_object();
    while (columns[0] != '\0') {
        size_t size = strcspn(columns, ",");
        char path[256];
        snprintf(path, sizeof path, "%.*s", (int)size, columns);
        json_t *value = size > 0 ? find_dotted(row, path) : NULL;
        if (value != NULL)
            put_dotted(selected, path, value);
        columns += size + (columns[size] == ',');
    }
    return selected;
}

static json_t *select_all_columns(json_t *rows, const char *columns)
{
    json_t *selected = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++)
        json_array_append_new(selected, select_columns(json_array_get(rows, i), columns));
    json_decref(rows);
    return selected;
}

/* --- order */

/* Those that are no number, word or text count as none: in RabbitMQ they leave the order as it is.
 */
static int rank(const json_t *value)
{
    if (json_is_string(value))
        return 2;
    return json_is_boolean(value) || json_is_null(value) ? 1 : 0;
}

static const char *word_of(const json_t *value)
{
    if (json_is_string(value))
        return json_string_value(value);
    return json_is_true(value) ? "true" : json_is_false(value) ? "false" : "null";
}

static int compare(const json_t *a, const json_t *b)
{
    if (rank(a) != rank(b))
        return rank(a) - rank(b);
    if (rank(a) > 0)
        return strcmp(word_of(a), word_of(b));
    double x = json_number_value(a), y = json_number_value(b);
    return (x > y) - (x < y);
}

struct sorted_row {
    json_t *row;
    const json_t *key;
    size_t place; /* where it was: rows that are equal keep their order */
};

static int compare_rows(const void *a, const void *b)
{
    const struct sorted_row *x = a, *y = b;
    int order = compare(x->key, y->key);
    return order != 0 ? order : (x->place > y->place) - (x->place < y->place);
}

/* By one key alone: what is equal in it stays in the order in which the handler gave it. */
static json_t *sort_rows(json_t *rows, const char *key, bool is_reversed)
{
    size_t count = json_array_size(rows);
    struct sorted_row *sorted = xcalloc(count + 1, sizeof *sorted);
    for (size_t i = 0; i < count; i++) {
        json_t *row = json_array_get(rows, i);
        sorted[i] = (struct sorted_row){row, key != NULL ? find_dotted(row, key) : NULL, i};
    }
    if (key != NULL)
        qsort(sorted, count, sizeof *sorted, compare_rows);
    json_t *result = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append(result, sorted[is_reversed ? count - 1 - i : i].row);
    free(sorted);
    json_decref(rows);
    return result;
}

/* --- pages */

struct paging {
    long page, size; /* size -1: it was not said */
    const char *name;
    pcre2_code *pattern; /* owned; NULL: name is a part of the name */
};

static bool read_number(const char *text, long *number)
{
    char *end;
    *number = strtol(text, &end, 10);
    return end != text && *end == '\0' && *number > INT_MIN && *number < INT_MAX;
}

/* False where the query makes no sense. */
static bool read_paging(const struct http_call *call, struct paging *paging)
{
    const char *size = asked(call, "page_size");
    *paging = (struct paging){.size = -1, .name = asked(call, "name")};
    if (!read_number(asked(call, "page"), &paging->page) ||
        (size != NULL && !read_number(size, &paging->size)))
        return false;
    if (paging->name == NULL || !is_asked(call, "use_regex"))
        return true;
    int error;
    PCRE2_SIZE place;
    paging->pattern = pcre2_compile((PCRE2_SPTR)paging->name, PCRE2_ZERO_TERMINATED,
                                    PCRE2_UTF | PCRE2_CASELESS, &error, &place, NULL);
    return paging->pattern != NULL;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool contains(const char *text, const char *part)
{
    for (;; text++) {
        size_t i = 0;
        while (part[i] != '\0' && lower(text[i]) == lower(part[i]))
            i++;
        if (part[i] == '\0' || text[0] == '\0')
            return part[i] == '\0';
    }
}

/* The rows whose name fits; new. */
static json_t *filter(const struct paging *paging, json_t *rows)
{
    json_t *found = json_array();
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    pcre2_set_match_limit(limits, MATCH_STEPS_MAX);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        const char *name = json_string_value(json_object_get(row, "name"));
        bool is_wanted = paging->name == NULL;
        if (!is_wanted && name != NULL && paging->pattern != NULL)
            is_wanted = pcre2_match(paging->pattern, (PCRE2_SPTR)name, strlen(name), 0, 0, match,
                                    limits) >= 0;
        else if (!is_wanted && name != NULL)
            is_wanted = contains(name, paging->name);
        if (is_wanted)
            json_array_append(found, row);
    }
    pcre2_match_data_free(match);
    pcre2_match_context_free(limits);
    return found;
}

static json_t *refuse(struct http_call *call, const char *error, const char *reason)
{
    call->status = 400;
    return http_error(error, json_string(reason));
}

static json_t *refuse_page(struct http_call *call, const struct paging *paging)
{
    char reason[160], size[32] = "undefined";
    if (paging->size != -1)
        snprintf(size, sizeof size, "%ld", paging->size);
    snprintf(reason, sizeof reason, "Invalid pagination parameters: page number %ld, page size %s",
             paging->page, size);
    return refuse(call, "invalid_pagination_parameters", reason);
}

/* The page as an object; found are the rows that fit, of total. */
static json_t *cut_page(struct http_call *call, const struct paging *paging, const json_t *found,
                        size_t total)
{
    size_t size = paging->size == -1 ? PAGE_ROWS : (size_t)paging->size;
    size_t count = json_array_size(found), first = ((size_t)paging->page - 1) * size;
    if (first >= count && paging->page > 1) {
        char reason[160];
        snprintf(reason, sizeof reason, "Page out of range, page: %ld page size: %zu, len: %zu",
                 paging->page, size, count);
        return refuse(call, "page_out_of_range", reason);
    }
    json_t *items = json_array();
    for (size_t i = first; i < count && i < first + size; i++)
        json_array_append(items, json_array_get(found, i));
    const char *columns = asked(call, "columns");
    if (columns != NULL)
        items = select_all_columns(items, columns);
    return json_pack("{s:I, s:I, s:o, s:I, s:I, s:I, s:I}", "filtered_count", (json_int_t)count,
                     "item_count", (json_int_t)json_array_size(items), "items", items, "page",
                     (json_int_t)paging->page, "page_count",
                     (json_int_t)((count + size - 1) / size), "page_size", (json_int_t)size,
                     "total_count", (json_int_t)total);
}

static json_t *make_page(struct http_call *call, json_t *rows)
{
    struct paging paging;
    json_t *page;
    if (!read_paging(call, &paging)) {
        page = refuse(call, "bad_request", "Pagination parameters are invalid");
    } else if (paging.page < 1 || paging.size == 0 || paging.size < -1 ||
               paging.size > PAGE_ROWS_MAX) {
        page = refuse_page(call, &paging);
    } else {
        json_t *found = filter(&paging, rows);
        page = cut_page(call, &paging, found, json_array_size(rows));
        json_decref(found);
    }
    pcre2_code_free(paging.pattern);
    json_decref(rows);
    return page;
}

void http_shape_reply(struct http_call *call)
{
    const char *columns = asked(call, "columns"), *key = asked(call, "sort");
    if (call->shape == HTTP_OBJECT && columns != NULL) {
        json_t *selected = select_columns(call->reply, columns);
        json_decref(call->reply);
        call->reply = selected;
    }
    if (call->shape != HTTP_LIST && call->shape != HTTP_PAGES)
        return;
    bool is_reversed = is_asked(call, "sort_reverse");
    call->reply = sort_rows(call->reply, key != NULL ? key : call->sort, is_reversed);
    if (call->shape == HTTP_PAGES && asked(call, "page") != NULL)
        call->reply = make_page(call, call->reply);
    else if (columns != NULL)
        call->reply = select_all_columns(call->reply, columns);
}
