/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_SESSION_H
#define LEVERET_HTTP_HTTP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "amqp/method.h"

struct http_call;
struct message;

/*
 * How a handler acts on a vhost: through a session of the core, with one channel (number 1), in the
 * name of the call's user. So every check, permission and error is that of AMQP. The directory's
 * thread; nothing is called back before the handler that opened the session has returned.
 */
struct http_session;

struct http_session_events {
    /* The core's reply on the channel, with a message where it has content; both are borrowed. */
    void (*on_method)(void *context, const struct amqp_method *method, struct message *message);
    /* The one publish was confirmed, or rejected. */
    void (*on_settled)(void *context, bool is_confirmed);
    /* The session has ended; it is gone, and nothing more is called. */
    void (*on_error)(void *context, const struct amqp_error *error);
};

/* Who has them. */
struct http_session_host {
    /* NULL where the vhost does not run. is_uncounted: limits of connections are not asked. events
     * is borrowed for as long as the session is there. */
    struct http_session *(*open)(void *host_context, struct http_call *call, const char *vhost,
                                 bool is_uncounted, const struct http_session_events *events,
                                 void *events_context);
    /* The method's names and tables are copied. */
    void (*send)(struct http_session *session, const struct amqp_method *method);
    /* Mandatory; the reference passes. */
    void (*publish)(struct http_session *session, struct message *message);
    /* So many messages of one queue to another, as COMMAND_MOVE: the reply is a queue.purge-ok. */
    void (*move)(struct http_session *session, const char *source, const char *destination,
                 uint64_t count);
    /* Nothing more is called; what is unacked goes back to its queue. */
    void (*close)(struct http_session *session);
};

#endif
