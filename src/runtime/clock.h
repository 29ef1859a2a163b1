/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_CLOCK_H
#define LEVERET_RUNTIME_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#include "base/check.h"

/* Wall-clock time, whole milliseconds since 1970. Not the clock of the kernel's ticks, which is up
 * to 4 ms behind: by it a delay would end before the client's clock says so. */
static inline uint64_t clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Time that never goes back, milliseconds since some moment; a few milliseconds coarse, and cheap.
 */
static inline uint64_t clock_steady_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The same clock in nanoseconds, precise; not quite as cheap. */
static inline uint64_t clock_steady_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* A condition whose waits end by that clock, and not by the wall's, which may be set. */
static inline void clock_init_condition(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    CHECK(pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(condition, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
}

#endif
