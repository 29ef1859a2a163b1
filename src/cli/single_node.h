/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_CLI_SINGLE_NODE_H
#define LEVERET_CLI_SINGLE_NODE_H

#include <stddef.h>

struct json_t;
struct options;

/* What commands about clusters say where there is one server: as RabbitMQ of one node. Each prints
 * from the server's answer to "diagnosis" and returns the exit status. */
int single_node_check_quorum(const struct json_t *answer, const struct options *options);
int single_node_check_mirrors(const struct json_t *answer, const struct options *options);
int single_node_await_nodes(const struct json_t *answer, const struct options *options);
int single_node_health(const struct json_t *answer, const struct options *options);
int single_node_restart_vhost(const struct json_t *answer, const struct options *options);
int single_node_await_quorum(const struct json_t *answer, const struct options *options);
int single_node_await_mirrors(const struct json_t *answer, const struct options *options);
/* The same from the answer to "queue_facts". */
int single_node_quorum_status(const struct json_t *answer, const struct options *options);
int single_node_stream_status(const struct json_t *answer, const struct options *options);
int single_node_reclaim(const struct json_t *answer, const struct options *options);
/* From the answer to "rebalance". */
int single_node_rebalance(const struct json_t *answer, const struct options *options);

/* Looks at the words before the server is asked; see struct command. */
const char *single_node_check_count(char *const *words, size_t count, int *status);

/* What RabbitMQ 4 asks before and after upgrades. */
int single_node_check_leaders(const struct json_t *answer, const struct options *options);
int single_node_check_deprecated(const struct json_t *answer, const struct options *options);
int single_node_check_mirroring(const struct json_t *answer, const struct options *options);
int single_node_check_metadata(const struct json_t *answer, const struct options *options);
int single_node_check_replicas(const struct json_t *answer, const struct options *options);
int single_node_post_upgrade(const struct json_t *answer, const struct options *options);
int single_node_reconcile(const struct json_t *answer, const struct options *options);

#endif
