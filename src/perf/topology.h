/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_TOPOLOGY_H
#define LEVERET_PERF_TOPOLOGY_H

#include "perf/peer.h"

enum { TOPOLOGY_NAME_BYTES = 256, TOPOLOGY_DIGITS = 6 };

/* The name of a queue: ends in TOPOLOGY_DIGITS digits. */
void topology_queue_name(const struct options *options, unsigned queue, char name[]);

/* The routing key that one binding takes, of options_keys many: ends in TOPOLOGY_DIGITS digits.
 * With a headers exchange it is the value of the header topology_header. */
void topology_routing_key(const struct options *options, unsigned number, char key[]);
extern const char topology_header[];

/* The exchange that is published to; "" is the default exchange. */
void topology_exchange_name(const struct options *options, char name[]);

/* Declares exchange, queues and bindings (number i is that of queue i modulo queues); returns how
 * many messages stand in the queues. */
uint64_t topology_declare(struct peer *peer, const struct options *options);

/* Removes them, whether they exist or not. */
void topology_delete(struct peer *peer, const struct options *options);

/* The requests that this takes. Those that are not waited for have no answer of their own. */
void topology_put_declare(struct frames *request, const struct options *options, const char *queue,
                          bool is_waited_for);
void topology_put_delete(struct frames *request, const char *queue, bool is_waited_for);
void topology_put_bind(struct frames *request, const struct options *options, unsigned number,
                       bool is_waited_for);
void topology_put_unbind(struct frames *request, const struct options *options, unsigned number);

#endif
