/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from a command line to a request, by the tables of commands. A command line is checked
 * here as far as that needs no server: how many arguments, which columns.
 *
 * The banner comes before the request, and before a password is read, as rabbitmqctl has it.
 */
#include "cli/command.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/xmalloc.h"
#include "cli/command_tables.h"
#include "cli/definitions.h"
#include "cli/options.h"
#include "cli/output.h"
#include "net/control.h"

static const struct command_table *const tables[] = {
    &commands_users,   &commands_vhosts, &commands_policies,
    &commands_objects, &commands_server, &commands_diagnostics,
};

const struct command *command_at(size_t index)
{
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (index < tables[i]->count)
            return &tables[i]->commands[index];
        index -= tables[i]->count;
    }
    return NULL;
}

const struct command *command_find(const char *name)
{
    const struct command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

void command_print_usage(const struct command *command)
{
    fprintf(stderr, "Usage\n\nleveretctl [--data-dir <folder>] [--quiet] %s %s\n", command->name,
            command->usage);
}

/* --- the command line */

static size_t argument_count(const struct command *command)
{
    size_t count = 0;
    while (count < COMMAND_ARGUMENTS_MAX && command->arguments[count] != NULL)
        count++;
    return count;
}

static int complain(const struct command *command, const struct options *options, const char *what)
{
    options_complain(options, "%s", what);
    command_print_usage(command);
    return CONTROL_USAGE;
}

static int check_count(const struct command *command, const struct options *options)
{
    size_t given = options->word_count - 1;
    size_t most = argument_count(command);
    size_t least = most - (command->has_password ? 1 : command->optional_count);
    if (given < least)
        return complain(command, options, "not enough arguments.");
    if (given > most && command->rest == NULL && command->columns_other == NULL)
        return complain(command, options, "too many arguments.");
    return CONTROL_OK;
}

static int check_words(const struct command *command, const struct options *options)
{
    int status = CONTROL_OK;
    const char *complaint = NULL;
    if (command->check != NULL)
        complaint = command->check(options->words + 1, options->word_count - 1, &status);
    if (complaint == NULL)
        return CONTROL_OK;
    complain(command, options, complaint);
    return status;
}

/* Is it one of the words? */
static bool has_word(const char *words, const char *word, size_t word_size)
{
    for (const char *place = words; place != NULL; place = strchr(place, ' ')) {
        place += *place == ' ';
        if (strcspn(place, " ") == word_size && strncmp(place, word, word_size) == 0)
            return true;
    }
    return false;
}

static void add_column(const struct command *command, const char *name, size_t size,
                       struct buffer *columns, json_t *unknown)
{
    bool is_known =
        has_word(command->columns, name, size) || has_word(command->columns_other, name, size);
    json_t *text = json_stringn(name, size);
    if (size > 0 && !is_known)
        json_object_set_new(unknown, json_string_value(text), json_true());
    else if (size > 0)
        buffer_append_format(columns, "%s%.*s", columns->size > 0 ? " " : "", (int)size, name);
    json_decref(text);
}

/* A word may name several columns, with commas between. Those that are not known go into unknown,
 * in their order, each once. */
static void add_columns(const struct command *command, const char *word, struct buffer *columns,
                        json_t *unknown)
{
    while (*word != '\0') {
        word += strspn(word, ", ");
        size_t size = strcspn(word, ","), next = size;
        while (size > 0 && word[size - 1] == ' ')
            size--;
        add_column(command, word, size, columns, unknown);
        word += next;
    }
}

/* Those that were asked for, in the command's own order. */
static void put_in_order(const struct command *command, struct buffer *columns)
{
    struct buffer asked = *columns;
    buffer_append_u8(&asked, '\0');
    *columns = (struct buffer){0};
    for (const char *name = command->column_order; *name != '\0'; name += strspn(name, " ")) {
        size_t size = strcspn(name, " ");
        if (has_word((const char *)asked.data, name, size))
            buffer_append_format(columns, "%s%.*s", columns->size > 0 ? " " : "", (int)size, name);
        name += size;
    }
    buffer_fini(&asked);
}

/* "a,b are not supported", in order. */
static void complain_about_columns(const struct command *command, const struct options *options,
                                   json_t *unknown)
{
    struct buffer names = {0};
    const char *name;
    json_t *value;
    size_t count = 0;
    const char **sorted = xcalloc(json_object_size(unknown), sizeof sorted[0]);
    json_object_foreach(unknown, name, value) sorted[count++] = name;
    bytes_sort_texts(sorted, count);
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&names, "%s%s", i > 0 ? "," : "", sorted[i]);
    options_complain(options, "Info key(s) %.*s are not supported", (int)names.size,
                     (const char *)names.data);
    command_print_usage(command);
    free(sorted);
    buffer_fini(&names);
}

