/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_ACCEPTOR_H
#define LEVERET_NET_ACCEPTOR_H

#include <event2/event_struct.h>
#include <stdbool.h>

/* Accepts what comes to a listening socket, on a loop; used by that loop's thread alone. */

/* A connection came: the socket is nonblocking, and the callee's. */
typedef void acceptor_on_accept(void *context, int fd);
/* Something that the log should tell (out of descriptors, and that it is over). */
typedef void acceptor_on_trouble(void *context, const char *text);

struct acceptor {
    int fd;           /* borrowed; nonblocking */
    const char *what; /* borrowed; is accepted, in the plural, for on_trouble */
    acceptor_on_accept *on_accept;
    void *context;                   /* borrowed */
    acceptor_on_trouble *on_trouble; /* may be NULL */
    void *trouble_context;           /* borrowed */
    /* Private from here on. */
    bool is_started;
    bool is_in_trouble;
    struct event accept_event;
    struct event retry_event;
};

/* The public members are set, the others zero. */
void acceptor_start(struct acceptor *acceptor, struct event_base *base);
/* Where it was not started, nothing happens. */
void acceptor_stop(struct acceptor *acceptor);

#endif
