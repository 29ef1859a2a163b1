/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The counters that tie publishers and consumers together.
 *
 * They are added to once per batch of a socket read or write, never per message, so that sharing
 * them costs nothing that could be measured. Some actors wait for a counter (publishers for
 * deliveries with
 * --in-flight, consumers for confirms with --standing); the order "add, then look who waits" here
 * and "say that I wait, then look at the counter" in worker.c, both sequentially consistent, is
 * what keeps a wake-up from being lost.
 */
#include "perf/run.h"

#include "perf/worker.h"

#include <sys/resource.h>
#include <time.h>

void run_progress(struct run *run, uint64_t now_ns)
{
    atomic_store_explicit(&run->progress_ns, now_ns, memory_order_relaxed);
    for (unsigned i = 0; run->worker_count > 1 && i < run->worker_count; i++)
        worker_wake_waiting(&run->workers[i]);
}

uint64_t run_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

double run_cpu_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
