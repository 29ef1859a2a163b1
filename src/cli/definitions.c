/* SPDX-License-Identifier: Apache-2.0 */
/*
 * definitions.json on leveretctl's side. The file is read and written here, not by the server,
 * which may have another root, another user and another working folder.
 */
#include "cli/definitions.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/xmalloc.h"
#include "cli/command.h"
#include "cli/options.h"
#include "net/control.h"

/* NULL: standard input or output. */
static const char *path_of(const struct options *options)
{
    const char *path = options->word_count > 1 ? options->words[1] : "-";
    return strcmp(path, "-") != 0 ? path : NULL;
}

static int complain(const struct command *command, const struct options *options, const char *what,
                    const char *path, const char *why)
{
    options_complain(options, "Bad argument: %s %s %s", what, path, why);
    command_print_usage(command);
    return CONTROL_DATA;
}

static int check_folder(const struct command *command, const struct options *options,
                        const char *path)
{
    struct stat status;
    char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');
    int result = CONTROL_OK;
    if (slash != NULL)
        slash[slash == folder] = '\0';
    if (slash != NULL && (stat(folder, &status) != 0 || !S_ISDIR(status.st_mode)))
        result = complain(command, options, "Directory", folder, "does not exist");
    free(folder);
    return result;
}

static int check_format(const struct command *command, const struct options *options)
{
    for (size_t i = 0; i < options->other_count; i++) {
        if (strcmp(options->others[i].name, "format") != 0 ||
            strcasecmp(options->others[i].value, "json") == 0)
            continue;
        options_complain(options, "Bad argument: format \"%s\" is not supported, only JSON is",
                         options->others[i].value);
        command_print_usage(command);
        return CONTROL_DATA;
    }
    return CONTROL_OK;
}

int definitions_check_file(const struct command *command, const struct options *options)
{
    bool is_import = command->kind == COMMAND_IMPORT;
    if (!is_import && command->kind != COMMAND_EXPORT)
        return CONTROL_OK;
    const char *path = path_of(options);
    int status = check_format(command, options);
    if (status != CONTROL_OK || path == NULL)
        return status;
    if (!is_import)
        return check_folder(command, options, path);
    return access(path, F_OK) == 0 ? CONTROL_OK
                                   : complain(command, options, "File", path, "does not exist");
}

int definitions_read(const struct options *options, json_t *arguments)
{
    json_error_t error;
    const char *path = path_of(options);
    json_t *definitions = path != NULL ? json_load_file(path, JSON_ALLOW_NUL, &error)
                                       : json_loadf(stdin, JSON_ALLOW_NUL, &error);
    if (definitions == NULL) {
        fprintf(stderr, "Error:\nFailed to deserialise input (format: JSON) (error: line %d: %s)\n",
                error.line, error.text);
        return CONTROL_DATA;
    }
    json_object_set_new(arguments, "definitions", definitions);
    return CONTROL_OK;
}

int definitions_write(const struct options *options, const json_t *definitions)
{
    const size_t flags = JSON_COMPACT | JSON_SORT_KEYS;
    const char *path = path_of(options);
    int result = path != NULL ? json_dump_file(definitions, path, flags)
                              : json_dumpf(definitions, stdout, flags);
    if (result == 0)
        return CONTROL_OK;
    fprintf(stderr, "Error:\n%s could not be written: %s\n",
            path != NULL ? path : "standard output", strerror(errno));
    return CONTROL_SOFTWARE;
}
