/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_ROW_TERM_H
#define LEVERET_CLI_ROW_TERM_H

#include <stddef.h>

struct json_t;
struct term;

/* A row of a list as RabbitMQ has it, a list of pairs; the caller's. */
struct term *row_term(const struct json_t *row, char *const *columns, size_t count);

#endif
