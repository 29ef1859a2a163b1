/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The histogram of sizes, read. No two bounds have the same length, and lengths next to each other
 * that both have one are no matter: what is above the first is counted with what is not above the
 * second, where it belongs.
 */
#include "queue/message_sizes.h"

/* By the length of what is one more. */
const size_t message_size_bounds[MESSAGE_SIZE_LENGTHS] = {
    [6] = 100,      [9] = 1000,      [13] = 10000,    [16] = 100000,
    [19] = 1000000, [23] = 10000000, [25] = 50000000, [26] = 100000000,
};

/* Of the counts before this one. */
static uint64_t sum_before(const struct message_sizes *sizes, size_t end)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < end; i++)
        sum += sizes->counts[i];
    return sum;
}

bool message_sizes_step(const struct message_sizes *sizes, size_t number, size_t *bound,
                        uint64_t *count)
{
    for (size_t length = 0; length < MESSAGE_SIZE_LENGTHS; length++) {
        if (message_size_bounds[length] == 0 || number-- > 0)
            continue;
        *bound = message_size_bounds[length];
        *count = sum_before(sizes, length + 1);
        return true;
    }
    return false;
}

uint64_t message_sizes_count(const struct message_sizes *sizes)
{
    return sum_before(sizes, MESSAGE_SIZE_LENGTHS + 1);
}
