/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_SERVER_H
#define LEVERET_RUNTIME_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/users.h"
#include "config/config.h"
#include "runtime/gate.h"

/* The whole broker in one process: reactors, store threads, vhosts, listeners, control socket. */
struct login_counts;
struct server;

/* Starts everything but the main loop; config is borrowed. NULL with a reason. */
struct server *server_start(const struct config *config, char *reason, size_t reason_size);

/* How the configuration is read again, from where it was read before: fills config, which was
 * initialised, and checks it. Before server_run. */
typedef bool server_loader(void *context, struct config *config, struct config_messages *messages);
void server_set_loader(struct server *server, server_loader *load, void *context);

/* Serves until a signal or leveretctl stops it. */
void server_run(struct server *server);

/* Closes connections, brings everything to disk, and ends. */
void server_free(struct server *server);

/* --- for reactors, on their threads */

const struct config *server_config(const struct server *server);
/* Of all reactors; those that are only being accepted count. */
size_t server_connection_count(const struct server *server);
size_t server_channel_count(const struct server *server);
/* The current users; the caller ends the reference. */
struct users *server_users(struct server *server);
/* For threads that make messages or free them; NULL: they do it with malloc and free. */
struct message_pool *server_messages(struct server *server);
/* What clients are told in connection.start: appends the table. */
void server_append_properties(struct server *server, struct buffer *table);
/* The name of the cluster that is told there; the caller frees it. */
char *server_cluster_name(struct server *server);
/* The back ends that logins and permissions are asked of, and the threads for that. */
struct auth_chain *server_auth_chain(struct server *server);
struct worker_pool *server_workers(struct server *server);
/* Where events go. */
struct event_bus *server_events(struct server *server);
struct user_totals_table *server_user_totals(struct server *server);
struct login_counts *server_logins(struct server *server);
/* A number for one more connection, from 1. */
uint64_t server_number_connection(struct server *server);
uint64_t server_started_s(const struct server *server);
/* The gate of a vhost with a reference, NULL where there is no such vhost. */
struct gate *server_find_gate(struct server *server, struct bytes vhost);
void server_release_gate(struct server *server, struct gate *gate);

#endif
