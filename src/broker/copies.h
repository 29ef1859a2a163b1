/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_COPIES_H
#define LEVERET_BROKER_COPIES_H

#include <stdbool.h>
#include <stddef.h>

#include "amqp/error.h"
#include "queue/message.h"

/* Sender-selected distribution, an extension of RabbitMQ: the headers CC and BCC hold arrays of
 * more routing keys, and BCC is taken out before a client gets the message. */

/* Are both, where they are there, arrays? 406 where not. */
bool copies_check(const struct message *message, struct amqp_error *error);

/* The message's routing keys: its own, then those of CC and BCC; members that are no strings are
 * passed over. The array is the caller's to free; the keys are views into the message. */
struct bytes *copies_keys(const struct message *message, size_t *count);

/* Has the message any of the two headers? */
bool copies_has_any(const struct message *message);

/* Notes (hides_bcc) whether the message has BCC, before it enters a queue for the first time. */
void copies_note_bcc(struct message *message);

/* The message without BCC: itself where it has none, else a new one in its place, the reference to
 * the old one ended. */
struct message *copies_hide_bcc(struct message *message);

#endif
