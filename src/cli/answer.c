/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the commands of rabbitmq-diagnostics and rabbitmq-queues have in common: a banner that names
 * the node, and so comes when that is known, and JSON in one line.
 */
#include "cli/answer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"

const char *answer_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

const char *answer_node(const json_t *answer)
{
    return answer_text(answer, "node");
}

bool answer_is_json(const struct options *options)
{
    return strcmp(options->formatter, "json") == 0;
}

void answer_print_banner(const json_t *answer, const struct options *options, const char *before,
                         const char *after)
{
    if (!options->is_quiet && !answer_is_json(options))
        printf("%s%s%s\n", before, answer_node(answer), after);
}

void answer_print_json(FILE *file, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    fprintf(file, "%s\n", text != NULL ? text : "");
    free(text);
    json_decref(object);
}

void answer_print_done(const json_t *answer, const struct options *options)
{
    if (answer_is_json(options))
        answer_print_json(stdout,
                          json_pack("{s:s, s:s}", "node", answer_node(answer), "result", "ok"));
}

void answer_print_error(const struct options *options, const char *node, const char *text,
                        bool is_bare)
{
    if (!answer_is_json(options)) {
        fprintf(stderr, "%s%s\n", is_bare ? "" : "Error:\n", text);
        return;
    }
    json_t *object = json_pack("{s:s, s:s}", "result", "error", "message", text);
    if (node != NULL)
        json_object_set_new(object, "node", json_string(node));
    answer_print_json(stderr, object);
}
