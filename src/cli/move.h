/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_MOVE_H
#define LEVERET_CLI_MOVE_H

struct json_t;
struct options;

/* move_messages; the exit status. */
int move_run(const struct options *options, const struct json_t *arguments);

#endif
