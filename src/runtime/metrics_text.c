/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, types and labels are those that RabbitMQ's dashboards ask for. All lines of a metric stand
 * together, as the format demands; so what each queue has is written metric by metric.
 *
 * What is Erlang's has no meaning here and is left out, but for the few that the dashboard of the
 * whole server shows.
 */
#include "runtime/metrics_text.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

void metrics_append_label(struct buffer *text, struct bytes value)
{
    for (size_t i = 0; i < value.size; i++) {
        uint8_t c = value.data[i];
        if (c == '\n') {
            buffer_append_bytes(text, bytes_of_text("\\n"));
            continue;
        }
        if (c == '"' || c == '\\')
            buffer_append_u8(text, '\\');
        buffer_append_u8(text, c);
    }
}

static void head(struct buffer *text, const char *prefix, const char *name, const char *type,
                 const char *help)
{
    buffer_append_format(text, "# HELP %s%s %s\n# TYPE %s%s %s\n", prefix, name, help, prefix, name,
                         type);
}

static void put(struct buffer *text, const char *name, const char *type, const char *help,
                uint64_t value)
{
    head(text, "rabbitmq_", name, type, help);
    buffer_append_format(text, "rabbitmq_%s %llu\n", name, (unsigned long long)value);
}

static void gauge(struct buffer *text, const char *name, const char *help, uint64_t value)
{
    put(text, name, "gauge", help, value);
}

static void counter(struct buffer *text, const char *name, const char *help, uint64_t value)
{
    put(text, name, "counter", help, value);
}

static void labelled(struct buffer *text, const char *name, const char *type, const char *labels,
                     const char *help, uint64_t value)
{
    head(text, "rabbitmq_", name, type, help);
    buffer_append_format(text, "rabbitmq_%s{%s} %llu\n", name, labels, (unsigned long long)value);
}

/* --- who it is */

static void put_label(struct buffer *text, const char *name, const char *value, char end)
{
    buffer_append_format(text, "%s=\"", name);
    metrics_append_label(text, bytes_of_text(value));
    buffer_append_format(text, "\"%c", end);
}

static void put_identity(struct buffer *text, const struct metrics_facts *facts)
{
    head(text, "rabbitmq_", "build_info", "untyped", "What runs here");
    buffer_append_bytes(text, bytes_of_text("rabbitmq_build_info{"));
    put_label(text, "rabbitmq_version", facts->product_version, ',');
    put_label(text, "prometheus_plugin_version", facts->product_version, ',');
    put_label(text, "prometheus_client_version", "none", ',');
    put_label(text, "erlang_version", "none", ',');
    put_label(text, "product_name", facts->product_name, ',');
    put_label(text, "product_version", facts->product_version, '}');
    buffer_append_bytes(text, bytes_of_text(" 1\n"));
    head(text, "rabbitmq_", "identity_info", "untyped", "Which node it is");
    buffer_append_bytes(text, bytes_of_text("rabbitmq_identity_info{"));
    put_label(text, "rabbitmq_node", facts->node, ',');
    put_label(text, "rabbitmq_cluster", facts->cluster, ',');
    put_label(text, "rabbitmq_cluster_permanent_id", facts->cluster, ',');
    put_label(text, "rabbitmq_endpoint", facts->endpoint, '}');
    buffer_append_bytes(text, bytes_of_text(" 1\n"));
}

/* --- the process */

static void put_process(struct buffer *text, const struct metrics_facts *all)
{
    const struct http_node_facts *facts = &all->facts;
    buffer_append_format(text,
                         "# HELP process_start_time_seconds When the server was started\n"
                         "# TYPE process_start_time_seconds gauge\n"
                         "process_start_time_seconds %llu\n",
                         (unsigned long long)all->started_s);
    put(text, "alarms_memory_used_watermark", "untyped", "1 while too much memory is in use",
        (all->alarms & VHOST_ALARM_MEMORY) != 0);
    put(text, "alarms_free_disk_space_watermark", "untyped", "1 while the disk is nearly full",
        (all->alarms & VHOST_ALARM_DISK) != 0);
    put(text, "alarms_file_descriptor_limit", "untyped", "1 while no descriptor is left",
        facts->fd_used >= facts->fd_total);
    gauge(text, "process_open_fds", "Descriptors in use", facts->fd_used);
    gauge(text, "process_max_fds", "Descriptors there may be", facts->fd_total);
    gauge(text, "process_open_tcp_sockets", "Connections of clients", facts->sockets_used);
    gauge(text, "process_max_tcp_sockets", "Connections there may be", facts->fd_total);
    gauge(text, "process_resident_memory_bytes", "Memory in use", facts->mem_used);
    gauge(text, "resident_memory_limit_bytes", "Memory above which publishers wait",
          facts->mem_limit);
    gauge(text, "disk_space_available_bytes", "What is free on the disk", facts->disk_free);
    gauge(text, "disk_space_available_limit_bytes", "Below that publishers wait",
          facts->disk_free_limit);
    gauge(text, "erlang_processes_used", "Threads of the server", facts->threads);
    gauge(text, "erlang_processes_limit", "As RabbitMQ has it", 1048576);
    gauge(text, "erlang_uptime_seconds", "Since the start", facts->uptime_ms / 1000);
    counter(text, "erlang_scheduler_context_switches_total", "Of all threads",
            facts->context_switches);
    counter(text, "io_read_ops_total", "System calls that read", facts->io_read_count);
    counter(text, "io_read_bytes_total", "Read from disks", facts->io_read_bytes);
    counter(text, "io_write_ops_total", "System calls that write", facts->io_write_count);
    counter(text, "io_write_bytes_total", "Written to disks", facts->io_write_bytes);
}

