/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evhttp has a limit for the size of a request and a time after which a silent connection ends. It
 * has none for how many connections there are, and where no descriptor is left it asks for the next
 * one again and again, with a warning each time; none for how long a request may take that comes a
 * byte at a time; and none for what all of them together have in memory. Those are here.
 *
 * evhttp does not say when a connection ends. But then it takes its callbacks off the bufferevent,
 * to which a reference is kept here; those without are looked for each second, and before another
 * client comes in. With too many of them the listeners rest, and after an accept that failed until
 * the next second.
 *
 * A server may have a door without TLS, one with it, or both, each with an evhttp of its own; the
 * bounds are for all connections together, and hold from the first byte of a handshake.
 */
#include "http/http_crowd.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/list.h"
#include "base/xmalloc.h"
#include "net/tls.h"

enum { REPLY_S = 600 }; /* until a client has taken what was last sent to it */

struct door {
    struct http_crowd *crowd;
    struct evconnlistener *listener; /* evhttp's */
    struct tls_context *tls;         /* borrowed; NULL: without */
};

struct http_crowd {
    struct event_base *base; /* borrowed */
    struct http_bounds bounds;
    struct door doors[HTTP_DOORS_MAX];
    size_t door_count;
    struct event *tick;  /* owned; every second */
    unsigned now_s;      /* since the start, by the tick */
    struct list clients; /* of struct client */
    size_t client_count;
    size_t waiting_bytes;
};

struct client {
    struct list_node in_clients;
    struct http_crowd *crowd;
    struct bufferevent *stream; /* a reference beside evhttp's */
    size_t waiting_bytes;
    unsigned since_s; /* when something was sent to it, or it came */
    bool waits_for_us;
};

static void accept_or_rest(struct http_crowd *crowd)
{
    for (size_t i = 0; i < crowd->door_count; i++) {
        if (crowd->client_count < crowd->bounds.clients_max)
            evconnlistener_enable(crowd->doors[i].listener);
        else
            evconnlistener_disable(crowd->doors[i].listener);
    }
}

static void forget_waiting(struct client *client)
{
    client->crowd->waiting_bytes -= client->waiting_bytes;
    client->waiting_bytes = 0;
}

/* evhttp then sees the connection's end. */
static void shut(const struct client *client)
{
    (void)shutdown(bufferevent_getfd(client->stream), SHUT_RDWR);
}

static void on_input(struct evbuffer *input, const struct evbuffer_cb_info *change, void *context)
{
    struct client *client = context;
    struct http_crowd *crowd = client->crowd;
    (void)input;
    client->waiting_bytes += change->n_added;
    crowd->waiting_bytes += change->n_added;
    if (change->n_added > 0 && crowd->waiting_bytes > crowd->bounds.waiting_bytes_max)
        shut(client);
}

static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *change, void *context)
{
    struct client *client = context;
    (void)output;
    if (change->n_added > 0)
        client->since_s = client->crowd->now_s;
}

static bool has_ended(const struct client *client)
{
    bufferevent_event_cb on_event;
    bufferevent_getcb(client->stream, NULL, NULL, &on_event, NULL);
    return on_event == NULL;
}

static void free_client(struct client *client)
{
    forget_waiting(client);
    evbuffer_remove_cb(bufferevent_get_input(client->stream), on_input, client);
    evbuffer_remove_cb(bufferevent_get_output(client->stream), on_output, client);
    bufferevent_decref(client->stream);
    free(client);
}

static void forget_ended(struct http_crowd *crowd)
{
    list_for_each(&crowd->clients, node)
    {
        struct client *client = list_entry(node, struct client, in_clients);
        if (!has_ended(client))
            continue;
        list_remove(&client->in_clients);
        crowd->client_count--;
        free_client(client);
    }
}

static void shut_if_late(const struct client *client)
{
    bool is_sending = evbuffer_get_length(bufferevent_get_output(client->stream)) > 0;
    unsigned patience_s = is_sending ? REPLY_S : client->crowd->bounds.request_s;
    if (!client->waits_for_us && client->crowd->now_s - client->since_s > patience_s)
        shut(client);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct http_crowd *crowd = context;
    (void)fd, (void)what;
    crowd->now_s++;
    list_for_each(&crowd->clients, node)
    {
        shut_if_late(list_entry(node, struct client, in_clients));
    }
    forget_ended(crowd);
    accept_or_rest(crowd);
}

