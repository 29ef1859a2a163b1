/* SPDX-License-Identifier: Apache-2.0 */
/*
 * consume_event_stream: what is told on amq.rabbitmq.event, for leveretctl. The control socket
 * knows no answer without an end, so a stream is asked for again and again. In between, events wait
 * in a queue of the operator's own session (http_sessions.c), which holds a bounded number of them,
 * the latest. A stream that nobody asks for is over after a while, and its queue goes with its
 * session.
 */
#include <event2/event.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/error.h"
#include "amqp/method.h"
#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/list.h"
#include "base/xmalloc.h"
#include "broker/event_message.h"
#include "config/config.h"
#include "config/json_table.h"
#include "net/control.h"
#include "queue/message.h"
#include "runtime/http_sessions.h"
#include "runtime/server_internal.h"

enum {
    STREAMS_MAX = 16,
    EVENTS_MAX = 65536, /* that wait */
    ANSWER_MAX = 1000,  /* that are told at a time */
    PATIENCE_S = 30,    /* with whoever does not ask any more */
};

struct event_stream {
    struct list_node in_streams;
    struct server *server;
    json_int_t number;
    struct http_session *session;
    struct control_call *call; /* who waits for an answer, or NULL */
    char *pattern;             /* owned */
    char *queue;               /* owned; NULL until there is one */
    json_t *events;            /* owned; of this answer */
    struct event *timer;       /* owned */
};

/* --- the end of one */

static void free_stream(struct event_stream *stream)
{
    list_remove(&stream->in_streams);
    stream->server->event_stream_count--;
    event_free(stream->timer);
    json_decref(stream->events);
    free(stream->pattern);
    free(stream->queue);
    free(stream);
}

static void end_stream(struct event_stream *stream)
{
    if (stream->call != NULL)
        control_fail(stream->call, CONTROL_SOFTWARE, "the stream has ended");
    http_session_close(stream->session);
    free_stream(stream);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    (void)fd, (void)what;
    end_stream(context);
}

static void wait_for_question(struct event_stream *stream)
{
    static const struct timeval patience = {.tv_sec = PATIENCE_S};
    CHECK(event_add(stream->timer, &patience) == 0);
}

/* The session is gone already: also where the server ends. */
static void on_error(void *context, const struct amqp_error *error)
{
    struct event_stream *stream = context;
    if (stream->call != NULL)
        control_fail(stream->call, CONTROL_SOFTWARE, "%s", error->text);
    free_stream(stream);
}

/* --- an event, and what it says */

static void add_event(struct event_stream *stream, struct bytes key, const struct message *message)
{
    struct amqp_properties properties;
    const char *name;
    json_t *value, *row = json_object(), *headers = NULL;
    struct bytes raw = message_properties(message);
    if (raw.size > 0 && amqp_properties_parse(raw, &properties) &&
        amqp_properties_has(&properties, AMQP_PROPERTY_HEADERS))
        headers = json_of_table(properties.headers);
    json_object_set_new(row, "event", control_json_text(key));
    json_object_foreach(headers, name, value) json_object_set(row, name, value);
    json_decref(headers);
    json_array_append_new(stream->events, row);
}

static void answer(struct event_stream *stream, json_t *result)
{
    struct control_call *call = stream->call;
    stream->call = NULL;
    wait_for_question(stream);
    control_reply(call, result);
}

static void answer_with_events(struct event_stream *stream, bool has_more)
{
    json_t *events = stream->events;
    stream->events = json_array();
    answer(stream, json_pack("{s:o, s:b}", "events", events, "has_more", has_more));
}

/* --- the steps */

static void declare_queue(struct event_stream *stream)
{
    struct buffer arguments = {0};
    amqp_table_add_int(&arguments, "x-max-length", EVENTS_MAX);
    const struct amqp_method declare = {
        .id = AMQP_QUEUE_DECLARE,
        .queue_declare = {.exclusive = true, .arguments = buffer_bytes(&arguments)}};
    http_session_send(stream->session, &declare);
    buffer_fini(&arguments);
}

