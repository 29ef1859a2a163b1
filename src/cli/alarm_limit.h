/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_ALARM_LIMIT_H
#define LEVERET_CLI_ALARM_LIMIT_H

#include <stddef.h>

/* What rabbitmqctl says of wrong arguments before it asks the server: the words behind the command,
 * of which there are 1 or 2. NULL where they are fine; else the complaint, and the exit status. */
const char *alarm_limit_check_memory(char *const *words, size_t count, int *status);
const char *alarm_limit_check_disk(char *const *words, size_t count, int *status);

#endif
