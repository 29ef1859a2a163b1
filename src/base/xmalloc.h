/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_XMALLOC_H
#define LEVERET_BASE_XMALLOC_H

#include <stddef.h>

/* Allocation that cannot fail: without memory the process ends with a message. Sizes that a peer
 * can drive are bounded before they come here. Results are freed with free(). */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
/* As realloc; size must not be 0. */
void *xrealloc(void *pointer, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
/* Copies at most size bytes of text and ends them with NUL. */
char *xstrndup(const char *text, size_t size) __attribute__((malloc, returns_nonnull));
/* A copy of size bytes (at least one byte is allocated). */
void *xmemdup(const void *data, size_t size) __attribute__((malloc, returns_nonnull));
/* Grows *array (elements of element_size bytes) so that it holds at least needed elements, by
 * doubling; *capacity is in elements. */
void *xgrow(void *array, size_t *capacity, size_t needed, size_t element_size);

#endif
