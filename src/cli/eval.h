/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_EVAL_H
#define LEVERET_CLI_EVAL_H

struct json_t;
struct options;

/* "eval": answers those expressions of Erlang's that scripts ask RabbitMQ, and refuses all others.
 * The exit status. */
int eval_run(const struct options *options, const struct json_t *arguments);

#endif
