/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands as a table, and the way from a command line to a request. A command line is checked
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
#include "cli/alarm_limit.h"
#include "cli/check.h"
#include "cli/definitions.h"
#include "cli/options.h"
#include "net/control.h"

static const struct command commands[] = {
    {.name = "add_user",
     .help = "Creates a user; the password is read from standard input if it is not given",
     .usage = "<username> [<password>]",
     .arguments = {"user", "password"},
     .has_password = true,
     .banner = "Adding user \"{user}\" ...",
     .success = "Done. Don't forget to grant the user permissions to some virtual hosts! See "
                "'leveretctl help set_permissions' to learn more.",
     .success_is_chatter = true},
    {.name = "authenticate_user",
     .help = "Says whether this is the user's password",
     .usage = "<username> [<password>]",
     .arguments = {"user", "password"},
     .has_password = true,
     .banner = "Authenticating user \"{user}\" ...",
     .success = "Success"},
    {.name = "change_password",
     .help = "Gives a user another password",
     .usage = "<username> [<password>]",
     .arguments = {"user", "password"},
     .has_password = true,
     .banner = "Changing password for user \"{user}\" ..."},
    {.name = "clear_password",
     .help = "Leaves a user without a password, so that only a certificate logs it in",
     .usage = "<username>",
     .arguments = {"user"},
     .banner = "Clearing password for user \"{user}\" ..."},
    {.name = "delete_user",
     .help = "Removes a user and closes its connections",
     .usage = "<username>",
     .arguments = {"user"},
     .banner = "Deleting user \"{user}\" ..."},
    {.name = "list_users",
     .kind = COMMAND_LIST,
     .help = "Lists the users with their tags",
     .usage = "",
     .banner = "Listing users ...",
     .columns = "user tags",
     .is_blank_if_empty = true},
    {.name = "set_user_tags",
     .help = "Replaces the tags of a user",
     .usage = "<username> <tag> [...]",
     .arguments = {"user"},
     .rest = "tags",
     .banner = "Setting tags for user \"{user}\" to {tags} ..."},
    {.name = "clear_permissions",
     .help = "Takes a user's permissions in a virtual host away",
     .usage = "[--vhost <vhost>] <username>",
     .arguments = {"user"},
     .has_vhost = true,
     .banner = "Clearing permissions for user \"{user}\" in vhost \"{vhost}\" ..."},
    {.name = "list_permissions",
     .kind = COMMAND_LIST,
     .help = "Lists who may do what in a virtual host",
     .usage = "[--vhost <vhost>]",
     .has_vhost = true,
     .banner = "Listing permissions for vhost \"{vhost}\" ...",
     .columns = "user configure write read",
     .is_blank_if_empty = true},
    {.name = "list_user_permissions",
     .kind = COMMAND_LIST,
     .help = "Lists what a user may do in each virtual host",
     .usage = "<username>",
     .arguments = {"user"},
     .banner = "Listing permissions for user \"{user}\" ...",
     .columns = "vhost configure write read",
     .is_blank_if_empty = true},
    {.name = "set_permissions",
     .help = "Says what a user may configure, write and read in a virtual host: three patterns",
     .usage = "[--vhost <vhost>] <username> <conf> <write> <read>",
     .arguments = {"user", "configure", "write", "read"},
     .has_vhost = true,
     .banner = "Setting permissions for user \"{user}\" in vhost \"{vhost}\" ..."},
    {.name = "set_topic_permissions",
     .help = "Says with which routing keys a user may publish to and bind from a topic exchange",
     .usage = "[--vhost <vhost>] <username> <exchange> <write> <read>",
     .arguments = {"user", "exchange", "write", "read"},
     .has_vhost = true,
     .banner = "Setting topic permissions on \"{exchange}\" for user \"{user}\" in vhost "
               "\"{vhost}\" ..."},
    {.name = "clear_topic_permissions",
     .help = "Takes a user's topic permissions away, those of one exchange or all",
     .usage = "[--vhost <vhost>] <username> [<exchange>]",
     .arguments = {"user", "exchange"},
     .optional_count = 1,
     .has_vhost = true,
     .banner = "Clearing topic permissions on \"{exchange}\" for user \"{user}\" in vhost "
               "\"{vhost}\" ...",
     .banner_other = "Clearing topic permissions for user \"{user}\" in vhost \"{vhost}\" ..."},
    {.name = "list_topic_permissions",
     .kind = COMMAND_LIST,
     .help = "Lists the topic permissions in a virtual host",
     .usage = "[--vhost <vhost>]",
     .has_vhost = true,
     .banner = "Listing topic permissions for vhost \"{vhost}\" ...",
     .columns = "user exchange write read",
     .is_blank_if_empty = true},
    {.name = "list_user_topic_permissions",
     .kind = COMMAND_LIST,
     .help = "Lists the topic permissions of a user",
     .usage = "<username>",
     .arguments = {"user"},
     .banner = "Listing topic permissions for user \"{user}\" ...",
     .columns = "vhost exchange write read",
     .is_headerless = true,
     .is_blank_if_empty = true},
    {.name = "set_user_limits",
     .help = "Limits the connections and channels of a user: {\"max-connections\": 5}",
     .usage = "<username> <definition>",
     .arguments = {"user", "limits"},
     .banner = "Setting user limits to \"{limits}\" for user \"{user}\" ..."},
    {.name = "clear_user_limits",
     .help = "Takes one limit of a user away, or all",
     .usage = "<username> <limit_type> | all",
     .arguments = {"user", "limit"},
     .banner = "Clearing \"{limit}\" limit for user \"{user}\" ...",
     .banner_other = "Clearing all limits for user \"{user}\" ..."},
    {.name = "list_user_limits",
     .kind = COMMAND_LIMITS,
     .help = "Lists the limits of a user, or of all",
     .usage = "[--user <username>] [--global]",
     .options = "user=guest global",
     .banner = "Listing limits for user \"{user}\" ...",
     .banner_other = "Listing limits for all users ...",
     .columns = "user limits",
     .is_blank_if_empty = true},
    {.name = "add_vhost",
     .help = "Creates a virtual host",
     .usage = "<vhost> [--description <description>] [--tags \"<tag1>,<tag2>,<...>\"] "
              "[--default-queue-type <quorum|classic|stream>]",
     .arguments = {"vhost"},
     .options = "description= tags= default-queue-type=",
     .banner = "Adding vhost \"{vhost}\" ..."},
    {.name = "delete_vhost",
     .help = "Removes a virtual host with all that is in it, and closes its connections",
     .usage = "<vhost>",
     .arguments = {"vhost"},
     .banner = "Deleting vhost \"{vhost}\" ..."},
    {.name = "list_vhosts",
     .kind = COMMAND_LIST,
     .help = "Lists the virtual hosts",
     .usage = "[<column> ...]",
     .banner = "Listing vhosts ...",
     .columns = "name",
     .columns_other = "tracing description tags default_queue_type",
     .is_blank_if_empty = true},
    {.name = "set_vhost_limits",
     .help = "Limits the connections and queues of a virtual host: {\"max-queues\": 100}",
     .usage = "[--vhost <vhost>] <definition>",
     .arguments = {"limits"},
     .has_vhost = true,
     .banner = "Setting vhost limits to \"{limits}\" for vhost \"{vhost}\" ..."},
    {.name = "clear_vhost_limits",
     .help = "Takes the limits of a virtual host away",
     .usage = "[--vhost <vhost>]",
     .has_vhost = true,
     .banner = "Clearing vhost \"{vhost}\" limits ..."},
    {.name = "list_vhost_limits",
     .kind = COMMAND_LIMITS,
     .help = "Lists the limits of a virtual host, or of all",
     .usage = "[--vhost <vhost>] [--global]",
     .options = "global",
     .has_vhost = true,
     .banner = "Listing limits for vhost \"{vhost}\" ...",
     .banner_other = "Listing limits for all vhosts ...",
     .columns = "vhost limits",
     .is_blank_if_empty = true},
    {.name = "trace_on",
     .help = "Turns the firehose of a virtual host on",
     .usage = "[--vhost <vhost>]",
     .has_vhost = true,
     .banner = "Starting tracing for vhost \"{vhost}\" ...",
     .success = "Trace enabled for vhost {vhost}"},
    {.name = "trace_off",
     .help = "Turns the firehose of a virtual host off",
     .usage = "[--vhost <vhost>]",
     .has_vhost = true,
     .banner = "Stopping tracing for vhost \"{vhost}\" ...",
     .success = "Trace disabled for vhost {vhost}"},
    {.name = "set_policy",
     .help = "Sets what applies to the queues and exchanges whose names match a pattern",
     .usage = "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> "
              "<definition>",
     .arguments = {"name", "pattern", "definition"},
     .options = "priority=0 apply-to=all",
     .has_vhost = true,
     .banner = "Setting policy \"{name}\" for pattern \"{pattern}\" to \"{definition}\" with "
               "priority \"{priority}\" for vhost \"{vhost}\" ..."},
    {.name = "clear_policy",
     .help = "Takes a policy away",
     .usage = "[--vhost <vhost>] <name>",
     .arguments = {"name"},
     .has_vhost = true,
     .banner = "Clearing policy \"{name}\" on vhost \"{vhost}\" ..."},
    {.name = "list_policies",
     .kind = COMMAND_LIST,
     .help = "Lists the policies of a virtual host",
     .usage = "[--vhost <vhost>]",
     .has_vhost = true,
     .banner = "Listing policies for vhost \"{vhost}\" ...",
     .columns = "vhost name pattern apply-to definition priority",
     .is_blank_if_empty = true},
    {.name = "set_operator_policy",
     .help = "Sets limits that no policy and no argument exceeds",
     .usage = "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> "
              "<definition>",
     .arguments = {"name", "pattern", "definition"},
     .options = "priority=0 apply-to=all",
     .has_vhost = true,
     .banner = "Setting operator policy override \"{name}\" for pattern \"{pattern}\" to "
               "\"{definition}\" with priority \"{priority}\" for vhost \"{vhost}\" ..."},
    {.name = "clear_operator_policy",
     .help = "Takes an operator policy away",
     .usage = "[--vhost <vhost>] <name>",
     .arguments = {"name"},
     .has_vhost = true,
     .banner = "Clearing operator policy \"{name}\" on vhost \"{vhost}\" ..."},
    {.name = "list_operator_policies",
     .kind = COMMAND_LIST,
     .help = "Lists the operator policies of a virtual host",
     .usage = "[--vhost <vhost>]",
     .has_vhost = true,
     .banner = "Listing operator policy overrides for vhost \"{vhost}\" ...",
     .columns = "vhost name pattern apply-to definition priority",
     .is_blank_if_empty = true},
    {.name = "set_parameter",
     .help = "Sets a runtime parameter",
     .usage = "[--vhost <vhost>] <component_name> <name> <value>",
     .arguments = {"component", "name", "value"},
     .has_vhost = true,
     .banner = "Setting runtime parameter \"{name}\" for component \"{component}\" to "
               "\"{value}\" in vhost \"{vhost}\" ..."},
    {.name = "clear_parameter",
     .help = "Takes a runtime parameter away",
     .usage = "[--vhost <vhost>] <component_name> <name>",
     .arguments = {"component", "name"},
     .has_vhost = true,
     .banner = "Clearing runtime parameter \"{name}\" for component \"{component}\" on vhost "
               "\"{vhost}\" ..."},
    {.name = "list_parameters",
     .kind = COMMAND_LIST,
     .help = "Lists the runtime parameters of a virtual host",
     .usage = "[--vhost <vhost>]",
     .has_vhost = true,
     .banner = "Listing runtime parameters for vhost \"{vhost}\" ...",
     .columns = "component name value",
     .is_blank_if_empty = true},
    {.name = "set_global_parameter",
     .help = "Sets a parameter of the server",
     .usage = "<name> <value>",
     .arguments = {"name", "value"},
     .banner = "Setting global runtime parameter \"{name}\" to \"{value}\" ..."},
    {.name = "clear_global_parameter",
     .help = "Takes a parameter of the server away",
     .usage = "<name>",
     .arguments = {"name"},
     .banner = "Clearing global runtime parameter \"{name}\" ..."},
    {.name = "list_global_parameters",
     .kind = COMMAND_LIST,
     .help = "Lists the parameters of the server",
     .usage = "",
     .banner = "Listing global runtime parameters ...",
     .columns = "name value",
     .is_blank_if_empty = true},
    {.name = "export_definitions",
     .kind = COMMAND_EXPORT,
     .help = "Writes all definitions to a file, as JSON",
     .usage = "<file_path | \"-\"> [--format json]",
     .arguments = {"file"},
     .options = "format=json",
     .banner = "Exporting definitions in JSON to a file at \"{file}\" ...",
     .banner_other = ""},
    {.name = "import_definitions",
     .kind = COMMAND_IMPORT,
     .help = "Reads definitions from a file, or from standard input",
     .usage = "[<file_path | \"-\">] [--format json] [--skip-if-unchanged]",
     .arguments = {"file"},
     .optional_count = 1,
     .options = "format=json skip-if-unchanged",
     .has_vhost = true,
     .banner = "Importing definitions in JSON from a file at \"{file}\" ...",
     .banner_other = "Importing definitions in JSON from standard input ...",
     .success = "Successfully started definition import. This process is asynchronous and can take "
                "some time.",
     .success_is_chatter = true},
    {.name = "list_exchanges",
     .kind = COMMAND_LIST,
     .help = "Lists the exchanges of a virtual host",
     .usage = "[--vhost <vhost>] [<column> ...]",
     .has_vhost = true,
     .banner = "Listing exchanges for vhost {vhost} ...",
     .columns = "name type",
     .columns_other = "durable auto_delete internal arguments policy"},
    {.name = "list_bindings",
     .kind = COMMAND_LIST,
     .help = "Lists the bindings of a virtual host",
     .usage = "[--vhost <vhost>] [<column> ...]",
     .has_vhost = true,
     .banner = "Listing bindings for vhost {vhost}...",
     .columns = "source_name source_kind destination_name destination_kind routing_key arguments",
     .columns_other = ""},
    {.name = "list_queues",
     .kind = COMMAND_LIST,
     .help = "Lists the queues of a virtual host",
     .usage = "[--vhost <vhost>] [<column> ...]",
     .has_vhost = true,
     .banner = "Listing queues for vhost {vhost} ...",
     .columns = "name messages",
     .columns_other = "messages_ready messages_unacknowledged consumers message_bytes_ready "
                      "durable auto_delete exclusive arguments policy operator_policy type"},
    {.name = "await_startup",
     .kind = COMMAND_AWAIT,
     .help = "Waits until the server serves",
     .usage = "[--timeout <seconds>]"},
    {.name = "check",
     .help = "Verifies a data folder in which no server works: every row, every counter",
     .usage = "",
     .run = check_run,
     .banner = "Checking the data folder ..."},
    {.name = "ping",
     .help = "Says whether the server answers",
     .usage = "",
     .banner = "Will ping the server.",
     .success = "Ping succeeded"},
    {.name = "reload",
     .help = "Reads the TLS certificates again; connections stay",
     .usage = "",
     .banner = "Reloading certificates ..."},
    {.name = "set_disk_free_limit",
     .help = "Sets how little disk space sets off the alarm, until the next start",
     .usage = "<size> | mem_relative <fraction>",
     .check = alarm_limit_check_disk,
     .arguments = {"limit", "size"},
     .optional_count = 1,
     .banner = "Setting disk free limit to {size} times the total RAM ...",
     .banner_other = "Setting disk free limit to {limit} bytes ..."},
    {.name = "set_vm_memory_high_watermark",
     .help = "Sets how much memory sets off the alarm, until the next start",
     .usage = "<fraction> | absolute <size>",
     .check = alarm_limit_check_memory,
     .arguments = {"limit", "size"},
     .optional_count = 1,
     .banner = "Setting memory threshold to {size} bytes ...",
     .banner_other = "Setting memory threshold to {limit} ..."},
    {.name = "status",
     .kind = COMMAND_STATUS,
     .help = "Says what the server is and does",
     .usage = "",
     .banner = "Status of the server ..."},
    {.name = "stop",
     .kind = COMMAND_STOP,
     .help = "Stops the server and waits for its end",
     .usage = "",
     .banner = "Stopping the server ..."},
};

