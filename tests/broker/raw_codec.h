/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RAW_CODEC_H
#define RAW_CODEC_H

/* The wire format as the tests read it: written from the specification, sharing no line with
 * src/amqp. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAW_TABLE_BYTES_MAX 4096u

/* The contents of a field table or of an array, without the length in front. */
struct raw_table {
    size_t bytes;
    uint8_t data[RAW_TABLE_BYTES_MAX];
};

/* The property flags and the property list of a content header. */
struct raw_properties {
    uint16_t flags;
    size_t bytes;
    uint8_t data[RAW_TABLE_BYTES_MAX + 1024u];
};

/* Borrowed bytes of a received frame: good until the next frame is read. */
struct raw_slice {
    const uint8_t *data;
    size_t bytes;
};

/* A bounded buffer that is written from its start; running out of it is a bug of the test. */
struct raw_writer {
    uint8_t *data;
    size_t bytes;
    size_t bytes_max;
    unsigned bit_count;
};

/* A cursor over received bytes; reading past the end sets `failed` and gives zeros. */
struct raw_reader {
    const uint8_t *data;
    size_t bytes;
    size_t at;
    unsigned bit_count;
    bool failed;
};

/* Builds a table: one letter of `types` per field, each followed by its key and its value. The
 * letters are the type tags on the wire: t b B s u I i (int), l L T (int64_t), f d (double), D (int
 * scale, unsigned value), S x (const char *), F A (const struct raw_table *), V (no value). */
struct raw_table raw_table(const char *types, ...);

/* The same without keys: the contents of an array. */
struct raw_table raw_array(const char *types, ...);

/* Builds properties; the letters come in this order: c content-type, e content-encoding, h headers
 * (table), d delivery-mode, p priority (int), i correlation-id, r reply-to, x expiration, m
 * message-id, t timestamp (int64_t), y type, u user-id, a app-id, k cluster-id; all others are
 * strings. */
struct raw_properties raw_properties(const char *letters, ...);

/* Writes fields: o octet, w short, l long (unsigned), L longlong (uint64_t), s short string, S long
 * string (const char *), 1 bit (int; neighbours share an octet), T table (const struct raw_table *,
 * NULL is empty). */
void raw_write(struct raw_writer *w, const char *format, ...);
void raw_write_list(struct raw_writer *w, const char *format, va_list list);
void raw_write_bytes(struct raw_writer *w, const void *data, size_t bytes);

/* Reads fields by the same letters into pointers: uint8_t, uint16_t, uint32_t, uint64_t, char[256],
 * struct raw_slice, bool, struct raw_slice. A NULL pointer skips its field. False when the bytes do
 * not suffice. */
bool raw_read(struct raw_reader *r, const char *format, ...);
bool raw_read_list(struct raw_reader *r, const char *format, va_list list);

/* Finds a key in received table contents. Gives the value's type tag and its bytes (for S, x, F and
 * A without the length), or 0 when the key is not there or the table is malformed. */
char raw_table_find(struct raw_slice table, const char *key, struct raw_slice *value);

/* True when every byte of the table is one well-formed field after the other. */
bool raw_table_is_valid(struct raw_slice table);

bool raw_slice_equals(struct raw_slice slice, const char *text);

#endif
