/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_METRICS_TEXT_H
#define LEVERET_RUNTIME_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "broker/vhost.h"
#include "http/http_call.h"

/*
 * Metrics in the text format of Prometheus, under the names that RabbitMQ's plug-in gives them.
 */

/* What the metrics of the server are made of. */
struct metrics_facts {
    const char *node, *cluster, *endpoint;
    const char *product_name, *product_version;
    struct vhost_counters counters; /* of all vhosts */
    struct http_node_facts facts;
    unsigned alarms; /* enum vhost_alarm */
    uint64_t started_s;
};

/* Those of the whole server; with_queues: also the totals of what metrics_of_queues has. */
void metrics_of_server(struct buffer *text, const struct metrics_facts *facts, bool with_queues);

/* A metric that each queue has. */
struct queue_metric;
/* is_detailed: of /metrics/detailed, of the families there (NULL: all). NULL behind the last one.
 */
const struct queue_metric *metrics_of_queues(size_t number);
bool metrics_is_of_family(const struct queue_metric *metric, const char *family);
/* Its lines about itself, then one for each queue. prefix: "rabbitmq_" or "rabbitmq_detailed_". */
void metrics_begin(struct buffer *text, const char *prefix, const struct queue_metric *metric);
void metrics_add_queue(struct buffer *text, const char *prefix, const struct queue_metric *metric,
                       struct bytes vhost, const struct queue_view *queue);

/* The text of a label between quotes. */
void metrics_append_label(struct buffer *text, struct bytes value);

#endif
