/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_FAIL_H
#define LEVERET_PERF_FAIL_H

#include <stddef.h>

/* Prints "leveret-perf: MESSAGE" to stderr and ends the process with status 2. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same with the text of errno behind the message. */
_Noreturn void fail_errno(const char *what);

/* Zeroed memory; never NULL. The caller frees it. */
void *fail_calloc(size_t count, size_t item_bytes);

#endif
