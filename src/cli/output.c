/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists, as rabbitmqctl prints them: lines with tabs between, JSON with a row per line, CSV, a
 * table with borders, and terms of Erlang's in its own and in Elixir's notation. A formatter is a
 * function.
 *
 * Control characters are escaped: a reader could take them for the end of a column, and a terminal
 * obey them.
 */
#include "cli/output.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/xmalloc.h"
#include "cli/options.h"
#include "cli/row_term.h"
#include "cli/term.h"

struct listing {
    const json_t *rows;
    char **columns; /* owned */
    size_t column_count;
    bool has_headers;
    bool is_padded;
    bool is_blank_if_empty;
};

/* --- values */

/* Some terminals obey U+0080 to U+009f, too. */
static void append_text(struct buffer *text, const json_t *value)
{
    const uint8_t *place = (const uint8_t *)json_string_value(value);
    for (const uint8_t *end = place + json_string_length(value); place < end; place++) {
        if (*place == '\t')
            buffer_append_format(text, "\\t");
        else if (*place == '\n')
            buffer_append_format(text, "\\n");
        else if (*place < 0x20 || *place == 0x7f)
            buffer_append_format(text, "\\%03o", *place);
        else if (*place == 0xc2 && place[1] < 0xa0)
            buffer_append_format(text, "\\%03o", *++place);
        else
            buffer_append_u8(text, *place);
    }
}

static void append_list(struct buffer *text, const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++) {
        buffer_append_format(text, i > 0 ? ", " : "[");
        output_append_value(text, json_array_get(value, i));
    }
    buffer_append_format(text, json_array_size(value) > 0 ? "]" : "[]");
}

