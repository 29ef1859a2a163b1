/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header in which a client says who it is.
 */
#include "http/http_login.h"

#include <string.h>
#include <strings.h>

#include "http/http_base64.h"

/* Is it this scheme? Then rest is what comes behind it. */
static bool has_scheme(const char *header, const char *scheme, const char **rest)
{
    size_t size = strlen(scheme);
    if (strncasecmp(header, scheme, size) != 0 || header[size] != ' ')
        return false;
    *rest = header + size + strspn(header + size, " ");
    return true;
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
    size_t user_size = (size_t)(colon - text->data);
    login->user = bytes_of(text->data, user_size);
    login->password = bytes_of(colon + 1, text->size - user_size - 1);
    return HTTP_LOGIN_READ;
}