/* --- objects and messages */

static void put_objects(struct buffer *text, const struct metrics_facts *facts)
{
    const struct vhost_counters *counters = &facts->counters;
    gauge(text, "connections", "Connections that are open", facts->facts.sockets_used);
    gauge(text, "channels", "Channels that are open", facts->facts.channels);
    gauge(text, "consumers", "Consumers", counters->consumers);
    gauge(text, "queues", "Queues", counters->queues);
    counter(text, "connections_opened_total", "Connections ever opened",
            counters->connections_opened);
    counter(text, "connections_closed_total", "Connections ever closed",
            counters->connections_closed);
    counter(text, "channels_opened_total", "Channels ever opened", counters->channels_opened);
    counter(text, "channels_closed_total", "Channels ever closed", counters->channels_closed);
    counter(text, "queues_declared_total", "Declarations of queues", counters->queues_declared);
    counter(text, "queues_created_total", "Queues ever made", counters->queues_created);
    counter(text, "queues_deleted_total", "Queues ever deleted", counters->queues_deleted);
}

#define AMQP "protocol=\"amqp091\""
#define FROM_QUEUE AMQP ",queue_type=\"rabbit_classic_queue\""

static void put_global_deliveries(struct buffer *text, const struct vhost_counters *counters)
{
    const struct {
        const char *name, *help;
        uint64_t value;
    } rows[] = {
        {"acknowledged", "Messages that were acked", counters->acked},
        {"delivered", "Messages to consumers and by basic.get",
         counters->delivered + counters->got},
        {"delivered_consume_auto_ack", "Messages to consumers that do not ack",
         counters->delivered_no_ack},
        {"delivered_consume_manual_ack", "Messages to consumers that ack",
         counters->delivered - counters->delivered_no_ack},
        {"delivered_get_auto_ack", "Messages by basic.get without ack", counters->got_no_ack},
        {"delivered_get_manual_ack", "Messages by basic.get with ack",
         counters->got - counters->got_no_ack},
        {"get_empty", "basic.get without a message", counters->got_empty},
        {"redelivered", "Messages that came again", counters->redelivered},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "global_messages_%s_total", rows[i].name);
        labelled(text, name, "counter", FROM_QUEUE, rows[i].help, rows[i].value);
    }
}

static void put_global(struct buffer *text, const struct vhost_counters *counters)
{
    labelled(text, "global_publishers", "gauge", AMQP, "Channels that have published",
             counters->publishers);
    labelled(text, "global_consumers", "gauge", AMQP, "Consumers", counters->consumers);
    const struct {
        const char *name, *help;
        uint64_t value;
    } rows[] = {
        {"confirmed", "Messages that were confirmed", counters->confirmed},
        {"received", "Messages from publishers", counters->published},
        {"received_confirm", "Messages from publishers that want confirms",
         counters->published_to_confirm},
        {"routed", "Messages that a queue took", counters->routed},
        {"unroutable_dropped", "Messages without a queue, dropped", counters->unroutable_dropped},
        {"unroutable_returned", "Messages without a queue, returned",
         counters->unroutable_returned},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "global_messages_%s_total", rows[i].name);
        labelled(text, name, "counter", AMQP, rows[i].help, rows[i].value);
    }
    put_global_deliveries(text, counters);
}

