/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server itself: libevent's evhttp. http_crowd.c keeps slow and hostile clients in their
 * bounds, http_answer.c writes to them.
 *
 * A call is a request on its way through the hooks: who is it, is it allowed, what is the answer.
 * When its client goes away meanwhile, evhttp keeps the request until it is answered.
 */
#include "http/http_server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/utf8.h"
#include "base/xmalloc.h"
#include "config/config.h"
#include "http/http_accept.h"
#include "http/http_crowd.h"
#include "http/http_file.h"
#include "http/http_form.h"
#include "http/http_internal.h"
#include "http/http_login.h"
#include "http/http_query.h"
#include "net/address.h"

enum {
    CLIENTS_MAX = 256,
    HEADER_BYTES_MAX = 1 << 16,
    WAITING_BYTES_MAX = 1 << 28,
    VALUE_BYTES = 64, /* of memory for a value of JSON, about */
    FORM_BYTES_MAX = 64000,
    COLUMNS_BYTES_MAX = 4096,
    IDLE_S = 60,    /* a silent connection */
    REQUEST_S = 60, /* from a client's first chance to a whole request */
};

static void finish_with(struct http_call *call, int status, json_t *reply)
{
    http_set_answer(call, status, reply);
    http_call_finish(call);
}

/* --- a call's way */

/* Once it is on its way back the call can be gone at any moment, so a handler keeps it until it
 * returns. */
void http_call_answered(struct http_call *call)
{
    if (!call->is_held)
        call->hooks.finish(call->hooks.context, call);
}

/* When the server ends nothing new is begun: threads that it would need have gone. */
void http_call_handle(const struct http_context *context, struct http_call *call)
{
    if (call->rows != NULL) {
        http_job_write_rows(context, call);
        return;
    }
    call->is_held = true;
    if (context->host->is_ending(context->host_context))
        http_refuse_at_end(call);
    else
        http_route_handler(call->route, call->method)(context, call);
    call->is_held = false;
    struct control_work *work = call->work;
    call->work = NULL;
    if (work != NULL)
        context->host->submit(context->host_context, work);
    else if (call->status != 0)
        http_call_answered(call);
}

/* The name of the tag without which the user may not use the route, or NULL. */
static const char *missing_right(const struct http_call *call)
{
    enum http_right right = call->method == HTTP_GET ? call->route->to_read : call->route->to_write;
    if (right == HTTP_FOR_ALL || http_call_has_tag(call, "administrator"))
        return NULL;
    bool is_let_in = http_call_has_tag(call, "management") ||
                     http_call_has_tag(call, "policymaker") ||
                     http_call_has_tag(call, "monitoring");
    if (!is_let_in)
        return "Not management user";
    return right == HTTP_FOR_ADMINISTRATORS ? "Not administrator user" : NULL;
}

/* How many values there are in a text of JSON, about: outside of its texts each begins behind one
 * of these. */
static size_t count_values(struct bytes text)
{
    size_t count = 1;
    bool is_inside = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '"')
            is_inside = !is_inside;
        else if (is_inside)
            i += c == '\\';
        else
            count += c == ',' || c == ':' || c == '[' || c == '{';
    }
    return count;
}

/* A small body may be very many values: what they will take counts as if it had come. False where
 * that is too much. */
static bool has_room_for(const struct http_call *call, struct bytes body)
{
    return http_crowd_has_room(call->server->crowd, call->request,
                               count_values(body) * VALUE_BYTES);
}

/* The JSON in a form's file; where a page wants to be shown afterwards, the form says it, too. */
static struct bytes read_form(struct http_call *call, struct bytes body, struct bytes boundary)
{
    struct bytes file = bytes_of(NULL, 0), page;
    (void)http_form_find(body, boundary, "file", &file);
    if (http_form_find(body, boundary, "redirect", &page) && page.size > 0)
        call->location = xstrndup((const char *)page.data, page.size);
    return file;
}

