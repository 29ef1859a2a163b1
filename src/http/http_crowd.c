/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evhttp takes as many connections as there are descriptors, and where there are none left it asks
 * for the next one again and again, with a warning each time. Here its listener rests while there
 * are enough of them, and after an accept that failed until the next second.
 *
 * evhttp does not say when a connection ends. But then it takes its callbacks off the bufferevent,
 * to which a reference is kept here; those without are looked for each second, and before another
 * client comes in.
 *
 * evhttp's own time-out is for silence: who sends a byte now and then, and never a request, would
 * keep his place for ever, and a few of them everybody else's.
 */
#include "http/http_crowd.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/list.h"
#include "base/xmalloc.h"

enum { REPLY_S = 600 }; /* until a client has taken what was answered */

struct http_crowd {
    struct evconnlistener *listener; /* evhttp's */
    struct event *tick;              /* owned */
    size_t max, count;
    unsigned request_s;
    unsigned now_s;      /* since the start, by the tick */
    struct list clients; /* of struct client */
};

struct client {
    struct list_node in_clients;
    struct http_crowd *crowd;
    struct bufferevent *stream; /* a reference beside evhttp's */
    unsigned since_s;           /* when something was answered, or the client came */
};

static bool has_ended(const struct client *client)
{
    bufferevent_event_cb on_event;
    bufferevent_getcb(client->stream, NULL, NULL, &on_event, NULL);
    return on_event == NULL;
}

static void forget_ended(struct http_crowd *crowd)
{
    list_for_each(&crowd->clients, node)
    {
        struct client *client = list_entry(node, struct client, in_clients);
        if (!has_ended(client))
            continue;
        list_remove(&client->in_clients);
        crowd->count--;
        bufferevent_decref(client->stream);
        free(client);
    }
}

/* evhttp then sees the connection's end. */
static void shut_if_late(const struct client *client)
{
    bool is_sending = evbuffer_get_length(bufferevent_get_output(client->stream)) > 0;
    unsigned patience_s = is_sending ? REPLY_S : client->crowd->request_s;
    if (client->crowd->now_s - client->since_s > patience_s)
        (void)shutdown(bufferevent_getfd(client->stream), SHUT_RDWR);
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct http_crowd *crowd = context;
    (void)fd, (void)what;
    crowd->now_s++;
    forget_ended(crowd);
    list_for_each(&crowd->clients, node)
    {
        shut_if_late(list_entry(node, struct client, in_clients));
    }
    if (crowd->count < crowd->max)
        evconnlistener_enable(crowd->listener);
}

/* No descriptor is left: the next tick tries again. */
static void on_listener_error(struct evconnlistener *listener, void *context)
{
    (void)context;
    evconnlistener_disable(listener);
}

static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *change, void *context)
{
    struct client *client = context;
    (void)output;
    if (change->n_added > 0)
        client->since_s = client->crowd->now_s;
}

/* evhttp gives it its socket. */
static struct bufferevent *make_stream(struct event_base *base, void *context)
{
    struct http_crowd *crowd = context;
    struct client *client = xcalloc(1, sizeof *client);
    forget_ended(crowd);
    client->crowd = crowd;
    client->since_s = crowd->now_s;
    client->stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    CHECK(client->stream != NULL);
    CHECK(evbuffer_add_cb(bufferevent_get_output(client->stream), on_output, client) != NULL);
    bufferevent_incref(client->stream);
    list_push_back(&crowd->clients, &client->in_clients);
    if (++crowd->count >= crowd->max)
        evconnlistener_disable(crowd->listener);
    return client->stream;
}

struct http_crowd *http_crowd_new(struct event_base *base, struct evhttp *http, int listening_fd,
                                  size_t max, unsigned request_s)
{
    static const struct timeval second = {.tv_sec = 1};
    struct http_crowd *crowd = xcalloc(1, sizeof *crowd);
    crowd->max = max;
    crowd->request_s = request_s;
    list_init(&crowd->clients);
    crowd->listener = evconnlistener_new(
        base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listening_fd);
    crowd->tick = event_new(base, -1, EV_PERSIST, on_tick, crowd);
    CHECK(crowd->listener != NULL && crowd->tick != NULL && event_add(crowd->tick, &second) == 0);
    evhttp_set_bevcb(http, make_stream, crowd);
    CHECK(evhttp_bind_listener(http, crowd->listener) != NULL);
    evconnlistener_set_error_cb(crowd->listener, on_listener_error);
    return crowd;
}

void http_crowd_free(struct http_crowd *crowd)
{
    event_free(crowd->tick);
    forget_ended(crowd);
    CHECK(crowd->count == 0);
    free(crowd);
}
