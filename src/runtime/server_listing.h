/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_SERVER_LISTING_H
#define LEVERET_RUNTIME_SERVER_LISTING_H

#include "broker/vhost.h"

struct gate;
struct server;

/* Visits all of one kind: see vhost_list. The core is asked for a bounded number of them at a time,
 * which are copied, and visited while others have the core. Not from a reactor; where the server is
 * ending it ends early. */
void server_list(const struct server *server, struct gate *gate,
                 const struct vhost_visitor *visitor);

#endif
