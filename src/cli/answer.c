/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the commands of rabbitmq-diagnostics and rabbitmq-queues have in common: a banner that names
 * the node, and so comes when that is known, and values, as JSON in one line or as a term of
 * Erlang's.
 */
#include "cli/answer.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/term.h"

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

bool answer_is_term(const struct options *options)
{
    return strcmp(options->formatter, "erlang") == 0;
}

bool answer_is_value(const struct options *options)
{
    return answer_is_json(options) || answer_is_term(options);
}

void answer_print_banner(const json_t *answer, const struct options *options, const char *before,
                         const char *after)
{
    if (!options->is_quiet && !answer_is_value(options))
        printf("%s%s%s\n", before, answer_node(answer), after);
}

void answer_print_json(FILE *file, json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    fprintf(file, "%s\n", text != NULL ? text : "");
    free(text);
    json_decref(object);
}

/* Its message, its value, nothing where all is well, else all of it. */
static void print_term(const json_t *answer)
{
    const json_t *text = json_object_get(answer, "message");
    if (text == NULL)
        text = json_object_get(answer, "value");
    if (text == NULL && json_object_get(answer, "result") != NULL)
        return;
    struct term *term = term_of_json(text != NULL ? text : answer);
    term_print(term);
    term_free(term);
}

void answer_print_in_order(const struct options *options, const json_t *answer)
{
    if (answer_is_term(options)) {
        print_term(answer);
        return;
    }
    char *text = json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(15));
    puts(text != NULL ? text : "");
    free(text);
}

/* Members are sorted where a text is written. */
static json_t *sorted(const json_t *object)
{
    char *text = json_dumps(object, JSON_SORT_KEYS);
    json_t *json = text != NULL ? json_loads(text, 0, NULL) : NULL;
    free(text);
    return json;
}

void answer_print(const struct options *options, json_t *answer)
{
    json_t *shown = sorted(answer);
    answer_print_in_order(options, shown);
    json_decref(shown);
    json_decref(answer);
}

void answer_print_done(const json_t *answer, const struct options *options)
{
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:s, s:s}", "node", answer_node(answer), "result", "ok"));
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
