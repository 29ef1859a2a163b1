/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_OUTPUT_H
#define LEVERET_CLI_OUTPUT_H

#include <stdbool.h>

struct buffer;
struct json_t;
struct options;

/* The name of a --formatter, in whatever case it was given; NULL: there is none. */
const char *output_find_formatter(const char *name);

/* Is what it prints for programs, so that there are no banners? There is such a formatter. */
bool output_is_for_machines(const char *name);

/* Prints rows (an array of objects) with these columns, by the formatter of the options.
 * is_blank_if_empty: a table without rows is an empty line, else nothing. */
void output_list(const struct json_t *rows, const char *columns, const struct options *options,
                 bool is_blank_if_empty);

/* The same for columns whose names have blanks in them, with commas between, and with borders where
 * the options say nothing else. */
void output_bordered_list(const struct json_t *rows, const char *columns,
                          const struct options *options);

/* Appends a value as it stands in a table: texts as they are but for control characters, lists in
 * brackets, nothing for null. */
void output_append_value(struct buffer *text, const struct json_t *value);

#endif