static void bind_queue(struct event_stream *stream, struct bytes queue)
{
    stream->queue = bytes_to_text(queue);
    const struct amqp_method bind = {.id = AMQP_QUEUE_BIND,
                                     .queue_bind = {.queue = bytes_of_text(stream->queue),
                                                    .exchange = bytes_of_text(event_exchange_name),
                                                    .routing_key = bytes_of_text(stream->pattern)}};
    http_session_send(stream->session, &bind);
}

static void get_next(const struct event_stream *stream)
{
    const struct amqp_method get = {
        .id = AMQP_BASIC_GET, .basic_get = {.queue = bytes_of_text(stream->queue), .no_ack = true}};
    http_session_send(stream->session, &get);
}

static void on_method(void *context, const struct amqp_method *method, struct message *message)
{
    struct event_stream *stream = context;
    if (method->id == AMQP_QUEUE_DECLARE_OK) {
        bind_queue(stream, method->queue_declare_ok.queue);
    } else if (method->id == AMQP_QUEUE_BIND_OK) {
        answer(stream, json_pack("{s:I}", "stream", stream->number));
    } else if (method->id == AMQP_BASIC_GET_OK) {
        add_event(stream, method->basic_get_ok.routing_key, message);
        if (json_array_size(stream->events) < ANSWER_MAX)
            get_next(stream);
        else
            answer_with_events(stream, method->basic_get_ok.message_count > 0);
    } else if (method->id == AMQP_BASIC_GET_EMPTY) {
        answer_with_events(stream, false);
    }
}

/* --- the commands */

static void handle_begin(void *context, struct control_call *call)
{
    static const struct http_session_events events = {.on_method = on_method, .on_error = on_error};
    static const struct http_session_user operator= {.name = "rmq-cli", .may_everything = true};
    struct server *server = context;
    const char *pattern = control_text(call, "pattern");
    if (server->event_stream_count == STREAMS_MAX) {
        control_fail(call, CONTROL_SOFTWARE, "there are %d streams of events already", STREAMS_MAX);
        return;
    }
    struct event_stream *stream = xcalloc(1, sizeof *stream);
    stream->session =
        http_sessions_open(server->http_sessions, &operator, server->config->event_exchange_vhost,
                           true, &events, stream);
    if (stream->session == NULL) {
        control_fail(call, CONTROL_SOFTWARE, "the virtual host of the events does not run");
        free(stream);
        return;
    }
    stream->server = server;
    stream->call = call;
    stream->number = ++server->last_event_stream;
    stream->pattern = xstrdup(pattern != NULL ? pattern : "#");
    stream->events = json_array();
    stream->timer = evtimer_new(server->base, on_timer, stream);
    CHECK(stream->timer != NULL);
    list_push_back(&server->event_streams, &stream->in_streams);
    server->event_stream_count++;
    declare_queue(stream);
}

/* NULL: it was answered. */
static struct event_stream *find_stream(const struct server *server, struct control_call *call)
{
    const json_t *number = json_object_get(control_arguments(call), "stream");
    list_for_each(&server->event_streams, node)
    {
        struct event_stream *stream = list_entry(node, struct event_stream, in_streams);
        if (json_is_integer(number) && stream->number == json_integer_value(number) &&
            stream->call == NULL)
            return stream;
    }
    control_fail(call, CONTROL_UNAVAILABLE, "there is no such stream");
    return NULL;
}

static void handle_next(void *context, struct control_call *call)
{
    struct event_stream *stream = find_stream(context, call);
    if (stream == NULL)
        return;
    stream->call = call;
    event_del(stream->timer);
    get_next(stream);
}

static void handle_end(void *context, struct control_call *call)
{
    struct event_stream *stream = find_stream(context, call);
    if (stream == NULL)
        return;
    end_stream(stream);
    control_reply(call, NULL);
}

void server_add_event_stream_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"event_stream", handle_begin},
        {"event_stream_next", handle_next},
        {"event_stream_end", handle_end},
    };
    list_init(&server->event_streams);
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
