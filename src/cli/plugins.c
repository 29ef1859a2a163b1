/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts that set up a RabbitMQ (Dockerfiles, Ansible's and Puppet's modules) enable plug-ins.
 * What the server has of them is always enabled: to enable those is no change, to enable others
 * fails as in RabbitMQ where they are not installed, and none of those that are there can be
 * disabled.
 */
#include "cli/plugins.h"

#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/command.h"
#include "cli/options.h"
#include "config.h"
#include "net/control.h"
#include "net/plugin_names.h"

static bool is_there(const char *name)
{
    size_t i;
    json_t *known, *names = plugin_names();
    bool is_found = false;
    json_array_foreach(names, i, known)
    {
        is_found = is_found || strcmp(json_string_value(known), name) == 0;
    }
    json_decref(names);
    return is_found;
}

/* The words behind the command that name plug-ins which are there, or the others; the caller's. */
static json_t *named(const struct options *options, bool are_there)
{
    json_t *names = json_array();
    for (size_t i = 1; i < options->word_count; i++) {
        if (is_there(options->words[i]) == are_there)
            json_array_append_new(names, json_string(options->words[i]));
    }
    return names;
}

static void print_names(FILE *file, const json_t *names, const char *before, const char *between)
{
    for (size_t i = 0; i < json_array_size(names); i++)
        fprintf(file, "%s%s%s", i > 0 ? between : "", before,
                json_string_value(json_array_get(names, i)));
}

/* --- list */

/* The caller's. */
static json_t *matching_names(const regex_t *pattern)
{
    json_t *names = plugin_names();
    for (size_t i = json_array_size(names); i-- > 0;) {
        const char *name = json_string_value(json_array_get(names, i));
        if (pattern != NULL && regexec(pattern, name, 0, NULL, 0) != 0)
            json_array_remove(names, i);
    }
    return names;
}

static void print_list(const json_t *names, const struct options *options)
{
    size_t width = 0;
    const json_t *name;
    size_t i;
    if (!options->is_quiet)
        puts(" Configured: E = explicitly enabled; e = implicitly enabled\n"
             " | Status: * = part of the server\n |/");
    json_array_foreach(names, i, name)
    {
        width = width > json_string_length(name) ? width : json_string_length(name);
    }
    json_array_foreach(names, i, name)
    {
        printf("[E*] %-*s %s\n", (int)width, json_string_value(name), PACKAGE_VERSION);
    }
}

static void print_json_list(const json_t *names)
{
    size_t i;
    json_t *name, *rows = json_array();
    json_array_foreach(names, i, name)
    {
        json_array_append_new(rows, json_pack("{s:s, s:O, s:s}", "enabled", "enabled", "name", name,
                                              "version", PACKAGE_VERSION));
    }
    answer_print_json(stdout, json_pack("{s:s, s:o}", "format", "normal", "plugins", rows));
}

static int list(const struct options *options, const regex_t *pattern)
{
    json_t *names = matching_names(pattern);
    if (answer_is_json(options)) {
        print_json_list(names);
    } else if (options_has(options, "minimal")) {
        print_names(stdout, names, "", "\n");
        if (json_array_size(names) > 0)
            putchar('\n');
    } else {
        print_list(names, options);
    }
    json_decref(names);
    return CONTROL_OK;
}

int plugins_list(const struct options *options, const json_t *arguments)
{
    const char *text = json_string_value(json_object_get(arguments, "pattern"));
    regex_t pattern;
    if (!options->is_quiet && !answer_is_json(options))
        printf("Listing plugins with pattern \"%s\" ...\n", text != NULL ? text : ".*");
    if (text == NULL)
        return list(options, NULL);
    if (regcomp(&pattern, text, REG_EXTENDED | REG_NOSUB) != 0) {
        fprintf(stderr, "Error:\n'%s' is not a regular expression\n", text);
        return CONTROL_SOFTWARE;
    }
    int status = list(options, &pattern);
    regfree(&pattern);
    return status;
}

