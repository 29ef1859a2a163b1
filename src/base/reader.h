/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_READER_H
#define LEVERET_BASE_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* Reads numbers (network byte order) and runs out of bytes that somebody else owns. A read past
 * the end sets failed, which stays set, and gives 0 or an empty run: test once, at the end. */
struct reader {
    const uint8_t *data;
    const uint8_t *end;
    bool failed;
};

static inline struct reader reader_of(struct bytes bytes)
{
    /* No octets may come as NULL, to which nothing can be added. */
    const uint8_t *end = bytes.size > 0 ? bytes.data + bytes.size : bytes.data;
    return (struct reader){bytes.data, end, false};
}

static inline size_t reader_left(const struct reader *reader)
{
    return (size_t)(reader->end - reader->data);
}

/* The next size bytes, as a view into the source. */
static inline struct bytes reader_take(struct reader *reader, size_t size)
{
    if (size > reader_left(reader)) {
        reader->failed = true;
        reader->data = reader->end;
        return bytes_of(NULL, 0);
    }
    struct bytes taken = bytes_of(reader->data, size);
    reader->data += size;
    return taken;
}

static inline uint8_t reader_u8(struct reader *reader)
{
    struct bytes b = reader_take(reader, 1);
    return b.size == 1 ? b.data[0] : 0;
}

static inline uint16_t reader_u16(struct reader *reader)
{
    struct bytes b = reader_take(reader, 2);
    if (b.size != 2)
        return 0;
    return (uint16_t)(b.data[0] << 8 | b.data[1]);
}

static inline uint32_t reader_u32(struct reader *reader)
{
    struct bytes b = reader_take(reader, 4);
    if (b.size != 4)
        return 0;
    uint32_t value;
    memcpy(&value, b.data, 4);
    return __builtin_bswap32(value);
}

static inline uint64_t reader_u64(struct reader *reader)
{
    struct bytes b = reader_take(reader, 8);
    if (b.size != 8)
        return 0;
    uint64_t value;
    memcpy(&value, b.data, 8);
    return __builtin_bswap64(value);
}

/* As buffer_append_varint writes it; more than 64 bits is a failure. */
uint64_t reader_varint(struct reader *reader);

#endif
