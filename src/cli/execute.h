/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_EXECUTE_H
#define LEVERET_CLI_EXECUTE_H

struct options;

/* Carries out the command that is the first word, which has to be one; the exit status. */
int execute_command(const struct options *options) __attribute__((warn_unused_result));

#endif
