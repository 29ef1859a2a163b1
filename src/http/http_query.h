/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_QUERY_H
#define LEVERET_HTTP_HTTP_QUERY_H

#include <stdbool.h>

struct evkeyvalq;

/* What stands behind the "?" of an address, its names and values decoded, in order; a word without
 * "=" has an empty value. query is empty before. False where a word has no name, or a "%" without
 * its two digits. */
bool http_query_parse(const char *text, struct evkeyvalq *query)
    __attribute__((warn_unused_result));
/* The first value of that name; NULL: there is none. */
const char *http_query_find(const struct evkeyvalq *query, const char *name);
/* Is the text a whole number, as Erlang reads one? What is too large is LONG_MAX or LONG_MIN. */
bool http_query_number(const char *text, long *number);

#endif
