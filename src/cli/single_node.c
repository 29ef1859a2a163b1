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
#include "cli/output.h"
#include "net/control.h"

enum { AWAIT_S = 300 };

static int say_alone(const json_t *answer, const struct options *options, const char *question)
{
    static const char why[] =
        "seems to be the only one in a single node cluster, the check does not apply";
    answer_print_banner(answer, options, "Checking if node ", question);
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:o, s:s}", "message",
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
    if (!options->is_quiet && !answer_is_value(options))
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
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:s}", "message", "Health check passed"));
    else
        puts("Health check passed");
    return CONTROL_OK;
}

int single_node_restart_vhost(const json_t *answer, const struct options *options)
{
    if (!options->is_quiet && !answer_is_value(options))
        printf("Trying to restart vhost '%s' on node '%s' ...\n", options->vhost,
               answer_node(answer));
    json_t *text = json_sprintf("Vhost '%s' is already running on node '%s'", options->vhost,
                                answer_node(answer));
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:O}", "message", text));
    else
        puts(json_string_value(text));
    json_decref(text);
    return CONTROL_OK;
}

/* --- waiting before a node is stopped: there are no others that could take over */

static int say_alone_at_once(const struct options *options, const char *what)
{
    static const char why[] =
        "Target node seems to be the only one in a single node cluster, the command does not "
        "apply";
    long long timeout_s = options->timeout_ms > 0 ? (long long)options->timeout_ms / 1000 : AWAIT_S;
    if (answer_is_value(options)) {
        answer_print(options, json_pack("{s:s, s:s}", "message", why, "result", "ok"));
        return CONTROL_OK;
    }
    if (!options->is_quiet)
        printf("Will wait for a %s for %lld seconds...\n", what, timeout_s);
    puts(why);
    return CONTROL_OK;
}

int single_node_await_quorum(const json_t *answer, const struct options *options)
{
    (void)answer;
    return say_alone_at_once(options, "quorum + 1 of nodes to be online for all quorum queues");
}

int single_node_await_mirrors(const json_t *answer, const struct options *options)
{
    (void)answer;
    return say_alone_at_once(options,
                             "synchronised mirror be online for all classic mirrored queues");
}

/* --- replicated queues: this node is their only member, and their leader */

static int refuse(const char *format, const char *type)
{
    fputs("Error:\n", stderr);
    fprintf(stderr, format, type);
    fputc('\n', stderr);
    return CONTROL_UNAVAILABLE;
}

static void print_queue_banner(const json_t *answer, const struct options *options,
                               const char *what)
{
    if (!options->is_quiet && !answer_is_value(options))
        printf("Status of %s %s on node %s ...\n", what, options->words[1], answer_node(answer));
}

/* There is no log of Raft whose places could be told. */
int single_node_quorum_status(const json_t *answer, const struct options *options)
{
    static const char *const of_log[] = {"Log Index", "Commit Index", "Snapshot Index", "Term",
                                         "Machine Version"};
    const char *type = answer_text(answer, "type");
    print_queue_banner(answer, options, "quorum queue");
    if (strcmp(type, "quorum") != 0)
        return refuse("Cannot get quorum status of a %s queue", type);
    json_t *row = json_pack("{s:s, s:s}", "Node Name", answer_node(answer), "Raft State", "leader");
    for (size_t i = 0; i < sizeof of_log / sizeof of_log[0]; i++)
        json_object_set_new(row, of_log[i], json_string("undefined"));
    json_t *rows = json_pack("[o]", row);
    output_bordered_list(
        rows, "Node Name,Raft State,Log Index,Commit Index,Snapshot Index,Term,Machine Version",
        options);
    json_decref(rows);
    return CONTROL_OK;
}

/* There are no streams. */
int single_node_stream_status(const json_t *answer, const struct options *options)
{
    print_queue_banner(answer, options, "stream");
    return refuse("Cannot get stream status of a %s queue", answer_text(answer, "type"));
}

/* What a queue does not need any more is given back without being asked for. */
int single_node_reclaim(const json_t *answer, const struct options *options)
{
    const char *type = answer_text(answer, "type");
    if (strcmp(type, "quorum") != 0)
        return refuse("This operation is not applicable to %s queues", type);
    answer_print_done(answer, options);
    return CONTROL_OK;
}

/* Pairs of a name and a value, as RabbitMQ has them there. */
static json_t *pairs_of(const json_t *rows)
{
    const char *name;
    json_t *value, *all = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *pairs = json_array();
        json_object_foreach(json_array_get(rows, i), name, value)
        {
            json_array_append_new(pairs, json_pack("[s, O]", name, value));
        }
        json_array_append_new(all, pairs);
    }
    return all;
}

int single_node_rebalance(const json_t *answer, const struct options *options)
{
    json_t *rows = json_array();
    json_int_t count = json_integer_value(json_object_get(answer, "quorum_queues"));
    if (count > 0)
        json_array_append_new(rows, json_pack("{s:s, s:I, s:i}", "Node name", answer_node(answer),
                                              "Number of quorum queues", count,
                                              "Number of replicated classic queues", 0));
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:s, s:s, s:o}", "node", answer_node(answer), "result",
                                        "ok", "value", pairs_of(rows)));
    else
        output_bordered_list(
            rows, "Node name,Number of quorum queues,Number of replicated classic queues", options);
    json_decref(rows);
    return CONTROL_OK;
}

/* --- checks that always pass */

static int say_fine(const json_t *answer, const struct options *options, const char *before,
                    const char *after)
{
    if (answer_is_value(options))
        answer_print(options, json_pack("{s:s, s:o}", "result", "ok", "message",
                                        json_sprintf("%s%s%s", before,
                                                     after != NULL ? answer_node(answer) : "",
                                                     after != NULL ? after : "")));
    else if (!options->is_silent)
        printf("%s%s%s\n", before, after != NULL ? answer_node(answer) : "",
               after != NULL ? after : "");
    return CONTROL_OK;
}

int single_node_check_leaders(const json_t *answer, const struct options *options)
{
    return say_fine(answer, options, "Node ",
                    " reported all quorum queue as having responsive leader replicas");
}

int single_node_check_deprecated(const json_t *answer, const struct options *options)
{
    return say_fine(answer, options, "Cluster reported no deprecated features in use", NULL);
}

int single_node_check_mirroring(const json_t *answer, const struct options *options)
{
    return say_fine(answer, options,
                    "Cluster reported no policies that enable classic queue mirroring", NULL);
}

int single_node_check_metadata(const json_t *answer, const struct options *options)
{
    answer_print_banner(answer, options, "Checking if metadata store on node ",
                        " has finished initializing ...");
    return say_fine(answer, options, "Metadata store on node ",
                    " has completed its initialization");
}

int single_node_check_replicas(const json_t *answer, const struct options *options)
{
    answer_print_banner(answer, options, "Checking if node ",
                        " runs promotable replicas of any queues ...");
    return say_fine(answer, options, "Node ", " reported no queues with promotable replicas");
}

int single_node_reconcile(const json_t *answer, const struct options *options)
{
    return say_fine(
        answer, options,
        "Will reconcile all virtual hosts in the cluster. This operation is asynchronous.", NULL);
}

int single_node_post_upgrade(const json_t *answer, const struct options *options)
{
    answer_print_done(answer, options);
    return CONTROL_OK;
}
