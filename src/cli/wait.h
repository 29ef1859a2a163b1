/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_WAIT_H
#define LEVERET_CLI_WAIT_H

struct json_t;
struct options;

/* wait: for a file with a process number, and then for the server; the exit status. */
int wait_run(const struct options *options, const struct json_t *arguments);

#endif
