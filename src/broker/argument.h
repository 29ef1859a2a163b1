/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_ARGUMENT_H
#define LEVERET_BROKER_ARGUMENT_H

#include <stdbool.h>

#include "amqp/error.h"
#include "base/bytes.h"
#include "queue/queue_settings.h"

/* The checks of re-declarations. resource is what the reply text calls it: "queue 'q' in vhost
 * '/'". Each sets error (406) and returns false where received and current are not the same. */
bool argument_check_flag(const char *resource, const char *name, bool received, bool current,
                         struct amqp_error *error);
/* The types of an exchange, which RabbitMQ quotes once more where they have a dash in them. */
bool argument_check_type(const char *resource, const char *received, const char *current,
                         struct amqp_error *error);
/* One argument of two tables; widths of integers and of floats do not matter. */
bool argument_check_equal(const char *resource, const char *name, struct bytes received,
                          struct bytes current, struct amqp_error *error);
/* Every argument that means something to a queue of that type, which is the current one's. */
bool argument_check_queue(const char *resource, enum queue_type type, struct bytes received,
                          struct bytes current, struct amqp_error *error);
/* Those that still count where a quorum queue is redeclared as a classic one, and the
 * configuration lets that pass (quorum_queue.property_equivalence.relaxed_checks_on_redeclaration).
 */
bool argument_check_relaxed(const char *resource, struct bytes received, struct bytes current,
                            struct amqp_error *error);

#endif
