/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_LOGIN_H
#define LEVERET_HTTP_HTTP_LOGIN_H

#include "base/buffer.h"
#include "http/http_server.h"

enum http_login_outcome {
    HTTP_LOGIN_READ,
    HTTP_LOGIN_NONE, /* there is no header */
    HTTP_LOGIN_MALFORMED,
};

/* Reads a header Authorization (NULL: there is none): Basic (RFC 7617), or Bearer (RFC 6750), where
 * the token is the password of a user without a name. The login points into text, the caller's. */
enum http_login_outcome http_login_read(const char *header, struct buffer *text,
                                        struct http_login *login);

/* The same of a form (application/x-www-form-urlencoded) with the fields username and password,
 * where what is missing counts as empty. It ends with a NUL. */
enum http_login_outcome http_login_read_form(const char *form, struct buffer *text,
                                             struct http_login *login);

#endif
