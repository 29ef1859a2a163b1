/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AMQP_ERLANG_H
#define LEVERET_AMQP_ERLANG_H

#include "base/buffer.h"
#include "base/bytes.h"

/* RabbitMQ's reply texts print octets as Erlang does, and clients and tests match on them. */

/* Always as numbers: <<0,0,255>>. */
void erlang_append_octets(struct buffer *buffer, struct bytes octets);

/* As a string where all octets are printable, else as numbers: <<"abc">>. */
void erlang_append_binary(struct buffer *buffer, struct bytes octets);

/* A string that is a list of octets: "abc" where all are printable, else [0,255]. */
void erlang_append_string(struct buffer *buffer, struct bytes octets);
/* A value that came from JSON as the term it then is: <<"abc">>, 1.5, null, [1,2], #{<<"a">> => 1}.
 * Nested ones are valid. */
struct amqp_value;
void erlang_append_term(struct buffer *buffer, const struct amqp_value *value);

#endif
