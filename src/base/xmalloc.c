/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One policy for running out of memory: say so and end. Every allocation that a peer can drive is
 * bounded by a limit before it is made, so that this is reached by a machine that is really out of
 * memory, and no code needs a path for NULL that nobody could test.
 */
#include "base/xmalloc.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static void *checked(void *pointer, size_t size)
{
    if (pointer == NULL) {
        fprintf(stderr, "leveret: out of memory (%zu bytes)\n", size);
        abort();
    }
    return pointer;
}

void *xmalloc(size_t size)
{
    return checked(malloc(size > 0 ? size : 1), size);
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count > 0 ? count : 1, size > 0 ? size : 1), size);
}

void *xrealloc(void *pointer, size_t size)
{
    CHECK(size > 0);
    return checked(realloc(pointer, size), size);
}

char *xstrdup(const char *text)
{
    return xmemdup(text, strlen(text) + 1);
}

char *xstrndup(const char *text, size_t size)
{
    size_t length = strnlen(text, size);
    char *copy = xmalloc(length + 1);
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

void *xmemdup(const void *data, size_t size)
{
    void *copy = xmalloc(size);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

void *xgrow(void *array, size_t *capacity, size_t needed, size_t element_size)
{
    if (needed <= *capacity)
        return array;
    size_t grown = *capacity > 0 ? *capacity : 8;
    while (grown < needed)
        grown *= 2;
    CHECK(grown <= SIZE_MAX / element_size);
    *capacity = grown;
    return xrealloc(array, grown * element_size);
}
