/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terms of Erlang's, printed in its own notation and in Elixir's.
 *
 * Erlang's ~p breaks what is longer than a line as io_lib_pretty does. An element that is a list or
 * a tuple stands alone on its line, those that are neither follow each other. What is behind the
 * atom with which a tuple begins is indented as far as that atom is long, unless lines would begin
 * in their right half somewhere: then by 4 everywhere, or by 1 where even that is too much. To find
 * that out it is printed, at most three times.
 */
#include "cli/term.h"

#include <ctype.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/xmalloc.h"

enum { LINE_WIDTH = 80, TAG_INDENT_FULL = -1, TAG_INDENT_SOME = 4, TAG_INDENT_LEAST = 1 };

enum term_kind { TERM_ATOM, TERM_BINARY, TERM_PLAIN, TERM_LIST, TERM_TUPLE };

struct term {
    enum term_kind kind;
    char *text;          /* owned; NULL for lists and tuples */
    struct term **items; /* owned */
    size_t count;
};

/* --- making them */

static struct term *term_new(enum term_kind kind, const char *text)
{
    struct term *term = xcalloc(1, sizeof *term);
    term->kind = kind;
    term->text = text != NULL ? xstrdup(text) : NULL;
    return term;
}

struct term *term_atom(const char *name)
{
    return term_new(TERM_ATOM, name);
}

struct term *term_binary(const char *text)
{
    return term_new(TERM_BINARY, text);
}

struct term *term_plain(const char *text)
{
    return term_new(TERM_PLAIN, text);
}

struct term *term_list(void)
{
    return term_new(TERM_LIST, NULL);
}

struct term *term_tuple(void)
{
    return term_new(TERM_TUPLE, NULL);
}

void term_add(struct term *container, struct term *item)
{
    container->items =
        xrealloc(container->items, (container->count + 1) * sizeof container->items[0]);
    container->items[container->count++] = item;
}

struct term *term_pair(const char *name, struct term *value)
{
    struct term *pair = term_tuple();
    term_add(pair, term_atom(name));
    term_add(pair, value);
    return pair;
}

void term_free(struct term *term)
{
    for (size_t i = 0; i < term->count; i++)
        term_free(term->items[i]);
    free(term->items);
    free(term->text);
    free(term);
}

static struct term *number(const json_t *json)
{
    char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    struct term *term = term_plain(text);
    free(text);
    return term;
}

struct term *term_of_json(const json_t *json)
{
    struct term *term = NULL;
    const char *key;
    json_t *value;
    size_t i;
    switch (json != NULL ? json_typeof(json) : JSON_NULL) {
    case JSON_STRING:
        return term_binary(json_string_value(json));
    case JSON_INTEGER:
    case JSON_REAL:
        return number(json);
    case JSON_TRUE:
    case JSON_FALSE:
        return term_atom(json_is_true(json) ? "true" : "false");
    case JSON_NULL:
        return term_atom("undefined");
    case JSON_ARRAY:
        term = term_list();
        json_array_foreach(json, i, value) term_add(term, term_of_json(value));
        return term;
    case JSON_OBJECT:
        term = term_list();
        json_object_foreach((json_t *)(uintptr_t)json, key, value)
            term_add(term, term_pair(key, term_of_json(value)));
        return term;
    }
    return term_atom("undefined");
}

/* --- what Erlang writes */

/* Of a text in double quotes, or in single ones; bytes from 160 on are characters of Latin 1. */
static void append_quoted(struct buffer *text, const char *value, char quote)
{
    static const char plain[] = "\n\r\t\v\b\f\033", escaped[] = "nrtvbfe";
    buffer_append_u8(text, (uint8_t)quote);
    for (; *value != '\0'; value++) {
        unsigned char byte = (unsigned char)*value;
        const char *place = strchr(plain, byte);
        if (place != NULL)
            buffer_append_format(text, "\\%c", escaped[place - plain]);
        else if (byte == (unsigned char)quote || byte == '\\')
            buffer_append_format(text, "\\%c", byte);
        else if (byte >= 0x80)
            buffer_append_format(text, "%c%c", 0xc0 | byte >> 6, 0x80 | (byte & 0x3f));
        else
            buffer_append_u8(text, byte);
    }
    buffer_append_u8(text, (uint8_t)quote);
}

static bool is_printable_latin1(const char *value)
{
    for (; *value != '\0'; value++) {
        unsigned char byte = (unsigned char)*value;
        bool is_control = byte < 0x20 && strchr("\n\r\t\v\b\f\033", byte) == NULL;
        if (is_control || (byte >= 0x7f && byte < 0xa0))
            return false;
    }
    return true;
}

/* <<"text">>, or its bytes where that is no text to Erlang. */
static void append_erlang_binary(struct buffer *text, const char *value)
{
    buffer_append_format(text, "<<");
    if (value[0] != '\0' && is_printable_latin1(value)) {
        append_quoted(text, value, '"');
    } else {
        for (size_t i = 0; value[i] != '\0'; i++)
            buffer_append_format(text, "%s%u", i > 0 ? "," : "", (unsigned)(unsigned char)value[i]);
    }
    buffer_append_format(text, ">>");
}

