/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_COMMAND_TABLES_H
#define LEVERET_CLI_COMMAND_TABLES_H

#include "cli/command.h"

/* The commands, a file per group. */
struct command_table {
    const struct command *commands;
    size_t count;
};

extern const struct command_table commands_users;
extern const struct command_table commands_vhosts;
extern const struct command_table commands_policies;
extern const struct command_table commands_objects;
extern const struct command_table commands_server;
extern const struct command_table commands_diagnostics;

#endif
