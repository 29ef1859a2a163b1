/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base64 in what clients send and get: OpenSSL's, into buffers.
 */
#include "http/http_base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/check.h"

/* OpenSSL's decoder fills up with zeros what padding stands for. */
bool http_base64_decode(const char *text, struct buffer *decoded)
{
    size_t size = strlen(text), padding = 0;
    while (size > padding && padding < 2 && text[size - 1 - padding] == '=')
        padding++;
    if (size % 4 != 0 || size > INT_MAX)
        return false;
    if (size == 0)
        return true;
    buffer_reserve(decoded, size);
    int count =
        EVP_DecodeBlock(decoded->data + decoded->size, (const unsigned char *)text, (int)size);
    if (count < 0)
        return false;
    decoded->size += (size_t)count - padding;
    return true;
}

void http_base64_encode(struct bytes bytes, struct buffer *text)
{
    CHECK(bytes.size <= INT_MAX / 4 * 3);
    size_t size = (bytes.size + 2) / 3 * 4;
    buffer_reserve(text, size + 1);
    if (size > 0)
        EVP_EncodeBlock(text->data + text->size, bytes.data, (int)bytes.size);
    text->size += size;
}
