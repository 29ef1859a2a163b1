/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows: what is asked for is put into them, and nothing else. A client that wants two of forty
 * columns, or an order by one of them, does not have the others made for it.
 */
#include "http/http_row.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "config/json_table.h"
#include "http/http_columns.h"
#include "net/control.h"

bool http_row_wants(const struct http_row *row, const char *name)
{
    return http_columns_want(row->columns, name);
}

void http_row_put(struct http_row *row, const char *name, json_t *value)
{
    if (http_row_wants(row, name))
        json_object_set_new(row->json, name, value);
    else
        json_decref(value);
}

void http_row_number(struct http_row *row, const char *name, uint64_t value)
{
    if (http_row_wants(row, name))
        json_object_set_new(row->json, name, json_integer((json_int_t)value));
}

void http_row_flag(struct http_row *row, const char *name, bool value)
{
    http_row_put(row, name, json_boolean(value));
}

void http_row_text(struct http_row *row, const char *name, struct bytes text)
{
    if (http_row_wants(row, name))
        json_object_set_new(row->json, name,
                            text.data != NULL ? control_json_text(text) : json_null());
}

void http_row_table(struct http_row *row, const char *name, struct bytes table)
{
    if (http_row_wants(row, name))
        json_object_set_new(row->json, name, json_of_table(table));
}

void http_row_idle_since(struct http_row *row, uint64_t time_ms)
{
    char date[sizeof "2026-01-01T00:00:00"], text[sizeof date + sizeof ".000+00:00"];
    time_t time_s = (time_t)(time_ms / 1000);
    struct tm parts;
    if (time_ms == 0 || gmtime_r(&time_s, &parts) == NULL)
        return;
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text, sizeof text, "%s.%03u+00:00", date, (unsigned)(time_ms % 1000));
    http_row_text(row, "idle_since", bytes_of_text(text));
}
