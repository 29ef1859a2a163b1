/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_METRICS_OBJECTS_H
#define LEVERET_RUNTIME_METRICS_OBJECTS_H

#include "runtime/metrics_text.h"

/* Metrics that each object of a kind has. */
enum metric_kind {
    METRIC_QUEUE,      /* struct queue_view */
    METRIC_CHANNEL,    /* struct channel_status */
    METRIC_SESSION,    /* struct session_status: a connection, as its vhost knows it, */
    METRIC_CONNECTION, /* struct connection_traffic: and as its reactor does */
    METRIC_EXCHANGE,   /* struct exchange_status */
    METRIC_VHOST,      /* there is nothing but its name */
};

struct object_metric;
/* NULL behind the last one. */
const struct object_metric *metrics_of_objects(size_t number);
enum metric_kind metrics_kind(const struct object_metric *metric);
/* Is it of that family in /metrics/detailed? */
bool metrics_is_of_family(const struct object_metric *metric, const char *family);
/* Is it in /metrics/detailed alone? */
bool metrics_is_detailed(const struct object_metric *metric);

/* Its lines about itself, then one for each object; metrics about exchanges and vhosts have a
 * prefix of their own. */
void metrics_begin(const struct metrics_out *out, const struct object_metric *metric);
void metrics_add(const struct metrics_out *out, const struct object_metric *metric,
                 struct bytes vhost, const void *object);

#endif
