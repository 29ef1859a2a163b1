/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_MOVE_H
#define LEVERET_BROKER_MOVE_H

#include "broker/channel.h"

/* Moves the first ready messages of a queue to another one, so many at most, and not more than one
 * input may take: see move.c. The reply is a queue.purge-ok with how many it were, when they are on
 * disk in their new place: 0 only where the source is empty. An error where there is nothing that
 * the destination takes, or a queue is not there, or not the session's user's. */
enum outcome channel_move(struct channel *channel, const struct command_move *move,
                          struct amqp_error *error);

#endif
