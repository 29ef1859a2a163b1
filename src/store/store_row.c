/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that are not messages (journal, lanes, chunks, counts, definitions) are one blob: eight
 * bytes of checksum, least significant first, and the content. The checksum covers which table and
 * key the row belongs to, so that a row that stands in another's place is found out as well as one
 * whose bytes changed.
 */
#include <endian.h>
#include <xxhash.h>

#include "store/store_internal.h"

enum { checksum_bytes = 8 };

uint64_t row_checksum(struct bytes bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.size, seed);
}

static uint64_t checksum_of(struct bytes content, uint64_t table, uint64_t key, uint64_t subkey)
{
    uint64_t identity[] = {htole64(table), htole64(key), htole64(subkey)};
    return row_checksum(content, row_checksum(bytes_of(identity, sizeof identity), 0));
}

void row_begin(struct buffer *row)
{
    buffer_clear(row);
    buffer_append_u64(row, 0);
}

void row_seal(struct buffer *row, uint64_t table, uint64_t key, uint64_t subkey)
{
    struct bytes content = bytes_of(row->data + checksum_bytes, row->size - checksum_bytes);
    uint64_t checksum = htole64(checksum_of(content, table, key, subkey));
    memcpy(row->data, &checksum, checksum_bytes);
}

uint64_t row_checksum_of(struct bytes row)
{
    uint64_t checksum = 0;
    if (row.size >= checksum_bytes)
        memcpy(&checksum, row.data, checksum_bytes);
    return le64toh(checksum);
}

bool row_open(struct bytes row, uint64_t table, uint64_t key, uint64_t subkey,
              struct reader *reader)
{
    if (row.size < checksum_bytes)
        return false;
    struct bytes content = bytes_of(row.data + checksum_bytes, row.size - checksum_bytes);
    *reader = reader_of(content);
    return row_checksum_of(row) == checksum_of(content, table, key, subkey);
}
