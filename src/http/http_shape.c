/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client may want of a list, in the order in which it is done: only what has a name that
 * fits (of pages only), an order, one page, and of each row only some columns.
 *
 * Values of different kinds are ordered as in RabbitMQ, which orders Erlang's terms: numbers, then
 * the words true, false and null, then texts. What a row does not have counts as 0 there.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "config/json_table.h"
#include "http/http_columns.h"
#include "http/http_internal.h"
#include "http/http_query.h"
#include "http/http_row.h"
#include "http/http_stats.h"

enum {
    PAGE_ROWS = 100,
    PAGE_ROWS_MAX = 500,
    MATCH_STEPS_MAX = 10000, /* for one name */
    PIECE_BYTES = 1 << 18,   /* of an answer's text */
};

static const char *asked(const struct http_call *call, const char *name)
{
    return http_query_find(&call->query, name);
}

static bool is_asked(const struct http_call *call, const char *name)
{
    const char *value = asked(call, name);
    return value != NULL && strcmp(value, "true") == 0;
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
    size_t number; /* in the list: rows that are equal keep their order */
    json_t *key;   /* a reference */
};

static int compare_rows(const void *a, const void *b)
{
    const struct sorted_row *x = a, *y = b;
    int order = compare(x->key, y->key);
    return order != 0 ? order : (x->number > y->number) - (x->number < y->number);
}

/* Of the row only what is wanted; the columns in it are as the client asks. */
static json_t *make_row(const struct http_list *list, size_t number,
                        const struct http_columns *columns)
{
    struct http_row row = {json_object(), columns};
    list->fill(list->context, number, &row);
    return http_columns_select(columns, row.json);
}

/* The numbers of the rows in their order; the caller frees them. By one key alone: what is equal in
 * it stays in the order of the list. */
static size_t *sort_rows(const struct http_list *list, const char *key, bool is_reversed)
{
    size_t count = list->count, *numbers = xcalloc(count + 1, sizeof *numbers);
    struct sorted_row *sorted = xcalloc(count + 1, sizeof *sorted);
    struct http_columns *columns = http_columns_new(key);
    for (size_t i = 0; i < count; i++) {
        sorted[i].number = i;
        if (key == NULL)
            continue;
        json_t *row = make_row(list, i, columns);
        sorted[i].key = json_incref(http_columns_find(row, key));
        json_decref(row);
    }
    if (key != NULL)
        qsort(sorted, count, sizeof *sorted, compare_rows);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = sorted[is_reversed ? count - 1 - i : i].number;
        json_decref(sorted[i].key);
    }
    http_columns_free(columns);
    free(sorted);
    return numbers;
}

/* --- pages */

struct paging {
    const char *page, *size; /* as they were said; NULL: they were not */
    long page_number, size_number;
    const char *name;
    pcre2_code *pattern; /* owned; NULL: name is a part of the name */
};

static json_t *refuse(struct http_call *call, const char *error, json_t *reason)
{
    call->status = 400;
    return http_error(error, reason);
}

static json_t *refuse_paging(struct http_call *call)
{
    return refuse(call, "bad_request", json_string("Pagination parameters are invalid"));
}

/* A size is looked at even where no page is asked for. NULL, or the error. */
static json_t *read_paging(struct http_call *call, struct paging *paging)
{
    *paging = (struct paging){.page = asked(call, "page"),
                              .size = asked(call, "page_size"),
                              .size_number = PAGE_ROWS,
                              .name = asked(call, "name")};
    if ((paging->page != NULL && !http_query_number(paging->page, &paging->page_number)) ||
        (paging->size != NULL && !http_query_number(paging->size, &paging->size_number)))
        return refuse_paging(call);
    if (paging->page == NULL)
        return NULL;
    if (paging->page_number < 1 || paging->size_number < 1 || paging->size_number > PAGE_ROWS_MAX)
        return refuse(call, "invalid_pagination_parameters",
                      json_sprintf("Invalid pagination parameters: page number %s, page size %s",
                                   paging->page,
                                   paging->size != NULL ? paging->size : "undefined"));
    if (paging->name == NULL || !is_asked(call, "use_regex"))
        return NULL;
    int error;
    PCRE2_SIZE place;
    paging->pattern = pcre2_compile((PCRE2_SPTR)paging->name, PCRE2_ZERO_TERMINATED,
                                    PCRE2_UTF | PCRE2_CASELESS, &error, &place, NULL);
    return paging->pattern != NULL ? NULL : refuse_paging(call);
}

