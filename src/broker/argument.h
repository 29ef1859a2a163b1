/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_ARGUMENT_H
#define LEVERET_BROKER_ARGUMENT_H

#include <stdbool.h>

#include "amqp/error.h"
#include "base/bytes.h"

/* The checks of re-declarations. resource is what the reply text calls it: "queue 'q' in vhost
 * '/'". Each sets error (406) and returns false where received and current are not the same. */
bool argument_check_flag(const char *resource, const char *name, bool received, bool current,
                         struct amqp_error *error);
bool argument_check_text(const char *resource, const char *name, struct bytes received,
                         struct bytes current, struct amqp_error *error);
/* One argument of two tables; widths of integers do not matter. */
bool argument_check_equal(const char *resource, const char *name, struct bytes received,
                          struct bytes current, struct amqp_error *error);
/* Every argument that means something to a queue; x-queue-type "classic" equals none. */
bool argument_check_queue(const char *resource, struct bytes received, struct bytes current,
                          struct amqp_error *error);

/* Is the queue's type one that there is? */
bool argument_check_queue_type(const char *resource, struct bytes arguments,
                               struct amqp_error *error);

#endif
