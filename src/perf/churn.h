/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_CHURN_H
#define LEVERET_PERF_CHURN_H

#include "perf/options.h"

/* Runs --churn, prints what came of it, and returns the exit status. */
int churn_run(const struct options *options);

#endif