/* NULL, or the error. Who wants no statistics may say of them what it likes. */
static json_t *check_ages(struct http_call *call)
{
    const char *error = call->route->age_error;
    json_t *fault =
        error != NULL && !is_asked(call, "disable_stats") ? http_ages_fault(call) : NULL;
    return fault != NULL ? refuse(call, error, fault) : NULL;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

static bool contains(struct bytes text, struct bytes part)
{
    for (size_t i = 0; i + part.size <= text.size; i++) {
        size_t same = 0;
        while (same < part.size && lower(text.data[i + same]) == lower(part.data[same]))
            same++;
        if (same == part.size)
            return true;
    }
    return false;
}

/* Leaves of the numbers those of rows whose name fits, and returns how many. */
static size_t filter(const struct paging *paging, const struct http_list *list, size_t *numbers)
{
    if (paging->name == NULL)
        return list->count;
    size_t count = 0;
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *match = pcre2_match_data_create(1, NULL);
    pcre2_set_match_limit(limits, MATCH_STEPS_MAX);
    for (size_t i = 0; i < list->count; i++) {
        struct bytes name = list->name(list->context, numbers[i]);
        bool is_wanted = paging->pattern != NULL ? pcre2_match(paging->pattern, name.data,
                                                               name.size, 0, 0, match, limits) >= 0
                                                 : contains(name, bytes_of_text(paging->name));
        if (is_wanted)
            numbers[count++] = numbers[i];
    }
    pcre2_match_data_free(match);
    pcre2_match_context_free(limits);
    return count;
}

/* --- the text */

struct http_rows {
    struct http_list list;
    struct http_columns *columns; /* owned: that are shown */
    size_t *numbers;              /* owned: of the rows, in their order */
    size_t next, end;             /* in numbers: what is still to be written */
    struct buffer last;           /* owned: what stands behind the rows */
};

void http_rows_free(struct http_rows *rows)
{
    if (rows == NULL)
        return;
    rows->list.free(rows->list.context);
    http_columns_free(rows->columns);
    free(rows->numbers);
    buffer_fini(&rows->last);
    free(rows);
}

size_t http_rows_bytes(const struct http_rows *rows)
{
    return rows->list.bytes + rows->list.count * sizeof rows->numbers[0];
}

/* Of a long list no more than one row is there as JSON, and no more than a piece as text. */
void http_rows_write(struct http_call *call)
{
    struct http_rows *rows = call->rows;
    while (rows->next < rows->end && call->text.size < PIECE_BYTES) {
        json_t *row = make_row(&rows->list, rows->numbers[rows->next], rows->columns);
        json_append(&call->text, row);
        json_decref(row);
        if (++rows->next < rows->end)
            buffer_append_u8(&call->text, ',');
    }
    if (rows->next < rows->end)
        return;
    buffer_append_bytes(&call->text, buffer_bytes(&rows->last));
    http_rows_free(rows);
    call->rows = NULL;
}

/* The page as an object; count is that of the rows that fit. A page behind the last one is empty
 * where the last one is full, and else an error. */
static json_t *choose_page(struct http_call *call, const struct paging *paging,
                           struct http_rows *rows, size_t count)
{
    size_t size = (size_t)paging->size_number, page = (size_t)paging->page_number;
    if (page - 1 > count / size)
        return refuse(call, "page_out_of_range",
                      json_sprintf("Page out of range, page: %s page size: %zu, len: %zu",
                                   paging->page, size, count));
    size_t first = (page - 1) * size;
    size_t shown = count - first < size ? count - first : size;
    rows->next = first;
    rows->end = first + shown;
    buffer_append_format(&call->text, "{\"filtered_count\":%zu", count);
    buffer_append_format(&call->text, ",\"item_count\":%zu,\"items\":[", shown);
    buffer_append_format(&rows->last, "],\"page\":%zu", page);
    buffer_append_format(&rows->last, ",\"page_count\":%zu", (count + size - 1) / size);
    buffer_append_format(&rows->last, ",\"page_size\":%zu", size);
    buffer_append_format(&rows->last, ",\"total_count\":%zu}", rows->list.count);
    return NULL;
}

static json_t *begin_rows(struct http_call *call, struct http_rows *rows,
                          const struct paging *paging, const char *sort)
{
    const char *key = asked(call, "sort");
    rows->columns = http_columns_new(asked(call, "columns"));
    rows->numbers =
        sort_rows(&rows->list, key != NULL ? key : sort, is_asked(call, "sort_reverse"));
    rows->end = rows->list.count;
    if (paging->page != NULL)
        return choose_page(call, paging, rows, filter(paging, &rows->list, rows->numbers));
    buffer_append_u8(&call->text, '[');
    buffer_append_u8(&rows->last, ']');
    return NULL;
}

json_t *http_shape_list(struct http_call *call, const struct http_list *list, const char *sort,
                        bool has_pages)
{
    struct paging paging = {.page = NULL};
    struct http_rows *rows = xcalloc(1, sizeof *rows);
    rows->list = *list;
    json_t *error = has_pages ? read_paging(call, &paging) : NULL;
    if (error == NULL)
        error = check_ages(call);
    if (error == NULL)
        error = begin_rows(call, rows, &paging, sort);
    pcre2_code_free(paging.pattern);
    if (error != NULL) {
        http_rows_free(rows);
    } else {
        call->rows = rows;
        http_rows_write(call);
    }
    return error;
}

/* --- what handlers have made */

static void fill_from_array(const void *context, size_t number, struct http_row *row)
{
    json_object_update(row->json, json_array_get(context, number));
}

static struct bytes name_in_array(const void *context, size_t number)
{
    const json_t *name = json_object_get(json_array_get(context, number), "name");
    return bytes_of(json_string_value(name), json_string_length(name));
}

static void free_array(void *context)
{
    json_decref(context);
}

static void shape_object(struct http_call *call)
{
    json_t *error = check_ages(call);
    if (error != NULL) {
        json_decref(call->reply);
        call->reply = error;
        return;
    }
    struct http_columns *columns = http_columns_new(asked(call, "columns"));
    call->reply = http_columns_select(columns, call->reply);
    http_columns_free(columns);
}

void http_shape_reply(struct http_call *call)
{
    if (call->shape == HTTP_OBJECT)
        shape_object(call);
    if (call->shape != HTTP_LIST && call->shape != HTTP_PAGES)
        return;
    json_t *rows = call->reply;
    const struct http_list list = {
        json_array_size(rows), name_in_array, fill_from_array, rows, free_array, 0};
    call->reply = http_shape_list(call, &list, call->sort, call->shape == HTTP_PAGES);
}
