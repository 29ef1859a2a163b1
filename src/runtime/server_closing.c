/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closing connections for an operator: one by its pid, those of a user, or those of a virtual host,
 * as many as wanted and with a pause between two. The reactors know which there are; a job asks the
 * virtual hosts to end them, one by one, so that it can pause. What is only about to log in is not
 * among them.
 */
#include <jansson.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/event_message.h"
#include "broker/status_rows.h"
#include "broker/vhost.h"
#include "config/config.h"
#include "http/http_peer.h"
#include "net/control.h"
#include "runtime/gate.h"
#include "runtime/reactor.h"
#include "runtime/server_internal.h"

enum { PAUSE_SLICE_MS = 50, DELAY_MAX_MS = 3600000 };

struct closing_job {
    struct control_work work;
    struct server *server;
    struct control_call *call; /* its arguments are those that the next ones borrow */
    const char *pid;           /* NULL: any */
    const char *user;          /* likewise */
    const char *vhost;         /* likewise */
    uint64_t limit;            /* 0: none */
    uint64_t delay_ms;
    struct amqp_error reason;
    struct gate **gates; /* owned, with a reference each */
    size_t gate_count;
    uint64_t closed;
};

struct closing {
    struct session_choice choice;
    const struct amqp_error *reason;
};

static void end_chosen(struct vhost *vhost, uint64_t now_ms, void *context)
{
    struct closing *closing = context;
    vhost_end_chosen(vhost, &closing->choice, closing->reason, now_ms);
}

static bool has_text(struct bytes bytes, const char *text)
{
    return text == NULL || bytes_equal(bytes, bytes_of_text(text));
}

static bool is_meant(const struct closing_job *job, const struct http_peer *peer,
                     const struct gate *gate)
{
    char pid[EVENT_PID_SIZE];
    const struct event_source source = {
        .node_name = job->server->config->node_name,
        .started_s = job->server->started_wall_ms / 1000,
        .connection = peer->number,
    };
    return has_text(bytes_of_text(event_pid(&source, 0, pid)), job->pid) &&
           has_text(peer->user, job->user) && has_text(bytes_of_text(gate_name(gate)), job->vhost);
}

static void pause_between(const struct closing_job *job)
{
    for (uint64_t left_ms = job->delay_ms; left_ms > 0 && !server_is_ending(job->server);) {
        uint64_t slice_ms = left_ms < PAUSE_SLICE_MS ? left_ms : PAUSE_SLICE_MS;
        poll(NULL, 0, (int)slice_ms);
        left_ms -= slice_ms;
    }
}

static void close_peer(struct closing_job *job, const struct http_peer *peer)
{
    for (size_t i = 0; i < job->gate_count; i++) {
        struct closing closing = {.choice = {.name = peer->name}, .reason = &job->reason};
        if (peer->gate != job->gates[i] || !is_meant(job, peer, job->gates[i]))
            continue;
        if (job->closed > 0)
            pause_between(job);
        gate_ask(job->gates[i], end_chosen, &closing);
        job->closed += closing.choice.ended;
        return;
    }
}

static void run_closing(struct control_work *work)
{
    struct closing_job *job = container_of(work, struct closing_job, work);
    struct status_rows peers = {0};
    for (size_t i = 0; i < job->server->reactor_count; i++)
        reactor_list(job->server->reactors[i], &peers);
    for (size_t i = 0; i < peers.count && !server_is_ending(job->server); i++) {
        if (job->limit > 0 && job->closed >= job->limit)
            break;
        close_peer(job, peers.rows[i]);
    }
    status_rows_fini(&peers);
}

static void end_closing(struct control_work *work)
{
    struct closing_job *job = container_of(work, struct closing_job, work);
    for (size_t i = 0; i < job->gate_count; i++)
        server_release_gate(job->server, job->gates[i]);
    free(job->gates);
    control_reply(job->call, json_pack("{s:I}", "closed", (json_int_t)job->closed));
    free(job);
}

static void submit(struct server *server, struct control_call *call, struct closing_job content)
{
    const char *reason = control_text(call, "explanation");
    struct closing_job *job = xmalloc(sizeof *job);
    *job = content;
    job->work = (struct control_work){run_closing, end_closing};
    job->server = server;
    job->call = call;
    amqp_error_set(&job->reason, AMQP_CONNECTION_FORCED, "%s", reason != NULL ? reason : "");
    job->gate_count = server_take_gates(server, &job->gates);
    server_submit_job(server, &job->work);
}

/* <node.a.b.c> */
static bool is_pid(const char *text)
{
    size_t dots = 0, size = strlen(text);
    for (const char *place = text; *place != '\0'; place++)
        dots += *place == '.';
    return size > 2 && text[0] == '<' && text[size - 1] == '>' && dots >= 3;
}

static void handle_close_connection(void *context, struct control_call *call)
{
    const char *pid = control_text(call, "pid");
    if (pid == NULL || !is_pid(pid))
        control_fail(call, CONTROL_UNAVAILABLE, "'%s' is not the pid of a connection",
                     pid != NULL ? pid : "");
    else
        submit(context, call, (struct closing_job){.pid = pid});
}

static void handle_close_user(void *context, struct control_call *call)
{
    const char *user = control_text(call, "user");
    if (user == NULL)
        control_fail(call, CONTROL_USAGE, "a user is needed");
    else
        submit(context, call, (struct closing_job){.user = user});
}

/* A number of that name, 0 where it is not given. */
static bool read_number(const struct control_call *call, const char *name, uint64_t max,
                        uint64_t *number)
{
    const char *text = control_text(call, name);
    char *end = NULL;
    *number = 0;
    if (text == NULL)
        return true;
    if (*text < '0' || *text > '9')
        return false;
    *number = strtoull(text, &end, 10);
    return *end == '\0' && *number <= max;
}

static void handle_close_all(void *context, struct control_call *call)
{
    bool is_global = json_is_true(json_object_get(control_arguments(call), "global"));
    struct closing_job content = {.vhost = is_global ? NULL : control_text(call, "vhost")};
    if (!read_number(call, "limit", UINT32_MAX, &content.limit) ||
        !read_number(call, "per-connection-delay", DELAY_MAX_MS, &content.delay_ms))
        control_fail(call, CONTROL_USAGE, "a limit and a delay are numbers, the latter in ms");
    else
        submit(context, call, content);
}

void server_add_closing_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"close_connection", handle_close_connection},
        {"close_all_connections", handle_close_all},
        {"close_all_user_connections", handle_close_user},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
