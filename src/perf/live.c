/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run tells while it goes on: a line per second on stderr, so that stdout stays the result.
 *
 * With --live on a terminal each line takes the place of the last; everywhere else, a file or a
 * pipe, lines follow each other, because nobody can read what is overwritten there. Only the main
 * thread prints.
 */
#include "perf/live.h"

#include "perf/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { NEARLY_A_SECOND_NS = 990000000 };

static bool is_line_open;

bool live_is_due(const struct options *options, uint64_t last_ns)
{
    return (options->is_verbose || options->is_live) &&
           run_clock_ns() >= last_ns + NEARLY_A_SECOND_NS;
}

void live_print(const struct options *options, const char *format, ...)
{
    bool is_overwritten = options->is_live && isatty(STDERR_FILENO);
    va_list arguments;
    va_start(arguments, format);
    fputs(is_overwritten ? "\r" : "", stderr);
    vfprintf(stderr, format, arguments);
    fputs(is_overwritten ? "\033[K" : "\n", stderr);
    va_end(arguments);
    is_line_open = is_overwritten;
}

void live_end(void)
{
    if (is_line_open)
        fputc('\n', stderr);
    is_line_open = false;
}
