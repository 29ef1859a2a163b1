/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_CHECK_H
#define LEVERET_CLI_CHECK_H

#include <stdbool.h>

struct json_t;
struct options;

/* "check": looks at the data folder, in which no server may work, row by row, and says what is
 * wrong. The exit status. */
int check_run(const struct options *options, const struct json_t *arguments);

/* The same for any folder, whatever the options name. is_of_backup: it is one, or was made from
 * one, so that there is a store of each vhost. */
int check_folder(const struct options *options, const char *folder, bool is_of_backup);

#endif
