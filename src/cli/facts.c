/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server says about itself, with the texts of rabbitmq-diagnostics. Where that prints
 * terms of Erlang, a line is a fact here.
 */
#include "cli/facts.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/xmalloc.h"
#include "cli/answer.h"
#include "cli/options.h"
#include "cli/output.h"
#include "net/control.h"

/* --- names and values */

/* A line for each, in order of the names. */
static void print_pairs(const json_t *pairs, const char *between)
{
    const char *name;
    json_t *value;
    size_t count = 0;
    const char **names = xcalloc(json_object_size(pairs) + 1, sizeof names[0]);
    json_object_foreach((json_t *)(uintptr_t)pairs, name, value) names[count++] = name;
    bytes_sort_texts(names, count);
    for (size_t i = 0; i < count; i++)
        printf("%s%s%s\n", names[i], between, answer_text(pairs, names[i]));
    free(names);
}

int facts_os_env(const json_t *answer, const struct options *options)
{
    json_t *variables = json_object_get(answer, "variables");
    answer_print_banner(answer, options,
                        "Listing RabbitMQ-specific environment variables defined on node ", "...");
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:s, s:s, s:O}", "node", answer_node(answer), "result",
                                        "ok", "variables", variables));
    else
        print_pairs(variables, "=");
    return CONTROL_OK;
}

int facts_environment(const json_t *answer, const struct options *options)
{
    json_t *settings = json_object_get(answer, "settings");
    answer_print_banner(answer, options, "Application environment of node ", " ...");
    if (answer_is_value(options))
        answer_print(options, json_incref(settings));
    else
        print_pairs(settings, " = ");
    return CONTROL_OK;
}

/* --- lists of words */

static void print_words(const json_t *words)
{
    for (size_t i = 0; i < json_array_size(words); i++)
        puts(json_string_value(json_array_get(words, i)));
}

int facts_command_line(const json_t *answer, const struct options *options)
{
    json_t *arguments = json_object_get(answer, "arguments");
    answer_print_banner(answer, options, "Command line arguments of node ", " ...");
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:O, s:s, s:s}", "arguments", arguments, "node",
                                        answer_node(answer), "result", "ok"));
    else
        print_words(arguments);
    return CONTROL_OK;
}

int facts_tls_versions(const json_t *answer, const struct options *options)
{
    if (answer_is_value(options))
        answer_print(options, json_incref((json_t *)(uintptr_t)answer));
    else
        print_words(json_object_get(answer, "versions"));
    return CONTROL_OK;
}

int facts_cipher_suites(const json_t *answer, const struct options *options)
{
    json_t *ciphers = json_object_get(answer, "ciphers");
    const char *format = options_value(options, "format");
    if (format != NULL && strcmp(format, "openssl") != 0) {
        options_complain(options, "Bad argument: Format should be openssl");
        return CONTROL_DATA;
    }
    if (answer_is_value(options))
        answer_print(options, json_incref(ciphers));
    else
        print_words(ciphers);
    return CONTROL_OK;
}

/* --- logins */

/* They are not counted by where they come from, as they are not in RabbitMQ by default. */
int facts_logins(const json_t *answer, const struct options *options)
{
    bool is_by_source = options_has(options, "by-source");
    json_t *attempts =
        is_by_source ? json_array() : json_incref(json_object_get(answer, "attempts"));
    answer_print_banner(answer, options, "Listing authentication\n attempts for node \"", "\" ...");
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:O, s:s, s:s}", "attempts", attempts, "node",
                                        answer_node(answer), "result", "ok"));
    else if (json_array_size(attempts) == 0)
        printf("Node %s reported no authentication attempt stats\n", answer_node(answer));
    else
        output_list(attempts, "protocol auth_attempts auth_attempts_failed auth_attempts_succeeded",
                    options, false);
    json_decref(attempts);
    return CONTROL_OK;
}

int facts_logins_forgotten(const json_t *answer, const struct options *options)
{
    answer_print_banner(answer, options, "Reset auth attempt metrics on node ", " ...");
    answer_print_done(answer, options);
    return CONTROL_OK;
}

int facts_hash(const json_t *result, const struct options *options)
{
    const char *hash = answer_text(result, "hash");
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:s}", "message", hash));
    else
        puts(hash);
    return CONTROL_OK;
}
