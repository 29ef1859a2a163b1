/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_PARAMETER_COMMANDS_H
#define LEVERET_AUTH_PARAMETER_COMMANDS_H

struct control;
struct directory;

/* Adds leveretctl's commands for policies, parameters, limits and topic permissions. The directory
 * outlives control. */
void directory_add_parameter_commands(struct directory *directory, struct control *control);

#endif
