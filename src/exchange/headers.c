/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The headers exchange: a binding's arguments are a pattern for the headers of a message, and its
 * x-match says whether all of them must be there or any of them.
 *
 * A binding is read once, when it is added, into its fields sorted by name; a message's headers
 * are read and sorted once per match. Then each binding is one walk along two sorted runs, however
 * many fields both have, and a name that comes twice pairs off in order, as RabbitMQ does. The
 * fields point into the arguments of the route and the headers of the message: nothing is copied.
 *
 * The bindings themselves are tried one after the other. An index would have to hash values that
 * are equal across types (1 and 1.0), and help only patterns that name the same header.
 */
#include "exchange/exchange_type.h"

#include <stdlib.h>

#include "amqp/erlang.h"
#include "amqp/table.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "exchange/exchange_internal.h"

static const char x_match[] = "x-match";

struct match_kind {
    const char *name;
    bool needs_all; /* else one field is enough */
    bool sees_x;    /* else fields whose names begin with x- are no part of the pattern */
};

/* The first is the default. */
static const struct match_kind match_kinds[] = {
    {"all", true, false},
    {"any", false, false},
    {"all-with-x", true, true},
    {"any-with-x", false, true},
};

struct field_list {
    struct amqp_field *fields; /* owned; names and values point into what was read */
    size_t count;
    size_t capacity;
};

/* A route as it is matched. */
struct pattern {
    const struct match_kind *kind;
    struct field_list fields; /* sorted by name */
};

struct headers {
    struct route *routes;      /* borrowed: the broker removes a route before it frees it */
    struct field_list message; /* kept, so that a match allocates nothing */
};

/* --- fields --- */

static void field_list_push(struct field_list *list, const struct amqp_field *field)
{
    if (list->count == list->capacity)
        list->fields =
            xgrow(list->fields, &list->capacity, list->count + 1, sizeof list->fields[0]);
    list->fields[list->count++] = *field;
}

/* Fields of one name keep their order, which is that of their places in the table. */
static int compare_fields(const void *a, const void *b)
{
    struct bytes name_a = ((const struct amqp_field *)a)->name;
    struct bytes name_b = ((const struct amqp_field *)b)->name;
    int order = bytes_compare(name_a, name_b);
    if (order != 0)
        return order;
    return (name_a.data > name_b.data) - (name_a.data < name_b.data);
}

static void field_list_sort(struct field_list *list)
{
    if (list->count > 1)
        qsort(list->fields, list->count, sizeof list->fields[0], compare_fields);
}

static void field_list_read(struct field_list *list, struct bytes table)
{
    struct reader reader = reader_of(table);
    struct amqp_field field;
    list->count = 0;
    while (amqp_table_next(&reader, &field))
        field_list_push(list, &field);
    field_list_sort(list);
}

/* --- x-match --- */

/* NULL where there is no kind of that name. */
static const struct match_kind *match_kind_find(struct bytes name)
{
    for (size_t i = 0; i < sizeof match_kinds / sizeof match_kinds[0]; i++) {
        if (bytes_equal_text(name, match_kinds[i].name))
            return &match_kinds[i];
    }
    return NULL;
}

static bool refuse_name(struct bytes name, struct amqp_error *error)
{
    struct buffer text = {0};
    erlang_append_binary(&text, name);
    amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                   "Invalid x-match field value %.*s; expected all, any, all-with-x, or any-with-x",
                   (int)text.size, (const char *)text.data);
    buffer_fini(&text);
    return false;
}

static bool refuse_type(const struct amqp_value *value, struct amqp_error *error)
{
    struct buffer text = {0};
    if (value->type == AMQP_TYPE_BINARY)
        erlang_append_binary(&text, value->bytes);
    else
        amqp_value_append_text(&text, value);
    amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                   "Invalid x-match field type %s (value %.*s); expected longstr",
                   amqp_value_type_name(value->type), (int)text.size, (const char *)text.data);
    buffer_fini(&text);
    return false;
}

