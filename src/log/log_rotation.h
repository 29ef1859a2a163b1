/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_LOG_LOG_ROTATION_H
#define LEVERET_LOG_LOG_ROTATION_H

#include <time.h>

#include "config/config_log.h"

/* The last moment at or before now at which such a file is rotated, by local time; date->every is
 * not CONFIG_LOG_NEVER. */
time_t log_rotation_last(const struct config_log_date *date, time_t now);

/* Puts the file at path aside as path.0, what was there before as path.1 and so on, so that count
 * of them stay. Those that are compressed, path.1.gz and so on, go the same way. With a count of 0
 * it is removed. */
void log_rotation_shift(const char *path, uint32_t count);

/* The name of what was put aside last; owned by the caller. */
char *log_rotation_newest(const char *path);

#endif