/* No descriptor is left: the next tick tries again. */
static void on_listener_error(struct evconnlistener *listener, void *context)
{
    (void)context;
    evconnlistener_disable(listener);
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

static struct bufferevent *let_in(struct event_base *base, void *context)
{
    const struct door *door = context;
    struct http_crowd *crowd = door->crowd;
    struct client *client = xcalloc(1, sizeof *client);
    forget_ended(crowd);
    client->crowd = crowd;
    client->since_s = crowd->now_s;
    client->stream = make_stream(base, door->tls);
    CHECK(client->stream != NULL);
    bufferevent_incref(client->stream);
    CHECK(evbuffer_add_cb(bufferevent_get_input(client->stream), on_input, client) != NULL);
    CHECK(evbuffer_add_cb(bufferevent_get_output(client->stream), on_output, client) != NULL);
    list_push_back(&crowd->clients, &client->in_clients);
    crowd->client_count++;
    accept_or_rest(crowd);
    return client->stream;
}

/* --- requests */

/* NULL where the client has gone. */
static struct client *client_of(const struct http_crowd *crowd, struct evhttp_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    if (connection == NULL)
        return NULL;
    const struct bufferevent *stream = evhttp_connection_get_bufferevent(connection);
    list_for_each(&crowd->clients, node)
    {
        struct client *client = list_entry(node, struct client, in_clients);
        if (client->stream == stream)
            return client;
    }
    return NULL;
}

void http_crowd_wait_for_us(struct http_crowd *crowd, struct evhttp_request *request)
{
    struct client *client = client_of(crowd, request);
    if (client != NULL)
        client->waits_for_us = true;
}

void http_crowd_wait_for_client(struct http_crowd *crowd, struct evhttp_request *request)
{
    struct client *client = client_of(crowd, request);
    if (client == NULL)
        return;
    client->waits_for_us = false;
    client->since_s = crowd->now_s;
}

void http_crowd_forget_request(struct http_crowd *crowd, struct evhttp_request *request)
{
    struct client *client = client_of(crowd, request);
    if (client != NULL)
        forget_waiting(client);
}

bool http_crowd_has_room(struct http_crowd *crowd, struct evhttp_request *request, size_t bytes)
{
    struct client *client = client_of(crowd, request);
    if (client == NULL)
        return false;
    client->waiting_bytes += bytes;
    crowd->waiting_bytes += bytes;
    return crowd->waiting_bytes <= crowd->bounds.waiting_bytes_max;
}

/* --- the crowd */

struct http_crowd *http_crowd_new(struct event_base *base, const struct http_bounds *bounds)
{
    static const struct timeval second = {.tv_sec = 1};
    struct http_crowd *crowd = xcalloc(1, sizeof *crowd);
    crowd->base = base;
    crowd->bounds = *bounds;
    list_init(&crowd->clients);
    crowd->tick = event_new(base, -1, EV_PERSIST, on_tick, crowd);
    CHECK(crowd->tick != NULL && event_add(crowd->tick, &second) == 0);
    return crowd;
}

void http_crowd_open(struct http_crowd *crowd, struct evhttp *http, int listening_fd,
                     struct tls_context *tls)
{
    CHECK(crowd->door_count < HTTP_DOORS_MAX);
    struct door *door = &crowd->doors[crowd->door_count++];
    door->crowd = crowd;
    door->tls = tls;
    door->listener = evconnlistener_new(
        crowd->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listening_fd);
    CHECK(door->listener != NULL);
    evhttp_set_bevcb(http, let_in, door);
    CHECK(evhttp_bind_listener(http, door->listener) != NULL);
    evconnlistener_set_error_cb(door->listener, on_listener_error);
}

void http_crowd_free(struct http_crowd *crowd)
{
    event_free(crowd->tick);
    forget_ended(crowd);
    CHECK(crowd->client_count == 0);
    free(crowd);
}
