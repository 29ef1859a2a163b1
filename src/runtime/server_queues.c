/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues that an operator purges, deletes or moves messages of: by a command to the core as clients
 * have it, in a session of its own (http_sessions.c), which no permission and no owner stops.
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

enum errand_kind { ERRAND_PURGE, ERRAND_DELETE, ERRAND_MOVE };

struct errand {
    struct control_call *call;
    struct http_session *session; /* NULL: it has ended */
    const char *node_name;        /* borrowed from the configuration */
    enum errand_kind kind;
};

/* A queue that is not there is something else to either command, as in rabbitmqctl. */
static void fail(const struct errand *errand, const struct amqp_error *error)
{
    bool is_absent = error->code == AMQP_NOT_FOUND;
    bool is_refused = error->code == AMQP_PRECONDITION_FAILED;
    if (errand->kind == ERRAND_MOVE)
        control_fail(errand->call, is_absent ? CONTROL_UNAVAILABLE : CONTROL_SOFTWARE, "%s",
                     error->text);
    else if (is_absent && errand->kind == ERRAND_PURGE)
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

/* NULL: it was answered. */
static struct errand *begin(struct server *server, struct control_call *call, enum errand_kind kind)
{
    static const struct http_session_events events = {.on_method = on_method, .on_error = on_error};
    static const struct http_session_user operator= {.name = "rmq-cli", .may_everything = true};
    const char *vhost = control_text(call, "vhost");
    struct errand *errand = xmalloc(sizeof *errand);
    *errand = (struct errand){.call = call, .node_name = server->config->node_name, .kind = kind};
    errand->session = http_sessions_open(server->http_sessions, &operator,
                                         vhost != NULL ? vhost : "/", true, &events, errand);
    if (errand->session != NULL)
        return errand;
    struct amqp_error error = {0};
    amqp_error_set(&error, AMQP_NOT_FOUND, "no vhost '%.200s'", vhost != NULL ? vhost : "/");
    fail(errand, &error);
    free(errand);
    return NULL;
}

static void run(struct server *server, struct control_call *call, const struct amqp_method *method)
{
    enum errand_kind kind = method->id == AMQP_QUEUE_PURGE ? ERRAND_PURGE : ERRAND_DELETE;
    struct errand *errand = begin(server, call, kind);
    if (errand != NULL)
        http_session_send(errand->session, method);
}

/* "" would be the queue that was declared last. False: it was answered. */
static bool need_queue(struct control_call *call, const char *key, struct bytes *queue)
{
    const char *name = control_text(call, key);
    *queue = bytes_of_text(name != NULL ? name : "");
    if (queue->size > 0 && queue->size <= UINT8_MAX)
        return true;
    control_fail(call, CONTROL_DATA, "a queue's name has 1 to 255 bytes");
    return false;
}

static void handle_purge_queue(void *context, struct control_call *call)
{
    struct amqp_method method = {.id = AMQP_QUEUE_PURGE};
    if (need_queue(call, "queue", &method.queue_purge.queue))
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
    if (!need_queue(call, "queue", &method.queue_delete.queue))
        return;
    if (server_has_queue(context, vhost != NULL ? vhost : "/", control_text(call, "queue")))
        run(context, call, &method);
    else
        control_fail(call, CONTROL_USAGE, "Queue not found");
}

/* One slice, as far as the core goes in one step; whoever asks goes on until none has moved. */
static void handle_move_messages(void *context, struct control_call *call)
{
    struct bytes source, destination;
    const json_t *count = json_object_get(control_arguments(call), "count");
    if (!need_queue(call, "queue", &source) || !need_queue(call, "destination", &destination))
        return;
    if (!json_is_integer(count) || json_integer_value(count) <= 0) {
        control_fail(call, CONTROL_USAGE, "count: a positive number is expected");
        return;
    }
    struct errand *errand = begin(context, call, ERRAND_MOVE);
    if (errand != NULL)
        http_session_move(errand->session, control_text(call, "queue"),
                          control_text(call, "destination"), (uint64_t)json_integer_value(count));
}

static void handle_queue_facts(void *context, struct control_call *call)
{
    struct server *server = context;
    const char *vhost = control_text(call, "vhost"), *queue = control_text(call, "queue");
    struct server_queue_facts facts;
    if (queue != NULL && server_queue_facts(server, vhost != NULL ? vhost : "/", queue, &facts))
        control_reply(call, json_pack("{s:s, s:s, s:I}", "node", server->config->node_name, "type",
                                      facts.type, "messages_ready", (json_int_t)facts.ready));
    else
        control_fail(call, CONTROL_UNAVAILABLE, "not_found");
}

void server_add_queue_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"purge_queue", handle_purge_queue},
        {"delete_queue", handle_delete_queue},
        {"move_messages", handle_move_messages},
        {"queue_facts", handle_queue_facts},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
