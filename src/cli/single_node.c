/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts for the upkeep of clusters ask before they stop a node whether others can do without it,
 * and wait for nodes to come. A server that is alone answers as RabbitMQ does when it is.
 */
#include "cli/single_node.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/answer.h"
#include "cli/options.h"
#include "net/control.h"

enum { AWAIT_S = 300 };

static int say_alone(const json_t *answer, const struct options *options, const char *question)
{
    static const char why[] =
        "seems to be the only one in a single node cluster, the check does not apply";
    answer_print_banner(answer, options, "Checking if node ", question);
    if (answer_is_json(options))
        answer_print_json(stdout, json_pack("{s:o, s:s}", "message",
                                            json_sprintf("Target node %s", why), "result", "ok"));
    else
        printf("Node %s %s\n", answer_node(answer), why);
    return CONTROL_OK;
}

int single_node_check_quorum(const json_t *answer, const struct options *options)
{
    return say_alone(answer, options, " is critical for quorum of any quorum queues ...");
}

int single_node_check_mirrors(const json_t *answer, const struct options *options)
{
    return say_alone(answer, options,
                     " is critical for data safety of any classic mirrored queues ...");
}

/* More than this one never come, and so nothing is gained by waiting for them. */
int single_node_await_nodes(const json_t *answer, const struct options *options)
{
    long count = strtol(options->words[1], NULL, 10);
    long long timeout_s = options->timeout_ms > 0 ? (long long)options->timeout_ms / 1000 : AWAIT_S;
    if (!options->is_quiet && !answer_is_json(options))
        printf("Will wait for at least %ld nodes to join the cluster of %s. Timeout: %lld "
               "seconds.\n",
               count, answer_node(answer), timeout_s);
    if (count <= 1)
        return CONTROL_OK;
    fprintf(stderr,
            "Error:\nError: timed out while waiting. Not enough nodes joined %s's cluster.\n",
            answer_node(answer));
    return CONTROL_SOFTWARE;
}

const char *single_node_check_count(char *const *words, size_t count, int *status)
{
    char *end;
    if (count == 0)
        return NULL;
    long number = strtol(words[0], &end, 10);
    if (*end == '\0' && end != words[0] && number > 0)
        return NULL;
    *status = CONTROL_DATA;
    return "Bad argument: Argument must be a positive integer";
}

int single_node_health(const json_t *answer, const struct options *options)
{
    size_t alarms = json_array_size(json_object_get(answer, "alarms"));
    size_t down = json_array_size(json_object_get(answer, "vhosts_down"));
    answer_print_banner(answer, options, "Checking health of node ", " ...");
    if (alarms + down > 0) {
        fprintf(stderr, "Error:\nhealth check failed. Message: %s\n",
                alarms > 0 ? "resource alarm(s) in effect" : "virtual hosts are down");
        return CONTROL_SOFTWARE;
    }
    if (answer_is_json(options))
        answer_print_json(stdout, json_pack("{s:s}", "message", "Health check passed"));
    else
        puts("Health check passed");
    return CONTROL_OK;
}

/* The core has answered, and all queues are in it. */
int single_node_unresponsive(const json_t *answer, const struct options *options)
{
    (void)answer;
    if (answer_is_json(options))
        puts("[\n]");
    return CONTROL_OK;
}

int single_node_restart_vhost(const json_t *answer, const struct options *options)
{
    if (!options->is_quiet && !answer_is_json(options))
        printf("Trying to restart vhost '%s' on node '%s' ...\n", options->vhost,
               answer_node(answer));
    json_t *text = json_sprintf("Vhost '%s' is already running on node '%s'", options->vhost,
                                answer_node(answer));
    if (answer_is_json(options))
        answer_print_json(stdout, json_pack("{s:O}", "message", text));
    else
        puts(json_string_value(text));
    json_decref(text);
    return CONTROL_OK;
}
