/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libevent refuses words of a query that have no "=", which RabbitMQ and browsers take, lets a "%"
 * stand that begins nothing, and does not decode names. So the query is written anew for it, in the
 * form that it wants. Its lists are of headers, whose names may be written in any case.
 */
#include "http/http_query.h"

#include <ctype.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
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

static uint8_t digit_of(uint8_t c)
{
    return (uint8_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
}

/* Decodes what a name may be made of; the rest stays as it is, and is in no name. */
static void append_name(struct buffer *text, struct bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i], decoded = c;
        if (c == '%')
            decoded = (uint8_t)(digit_of(name.data[i + 1]) * 16 + digit_of(name.data[i + 2]));
        bool is_plain = isalnum(decoded) || decoded == '_' || decoded == '-';
        buffer_append_u8(text, is_plain ? decoded : c);
        i += c == '%' && is_plain ? 2 : 0;
    }
}

static bool append_word(struct buffer *text, struct bytes word)
{
    if (word.data[0] == '=' || !is_escaped_right(word))
        return false;
    const uint8_t *equals = memchr(word.data, '=', word.size);
    size_t name_size = equals != NULL ? (size_t)(equals - word.data) : word.size;
    if (text->size > 0)
        buffer_append_u8(text, '&');
    append_name(text, bytes_of(word.data, name_size));
    buffer_append_u8(text, '=');
    if (equals != NULL)
        buffer_append(text, equals + 1, word.size - name_size - 1);
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

const char *http_query_find(const struct evkeyvalq *query, const char *name)
{
    for (const struct evkeyval *word = query->tqh_first; word != NULL; word = word->next.tqe_next) {
        if (strcmp(word->key, name) == 0)
            return word->value;
    }
    return NULL;
}

bool http_query_number(const char *text, long *number)
{
    size_t sign = text[0] == '-' || text[0] == '+';
    size_t digits = strspn(text + sign, "0123456789");
    *number = strtol(text, NULL, 10);
    return digits > 0 && text[sign + digits] == '\0';
}
