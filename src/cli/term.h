/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_TERM_H
#define LEVERET_CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>

struct buffer;
struct json_t;

/* A term of Erlang's, as the formatters `erlang` and `inspect` print values. */
struct term;

/* All are the caller's, or that of the term to which they are added. */
struct term *term_atom(const char *name);
struct term *term_binary(const char *text);
/* What stands as it is: a number, a pid. */
struct term *term_plain(const char *text);
struct term *term_list(void);
struct term *term_tuple(void);
/* To a list or a tuple. */
void term_add(struct term *container, struct term *item);
void term_free(struct term *term);

/* {name, value} */
struct term *term_pair(const char *name, struct term *value);

/* Objects become lists of pairs, texts binaries. */
struct term *term_of_json(const struct json_t *json);

/* As Erlang's ~p prints it: in lines of 80 characters where it can. */
void term_append_erlang(struct buffer *text, const struct term *term);
/* The same, to the standard output. */
void term_print(const struct term *term);

/* As Elixir's inspect prints it, in one line. */
void term_append_elixir(struct buffer *text, const struct term *term);

#endif
