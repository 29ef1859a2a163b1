/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_QUEUE_MESSAGE_COUNTERS_H
#define LEVERET_QUEUE_MESSAGE_COUNTERS_H

#include <stdint.h>

/*
 * What RabbitMQ calls message_stats: how often what happened to messages, since the object came.
 * What a message passes counts it, with an addition each and nothing else; rates are made of the
 * counters by whoever looks (src/stats).
 */

/* What is taken from queues: counted by the queue, by the channel, and by the vhost. */
struct delivery_counters {
    uint64_t deliver, deliver_no_ack; /* to consumers, that ack or do not */
    uint64_t get, get_no_ack, get_empty;
    uint64_t redeliver; /* of all these, with the flag */
    uint64_t ack;
};

static inline void delivery_counters_add(struct delivery_counters *sum,
                                         const struct delivery_counters *counters)
{
    sum->deliver += counters->deliver;
    sum->deliver_no_ack += counters->deliver_no_ack;
    sum->get += counters->get;
    sum->get_no_ack += counters->get_no_ack;
    sum->get_empty += counters->get_empty;
    sum->redeliver += counters->redeliver;
    sum->ack += counters->ack;
}

/* A queue's. */
struct queue_counters {
    uint64_t publish; /* by clients; once for each message that was routed to it */
    struct delivery_counters deliveries;
    uint64_t disk_reads, disk_writes; /* messages */
};

/* A channel's. */
struct channel_counters {
    uint64_t publish, confirm, return_unroutable, drop_unroutable;
    struct delivery_counters deliveries;
};

/* An exchange's: what clients published to it, and the queues that took it, those behind other
 * exchanges included. */
struct exchange_counters {
    uint64_t publish_in, publish_out;
};

#endif
