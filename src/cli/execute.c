/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a command: it is turned into a request (command.c), sent over the control socket
 * (client.c), and its answer is printed. The exit status is the server's answer, or tells that
 * there was none.
 */
#include "cli/execute.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/definitions.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/term.h"
#include "net/control.h"

enum { TIMEOUT_MS = 60000, AWAIT_TIMEOUT_MS = 300000 };

/* --- answers */

static int fail(const struct options *options, enum client_result result, const char *reason)
{
    switch (result) {
    case CLIENT_TIMEOUT:
        fprintf(stderr, "Error:\nthe server in '%s' did not answer in time\n", options->data_dir);
        return CONTROL_TIMEOUT;
    default:
        fprintf(stderr, "Error: unable to perform an operation on the server in '%s': %s\n",
                options->data_dir, reason);
        return CONTROL_UNAVAILABLE;
    }
}

static void print_text(const struct options *options, const char *text)
{
    if (!answer_is_term(options)) {
        puts(text);
        return;
    }
    struct term *term = term_binary(text);
    term_print(term);
    term_free(term);
}

static void print_limits(const struct command *command, const struct options *options,
                         const char *columns, const json_t *request, const json_t *result)
{
    const json_t *arguments = json_object_get(request, "arguments");
    if (json_is_true(json_object_get(arguments, "global"))) {
        output_list(result, columns, options, command->is_blank_if_empty);
        return;
    }
    const char *limits = json_string_value(json_object_get(json_array_get(result, 0), "limits"));
    print_text(options, limits != NULL ? limits : "");
}

static void print_list(const struct command *command, const struct options *options,
                       const char *columns, const json_t *result)
{
    struct options shown = *options;
    bool is_table = strcmp(options->formatter, "table") == 0;
    shown.has_headers = options->has_headers && !(is_table && command->is_headerless);
    output_list(result, columns, &shown, command->is_blank_if_empty);
}

/* {"node": NODE, "result": "ok"}, and the word of success where there is one. */
static void print_json_success(const struct command *command, const char *node, const char *text)
{
    json_t *object = json_pack("{s:s}", "result", "ok");
    if (node != NULL)
        json_object_set_new(object, "node", json_string(node));
    if (text != NULL)
        json_object_set_new(object, command->success_is_value ? "value" : "message",
                            json_string(text));
    answer_print_json(stdout, object);
}

static void print_success(const struct command *command, const struct options *options,
                          const char *node, const json_t *request)
{
    char *text = NULL;
    if (command->success != NULL)
        text = command_text(command->success, json_object_get(request, "arguments"));
    if (answer_is_json(options))
        print_json_success(command, node, text);
    else if (text != NULL && !(options->is_quiet && command->success_is_chatter))
        print_text(options, text);
    free(text);
}

/* Does it do something, and print nothing else? */
static bool is_change(const struct command *command)
{
    return command->print == NULL &&
           (command->kind == COMMAND_CHANGE || command->kind == COMMAND_AWAIT ||
            command->kind == COMMAND_STOP || command->kind == COMMAND_IMPORT);
}

/* The exit status. */
static int print_result(const struct command *command, const struct options *options,
                        const char *columns, const json_t *request, const json_t *reply)
{
    int status = CONTROL_OK;
    json_t *node = json_object_get(reply, "node"), *result = json_object_get(reply, "result");
    if (json_is_object(result) && node != NULL && json_object_get(result, "node") == NULL)
        json_object_set(result, "node", node);
    if (command->print != NULL)
        status = command->print(result, options);
    else if (command->kind == COMMAND_LIST)
        print_list(command, options, columns, result);
    else if (command->kind == COMMAND_LIMITS)
        print_limits(command, options, columns, request, result);
    else if (command->kind == COMMAND_EXPORT)
        status = definitions_write(options, result);
    if (is_change(command))
        print_success(command, options, json_string_value(node), request);
    return status;
}

static bool is_absent_vhost(int status, const char *error)
{
    return status == CONTROL_DATA && strncmp(error, "Virtual host '", 14) == 0;
}

/* As rabbitmqctl has it, which says of a missing virtual host only that, and asks some commands not
 * whether there is one. */
static int print_error(const struct command *command, const struct options *options,
                       const json_t *reply, int status, const char *error)
{
    bool is_vhost = is_absent_vhost(status, error);
    if (command->absent_status != 0 && (is_vhost || status == CONTROL_NO_USER))
        status = command->absent_status;
    answer_print_error(options, json_string_value(json_object_get(reply, "node")), error, is_vhost);
    return status;
}

