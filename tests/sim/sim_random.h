/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_TESTS_SIM_RANDOM_H
#define LEVERET_TESTS_SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* The simulator's only source of chance: a seed gives the same numbers on every machine. */
struct sim_random {
    uint64_t state;
};

static inline uint64_t sim_random_next(struct sim_random *random)
{
    random->state += 0x9e3779b97f4a7c15u;
    uint64_t mixed = random->state;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
    return mixed ^ (mixed >> 31);
}

/* 0 .. limit - 1 */
static inline unsigned sim_random_below(struct sim_random *random, unsigned limit)
{
    return (unsigned)(sim_random_next(random) % limit);
}

static inline bool sim_random_chance(struct sim_random *random, unsigned percent)
{
    return sim_random_below(random, 100) < percent;
}

#endif
