/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leveretctl says about itself. A command that is not there may be one that was mistyped: the
 * one that is most like it is named, if it is as like as rabbitmqctl wants it.
 */
#include "cli/help.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/xmalloc.h"
#include "cli/answer.h"
#include "cli/command.h"
#include "cli/options.h"
#include "config.h"
#include "net/control.h"

static const double ALIKE = 0.77; /* a Jaro similarity; Elixir's "did you mean" has the same */

static void print_commands(FILE *file)
{
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++)
        fprintf(file, "   %-24s %s\n", command->name, command->help);
}

static void print_help(FILE *file)
{
    fputs("Usage\n\nleveretctl [<options>] <command> [<arguments>]\n\nOptions\n\n"
          "   -D, --data-dir <folder>    the server's data folder (./data or "
          "" LEVERET_STATE_DIR ")\n"
          "   -p, --vhost <vhost>        the virtual host (/)\n"
          "   -q, --quiet                prints no banners\n"
          "   -s, --silent               prints no banners and no table headers\n"
          "       --no-table-headers     prints no table headers\n"
          "       --formatter <name>     table, pretty_table, json, json_stream, csv, "
          "erlang, inspect, string\n"
          "   -t, --timeout <seconds>    how long to wait for the server (60)\n"
          "\nCommands\n\n",
          file);
    print_commands(file);
}

int help_usage(const struct options *options)
{
    print_help(options->wants_help ? stdout : stderr);
    return options->wants_help ? CONTROL_OK : CONTROL_USAGE;
}

/* --- names that are like others */

/* How many characters both have, not too far from each other; those of each are marked. */
static size_t match(const char *one, const char *other, bool *one_marks, bool *other_marks)
{
    size_t one_size = strlen(one), other_size = strlen(other);
    size_t longer = one_size > other_size ? one_size : other_size;
    size_t reach = longer > 3 ? longer / 2 - 1 : 0, count = 0;
    for (size_t i = 0; i < one_size; i++) {
        size_t j = i > reach ? i - reach : 0;
        while (j < other_size && j <= i + reach && (other_marks[j] || one[i] != other[j]))
            j++;
        if (j >= other_size || j > i + reach)
            continue;
        one_marks[i] = other_marks[j] = true;
        count++;
    }
    return count;
}

static size_t count_swapped(const char *one, const char *other, const bool *one_marks,
                            const bool *other_marks)
{
    size_t count = 0, j = 0;
    for (size_t i = 0; one[i] != '\0'; i++) {
        if (!one_marks[i])
            continue;
        while (!other_marks[j])
            j++;
        count += one[i] != other[j++];
    }
    return count;
}

/* Jaro's: 0 for nothing in common, 1 for the same. */
static double similarity(const char *one, const char *other)
{
    size_t one_size = strlen(one), other_size = strlen(other);
    bool *marks = xcalloc(one_size + other_size + 1, sizeof marks[0]);
    size_t count = match(one, other, marks, marks + one_size);
    double similar = 0;
    if (count > 0) {
        size_t swapped = count_swapped(one, other, marks, marks + one_size);
        double matched = (double)count;
        similar = (matched / (double)one_size + matched / (double)other_size +
                   (matched - (double)swapped / 2) / matched) /
                  3;
    }
    free(marks);
    return similar;
}

/* NULL: there is none that is like it. */
static const struct command *find_alike(const char *name)
{
    const struct command *command, *best = NULL;
    double most = ALIKE;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        double similar = similarity(command->name, name);
        if (similar < most)
            continue;
        most = similar;
        best = command;
    }
    return best;
}

int help_suggest(const char *name)
{
    const struct command *alike = find_alike(name);
    fprintf(stderr, "\nCommand '%s' not found. \n", name);
    if (alike != NULL)
        fprintf(stderr, "Did you mean '%s'? \n\n", alike->name);
    else
        print_help(stderr);
    return CONTROL_USAGE;
}

/* --- help, version, autocomplete */

int help_of(const char *name)
{
    const struct command *command = command_find(name);
    if (command == NULL) {
        const struct command *alike = find_alike(name);
        fprintf(stderr, "Error:\n\nCommand '%s' not found. \n", name);
        if (alike != NULL)
            fprintf(stderr, "Did you mean '%s'? \n\n", alike->name);
        return CONTROL_USAGE;
    }
    printf("Usage\n\nleveretctl %s %s\n\n%s\n", command->name, command->usage, command->help);
    return CONTROL_OK;
}

int help_version(const struct options *options)
{
    if (answer_is_json(options))
        answer_print_json(stdout, json_pack("{s:s}", "version", PACKAGE_VERSION));
    else
        puts(PACKAGE_VERSION);
    return CONTROL_OK;
}

int help_run_version(const struct options *options, const json_t *arguments)
{
    (void)arguments;
    return help_version(options);
}

int help_run(const struct options *options, const json_t *arguments)
{
    if (options->word_count > 1)
        return help_of(options->words[1]);
    if (json_is_true(json_object_get(arguments, "list-commands")))
        print_commands(stdout);
    else
        print_help(stdout);
    return CONTROL_OK;
}

/* The names that begin with the word, for shells without a completion of their own. */
int help_run_autocomplete(const struct options *options, const json_t *arguments)
{
    (void)arguments;
    const struct command *command;
    const char *word = options->word_count > 1 ? options->words[1] : "";
    const char **names = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        if (strncmp(command->name, word, strlen(word)) != 0)
            continue;
        names = xgrow(names, &capacity, count + 1, sizeof names[0]);
        names[count++] = command->name;
    }
    if (count > 0)
        bytes_sort_texts(names, count);
    for (size_t i = 0; i < count; i++)
        puts(names[i]);
    free(names);
    return CONTROL_OK;
}
