/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_SERVER_LISTING_H
#define LEVERET_RUNTIME_SERVER_LISTING_H

#include "broker/vhost.h"

struct gate;
struct http_peer;
struct server;

/* Visits all of one kind: see vhost_list. The core is asked for a bounded number of them at a time,
 * which are copied, and visited while others have the core. Not from a reactor; where the server is
 * ending it ends early. */
void server_list(const struct server *server, struct gate *gate,
                 const struct vhost_visitor *visitor);

/* The same for all connections that are in one of these vhosts, which the reactors know. */
typedef void server_peer_visitor(void *context, const struct http_peer *peer,
                                 const struct session_status *session);
void server_list_peers(const struct server *server, struct gate *const *gates, size_t gate_count,
                       server_peer_visitor *visit, void *context);

#endif
