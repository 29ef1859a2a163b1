/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leveretctl move_messages: the server moves a slice for each request, and here one is asked for
 * after the other until as many have moved as there were at the beginning, or as were asked for. So
 * a queue that is being published to does not keep the command for ever, and it may be interrupted
 * at any time: each message is then in one of the two queues.
 */
#include "cli/move.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/ask.h"
#include "cli/options.h"
#include "net/control.h"

struct moving {
    const struct options *options;
    const json_t *arguments;
    json_int_t moved, left;
};

static json_t *copy_of(const struct moving *moving, const char *name)
{
    return json_incref(json_object_get(moving->arguments, name));
}

/* No more than there are. */
static int find_count(struct moving *moving)
{
    json_t *facts;
    const char *text = options_value(moving->options, "number");
    char *end = NULL;
    moving->left = text != NULL ? strtoll(text, &end, 10) : 0;
    if (text != NULL && (*text == '\0' || *end != '\0' || moving->left <= 0)) {
        options_complain(moving->options, "--number: a positive number is expected");
        return CONTROL_USAGE;
    }
    int status = ask_server(moving->options, "queue_facts",
                            json_pack("{s:o, s:o}", "vhost", copy_of(moving, "vhost"), "queue",
                                      copy_of(moving, "queue")),
                            &facts);
    json_int_t ready = json_integer_value(json_object_get(facts, "messages_ready"));
    if (text == NULL || ready < moving->left)
        moving->left = ready;
    json_decref(facts);
    return status;
}

static int move_slice(struct moving *moving)
{
    json_t *answer;
    int status = ask_server(moving->options, "move_messages",
                            json_pack("{s:o, s:o, s:o, s:I}", "vhost", copy_of(moving, "vhost"),
                                      "queue", copy_of(moving, "queue"), "destination",
                                      copy_of(moving, "destination"), "count", moving->left),
                            &answer);
    json_int_t count = json_integer_value(json_object_get(answer, "message_count"));
    moving->moved += count;
    moving->left = count > 0 ? moving->left - count : 0;
    json_decref(answer);
    return status;
}

static void print_moved(const struct moving *moving)
{
    if (answer_is_json(moving->options))
        answer_print_json(stdout, json_pack("{s:s, s:I}", "result", "ok", "moved", moving->moved));
    else
        printf("%" JSON_INTEGER_FORMAT " messages have moved\n", moving->moved);
}

/* What has moved stays moved, and is told also where the rest did not. */
int move_run(const struct options *options, const struct json_t *arguments)
{
    struct moving moving = {.options = options, .arguments = arguments};
    int status = find_count(&moving);
    while (status == CONTROL_OK && moving.left > 0)
        status = move_slice(&moving);
    if (status == CONTROL_OK || moving.moved > 0)
        print_moved(&moving);
    return status;
}
