/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STEP_H
#define STEP_H

/* The steps that most tests take: a method sent and its answer checked. What is wrong with an
 * answer fails the running test. A test that is about a method itself sends it with raw_method. */

#include "raw_client.h"

enum {
    QUEUE_PASSIVE = 1,
    QUEUE_DURABLE = 2,
    QUEUE_EXCLUSIVE = 4,
    QUEUE_AUTO_DELETE = 8,
    QUEUE_NOWAIT = 16,
};
enum {
    EXCHANGE_PASSIVE = 1,
    EXCHANGE_DURABLE = 2,
    EXCHANGE_AUTO_DELETE = 4,
    EXCHANGE_INTERNAL = 8,
    EXCHANGE_NOWAIT = 16,
};
enum { CONSUME_NO_LOCAL = 1, CONSUME_NO_ACK = 2, CONSUME_EXCLUSIVE = 4, CONSUME_NOWAIT = 8 };
enum { PUBLISH_MANDATORY = 1, PUBLISH_IMMEDIATE = 2 };
enum { DELETE_IF_UNUSED = 1, DELETE_IF_EMPTY = 2, DELETE_NOWAIT = 4 };

/* Only sends. */
void step_send_declare(struct raw_client *c, uint16_t channel, const char *queue, int flags,
                       const struct raw_table *args);
void step_send_exchange(struct raw_client *c, uint16_t channel, const char *exchange,
                        const char *type, int flags, const struct raw_table *args);
void step_send_bind(struct raw_client *c, uint16_t channel, const char *queue, const char *exchange,
                    const char *key, const struct raw_table *args);
void step_send_unbind(struct raw_client *c, uint16_t channel, const char *queue,
                      const char *exchange, const char *key, const struct raw_table *args);
void step_send_consume(struct raw_client *c, uint16_t channel, const char *queue, const char *tag,
                       int flags, const struct raw_table *args);
void step_send_get(struct raw_client *c, uint16_t channel, const char *queue, bool no_ack);
void step_send_delete(struct raw_client *c, uint16_t channel, const char *queue, int flags);

/* Send and check the answer. With a nowait flag there is none to check. */
uint32_t step_declare(struct raw_client *c, uint16_t channel, const char *queue, int flags,
                      const struct raw_table *args);
/* Declares a server-named exclusive queue and stores its name. */
void step_declare_unnamed(struct raw_client *c, uint16_t channel, char name[256]);
/* Declares an exclusive queue and publishes "1" to "COUNT" into it, on channel 1. */
void step_fill(struct raw_client *c, const char *queue, int count);
/* Deletes the exchange that an aborted run may have left, and declares it. */
void step_exchange(struct raw_client *c, uint16_t channel, const char *exchange, const char *type,
                   int flags, const struct raw_table *args);
void step_exchange_delete(struct raw_client *c, uint16_t channel, const char *exchange);
void step_bind(struct raw_client *c, uint16_t channel, const char *queue, const char *exchange,
               const char *key, const struct raw_table *args);
void step_unbind(struct raw_client *c, uint16_t channel, const char *queue, const char *exchange,
                 const char *key, const struct raw_table *args);
void step_exchange_bind(struct raw_client *c, uint16_t channel, const char *destination,
                        const char *source, const char *key);
uint32_t step_delete(struct raw_client *c, uint16_t channel, const char *queue);
uint32_t step_purge(struct raw_client *c, uint16_t channel, const char *queue);
void step_qos(struct raw_client *c, uint16_t channel, uint16_t prefetch_count, bool global);
void step_consume(struct raw_client *c, uint16_t channel, const char *queue, const char *tag,
                  int flags, const struct raw_table *args);
void step_cancel(struct raw_client *c, uint16_t channel, const char *tag);
void step_confirm_select(struct raw_client *c, uint16_t channel);
void step_tx(struct raw_client *c, uint16_t channel, uint16_t method_id);

/* Publishes a text, or bytes with properties. */
void step_publish(struct raw_client *c, uint16_t channel, const char *exchange, const char *key,
                  const char *body);
void step_publish_with(struct raw_client *c, uint16_t channel, const char *exchange,
                       const char *key, int flags, const struct raw_properties *properties,
                       const void *body, size_t body_bytes);

void step_ack(struct raw_client *c, uint16_t channel, uint64_t tag, bool multiple);
void step_nack(struct raw_client *c, uint16_t channel, uint64_t tag, bool multiple, bool requeue);
void step_reject(struct raw_client *c, uint16_t channel, uint64_t tag, bool requeue);
void step_recover(struct raw_client *c, uint16_t channel);

/* The next message of the queue has this body (NULL: any); gives its delivery tag, unacked, or gets
 * with no_ack. */
uint64_t step_get(struct raw_client *c, uint16_t channel, const char *queue, const char *body);
void step_get_no_ack(struct raw_client *c, uint16_t channel, const char *queue, const char *body);
void step_get_empty(struct raw_client *c, uint16_t channel, const char *queue);

/* The next frame is a delivery with this consumer tag (NULL: any) and body; gives its delivery tag.
 */
uint64_t step_deliver(struct raw_client *c, uint16_t channel, const char *tag, const char *body);

/* The next confirms are acks that settle everything up to `tag`, which is the highest that was
 * published. */
void step_confirms(struct raw_client *c, uint16_t channel, uint64_t first_tag, uint64_t last_tag);

/* The counts of a passive declare. */
void step_counts(struct raw_client *c, uint16_t channel, const char *queue, uint32_t *ready_count,
                 uint32_t *consumer_count);

/* Polls until the queue has that many ready messages; fails after the usual deadline. */
void step_await_ready(struct raw_client *c, uint16_t channel, const char *queue,
                      uint32_t ready_count);

/* Nothing was delivered on the channel: what is under way to it from the queue would come before
 * the answer. */
void step_no_delivery(struct raw_client *c, uint16_t channel, const char *queue);

/* Polls with new channels until the queue (or exchange) is not there; fails after the usual
 * deadline. */
void step_queue_vanishes(struct raw_client *c, const char *queue);
void step_exchange_vanishes(struct raw_client *c, const char *exchange);

/* The last message has this body; NULL matches any. */
void step_assert_body(struct raw_client *c, const char *body);

#endif
