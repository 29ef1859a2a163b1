/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request of a command that has several.
 */
#include "cli/ask.h"

#include <jansson.h>
#include <stdio.h>

#include "cli/answer.h"
#include "cli/client.h"
#include "cli/options.h"
#include "net/control.h"

enum { usual_ms = 60000, reason_max = 1024 };

int ask_server_reply(const struct options *options, const char *command, json_t *arguments,
                     json_t **reply)
{
    char reason[reason_max] = "";
    json_t *request = json_pack("{s:s, s:o}", "command", command, "arguments", arguments);
    int64_t wait_ms = options->timeout_ms > 0 ? options->timeout_ms : usual_ms;
    *reply = NULL;
    enum client_result called = client_call(options->data_dir, request, client_now_ms() + wait_ms,
                                            reply, NULL, reason, sizeof reason);
    json_decref(request);
    if (called == CLIENT_OK)
        return (int)json_integer_value(json_object_get(*reply, "status"));
    fprintf(stderr, "Error: unable to perform an operation on the server in '%s': %s\n",
            options->data_dir, called == CLIENT_TIMEOUT ? "it did not answer" : reason);
    return called == CLIENT_TIMEOUT ? CONTROL_TIMEOUT : CONTROL_UNAVAILABLE;
}

int ask_server(const struct options *options, const char *command, json_t *arguments,
               json_t **result)
{
    json_t *reply;
    int status = ask_server_reply(options, command, arguments, &reply);
    *result = NULL;
    if (reply == NULL)
        return status;
    const char *error = json_string_value(json_object_get(reply, "error"));
    if (status != CONTROL_OK)
        answer_print_error(options, NULL, error != NULL ? error : "the server refuses", false);
    else
        *result = json_incref(json_object_get(reply, "result"));
    json_decref(reply);
    return status;
}
