/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `leveretctl top`: the queues, connections or channels that do the most, again and again. The
 * server sorts and filters, so that of very many only those that are shown come over. On a terminal
 * it is a screen with keys (top_screen.c); --once and --batch print it.
 */
#include "cli/top.h"

#include <jansson.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/top_screen.h"
#include "net/control.h"

enum {
    INTERVAL_MS = 2000,
    INTERVAL_MS_MIN = 100,
    FIRST_PAUSE_MS = 1000, /* of --once: the rates are those of this time */
    TIMEOUT_MS = 60000,
    ROWS = 20,
    ROWS_MAX = 1000,
};

void top_set_sort(struct top *top, size_t column)
{
    const struct top_view *view = &top_views[top->view];
    top->sorts[top->view].column = column;
    top->sorts[top->view].is_ascending = view->columns[column].kind == TOP_TEXT;
}

json_t *top_request(const struct top *top, size_t row_count)
{
    const struct top_view *view = &top_views[top->view];
    return json_pack("{s:s, s:{s:s, s:s, s:b, s:s, s:I}}", "command", "top", "arguments", "view",
                     view->name, "sort", view->columns[top->sorts[top->view].column].key,
                     "ascending", top->sorts[top->view].is_ascending ? 1 : 0, "filter", top->filter,
                     "count", (json_int_t)row_count);
}

void top_take(struct top *top, json_t *answer)
{
    const json_t *totals = json_object_get(answer, "totals");
    json_decref(top->answer);
    top->answer = answer;
    top->former = top->last;
    top->last = (struct top_totals){
        .time_ms = top_number(top, "time_ms"),
        .published = json_integer_value(json_object_get(totals, "published")),
        .delivered = json_integer_value(json_object_get(totals, "delivered")),
        .acked = json_integer_value(json_object_get(totals, "acked")),
    };
    if (top->last.time_ms < top->former.time_ms)
        top->former = (struct top_totals){0}; /* another server */
}

/* --- as text */

static void print_line(struct buffer *line)
{
    while (line->size > 0 && line->data[line->size - 1] == ' ')
        line->size--;
    buffer_append_u8(line, '\n');
    fwrite(line->data, 1, line->size, stdout);
    buffer_clear(line);
}

static void print_table(const struct top *top)
{
    struct buffer line = {0};
    int name_width = top_name_width(top, 0);
    for (size_t i = 0; top_print_totals(top, i, &line); i++)
        print_line(&line);
    print_line(&line);
    top_print_titles(top, name_width, 0, &line);
    print_line(&line);
    for (size_t i = 0; i < top_row_count(top); i++) {
        top_print_row(top, i, name_width, 0, &line);
        print_line(&line);
    }
    buffer_fini(&line);
}

static void print_rows(const struct top *top, const struct options *options)
{
    struct buffer columns = {0};
    const struct top_view *view = &top_views[top->view];
    for (size_t i = 0; i < view->column_count; i++)
        buffer_append_format(&columns, "%s%s", i > 0 ? " " : "", view->columns[i].key);
    buffer_append_u8(&columns, '\0');
    output_list(json_object_get(top->answer, "rows"), (const char *)columns.data, options, false);
    buffer_fini(&columns);
}

static void print(const struct top *top, const struct options *options)
{
    if (strcmp(options->formatter, "table") == 0) {
        print_table(top);
    } else if (strcmp(options->formatter, "json") == 0) {
        char *text = json_dumps(top->answer, JSON_COMPACT);
        puts(text != NULL ? text : "");
        free(text);
    } else {
        print_rows(top, options);
    }
    fflush(stdout);
}

/* The exit status; what went wrong was said. */
static int ask(struct top *top, const struct options *options, size_t row_count)
{
    char reason[256] = "the server did not answer in time";
    json_t *request = top_request(top, row_count), *reply = NULL;
    int64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : TIMEOUT_MS;
    enum client_result result =
        client_call(options->data_dir, request, client_now_ms() + timeout_ms, &reply, NULL, reason,
                    sizeof reason);
    int status = result == CLIENT_TIMEOUT ? CONTROL_TIMEOUT : CONTROL_UNAVAILABLE;
    json_decref(request);
    if (result == CLIENT_OK) {
        const char *error = json_string_value(json_object_get(reply, "error"));
        status = (int)json_integer_value(json_object_get(reply, "status"));
        snprintf(reason, sizeof reason, "%s", error != NULL ? error : "");
    }
    if (status == CONTROL_OK)
        top_take(top, json_incref(json_object_get(reply, "result")));
    else
        fprintf(stderr, "Error: unable to look at the server in '%s': %s\n", options->data_dir,
                reason);
    json_decref(reply);
    return status;
}

