/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `leveretctl top` shows, as lines of text. A line has the columns for which there is room:
 * the names get what the others leave, and where that is too little the last columns go. Widths are
 * in places on the terminal, of which a character may take none, one or two.
 */
#define _GNU_SOURCE 1 /* wcwidth */
#include "cli/top.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "cli/output.h"

enum { NAME_WIDTH_MIN = 16, NUMBER_SIZE = 32 };

static const struct top_column queue_columns[] = {
    {"name", "NAME", TOP_TEXT, 0},
    {"vhost", "VHOST", TOP_TEXT, 10},
    {"messages_ready", "READY", TOP_COUNT, 9},
    {"messages_unacknowledged", "UNACKED", TOP_COUNT, 9},
    {"consumers", "CONS", TOP_COUNT, 5},
    {"publish_rate", "PUBLISH/S", TOP_RATE, 9},
    {"deliver_rate", "DELIVER/S", TOP_RATE, 9},
    {"ack_rate", "ACK/S", TOP_RATE, 9},
    {"memory", "MEMORY", TOP_BYTES, 8},
    {"messages", "TOTAL", TOP_COUNT, 9},
    {"type", "TYPE", TOP_TEXT, 8},
};

static const struct top_column connection_columns[] = {
    {"name", "NAME", TOP_TEXT, 0},
    {"user", "USER", TOP_TEXT, 10},
    {"vhost", "VHOST", TOP_TEXT, 10},
    {"state", "STATE", TOP_TEXT, 8},
    {"channels", "CHAN", TOP_COUNT, 5},
    {"recv_rate", "RECV/S", TOP_BYTE_RATE, 8},
    {"send_rate", "SEND/S", TOP_BYTE_RATE, 8},
    {"send_pend", "UNSENT", TOP_BYTES, 8},
    {"recv_oct", "RECEIVED", TOP_BYTES, 8},
    {"send_oct", "SENT", TOP_BYTES, 8},
};

static const struct top_column channel_columns[] = {
    {"name", "NAME", TOP_TEXT, 0},
    {"user", "USER", TOP_TEXT, 10},
    {"vhost", "VHOST", TOP_TEXT, 10},
    {"messages_unacknowledged", "UNACKED", TOP_COUNT, 9},
    {"consumers", "CONS", TOP_COUNT, 5},
    {"publish_rate", "PUBLISH/S", TOP_RATE, 9},
    {"deliver_rate", "DELIVER/S", TOP_RATE, 9},
    {"ack_rate", "ACK/S", TOP_RATE, 9},
    {"messages_unconfirmed", "UNCONF", TOP_COUNT, 7},
    {"prefetch_count", "PREFETCH", TOP_COUNT, 8},
};

#define VIEW(name, columns, first_sort)                                                            \
    {                                                                                              \
        name, columns, sizeof(columns) / sizeof(columns)[0], first_sort                            \
    }
const struct top_view top_views[TOP_VIEWS] = {
    VIEW("queues", queue_columns, 2),
    VIEW("connections", connection_columns, 5),
    VIEW("channels", channel_columns, 3),
};

/* --- numbers */

/* 999 B, 1.5 kB, 12.3 MB: four places and the unit. */
static void format_bytes(char *text, double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;
    while (bytes >= 999.5 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1000;
        unit++;
    }
    snprintf(text, NUMBER_SIZE, unit == 0 || bytes >= 99.95 ? "%.0f %s" : "%.1f %s", bytes,
             units[unit]);
}

static void format_number(char *text, enum top_kind kind, const json_t *value)
{
    double number = json_number_value(value);
    if (!json_is_number(value))
        snprintf(text, NUMBER_SIZE, "-");
    else if (kind == TOP_BYTES || kind == TOP_BYTE_RATE)
        format_bytes(text, number);
    else
        snprintf(text, NUMBER_SIZE,
                 kind == TOP_RATE && number > 0 && number < 9.95 ? "%.1f" : "%.0f", number);
}

/* --- places on the terminal */

/* The character at the beginning of a text: its bytes, and its places; what cannot be shown takes
 * one. */
static int character(const char *text, size_t size, size_t *bytes)
{
    mbstate_t state = {0};
    wchar_t wide;
    size_t used = mbrtowc(&wide, text, size, &state);
    bool is_right = used > 0 && used <= size && wcwidth(wide) >= 0;
    *bytes = is_right ? used : 1;
    return is_right ? wcwidth(wide) : -1;
}

