/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions that stay on in release. The message goes out with one write, so that it is whole even
 * when several threads fail at once.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void check_failed(const char *condition, const char *file, int line, const char *function)
{
    char text[512];
    int size = snprintf(text, sizeof text, "leveret: %s:%d: %s: check failed: %s\n", file, line,
                        function, condition);
    if (size > 0) {
        size_t count = (size_t)size < sizeof text ? (size_t)size : sizeof text - 1;
        ssize_t written = write(STDERR_FILENO, text, count);
        (void)written;
    }
    abort();
}