static bool is_word(const char *name)
{
    size_t size = strlen(name);
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@") == size;
}

static void append_erlang_atom(struct buffer *text, const char *name)
{
    if (islower((unsigned char)name[0]) && is_word(name))
        buffer_append_format(text, "%s", name);
    else
        append_quoted(text, name, '\'');
}

/* How a notation writes what contains nothing. */
struct notation {
    void (*append_atom)(struct buffer *text, const char *name);
    void (*append_binary)(struct buffer *text, const char *value);
};

/* False, and nothing is written: it is a list or a tuple. */
static bool append_leaf(struct buffer *text, const struct term *term,
                        const struct notation *notation)
{
    switch (term->kind) {
    case TERM_ATOM:
        notation->append_atom(text, term->text);
        return true;
    case TERM_BINARY:
        notation->append_binary(text, term->text);
        return true;
    case TERM_PLAIN:
        buffer_append_format(text, "%s", term->text);
        return true;
    case TERM_LIST:
    case TERM_TUPLE:
        break;
    }
    return false;
}

static void append_flat(struct buffer *text, const struct term *term)
{
    static const struct notation erlang = {append_erlang_atom, append_erlang_binary};
    if (append_leaf(text, term, &erlang))
        return;
    buffer_append_u8(text, term->kind == TERM_LIST ? '[' : '{');
    for (size_t i = 0; i < term->count; i++) {
        if (i > 0)
            buffer_append_u8(text, ',');
        append_flat(text, term->items[i]);
    }
    buffer_append_u8(text, term->kind == TERM_LIST ? ']' : '}');
}

/* --- lines */

struct lines {
    struct buffer *text;
    int tag_indent;
    bool is_too_deep;
};

/* In characters. */
static int flat_width(const struct term *term)
{
    struct buffer text = {0};
    int width = 0;
    append_flat(&text, term);
    for (size_t i = 0; i < text.size; i++)
        width += (text.data[i] & 0xc0) != 0x80;
    buffer_fini(&text);
    return width;
}

/* Does it stand in a line with others? Bytes that are no text do not. */
static bool is_simple(const struct term *term)
{
    return term->kind == TERM_ATOM || term->kind == TERM_PLAIN ||
           (term->kind == TERM_BINARY &&
            (term->text[0] == '\0' || is_printable_latin1(term->text)));
}

static void begin_line(struct lines *lines, int column)
{
    buffer_append_format(lines->text, ",\n%*s", column - 1, "");
}

static void append_lines(struct lines *lines, const struct term *term, int column, int closing);

/* The columns that it takes; a whole line where nothing may follow in it. closing is how many
 * brackets come right behind it. */
static int append_element(struct lines *lines, const struct term *term, int column, int closing)
{
    int width = flat_width(term);
    if (is_simple(term) && width < LINE_WIDTH - column - closing) {
        append_flat(lines->text, term);
        return width;
    }
    append_lines(lines, term, column, closing);
    return LINE_WIDTH;
}

/* The items from the one with this index on, each after a comma; lines begin in the column first.
 */
static void append_tail(struct lines *lines, const struct term *term, size_t index, int first,
                        int column, int closing)
{
    for (size_t i = index; i < term->count; i++) {
        const struct term *item = term->items[i];
        int behind = i + 1 < term->count ? 0 : closing + 1;
        int width = 1 + flat_width(item);
        if (is_simple(item) && width + (behind == 0) < LINE_WIDTH - column - behind) {
            buffer_append_u8(lines->text, ',');
            append_flat(lines->text, item);
            column += width;
        } else {
            begin_line(lines, first);
            column = first + append_element(lines, item, first, behind);
        }
    }
}

static void append_items(struct lines *lines, const struct term *term, size_t index, int column,
                         int closing)
{
    if (index >= term->count)
        return;
    int behind = index + 1 < term->count ? 0 : closing + 1;
    int width = append_element(lines, term->items[index], column, behind);
    append_tail(lines, term, index + 1, column, column + width, closing);
}

/* A tuple that begins with an atom. */
static void append_tagged(struct lines *lines, const struct term *term, int column, int closing)
{
    int width = flat_width(term->items[0]) + 2, indent = lines->tag_indent;
    append_flat(lines->text, term->items[0]);
    if (indent > 0 && width > indent) {
        lines->is_too_deep = lines->is_too_deep || column + indent > LINE_WIDTH / 2;
        append_tail(lines, term, 1, column + indent, column + width, closing);
    } else {
        lines->is_too_deep = lines->is_too_deep || column + width >= LINE_WIDTH / 2;
        buffer_append_u8(lines->text, ',');
        append_items(lines, term, 1, column + width, closing);
    }
}

