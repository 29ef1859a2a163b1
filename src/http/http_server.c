/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server itself: libevent's evhttp, with what keeps a slow or hostile client in its bounds.
 *
 * evhttp has a limit for the size of a request and a time after which a silent connection ends, but
 * none for how many connections there are, how long a request may take that comes a byte at a time,
 * or how much all of them together have in memory. So the server keeps a reference to each
 * connection's bufferevent: it counts what comes in, and what evhttp has let go of (it then has no
 * callbacks) has ended. With too many of them the listeners rest; who has not sent a whole request
 * in time is shut out.
 *
 * There is a door without TLS, one with it, or both, each with an evhttp of its own; the bounds are
 * for all connections together, and hold from the first byte of a handshake.
 *
 * A call is a request on its way through the hooks: who is it, is it allowed, what is the answer.
 * When its client goes away meanwhile, evhttp keeps the request until it is answered.
 */
#include "http/http_server.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/listener.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/utf8.h"
#include "base/xmalloc.h"
#include "http/http_file.h"
#include "http/http_form.h"
#include "http/http_internal.h"
#include "http/http_login.h"
#include "http/http_query.h"
#include "net/address.h"
#include "net/tls.h"

enum {
    CONNECTIONS_MAX = 256,
    HEADER_BYTES_MAX = 1 << 16,
    WAITING_BYTES_MAX = 1 << 28, /* requests of all connections that are not answered */
    VALUE_BYTES = 64,            /* of memory for a value of JSON, about */
    ANSWER_BYTES_MAX = 1 << 28,  /* long answers that clients have not taken yet */
    IDLE_S = 60,                 /* a silent connection */
    REQUEST_S = 60,              /* from its first chance to a whole request */
    REPLY_S = 600,               /* until the client has taken the answer */
};

struct door {
    struct http_server *server;
    struct evhttp *http;             /* owned */
    struct evconnlistener *listener; /* evhttp's */
    struct tls_context *tls;         /* borrowed; NULL: without */
};

struct http_server {
    struct event_base *base; /* borrowed */
    struct door doors[HTTP_SOCKETS_MAX];
    size_t door_count;
    struct event *tick; /* owned; every second */
    struct http_hooks hooks;
    struct list fronts; /* of struct front */
    size_t front_count;
    struct list calls; /* of struct http_call */
    size_t waiting_bytes;
    size_t answer_bytes;
    unsigned now_s; /* since the start, by the tick */
    bool is_closing;
};

/* A connection, as the server counts it. */
struct front {
    struct list_node in_fronts;
    struct http_server *server;
    struct bufferevent *stream; /* a reference beside evhttp's */
    size_t waiting_bytes;
    unsigned since_s; /* when it had its last answer, or came */
    bool has_call;
    bool is_sending; /* an answer whose next piece is still to be made */
};

/* --- connections */

static void allow_connections(struct http_server *server)
{
    if (server->is_closing)
        return;
    for (size_t i = 0; i < server->door_count; i++) {
        if (server->front_count < CONNECTIONS_MAX)
            evconnlistener_enable(server->doors[i].listener);
        else
            evconnlistener_disable(server->doors[i].listener);
    }
}

static void forget_waiting(struct front *front)
{
    front->server->waiting_bytes -= front->waiting_bytes;
    front->waiting_bytes = 0;
}

static void end_front(struct front *front)
{
    forget_waiting(front);
    list_remove(&front->in_fronts);
    front->server->front_count--;
    bufferevent_decref(front->stream);
    free(front);
}

static bool has_ended(const struct front *front)
{
    bufferevent_event_cb on_event;
    bufferevent_getcb(front->stream, NULL, NULL, &on_event, NULL);
    return on_event == NULL;
}

static void sweep(struct http_server *server)
{
    list_for_each(&server->fronts, node)
    {
        struct front *front = list_entry(node, struct front, in_fronts);
        if (has_ended(front))
            end_front(front);
    }
    allow_connections(server);
}

/* evhttp then sees the connection's end. */
static void shut(const struct front *front)
{
    (void)shutdown(bufferevent_getfd(front->stream), SHUT_RDWR);
}

static void count_input(struct evbuffer *input, const struct evbuffer_cb_info *change,
                        void *context)
{
    struct front *front = context;
    (void)input;
    front->waiting_bytes += change->n_added;
    front->server->waiting_bytes += change->n_added;
    if (change->n_added > 0 && front->server->waiting_bytes > WAITING_BYTES_MAX)
        shut(front);
}

