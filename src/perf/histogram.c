/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A histogram of durations from 1 ns to centuries with a relative error below 1%.
 *
 * Values below 128 have a bucket each; above, every power of two is cut into 128 equal steps.
 * Adding is a shift and an increment, so that taking the latency of every single message costs the
 * generator next to nothing, and histograms of several threads merge by addition.
 */
#include "perf/histogram.h"

enum { STEPS = 1 << HISTOGRAM_STEP_BITS };

static unsigned bucket_of(uint64_t value)
{
    if (value < STEPS)
        return (unsigned)value;
    unsigned shift = 63U - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    return ((shift + 1) << HISTOGRAM_STEP_BITS) + (unsigned)((value >> shift) & (STEPS - 1));
}

static uint64_t bucket_floor(unsigned bucket)
{
    if (bucket < STEPS)
        return bucket;
    unsigned shift = (bucket >> HISTOGRAM_STEP_BITS) - 1;
    return ((uint64_t)STEPS | (bucket & (STEPS - 1))) << shift;
}

void histogram_add(struct histogram *histogram, uint64_t value_ns)
{
    histogram->count++;
    histogram->buckets[bucket_of(value_ns)]++;
    if (value_ns > histogram->max_ns)
        histogram->max_ns = value_ns;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    into->count += from->count;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
}

uint64_t histogram_quantile_ns(const struct histogram *histogram, double share)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= share * (double)histogram->count)
            return bucket_floor(i);
    }
    return histogram->max_ns;
}
