/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_ANSWER_H
#define LEVERET_CLI_ANSWER_H

#include <stdbool.h>
#include <stdio.h>

struct json_t;
struct options;

/* What commands share that print from the server's answer to "diagnosis". */

/* "" where it is not there. */
const char *answer_text(const struct json_t *object, const char *key);
const char *answer_node(const struct json_t *answer);

bool answer_is_json(const struct options *options);
bool answer_is_term(const struct options *options);
/* One of the two, and no text. */
bool answer_is_value(const struct options *options);
/* The node's name stands between the two. */
void answer_print_banner(const struct json_t *answer, const struct options *options,
                         const char *before, const char *after);
/* That something was done, which only a value says. */
void answer_print_done(const struct json_t *answer, const struct options *options);
/* As such a value, its members sorted; takes it over. As a term it is its message, its value,
 * nothing where all is well, else all of it. */
void answer_print(const struct options *options, struct json_t *answer);
/* The same, members as they stand. */
void answer_print_in_order(const struct options *options, const struct json_t *answer);
/* In one line of JSON; takes the object over. */
void answer_print_json(FILE *file, struct json_t *object);

/* What went wrong, on standard error: a text behind a line "Error:" (unless is_bare), or
 * {"result": "error", "message": TEXT, "node": NODE}. node may be NULL. */
void answer_print_error(const struct options *options, const char *node, const char *text,
                        bool is_bare);

#endif
