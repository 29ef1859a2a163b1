/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leveretctl: rabbitmqctl's commands for the server that works in a data folder. Options are read
 * first (options.c), help is given (help.c); everything else is a command (execute.c).
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/execute.h"
#include "cli/help.h"
#include "cli/options.h"
#include "net/control.h"

static int run(const struct options *options)
{
    const char *name = options->word_count > 0 ? options->words[0] : NULL;
    if (options->wants_version)
        return help_version(options);
    if (name == NULL)
        return help_usage(options);
    if (command_find(name) == NULL)
        return help_suggest(name);
    if (options->wants_help && options->invalid.size == 0)
        return help_of(name);
    return execute_command(options);
}

int main(int argc, char **argv)
{
    struct options options;
    options_init(&options, argc, argv);
    int status = run(&options);
    options_fini(&options);
    if (fflush(stdout) == 0)
        return status;
    perror("leveretctl: standard output");
    return status != CONTROL_OK ? status : CONTROL_SOFTWARE;
}
