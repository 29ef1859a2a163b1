/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_DIRECTORY_COMMANDS_H
#define LEVERET_AUTH_DIRECTORY_COMMANDS_H

struct control;
struct directory;

/* Adds leveretctl's commands for users, vhosts and permissions. The directory outlives control. */
void directory_add_commands(struct directory *directory, struct control *control);

#endif
