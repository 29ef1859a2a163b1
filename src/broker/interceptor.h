/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_INTERCEPTOR_H
#define LEVERET_BROKER_INTERCEPTOR_H

#include "broker/vhost.h"

static inline bool interceptor_is_wanted(const struct vhost_config *config)
{
    return (config->stamps_time | config->stamps_node) != STAMP_NEVER;
}

/* The message with what the configuration wants written into it; the reference passes, in both
 * directions. What cannot be parsed is left as it is. */
struct message *interceptor_stamp(const struct vhost_config *config, struct message *message,
                                  uint64_t now_ms);

#endif
