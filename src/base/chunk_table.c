/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables of chunks: what doubles where a large ring grows (queue/entry_ring.c, broker/unacked.c).
 */
#include "base/chunk_table.h"

#include <stdlib.h>

#include "base/xmalloc.h"

void **chunk_table_resize(void **chunks, size_t count, size_t first, size_t new_count)
{
    void **moved = xcalloc(new_count, sizeof *moved);
    for (size_t i = 0; i < count; i++) {
        void *chunk = chunks[(first + i) & (count - 1)];
        if (i < new_count)
            moved[i] = chunk;
        else
            free(chunk);
    }
    free(chunks);
    return moved;
}

void chunk_table_free(void **chunks, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(chunks[i]);
    free(chunks);
}
