/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_PING_H
#define LEVERET_PERF_PING_H

#include "perf/consumer.h"
#include "perf/publisher.h"

/* Sends one message, waits until it is delivered, or, where consumer is NULL, confirmed, and so on
 * for the run's time; the latencies are in the histogram of the one or the other afterwards, the
 * counters in the run. Both are set up and their sockets blocking; the consumer is subscribed by
 * this. */
void ping_run(struct run *run, struct publisher *publisher, struct consumer *consumer);

#endif
