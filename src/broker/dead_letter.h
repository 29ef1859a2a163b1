/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_DEAD_LETTER_H
#define LEVERET_BROKER_DEAD_LETTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "queue/message.h"
#include "queue/queue.h"

/* Why a message left a queue without having been acked. */
enum death_reason { DEATH_REJECTED, DEATH_EXPIRED, DEATH_MAXLEN, DEATH_DELIVERY_LIMIT };

/* Where the dead letter of a message goes by the settings of its queue, cut to what fits. */
void dead_letter_address(const struct queue_settings *settings, const struct message *message,
                         struct bytes *exchange, struct bytes *routing_key);

/* The message as its queue's dead letter exchange, which the queue has, gets it: a new one, with
 * the same body; its history tells of this death too. */
struct message *dead_letter_new(struct message *message, const struct queue *queue,
                                enum death_reason reason, uint64_t now_ms);

/* Has the message died before? */
bool dead_letter_has_history(const struct message *message);

/* Has it died in this queue, without anybody having rejected it since? */
bool dead_letter_returns_to(const struct message *message, struct bytes queue);

#endif
