/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_LOG_LOG_FILE_H
#define LEVERET_LOG_LOG_FILE_H

#include "log/log_outlet.h"

/* Lines at the end of a file, which is put aside where it has grown too large or too old. NULL with
 * errno where it cannot be opened. */
struct log_outlet *log_file_new(const char *path, const struct config_log_formatter *formatter,
                                const struct config_log_rotation *rotation,
                                enum config_log_level level, unsigned categories);

#endif
