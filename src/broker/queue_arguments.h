/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_QUEUE_ARGUMENTS_H
#define LEVERET_BROKER_QUEUE_ARGUMENTS_H

#include <stdbool.h>

#include "amqp/error.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "broker/policy.h"
#include "queue/queue_settings.h"

/* The arguments of queue.declare and of basic.consume: field tables without their length prefix.
 * resource is what a reply text calls the queue: "queue 'q' in vhost '/'". */

/* The bits of a declaration that say what kinds of queue it can be for. */
struct queue_flags {
    bool is_durable; /* an exclusive queue is not, whatever its declaration says */
    bool is_exclusive;
    bool is_auto_delete;
};

/* The type that the arguments ask for; QUEUE_CLASSIC where they ask for none, or for one that there
 * is not. */
enum queue_type queue_arguments_type(struct bytes arguments);
/* "classic", "quorum", "stream" */
const char *queue_type_name(enum queue_type type);

/* The arguments of a declaration that names no type, with the type that the vhost has for those:
 * appended to *buffer, of which the result is a view. Where the arguments do name one, or where
 * that type could not have such flags, the result is arguments. */
struct bytes queue_arguments_complete(struct bytes arguments, enum queue_type default_type,
                                      const struct queue_flags *flags, struct buffer *buffer);

/* Can the server choose the name of such a queue? Otherwise sets error (406). */
bool queue_arguments_check_server_named(struct bytes arguments, struct amqp_error *error);

/* Gives x-dead-letter-exchange, with data NULL where there is none. Sets error (406) where it is no
 * name. It is asked for before the permissions on that exchange are, all else after. */
bool queue_arguments_dead_letter(const char *resource, struct bytes arguments,
                                 struct bytes *exchange, struct amqp_error *error);

/* Every rule for a new queue's arguments and flags, in RabbitMQ's order. Sets error (406) where one
 * is broken. */
bool queue_arguments_check(const char *resource, const struct queue_flags *flags,
                           struct bytes arguments, struct amqp_error *error);

/* The arguments of basic.consume on a queue of that type. *priority is what x-priority says, or 0.
 */
bool consumer_arguments_check(const char *resource, enum queue_type type, struct bytes arguments,
                              int32_t *priority, struct amqp_error *error);

/* What the arguments of a declaration that has been accepted say. An argument that its type of
 * queue does not know says nothing. The texts are views into arguments. */
void queue_settings_of_arguments(struct queue_settings *settings, struct bytes arguments);

/* What the policies in force (NULL: none) change in the settings that the arguments made. A policy
 * says nothing of keys that do not fit the type. Texts are views into the policies. */
void queue_settings_apply_policy(struct queue_settings *settings, const struct policy *user,
                                 const struct policy *operator);

#endif
