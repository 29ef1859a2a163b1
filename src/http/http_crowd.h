/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_CROWD_H
#define LEVERET_HTTP_HTTP_CROWD_H

/* How many clients a plain evhttp has at a time. */

#include <stddef.h>

struct event_base;
struct evhttp;
struct http_crowd;

/* Lets the evhttp, which has no listener yet, accept on the socket, which passes, while it has
 * fewer than max connections. Later ones wait with the system. Who has not sent a whole request so
 * many seconds after he came, or after his last answer, is shut out. */
struct http_crowd *http_crowd_new(struct event_base *base, struct evhttp *http, int listening_fd,
                                  size_t max, unsigned request_s);
/* Behind evhttp_free, and before the base goes. */
void http_crowd_free(struct http_crowd *crowd);

#endif
