/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_EXPIRATION_H
#define LEVERET_BROKER_EXPIRATION_H

#include <stdbool.h>

#include "amqp/error.h"
#include "base/bytes.h"

/* Is the expiration of these properties, where there is one, a decimal number of milliseconds up to
 * ten years? 406 with RabbitMQ's words where not. */
bool expiration_check(struct bytes properties, struct amqp_error *error);

/* The time to live of a message whose expiration was checked, in ms; EXPIRATION_NEVER without. */
#define EXPIRATION_NEVER UINT64_MAX
uint64_t expiration_of(struct bytes properties);

#endif