static bool headers_check(const void *state, const struct route *route, struct amqp_error *error)
{
    struct amqp_value value;
    (void)state;
    if (!amqp_table_find(route->arguments, x_match, &value))
        return true;
    if (value.type != AMQP_TYPE_LONGSTR)
        return refuse_type(&value, error);
    if (match_kind_find(value.bytes) == NULL)
        return refuse_name(value.bytes, error);
    return true;
}

/* --- patterns --- */

static const struct match_kind *match_kind_of(struct bytes arguments)
{
    struct amqp_value value;
    if (!amqp_table_find(arguments, x_match, &value))
        return &match_kinds[0];
    CHECK(value.type == AMQP_TYPE_LONGSTR);
    const struct match_kind *kind = match_kind_find(value.bytes);
    CHECK(kind != NULL);
    return kind;
}

static bool is_in_pattern(const struct match_kind *kind, struct bytes name)
{
    return kind->sees_x ? !bytes_equal_text(name, x_match) : !bytes_start_with(name, "x-");
}

static struct pattern *pattern_new(struct bytes arguments)
{
    struct pattern *pattern = xcalloc(1, sizeof *pattern);
    struct reader reader = reader_of(arguments);
    struct amqp_field field;
    pattern->kind = match_kind_of(arguments);
    while (amqp_table_next(&reader, &field)) {
        if (is_in_pattern(pattern->kind, field.name))
            field_list_push(&pattern->fields, &field);
    }
    field_list_sort(&pattern->fields);
    return pattern;
}

static void pattern_free(struct pattern *pattern)
{
    free(pattern->fields.fields);
    free(pattern);
}

/* A void in a pattern asks for the name alone. */
static bool value_fits(const struct amqp_value *wanted, const struct amqp_value *found)
{
    return wanted->type == AMQP_TYPE_VOID || amqp_value_equal(wanted, found);
}

/* Ends at the first field that settles the answer. */
static bool pattern_matches(const struct pattern *pattern, const struct field_list *message)
{
    bool needs_all = pattern->kind->needs_all;
    size_t m = 0;
    for (size_t p = 0; p < pattern->fields.count; p++) {
        const struct amqp_field *wanted = &pattern->fields.fields[p];
        int order = -1;
        while (m < message->count &&
               (order = bytes_compare(message->fields[m].name, wanted->name)) < 0)
            m++;
        bool is_there = m < message->count && order == 0;
        bool fits = is_there && value_fits(&wanted->value, &message->fields[m].value);
        if (fits != needs_all)
            return fits;
        if (is_there)
            m++;
    }
    return needs_all;
}

/* --- the type --- */

static void *headers_new(uint64_t hash_seed, struct bytes arguments)
{
    (void)arguments;
    (void)hash_seed;
    return xcalloc(1, sizeof(struct headers));
}

static void headers_free(void *state)
{
    struct headers *headers = state;
    for (struct route *route = headers->routes; route != NULL; route = route->next)
        pattern_free(route->index_entry);
    free(headers->message.fields);
    free(headers);
}

static void headers_add(void *state, struct route *route)
{
    struct headers *headers = state;
    route->index_entry = pattern_new(route->arguments);
    route_chain_add(&headers->routes, route);
}

static void headers_remove(void *state, struct route *route)
{
    (void)state;
    CHECK(route->index_entry != NULL);
    pattern_free(route->index_entry);
    route->index_entry = NULL;
    route_chain_remove(route);
}

static void headers_match(void *state, const struct route_subject *subject,
                          struct route_matches *matches)
{
    struct headers *headers = state;
    if (headers->routes == NULL)
        return;
    field_list_read(&headers->message, subject->headers);
    for (struct route *route = headers->routes; route != NULL; route = route->next) {
        if (pattern_matches(route->index_entry, &headers->message))
            route_matches_push(matches, route);
    }
}

const struct exchange_type exchange_headers = {
    .name = "headers",
    .routes_by_key = false,
    .check_arguments = exchange_takes_any_arguments,
    .new = headers_new,
    .free = headers_free,
    .check = headers_check,
    .add = headers_add,
    .remove = headers_remove,
    .match = headers_match,
};
