/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing run of bytes. It doubles, so that n appends cost O(n); the appends of numbers are
 * inline because frames are written with them, one memcpy of a constant size each.
 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"

void buffer_init(struct buffer *buffer)
{
    *buffer = (struct buffer){0};
}

void buffer_fini(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_reserve_slow(struct buffer *buffer, size_t size)
{
    CHECK(size <= SIZE_MAX / 2 - buffer->size);
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : 64;
    while (capacity - buffer->size < size)
        capacity *= 2;
    buffer->data = xrealloc(buffer->data, capacity);
    buffer->capacity = capacity;
}

void buffer_append_varint(struct buffer *buffer, uint64_t value)
{
    while (value >= 0x80) {
        buffer_append_u8(buffer, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buffer_append_u8(buffer, (uint8_t)value);
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    CHECK(size >= 0);
    buffer_reserve(buffer, (size_t)size + 1);
    va_start(arguments, format);
    vsnprintf((char *)buffer->data + buffer->size, (size_t)size + 1, format, arguments);
    va_end(arguments);
    buffer->size += (size_t)size;
}