/* evhttp gives it its socket. */
static struct bufferevent *make_stream(struct event_base *base, struct tls_context *tls)
{
    if (tls == NULL)
        return bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    struct ssl_st *ssl = tls_context_open(tls);
    CHECK(ssl != NULL);
    return bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                          BEV_OPT_CLOSE_ON_FREE);
}

static struct bufferevent *make_connection(struct event_base *base, void *context)
{
    const struct door *door = context;
    struct http_server *server = door->server;
    sweep(server);
    struct front *front = xcalloc(1, sizeof *front);
    front->server = server;
    front->since_s = server->now_s;
    front->stream = make_stream(base, door->tls);
    CHECK(front->stream != NULL);
    bufferevent_incref(front->stream);
    CHECK(evbuffer_add_cb(bufferevent_get_input(front->stream), count_input, front) != NULL);
    list_push_back(&server->fronts, &front->in_fronts);
    server->front_count++;
    allow_connections(server);
    return front->stream;
}

static struct front *find_front(const struct http_server *server, struct evhttp_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    if (connection == NULL)
        return NULL;
    const struct bufferevent *stream = evhttp_connection_get_bufferevent(connection);
    list_for_each(&server->fronts, node)
    {
        struct front *front = list_entry(node, struct front, in_fronts);
        if (front->stream == stream)
            return front;
    }
    return NULL;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct http_server *server = context;
    (void)fd, (void)what;
    server->now_s++;
    list_for_each(&server->fronts, node)
    {
        const struct front *front = list_entry(node, struct front, in_fronts);
        bool is_sending =
            front->is_sending || evbuffer_get_length(bufferevent_get_output(front->stream)) > 0;
        unsigned patience_s = is_sending ? REPLY_S : REQUEST_S;
        if (!front->has_call && server->now_s - front->since_s > patience_s)
            shut(front);
    }
    sweep(server);
}

/* No descriptor is left: the next tick tries again. */
static void on_listener_error(struct evconnlistener *listener, void *context)
{
    (void)context;
    evconnlistener_disable(listener);
}

/* --- a call's end */

static void free_call(struct http_call *call)
{
    if (call->server != NULL) {
        list_remove(&call->in_calls);
        call->server->answer_bytes -= call->rows_bytes;
    }
    http_rows_free(call->rows);
    http_job_free(call->job);
    http_path_fini(&call->path);
    evhttp_clear_headers(&call->query);
    json_decref(call->body);
    json_decref(call->tags);
    json_decref(call->vhosts);
    json_decref(call->reply);
    buffer_fini(&call->text);
    if (call->credentials.size > 0)
        explicit_bzero(call->credentials.data, call->credentials.size);
    buffer_fini(&call->credentials);
    free(call->location);
    free(call->attachment);
    free(call->excuse);
    free(call->user);
    free(call);
}

static int append_text(const char *text, size_t size, void *context)
{
    return evbuffer_add(context, text, size);
}

static void add_headers(const struct http_call *call, struct evbuffer *body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(call->request);
    evhttp_add_header(headers, "Content-Security-Policy",
                      "default-src 'none'; frame-ancestors 'none'");
    if (call->status == 401 && call->user == NULL)
        evhttp_add_header(headers, "WWW-Authenticate", "Basic realm=\"RabbitMQ Management\"");
    if (call->route != NULL && (call->status == 405 || call->method == HTTP_OPTIONS)) {
        struct buffer allow = {0};
        http_route_allow(call->route, &allow);
        evhttp_add_header(headers, "Allow", (const char *)allow.data);
        buffer_fini(&allow);
    }
    if (call->location != NULL && (call->status == 201 || call->status == 303))
        evhttp_add_header(headers, "Location", call->location);
    if (call->attachment != NULL)
        evhttp_add_header(headers, "Content-Disposition", call->attachment);
    if (evbuffer_get_length(body) > 0) {
        evhttp_add_header(headers, "Content-Type", "application/json");
        evhttp_add_header(headers, "Cache-Control", "no-cache");
    }
    if (call->is_head && call->status != 204) {
        char size[32];
        evutil_snprintf(size, sizeof size, "%zu", evbuffer_get_length(body));
        if (call->rows == NULL)
            evhttp_add_header(headers, "Content-Length", size);
        evbuffer_drain(body, evbuffer_get_length(body));
    }
}

static const char *phrase_of(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {{200, "OK"},
                   {201, "Created"},
                   {204, "No Content"},
                   {303, "See Other"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {500, "Internal Server Error"},
                   {503, "Service Unavailable"}};
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (phrases[i].status == status)
            return phrases[i].phrase;
    }
    return "Unknown";
}

struct given_text {
    struct http_server *server;
    uint8_t *data; /* owned */
    size_t size;
};

