/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_UTF8_H
#define LEVERET_BASE_UTF8_H

#include <stdbool.h>

#include "base/bytes.h"

/* Are the bytes well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF)?
 */
bool utf8_is_valid(struct bytes bytes);

/* How many bytes the first character has, 1 to 4; 0 where there is none that is well-formed. */
size_t utf8_character_bytes(struct bytes bytes);

#endif
