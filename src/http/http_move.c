/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Moving messages from a queue to another one of the same vhost; broker/move.c says what that is.
 * As many slices of the core as the client asked for, or as make up what was ready when the first
 * one began, so that a queue that is being published to does not keep a call for ever. A client
 * that asks for very many has its answer after a few seconds all the same, and may go on from
 * there: so it can show how far it is, and stop.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"
#include "http/http_change.h"
#include "http/http_resources.h"
#include "http/http_session.h"

enum { ANSWER_AFTER_S = 5 };

struct moving {
    const struct http_context *context;
    struct http_call *call;
    struct http_session *session;
    char *source, *destination; /* owned */
    uint64_t count_max;
    uint64_t moved, left;
    int64_t begun_s;
};

static int64_t now_s(const struct moving *moving)
{
    return moving->context->host->unix_time_s(moving->context->host_context);
}

static void free_moving(struct moving *moving)
{
    free(moving->source);
    free(moving->destination);
    free(moving);
}

static void answer(struct moving *moving)
{
    moving->context->host->sessions->close(moving->session);
    http_reply(moving->call, json_pack("{s:I, s:I}", "moved", (json_int_t)moving->moved,
                                       "remaining", (json_int_t)moving->left));
    free_moving(moving);
}

static void move_slice(struct moving *moving)
{
    moving->context->host->sessions->move(moving->session, moving->source, moving->destination,
                                          moving->left);
}

/* First how much is there, then how much each slice has moved: none where the source is empty,
 * which asks all the same whether that would be allowed. */
static void on_method(void *context, const struct amqp_method *method, struct message *message)
{
    struct moving *moving = context;
    uint32_t count = method->queue_purge_ok.message_count;
    (void)message;
    if (method->id == AMQP_QUEUE_DECLARE_OK) {
        moving->left = method->queue_declare_ok.message_count;
        if (moving->count_max < moving->left)
            moving->left = moving->count_max;
        move_slice(moving);
        return;
    }
    moving->moved += count;
    moving->left = count > 0 ? moving->left - count : 0;
    if (moving->left == 0 || now_s(moving) >= moving->begun_s + ANSWER_AFTER_S)
        answer(moving);
    else
        move_slice(moving);
}

static void on_settled(void *context, bool is_confirmed)
{
    (void)context, (void)is_confirmed;
}

/* What has moved stays moved, and whoever asked has to know. */
static void on_error(void *context, const struct amqp_error *error)
{
    struct moving *moving = context;
    if (moving->moved == 0)
        http_refuse_reading(moving->call, error);
    else
        http_bad_request(moving->call, "%llu messages have moved, then: %u %s",
                         (unsigned long long)moving->moved, error->code, error->text);
    free_moving(moving);
}

/* --- what the client wants */

static bool read_count(struct http_call *call, uint64_t *count)
{
    json_t *value = json_object_get(http_call_body(call), "count");
    *count = UINT64_MAX;
    if (value == NULL)
        return true;
    if (json_is_integer(value) && json_integer_value(value) > 0) {
        *count = (uint64_t)json_integer_value(value);
        return true;
    }
    http_bad_request(call, "count must be a positive integer");
    return false;
}

void http_move_messages(const struct http_context *context, struct http_call *call)
{
    static const struct http_session_events events = {on_method, on_settled, on_error};
    static const char *const keys[] = {"destination"};
    const struct http_session_host *sessions = context->host->sessions;
    const char *source = http_call_parameter(call, "name"), *destination;
    uint64_t count_max;
    if (!http_need_entered_vhost(context, call) || !http_need_name(call, "queue", source) ||
        !http_need_texts(call, keys, &destination, 1) ||
        !http_need_name(call, "destination", destination) || !read_count(call, &count_max))
        return;
    struct moving *moving = xcalloc(1, sizeof *moving);
    *moving = (struct moving){.context = context,
                              .call = call,
                              .source = xstrdup(source),
                              .destination = xstrdup(destination),
                              .count_max = count_max};
    moving->begun_s = now_s(moving);
    moving->session = sessions->open(context->host_context, call,
                                     http_call_parameter(call, "vhost"), false, &events, moving);
    if (moving->session == NULL) {
        http_not_authorised(call, "Access refused.");
        free_moving(moving);
        return;
    }
    const struct amqp_method declare = {
        .id = AMQP_QUEUE_DECLARE,
        .queue_declare = {.queue = bytes_of_text(moving->source), .passive = true}};
    sessions->send(moving->session, &declare);
}
