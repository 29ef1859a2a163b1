/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_PUBLISHER_H
#define LEVERET_PERF_PUBLISHER_H

#include "perf/histogram.h"
#include "perf/worker.h"

struct publisher {
    struct actor actor;
    struct run *run; /* borrowed: lives in main */
    unsigned number;
    unsigned key_count; /* its routing keys are number, number + publishers, ... */
    size_t digits_at;   /* where those of the key stand in an image */

    uint8_t *images; /* owned: image_count encoded messages, one behind the other */
    size_t image_bytes;
    size_t image_count;
    struct frames_offsets offsets;
    size_t batch_bytes;
    size_t batch_sent_bytes;
    uint64_t batch_counted;

    uint64_t submitted;
    _Atomic uint64_t limit; /* submits no more than that */
    uint64_t rate_start_ns;
    uint64_t rate_base;

    uint64_t confirmed;
    uint64_t lowest_unconfirmed;
    uint8_t *is_settled; /* owned: ring over delivery tags, NULL without confirms */
    uint64_t *sent_ns;   /* owned: the same ring, NULL without --latency */
    uint64_t ring_mask;
    uint64_t now_ns; /* when confirms were read */
    struct histogram confirm_latency;
};

/* Connects, and encodes its message as often as a batch may hold it. */
void publisher_init(struct publisher *publisher, struct run *run, unsigned number);
void publisher_fini(struct publisher *publisher);

/* From any thread: publish until that many of this publisher's have been sent. */
void publisher_set_limit(struct publisher *publisher, uint64_t limit);

/* Reads and counts the confirms that have come; the publisher's socket may be blocking. */
void publisher_read_confirms(struct publisher *publisher);

/* Writes the next message into image 0 and returns it: for one message at a time. */
const uint8_t *publisher_stamp_one(struct publisher *publisher, uint64_t now_ns);

#endif
