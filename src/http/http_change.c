/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changes of a vhost: each is one method of AMQP, run in a session of the core that is there for
 * this call alone. So HTTP has no checks of its own but for what cannot be said in AMQP; what a
 * client gets to read is the text of the channel's or the connection's error.
 */
#include "http/http_change.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/directory.h"
#include "base/xmalloc.h"
#include "config/config.h"
#include "config/json_table.h"
#include "http/http_session.h"

/* --- what a client has to be and to say */

bool http_need_entrance(const struct http_context *context, struct http_call *call)
{
    const char *vhost = http_call_parameter(call, "vhost");
    if (!directory_has_vhost(context->directory, vhost) || http_call_may_enter(call, vhost))
        return true;
    http_not_authorised(call, "User not authorised to access virtual host");
    return false;
}

bool http_need_entered_vhost(const struct http_context *context, struct http_call *call)
{
    return http_need_vhost(context, call) && http_need_entrance(context, call);
}

bool http_need_name(struct http_call *call, const char *what, const char *name)
{
    size_t size = strlen(name);
    if (size <= AMQP_SHORTSTR_MAX)
        return true;
    http_bad_request(call, "%s should be less than %d bytes, actually was %zu\n", what,
                     AMQP_SHORTSTR_MAX, size);
    return false;
}

bool http_need_node(const struct http_context *context, struct http_call *call)
{
    const char *node = json_string_value(json_object_get(http_call_body(call), "node"));
    if (node == NULL || strcmp(node, context->config->node_name) == 0)
        return true;
    http_bad_request(call, "Node %s could not be contacted", node);
    return false;
}

bool http_need_routing_key(struct http_call *call, char *key)
{
    const json_t *value = json_object_get(http_call_body(call), "routing_key");
    const char *text = json_string_value(value);
    key[0] = '\0';
    if (value == NULL)
        return true;
    if (text == NULL && !json_is_integer(value)) {
        http_bad_request(call, "routing_key must be a string");
        return false;
    }
    if (text != NULL && !http_need_name(call, "routing_key", text))
        return false;
    if (text != NULL)
        strcpy(key, text);
    else
        snprintf(key, AMQP_SHORTSTR_MAX + 1, "%lld", (long long)json_integer_value(value));
    return true;
}

bool http_need_flag(struct http_call *call, const char *key, bool *flag)
{
    json_t *value = json_object_get(http_call_body(call), key);
    const char *word = json_string_value(value);
    *flag = json_is_true(value) || (word != NULL && strcmp(word, "true") == 0);
    if (value == NULL || *flag || json_is_false(value) ||
        (word != NULL && strcmp(word, "false") == 0))
        return true;
    http_bad_request_json(call, json_pack("[s, O]", "not_boolean", value));
    return false;
}

/* RabbitMQ knows no way to write it in a table here. */
static bool has_null(const json_t *value)
{
    const char *key;
    json_t *inner;
    size_t i;
    json_object_foreach((json_t *)value, key, inner)
    {
        if (has_null(inner))
            return true;
    }
    json_array_foreach(value, i, inner)
    {
        if (has_null(inner))
            return true;
    }
    return json_is_null(value);
}

bool http_need_table(struct http_call *call, const char *what, const json_t *object,
                     struct buffer *table)
{
    if (object == NULL || (json_is_array(object) && json_array_size(object) == 0))
        return true;
    if (has_null(object))
        http_bad_request(call, "null_not_allowed");
    else if (!json_is_object(object))
        http_bad_request(call, "%s must be an object", what);
    else if (!json_to_table(object, table))
        http_bad_request(call, "%s cannot be a table: a name is too long, or nesting too deep",
                         what);
    else
        return true;
    return false;
}

/* --- doing it */

struct running {
    const struct http_session_host *sessions;
    struct http_call *call;
    struct http_session *session; /* it ends by itself or is closed */
    struct http_change change;
};

static void free_running(struct running *running)
{
    free(running->change.location);
    free(running);
}

/* The one reply that there is. */
static void on_method(void *context, const struct amqp_method *method, struct message *message)
{
    struct running *running = context;
    const struct http_change *change = &running->change;
    (void)method, (void)message;
    running->sessions->close(running->session);
    if (change->location != NULL)
        http_reply_created(running->call, change->location);
    else if (change->is_put)
        http_reply_put(running->call, change->is_new);
    else
        http_reply_done(running->call);
    free_running(running);
}

static void on_settled(void *context, bool is_confirmed)
{
    (void)context, (void)is_confirmed;
}

/* Without what stands in front of every text, such as "NOT_FOUND - ". */
static const char *bare_text(const struct amqp_error *error)
{
    const char *name = amqp_code_name((enum amqp_code)error->code);
    size_t size = strlen(name);
    bool has_name =
        strncmp(error->text, name, size) == 0 && strncmp(error->text + size, " - ", 3) == 0;
    return has_name ? error->text + size + 3 : error->text;
}

static void on_error(void *context, const struct amqp_error *error)
{
    struct running *running = context;
    if (error->code == AMQP_ACCESS_REFUSED || error->code == AMQP_NOT_ALLOWED)
        http_not_authorised(running->call, "Access refused.");
    else if (error->code == AMQP_NOT_FOUND)
        http_not_there(running->call, bare_text(error));
    else
        http_bad_request(running->call, "%s", bare_text(error));
    free_running(running);
}

void http_run_method(const struct http_context *context, struct http_call *call,
                     const struct amqp_method *method, const struct http_change *change)
{
    static const struct http_session_events events = {on_method, on_settled, on_error};
    const struct http_session_host *sessions = context->host->sessions;
    struct running *running = xcalloc(1, sizeof *running);
    *running = (struct running){.sessions = sessions, .call = call, .change = *change};
    running->session = sessions->open(context->host_context, call,
                                      http_call_parameter(call, "vhost"), true, &events, running);
    if (running->session != NULL) {
        sessions->send(running->session, method);
        return;
    }
    http_not_there(call, "vhost_not_found");
    free_running(running);
}

/* Who is refused by a limit of connections is told no more than who has no rights. A publisher that
 * is blocked is not to blame, and may try again. */
void http_refuse_session(struct http_call *call, const struct amqp_error *error)
{
    if (error->code == AMQP_NOT_ALLOWED)
        http_not_authorised(call, "Access refused.");
    else if (error->code == AMQP_RESOURCE_ERROR)
        http_unavailable(call, bare_text(error));
    else
        http_bad_request(call, "%u %s", error->code, error->text);
}

void http_refuse_reading(struct http_call *call, const struct amqp_error *error)
{
    if (error->code == AMQP_NOT_FOUND)
        http_not_there(call, error->text);
    else if (error->code == AMQP_ACCESS_REFUSED)
        http_not_authorised(call, error->text);
    else
        http_refuse_session(call, error);
}
