/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_PATTERN_H
#define LEVERET_BROKER_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

/* An unanchored PCRE over names, byte by byte, as RabbitMQ's. Nothing changes after it was
 * compiled: any number of threads may match. */
struct pattern;

/* NULL where the text does not compile: reason then is RabbitMQ's way to say so,
 * {"missing closing parenthesis",1}. */
struct pattern *pattern_new(struct bytes text, char *reason, size_t reason_size);
void pattern_free(struct pattern *pattern);

/* What one who matches one or several patterns may spend, in steps of the matcher: some
 * milliseconds, at 40 ns each. */
enum { PATTERN_STEPS_MAX = 125000 };

/* A match that would take too long is none: *steps_left is what it may cost, and is lowered by what
 * it did cost. A pattern that is easy to match always is matched. */
bool pattern_matches(const struct pattern *pattern, struct bytes name, size_t *steps_left);

#endif
