/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_SERVER_TOP_H
#define LEVERET_RUNTIME_SERVER_TOP_H

struct server;
struct server_top;

/* What `leveretctl top` asks for; main thread. */

struct server_top *server_top_new(struct server *server);
/* Now and then: forgets what it knows for somebody who does not look any more. */
void server_top_tick(struct server_top *top);
/* No look is under way any more. */
void server_top_free(struct server_top *top);

#endif
