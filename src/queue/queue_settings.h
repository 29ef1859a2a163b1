/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_QUEUE_QUEUE_SETTINGS_H
#define LEVERET_QUEUE_QUEUE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* What a queue shall do, put together from its arguments and its policies (see
 * broker/queue_arguments.h). Numbers that are absent are QUEUE_SETTING_ABSENT, texts have data
 * NULL. */

#define QUEUE_SETTING_ABSENT UINT64_MAX

/* A byte each, so that the settings have no holes: see QUEUE_SETTINGS_PLAIN. */
#define ONE_BYTE __attribute__((packed))

enum queue_type { QUEUE_CLASSIC, QUEUE_QUORUM, QUEUE_STREAM } ONE_BYTE;

enum queue_overflow {
    OVERFLOW_DROP_HEAD,          /* the oldest messages go, dead-lettered */
    OVERFLOW_REJECT_PUBLISH,     /* the new message is nacked and dropped */
    OVERFLOW_REJECT_PUBLISH_DLX, /* the new message is nacked and dead-lettered */
} ONE_BYTE;

enum dead_letter_strategy { DEAD_LETTER_AT_MOST_ONCE, DEAD_LETTER_AT_LEAST_ONCE } ONE_BYTE;

#undef ONE_BYTE

struct queue_settings {
    uint64_t message_ttl_ms; /* 0: gone unless a consumer takes it at once */
    uint64_t expires_ms;     /* unused for so long, the queue is deleted */
    uint64_t max_length;     /* ready messages */
    uint64_t max_length_bytes;
    int64_t delivery_limit;            /* -1: none; only quorum queues have one */
    uint64_t consumer_timeout_ms;      /* absent: the server's own applies */
    struct bytes dead_letter_exchange; /* borrowed: from the arguments or the policy, like the next.
                                        * The default exchange has a size of 0, and data. */
    struct bytes dead_letter_routing_key;
    enum queue_type type;
    enum queue_overflow overflow;
    bool has_overflow; /* the arguments say so, so that no policy can (but for quorum queues) */
    enum dead_letter_strategy dead_letter_strategy; /* as it was asked for, see below */
    bool has_dead_letter_strategy;                  /* by the arguments */
    uint8_t max_priority;                           /* 0: one level; never more than 255 */
    bool single_active_consumer;
    bool deduplicates; /* x-message-deduplication; only classic queues do */
};

/* Of a queue that asked for nothing. Whether others are the same is told by their bytes, so there
 * must be none between them: 6 numbers, 2 texts and 8 of a byte. */
#define QUEUE_SETTINGS_PLAIN                                                                       \
    {                                                                                              \
        .message_ttl_ms = QUEUE_SETTING_ABSENT, .expires_ms = QUEUE_SETTING_ABSENT,                \
        .max_length = QUEUE_SETTING_ABSENT, .max_length_bytes = QUEUE_SETTING_ABSENT,              \
        .delivery_limit = -1, .consumer_timeout_ms = QUEUE_SETTING_ABSENT,                         \
    }
_Static_assert(sizeof(struct queue_settings) == 6 * 8 + 2 * sizeof(struct bytes) + 8, "no holes");

/* RabbitMQ dead-letters at least once only where no message can be dropped for want of room. */
static inline bool queue_settings_dead_letter_at_least_once(const struct queue_settings *settings)
{
    return settings->type == QUEUE_QUORUM && settings->dead_letter_exchange.data != NULL &&
           settings->dead_letter_strategy == DEAD_LETTER_AT_LEAST_ONCE &&
           settings->overflow == OVERFLOW_REJECT_PUBLISH;
}

#endif
