/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_HISTOGRAM_H
#define LEVERET_PERF_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_STEP_BITS = 7,
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_STEP_BITS + 1) << HISTOGRAM_STEP_BITS
};

/* Durations in nanoseconds; {0} is an empty one. */
struct histogram {
    uint64_t count;
    uint64_t max_ns;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t value_ns);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The smallest recorded duration (rounded down by less than 1%) that share of all do not exceed;
 * share is between 0 and 1. 0 when nothing was recorded. */
uint64_t histogram_quantile_ns(const struct histogram *histogram, double share);

#endif
