/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_QUEUE_ARGUMENTS_H
#define LEVERET_BROKER_QUEUE_ARGUMENTS_H

#include "base/bytes.h"
#include "queue/queue_settings.h"

/* The arguments of queue.declare: a field table without its length prefix. */

/* The type that the arguments ask for; QUEUE_CLASSIC where they ask for none, or for one that there
 * is not. */
enum queue_type queue_arguments_type(struct bytes arguments);

/* What the arguments of a declaration that has been accepted say. An argument that its type of
 * queue does not know says nothing. The texts are views into arguments. */
void queue_settings_of_arguments(struct queue_settings *settings, struct bytes arguments);

#endif