/* NULL where one is unknown, which was said. */
static char *read_columns(const struct command *command, const struct options *options, size_t from)
{
    struct buffer columns = {0};
    json_t *unknown = json_object();
    char *text = NULL;
    for (size_t i = from; i < options->word_count; i++)
        add_columns(command, options->words[i], &columns, unknown);
    if (columns.size == 0 && command->columns != NULL)
        buffer_append_format(&columns, "%s", command->columns);
    if (command->column_order != NULL)
        put_in_order(command, &columns);
    if (json_object_size(unknown) > 0)
        complain_about_columns(command, options, unknown);
    else
        text = bytes_to_text(buffer_bytes(&columns));
    json_decref(unknown);
    buffer_fini(&columns);
    return text;
}

/* --- options of the command's own */

/* The default behind the name in "priority=0 global"; NULL where the command has no such option. ""
 * is also that of a flag. */
static const char *find_option(const struct command *command, const char *name)
{
    size_t size = strlen(name);
    const char *place = command->options;
    while (place != NULL) {
        place += *place == ' ';
        if (strncmp(place, name, size) == 0 && strchr("= ", place[size]) != NULL)
            return place + size + (place[size] == '=');
        place = strchr(place, ' ');
    }
    return NULL;
}

/* What cannot be read, and what only other commands have. */
static int check_options(const struct command *command, const struct options *options)
{
    struct buffer what = {0};
    buffer_append_bytes(&what, buffer_bytes(&options->invalid));
    for (size_t i = 0; i < options->other_count; i++) {
        const char *name = options->others[i].name, *value = options->others[i].value;
        if (find_option(command, name) == NULL)
            buffer_append_format(&what, "\n--%s%s : %s", options->others[i].is_off ? "no-" : "",
                                 name, value != NULL ? value : "");
    }
    bool is_right = what.size == 0;
    if (!is_right) {
        options_complain(options, "Invalid options for this command:%.*s", (int)what.size,
                         (const char *)what.data);
        command_print_usage(command);
    }
    buffer_fini(&what);
    return is_right ? CONTROL_OK : CONTROL_USAGE;
}

/* Defaults first; what was given replaces them. */
static bool add_options(const struct command *command, const struct options *options,
                        json_t *arguments)
{
    bool is_right = true;
    for (const char *place = command->options; place != NULL; place = strchr(place, ' ')) {
        place += *place == ' ';
        size_t size = strcspn(place, " "), name_size = strcspn(place, "= ");
        if (size <= name_size + 1)
            continue;
        json_t *name = json_stringn(place, name_size);
        json_object_set_new(arguments, json_string_value(name),
                            json_stringn(place + name_size + 1, size - name_size - 1));
        json_decref(name);
    }
    for (size_t i = 0; i < options->other_count; i++) {
        const char *value = options->others[i].value;
        json_t *json =
            value != NULL ? json_string(value) : json_boolean(!options->others[i].is_off);
        is_right = json_object_set_new(arguments, options->others[i].name, json) == 0 && is_right;
    }
    return is_right;
}

/* --- the banner */

static void append_argument(struct buffer *text, const json_t *value)
{
    if (!json_is_array(value)) {
        buffer_append_format(text, "%s", json_is_string(value) ? json_string_value(value) : "");
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++)
        buffer_append_format(text, "%s%s", i > 0 ? ", " : "[",
                             json_string_value(json_array_get(value, i)));
    buffer_append_format(text, json_array_size(value) > 0 ? "]" : "[]");
}

/* {NAME}, or the text of {NAME?TEXT} where the flag was given, of {NAME+NAME?TEXT} where both
 * were. */
static void append_place(struct buffer *text, const char *place, size_t size,
                         const json_t *arguments)
{
    const char *end = place + size, *flagged = memchr(place, '?', size);
    const char *names_end = flagged != NULL ? flagged : end;
    bool is_given = true;
    while (place < names_end) {
        const char *plus = memchr(place, '+', (size_t)(names_end - place));
        const char *name_end = plus != NULL ? plus : names_end;
        json_t *name = json_stringn(place, (size_t)(name_end - place));
        const json_t *value = json_object_get(arguments, json_string_value(name));
        if (flagged == NULL)
            append_argument(text, value);
        is_given = is_given && json_is_true(value);
        place = name_end + (plus != NULL);
        json_decref(name);
    }
    if (flagged != NULL && is_given)
        buffer_append(text, flagged + 1, (size_t)(end - flagged - 1));
}

/* The text with {NAME} replaced by the argument of that name; the caller frees it. */
char *command_text(const char *template, const json_t *arguments)
{
    struct buffer text = {0};
    for (const char *place = template; *place != '\0';) {
        size_t size = strcspn(place, "{");
        buffer_append(&text, place, size);
        place += size;
        if (*place == '\0')
            break;
        size = strcspn(place, "}");
        append_place(&text, place + 1, size - 1, arguments);
        place += size + 1;
    }
    char *result = bytes_to_text(buffer_bytes(&text));
    buffer_fini(&text);
    return result;
}