/* --- enable, disable */

/* "Enabling plugins on the server:" and their names; false, complained, where there are none. */
static bool begin(const struct options *options, const char *doing)
{
    bool are_all = options_has(options, "all");
    if (options->word_count < 2 && !are_all) {
        options_complain(options, "not enough arguments.");
        command_print_usage(command_find(options->words[0]));
        return false;
    }
    if (options->is_quiet || answer_is_json(options))
        return true;
    if (are_all) {
        printf("%s ALL plugins on the server\n", doing);
        return true;
    }
    printf("%s plugins on the server:\n", doing);
    for (size_t i = 1; i < options->word_count; i++)
        puts(options->words[i]);
    fflush(stdout);
    return true;
}

static int say_unchanged(const struct options *options, const char *changed)
{
    json_t *names = plugin_names();
    if (answer_is_json(options)) {
        answer_print_json(stdout, json_pack("{s:[], s:O}", changed, "set", names));
    } else {
        puts("The following plugins have been configured:");
        print_names(stdout, names, "  ", "\n");
        puts("\nApplying plugin configuration to the server...\nPlugin configuration unchanged.");
    }
    json_decref(names);
    return CONTROL_OK;
}

int plugins_enable(const struct options *options, const json_t *arguments)
{
    (void)arguments;
    if (!begin(options, "Enabling"))
        return CONTROL_USAGE;
    json_t *unknown = named(options, false);
    size_t count = json_array_size(unknown);
    if (count > 0) {
        fputs("Error:\n{:plugins_not_found, [", stderr);
        print_names(stderr, unknown, ":", ", ");
        fputs("]}\n", stderr);
    }
    json_decref(unknown);
    return count > 0 ? CONTROL_SOFTWARE : say_unchanged(options, "enabled");
}

/* No failure: playbooks that enable some plug-ins disable all others. */
int plugins_disable(const struct options *options, const json_t *arguments)
{
    (void)arguments;
    if (!begin(options, "Disabling"))
        return CONTROL_USAGE;
    json_t *known = options_has(options, "all") ? plugin_names() : named(options, true);
    print_names(stderr, known, "", ", ");
    if (json_array_size(known) > 0)
        fputs(": part of the server, always enabled\n", stderr);
    json_decref(known);
    return say_unchanged(options, "disabled");
}

/* --- is_enabled */

/* "Plugin a is", "Plugins a, b are". */
static void print_subject(FILE *file, const json_t *names)
{
    bool is_one = json_array_size(names) == 1;
    fputs(is_one ? "Plugin " : "Plugins ", file);
    print_names(file, names, "", ", ");
    fputs(is_one ? " is" : " are", file);
}

static void print_enabled(const json_t *answer, const struct options *options, const json_t *names)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    if (file == NULL)
        return;
    print_subject(file, names);
    fprintf(file, " enabled on node %s", answer_node(answer));
    fclose(file);
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:s, s:s}", "message", text, "result", "ok"));
    else
        puts(text);
    free(text);
}

static void print_missing(const json_t *answer, const json_t *names)
{
    json_t *all = plugin_names();
    fputs("Error:\n", stderr);
    print_subject(stderr, names);
    fprintf(stderr,
            " not enabled on node %s. Enabled plugins and dependencies: ", answer_node(answer));
    print_names(stderr, all, "", ", ");
    fputc('\n', stderr);
    json_decref(all);
}

int plugins_is_enabled(const json_t *answer, const struct options *options)
{
    json_t *known = named(options, true), *unknown = named(options, false);
    bool are_enabled = json_array_size(unknown) == 0;
    if (are_enabled)
        print_enabled(answer, options, known);
    else
        print_missing(answer, unknown);
    json_decref(known);
    json_decref(unknown);
    return are_enabled ? CONTROL_OK : CONTROL_UNAVAILABLE;
}
