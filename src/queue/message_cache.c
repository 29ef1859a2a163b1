/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A loop's turn makes thousands of messages and then frees thousands: more than the few blocks of a
 * size that malloc keeps at hand for each thread, so that nearly every message went the long ways
 * of malloc and free. A reactor therefore keeps what its last turn has freed, up to bytes_max, in
 * lists by size, which costs a few instructions either way.
 *
 * The cache belongs to a reactor, not to its vhosts, because a reactor both reads publishes and
 * drops what was delivered or acked, and one thread at a time uses it. The thread finds it in a
 * variable of its own, or a message could not be freed by whoever has the last reference to it:
 * this is the only such variable of the core, and nothing but an address depends on it.
 *
 * Where no cache is used, as in the tests of the core, sanitizers and Valgrind see every message
 * come and go.
 */
#include "queue/message_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"

enum { class_bytes = 32, bytes_max = 512 * 1024 };

static _Thread_local struct message_cache *used;

void message_cache_use(struct message_cache *cache)
{
    used = cache;
}

void message_cache_fini(struct message_cache *cache)
{
    for (size_t i = 0; i < message_cache_classes; i++) {
        while (cache->blocks[i] != NULL) {
            void *block = cache->blocks[i];
            memcpy(&cache->blocks[i], block, sizeof block);
            free(block);
        }
    }
    cache->bytes = 0;
}

static size_t class_of(size_t size)
{
    return (size - 1) / class_bytes;
}

void *message_cache_take(size_t size)
{
    struct message_cache *cache = used;
    size_t class = class_of(size);
    if (class >= message_cache_classes)
        return xmalloc(size);
    size_t rounded = (class + 1) * class_bytes;
    if (cache == NULL || cache->blocks[class] == NULL)
        return xmalloc(rounded);
    void *block = cache->blocks[class];
    memcpy(&cache->blocks[class], block, sizeof block);
    cache->bytes -= rounded;
    return block;
}

void message_cache_give(void *block, size_t size)
{
    struct message_cache *cache = used;
    size_t class = class_of(size), rounded = (class + 1) * class_bytes;
    if (cache == NULL || class >= message_cache_classes || cache->bytes + rounded > bytes_max) {
        free(block);
        return;
    }
    memcpy(block, &cache->blocks[class], sizeof block);
    cache->blocks[class] = block;
    cache->bytes += rounded;
}
