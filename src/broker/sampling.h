/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_SAMPLING_H
#define LEVERET_BROKER_SAMPLING_H

#include <stdint.h>

struct channel;
struct queue;

/* What listings show of what samplings have seen: since when nothing has changed (the time of the
 * sampling that saw the last change), or 0 where something has, since the last one. */
uint64_t sampling_queue_idle_since(const struct queue *queue);
uint64_t sampling_channel_idle_since(const struct channel *channel);
/* Of the last samplings and this moment, how often a consumer could take a message: 0 to 1. */
/* The memory of the queue, with the messages in it. */
uint64_t queue_footprint(const struct queue *queue);
double sampling_taker_share(const struct queue *queue);

#endif
