/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BASE_CHECK_H
#define LEVERET_BASE_CHECK_H

/* CHECK stays on in release builds: a broken invariant ends the process with a message, before it
 * can reach the disk or another client. It is for bugs only, never for input. */
#define CHECK(condition)                                                                           \
    ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__, __func__))

/* Prints the broken condition with its place to standard error and aborts. */
_Noreturn void check_failed(const char *condition, const char *file, int line,
                            const char *function);

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