/* The body, which is to be an object; NULL where it is no JSON. Who reads has nothing to say: what
 * comes all the same is not looked at, or everybody who asks how to log in could have megabytes of
 * JSON taken apart.
 */
static json_t *read_body(struct http_call *call, bool *is_too_much)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(call->request);
    size_t size = evbuffer_get_length(input);
    if (call->method == HTTP_GET)
        evbuffer_drain(input, size);
    if (size == 0 || call->method == HTTP_GET)
        return json_object();
    struct bytes text = bytes_of(evbuffer_pullup(input, -1), size);
    struct bytes boundary = http_form_boundary(
        evhttp_find_header(evhttp_request_get_input_headers(call->request), "Content-Type"));
    if (call->route->takes_file && boundary.data != NULL)
        text = read_form(call, text, boundary);
    *is_too_much = !has_room_for(call, text);
    json_t *body =
        *is_too_much ? NULL : json_loadb((const char *)text.data, text.size, JSON_DECODE_ANY, NULL);
    evbuffer_drain(input, size);
    return body;
}

/* body: what was sent in place of an object; NULL: no JSON. */
static void refuse_body(struct http_call *call, const json_t *body)
{
    const char *reason = "not_json";
    if (call->route->takes_file)
        reason = "failed_to_parse_json";
    else if (json_is_string(body))
        reason = "invalid payload: the request body JSON-decoded to a string. Is the input "
                 "doubly-JSON-encoded?";
    free(call->location);
    call->location = NULL;
    finish_with(call, 400, http_error("bad_request", json_string(reason)));
}

static bool takes_answer(const struct http_call *call)
{
    const char *accept =
        evhttp_find_header(evhttp_request_get_input_headers(call->request), "Accept");
    return call->route->takes_any_accept || call->route->takes_login || http_accepts_json(accept);
}

static void go_on(struct http_call *call)
{
    const char *missing = call->user != NULL ? missing_right(call) : NULL;
    if (missing != NULL) {
        finish_with(call, 401, http_error("not_authorised", json_string(missing)));
        return;
    }
    if (!takes_answer(call)) {
        finish_with(call, 406, NULL);
        return;
    }
    bool is_too_much = false;
    json_t *body = read_body(call, &is_too_much);
    if (is_too_much) {
        finish_with(call, 503,
                    http_error("service_unavailable",
                               json_string("the bodies of all requests have too many values")));
    } else if (json_is_object(body)) {
        call->body = body;
        call->hooks.handle(call->hooks.context, call);
    } else {
        refuse_body(call, body);
        json_decref(body);
    }
}

void http_call_let_in(struct http_call *call, const char *user)
{
    call->user = xstrdup(user);
    if (call->server != NULL)
        go_on(call);
    else
        http_call_free(call);
}

void http_call_turn_away(struct http_call *call)
{
    if (call->server != NULL)
        finish_with(call, 401, http_error("not_authorized", json_string("Login failed")));
    else
        http_call_free(call);
}

bool http_call_lists_vhosts(const struct http_call *call)
{
    return call->route->lists_vhosts;
}

bool http_call_asks_for_vhost(const struct http_call *call, const char *vhost)
{
    const char *wanted = http_route_parameter(call->route, &call->path, "vhost");
    return wanted == NULL || strcmp(wanted, vhost) == 0;
}

void http_call_add_vhost(struct http_call *call, const char *vhost)
{
    json_object_set_new(call->vhosts, vhost, json_true());
}

void http_call_add_tag(struct http_call *call, const char *tag)
{
    json_t *text = json_string(tag);
    if (text != NULL)
        json_array_append_new(call->tags, text);
}

void http_call_set_carrier(struct http_call *call, void *carrier)
{
    call->carrier = carrier;
}

void *http_call_carrier(const struct http_call *call)
{
    return call->carrier;
}

