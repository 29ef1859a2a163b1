/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_HTTP_HTTP_SERVER_H
#define LEVERET_HTTP_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "http/http_call.h"

struct config;
struct event_base;
struct tls_context;

/*
 * The management API: a server for HTTP on an event base of its own, so that no client of it comes
 * near a thread that has messages. Its functions are for that base's thread, but where another is
 * named.
 */
struct http_server;

/* What a client says it is. */
struct http_login {
    struct bytes user;
    struct bytes password;
    const char *peer_address;
    bool is_loopback;
};

/* What the server needs others for. */
struct http_hooks {
    /* Is it right? To be answered with http_call_let_in or http_call_turn_away, now or later. The
     * login is the call's, and stays as long. */
    void (*log_in)(void *context, struct http_call *call, const struct http_login *login);
    /* http_call_handle is to be called on the directory's thread; for each piece of a long answer
     * again. */
    void (*handle)(void *context, struct http_call *call);
    /* On the directory's thread: http_call_finish is to be called on that of the base. */
    void (*finish)(void *context, struct http_call *call);
    void *context;
};

/* Where clients come from. */
struct http_socket {
    int listening_fd;        /* the server takes it over */
    struct tls_context *tls; /* borrowed: outlives the server; NULL: without TLS */
};

/* Serves what connects to the sockets, HTTP_DOORS_MAX at most. */
struct http_server *http_server_new(struct event_base *base, const struct http_socket *sockets,
                                    size_t socket_count, const struct config *config,
                                    const struct http_hooks *hooks);
/* Ends all connections. Calls that a hook has are still to come back, to http_call_finish, which
 * then only frees them. */
void http_server_free(struct http_server *server);

/* Does the route go by which vhosts the user may enter? The hook then tells each of those that it
 * asks for before it lets the user in. */
bool http_call_lists_vhosts(const struct http_call *call);
bool http_call_asks_for_vhost(const struct http_call *call, const char *vhost);
void http_call_add_vhost(struct http_call *call, const char *vhost);
void http_call_add_tag(struct http_call *call, const char *tag);
/* user: by which name it is known from here on. */
void http_call_let_in(struct http_call *call, const char *user);
void http_call_turn_away(struct http_call *call);
/* The directory's thread. */
void http_call_handle(const struct http_context *context, struct http_call *call);
void http_call_finish(struct http_call *call);

/* For whoever carries a call from one thread to another. */
void http_call_set_carrier(struct http_call *call, void *carrier);
void *http_call_carrier(const struct http_call *call);

#endif
