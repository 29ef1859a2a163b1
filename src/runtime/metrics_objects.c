/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Prometheus is told of each queue, channel, connection, exchange and vhost. All lines of a
 * metric stand together, as the format demands; so they are written metric by metric.
 *
 * RabbitMQ names channels and connections by the process that serves them; here it is by their
 * names. A channel is counted as a whole, where RabbitMQ does it for each exchange and queue that
 * it uses: those labels are not there.
 */
#include "runtime/metrics_objects.h"

#include <stddef.h>
#include <string.h>

#include "runtime/reactor.h"

enum value_kind { VALUE_NUMBER, VALUE_SHARE, VALUE_ONE };

struct object_metric {
    const char *name;
    const char *families[2]; /* the second may be NULL */
    enum metric_kind kind;
    bool is_counter;
    const char *help;
    size_t offset, second; /* in the object's struct, of a uint64_t; second: added, or SIZE_MAX */
    enum value_kind value; /* a double at offset; no value but 1 */
};

#define AT(type, member) offsetof(struct type, member)
#define ONE(type, member) AT(type, member), SIZE_MAX, VALUE_NUMBER
#define TWO(type, first, second) AT(type, first), AT(type, second), VALUE_NUMBER
#define QUEUE_COARSE {"queue_coarse_metrics"}, METRIC_QUEUE
#define QUEUE {"queue_metrics"}, METRIC_QUEUE
#define QUEUE_DELIVERY {"queue_delivery_metrics"}, METRIC_QUEUE
#define CHANNEL {"channel_metrics"}, METRIC_CHANNEL
#define CHANNEL_EXCHANGE {"channel_exchange_metrics"}, METRIC_CHANNEL
#define CHANNEL_QUEUE {"channel_queue_metrics"}, METRIC_CHANNEL
#define DELIVERIES(member) ONE(channel_status, counters.deliveries.member)

