/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_HELP_H
#define LEVERET_CLI_HELP_H

struct json_t;
struct options;

/* Each gives the exit status. */

/* Where no command was given: how the program is used, which --help asks for and which is an error
 * otherwise. */
int help_usage(const struct options *options);
/* There is no such command; names one that is like it. */
int help_suggest(const char *name);
/* How a command is used. */
int help_of(const char *name);
int help_version(const struct options *options);

/* The commands help, version and autocomplete. */
int help_run(const struct options *options, const struct json_t *arguments);
int help_run_version(const struct options *options, const struct json_t *arguments);
int help_run_autocomplete(const struct options *options, const struct json_t *arguments);

#endif
