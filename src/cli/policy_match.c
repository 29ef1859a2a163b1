/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rabbitmq-diagnostics list_policies_that_match. Which policies can apply to a queue depends on its
 * type, so that the server is asked for that first; an exchange need not be there.
 */
#include "cli/policy_match.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/output.h"
#include "net/control.h"

/* With JSON an object that is not there is an answer. */
static int say_absent(const struct options *options)
{
    if (!answer_is_json(options)) {
        fputs("Error:\nnot_found\n", stderr);
        return CONTROL_UNAVAILABLE;
    }
    answer_print_json(stdout, json_pack("{s:s, s:s, s:[]}", "result", "error", "message",
                                        "object (queue, exchange) not found", "policies"));
    return CONTROL_OK;
}

static int list(const struct options *options, const json_t *arguments, const char *target)
{
    json_t *rows, *asked = json_deep_copy(arguments);
    json_object_set_new(asked, "target", json_string(target));
    int status = ask_server(options, "list_policies_that_match", asked, &rows);
    if (status != CONTROL_OK)
        return status;
    if (answer_is_json(options))
        answer_print_json(stdout, json_pack("{s:s, s:O}", "result", "ok", "policies", rows));
    else
        output_bordered_list(rows, "vhost,name,pattern,apply-to,definition,priority", options);
    json_decref(rows);
    return CONTROL_OK;
}

int policy_match_run(const struct options *options, const json_t *arguments)
{
    const char *type = answer_text(arguments, "object-type");
    const char *name = answer_text(arguments, "name");
    if (strcmp(type, "exchange") == 0)
        return list(options, arguments, type);
    if (strcmp(type, "queue") != 0) {
        options_complain(options, "object-type: queue or exchange");
        command_print_usage(command_find(options->words[0]));
        return CONTROL_USAGE;
    }
    json_t *reply;
    int status =
        ask_server_reply(options, "queue_facts",
                         json_pack("{s:s, s:s}", "vhost", options->vhost, "queue", name), &reply);
    if (reply == NULL)
        return status;
    const json_t *facts = json_object_get(reply, "result");
    status = status != CONTROL_OK ? say_absent(options)
                                  : list(options, arguments, answer_text(facts, "type"));
    json_decref(reply);
    return status;
}