static void free_text(const void *data, size_t size, void *context)
{
    struct given_text *given = context;
    (void)data, (void)size;
    given->server->answer_bytes -= given->size;
    free(given->data);
    free(given);
}

/* What was made elsewhere may be large: it is not copied. */
static void give_text(struct http_call *call, struct evbuffer *body)
{
    struct given_text *given = xmalloc(sizeof *given);
    *given = (struct given_text){call->server, call->text.data, call->text.size};
    call->server->answer_bytes += given->size;
    CHECK(evbuffer_add_reference(body, given->data, given->size, free_text, given) == 0);
    buffer_init(&call->text);
}

static void request_is_answered(struct front *front)
{
    forget_waiting(front);
    front->has_call = false;
    front->since_s = front->server->now_s;
}

/* Clients that ask for long lists and do not read them are not to fill the memory. */
static void bound_answers(struct http_call *call)
{
    struct http_server *server = call->server;
    size_t others = server->answer_bytes;
    size_t bytes = call->rows != NULL ? http_rows_bytes(call->rows) : 0;
    if (others == 0 || others + call->text.size + bytes <= ANSWER_BYTES_MAX) {
        call->rows_bytes = bytes;
        server->answer_bytes += bytes;
        return;
    }
    http_rows_free(call->rows);
    call->rows = NULL;
    buffer_fini(&call->text);
    call->status = 503;
    call->reply =
        http_error("service_unavailable", json_string("too many long answers wait to be read"));
}

static void send_answer(struct http_call *call, struct evbuffer *body)
{
    if (call->reply != NULL)
        json_dump_callback(call->reply, append_text, body, JSON_COMPACT | JSON_ENCODE_ANY);
    add_headers(call, body);
    evhttp_send_reply(call->request, call->status, phrase_of(call->status), body);
    free_call(call);
}

/* --- long answers: the next piece is made when the client has taken the last one */

/* The client has gone; the request is ours where libevent has taken it from the connection. */
static void on_gone(struct evhttp_connection *connection, void *context)
{
    struct http_call *call = context;
    struct evhttp_request *request = call->request;
    (void)connection;
    free_call(call);
    if (request != NULL && evhttp_request_get_connection(request) == NULL)
        evhttp_send_reply_end(request);
}

static void on_taken(struct evhttp_connection *connection, void *context)
{
    struct http_call *call = context;
    evhttp_connection_set_closecb(connection, NULL, NULL);
    call->hooks.handle(call->hooks.context, call);
}

/* libevent would say to those who speak HTTP 1.0 and want to keep the connection that nothing
 * follows. Without that wish it ends with the answer. */
static void begin_sending(struct http_call *call, struct evbuffer *body)
{
    call->has_begun = true;
    add_headers(call, body);
    if (call->request->major == 1 && call->request->minor == 0)
        (void)evhttp_remove_header(evhttp_request_get_input_headers(call->request), "Connection");
    evhttp_send_reply_start(call->request, call->status, phrase_of(call->status));
}

static void end_sending(struct http_call *call, struct front *front)
{
    struct evhttp_request *request = call->request;
    if (front != NULL) {
        front->is_sending = false;
        request_is_answered(front);
    }
    free_call(call);
    evhttp_send_reply_end(request);
}

static void send_piece(struct http_call *call, struct front *front, struct evbuffer *body)
{
    bool is_last = call->rows == NULL || call->is_head;
    if (front != NULL)
        front->is_sending = true;
    if (!call->has_begun)
        begin_sending(call, body);
    struct evhttp_connection *connection = evhttp_request_get_connection(call->request);
    if (is_last || connection == NULL) {
        evhttp_send_reply_chunk(call->request, body);
        end_sending(call, front);
    } else {
        evhttp_connection_set_closecb(connection, on_gone, call);
        evhttp_send_reply_chunk_with_cb(call->request, body, on_taken, call);
    }
}

void http_call_finish(struct http_call *call)
{
    CHECK(call->status != 0);
    if (call->server == NULL) {
        free_call(call);
        return;
    }
    if (!call->has_begun) {
        http_shape_reply(call);
        bound_answers(call);
    }
    struct front *front = find_front(call->server, call->request);
    struct evbuffer *body = evbuffer_new();
    CHECK(body != NULL);
    if (front != NULL && !call->has_begun)
        request_is_answered(front);
    if (call->text.size > 0)
        give_text(call, body);
    if (call->has_begun || call->rows != NULL)
        send_piece(call, front, body);
    else
        send_answer(call, body);
    evbuffer_free(body);
}

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
    size_t bytes = count_values(body) * VALUE_BYTES;
    struct front *front = find_front(call->server, call->request);
    if (front == NULL) /* the client has gone */
        return false;
    front->waiting_bytes += bytes;
    front->server->waiting_bytes += bytes;
    return front->server->waiting_bytes <= WAITING_BYTES_MAX;
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

