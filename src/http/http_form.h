/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_FORM_H
#define LEVERET_HTTP_HTTP_FORM_H

#include <stdbool.h>

#include "base/bytes.h"

/* Forms with files, as web pages send them: multipart/form-data (RFC 7578). */

/* The boundary that a header Content-Type names; no data where it is another kind of body. */
struct bytes http_form_boundary(const char *content_type);
/* The contents of the body's first part of that name; false where there is none. A view. */
bool http_form_find(struct bytes body, struct bytes boundary, const char *name,
                    struct bytes *contents);

#endif
