/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_PEEK_H
#define LEVERET_CLI_PEEK_H

#include <stddef.h>

struct json_t;
struct options;

/* The command peek; the exit status. */
int peek_run(const struct options *options, const struct json_t *arguments);
const char *peek_check(char *const *words, size_t count, int *status);

#endif
