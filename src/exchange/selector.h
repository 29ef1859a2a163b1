/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_EXCHANGE_SELECTOR_H
#define LEVERET_EXCHANGE_SELECTOR_H

#include <stdbool.h>

#include "base/bytes.h"

/* A JMS message selector: a condition over the headers of a message. */
struct selector;

/* Reads the text of a selector in either of two forms: the Erlang term into which RabbitMQ's JMS
 * client compiles it ({'=',{'ident',<<"a">>},1}.), or SQL as the JMS specification has it (a = 1).
 * The text is copied. NULL where it is malformed; *reason then says why, in static text. */
struct selector *selector_parse(struct bytes text, const char **reason);
void selector_free(struct selector *selector);

/* Is the condition true? headers is a field table without its length prefix. */
bool selector_matches(const struct selector *selector, struct bytes headers);

#endif
