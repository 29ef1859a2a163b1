/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_BROWSER_H
#define LEVERET_HTTP_HTTP_BROWSER_H

#include <stdbool.h>

struct config_http_headers;
struct evhttp_request;

/* Adds to an answer what tells browsers what they may do with it. csp: the content security policy
 * where the configuration has none. */
void http_browser_add(struct evhttp_request *request, const struct config_http_headers *config,
                      const char *csp);

/* Adds that pages of the request's origin may make it, where the configuration names that. methods:
 * for what a browser asks before it does (OPTIONS), the path's, else NULL. */
void http_browser_add_origin(struct evhttp_request *request,
                             const struct config_http_headers *config, const char *methods);

#endif
