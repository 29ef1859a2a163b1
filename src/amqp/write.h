/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AMQP_WRITE_H
#define LEVERET_AMQP_WRITE_H

#include <stdint.h>

#include "amqp/error.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/check.h"

/* Texts as methods, properties and tables have them: behind their size. */

static inline void amqp_write_shortstr(struct buffer *buffer, struct bytes text)
{
    CHECK(text.size <= AMQP_SHORTSTR_MAX);
    buffer_append_u8(buffer, (uint8_t)text.size);
    buffer_append_bytes(buffer, text);
}

static inline void amqp_write_longstr(struct buffer *buffer, struct bytes text)
{
    CHECK(text.size <= UINT32_MAX);
    buffer_append_u32(buffer, (uint32_t)text.size);
    buffer_append_bytes(buffer, text);
}

#endif