void output_append_value(struct buffer *text, const struct json_t *value)
{
    switch (value != NULL ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        append_text(text, value);
        break;
    case JSON_INTEGER:
        buffer_append_format(text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        buffer_append_format(text, "%g", json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        buffer_append_format(text, json_is_true(value) ? "true" : "false");
        break;
    case JSON_ARRAY:
        append_list(text, value);
        break;
    case JSON_OBJECT:
    case JSON_NULL:
        break;
    }
}

/* --- arguments: [["x-max-length", "long", 5]] stands in a table as [{"x-max-length",5}] */

static void append_term(struct buffer *text, const char *type, const json_t *value);

static void append_arguments(struct buffer *text, const json_t *arguments)
{
    buffer_append_u8(text, '[');
    for (size_t i = 0; i < json_array_size(arguments); i++) {
        const json_t *argument = json_array_get(arguments, i);
        buffer_append_format(text, "%s{", i > 0 ? "," : "");
        append_term(text, "longstr", json_array_get(argument, 0));
        buffer_append_u8(text, ',');
        append_term(text, json_string_value(json_array_get(argument, 1)),
                    json_array_get(argument, 2));
        buffer_append_u8(text, '}');
    }
    buffer_append_u8(text, ']');
}

/* Texts are lists of characters to Erlang, and an empty one is []. */
static void append_term(struct buffer *text, const char *type, const json_t *value)
{
    if (type != NULL && strcmp(type, "table") == 0) {
        append_arguments(text, value);
    } else if (json_is_string(value) && json_string_length(value) == 0) {
        buffer_append_format(text, "[]");
    } else if (json_is_string(value)) {
        buffer_append_u8(text, '"');
        append_text(text, value);
        buffer_append_u8(text, '"');
    } else if (json_is_array(value)) {
        buffer_append_u8(text, '[');
        for (size_t i = 0; i < json_array_size(value); i++) {
            buffer_append_format(text, "%s", i > 0 ? "," : "");
            append_term(text, NULL, json_array_get(value, i));
        }
        buffer_append_u8(text, ']');
    } else {
        output_append_value(text, value);
    }
}

static const json_t *cell(const struct listing *listing, size_t row, size_t column)
{
    return json_object_get(json_array_get(listing->rows, row), listing->columns[column]);
}

static void append_cell_text(struct buffer *text, const struct listing *listing, size_t row,
                             size_t column)
{
    const json_t *value = cell(listing, row, column);
    const char *name = listing->columns[column];
    if (strcmp(name, "arguments") == 0 || strcmp(name, "client_properties") == 0)
        append_arguments(text, value);
    else
        output_append_value(text, value);
}

static void print(struct buffer *text)
{
    fwrite(text->data, 1, text->size, stdout);
    buffer_clear(text);
}

/* --- table */

/* Blanks behind a cell that is narrower than its header. */
static void pad(struct buffer *line, size_t from, const struct listing *listing, size_t column)
{
    size_t width = 0, wanted = listing->is_padded ? strlen(listing->columns[column]) : 0;
    for (size_t i = from; i < line->size; i++)
        width += (line->data[i] & 0xc0) != 0x80;
    for (; width < wanted; width++)
        buffer_append_u8(line, ' ');
}

static void print_table(const struct listing *listing)
{
    struct buffer line = {0};
    size_t count = json_array_size(listing->rows);
    for (size_t i = 0; i < listing->column_count && listing->has_headers && count > 0; i++)
        printf("%s%c", listing->columns[i], i + 1 < listing->column_count ? '\t' : '\n');
    for (size_t row = 0; row < count; row++) {
        for (size_t i = 0; i < listing->column_count; i++) {
            size_t from = line.size;
            append_cell_text(&line, listing, row, i);
            pad(&line, from, listing, i);
            buffer_append_u8(&line, i + 1 < listing->column_count ? '\t' : '\n');
        }
        print(&line);
    }
    if (count == 0 && listing->is_blank_if_empty)
        putchar('\n');
    buffer_fini(&line);
}

/* --- JSON */

static void print_json_row(const struct listing *listing, size_t row)
{
    json_t *object = json_object();
    for (size_t i = 0; i < listing->column_count; i++)
        json_object_set(object, listing->columns[i], (json_t *)(uintptr_t)cell(listing, row, i));
    char *text = json_dumps(object, JSON_COMPACT);
    printf("%s\n", text);
    free(text);
    json_decref(object);
}

static void print_json(const struct listing *listing)
{
    size_t count = json_array_size(listing->rows);
    printf("[%s", count > 0 ? "\n" : "");
    for (size_t row = 0; row < count; row++) {
        fputs(row > 0 ? "," : "", stdout);
        print_json_row(listing, row);
    }
    printf("]\n");
}

/* A document for each row, with an empty line behind it. */
static void print_json_stream(const struct listing *listing)
{
    for (size_t row = 0; row < json_array_size(listing->rows); row++) {
        print_json_row(listing, row);
        putchar('\n');
    }
}

/* --- terms */

static struct term *term_of_row(const struct listing *listing, size_t row)
{
    return row_term(json_array_get(listing->rows, row), listing->columns, listing->column_count);
}

static void print_erlang(const struct listing *listing)
{
    struct term *rows = term_list();
    for (size_t row = 0; row < json_array_size(listing->rows); row++)
        term_add(rows, term_of_row(listing, row));
    term_print(rows);
    term_free(rows);
}

static void print_elixir_rows(const struct listing *listing, const char *between)
{
    struct buffer text = {0};
    for (size_t row = 0; row < json_array_size(listing->rows); row++) {
        struct term *term = term_of_row(listing, row);
        buffer_append_format(&text, "%s", row > 0 ? between : "");
        term_append_elixir(&text, term);
        buffer_append_u8(&text, '\n');
        print(&text);
        term_free(term);
    }
    buffer_fini(&text);
}

static void print_inspected(const struct listing *listing)
{
    puts("[");
    print_elixir_rows(listing, ",");
    puts("]");
}

static void print_strings(const struct listing *listing)
{
    print_elixir_rows(listing, "");
}

/* --- CSV */

/* Everything in quotes, numbers as well. */
static void append_csv(struct buffer *line, const struct listing *listing, size_t row,
                       size_t column)
{
    struct buffer text = {0};
    append_cell_text(&text, listing, row, column);
    buffer_append_u8(line, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"')
            buffer_append_u8(line, '"');
        buffer_append_u8(line, text.data[i]);
    }
    buffer_append_u8(line, '"');
    buffer_fini(&text);
}

static void print_csv(const struct listing *listing)
{
    struct buffer line = {0};
    size_t count = json_array_size(listing->rows);
    for (size_t i = 0; i < listing->column_count && listing->has_headers; i++)
        printf("\"%s\"%c", listing->columns[i], i + 1 < listing->column_count ? ',' : '\n');
    for (size_t row = 0; row < count; row++) {
        for (size_t i = 0; i < listing->column_count; i++) {
            append_csv(&line, listing, row, i);
            buffer_append_u8(&line, i + 1 < listing->column_count ? ',' : '\n');
        }
        print(&line);
    }
    buffer_fini(&line);
}

/* --- a table with borders */

/* In characters, as far as each takes one place. */
static size_t text_width(const struct buffer *text)
{
    size_t width = 0;
    for (size_t i = 0; i < text->size; i++)
        width += (text->data[i] & 0xc0) != 0x80;
    return width;
}

static size_t cell_width(const struct listing *listing, size_t row, size_t column)
{
    struct buffer text = {0};
    append_cell_text(&text, listing, row, column);
    size_t width = text_width(&text);
    buffer_fini(&text);
    return width;
}

static void append_cell(struct buffer *line, const struct buffer *text, size_t width)
{
    buffer_append_format(line, "\u2502 ");
    buffer_append_bytes(line, buffer_bytes(text));
    for (size_t used = text_width(text); used <= width; used++)
        buffer_append_u8(line, ' ');
}

static void print_border(const struct listing *listing, const size_t *widths, const char *left,
                         const char *middle, const char *right)
{
    for (size_t i = 0; i < listing->column_count; i++) {
        fputs(i == 0 ? left : middle, stdout);
        for (size_t used = 0; used < widths[i] + 2; used++)
            fputs("\u2500", stdout);
    }
    printf("%s\n", right);
}

/* row SIZE_MAX: the headers. */
static void print_bordered_row(const struct listing *listing, const size_t *widths, size_t row)
{
    struct buffer line = {0}, text = {0};
    for (size_t i = 0; i < listing->column_count; i++) {
        if (row == SIZE_MAX)
            buffer_append_format(&text, "%s", listing->columns[i]);
        else
            append_cell_text(&text, listing, row, i);
        append_cell(&line, &text, widths[i]);
        buffer_clear(&text);
    }
    buffer_append_format(&line, "\u2502\n");
    print(&line);
    buffer_fini(&line);
    buffer_fini(&text);
}

static void print_bordered(const struct listing *listing)
{
    size_t count = json_array_size(listing->rows);
    size_t *widths = xcalloc(listing->column_count + 1, sizeof widths[0]);
    for (size_t i = 0; i < listing->column_count; i++) {
        widths[i] = listing->has_headers ? strlen(listing->columns[i]) : 0;
        for (size_t row = 0; row < count; row++) {
            size_t width = cell_width(listing, row, i);
            widths[i] = width > widths[i] ? width : widths[i];
        }
    }
    print_border(listing, widths, "\u250c", "\u252c", "\u2510");
    if (listing->has_headers) {
        print_bordered_row(listing, widths, SIZE_MAX);
        print_border(listing, widths, "\u251c", "\u253c", "\u2524");
    }
    for (size_t row = 0; row < count; row++) {
        if (row > 0)
            print_border(listing, widths, "\u251c", "\u253c", "\u2524");
        print_bordered_row(listing, widths, row);
    }
    print_border(listing, widths, "\u2514", "\u2534", "\u2518");
    free(widths);
}

/* --- the formatters */

static const struct formatter {
    const char *name;
    void (*print)(const struct listing *listing);
    bool is_for_machines;
} formatters[] = {
    {"table", print_table, false},
    {"json", print_json, true},
    {"json_stream", print_json_stream, true},
    {"csv", print_csv, true},
    {"pretty_table", print_bordered, false},
    {"erlang", print_erlang, false},
    {"inspect", print_inspected, false},
    {"string", print_strings, false},
};

/* In any case, as rabbitmqctl has it. */
static const struct formatter *find_formatter(const char *name)
{
    for (size_t i = 0; i < sizeof formatters / sizeof formatters[0]; i++) {
        if (strcasecmp(formatters[i].name, name) == 0)
            return &formatters[i];
    }
    return NULL;
}

const char *output_find_formatter(const char *name)
{
    const struct formatter *formatter = find_formatter(name);
    return formatter != NULL ? formatter->name : NULL;
}

bool output_is_for_machines(const char *name)
{
    return find_formatter(name)->is_for_machines;
}

static void print_rows(const struct json_t *rows, const char *columns, const char *between,
                       const struct formatter *formatter, const struct options *options,
                       bool is_blank_if_empty)
{
    char *text = xstrdup(columns);
    char *rest = NULL;
    struct listing listing = {.rows = rows,
                              .columns = xcalloc(strlen(columns) + 1, sizeof listing.columns[0]),
                              .has_headers = options->has_headers,
                              .is_padded = options->is_padded,
                              .is_blank_if_empty = is_blank_if_empty};
    for (char *name = strtok_r(text, between, &rest); name != NULL;
         name = strtok_r(NULL, between, &rest))
        listing.columns[listing.column_count++] = name;
    formatter->print(&listing);
    free(listing.columns);
    free(text);
}

void output_list(const struct json_t *rows, const char *columns, const struct options *options,
                 bool is_blank_if_empty)
{
    print_rows(rows, columns, " ", find_formatter(options->formatter), options, is_blank_if_empty);
}

void output_bordered_list(const struct json_t *rows, const char *columns,
                          const struct options *options)
{
    bool is_table = strcmp(options->formatter, "table") == 0;
    print_rows(rows, columns, ",", find_formatter(is_table ? "pretty_table" : options->formatter),
               options, false);
}
