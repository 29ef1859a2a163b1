/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of rabbitmqctl that mean something here, and those that scripts give it and that mean
 * nothing here (which node, how its name is written): those are read over.
 */
#include "cli/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/control_address.h"

enum { TIMEOUT_S_MAX = 1000000 };

/* Options of some commands only: which is for the command to say. */
enum { OTHER = 256 };

static const struct option long_options[] = {
    {"all", no_argument, NULL, 'a'},
    {"apply-to", required_argument, NULL, OTHER},
    {"batch", no_argument, NULL, OTHER},
    {"by-source", no_argument, NULL, OTHER},
    {"data-dir", required_argument, NULL, 'D'},
    {"default-queue-type", required_argument, NULL, OTHER},
    {"description", required_argument, NULL, OTHER},
    {"duration", required_argument, NULL, 'd'},
    {"enabled", no_argument, NULL, 'E'},
    {"filter", required_argument, NULL, OTHER},
    {"force", no_argument, NULL, OTHER},
    {"format", required_argument, NULL, OTHER},
    {"formatter", required_argument, NULL, 'f'},
    {"global", no_argument, NULL, OTHER},
    {"help", no_argument, NULL, 'h'},
    {"idempotent", no_argument, NULL, OTHER},
    {"if-empty", no_argument, NULL, 'e'},
    {"if-unused", no_argument, NULL, 'u'},
    {"implicitly-enabled", no_argument, NULL, OTHER},
    {"interval", required_argument, NULL, OTHER},
    {"local", no_argument, NULL, OTHER},
    {"longnames", no_argument, NULL, 'l'},
    {"minimal", no_argument, NULL, 'm'},
    {"no-table-headers", no_argument, NULL, 'H'},
    {"no-wait", no_argument, NULL, OTHER},
    {"node", required_argument, NULL, 'n'},
    {"number", required_argument, NULL, 'N'},
    {"offline", no_argument, NULL, OTHER},
    {"once", no_argument, NULL, OTHER},
    {"online", no_argument, NULL, OTHER},
    {"pattern", required_argument, NULL, OTHER},
    {"pid", required_argument, NULL, 'P'},
    {"priority", required_argument, NULL, OTHER},
    {"queue-pattern", required_argument, NULL, OTHER},
    {"queue-timeout", required_argument, NULL, OTHER},
    {"quiet", no_argument, NULL, 'q'},
    {"reverse", no_argument, NULL, OTHER},
    {"rows", required_argument, NULL, OTHER},
    {"silent", no_argument, NULL, 's'},
    {"skip-if-unchanged", no_argument, NULL, OTHER},
    {"sort", required_argument, NULL, OTHER},
    {"tags", required_argument, NULL, OTHER},
    {"timeout", required_argument, NULL, 't'},
    {"tracking", no_argument, NULL, OTHER},
    {"user", required_argument, NULL, OTHER},
    {"version", no_argument, NULL, 'V'},
    {"wait", optional_argument, NULL, OTHER},
    {"within", required_argument, NULL, OTHER},
    {"unit", required_argument, NULL, OTHER},
    {"limit", required_argument, NULL, OTHER},
    {"per-connection-delay", required_argument, NULL, OTHER},
    {"view", required_argument, NULL, OTHER},
    {"vhost", required_argument, NULL, 'p'},
    {"vhost-pattern", required_argument, NULL, OTHER},
    {NULL, 0, NULL, 0},
};

/* -p=/ is how some write -p /. */
static const char *value_of(const char *text)
{
    return text[0] == '=' ? text + 1 : text;
}

static bool read_timeout(struct options *options, const char *text)
{
    char *end;
    long seconds = strtol(text, &end, 10);
    if (strcmp(text, "infinity") == 0 || (*text != '\0' && *end == '\0' && seconds > TIMEOUT_S_MAX))
        seconds = TIMEOUT_S_MAX;
    else if (*text == '\0' || *end != '\0' || seconds <= 0)
        return false;
    options->timeout_ms = (int64_t)seconds * 1000;
    return true;
}

