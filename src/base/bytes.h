/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_BYTES_H
#define LEVERET_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view of bytes that somebody else owns; it is not ended by NUL. data may be NULL when size is 0.
 * Passed by value everywhere. */
struct bytes {
    const uint8_t *data;
    size_t size;
};

static inline struct bytes bytes_of(const void *data, size_t size)
{
    return (struct bytes){data, size};
}

/* A view of a string without its NUL. */
static inline struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline bool bytes_equal_text(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_of_text(text));
}

static inline bool bytes_start_with(struct bytes a, const char *prefix)
{
    size_t size = strlen(prefix);
    return a.size >= size && memcmp(a.data, prefix, size) == 0;
}

/* Copies the bytes to *at, which goes on behind them. */
static inline struct bytes bytes_copy_to(uint8_t **at, struct bytes a)
{
    struct bytes copy = bytes_of(*at, a.size);
    if (a.size > 0)
        memcpy(*at, a.data, a.size);
    *at += a.size;
    return copy;
}

/* Lexicographic order by unsigned bytes, the shorter first: <0, 0, >0. */
int bytes_compare(struct bytes a, struct bytes b);
/* Puts strings into the order of their octets. */
void bytes_sort_texts(const char **texts, size_t count);

/* A heap copy of the bytes with a NUL behind them; the caller frees it. */
char *bytes_to_text(struct bytes a);

/* A 64-bit hash (XXH3) under a seed; equal bytes and seeds give equal hashes on every machine. */
uint64_t bytes_hash(struct bytes a, uint64_t seed);

#endif