/* count 0: until somebody ends it. The first look is only there to make rates of. */
static int print_again_and_again(struct top *top, const struct options *options, long count,
                                 int interval_ms, size_t row_count)
{
    int status = ask(top, options, 1);
    for (long i = 0; status == CONTROL_OK && (count == 0 || i < count); i++) {
        poll(NULL, 0, i == 0 && interval_ms > FIRST_PAUSE_MS ? FIRST_PAUSE_MS : interval_ms);
        status = ask(top, options, row_count);
        if (status == CONTROL_OK && i > 0 && strcmp(options->formatter, "json") != 0)
            putchar('\n');
        if (status == CONTROL_OK)
            print(top, options);
    }
    return status;
}

/* --- the command line */

static bool read_number(const json_t *arguments, const char *name, double min, double max,
                        double *number)
{
    char *end;
    const char *text = json_string_value(json_object_get(arguments, name));
    if (text == NULL || text[0] == '\0')
        return true;
    *number = strtod(text, &end);
    return *end == '\0' && *number >= min && *number <= max;
}

static bool read_view(struct top *top, const char *name)
{
    for (top->view = 0; top->view < TOP_VIEWS; top->view++) {
        if (strcmp(top_views[top->view].name, name) == 0)
            return true;
    }
    return false;
}

static bool read_sort(struct top *top, const char *key)
{
    const struct top_view *view = &top_views[top->view];
    for (size_t i = 0; i < view->column_count; i++) {
        if (strcmp(view->columns[i].key, key) != 0)
            continue;
        top_set_sort(top, i);
        return true;
    }
    return key[0] == '\0';
}

struct settings {
    double interval_s, row_count, count;
};

/* What is wrong, or NULL. */
static const char *read_settings(const json_t *arguments, struct top *top,
                                 struct settings *settings)
{
    const char *view = json_string_value(json_object_get(arguments, "view"));
    const char *sort = json_string_value(json_object_get(arguments, "sort"));
    const char *filter = json_string_value(json_object_get(arguments, "filter"));
    *settings = (struct settings){(double)INTERVAL_MS / 1000, ROWS, 0};
    for (top->view = 0; top->view < TOP_VIEWS; top->view++)
        top_set_sort(top, top_views[top->view].first_sort);
    if (!read_view(top, view != NULL ? view : "queues"))
        return "the view is queues, connections or channels";
    if (!read_sort(top, sort != NULL ? sort : ""))
        return "the view has no such column to sort by";
    if (json_is_true(json_object_get(arguments, "reverse")))
        top->sorts[top->view].is_ascending = !top->sorts[top->view].is_ascending;
    if (filter != NULL && strlen(filter) > TOP_FILTER_MAX)
        return "the filter is too long";
    snprintf(top->filter, sizeof top->filter, "%s", filter != NULL ? filter : "");
    if (!read_number(arguments, "interval", (double)INTERVAL_MS_MIN / 1000, 86400,
                     &settings->interval_s))
        return "the interval is a number of seconds, at least 0.1";
    if (!read_number(arguments, "rows", 1, ROWS_MAX, &settings->row_count))
        return "the number of rows is from 1 to 1000";
    if (!read_number(arguments, "number", 1, 1e9, &settings->count))
        return "the number of times is at least 1";
    return NULL;
}

int top_run(const struct options *options, const json_t *arguments)
{
    struct top top = {0};
    struct settings settings;
    const char *complaint = read_settings(arguments, &top, &settings);
    if (complaint != NULL) {
        options_complain(options, "%s", complaint);
        return CONTROL_USAGE;
    }
    setlocale(LC_CTYPE, "");
    int interval_ms = (int)(settings.interval_s * 1000), status;
    bool is_batch = json_is_true(json_object_get(arguments, "batch"));
    bool is_once = json_is_true(json_object_get(arguments, "once"));
    bool has_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (is_once || is_batch || !has_terminal)
        status = print_again_and_again(&top, options, is_batch ? (long)settings.count : 1,
                                       interval_ms, (size_t)settings.row_count);
    else
        status = top_screen_run(&top, options, interval_ms);
    json_decref(top.answer);
    return status;
}
