/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_CHUNK_TABLE_H
#define LEVERET_BASE_CHUNK_TABLE_H

#include <stddef.h>

/* What a ring is made of that is too large to be one piece: a table of the addresses of its chunks,
 * in a ring of its own. Whoever grows it moves 8 bytes for each chunk, and no entry.
 *
 * Makes a table of another size, 0 or more NULLs behind what is there: the chunk at `first` comes
 * to the front, and the others behind it in their order; those that have no place are freed, and so
 * is the old table. count, the old size, is a power of two; first is below it. */
void **chunk_table_resize(void **chunks, size_t count, size_t first, size_t new_count);

void chunk_table_free(void **chunks, size_t count);

#endif
