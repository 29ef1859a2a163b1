/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AMQP_ERLANG_HASH_H
#define LEVERET_AMQP_ERLANG_HASH_H

#include <stdint.h>

#include "base/bytes.h"

/* What erlang:phash2(Arguments, 1 bsl 32) gives for a valid field table as RabbitMQ has it: a list
 * of {Name, Type, Value}, in the order of names. */
uint32_t erlang_hash_table(struct bytes table);

#endif
