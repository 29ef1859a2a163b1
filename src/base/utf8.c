/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Well-formed UTF-8 after the table of RFC 3629, section 4: what the second byte may be depends on
 * the first one alone, and every later byte is a plain continuation.
 */
#include "base/utf8.h"

/* How long a sequence is that starts with this byte, and what its second byte may be; 0 where no
 * sequence starts so. */
static size_t sequence_of(uint8_t first, uint8_t *low, uint8_t *high)
{
    *low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    *high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef)
        return 3;
    return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

static bool is_sequence(const uint8_t *data, size_t size, uint8_t low, uint8_t high)
{
    if (size > 1 && (data[1] < low || data[1] > high))
        return false;
    for (size_t i = 2; i < size; i++) {
        if ((data[i] & 0xc0) != 0x80)
            return false;
    }
    return true;
}

/* Nearly all names are ASCII: how many of the first octets are, counted in words. */
static size_t ascii_prefix(struct bytes bytes)
{
    size_t at = 0;
    uint64_t word;
    for (; bytes.size - at >= sizeof word; at += sizeof word) {
        memcpy(&word, bytes.data + at, sizeof word);
        if ((word & 0x8080808080808080u) != 0)
            break;
    }
    return at;
}

size_t utf8_character_bytes(struct bytes bytes)
{
    uint8_t low = 0, high = 0;
    size_t size = bytes.size > 0 ? sequence_of(bytes.data[0], &low, &high) : 0;
    return size <= bytes.size && is_sequence(bytes.data, size, low, high) ? size : 0;
}

bool utf8_is_valid(struct bytes bytes)
{
    size_t at = ascii_prefix(bytes);
    while (at < bytes.size) {
        size_t size = bytes.data[at] < 0x80
                          ? 1
                          : utf8_character_bytes(bytes_of(bytes.data + at, bytes.size - at));
        if (size == 0)
            return false;
        at += size;
    }
    return true;
}
