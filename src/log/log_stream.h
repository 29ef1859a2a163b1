/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_LOG_LOG_STREAM_H
#define LEVERET_LOG_LOG_STREAM_H

#include "base/bytes.h"
#include "log/log_outlet.h"

/* Lines on a descriptor that is there already: standard output or error. */
struct log_outlet *log_stream_new(int fd, const char *name, const struct config_log_output *output,
                                  bool has_colors, unsigned categories);

/* Writes all of it, waiting for room until the outlet is given up. False: not all was written. */
bool log_stream_write(int fd, struct log_outlet *outlet, struct bytes bytes)
    __attribute__((warn_unused_result));

#endif