static const char *choose_banner(const struct command *command, const struct options *options,
                                 const json_t *arguments)
{
    size_t count = argument_count(command);
    const char *last = count > 0 && options->word_count > count ? options->words[count] : NULL;
    if (command->banner_other == NULL)
        return command->banner;
    bool is_other = json_is_true(json_object_get(arguments, "global")) ||
                    (count > 0 && last == NULL) ||
                    (last != NULL && (strcmp(last, "all") == 0 || strcmp(last, "-") == 0));
    return is_other ? command->banner_other : command->banner;
}

static void print_banner(const struct command *command, const struct options *options,
                         const json_t *arguments)
{
    bool is_wanted = !options->is_quiet && !output_is_for_machines(options->formatter);
    const char *banner = choose_banner(command, options, arguments);
    if (banner == NULL || banner[0] == '\0' || !is_wanted)
        return;
    char *text = command_text(banner, arguments);
    puts(text);
    fflush(stdout);
    free(text);
}

/* --- the password */

static bool read_line(struct buffer *line)
{
    int character = getchar();
    bool is_there = character != EOF;
    while (character != EOF && character != '\n') {
        buffer_append_u8(line, (uint8_t)character);
        character = getchar();
    }
    return is_there;
}

/* From standard input, unseen on a terminal. NULL where there is none. */
static json_t *read_password(const struct options *options)
{
    struct termios before, hidden;
    struct buffer line = {0};
    bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
    if (!options->is_quiet || is_terminal)
        puts("Password: ");
    fflush(stdout);
    if (is_terminal) {
        hidden = before;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    json_t *password = NULL;
    if (read_line(&line))
        password = json_stringn(line.size > 0 ? (const char *)line.data : "", line.size);
    if (is_terminal)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    buffer_fini(&line);
    return password;
}

/* --- the request */

/* False where one is not UTF-8. */
static bool add_arguments(const struct command *command, const struct options *options,
                          json_t *arguments)
{
    size_t count = argument_count(command);
    bool is_right = true;
    if (command->has_vhost)
        is_right = json_object_set_new(arguments, "vhost", json_string(options->vhost)) == 0;
    for (size_t i = 0; i < count && i + 1 < options->word_count; i++) {
        json_t *value = json_string(options->words[i + 1]);
        is_right = json_object_set_new(arguments, command->arguments[i], value) == 0 && is_right;
    }
    is_right = add_options(command, options, arguments) && is_right;
    if (command->rest == NULL)
        return is_right;
    json_t *rest = json_array();
    for (size_t i = count + 1; i < options->word_count; i++)
        is_right = json_array_append_new(rest, json_string(options->words[i])) == 0 && is_right;
    json_object_set_new(arguments, command->rest, rest);
    return is_right;
}

static int add_password(const struct command *command, const struct options *options,
                        json_t *arguments)
{
    if (!command->has_password || json_object_get(arguments, "password") != NULL)
        return CONTROL_OK;
    json_t *password = read_password(options);
    if (password != NULL) {
        json_object_set_new(arguments, "password", password);
        return CONTROL_OK;
    }
    fputs("Error:\nPassword is not provided via argument or stdin\n", stderr);
    return CONTROL_DATA;
}

static int fill_arguments(const struct command *command, const struct options *options,
                          json_t *arguments)
{
    if (!add_arguments(command, options, arguments))
        return complain(command, options, "an argument is not UTF-8.");
    print_banner(command, options, arguments);
    return add_password(command, options, arguments);
}

struct json_t *command_request(const struct command *command, const struct options *options,
                               char **columns, int *status)
{
    *columns = NULL;
    *status = check_options(command, options);
    if (*status == CONTROL_OK)
        *status = check_count(command, options);
    if (*status == CONTROL_OK)
        *status = check_words(command, options);
    if (*status != CONTROL_OK)
        return NULL;
    if (command->columns != NULL) {
        *columns = read_columns(command, options, argument_count(command) + 1);
        if (*columns == NULL) {
            *status = CONTROL_USAGE;
            return NULL;
        }
    }
    json_t *arguments = json_object();
    *status = definitions_check_file(command, options);
    if (*status == CONTROL_OK)
        *status = fill_arguments(command, options, arguments);
    if (*status == CONTROL_OK && command->kind == COMMAND_IMPORT)
        *status = definitions_read(options, arguments);
    if (*status == CONTROL_OK)
        return json_pack("{s:s, s:o}", "command",
                         command->request != NULL ? command->request : command->name, "arguments",
                         arguments);
    json_decref(arguments);
    free(*columns);
    *columns = NULL;
    return NULL;
}