static bool is_integer(const char *text)
{
    char *end;
    strtoll(text, &end, 10);
    return *text != '\0' && *end == '\0';
}

static bool add_other(struct options *options, const char *name, const char *value)
{
    if (options->other_count == OPTIONS_OTHERS_MAX ||
        (strcmp(name, "priority") == 0 && !is_integer(value)))
        return false;
    options->others[options->other_count].name = name;
    options->others[options->other_count++].value = value;
    return true;
}

static bool apply(struct options *options, int option, const char *value)
{
    switch (option) {
    case 'D':
        options->data_dir = value;
        return true;
    case 'f':
        options->formatter = value;
        return true;
    case 'a':
        return add_other(options, "all", NULL);
    case 'E':
        return add_other(options, "enabled", NULL);
    case 'e':
        return add_other(options, "if-empty", NULL);
    case 'm':
        return add_other(options, "minimal", NULL);
    case 'u':
        return add_other(options, "if-unused", NULL);
    case 'N':
        return add_other(options, "number", value);
    case 'd':
        return add_other(options, "duration", value);
    case 'P':
        return add_other(options, "pid", value);
    case 'H':
        options->has_headers = false;
        return true;
    case 'h':
        options->wants_help = true;
        return true;
    case 'l':
    case 'n':
        return true;
    case 'p':
        options->vhost = value;
        return true;
    case 'q':
        options->is_quiet = true;
        return true;
    case 's':
        options->is_silent = true;
        return true;
    case 't':
        return read_timeout(options, value);
    case 'V':
        options->wants_version = true;
        return true;
    default:
        return false;
    }
}

/* --wait is a flag of one command and has a value with another. */
static char *optional_value(int argc, char **argv)
{
    if (optarg != NULL || optind >= argc || argv[optind][0] < '0' || argv[optind][0] > '9')
        return optarg;
    return argv[optind++];
}

/* Where no -D says it. A server that works in ./data is one that somebody tries out here. */
static const char *default_data_dir(void)
{
    const char *named = getenv("LEVERET_DATA_DIR");
    if (named != NULL && named[0] != '\0')
        return named;
    return access("data/" CONTROL_SOCKET_NAME, F_OK) == 0 ? "data" : LEVERET_STATE_DIR;
}

bool options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){
        .data_dir = default_data_dir(), .vhost = "/", .formatter = "table", .has_headers = true};
    int option, index;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "aD:d:EehlmN:n:P:p:qst:uV", long_options, &index)) !=
           -1) {
        if (option == OTHER && long_options[index].has_arg == optional_argument)
            optarg = optional_value(argc, argv);
        if (option == OTHER ? add_other(options, long_options[index].name, optarg)
                            : apply(options, option, optarg != NULL ? value_of(optarg) : NULL))
            continue;
        fprintf(stderr, "Error (argument validation): Invalid options for this command:\n%s : %s\n",
                option == OTHER ? long_options[index].name : argv[optind - 1],
                optarg != NULL ? optarg : "");
        return false;
    }
    if (options->is_silent) {
        options->is_quiet = true;
        options->has_headers = false;
    }
    options->words = argv + optind;
    options->word_count = (size_t)(argc - optind);
    return true;
}

static size_t other_index(const struct options *options, const char *name)
{
    size_t i = 0;
    while (i < options->other_count && strcmp(options->others[i].name, name) != 0)
        i++;
    return i;
}

bool options_has(const struct options *options, const char *name)
{
    return other_index(options, name) < options->other_count;
}

const char *options_value(const struct options *options, const char *name)
{
    size_t i = other_index(options, name);
    return i < options->other_count ? options->others[i].value : NULL;
}

void options_complain(const struct options *options, const char *format, ...)
{
    va_list arguments;
    fputs("Error (argument validation): ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("\nArguments given:\n\t", stderr);
    for (size_t i = 0; i < options->word_count; i++)
        fprintf(stderr, "%s%s", i > 0 ? " " : "", options->words[i]);
    fputs("\n\n", stderr);
}
