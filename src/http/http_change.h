/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_CHANGE_H
#define LEVERET_HTTP_HTTP_CHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "amqp/method.h"
#include "base/buffer.h"
#include "http/http_call.h"
#include "http/http_route.h"

struct json_t;

/* How a handler changes what is in a vhost: by a method of AMQP in the name of the call's user. */

/* --- what a client has to be and to say; false where it was answered */

/* May the user enter the path's vhost, where there is one of that name? */
bool http_need_entrance(const struct http_context *context, struct http_call *call);
/* Both: it is there, and the user may enter it. */
bool http_need_entered_vhost(const struct http_context *context, struct http_call *call);
/* The name fits into a method; what says what it is of. */
bool http_need_name(struct http_call *call, const char *what, const char *name);
/* The body names this node or none. */
bool http_need_node(const struct http_context *context, struct http_call *call);
/* The body's routing key, in AMQP_SHORTSTR_MAX + 1 bytes; "" where there is none. RabbitMQ takes a
 * number for a text here. */
bool http_need_routing_key(struct http_call *call, char *key);
/* The value under the key: true, false, or the words; false where there is none. */
bool http_need_flag(struct http_call *call, const char *key, bool *flag);
/* Appends the object, or nothing (NULL, and an empty list), as a table; what says what it is. */
bool http_need_table(struct http_call *call, const char *what, const struct json_t *object,
                     struct buffer *table);

/* --- doing it */

/* The answer where it has been done. */
struct http_change {
    bool is_put;    /* 201 or 204 */
    bool is_new;    /* 201 */
    char *location; /* owned: 201 with this header; NULL: none */
};

/* Has the method run in the path's vhost, and answers the call. */
void http_run_method(const struct http_context *context, struct http_call *call,
                     const struct amqp_method *method, const struct http_change *change);

/* Answers with an error of a session that did more than one method. */
void http_refuse_session(struct http_call *call, const struct amqp_error *error);
/* The same where 404 and 401 say what is not there, or not allowed. */
void http_refuse_reading(struct http_call *call, const struct amqp_error *error);

#endif
