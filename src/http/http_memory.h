/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_MEMORY_H
#define LEVERET_HTTP_HTTP_MEMORY_H

#include <stdint.h>

struct vhost_counters;

/* What the process uses its memory for, under RabbitMQ's names; together what is resident. */
enum {
    MEMORY_PART_CONNECTIONS,
    MEMORY_PART_MESSAGES,
    MEMORY_PART_STATISTICS,
    MEMORY_PART_OTHER, /* also what nobody uses and the allocator keeps */
    MEMORY_PART_COUNT,
};

struct memory_part {
    const char *name;
    uint64_t bytes;
};

/* counters: of all virtual hosts; the rest in bytes. Any thread. */
void memory_parts(struct memory_part parts[MEMORY_PART_COUNT],
                  const struct vhost_counters *counters, uint64_t statistics_bytes,
                  uint64_t resident_bytes);

#endif
