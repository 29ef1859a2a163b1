/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to a call: its headers, its body, and a call's end.
 *
 * A long answer goes in pieces: the next one is made when the client has taken the last one, so a
 * client that reads slowly keeps one piece and the rows that the others will be made of. All of
 * those together have a bound.
 *
 * As in RabbitMQ what is not very short is compressed where the client takes that.
 */
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "config/json_table.h"
#include "http/http_browser.h"
#include "http/http_crowd.h"
#include "http/http_gzip.h"
#include "http/http_internal.h"
#include "net/tls.h"

enum {
    ANSWER_BYTES_MAX = 1 << 28, /* that clients have not taken yet */
    GZIP_BYTES_MIN = 300,
};

void http_call_free(struct http_call *call)
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
    http_gzip_free(call->gzip);
    if (call->credentials.size > 0)
        explicit_bzero(call->credentials.data, call->credentials.size);
    buffer_fini(&call->credentials);
    free(call->location);
    free(call->attachment);
    free(call->excuse);
    free(call->user);
    free(call);
}

static void add_headers(const struct http_call *call, struct evbuffer *body)
{
    const struct config_http_headers *config = call->server->headers;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(call->request);
    http_browser_add(call->request, config, "default-src 'none'; frame-ancestors 'none'");
    if (call->status == 401 && call->user == NULL)
        evhttp_add_header(headers, "WWW-Authenticate", "Basic realm=\"RabbitMQ Management\"");
    if (call->status == 405 || (call->status == 200 && call->method == HTTP_OPTIONS)) {
        struct buffer allow = {0};
        http_route_allow(call->route, &allow);
        evhttp_add_header(headers, "Allow", (const char *)allow.data);
        http_browser_add_origin(call->request, config, (const char *)allow.data);
        buffer_fini(&allow);
    } else {
        http_browser_add_origin(call->request, config, NULL);
    }
    if (call->location != NULL &&
        (call->status == 201 || call->status == 301 || call->status == 303))
        evhttp_add_header(headers, "Location", call->location);
    if (call->attachment != NULL)
        evhttp_add_header(headers, "Content-Disposition", call->attachment);
    if (evbuffer_get_length(body) > 0) {
        evhttp_add_header(headers, "Content-Type",
                          call->has_plain_text ? "text/plain" : "application/json");
        evhttp_add_header(headers, "Cache-Control", "no-cache");
        evhttp_add_header(headers, "Vary", "accept-encoding");
    }
    if (call->gzip != NULL)
        evhttp_add_header(headers, "Content-Encoding", "gzip");
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
                   {202, "Accepted"},
                   {204, "No Content"},
                   {301, "Moved Permanently"},
                   {303, "See Other"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {406, "Not Acceptable"},
                   {412, "Precondition Failed"},
                   {413, "Payload Too Large"},
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

/* What was answered as JSON becomes a text. */
static void write_reply(struct http_call *call)
{
    if (call->reply != NULL)
        json_append(&call->text, call->reply);
    json_decref(call->reply);
    call->reply = NULL;
}

/* Of HEAD the length is told that the answer has without. */
static void compress_text(struct http_call *call)
{
    bool is_long = call->rows != NULL || call->text.size >= GZIP_BYTES_MIN;
    if (!call->has_begun && is_long && !call->is_head && http_gzip_is_wanted(call->request))
        call->gzip = http_gzip_new();
    if (call->gzip != NULL)
        http_gzip_run(call->gzip, &call->text, call->rows == NULL);
}

static void send_answer(struct http_call *call, struct evbuffer *body)
{
    add_headers(call, body);
    evhttp_send_reply(call->request, call->status, phrase_of(call->status), body);
    http_call_free(call);
}

/* --- the end of a connection */

/* evhttp ends a connection, all of whose answers are sent, with no word to the other side, which
 * then cannot tell an end from a cut. */
static void on_end(struct evhttp_connection *connection, void *context)
{
    struct ssl_st *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(connection));
    (void)context;
    if (ssl != NULL)
        tls_say_end(ssl);
}

void http_say_when_it_ends(struct evhttp_connection *connection)
{
    evhttp_connection_set_closecb(connection, on_end, NULL);
}

/* --- long answers: the next piece is made when the client has taken the last one */

/* The client has gone; the request is ours where libevent has taken it from the connection. */
static void on_gone(struct evhttp_connection *connection, void *context)
{
    struct http_call *call = context;
    struct evhttp_request *request = call->request;
    (void)connection;
    http_call_free(call);
    if (request != NULL && evhttp_request_get_connection(request) == NULL)
        evhttp_send_reply_end(request);
}

static void on_taken(struct evhttp_connection *connection, void *context)
{
    struct http_call *call = context;
    http_say_when_it_ends(connection);
    http_crowd_wait_for_us(call->server->crowd, call->request);
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

static void end_sending(struct http_call *call)
{
    struct evhttp_request *request = call->request;
    http_call_free(call);
    evhttp_send_reply_end(request);
}

static void send_piece(struct http_call *call, struct evbuffer *body)
{
    bool is_last = call->rows == NULL || call->is_head;
    if (!call->has_begun)
        begin_sending(call, body);
    struct evhttp_connection *connection = evhttp_request_get_connection(call->request);
    if (is_last || connection == NULL) {
        evhttp_send_reply_chunk(call->request, body);
        end_sending(call);
    } else {
        evhttp_connection_set_closecb(connection, on_gone, call);
        evhttp_send_reply_chunk_with_cb(call->request, body, on_taken, call);
    }
}

void http_call_finish(struct http_call *call)
{
    CHECK(call->status != 0);
    if (call->server == NULL) {
        http_call_free(call);
        return;
    }
    if (!call->has_begun) {
        http_shape_reply(call);
        bound_answers(call);
    }
    struct evbuffer *body = evbuffer_new();
    CHECK(body != NULL);
    http_crowd_forget_request(call->server->crowd, call->request);
    http_crowd_wait_for_client(call->server->crowd, call->request);
    write_reply(call);
    compress_text(call);
    if (call->text.size > 0)
        give_text(call, body);
    if (call->has_begun || call->rows != NULL)
        send_piece(call, body);
    else
        send_answer(call, body);
    evbuffer_free(body);
}
