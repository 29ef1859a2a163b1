/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rabbitmq-queues rebalance: a server that is alone leads all of its replicated queues, and all
 * that there is to say is how many of those that were meant it has. They are counted on another
 * thread, as a server may have very many.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/pattern.h"
#include "net/control.h"
#include "runtime/gate.h"
#include "runtime/server_internal.h"
#include "runtime/server_listing.h"

struct rebalance {
    struct control_work work;
    struct server *server;
    struct control_call *call;
    struct pattern *vhost_pattern, *queue_pattern; /* owned */
    struct gate **gates;
    size_t gate_count;
    json_int_t queues;
};

static bool matches(const struct pattern *pattern, struct bytes name)
{
    size_t steps = PATTERN_STEPS_MAX;
    return pattern_matches(pattern, name, &steps);
}

static void count(void *context, const struct queue_status *status)
{
    struct rebalance *rebalance = context;
    if (strcmp(status->type, "quorum") == 0 && matches(rebalance->queue_pattern, status->name))
        rebalance->queues++;
}

static void run(struct control_work *work)
{
    struct rebalance *rebalance = container_of(work, struct rebalance, work);
    const struct vhost_visitor visitor = {.queue = count, .context = rebalance};
    for (size_t i = 0; i < rebalance->gate_count; i++) {
        if (matches(rebalance->vhost_pattern, bytes_of_text(gate_name(rebalance->gates[i]))))
            server_list(rebalance->server, rebalance->gates[i], &visitor);
    }
}

static void free_rebalance(struct rebalance *rebalance)
{
    for (size_t i = 0; i < rebalance->gate_count; i++)
        server_release_gate(rebalance->server, rebalance->gates[i]);
    free(rebalance->gates);
    pattern_free(rebalance->vhost_pattern);
    pattern_free(rebalance->queue_pattern);
    free(rebalance);
}

static void done(struct control_work *work)
{
    struct rebalance *rebalance = container_of(work, struct rebalance, work);
    control_reply(rebalance->call,
                  json_pack("{s:s, s:I}", "node", server_config(rebalance->server)->node_name,
                            "quorum_queues", rebalance->queues));
    free_rebalance(rebalance);
}

static struct pattern *read_pattern(const struct control_call *call, const char *name, char *reason,
                                    size_t reason_size)
{
    const char *text = control_text(call, name);
    return pattern_new(bytes_of_text(text != NULL ? text : ".*"), reason, reason_size);
}

static bool is_type(const char *type)
{
    return strcmp(type, "all") == 0 || strcmp(type, "classic") == 0 || strcmp(type, "quorum") == 0;
}

/* Classic queues have no replicas that could be led. */
static void handle_rebalance(void *context, struct control_call *call)
{
    struct server *server = context;
    char reason[256] = "";
    const char *type = control_text(call, "type");
    if (type == NULL || !is_type(type)) {
        control_fail(call, CONTROL_UNAVAILABLE,
                     "type %s is not supported. Try one of all, classic, quorum.",
                     type != NULL ? type : "");
        return;
    }
    struct rebalance *rebalance = xcalloc(1, sizeof *rebalance);
    *rebalance = (struct rebalance){
        .work = {run, done},
        .server = server,
        .call = call,
        .vhost_pattern = read_pattern(call, "vhost-pattern", reason, sizeof reason),
        .queue_pattern = read_pattern(call, "queue-pattern", reason, sizeof reason),
    };
    if (rebalance->vhost_pattern == NULL || rebalance->queue_pattern == NULL) {
        control_fail(call, CONTROL_DATA, "the pattern is not one: %s", reason);
        free_rebalance(rebalance);
        return;
    }
    if (strcmp(type, "classic") != 0)
        rebalance->gate_count = server_take_gates(server, &rebalance->gates);
    server_submit_job(server, &rebalance->work);
}

void server_add_quorum_commands(struct server *server)
{
    static const struct control_command commands[] = {{"rebalance", handle_rebalance}};
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
