/* SPDX-License-Identifier: Apache-2.0 */
/*
 * evhttp takes as many connections as there are descriptors, and where there are none left it asks
 * for the next one again and again, with a warning each time. Here its listener rests while there
 * are enough of them, and after an accept that failed until the next second.
 *
 * evhttp does not say when a connection ends. But then it takes its callbacks off the bufferevent,
 * to which a reference is kept here; those without are looked for each second, and before another
 * client comes in.
 */
#include "http/http_crowd.h"

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"

struct http_crowd {
    struct evconnlistener *listener; /* evhttp's */
    struct event *tick;              /* owned */
    size_t max, count, capacity;
    struct bufferevent **streams; /* owned, with a reference to each */
};

static bool has_ended(struct bufferevent *stream)
{
    bufferevent_event_cb on_event;
    bufferevent_getcb(stream, NULL, NULL, &on_event, NULL);
    return on_event == NULL;
}

static void forget_ended(struct http_crowd *crowd)
{
    size_t kept = 0;
    for (size_t i = 0; i < crowd->count; i++) {
        if (has_ended(crowd->streams[i]))
            bufferevent_decref(crowd->streams[i]);
        else
            crowd->streams[kept++] = crowd->streams[i];
    }
    crowd->count = kept;
}

static void on_tick(evutil_socket_t fd, short what, void *context)
{
    struct http_crowd *crowd = context;
    (void)fd, (void)what;
    forget_ended(crowd);
    if (crowd->count < crowd->max)
        evconnlistener_enable(crowd->listener);
}

/* No descriptor is left: the next tick tries again. */
static void on_listener_error(struct evconnlistener *listener, void *context)
{
    (void)context;
    evconnlistener_disable(listener);
}

/* evhttp gives it its socket. */
static struct bufferevent *make_stream(struct event_base *base, void *context)
{
    struct http_crowd *crowd = context;
    struct bufferevent *stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    CHECK(stream != NULL);
    forget_ended(crowd);
    crowd->streams =
        xgrow(crowd->streams, &crowd->capacity, crowd->count + 1, sizeof crowd->streams[0]);
    bufferevent_incref(stream);
    crowd->streams[crowd->count++] = stream;
    if (crowd->count >= crowd->max)
        evconnlistener_disable(crowd->listener);
    return stream;
}

struct http_crowd *http_crowd_new(struct event_base *base, struct evhttp *http, int listening_fd,
                                  size_t max)
{
    static const struct timeval second = {.tv_sec = 1};
    struct http_crowd *crowd = xcalloc(1, sizeof *crowd);
    crowd->max = max;
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
    free(crowd->streams);
    free(crowd);
}
