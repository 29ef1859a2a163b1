/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_IDLE_H
#define LEVERET_PERF_IDLE_H

#include "perf/options.h"

/* Runs --idle, prints what came of it, and returns the exit status. */
int idle_run(const struct options *options);

#endif
