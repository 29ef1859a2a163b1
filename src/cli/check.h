/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_CHECK_H
#define LEVERET_CLI_CHECK_H

struct json_t;
struct options;

/* "check": looks at the data folder, in which no server may work, row by row, and says what is
 * wrong. The exit status. */
int check_run(const struct options *options, const struct json_t *arguments);

/* The same for any folder, whatever the options name. */
int check_folder(const struct options *options, const char *folder);

#endif
