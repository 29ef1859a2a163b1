/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_BASE64_H
#define LEVERET_HTTP_HTTP_BASE64_H

#include <stdbool.h>

#include "base/buffer.h"

/* Base64 as in RFC 4648, section 4, with padding. Both append; decoding fails, and appends nothing,
 * where the text is none. */
bool http_base64_decode(const char *text, struct buffer *decoded)
    __attribute__((warn_unused_result));
void http_base64_encode(struct bytes bytes, struct buffer *text);

#endif
