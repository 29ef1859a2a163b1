/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_LOG_LOG_ENTRY_H
#define LEVERET_LOG_LOG_ENTRY_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "config/config_log.h"

/* One message of the log, on its way to every outlet that takes it. */
struct log_entry {
    struct timespec time;
    enum config_log_level level;
    enum config_log_category category;
    uint32_t thread;     /* the system's number of the thread that logged it */
    uint32_t references; /* guarded by the log's mutex */
    size_t size;
    char text[]; /* ended by NUL; any octets, also those that a peer chose */
};

#endif