static int text_width(const struct buffer *text)
{
    int width = 0;
    for (size_t i = 0, bytes; i < text->size; i += bytes) {
        int places = character((const char *)text->data + i, text->size - i, &bytes);
        width += places < 0 ? 1 : places;
    }
    return width;
}

/* As much of the text as takes these places; the places that it takes. */
static int append_places(struct buffer *line, const struct buffer *text, int width)
{
    int used = 0;
    for (size_t i = 0, bytes; i < text->size; i += bytes) {
        int places = character((const char *)text->data + i, text->size - i, &bytes);
        if (used + (places < 0 ? 1 : places) > width)
            break;
        used += places < 0 ? 1 : places;
        if (places < 0)
            buffer_append_u8(line, '?');
        else
            buffer_append(line, text->data + i, bytes);
    }
    return used;
}

void top_clip(struct buffer *text, int width)
{
    struct buffer clipped = {0};
    append_places(&clipped, text, width);
    buffer_fini(text);
    *text = clipped;
}

static void append_blanks(struct buffer *line, int count)
{
    for (int i = 0; i < count; i++)
        buffer_append_u8(line, ' ');
}

/* What does not fit ends with a mark. */
static void append_fitting(struct buffer *line, const struct buffer *text, int width, bool is_right)
{
    int needed = text_width(text);
    if (needed > width) {
        int used = append_places(line, text, width - 1);
        buffer_append_u8(line, '~');
        append_blanks(line, width - 1 - used);
        return;
    }
    append_blanks(line, is_right ? width - needed : 0);
    append_places(line, text, width);
    append_blanks(line, is_right ? 0 : width - needed);
}

/* --- the table */

static const struct top_view *view_of(const struct top *top)
{
    return &top_views[top->view];
}

static const json_t *rows_of(const struct top *top)
{
    return json_object_get(top->answer, "rows");
}

size_t top_row_count(const struct top *top)
{
    return json_array_size(rows_of(top));
}

static void append_cell_text(struct buffer *text, const struct top_column *column,
                             const json_t *row)
{
    char number[NUMBER_SIZE];
    const json_t *value = json_object_get(row, column->key);
    if (column->kind == TOP_TEXT) {
        output_append_value(text, value);
        return;
    }
    format_number(number, column->kind, value);
    buffer_append_format(text, "%s", number);
}

/* Columns that have room beside the names. */
static size_t columns_that_fit(const struct top_view *view, int name_width, int width)
{
    size_t count = 1;
    int used = name_width;
    while (count < view->column_count) {
        used += 1 + view->columns[count].width;
        if (width > 0 && used > width)
            break;
        count++;
    }
    return count;
}

static int width_of_names(const struct top *top)
{
    int widest = NAME_WIDTH_MIN;
    for (size_t i = 0; i < top_row_count(top); i++) {
        struct buffer text = {0};
        append_cell_text(&text, &view_of(top)->columns[0], json_array_get(rows_of(top), i));
        int width = text_width(&text);
        widest = width > widest ? width : widest;
        buffer_fini(&text);
    }
    return widest;
}

int top_name_width(const struct top *top, int width)
{
    const struct top_view *view = view_of(top);
    if (width == 0)
        return width_of_names(top);
    size_t count = columns_that_fit(view, NAME_WIDTH_MIN, width);
    for (size_t i = 1; i < count; i++)
        width -= 1 + view->columns[i].width;
    return width;
}

void top_print_titles(const struct top *top, int name_width, int width, struct buffer *text)
{
    const struct top_view *view = view_of(top);
    size_t count = columns_that_fit(view, name_width, width);
    for (size_t i = 0; i < count; i++) {
        struct buffer title = {0};
        const struct top_column *column = &view->columns[i];
        bool is_sorted = top->sorts[top->view].column == i;
        bool is_ascending = top->sorts[top->view].is_ascending;
        buffer_append_format(&title, "%s%s", is_sorted ? is_ascending ? "^" : "v" : "",
                             column->title);
        append_blanks(text, i > 0);
        append_fitting(text, &title, i == 0 ? name_width : column->width, column->kind != TOP_TEXT);
        buffer_fini(&title);
    }
}

void top_print_row(const struct top *top, size_t row, int name_width, int width,
                   struct buffer *text)
{
    const struct top_view *view = view_of(top);
    size_t count = columns_that_fit(view, name_width, width);
    for (size_t i = 0; i < count; i++) {
        struct buffer cell = {0};
        const struct top_column *column = &view->columns[i];
        append_cell_text(&cell, column, json_array_get(rows_of(top), row));
        append_blanks(text, i > 0);
        append_fitting(text, &cell, i == 0 ? name_width : column->width, column->kind != TOP_TEXT);
        buffer_fini(&cell);
    }
}