static void put_queue_totals(struct buffer *text, const struct vhost_counters *counters)
{
    gauge(text, "queue_messages_ready", "Messages that wait", counters->ready);
    gauge(text, "queue_messages_unacked", "Messages that wait for acks", counters->unacked);
    gauge(text, "queue_messages", "Both", counters->ready + counters->unacked);
    gauge(text, "queue_messages_ready_bytes", "Bodies of messages that wait",
          counters->ready_bytes);
    gauge(text, "queue_consumers", "Consumers", counters->consumers);
    counter(text, "queue_messages_published_total", "Messages from publishers",
            counters->published);
    counter(text, "queue_disk_reads_total", "Messages read from the disk", counters->disk_reads);
    counter(text, "queue_disk_writes_total", "Messages written to the disk", counters->disk_writes);
}

void metrics_of_server(struct buffer *text, const struct metrics_facts *facts, bool with_queues)
{
    put_identity(text, facts);
    put_process(text, facts);
    put_objects(text, facts);
    if (with_queues)
        put_queue_totals(text, &facts->counters);
    put_global(text, &facts->counters);
}

/* --- each queue */

struct queue_metric {
    const char *name, *family;
    bool is_counter;
    const char *help;
    size_t offset, second; /* in struct queue_view, of a uint64_t; second: added, or SIZE_MAX */
};

#define AT(member) offsetof(struct queue_view, member)
#define ONE(member) AT(member), SIZE_MAX

static const struct queue_metric metrics[] = {
    {"queue_messages_ready", "queue_coarse_metrics", false, "Messages that wait", ONE(ready)},
    {"queue_messages_unacked", "queue_coarse_metrics", false, "Messages that wait for acks",
     ONE(unacked)},
    {"queue_messages", "queue_coarse_metrics", false, "Both", AT(ready), AT(unacked)},
    {"queue_consumers", "queue_consumer_count", false, "Consumers", ONE(consumers)},
    {"queue_messages_ready_bytes", "queue_metrics", false, "Bodies of messages that wait",
     ONE(ready_bytes)},
    {"queue_disk_reads_total", "queue_metrics", true, "Messages read from the disk",
     ONE(counters.disk_reads)},
    {"queue_disk_writes_total", "queue_metrics", true, "Messages written to the disk",
     ONE(counters.disk_writes)},
    {"queue_messages_published_total", "queue_delivery_metrics", true, "Messages from publishers",
     ONE(counters.publish)},
    {"queue_get_ack_total", "queue_delivery_metrics", true, "Messages by basic.get with ack",
     ONE(counters.deliveries.get)},
    {"queue_get_total", "queue_delivery_metrics", true, "Messages by basic.get without ack",
     ONE(counters.deliveries.get_no_ack)},
    {"queue_messages_delivered_ack_total", "queue_delivery_metrics", true,
     "Messages to consumers that ack", ONE(counters.deliveries.deliver)},
    {"queue_messages_delivered_total", "queue_delivery_metrics", true,
     "Messages to consumers that do not ack", ONE(counters.deliveries.deliver_no_ack)},
    {"queue_messages_redelivered_total", "queue_delivery_metrics", true, "Messages that came again",
     ONE(counters.deliveries.redeliver)},
    {"queue_messages_acked_total", "queue_delivery_metrics", true, "Messages that were acked",
     ONE(counters.deliveries.ack)},
    {"queue_get_empty_total", "queue_delivery_metrics", true, "basic.get without a message",
     ONE(counters.deliveries.get_empty)},
};

const struct queue_metric *metrics_of_queues(size_t number)
{
    return number < sizeof metrics / sizeof metrics[0] ? &metrics[number] : NULL;
}

bool metrics_is_of_family(const struct queue_metric *metric, const char *family)
{
    return strcmp(metric->family, family) == 0;
}

void metrics_begin(struct buffer *text, const char *prefix, const struct queue_metric *metric)
{
    head(text, prefix, metric->name, metric->is_counter ? "counter" : "gauge", metric->help);
}

static uint64_t number_at(const struct queue_view *queue, size_t offset)
{
    uint64_t number;
    memcpy(&number, (const uint8_t *)queue + offset, sizeof number);
    return number;
}

void metrics_add_queue(struct buffer *text, const char *prefix, const struct queue_metric *metric,
                       struct bytes vhost, const struct queue_view *queue)
{
    uint64_t value = number_at(queue, metric->offset);
    if (metric->second != SIZE_MAX)
        value += number_at(queue, metric->second);
    buffer_append_format(text, "%s%s{vhost=\"", prefix, metric->name);
    metrics_append_label(text, vhost);
    buffer_append_bytes(text, bytes_of_text("\",queue=\""));
    metrics_append_label(text, queue->name);
    buffer_append_format(text, "\"} %llu\n", (unsigned long long)value);
}
