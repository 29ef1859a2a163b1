/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_AUTH_DIRECTORY_COMMANDS_H
#define LEVERET_AUTH_DIRECTORY_COMMANDS_H

#include <stdbool.h>

struct control;
struct control_call;
struct directory;
struct directory_error;

/* Adds leveretctl's commands for users, vhosts and permissions. The directory outlives control. */
void directory_add_commands(struct directory *directory, struct control *control);

/* Answers a call: with nothing, or the error. */
void directory_answer(struct control_call *call, bool is_done, const struct directory_error *error);

#endif
