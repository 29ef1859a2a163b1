/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leveretctl: rabbitmqctl's commands for the server that works in a data folder. Options are read
 * here (options.c), help is given; everything else is a command (execute.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/execute.h"
#include "cli/options.h"
#include "config.h"
#include "net/control.h"

/* --- help */

static void print_help(FILE *file)
{
    const struct command *command;
    fputs("Usage\n\nleveretctl [<options>] <command> [<arguments>]\n\nOptions\n\n"
          "   -D, --data-dir <folder>    the server's data folder (./data or "
          "" LEVERET_STATE_DIR ")\n"
          "   -p, --vhost <vhost>        the virtual host (/)\n"
          "   -q, --quiet                prints no banners\n"
          "   -s, --silent               prints no banners and no table headers\n"
          "       --no-table-headers     prints no table headers\n"
          "       --formatter <name>     table, json, csv or pretty_table\n"
          "   -t, --timeout <seconds>    how long to wait for the server (60)\n"
          "\nCommands\n\n",
          file);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        fprintf(file, "   %-24s %s\n", command->name, command->help);
}

/* name NULL: of all. */
static int help(const char *name)
{
    if (name == NULL) {
        print_help(stdout);
        return CONTROL_OK;
    }
    const struct command *command = command_find(name);
    if (command == NULL) {
        fprintf(stderr, "Command '%s' not found.\n", name);
        return CONTROL_USAGE;
    }
    printf("Usage\n\nleveretctl %s %s\n\n%s\n", command->name, command->usage, command->help);
    return CONTROL_OK;
}

/* --- the command line */

int main(int argc, char **argv)
{
    struct options options;
    if (!options_parse(&options, argc, argv))
        return CONTROL_USAGE;
    bool has_word = options.word_count > 0;
    if (options.wants_version || (has_word && strcmp(options.words[0], "version") == 0)) {
        puts(PACKAGE_VERSION);
        return CONTROL_OK;
    }
    if (has_word && strcmp(options.words[0], "help") == 0)
        return help(options.words[1]);
    if (options.wants_help)
        return help(options.words[0]);
    if (!has_word) {
        print_help(stderr);
        return CONTROL_USAGE;
    }
    if (command_find(options.words[0]) == NULL) {
        fprintf(stderr, "\nCommand '%s' not found.\n\n", options.words[0]);
        print_help(stderr);
        return CONTROL_USAGE;
    }
    int status = execute_command(&options);
    if (fflush(stdout) == 0)
        return status;
    perror("leveretctl: standard output");
    return status != CONTROL_OK ? status : CONTROL_SOFTWARE;
}
