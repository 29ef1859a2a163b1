/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_QUEUE_MESSAGE_SIZES_H
#define LEVERET_QUEUE_MESSAGE_SIZES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How large messages are: the histogram that RabbitMQ 4.1 has. Its bounds are powers of ten, which
 * a search would find by up to eight comparisons for each message. Here the length of the size in
 * bits names the only bound that it may be above, so that a message costs one comparison.
 */

enum {
    MESSAGE_SIZE_LENGTHS = 33, /* body sizes have up to 32 bits, and one is added */
};

/* counts[n]: of those with n bits above the first that are not above the bound of that length, and
 * those with n - 1 that are above the bound of theirs. */
struct message_sizes {
    uint64_t counts[MESSAGE_SIZE_LENGTHS + 1];
    uint64_t sum; /* octets */
};

/* The bound that lies within a length. Most lengths have none: there it is 0, and all that has this
 * length counts with the next one, which is on the same side of every bound. */
extern const size_t message_size_bounds[MESSAGE_SIZE_LENGTHS];

static inline void message_sizes_add(struct message_sizes *sizes, size_t size)
{
    size_t length = 63 - (size_t)__builtin_clzll(size + 1);
    sizes->counts[length + (size > message_size_bounds[length])]++;
    sizes->sum += size;
}

/* The bound with this number, from 0 on, and how many sizes are not above it; false behind the last
 * one. */
bool message_sizes_step(const struct message_sizes *sizes, size_t number, size_t *bound,
                        uint64_t *count);
/* Of all sizes. */
uint64_t message_sizes_count(const struct message_sizes *sizes);

#endif
