/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_SERVER_METRICS_H
#define LEVERET_RUNTIME_SERVER_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct server;
struct server_metrics;

/* Binds the socket for Prometheus; *metrics is NULL where there is to be none, or where its default
 * port is another's. False with a reason where a port was named and cannot be had. */
bool server_metrics_open(struct server *server, struct server_metrics **metrics, char *reason,
                         size_t reason_size) __attribute__((warn_unused_result));
/* Begins to serve, on a thread of its own: everything else is there. metrics may be NULL, as in the
 * next ones. */
void server_metrics_start(struct server_metrics *metrics);
/* Returns when its thread has ended. */
void server_metrics_stop(struct server_metrics *metrics);
void server_metrics_free(struct server_metrics *metrics);

/* 0: it does not listen. */
uint16_t server_metrics_port(const struct server_metrics *metrics);

#endif
