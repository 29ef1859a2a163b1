/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_BACKUP_H
#define LEVERET_CLI_BACKUP_H

struct json_t;
struct options;

/* "backup": asks the server for one, shows how far it is, and ends it when it is interrupted.
 * "restore": makes the data folder from one, without a server, and checks it. Both give the exit
 * status. */
int backup_run(const struct options *options, const struct json_t *arguments);
int restore_run(const struct options *options, const struct json_t *arguments);

#endif
