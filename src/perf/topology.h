/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_TOPOLOGY_H
#define LEVERET_PERF_TOPOLOGY_H

#include "perf/peer.h"

enum { TOPOLOGY_NAME_BYTES = 256, TOPOLOGY_DIGITS = 6 };

/* The name of a queue, which is also its binding key and routing key: ends in TOPOLOGY_DIGITS
 * digits. */
void topology_queue_name(const struct options *options, unsigned queue, char name[]);

/* The exchange that is published to; "" is the default exchange. */
void topology_exchange_name(const struct options *options, char name[]);

/* Declares exchange, queues and bindings; returns how many messages stand in the queues. */
uint64_t topology_declare(struct peer *peer, const struct options *options);

/* Removes them, whether they exist or not. */
void topology_delete(struct peer *peer, const struct options *options);

#endif