/* The numbers of bytes, in as many lines as they need. */
static void append_bytes(struct lines *lines, const struct term *term, int column, int closing)
{
    int width = LINE_WIDTH - column - 2 - closing, left = width > 8 ? width : 8;
    int most = left;
    buffer_append_format(lines->text, "<<");
    for (size_t i = 0; term->text[i] != '\0'; i++) {
        char number_text[8];
        bool is_last = term->text[i + 1] == '\0';
        int size = snprintf(number_text, sizeof number_text, "%u%s",
                            (unsigned)(unsigned char)term->text[i], is_last ? "" : ",");
        if (size > left) {
            buffer_append_format(lines->text, "\n%*s", column + 1, "");
            left = most;
        }
        left -= size;
        buffer_append_format(lines->text, "%s", number_text);
    }
    buffer_append_format(lines->text, ">>");
}

static void append_lines(struct lines *lines, const struct term *term, int column, int closing)
{
    bool is_list = term->kind == TERM_LIST;
    if (flat_width(term) < LINE_WIDTH - column - closing || is_simple(term)) {
        append_flat(lines->text, term);
        return;
    }
    if (term->kind == TERM_BINARY) {
        append_bytes(lines, term, column, closing);
        return;
    }
    buffer_append_u8(lines->text, is_list ? '[' : '{');
    if (!is_list && term->count > 1 && term->items[0]->kind == TERM_ATOM)
        append_tagged(lines, term, column, closing);
    else
        append_items(lines, term, 0, column + 1, closing);
    buffer_append_u8(lines->text, is_list ? ']' : '}');
}

void term_append_erlang(struct buffer *text, const struct term *term)
{
    static const int indents[] = {TAG_INDENT_FULL, TAG_INDENT_SOME, TAG_INDENT_LEAST};
    struct buffer tried = {0};
    struct lines lines = {.text = &tried};
    for (size_t i = 0; i < sizeof indents / sizeof indents[0]; i++) {
        buffer_clear(&tried);
        lines.tag_indent = indents[i];
        lines.is_too_deep = false;
        append_lines(&lines, term, 1, 0);
        if (!lines.is_too_deep)
            break;
    }
    buffer_append_bytes(text, buffer_bytes(&tried));
    buffer_fini(&tried);
}

void term_print(const struct term *term)
{
    struct buffer text = {0};
    term_append_erlang(&text, term);
    buffer_append_u8(&text, '\n');
    fwrite(text.data, 1, text.size, stdout);
    buffer_fini(&text);
}

/* --- Elixir */

static void append_elixir_text(struct buffer *text, const char *value)
{
    static const char plain[] = "\n\r\t\v\b\f\033\a", escaped[] = "nrtvbfea";
    buffer_append_u8(text, '"');
    for (; *value != '\0'; value++) {
        unsigned char byte = (unsigned char)*value;
        const char *place = strchr(plain, byte);
        if (place != NULL)
            buffer_append_format(text, "\\%c", escaped[place - plain]);
        else if (byte == '"' || byte == '\\' || (byte == '#' && value[1] == '{'))
            buffer_append_format(text, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            buffer_append_format(text, "\\x%02X", byte);
        else if (byte == 0xc2 && (unsigned char)value[1] < 0xa0)
            buffer_append_format(text, "\\u%04X", (unsigned char)*++value);
        else
            buffer_append_u8(text, byte);
    }
    buffer_append_u8(text, '"');
}

static bool is_elixir_name(const char *name)
{
    return name[0] != '\0' && !isdigit((unsigned char)name[0]) && name[0] != '@' && is_word(name);
}

static void append_elixir_atom(struct buffer *text, const char *name)
{
    bool is_bare = strcmp(name, "true") == 0 || strcmp(name, "false") == 0;
    buffer_append_format(text, "%s", is_bare ? "" : ":");
    if (is_elixir_name(name))
        buffer_append_format(text, "%s", name);
    else
        append_elixir_text(text, name);
}

/* Pairs with atoms in front are written as [name: value]. */
static bool is_keywords(const struct term *term)
{
    bool is_all = term->kind == TERM_LIST && term->count > 0;
    for (size_t i = 0; i < term->count && is_all; i++) {
        const struct term *item = term->items[i];
        is_all = item->kind == TERM_TUPLE && item->count == 2 && item->items[0]->kind == TERM_ATOM;
    }
    return is_all;
}

static void append_keyword(struct buffer *text, const struct term *pair)
{
    const char *name = pair->items[0]->text;
    if (is_elixir_name(name))
        buffer_append_format(text, "%s", name);
    else
        append_elixir_text(text, name);
    buffer_append_format(text, ": ");
    term_append_elixir(text, pair->items[1]);
}

void term_append_elixir(struct buffer *text, const struct term *term)
{
    static const struct notation elixir = {append_elixir_atom, append_elixir_text};
    if (append_leaf(text, term, &elixir))
        return;
    bool has_keywords = is_keywords(term);
    buffer_append_u8(text, term->kind == TERM_LIST ? '[' : '{');
    for (size_t i = 0; i < term->count; i++) {
        buffer_append_format(text, "%s", i > 0 ? ", " : "");
        if (has_keywords)
            append_keyword(text, term->items[i]);
        else
            term_append_elixir(text, term->items[i]);
    }
    buffer_append_u8(text, term->kind == TERM_LIST ? ']' : '}');
}
