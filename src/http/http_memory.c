/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of the memory in use. What counters and the allocator know is taken for what it is; the
 * rest of what is resident has no better name than RabbitMQ's for it.
 */
#include "http/http_memory.h"

#include <malloc.h>

#include "broker/vhost.h"

static struct memory_part part(const char *name, uint64_t bytes)
{
    return (struct memory_part){name, bytes};
}

/* What the allocator has and nobody uses is a part of what is resident, as far as it is. */
void memory_parts(struct memory_part parts[MEMORY_PART_COUNT],
                  const struct vhost_counters *counters, uint64_t statistics_bytes,
                  uint64_t resident_bytes)
{
    struct mallinfo2 heap = mallinfo2();
    uint64_t in_use = heap.uordblks + heap.hblkhd;
    uint64_t messages =
        counters->window_bytes + counters->transient_bytes + counters->unstored_bytes;
    uint64_t known = counters->session_bytes + messages + statistics_bytes;
    uint64_t other = in_use > known ? in_use - known : 0;
    uint64_t all = known + other + heap.fordblks;
    uint64_t reserved = resident_bytes > all ? resident_bytes - all : 0;
    parts[MEMORY_PART_CONNECTIONS] = part("connection_channels", counters->session_bytes);
    parts[MEMORY_PART_MESSAGES] = part("binary", messages);
    parts[MEMORY_PART_STATISTICS] = part("mgmt_db", statistics_bytes);
    parts[MEMORY_PART_OTHER] = part("other_system", other);
    parts[MEMORY_PART_UNUSED] = part("allocated_unused", heap.fordblks);
    parts[MEMORY_PART_RESERVED] = part("reserved_unallocated", reserved);
}