/* The exit status that the reply says. */
static int answer(const struct command *command, const struct options *options, const char *columns,
                  const json_t *request, json_t *reply)
{
    const json_t *number = json_object_get(reply, "status");
    const char *error = json_string_value(json_object_get(reply, "error"));
    int status = json_is_integer(number) ? (int)json_integer_value(number) : CONTROL_SOFTWARE;
    if (status != CONTROL_OK && command->is_empty_if_absent && error != NULL &&
        is_absent_vhost(status, error))
        status = json_object_set_new(reply, "result", json_array());
    if (status == CONTROL_OK)
        return print_result(command, options, columns, request, reply);
    return print_error(command, options, reply, status,
                       error != NULL ? error : "the server's answer is not one");
}

static int ask(const struct command *command, const struct options *options, const char *columns,
               const json_t *request)
{
    char reason[256] = "";
    json_t *reply = NULL;
    pid_t server = 0;
    bool is_patient = command->kind == COMMAND_AWAIT;
    bool is_long = is_patient || command->kind == COMMAND_IMPORT || command->kind == COMMAND_EXPORT;
    int64_t timeout_ms = options->timeout_ms > 0 ? options->timeout_ms
                         : is_long               ? AWAIT_TIMEOUT_MS
                                                 : TIMEOUT_MS;
    int64_t deadline_ms = client_now_ms() + timeout_ms;
    enum client_result result = is_patient
                                    ? client_call_patiently(options->data_dir, request, deadline_ms,
                                                            &reply, reason, sizeof reason)
                                    : client_call(options->data_dir, request, deadline_ms, &reply,
                                                  &server, reason, sizeof reason);
    if (result == CLIENT_UNREACHABLE && options_has(options, "idempotent"))
        return CONTROL_OK;
    if (result != CLIENT_OK)
        return fail(options, result, reason);
    int status = answer(command, options, columns, request, reply);
    json_decref(reply);
    /* In another container the process has no number here: then the answer has to do. */
    if (command->kind == COMMAND_STOP && status == CONTROL_OK && server > 0 &&
        !options_has(options, "no-wait") &&
        client_wait_for_end(server, deadline_ms) == CLIENT_TIMEOUT)
        return fail(options, CLIENT_TIMEOUT, "");
    return status;
}

/* --- the whole way */

/* Everything that is printed from now on. */
static int redirect(const struct options *options)
{
    bool is_file = options->printer != NULL && strcmp(options->printer, "file") == 0;
    if (!is_file || options->file == NULL)
        return CONTROL_OK;
    fflush(stdout);
    if (freopen(options->file, "w", stdout) != NULL)
        return CONTROL_OK;
    fprintf(stderr, "Error:\ncannot write %s: %s\n", options->file, strerror(errno));
    return CONTROL_SOFTWARE;
}

static int execute(const struct command *command, const struct options *options)
{
    int status;
    char *columns;
    json_t *request = command_request(command, options, &columns, &status);
    if (request == NULL)
        return status;
    status = redirect(options);
    if (options->is_dry || status != CONTROL_OK) {
        /* the banner was all */
    } else if (options->has_timeout && options->timeout_ms <= 0) {
        fprintf(stderr, "Error: operation %s on the server timed out. Timeout value used: %lld\n",
                command->name, (long long)options->timeout_ms);
        status = options->timeout_ms < 0 ? CONTROL_SOFTWARE : CONTROL_TIMEOUT;
    } else if (command->run != NULL) {
        status = command->run(options, json_object_get(request, "arguments"));
    } else {
        status = ask(command, options, columns, request);
    }
    json_decref(request);
    free(columns);
    return status;
}

int execute_command(const struct options *options)
{
    struct options known = *options;
    const struct command *command = command_find(options->words[0]);
    bool has_rows = command->kind == COMMAND_LIST || command->kind == COMMAND_LIMITS;
    known.formatter = output_find_formatter(options->formatter);
    if (known.formatter == NULL) {
        options_complain(options, "there is no formatter '%s'", options->formatter);
        return CONTROL_USAGE;
    }
    if (!has_rows && strcmp(known.formatter, "json_stream") == 0)
        known.formatter = "json";
    return execute(command, &known);
}
