/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a vhost work? A queue is declared, a message published to it, and got again: whoever asks
 * needs the permissions for that. The queue stays, as RabbitMQ's, so that asking often costs
 * little.
 */
#include <jansson.h>
#include <stdlib.h>

#include "base/xmalloc.h"
#include "http/http_change.h"
#include "http/http_resources.h"
#include "http/http_session.h"
#include "queue/message.h"

static const char queue_name[] = "aliveness-test", body[] = "test_message";

struct aliveness {
    const struct http_session_host *sessions;
    struct http_call *call;
    struct http_session *session;
};

static void publish_and_get(const struct aliveness *aliveness)
{
    const struct amqp_method get = {
        .id = AMQP_BASIC_GET, .basic_get = {.queue = bytes_of_text(queue_name), .no_ack = true}};
    struct message *message = message_new(bytes_of_text(""), bytes_of_text(queue_name),
                                          bytes_of(NULL, 0), bytes_of_text(body));
    aliveness->sessions->publish(aliveness->session, message);
    aliveness->sessions->send(aliveness->session, &get);
}

static void on_method(void *context, const struct amqp_method *method, struct message *message)
{
    struct aliveness *aliveness = context;
    (void)message;
    if (method->id == AMQP_QUEUE_DECLARE_OK) {
        publish_and_get(aliveness);
        return;
    }
    aliveness->sessions->close(aliveness->session);
    if (method->id == AMQP_BASIC_GET_OK)
        http_reply(aliveness->call, json_pack("{s:s}", "status", "ok"));
    else
        http_reply_failed(aliveness->call, json_pack("{s:s, s:s}", "status", "failed", "reason",
                                                     "the message did not come back"));
    free(aliveness);
}

static void on_settled(void *context, bool is_confirmed)
{
    (void)context, (void)is_confirmed;
}

static void on_error(void *context, const struct amqp_error *error)
{
    struct aliveness *aliveness = context;
    http_refuse_reading(aliveness->call, error);
    free(aliveness);
}

void http_test_aliveness(const struct http_context *context, struct http_call *call)
{
    static const struct http_session_events events = {on_method, on_settled, on_error};
    const struct amqp_method declare = {.id = AMQP_QUEUE_DECLARE,
                                        .queue_declare = {.queue = bytes_of_text(queue_name)}};
    const struct http_session_host *sessions = context->host->sessions;
    if (!http_need_visible_vhost(context, call) || !http_need_entrance(context, call))
        return;
    struct aliveness *aliveness = xcalloc(1, sizeof *aliveness);
    *aliveness = (struct aliveness){.sessions = sessions, .call = call};
    aliveness->session = sessions->open(
        context->host_context, call, http_call_parameter(call, "vhost"), false, &events, aliveness);
    if (aliveness->session == NULL) {
        http_not_found(call);
        free(aliveness);
        return;
    }
    sessions->send(aliveness->session, &declare);
}