/* --- the lines above it */

static int64_t number_in(const struct top *top, const char *object, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(top->answer, object), key));
}

int64_t top_number(const struct top *top, const char *key)
{
    return json_integer_value(json_object_get(top->answer, key));
}

static void print_server(const struct top *top, struct buffer *text)
{
    int64_t uptime_s = number_in(top, "node", "uptime") / 1000;
    buffer_append_format(text, "%s, Leveret %s, up ",
                         json_string_value(json_object_get(top->answer, "node_name")),
                         json_string_value(json_object_get(top->answer, "leveret_version")));
    if (uptime_s >= 86400)
        buffer_append_format(text, "%" PRId64 " d ", uptime_s / 86400);
    buffer_append_format(text, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, uptime_s / 3600 % 24,
                         uptime_s / 60 % 60, uptime_s % 60);
}

static void print_alarms(const struct top *top, struct buffer *text)
{
    const json_t *alarms = json_object_get(top->answer, "alarms");
    buffer_append_format(text, "Alarms: ");
    for (size_t i = 0; i < json_array_size(alarms); i++)
        buffer_append_format(text, "%s%s", i > 0 ? ", " : "",
                             json_string_value(json_array_get(alarms, i)));
    buffer_append_format(text, "%s", json_array_size(alarms) == 0 ? "none" : ": publishers wait");
    if (json_is_true(json_object_get(top->answer, "is_under_maintenance")))
        buffer_append_format(text, ". The server is under maintenance");
}

static void print_counts(const struct top *top, struct buffer *text)
{
    buffer_append_format(
        text,
        "Queues: %" PRId64 "  Connections: %" PRId64 "  Channels: %" PRId64 "  Consumers: %" PRId64,
        number_in(top, "totals", "queues"), number_in(top, "totals", "connections"),
        number_in(top, "totals", "channels"), number_in(top, "totals", "consumers"));
}

static void append_rate(struct buffer *text, const char *name, int64_t before, int64_t now,
                        int64_t elapsed_ms)
{
    buffer_append_format(text, "  %s: ", name);
    if (elapsed_ms <= 0 || now < before)
        buffer_append_format(text, "-/s");
    else
        buffer_append_format(text, "%" PRId64 "/s",
                             ((now - before) * 1000 + elapsed_ms / 2) / elapsed_ms);
}

static void print_messages(const struct top *top, struct buffer *text)
{
    const struct top_totals *last = &top->last, *former = &top->former;
    int64_t elapsed_ms = former->time_ms > 0 ? last->time_ms - former->time_ms : 0;
    buffer_append_format(text, "Messages: %" PRId64 " ready, %" PRId64 " unacked",
                         number_in(top, "totals", "messages_ready"),
                         number_in(top, "totals", "messages_unacknowledged"));
    append_rate(text, "Published", former->published, last->published, elapsed_ms);
    append_rate(text, "Delivered", former->delivered, last->delivered, elapsed_ms);
    append_rate(text, "Acked", former->acked, last->acked, elapsed_ms);
}

static void append_use(struct buffer *text, const char *name, int64_t used, int64_t limit,
                       const char *relation)
{
    char one[NUMBER_SIZE], other[NUMBER_SIZE];
    format_bytes(one, (double)used);
    format_bytes(other, (double)limit);
    buffer_append_format(text, "%s: %s%s%s  ", name, one, relation, other);
}

static void print_resources(const struct top *top, struct buffer *text)
{
    append_use(text, "Memory", number_in(top, "node", "mem_used"),
               number_in(top, "node", "mem_limit"), " of ");
    append_use(text, "Disk free", number_in(top, "node", "disk_free"),
               number_in(top, "node", "disk_free_limit"), ", alarm below ");
    buffer_append_format(text, "Descriptors: %" PRId64 " of %" PRId64,
                         number_in(top, "node", "fd_used"), number_in(top, "node", "fd_total"));
}

bool top_print_totals(const struct top *top, size_t line, struct buffer *text)
{
    static void (*const printers[])(const struct top *top, struct buffer *text) = {
        print_server, print_counts, print_messages, print_resources, print_alarms};
    if (line >= sizeof printers / sizeof printers[0])
        return false;
    printers[line](top, text);
    return true;
}
