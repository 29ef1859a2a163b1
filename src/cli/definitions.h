/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_DEFINITIONS_H
#define LEVERET_CLI_DEFINITIONS_H

struct command;
struct json_t;
struct options;

/* The file of export_definitions and import_definitions, the command's first argument: "-" or none
 * is standard output or input. Each function says what is wrong and returns the exit status. */

/* Before anything is asked: is there such a file, or a folder for it? */
int definitions_check_file(const struct command *command, const struct options *options);

/* Reads the file into the request's argument "definitions". */
int definitions_read(const struct options *options, struct json_t *arguments);

int definitions_write(const struct options *options, const struct json_t *definitions);

#endif
