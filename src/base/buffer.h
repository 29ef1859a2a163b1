/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_BUFFER_H
#define LEVERET_BASE_BUFFER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

/* A growing run of bytes, appended at its end; numbers go in network byte order. Zero-initialised
 * or buffer_init is empty. */
struct buffer {
    uint8_t *data; /* owned */
    size_t size;
    size_t capacity;
};

void buffer_init(struct buffer *buffer);
void buffer_fini(struct buffer *buffer);

/* Makes room for size more bytes (buffer->size does not change). */
void buffer_reserve_slow(struct buffer *buffer, size_t size);
static inline void buffer_reserve(struct buffer *buffer, size_t size)
{
    if (buffer->capacity - buffer->size < size)
        buffer_reserve_slow(buffer, size);
}

static inline void buffer_clear(struct buffer *buffer)
{
    buffer->size = 0;
}

static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
    return bytes_of(buffer->data, buffer->size);
}

static inline void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
    buffer_reserve(buffer, size);
    if (size > 0)
        memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
}

static inline void buffer_append_bytes(struct buffer *buffer, struct bytes bytes)
{
    buffer_append(buffer, bytes.data, bytes.size);
}

static inline void buffer_append_u8(struct buffer *buffer, uint8_t value)
{
    buffer_append(buffer, &value, 1);
}

static inline void buffer_append_u16(struct buffer *buffer, uint16_t value)
{
    uint16_t swapped = __builtin_bswap16(value);
    buffer_append(buffer, &swapped, 2);
}

static inline void buffer_append_u32(struct buffer *buffer, uint32_t value)
{
    uint32_t swapped = __builtin_bswap32(value);
    buffer_append(buffer, &swapped, 4);
}

static inline void buffer_append_u64(struct buffer *buffer, uint64_t value)
{
    uint64_t swapped = __builtin_bswap64(value);
    buffer_append(buffer, &swapped, 8);
}

/* An unsigned number in 1 to 10 bytes, 7 bits each, least significant first (LEB128). */
void buffer_append_varint(struct buffer *buffer, uint64_t value);

/* printf into the buffer, without a NUL. */
void buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
