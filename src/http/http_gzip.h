/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_GZIP_H
#define LEVERET_HTTP_HTTP_GZIP_H

#include <stdbool.h>

#include "base/buffer.h"

struct evhttp_request;

/* An answer that is sent compressed, all at once or piece by piece. */
struct http_gzip;

/* Does the client take it, by its header Accept-Encoding? */
bool http_gzip_is_wanted(struct evhttp_request *request);
struct http_gzip *http_gzip_new(void);
void http_gzip_free(struct http_gzip *gzip); /* NULL is allowed */
/* Puts the next piece in place of its text, and never nothing: a client can read it as far as that.
 */
void http_gzip_run(struct http_gzip *gzip, struct buffer *text, bool is_last);

#endif
