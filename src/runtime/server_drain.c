/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maintenance: the server stops taking work and lets go of what it has. The sockets that clients
 * connect to are closed, whoever publishes is blocked and told so, nothing new is handed out
 * (VHOST_ALARM_DRAINING), and deliveries that are under way get some time to be settled; then every
 * connection is closed with 320 CONNECTION_FORCED. The server stays, for leveretctl and the
 * management API, and `revive` takes it back into service.
 *
 * How many deliveries are not settled is counted on another thread, as `status` does, because a
 * server may have very many queues; the main thread looks at the result and asks again.
 */
#include <event2/event.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/list.h"
#include "base/xmalloc.h"
#include "net/control.h"
#include "runtime/clock.h"
#include "runtime/gate.h"
#include "runtime/log.h"
#include "runtime/notify.h"
#include "runtime/server_internal.h"
#include "runtime/server_listing.h"

enum { look_ms = 200, usual_wait_ms = 30000, wait_max_ms = 86400000 };

struct drain {
    struct control_work work;
    struct server *server;
    struct control_call *call; /* who asked; NULL: a signal */
    struct event *timer;       /* owned */
    uint64_t deadline_ms;
    bool stops_then;
    bool is_given_up; /* revived meanwhile */
    struct gate **gates;
    size_t gate_count;
    uint64_t unacked; /* by the last count */
};

static const char revived[] = "the server was revived meanwhile";

/* --- the alarm that blocks publishers */

static void tell_vhosts(struct server *server)
{
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next)
        gate_set_alarms(vhost->gate, server_alarms(server));
}

unsigned server_alarms(const struct server *server)
{
    return server->alarms | (server->is_draining ? VHOST_ALARM_DRAINING : 0);
}

/* --- the end of it */

static void end_sessions(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct session_choice everybody = {0};
    vhost_end_chosen(vhost, &everybody, context, now_ms);
}

static void close_connections(struct server *server)
{
    struct amqp_error reason = {0};
    amqp_error_set(&reason, AMQP_CONNECTION_FORCED, "Node was put into maintenance mode");
    for (struct server_vhost *vhost = server->vhosts; vhost != NULL; vhost = vhost->next)
        gate_call(vhost->gate, end_sessions, &reason);
}

static void free_drain(struct drain *drain)
{
    drain->server->drain = NULL;
    event_free(drain->timer);
    free(drain);
}

static void finish(struct drain *drain)
{
    struct server *server = drain->server;
    bool stops_then = drain->stops_then;
    log_info("drained: %s%llu deliveries were not settled in time",
             drain->unacked > 0 ? "" : "no client is left to wait for, ",
             (unsigned long long)drain->unacked);
    if (!stops_then)
        close_connections(server);
    if (drain->call != NULL)
        control_reply(drain->call,
                      json_pack("{s:I}", "unacknowledged", (json_int_t)drain->unacked));
    free_drain(drain);
    notify_send("STATUS=drained");
    if (stops_then)
        server_stop(server);
}

static void give_up(struct drain *drain, const char *why)
{
    if (drain->call != NULL)
        control_fail(drain->call, CONTROL_SOFTWARE, "%s", why);
    free_drain(drain);
}

/* --- waiting */

static void count_unacked(void *context, const struct queue_status *status)
{
    struct drain *drain = context;
    drain->unacked += status->unacked;
}

static void run_count(struct control_work *work)
{
    struct drain *drain = container_of(work, struct drain, work);
    const struct vhost_visitor visitor = {.queue = count_unacked, .context = drain};
    drain->unacked = 0;
    for (size_t i = 0; i < drain->gate_count; i++)
        server_list(drain->server, drain->gates[i], &visitor);
}

static void end_count(struct control_work *work)
{
    struct timeval soon = {.tv_usec = look_ms * 1000};
    struct drain *drain = container_of(work, struct drain, work);
    for (size_t i = 0; i < drain->gate_count; i++)
        server_release_gate(drain->server, drain->gates[i]);
    free(drain->gates);
    drain->gates = NULL;
    if (drain->is_given_up)
        give_up(drain, revived);
    else if (drain->unacked == 0 || clock_steady_ms() >= drain->deadline_ms ||
             server_is_ending(drain->server))
        finish(drain);
    else
        event_add(drain->timer, &soon);
}

static void start_count(struct drain *drain)
{
    drain->gate_count = server_take_gates(drain->server, &drain->gates);
    server_submit_job(drain->server, &drain->work);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    notify_extend("draining");
    start_count(context);
}

/* --- beginning */

bool server_drain(struct server *server, uint64_t wait_ms, bool stops_then,
                  struct control_call *call)
{
    struct timeval now = {0};
    if (server->drain != NULL)
        return false;
    log_info("draining: no new connections, publishers are blocked, deliveries are waited for");
    notify_send("STATUS=draining");
    server->is_draining = true;
    server_close_listeners(server);
    tell_vhosts(server);
    struct drain *drain = xcalloc(1, sizeof *drain);
    *drain = (struct drain){.work = {run_count, end_count},
                            .server = server,
                            .call = call,
                            .deadline_ms = clock_steady_ms() + wait_ms,
                            .stops_then = stops_then};
    drain->timer = evtimer_new(server->base, on_timer, drain);
    CHECK(drain->timer != NULL && event_add(drain->timer, &now) == 0);
    server->drain = drain;
    return true;
}

/* Of a drain that waits when the server ends. */
void server_end_drain(struct server *server)
{
    if (server->drain != NULL && server->drain->gates == NULL)
        give_up(server->drain, "the server stops");
}

static bool read_wait(const struct control_call *call, uint64_t *wait_ms)
{
    const char *text = control_text(call, "wait");
    char *end = NULL;
    *wait_ms = usual_wait_ms;
    if (text == NULL)
        return true;
    unsigned long long seconds = strtoull(text, &end, 10);
    *wait_ms = seconds * 1000;
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && seconds <= wait_max_ms / 1000;
}

static void handle_drain(void *context, struct control_call *call)
{
    uint64_t wait_ms;
    if (!read_wait(call, &wait_ms))
        control_fail(call, CONTROL_USAGE, "--wait: a number of seconds is expected");
    else if (!server_drain(context, wait_ms, false, call))
        control_fail(call, CONTROL_SOFTWARE, "the server is being drained already");
}

static void handle_revive(void *context, struct control_call *call)
{
    struct server *server = context;
    char reason[256] = "";
    if (server->drain != NULL && server->drain->stops_then) {
        control_fail(call, CONTROL_SOFTWARE, "the server is about to stop");
        return;
    }
    if (!server_reopen_listeners(server, reason, sizeof reason)) {
        control_fail(call, CONTROL_SOFTWARE, "%s", reason);
        return;
    }
    server->is_draining = false;
    tell_vhosts(server);
    if (server->drain != NULL && server->drain->gates != NULL)
        server->drain->is_given_up = true;
    else if (server->drain != NULL)
        give_up(server->drain, revived);
    log_info("back in service");
    notify_send("STATUS=serving");
    control_reply(call, NULL);
}

void server_add_drain_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"drain", handle_drain},
        {"revive", handle_revive},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
