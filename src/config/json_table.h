/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CONFIG_JSON_TABLE_H
#define LEVERET_CONFIG_JSON_TABLE_H

#include <jansson.h>
#include <stdbool.h>

#include "amqp/table.h"
#include "base/buffer.h"
#include "base/bytes.h"

/* Field tables as JSON objects and back, as RabbitMQ does it in definitions: integers become 64-bit
 * ones, other numbers doubles, texts long strings, null void. On the way to JSON a table's types
 * are lost. */

/* Appends the object's fields, in the order of their names. False where a name is longer than
 * AMQP_SHORTSTR_MAX octets or something is nested too deep; then half of it is there. */
bool json_to_table(const json_t *object, struct buffer *table) __attribute__((warn_unused_result));

/* A new object of a valid table, or a new value. Texts that are not UTF-8 come as Latin-1. */
json_t *json_of_table(struct bytes table);
json_t *json_of_value(const struct amqp_value *value);

/* Appends the value as Erlang would print it in a message. */
void json_append_term(struct buffer *text, const json_t *value);

/* Any JSON value; NULL where it is none. */
json_t *json_parse(const char *text);
/* Appends it without blanks, keys as they stand. */
void json_append(struct buffer *text, const json_t *value);
/* Without blanks, keys in order; the caller frees it. */
char *json_print(const json_t *value);

#endif