/* --- requests */

static enum http_method method_of(const struct evhttp_request *request)
{
    switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET:
    case EVHTTP_REQ_HEAD:
        return HTTP_GET;
    case EVHTTP_REQ_PUT:
        return HTTP_PUT;
    case EVHTTP_REQ_DELETE:
        return HTTP_DELETE;
    case EVHTTP_REQ_POST:
        return HTTP_POST;
    case EVHTTP_REQ_OPTIONS:
        return HTTP_OPTIONS;
    default:
        return HTTP_OTHER;
    }
}

/* Of each row every field is looked up in them. */
static bool has_short_columns(const struct http_call *call)
{
    static const char *const names[] = {"columns", "sort"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = evhttp_find_header(&call->query, names[i]);
        if (value != NULL && strlen(value) > COLUMNS_BYTES_MAX)
            return false;
    }
    return true;
}

/* To RabbitMQ everything else is a file that may be read. */
static void answer_stranger(struct http_call *call, const char *path)
{
    if (path != NULL && (strcmp(path, "/mgmt") == 0 || strcmp(path, "/mgmt/") == 0)) {
        call->location = xstrdup("/");
        finish_with(call, 301, NULL);
    } else if (call->method == HTTP_GET) {
        finish_with(call, 404, http_error("Object Not Found", json_string("Not Found")));
    } else {
        finish_with(call, call->method == HTTP_OPTIONS ? 200 : 405, NULL);
    }
}

/* Where the request goes to. False, answered, where there is nothing, or the query cannot be read.
 */
static bool read_address(struct http_call *call)
{
    static const char prefix[] = "/api/";
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(call->request);
    const char *path = uri != NULL ? evhttp_uri_get_path(uri) : NULL;
    const char *query = uri != NULL ? evhttp_uri_get_query(uri) : NULL;
    if (path != NULL && strncmp(path, prefix, sizeof prefix - 1) == 0 &&
        http_path_parse(&call->path, path + sizeof prefix - 1))
        call->route = http_find_route(&call->path);
    if (call->route == NULL)
        answer_stranger(call, path);
    else if (query != NULL && !http_query_parse(query, &call->query))
        finish_with(call, 400, NULL);
    else if (!has_short_columns(call))
        finish_with(call, 400, http_error("bad_request", json_string("too many columns")));
    else
        return true;
    return false;
}

static void read_peer(struct http_call *call)
{
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    struct bufferevent *stream =
        evhttp_connection_get_bufferevent(evhttp_request_get_connection(call->request));
    getpeername(bufferevent_getfd(stream), (struct sockaddr *)&peer, &size);
    struct address_endpoint endpoint = address_endpoint(&peer);
    snprintf(call->peer_address, sizeof call->peer_address, "%s", endpoint.host);
    call->login.peer_address = call->peer_address;
    call->login.is_loopback = endpoint.is_loopback;
}

static void ask_who(struct http_call *call)
{
    const char *header =
        evhttp_find_header(evhttp_request_get_input_headers(call->request), "Authorization");
    switch (http_login_read(header, &call->credentials, &call->login)) {
    case HTTP_LOGIN_NONE:
        finish_with(call, 401, NULL);
        break;
    case HTTP_LOGIN_MALFORMED:
        finish_with(call, 400, NULL);
        break;
    case HTTP_LOGIN_READ:
        call->hooks.log_in(call->hooks.context, call, &call->login);
        break;
    }
}

/* What is no text counts as nothing. */
static void read_excuse(struct http_call *call)
{
    const char *text =
        evhttp_find_header(evhttp_request_get_input_headers(call->request), "X-Reason");
    if (text != NULL && text[0] != '\0' && utf8_is_valid(bytes_of_text(text)))
        call->excuse = xstrdup(text);
}

