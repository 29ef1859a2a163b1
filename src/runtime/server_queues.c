/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues that an operator purges or deletes: by the method of AMQP for it, in a session of its own
 * (http_sessions.c), which no permission stops.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/error.h"
#include "amqp/method.h"
#include "base/xmalloc.h"
#include "config/config.h"
#include "net/control.h"
#include "runtime/http_sessions.h"
#include "runtime/server_internal.h"

struct errand {
    struct control_call *call;
    struct http_session *session; /* NULL: it has ended */
    const char *node_name;        /* borrowed from the configuration */
    bool is_purge;
};

/* A queue that is not there is something else to either command, as in rabbitmqctl. */
static void fail(const struct errand *errand, const struct amqp_error *error)
{
    bool is_absent = error->code == AMQP_NOT_FOUND;
    bool is_refused = error->code == AMQP_PRECONDITION_FAILED;
    if (is_absent && errand->is_purge)
        control_fail(errand->call, CONTROL_UNAVAILABLE, "not_found");
    else if (is_absent)
        control_fail(errand->call, CONTROL_USAGE, "Queue not found");
    else if (is_refused && strstr(error->text, "in use") != NULL)
        control_fail(errand->call, CONTROL_USAGE, "Queue is in use");
    else if (is_refused)
        control_fail(errand->call, CONTROL_USAGE, "Queue is not empty");
    else
        control_fail(errand->call, CONTROL_SOFTWARE, "%s", error->text);
}

static void on_error(void *context, const struct amqp_error *error)
{
    struct errand *errand = context;
    fail(errand, error);
    free(errand);
}

static void on_method(void *context, const struct amqp_method *method, struct message *message)
{
    struct errand *errand = context;
    json_int_t count;
    (void)message;
    if (method->id == AMQP_QUEUE_PURGE_OK)
        count = (json_int_t)method->queue_purge_ok.message_count;
    else if (method->id == AMQP_QUEUE_DELETE_OK)
        count = (json_int_t)method->queue_delete_ok.message_count;
    else
        return;
    http_session_close(errand->session);
    control_reply(errand->call,
                  json_pack("{s:s, s:I}", "node", errand->node_name, "message_count", count));
    free(errand);
}

static void run(struct server *server, struct control_call *call, const struct amqp_method *method)
{
    static const struct http_session_events events = {.on_method = on_method, .on_error = on_error};
    static const struct http_session_user operator= {.name = "rmq-cli", .may_everything = true};
    const char *vhost = control_text(call, "vhost");
    struct errand *errand = xmalloc(sizeof *errand);
    *errand = (struct errand){.call = call,
                              .node_name = server->config->node_name,
                              .is_purge = method->id == AMQP_QUEUE_PURGE};
    errand->session = http_sessions_open(server->http_sessions, &operator,
                                         vhost != NULL ? vhost : "/", true, &events, errand);
    if (errand->session != NULL) {
        http_session_send(errand->session, method);
        return;
    }
    fail(errand, &(struct amqp_error){.code = AMQP_NOT_FOUND});
    free(errand);
}

/* "" would be the queue that was declared last. False: it was answered. */
static bool need_queue(struct control_call *call, struct bytes *queue)
{
    const char *name = control_text(call, "queue");
    *queue = bytes_of_text(name != NULL ? name : "");
    if (queue->size > 0 && queue->size <= UINT8_MAX)
        return true;
    control_fail(call, CONTROL_DATA, "a queue's name has 1 to 255 bytes");
    return false;
}

static void handle_purge_queue(void *context, struct control_call *call)
{
    struct amqp_method method = {.id = AMQP_QUEUE_PURGE};
    if (need_queue(call, &method.queue_purge.queue))
        run(context, call, &method);
}

/* To AMQP a queue that is not there is one that was deleted. */
static void handle_delete_queue(void *context, struct control_call *call)
{
    struct amqp_method method = {.id = AMQP_QUEUE_DELETE};
    const char *vhost = control_text(call, "vhost");
    const json_t *arguments = control_arguments(call);
    method.queue_delete.if_empty = json_is_true(json_object_get(arguments, "if-empty"));
    method.queue_delete.if_unused = json_is_true(json_object_get(arguments, "if-unused"));
    if (!need_queue(call, &method.queue_delete.queue))
        return;
    if (server_has_queue(context, vhost != NULL ? vhost : "/", control_text(call, "queue")))
        run(context, call, &method);
    else
        control_fail(call, CONTROL_USAGE, "Queue not found");
}

void server_add_queue_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"purge_queue", handle_purge_queue},
        {"delete_queue", handle_delete_queue},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
