/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_QUERY_H
#define LEVERET_HTTP_HTTP_QUERY_H

#include <stdbool.h>

struct evkeyvalq;

/* What stands behind the "?" of an address, its values decoded, in order; a word without "=" has an
 * empty value, and of those with one name evhttp_find_header finds the first. query is empty
 * before. False where a word has no name, or a "%" without its two digits. */
bool http_query_parse(const char *text, struct evkeyvalq *query)
    __attribute__((warn_unused_result));

#endif
