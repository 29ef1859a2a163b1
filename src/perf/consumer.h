/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_CONSUMER_H
#define LEVERET_PERF_CONSUMER_H

#include "perf/histogram.h"
#include "perf/worker.h"

struct consumer {
    struct actor actor;
    struct run *run; /* borrowed: lives in main */
    unsigned number;
    unsigned queue_count; /* its queues are number, number + consumers, ... */
    unsigned source_count;

    struct delivery delivery; /* of the message that is being read */
    unsigned slot;
    uint64_t body_left;
    unsigned head_bytes;
    uint8_t head[RUN_STAMP_BYTES];

    uint64_t delivered;
    uint64_t counted;
    uint64_t sum;
    uint64_t redelivered;
    uint64_t disordered;
    uint64_t acked;
    uint64_t now_ns;
    uint64_t start_ns;
    bool is_measuring;
    uint64_t *last_sequence; /* owned: per queue of this consumer, per publisher */
    struct histogram latency;

    struct frames acks; /* owned */
    size_t acks_sent_bytes;
};

/* Connects and sets the prefetch; nothing is consumed before consumer_subscribe. */
void consumer_init(struct consumer *consumer, struct run *run, unsigned number);
void consumer_fini(struct consumer *consumer);

/* Sends basic.consume for each of its queues; from any thread, before the
 * first delivery. */
void consumer_subscribe(struct consumer *consumer);

/* Reads and evaluates what has come; the consumer's socket may be blocking. */
void consumer_read(struct consumer *consumer);

/* The request itself; answered with basic.consume-ok. */
void consumer_put_consume(struct frames *request, const char *queue, const char *tag,
                          bool needs_no_ack);

#endif
