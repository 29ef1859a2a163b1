/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_SERVER_STATS_H
#define LEVERET_RUNTIME_SERVER_STATS_H

#include "base/octets.h"
#include "broker/vhost.h"
#include "http/http_call.h"

struct server;
struct server_stats;

/* Main thread: makes what rates and histories are kept in. */
struct server_stats *server_stats_new(struct server *server);
/* Main thread, a few times a second: begins a pass over all objects where one is due. */
void server_stats_tick(struct server_stats *stats);
/* No pass is under way any more. */
void server_stats_free(struct server_stats *stats);

struct statistics *server_stats_statistics(struct server_stats *stats);

/* --- any thread: what the last pass found */

/* The counters of a vhost. False where the vhost was in no pass yet. */
bool server_stats_vhost(struct server_stats *stats, const char *vhost,
                        struct vhost_counters *counters);
/* The same of all together, those that were deleted included where they count what was. */
void server_stats_total(struct server_stats *stats, struct vhost_counters *counters);
/* What all connections have read and written. */
struct octets server_stats_octets(struct server_stats *stats);
/* The alarms in effect (enum vhost_alarm). */
unsigned server_stats_alarms(struct server_stats *stats);
/* What the node uses; what may be asked for at once is of now. */
void server_stats_node(struct server_stats *stats, struct http_node_facts *facts);

#endif