static const struct object_metric metrics[] = {
    {"queue_messages_ready", QUEUE_COARSE, false, "Messages that wait", ONE(queue_view, ready)},
    {"queue_messages_unacked", QUEUE_COARSE, false, "Messages that wait for acks",
     ONE(queue_view, unacked)},
    {"queue_messages", QUEUE_COARSE, false, "Both", TWO(queue_view, ready, unacked)},
    {"queue_consumers",
     {"queue_consumer_count", "queue_metrics"},
     METRIC_QUEUE,
     false,
     "Consumers",
     ONE(queue_view, consumers)},
    {"queue_consumer_capacity", QUEUE, false,
     "Share of the time in which a consumer could take one", AT(queue_view, taker_share), SIZE_MAX,
     VALUE_SHARE},
    {"queue_consumer_utilisation", QUEUE, false, "The same", AT(queue_view, taker_share), SIZE_MAX,
     VALUE_SHARE},
    {"queue_process_memory_bytes", QUEUE, false, "Memory of the queue with its messages",
     ONE(queue_view, memory_bytes)},
    {"queue_messages_bytes", QUEUE, false, "Bodies of all messages",
     TWO(queue_view, ready_bytes, unacked_bytes)},
    {"queue_messages_ready_bytes", QUEUE, false, "Bodies of messages that wait",
     ONE(queue_view, ready_bytes)},
    {"queue_messages_unacked_bytes", QUEUE, false, "Bodies of messages that wait for acks",
     ONE(queue_view, unacked_bytes)},
    {"queue_messages_ram", QUEUE, false, "Ready messages that are in memory", ONE(queue_view, ram)},
    {"queue_messages_ram_bytes", QUEUE, false, "Their bodies", ONE(queue_view, ram_bytes)},
    {"queue_messages_persistent", QUEUE, false, "Messages that a restart leaves",
     ONE(queue_view, persistent)},
    {"queue_messages_persistent_bytes", QUEUE, false, "Their bodies",
     ONE(queue_view, persistent_bytes)},
    {"queue_messages_paged_out", QUEUE, false, "Messages that are on the disk alone",
     ONE(queue_view, paged_out)},
    {"queue_messages_paged_out_bytes", QUEUE, false, "Their bodies",
     ONE(queue_view, paged_out_bytes)},
    {"queue_disk_reads_total", QUEUE, true, "Messages read from the disk",
     ONE(queue_view, counters.disk_reads)},
    {"queue_disk_writes_total", QUEUE, true, "Messages written to the disk",
     ONE(queue_view, counters.disk_writes)},
    {"queue_messages_published_total",
     {"queue_delivery_metrics", "channel_queue_exchange_metrics"},
     METRIC_QUEUE,
     true,
     "Messages from publishers",
     ONE(queue_view, counters.publish)},
    {"queue_get_ack_total", QUEUE_DELIVERY, true, "Messages by basic.get with ack",
     ONE(queue_view, counters.deliveries.get)},
    {"queue_get_total", QUEUE_DELIVERY, true, "Messages by basic.get without ack",
     ONE(queue_view, counters.deliveries.get_no_ack)},
    {"queue_messages_delivered_ack_total", QUEUE_DELIVERY, true, "Messages to consumers that ack",
     ONE(queue_view, counters.deliveries.deliver)},
    {"queue_messages_delivered_total", QUEUE_DELIVERY, true,
     "Messages to consumers that do not ack", ONE(queue_view, counters.deliveries.deliver_no_ack)},
    {"queue_messages_redelivered_total", QUEUE_DELIVERY, true, "Messages that came again",
     ONE(queue_view, counters.deliveries.redeliver)},
    {"queue_messages_acked_total", QUEUE_DELIVERY, true, "Messages that were acked",
     ONE(queue_view, counters.deliveries.ack)},
    {"queue_get_empty_total", QUEUE_DELIVERY, true, "basic.get without a message",
     ONE(queue_view, counters.deliveries.get_empty)},
    {"channel_consumers", CHANNEL, false, "Consumers", ONE(channel_status, consumers)},
    {"channel_messages_unacked", CHANNEL, false, "Messages that wait for acks",
     ONE(channel_status, unacked)},
    {"channel_messages_unconfirmed", CHANNEL, false, "Messages that wait for confirms",
     ONE(channel_status, unconfirmed)},
    {"channel_messages_uncommitted", CHANNEL, false, "Messages that wait for a commit",
     ONE(channel_status, uncommitted)},
    {"channel_acks_uncommitted", CHANNEL, false, "Acks that wait for a commit",
     ONE(channel_status, acks_uncommitted)},
    {"consumer_prefetch", CHANNEL, false, "Limit of unacked messages for each new consumer",
     ONE(channel_status, prefetch_count)},
    {"channel_prefetch", CHANNEL, false, "Limit of unacked messages for all consumers",
     ONE(channel_status, prefetch_global)},
    {"channel_messages_published_total", CHANNEL_EXCHANGE, true, "Messages from publishers",
     ONE(channel_status, counters.publish)},
    {"channel_messages_confirmed_total", CHANNEL_EXCHANGE, true, "Messages that were confirmed",
     ONE(channel_status, counters.confirm)},
    {"channel_messages_unroutable_returned_total", CHANNEL_EXCHANGE, true,
     "Messages without a queue, returned", ONE(channel_status, counters.return_unroutable)},
    {"channel_messages_unroutable_dropped_total", CHANNEL_EXCHANGE, true,
     "Messages without a queue, dropped", ONE(channel_status, counters.drop_unroutable)},
    {"channel_get_ack_total", CHANNEL_QUEUE, true, "Messages by basic.get with ack",
     DELIVERIES(get)},
    {"channel_get_total", CHANNEL_QUEUE, true, "Messages by basic.get without ack",
     DELIVERIES(get_no_ack)},
    {"channel_messages_delivered_ack_total", CHANNEL_QUEUE, true, "Messages to consumers that ack",
     DELIVERIES(deliver)},
    {"channel_messages_delivered_total", CHANNEL_QUEUE, true,
     "Messages to consumers that do not ack", DELIVERIES(deliver_no_ack)},
    {"channel_messages_redelivered_total", CHANNEL_QUEUE, true, "Messages that came again",
     DELIVERIES(redeliver)},
    {"channel_messages_acked_total", CHANNEL_QUEUE, true, "Messages that were acked",
     DELIVERIES(ack)},
    {"channel_get_empty_total", CHANNEL_QUEUE, true, "basic.get without a message",
     DELIVERIES(get_empty)},
    {"connection_incoming_bytes_total",
     {"connection_coarse_metrics"},
     METRIC_CONNECTION,
     true,
     "Octets from the client",
     ONE(connection_traffic, read_bytes)},
    {"connection_outgoing_bytes_total",
     {"connection_coarse_metrics"},
     METRIC_CONNECTION,
     true,
     "Octets to the client",
     ONE(connection_traffic, written_bytes)},
    {"connection_incoming_packets_total",
     {"connection_metrics"},
     METRIC_CONNECTION,
     true,
     "Reads from the socket",
     ONE(connection_traffic, reads)},
    {"connection_outgoing_packets_total",
     {"connection_metrics"},
     METRIC_CONNECTION,
     true,
     "Writes to the socket",
     ONE(connection_traffic, writes)},
    {"connection_channels",
     {"connection_metrics"},
     METRIC_SESSION,
     false,
     "Channels",
     ONE(session_status, channels)},
    {"exchange_bindings",
     {"exchange_bindings"},
     METRIC_EXCHANGE,
     false,
     "Bindings that lead away from it",
     ONE(exchange_status, bindings)},
    {"exchange_name",
     {"exchange_names"},
     METRIC_EXCHANGE,
     false,
     "It is there",
     0,
     SIZE_MAX,
     VALUE_ONE},
    {"vhost_status",
     {"vhost_status"},
     METRIC_VHOST,
     false,
     "1 while it serves",
     0,
     SIZE_MAX,
     VALUE_ONE},
};

