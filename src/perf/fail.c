/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only answer of a load generator to an error: say what and stop. A run in which a connection
 * broke or a peer misspoke has no figures worth printing, so nothing here is recovered from and no
 * error value travels through the hot paths. Exit status 2 is kept for this case; status 1 means
 * that the run ended but its verification failed (loss, order, nacks). Any thread may call these.
 */
#include "perf/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_BROKEN = 2 };

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("leveret-perf: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    _Exit(EXIT_BROKEN);
}

void fail_errno(const char *what)
{
    fail("%s: %s", what, strerror(errno));
}

void *fail_calloc(size_t count, size_t item_bytes)
{
    void *memory = calloc(count == 0 ? 1 : count, item_bytes);
    if (memory == NULL)
        fail("out of memory");
    return memory;
}
