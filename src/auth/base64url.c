/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OpenSSL decodes the usual Base64, padded; two letters and the padding are the difference.
 */
#include "auth/base64url.h"

#include <openssl/evp.h>
#include <string.h>

enum { text_bytes_max = 1 << 20 };

bool base64url_decode(struct bytes text, struct buffer *decoded)
{
    struct buffer plain = {0};
    buffer_clear(decoded);
    while (text.size > 0 && text.data[text.size - 1] == '=')
        text.size--;
    if (text.size == 0 || text.size > text_bytes_max || text.size % 4 == 1 ||
        memchr(text.data, '=', text.size) != NULL)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t letter = text.data[i];
        buffer_append_u8(&plain, (uint8_t)(letter == '-' ? '+' : letter == '_' ? '/' : letter));
    }
    size_t padding = (4 - plain.size % 4) % 4;
    buffer_append(&plain, "==", padding);
    buffer_reserve(decoded, plain.size);
    int size = EVP_DecodeBlock(decoded->data, plain.data, (int)plain.size);
    buffer_fini(&plain);
    if (size < (int)padding)
        return false;
    decoded->size = (size_t)size - padding;
    return true;
}
