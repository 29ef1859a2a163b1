/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_LISTENER_H
#define LEVERET_NET_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/acceptor.h"

struct config_socket_options;

/* A listening TCP socket on a loop; used by that loop's thread alone. */
struct listener;

enum { LISTENER_REASON_SIZE = 256 };

/* Binds and listens, but accepts nothing before listener_start, so that ports are known to be free
 * before anything else happens. address: numeric, NULL for every address of the machine (IPv4 and
 * IPv6). Accepted sockets have the options. NULL with a reason where it fails. */
struct listener *listener_new(const char *address, uint16_t port,
                              const struct config_socket_options *options,
                              char reason[LISTENER_REASON_SIZE]);
/* The same for HTTP: what was answered is sent still when the socket is closed, and no reset of the
 * connection takes it from the client (linger.timeout = 0 does not apply). */
struct listener *listener_new_lasting(const char *address, uint16_t port,
                                      const struct config_socket_options *options,
                                      char reason[LISTENER_REASON_SIZE]);
/* Stops accepting and closes. */
void listener_free(struct listener *listener);

/* on_trouble may be NULL. */
void listener_start(struct listener *listener, struct event_base *base,
                    acceptor_on_accept *on_accept, acceptor_on_trouble *on_trouble, void *context);

bool listener_is_started(const struct listener *listener);

/* Gives its socket away, which has accepted nothing, and ends. */
int listener_give_away(struct listener *listener);

/* The bound port, also where any free one was asked for. */
uint16_t listener_port(const struct listener *listener);

#endif
