/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_RUN_H
#define LEVERET_PERF_RUN_H

#include "perf/options.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct worker;

/* What all threads share: counters that are added to once per batch, and switches. */
struct run {
    const struct options *options; /* borrowed: lives in main */
    unsigned copies;
    uint64_t filled; /* messages published before the measured part */

    struct worker *workers; /* owned */
    unsigned worker_count;

    _Alignas(64) _Atomic uint64_t submitted;
    _Atomic uint64_t published;
    _Atomic uint64_t published_sum;
    _Atomic uint64_t confirmed;
    _Atomic uint64_t nacked;

    _Alignas(64) _Atomic uint64_t delivered;
    _Atomic uint64_t delivered_sum;
    _Atomic uint64_t acked;
    _Atomic uint64_t redelivered;
    _Atomic uint64_t disordered;

    _Alignas(64) _Atomic uint64_t progress_ns;
    _Atomic uint64_t start_ns; /* of the measured part, fill excluded */
    _Atomic bool is_measuring;
    _Atomic bool acks_freely;
};

/* Tells that counters moved at now_ns and wakes the other threads that may wait for it. */
void run_progress(struct run *run, uint64_t now_ns);

uint64_t run_clock_ns(void);

/* The processor time that this process has used. */
double run_cpu_s(void);

static inline uint64_t run_get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

/* The message's first word: who sent it in the upper 16 bits, its number, from 1 on, below. */
enum { RUN_SEQUENCE_BITS = 48, RUN_SEQUENCE_BYTES = 8, RUN_STAMP_BYTES = 16 };

#endif
