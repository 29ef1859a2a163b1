/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rabbitmq-queues peek: a message as a table of two columns, or as an object.
 */
#include "cli/peek.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "cli/answer.h"
#include "cli/ask.h"
#include "cli/options.h"
#include "cli/output.h"
#include "net/control.h"

const char *peek_check(char *const *words, size_t count, int *status)
{
    char *end;
    if (count == 2 && strtoll(words[1], &end, 10) > 0 && *end == '\0')
        return NULL;
    *status = CONTROL_USAGE;
    return "\"position value must be a positive integer\"";
}

static json_t *object_of(const json_t *fields)
{
    json_t *object = json_object();
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        json_object_set(object, json_string_value(json_array_get(field, 0)),
                        json_array_get(field, 1));
    }
    return object;
}

/* What is in a table is as it would be in JSON. */
static json_t *shown(const json_t *value)
{
    if (!json_is_object(value))
        return json_incref((json_t *)(uintptr_t)value);
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    json_t *json = json_string(text);
    free(text);
    return json;
}

static void print_fields(const json_t *fields, const struct options *options)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const json_t *field = json_array_get(fields, i);
        json_array_append_new(rows, json_pack("{s:O, s:o}", "keys", json_array_get(field, 0),
                                              "values", shown(json_array_get(field, 1))));
    }
    output_bordered_list(rows, "keys,values", options);
    json_decref(rows);
}

int peek_run(const struct options *options, const json_t *arguments)
{
    json_t *answer;
    const char *queue = options->words[1], *position = options->words[2];
    json_t *asked = json_deep_copy(arguments);
    json_object_set_new(asked, "position", json_integer(strtoll(position, NULL, 10)));
    int status = ask_server(options, "peek", asked, &answer);
    if (status != CONTROL_OK)
        return status;
    const json_t *fields = json_object_get(answer, "fields");
    if (answer_is_json(options)) {
        answer_print_json(stdout,
                          json_pack("{s:s, s:o}", "result", "ok", "message", object_of(fields)));
    } else {
        if (!options->is_quiet)
            printf("Peeking at queue %s at position %s on node %s ...\n", queue, position,
                   answer_node(answer));
        print_fields(fields, options);
    }
    json_decref(answer);
    return CONTROL_OK;
}
