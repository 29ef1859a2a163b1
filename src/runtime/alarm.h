/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_ALARM_H
#define LEVERET_RUNTIME_ALARM_H

#include "config/config.h"

/* What sets off an alarm. */
struct alarm_limits {
    const char *data_dir;            /* borrowed from the configuration */
    uint64_t memory_bytes;           /* alarm above */
    uint64_t transient_bytes;        /* of each vhost: transient messages above go to the disk */
    uint64_t disk_free_bytes;        /* alarm below */
    uint64_t memory_available_bytes; /* what relative limits are relative to */
    unsigned unknown;                /* alarms of which nothing could be found out the last time */
};

void alarm_limits_init(struct alarm_limits *limits, const struct config *config);

/* Takes over what the configuration says about one of the two. */
void alarm_limits_set_memory(struct alarm_limits *limits, const struct config *config);
void alarm_limits_set_disk(struct alarm_limits *limits, const struct config *config);

/* The memory that the process has resident, and what is free on the disk of the data; bytes, 0
 * where that cannot be found out. */
uint64_t alarm_memory_used(void);
uint64_t alarm_disk_free(const struct alarm_limits *limits);

/* The alarms that are in effect now (enum vhost_alarm): more memory in use than
 * vm_memory_high_watermark, less space on the disk of the data than disk_free_limit. Where one
 * cannot be found out, as without descriptors, it is as it was (former), and the log tells once. */
unsigned alarm_check(struct alarm_limits *limits, unsigned former);

#endif