/* A form is no longer than a login can be. */
static void ask_who_by_form(struct http_call *call)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(call->request);
    size_t size = evbuffer_get_length(input);
    if (size > FORM_BYTES_MAX) {
        finish_with(call, 413, NULL);
        return;
    }
    char *form = xstrndup(size > 0 ? (const char *)evbuffer_pullup(input, -1) : "", size);
    evbuffer_drain(input, size);
    if (http_login_read_form(form, &call->credentials, &call->login) == HTTP_LOGIN_READ)
        call->hooks.log_in(call->hooks.context, call, &call->login);
    else
        finish_with(call, 400, NULL);
    explicit_bzero(form, size);
    free(form);
}

static void on_request(struct evhttp_request *request, void *context)
{
    struct http_server *server = context;
    http_say_when_it_ends(evhttp_request_get_connection(request));
    if (http_file_serve(request, server->headers)) {
        http_crowd_forget_request(server->crowd, request);
        return;
    }
    struct http_call *call = xcalloc(1, sizeof *call);
    list_push_back(&server->calls, &call->in_calls);
    call->server = server;
    call->hooks = server->hooks;
    call->request = request;
    call->method = method_of(request);
    call->is_head = evhttp_request_get_command(request) == EVHTTP_REQ_HEAD;
    call->tags = json_array();
    call->vhosts = json_object();
    TAILQ_INIT(&call->query);
    read_peer(call);
    read_excuse(call);
    http_crowd_wait_for_us(server->crowd, request);
    if (!read_address(call))
        return;
    if (call->method == HTTP_OPTIONS)
        finish_with(call, 200, NULL);
    else if (http_route_handler(call->route, call->method) == NULL)
        finish_with(call, 405, NULL);
    else if (call->route->takes_login && call->method == HTTP_POST)
        ask_who_by_form(call);
    else if (call->route->takes_login || call->route->to_read == HTTP_FOR_ALL)
        go_on(call);
    else
        ask_who(call);
}

/* --- the server */

static void open_door(struct http_server *server, const struct http_socket *socket,
                      uint64_t body_bytes_max)
{
    struct evhttp *http = evhttp_new(server->base);
    CHECK(http != NULL);
    evhttp_set_max_headers_size(http, HEADER_BYTES_MAX);
    evhttp_set_max_body_size(http, (ev_ssize_t)body_bytes_max);
    evhttp_set_timeout(http, IDLE_S);
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                         EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
                                         EVHTTP_REQ_PATCH);
    evhttp_set_default_content_type(http, NULL);
    evhttp_set_gencb(http, on_request, server);
    http_crowd_open(server->crowd, http, socket->listening_fd, socket->tls);
    server->https[server->http_count++] = http;
}

struct http_server *http_server_new(struct event_base *base, const struct http_socket *sockets,
                                    size_t socket_count, const struct config *config,
                                    const struct http_hooks *hooks)
{
    static const struct http_bounds bounds = {CLIENTS_MAX, REQUEST_S, WAITING_BYTES_MAX};
    struct http_server *server = xcalloc(1, sizeof *server);
    server->base = base;
    server->headers = &config->http_headers;
    server->hooks = *hooks;
    server->crowd = http_crowd_new(base, &bounds);
    list_init(&server->calls);
    CHECK(socket_count <= HTTP_DOORS_MAX);
    for (size_t i = 0; i < socket_count; i++)
        open_door(server, &sockets[i], config->management.body_bytes_max);
    return server;
}

void http_server_free(struct http_server *server)
{
    list_for_each(&server->calls, node)
    {
        struct http_call *call = list_entry(node, struct http_call, in_calls);
        list_remove(&call->in_calls);
        call->server = NULL;
        call->request = NULL;
    }
    for (size_t i = 0; i < server->http_count; i++)
        evhttp_free(server->https[i]);
    http_crowd_free(server->crowd);
    event_base_loop(server->base, EVLOOP_NONBLOCK); /* bufferevents end in a turn of the base */
    free(server);
}
