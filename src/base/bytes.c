/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views of bytes. AMQP's names, keys, tables and bodies are counted bytes, not strings; passing a
 * pointer together with its size keeps every bound where it is needed. Hashing is XXH3 with a seed
 * that the caller chooses: a random one in the server, so that names cannot be picked to collide,
 * a fixed one in tests, so that a run repeats.
 */
#include "base/bytes.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/xmalloc.h"

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0)
        return order;
    return (a.size > b.size) - (a.size < b.size);
}

static int compare_texts(const void *one, const void *other)
{
    const char *const *a = one, *const *b = other;
    return strcmp(*a, *b);
}

void bytes_sort_texts(const char **texts, size_t count)
{
    qsort(texts, count, sizeof texts[0], compare_texts);
}

char *bytes_to_text(struct bytes a)
{
    char *text = xmalloc(a.size + 1);
    if (a.size > 0)
        memcpy(text, a.data, a.size);
    text[a.size] = '\0';
    return text;
}

uint64_t bytes_hash(struct bytes a, uint64_t seed)
{
    return XXH3_64bits_withSeed(a.data, a.size, seed);
}
