/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libevent refuses words of a query that have no "=", which RabbitMQ and browsers take, and lets
 * a "%" stand that begins nothing. So the query is written anew for it, in the form that it wants.
 */
#include "http/http_query.h"

#include <ctype.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <string.h>

#include "base/buffer.h"

static bool is_escaped_right(struct bytes word)
{
    for (size_t i = 0; i < word.size; i++) {
        if (word.data[i] == '%' &&
            (word.size - i < 3 || !isxdigit(word.data[i + 1]) || !isxdigit(word.data[i + 2])))
            return false;
    }
    return true;
}

static bool append_word(struct buffer *text, struct bytes word)
{
    if (word.data[0] == '=' || !is_escaped_right(word))
        return false;
    bool has_value = memchr(word.data, '=', word.size) != NULL;
    buffer_append_format(text, "%s%.*s%s", text->size > 0 ? "&" : "", (int)word.size,
                         (const char *)word.data, has_value ? "" : "=");
    return true;
}

bool http_query_parse(const char *text, struct evkeyvalq *query)
{
    struct buffer words = {0};
    bool is_right = true;
    while (is_right && text[0] != '\0') {
        size_t size = strcspn(text, "&");
        is_right = size == 0 || append_word(&words, bytes_of(text, size));
        text += size + (text[size] == '&');
    }
    bool has_words = words.size > 0;
    buffer_append_u8(&words, '\0');
    if (is_right && has_words)
        is_right = evhttp_parse_query_str((const char *)words.data, query) == 0;
    buffer_fini(&words);
    return is_right;
}
