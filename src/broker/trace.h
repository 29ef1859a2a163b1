/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_TRACE_H
#define LEVERET_BROKER_TRACE_H

#include "broker/vhost_internal.h"

/* Both are called only while the vhost is traced; the message's reference stays. */

/* A client has published the message, which goes to these queues. */
void trace_published(const struct channel *channel, struct message *message,
                     const struct route_result *route);

/* A client gets the message from the queue. */
void trace_delivered(const struct channel *channel, const struct queue *queue,
                     struct message *message, bool redelivered);

#endif
