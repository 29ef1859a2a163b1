/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_HANDSHAKE_H
#define LEVERET_PERF_HANDSHAKE_H

#include "perf/frames.h"
#include "perf/options.h"

/* What is sent, in this order, and what is answered: connection.start, connection.tune,
 * connection.open-ok, channel.open-ok. */
void handshake_put_protocol(struct frames *request);
void handshake_put_start_ok(struct frames *request, const struct options *options);
void handshake_put_open(struct frames *request, const struct options *options, uint32_t frame_max);
void handshake_put_channel(struct frames *request);

/* Answered with channel.close-ok and connection.close-ok. */
void handshake_put_channel_close(struct frames *request);
void handshake_put_close(struct frames *request);

#endif