const struct command *command_table(size_t *count)
{
    *count = sizeof commands / sizeof commands[0];
    return commands;
}

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
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

/* A word may name several columns, with commas between. */
static bool add_columns(const struct command *command, const char *word, struct buffer *columns)
{
    while (*word != '\0') {
        size_t size = strcspn(word, ", ");
        if (size > 0 && !has_word(command->columns, word, size) &&
            !has_word(command->columns_other, word, size))
            return false;
        if (size > 0)
            buffer_append_format(columns, "%s%.*s", columns->size > 0 ? " " : "", (int)size, word);
        word += size + strspn(word + size, ", ");
    }
    return true;
}

/* NULL where one is unknown, which was said. */
static char *read_columns(const struct command *command, const struct options *options, size_t from)
{
    struct buffer columns = {0};
    for (size_t i = from; i < options->word_count; i++) {
        if (add_columns(command, options->words[i], &columns))
            continue;
        options_complain(options, "Info key(s) %s are not supported", options->words[i]);
        command_print_usage(command);
        buffer_fini(&columns);
        return NULL;
    }
    if (columns.size == 0 && command->columns != NULL)
        buffer_append_format(&columns, "%s", command->columns);
    char *text = bytes_to_text(buffer_bytes(&columns));
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

static int check_options(const struct command *command, const struct options *options)
{
    char what[100];
    for (size_t i = 0; i < options->other_count; i++) {
        const char *value = options->others[i].value;
        if (find_option(command, options->others[i].name) != NULL)
            continue;
        snprintf(what, sizeof what, "Invalid options for this command:\n--%s : %s",
                 options->others[i].name, value != NULL ? value : "true");
        return complain(command, options, what);
    }
    return CONTROL_OK;
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
        json_t *json = value != NULL ? json_string(value) : json_true();
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
        json_t *name = json_stringn(place + 1, size - 1);
        append_argument(&text, json_object_get(arguments, json_string_value(name)));
        json_decref(name);
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
    bool is_wanted = !options->is_quiet && (strcmp(options->formatter, "table") == 0 ||
                                            strcmp(options->formatter, "pretty_table") == 0);
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
    *status = check_count(command, options);
    if (*status == CONTROL_OK)
        *status = check_options(command, options);
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
        return json_pack("{s:s, s:o}", "command", command->name, "arguments", arguments);
    json_decref(arguments);
    free(*columns);
    *columns = NULL;
    return NULL;
}
