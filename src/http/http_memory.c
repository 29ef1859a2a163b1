/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the memory in use. What counters know is taken for what it is; the rest of what is
 * resident has no better name than RabbitMQ's for it. How much of that nobody uses only the
 * allocator could say, and it would have to look at every free piece, with everybody who wants some
 * waiting: 0.1 s for 300,000.
 */
#include "http/http_memory.h"

#include "broker/vhost.h"

static struct memory_part part(const char *name, uint64_t bytes)
{
    return (struct memory_part){name, bytes};
}

void memory_parts(struct memory_part parts[MEMORY_PART_COUNT],
                  const struct vhost_counters *counters, uint64_t statistics_bytes,
                  uint64_t resident_bytes)
{
    uint64_t messages =
        counters->window_bytes + counters->transient_bytes + counters->unstored_bytes;
    uint64_t known = counters->session_bytes + messages + statistics_bytes;
    uint64_t other = resident_bytes > known ? resident_bytes - known : 0;
    parts[MEMORY_PART_CONNECTIONS] = part("connection_channels", counters->session_bytes);
    parts[MEMORY_PART_MESSAGES] = part("binary", messages);
    parts[MEMORY_PART_STATISTICS] = part("mgmt_db", statistics_bytes);
    parts[MEMORY_PART_OTHER] = part("other_system", other);
}
