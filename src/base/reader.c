/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader that remembers its failure, so that a decoder reads field after field and asks once.
 */
#include "base/reader.h"

uint64_t reader_varint(struct reader *reader)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = reader_u8(reader);
        uint64_t bits = byte & 0x7f;
        if (shift == 63 && bits > 1)
            break;
        value |= bits << shift;
        if (byte < 0x80)
            return value;
    }
    reader->failed = true;
    return 0;
}