static void go_on(struct http_call *call)
{
    const char *missing = call->route->to_read != HTTP_FOR_ALL ? missing_right(call) : NULL;
    if (missing != NULL) {
        finish_with(call, 401, http_error("not_authorised", json_string(missing)));
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
        free_call(call);
}

void http_call_turn_away(struct http_call *call)
{
    if (call->server != NULL)
        finish_with(call, 401, http_error("not_authorized", json_string("Login failed")));
    else
        free_call(call);
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
        finish_with(call, 404, http_error("Object Not Found", json_string("Not Found")));
    else if (query != NULL && !http_query_parse(query, &call->query))
        finish_with(call, 400, NULL);
    else
        return true;
    return false;
}

static void read_peer(struct http_call *call, const struct front *front)
{
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    if (front != NULL)
        getpeername(bufferevent_getfd(front->stream), (struct sockaddr *)&peer, &size);
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

/* evhttp ends a connection, all of whose answers are sent, with no word to the other side, which
 * then cannot tell an end from a cut. */
static void on_end(struct evhttp_connection *connection, void *context)
{
    struct ssl_st *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(connection));
    (void)context;
    if (ssl != NULL)
        tls_say_end(ssl);
}

static void on_request(struct evhttp_request *request, void *context)
{
    struct http_server *server = context;
    struct front *front = find_front(server, request);
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_end, NULL);
    if (http_file_serve(request)) {
        if (front != NULL)
            request_is_answered(front);
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
    read_peer(call, front);
    read_excuse(call);
    if (front != NULL)
        front->has_call = true;
    if (!read_address(call))
        return;
    if (call->method == HTTP_OPTIONS)
        finish_with(call, 200, NULL);
    else if (http_route_handler(call->route, call->method) == NULL)
        finish_with(call, 405, NULL);
    else if (call->route->to_read == HTTP_FOR_ALL)
        go_on(call);
    else
        ask_who(call);
}

/* --- the server */

static void open_door(struct http_server *server, const struct http_socket *socket,
                      uint64_t body_bytes_max)
{
    struct door *door = &server->doors[server->door_count++];
    door->server = server;
    door->tls = socket->tls;
    door->http = evhttp_new(server->base);
    door->listener =
        evconnlistener_new(server->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                           0, socket->listening_fd);
    CHECK(door->http != NULL && door->listener != NULL);
    evhttp_set_max_headers_size(door->http, HEADER_BYTES_MAX);
    evhttp_set_max_body_size(door->http, (ev_ssize_t)body_bytes_max);
    evhttp_set_timeout(door->http, IDLE_S);
    evhttp_set_allowed_methods(door->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                               EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                               EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
    evhttp_set_default_content_type(door->http, NULL);
    evhttp_set_bevcb(door->http, make_connection, door);
    evhttp_set_gencb(door->http, on_request, server);
    CHECK(evhttp_bind_listener(door->http, door->listener) != NULL);
    evconnlistener_set_error_cb(door->listener, on_listener_error);
}

struct http_server *http_server_new(struct event_base *base, const struct http_socket *sockets,
                                    size_t socket_count, uint64_t body_bytes_max,
                                    const struct http_hooks *hooks)
{
    static const struct timeval second = {.tv_sec = 1};
    struct http_server *server = xcalloc(1, sizeof *server);
    server->base = base;
    server->hooks = *hooks;
    list_init(&server->fronts);
    list_init(&server->calls);
    CHECK(socket_count <= HTTP_SOCKETS_MAX);
    for (size_t i = 0; i < socket_count; i++)
        open_door(server, &sockets[i], body_bytes_max);
    server->tick = event_new(base, -1, EV_PERSIST, on_tick, server);
    CHECK(server->tick != NULL && event_add(server->tick, &second) == 0);
    return server;
}

void http_server_free(struct http_server *server)
{
    server->is_closing = true;
    list_for_each(&server->calls, node)
    {
        struct http_call *call = list_entry(node, struct http_call, in_calls);
        list_remove(&call->in_calls);
        call->server = NULL;
        call->request = NULL;
    }
    event_free(server->tick);
    for (size_t i = 0; i < server->door_count; i++)
        evhttp_free(server->doors[i].http);
    sweep(server);
    CHECK(list_is_empty(&server->fronts));
    event_base_loop(server->base, EVLOOP_NONBLOCK); /* bufferevents end in a turn of the base */
    free(server);
}
