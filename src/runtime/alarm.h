/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_ALARM_H
#define LEVERET_RUNTIME_ALARM_H

#include "config/config.h"

/* The alarms that are in effect now (enum vhost_alarm): more memory in use than
 * vm_memory_high_watermark, less space on the disk of the data than disk_free_limit. What cannot be
 * found out is no alarm. Any thread. */
unsigned alarm_check(const struct config *config);

#endif
