/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_BASE64URL_H
#define LEVERET_AUTH_BASE64URL_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"

/* Base64 as RFC 4648, section 5, has it, with or without padding; decoded is cleared before. False
 * where it is none, or longer than 1 MiB. */
bool base64url_decode(struct bytes text, struct buffer *decoded);

#endif
