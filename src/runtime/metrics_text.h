/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_RUNTIME_METRICS_TEXT_H
#define LEVERET_RUNTIME_METRICS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/login_counts.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "base/octets.h"
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
    struct octets octets; /* of all connections */
    struct {
        uint64_t succeeded, failed;
    } logins[LOGIN_PROTOCOLS];
    unsigned alarms; /* enum vhost_alarm */
    uint64_t started_s;
    uint64_t statistics_bytes; /* memory of rates and histories */
};

/* Where lines go, and what stands before each name: "rabbitmq_" or "rabbitmq_detailed_". */
struct metrics_out {
    struct buffer *text;
    const char *prefix;
};

/* Who it is, which stands before everything else. */
void metrics_put_identity(struct buffer *text, const struct metrics_facts *facts);
/* Those of the whole server; with_totals: also the totals of what objects have one by one. */
void metrics_put_server(const struct metrics_out *out, const struct metrics_facts *facts,
                        bool with_totals);
/* What the memory is used for. */
void metrics_put_memory(const struct metrics_out *out, const struct metrics_facts *facts);
/* Those of a family of /metrics/detailed that is about the whole server; number from 0 on. False
 * behind the last one. */
bool metrics_server_family(size_t number, const char **name,
                           void (**put)(const struct metrics_out *out,
                                        const struct metrics_facts *facts));

/* The lines about a metric, which stand before its values. */
void metrics_put_head(const struct metrics_out *out, const char *name, const char *type,
                      const char *help);
/* The text of a label between quotes. */
void metrics_append_label(struct buffer *text, struct bytes value);

#endif
