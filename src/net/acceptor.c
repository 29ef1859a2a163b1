/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A wake-up accepts a bounded number of connections, so that a storm of them does not keep the loop
 * from the ones it has. When the process has no descriptor left, accept fails without taking the
 * connection from the queue, and the socket would stay readable for ever: the acceptor then stops
 * listening to its event and tries again after a moment.
 */
#define _GNU_SOURCE /* accept4 */
#include "net/acceptor.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { accepts_per_turn = 64, retry_ms = 200 };

/* error 0: it is over. */
static void tell(const struct acceptor *acceptor, int error)
{
    char text[128];
    if (error != 0)
        snprintf(text, sizeof text, "accepting no %s for now: %s", acceptor->what, strerror(error));
    else
        snprintf(text, sizeof text, "accepting %s again", acceptor->what);
    if (acceptor->on_trouble != NULL)
        acceptor->on_trouble(acceptor->trouble_context, text);
}

static void pause_accepting(struct acceptor *acceptor, int error)
{
    struct timeval delay = {.tv_sec = 0, .tv_usec = retry_ms * 1000};
    if (!acceptor->is_in_trouble)
        tell(acceptor, error);
    acceptor->is_in_trouble = true;
    event_del(&acceptor->accept_event);
    event_add(&acceptor->retry_event, &delay);
}

/* Does the failure concern the one connection that was waiting, not the process? */
static bool is_of_the_peer(int error)
{
    switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case EINTR:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

static bool accept_one(struct acceptor *acceptor)
{
    int fd = accept4(acceptor->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (is_of_the_peer(errno))
            return true;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            pause_accepting(acceptor, errno);
        return false;
    }
    if (acceptor->is_in_trouble) {
        acceptor->is_in_trouble = false;
        tell(acceptor, 0);
    }
    acceptor->on_accept(acceptor->context, fd);
    return true;
}

static void on_acceptable(evutil_socket_t fd, short what, void *context)
{
    struct acceptor *acceptor = context;
    (void)fd, (void)what;
    for (int i = 0; i < accepts_per_turn && accept_one(acceptor); i++)
        ;
}

static void on_retry(evutil_socket_t fd, short what, void *context)
{
    struct acceptor *acceptor = context;
    (void)fd, (void)what;
    event_add(&acceptor->accept_event, NULL);
}

void acceptor_start(struct acceptor *acceptor, struct event_base *base)
{
    acceptor->is_started = true;
    event_assign(&acceptor->accept_event, base, acceptor->fd, EV_READ | EV_PERSIST, on_acceptable,
                 acceptor);
    event_assign(&acceptor->retry_event, base, -1, 0, on_retry, acceptor);
    event_add(&acceptor->accept_event, NULL);
}

void acceptor_stop(struct acceptor *acceptor)
{
    if (!acceptor->is_started)
        return;
    event_del(&acceptor->accept_event);
    event_del(&acceptor->retry_event);
    acceptor->is_started = false;
}
