/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client takes for an answer: ranges of media types with parameters behind them, which do
 * not matter where there is one type. RabbitMQ does not even look at a weight of nothing.
 */
#include "http/http_accept.h"

#include <string.h>
#include <strings.h>

static bool is_range(const char *text, size_t size, const char *range)
{
    return strlen(range) == size && strncasecmp(text, range, size) == 0;
}

bool http_accepts_json(const char *accept)
{
    static const char *const ranges[] = {"application/json", "application/*", "*/*"};
    const char *at = accept;
    while (at != NULL) {
        at += strspn(at, " \t,");
        size_t size = strcspn(at, " \t;,");
        for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
            if (is_range(at, size, ranges[i]))
                return true;
        }
        at = strchr(at, ',');
    }
    return accept == NULL;
}
