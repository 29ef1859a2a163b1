/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_HTTP_CLIENT_H
#define LEVERET_AUTH_HTTP_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"

struct config_tls_client;

/* Requests over HTTP and HTTPS, through libcurl. Any thread; a request blocks the caller. */
struct http_client;

struct http_client *http_client_new(const struct config_tls_client *tls, /* borrowed */
                                    uint64_t connect_timeout_ms, uint64_t timeout_ms);
void http_client_free(struct http_client *client);
/* Any thread: requests fail from now on, those under way when a signal interrupts their wait, or
 * within a second. */
void http_client_stop(struct http_client *client);

/* Sends a request: GET where form is NULL, else a POST of that form (application/x-www-form-
 * urlencoded). The status, with the answer in body (at most 1 MiB); 0 with why in reason. */
long http_client_request(struct http_client *client, const char *url, const char *form,
                         struct buffer *body, char *reason, size_t reason_size);

/* Appends NAME=VALUE, quoted, with an & in front unless it is the first. */
void http_form_add(struct buffer *form, const char *name, struct bytes value);

#endif
