/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_LIVE_H
#define LEVERET_PERF_LIVE_H

#include "perf/options.h"

/* Whether a line is wanted, and the last one, at last_ns of run_clock_ns, a second ago. */
bool live_is_due(const struct options *options, uint64_t last_ns);

/* One line on stderr, without the line feed. */
__attribute__((format(printf, 2, 3))) void live_print(const struct options *options,
                                                      const char *format, ...);

/* Before anything else is printed. */
void live_end(void);

#endif
