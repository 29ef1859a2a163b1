/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header in which a client says who it is, or a form.
 */
#include "http/http_login.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "http/http_base64.h"
#include "http/http_query.h"

/* Is it this scheme? Then rest is what comes behind it. */
static bool has_scheme(const char *header, const char *scheme, const char **rest)
{
    size_t size = strlen(scheme);
    if (strncasecmp(header, scheme, size) != 0 || header[size] != ' ')
        return false;
    *rest = header + size + strspn(header + size, " ");
    return true;
}

/* Of "user:password". */
static void split(const struct buffer *text, size_t user_size, struct http_login *login)
{
    login->user = bytes_of(text->data, user_size);
    login->password = bytes_of(text->data + user_size + 1, text->size - user_size - 1);
}

enum http_login_outcome http_login_read(const char *header, struct buffer *text,
                                        struct http_login *login)
{
    const char *rest;
    if (header == NULL)
        return HTTP_LOGIN_NONE;
    if (has_scheme(header, "Bearer", &rest)) {
        buffer_append_bytes(text, bytes_of_text(rest));
        login->user = bytes_of(NULL, 0);
        login->password = buffer_bytes(text);
        return HTTP_LOGIN_READ;
    }
    if (!has_scheme(header, "Basic", &rest) || !http_base64_decode(rest, text))
        return HTTP_LOGIN_MALFORMED;
    const uint8_t *colon = text->size > 0 ? memchr(text->data, ':', text->size) : NULL;
    if (colon == NULL)
        return HTTP_LOGIN_MALFORMED;
    split(text, (size_t)(colon - text->data), login);
    return HTTP_LOGIN_READ;
}

static struct bytes field_of(const struct evkeyvalq *form, const char *name)
{
    const char *value = http_query_find(form, name);
    return bytes_of_text(value != NULL ? value : "");
}

enum http_login_outcome http_login_read_form(const char *form, struct buffer *text,
                                             struct http_login *login)
{
    struct evkeyvalq fields;
    TAILQ_INIT(&fields);
    bool is_right = http_query_parse(form, &fields);
    if (is_right) {
        size_t user_size = field_of(&fields, "username").size;
        buffer_append_bytes(text, field_of(&fields, "username"));
        buffer_append_u8(text, ':');
        buffer_append_bytes(text, field_of(&fields, "password"));
        split(text, user_size, login);
    }
    evhttp_clear_headers(&fields);
    return is_right ? HTTP_LOGIN_READ : HTTP_LOGIN_MALFORMED;
}
