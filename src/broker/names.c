/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, as reply texts print them, as RabbitMQ cleans them, and as it makes them. A made name is
 * "amq.gen-" and 22 characters of base64url, that is 16 bytes: here the hash of a counter under the
 * vhost's seed, so that the core draws no randomness and yet nobody can guess a name.
 */
#include "broker/vhost_internal.h"

#include <stdio.h>

const char *resource_text(const struct vhost *vhost, const char *kind, struct bytes name,
                          char *text)
{
    snprintf(text, RESOURCE_TEXT_SIZE, "%s '%.*s' in vhost '%s'", kind, (int)name.size,
             name.size > 0 ? (const char *)name.data : "", vhost->name);
    return text;
}

struct bytes name_strip(struct bytes name, uint8_t *clean)
{
    size_t size = 0;
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] != '\r' && name.data[i] != '\n')
            clean[size++] = name.data[i];
    }
    return bytes_of(clean, size);
}

void vhost_make_name(struct vhost *vhost, const char *prefix, char *name)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint64_t number = ++vhost->names_made;
    struct bytes key = bytes_of(&number, sizeof number);
    uint64_t halves[2] = {bytes_hash(key, vhost->config.name_seed),
                          bytes_hash(key, ~vhost->config.name_seed)};
    size_t size = strlen(prefix);
    memcpy(name, prefix, size);
    for (size_t i = 0; i < 22; i++) {
        name[size++] = alphabet[halves[i / 11] & 63];
        halves[i / 11] >>= i % 11 == 10 ? 4 : 6;
    }
    name[size] = '\0';
}