const struct object_metric *metrics_of_objects(size_t number)
{
    return number < sizeof metrics / sizeof metrics[0] ? &metrics[number] : NULL;
}

enum metric_kind metrics_kind(const struct object_metric *metric)
{
    return metric->kind;
}

bool metrics_is_of_family(const struct object_metric *metric, const char *family)
{
    return strcmp(metric->families[0], family) == 0 ||
           (metric->families[1] != NULL && strcmp(metric->families[1], family) == 0);
}

bool metrics_is_detailed(const struct object_metric *metric)
{
    return metric->kind == METRIC_EXCHANGE || metric->kind == METRIC_VHOST;
}

/* --- the lines of a metric */

static struct metrics_out out_for(const struct metrics_out *out, const struct object_metric *metric)
{
    return (struct metrics_out){out->text,
                                metrics_is_detailed(metric) ? "rabbitmq_cluster_" : out->prefix};
}

void metrics_begin(const struct metrics_out *out, const struct object_metric *metric)
{
    const struct metrics_out own = out_for(out, metric);
    metrics_put_head(&own, metric->name, metric->is_counter ? "counter" : "gauge", metric->help);
}

static void add_label(struct buffer *text, const char *name, struct bytes value)
{
    uint8_t last = text->data[text->size - 1];
    if (last != '{')
        buffer_append_u8(text, ',');
    buffer_append_bytes(text, bytes_of_text(name));
    buffer_append_bytes(text, bytes_of_text("=\""));
    metrics_append_label(text, value);
    buffer_append_u8(text, '"');
}

static void add_channel(struct buffer *text, const struct channel_status *channel)
{
    struct buffer name = {0};
    buffer_append_bytes(&name, channel->connection_name);
    buffer_append_format(&name, " (%u)", (unsigned)channel->number);
    add_label(text, "channel", buffer_bytes(&name));
    buffer_fini(&name);
}

static void add_labels(struct buffer *text, const struct object_metric *metric, struct bytes vhost,
                       const void *object)
{
    const struct exchange_status *exchange = object;
    switch (metric->kind) {
    case METRIC_QUEUE:
        add_label(text, "vhost", vhost);
        add_label(text, "queue", ((const struct queue_view *)object)->name);
        break;
    case METRIC_CHANNEL:
        add_channel(text, object);
        if (!metrics_is_of_family(metric, "channel_metrics"))
            add_label(text, "vhost", vhost);
        break;
    case METRIC_SESSION:
        add_label(text, "channel", ((const struct session_status *)object)->name);
        break;
    case METRIC_CONNECTION:
        add_label(text, "channel", ((const struct connection_traffic *)object)->name);
        break;
    case METRIC_EXCHANGE:
        add_label(text, "vhost", vhost);
        add_label(text, "exchange", exchange->name);
        add_label(text, "type", exchange->type);
        break;
    case METRIC_VHOST:
        add_label(text, "vhost", vhost);
        break;
    }
}

static uint64_t number_at(const void *object, size_t offset)
{
    uint64_t number;
    memcpy(&number, (const uint8_t *)object + offset, sizeof number);
    return number;
}

static void add_value(struct buffer *text, const struct object_metric *metric, const void *object)
{
    double share;
    uint64_t number = 1;
    if (metric->value == VALUE_SHARE) {
        memcpy(&share, (const uint8_t *)object + metric->offset, sizeof share);
        buffer_append_format(text, "} %.4g\n", share);
        return;
    }
    if (metric->value == VALUE_NUMBER)
        number = number_at(object, metric->offset);
    if (metric->second != SIZE_MAX)
        number += number_at(object, metric->second);
    buffer_append_format(text, "} %llu\n", (unsigned long long)number);
}

void metrics_add(const struct metrics_out *out, const struct object_metric *metric,
                 struct bytes vhost, const void *object)
{
    const struct metrics_out own = out_for(out, metric);
    buffer_append_bytes(own.text, bytes_of_text(own.prefix));
    buffer_append_bytes(own.text, bytes_of_text(metric->name));
    buffer_append_u8(own.text, '{');
    add_labels(own.text, metric, vhost, object);
    add_value(own.text, metric, object);
}
