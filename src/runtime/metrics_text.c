/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Prometheus is told of the whole server. Names, types and labels are those that RabbitMQ's
 * plug-in has, and its dashboards ask for; what each object has is in metrics_objects.c.
 *
 * What is Erlang's has no meaning here and is left out, but for the few that the dashboard of the
 * whole server shows.
 */
#include "runtime/metrics_text.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "broker/dead_letter.h"
#include "http/http_memory.h"

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

void metrics_put_head(const struct metrics_out *out, const char *name, const char *type,
                      const char *help)
{
    buffer_append_format(out->text, "# HELP %s%s %s\n# TYPE %s%s %s\n", out->prefix, name, help,
                         out->prefix, name, type);
}

static void put(const struct metrics_out *out, const char *name, const char *type, const char *help,
                uint64_t value)
{
    metrics_put_head(out, name, type, help);
    buffer_append_format(out->text, "%s%s %llu\n", out->prefix, name, (unsigned long long)value);
}

static void gauge(const struct metrics_out *out, const char *name, const char *help, uint64_t value)
{
    put(out, name, "gauge", help, value);
}

static void counter(const struct metrics_out *out, const char *name, const char *help,
                    uint64_t value)
{
    put(out, name, "counter", help, value);
}

static void value_of(const struct metrics_out *out, const char *name, const char *labels,
                     uint64_t value)
{
    buffer_append_format(out->text, "%s%s{%s} %llu\n", out->prefix, name, labels,
                         (unsigned long long)value);
}

static void labelled(const struct metrics_out *out, const char *name, const char *type,
                     const char *labels, const char *help, uint64_t value)
{
    metrics_put_head(out, name, type, help);
    value_of(out, name, labels, value);
}

/* --- who it is */

static void put_label(struct buffer *text, const char *name, const char *value, char end)
{
    buffer_append_format(text, "%s=\"", name);
    metrics_append_label(text, bytes_of_text(value));
    buffer_append_format(text, "\"%c", end);
}

void metrics_put_identity(struct buffer *text, const struct metrics_facts *facts)
{
    const struct metrics_out out = {text, "rabbitmq_"};
    metrics_put_head(&out, "build_info", "untyped", "What runs here");
    buffer_append_bytes(text, bytes_of_text("rabbitmq_build_info{"));
    put_label(text, "rabbitmq_version", facts->product_version, ',');
    put_label(text, "prometheus_plugin_version", facts->product_version, ',');
    put_label(text, "prometheus_client_version", "none", ',');
    put_label(text, "erlang_version", "none", ',');
    put_label(text, "product_name", facts->product_name, ',');
    put_label(text, "product_version", facts->product_version, '}');
    buffer_append_bytes(text, bytes_of_text(" 1\n"));
    metrics_put_head(&out, "identity_info", "untyped", "Which node it is");
    buffer_append_bytes(text, bytes_of_text("rabbitmq_identity_info{"));
    put_label(text, "rabbitmq_node", facts->node, ',');
    put_label(text, "rabbitmq_cluster", facts->cluster, ',');
    put_label(text, "rabbitmq_cluster_permanent_id", facts->cluster, ',');
    put_label(text, "rabbitmq_endpoint", facts->endpoint, '}');
    buffer_append_bytes(text, bytes_of_text(" 1\n"));
}

/* --- the process */

static void put_start(struct buffer *text, const struct metrics_facts *facts)
{
    buffer_append_format(text,
                         "# HELP process_start_time_seconds When the server was started\n"
                         "# TYPE process_start_time_seconds gauge\n"
                         "process_start_time_seconds %llu\n",
                         (unsigned long long)facts->started_s);
}

static void put_alarms(const struct metrics_out *out, const struct metrics_facts *facts)
{
    put(out, "alarms_memory_used_watermark", "untyped", "1 while too much memory is in use",
        (facts->alarms & VHOST_ALARM_MEMORY) != 0);
    put(out, "alarms_free_disk_space_watermark", "untyped", "1 while the disk is nearly full",
        (facts->alarms & VHOST_ALARM_DISK) != 0);
    put(out, "alarms_file_descriptor_limit", "untyped", "1 while no descriptor is left",
        facts->facts.fd_used >= facts->facts.fd_total);
}

static void put_node_coarse(const struct metrics_out *out, const struct metrics_facts *all)
{
    const struct http_node_facts *facts = &all->facts;
    gauge(out, "process_open_fds", "Descriptors in use", facts->fd_used);
    gauge(out, "process_open_tcp_sockets", "Connections of clients", facts->sockets_used);
    gauge(out, "process_resident_memory_bytes", "Memory in use", facts->mem_used);
    gauge(out, "disk_space_available_bytes", "What is free on the disk", facts->disk_free);
    gauge(out, "erlang_processes_used", "Threads of the server", facts->threads);
    counter(out, "erlang_scheduler_context_switches_total", "Of all threads",
            facts->context_switches);
}

static void put_node(const struct metrics_out *out, const struct metrics_facts *all)
{
    const struct http_node_facts *facts = &all->facts;
    gauge(out, "process_max_fds", "Descriptors there may be", facts->fd_total);
    gauge(out, "process_max_tcp_sockets", "Connections there may be", facts->fd_total);
    gauge(out, "resident_memory_limit_bytes", "Memory above which publishers wait",
          facts->mem_limit);
    gauge(out, "disk_space_available_limit_bytes", "Below that publishers wait",
          facts->disk_free_limit);
    gauge(out, "erlang_processes_limit", "As RabbitMQ has it", 1048576);
    gauge(out, "erlang_uptime_seconds", "Since the start", facts->uptime_ms / 1000);
}

static void put_persister(const struct metrics_out *out, const struct metrics_facts *all)
{
    const struct http_node_facts *facts = &all->facts;
    counter(out, "io_read_ops_total", "System calls that read", facts->io_read_count);
    counter(out, "io_read_bytes_total", "Read from disks", facts->io_read_bytes);
    counter(out, "io_write_ops_total", "System calls that write", facts->io_write_count);
    counter(out, "io_write_bytes_total", "Written to disks", facts->io_write_bytes);
    counter(out, "msg_store_read_total", "Messages read from disks", all->counters.disk_reads);
    counter(out, "msg_store_write_total", "Messages written to disks", all->counters.disk_writes);
}

static void put_auth_attempts(const struct metrics_out *out, const struct metrics_facts *facts)
{
    static const char *const names[] = {"auth_attempts_total", "auth_attempts_succeeded_total",
                                        "auth_attempts_failed_total"};
    static const char *const helps[] = {"Logins", "Logins that succeeded", "Logins that failed"};
    static const char *const protocols[] = {[LOGIN_BY_HTTP] = "http", [LOGIN_BY_AMQP] = "amqp091"};
    for (size_t i = 0; i < 3; i++) {
        metrics_put_head(out, names[i], "counter", helps[i]);
        for (size_t j = 0; j < LOGIN_PROTOCOLS; j++) {
            char labels[40];
            uint64_t succeeded = i != 2 ? facts->logins[j].succeeded : 0;
            uint64_t failed = i != 1 ? facts->logins[j].failed : 0;
            snprintf(labels, sizeof labels, "protocol=\"%s\"", protocols[j]);
            value_of(out, names[i], labels, succeeded + failed);
        }
    }
}

/* --- memory */

/* Those of RabbitMQ's parts that there are; SIZE_MAX: there is nothing of the kind. */
static const struct {
    const char *name;
    size_t part;
} memory_metrics[] = {
    {"code_module", SIZE_MAX},
    {"client_connection_reader", SIZE_MAX},
    {"client_connection_writer", SIZE_MAX},
    {"client_connection_channel", MEMORY_PART_CONNECTIONS},
    {"client_connection_other", SIZE_MAX},
    {"classic_queue_erlang_process", SIZE_MAX},
    {"quorum_queue_erlang_process", SIZE_MAX},
    {"quorum_queue_dlx_erlang_process", SIZE_MAX},
    {"stream_erlang_process", SIZE_MAX},
    {"stream_replica_reader_erlang_process", SIZE_MAX},
    {"stream_coordinator_erlang_process", SIZE_MAX},
    {"plugin", SIZE_MAX},
    {"modern_metadata_store", SIZE_MAX},
    {"other_erlang_process", SIZE_MAX},
    {"metrics", SIZE_MAX},
    {"management_stats_db", MEMORY_PART_STATISTICS},
    {"classic_metadata_store", SIZE_MAX},
    {"quorum_queue_ets_table", SIZE_MAX},
    {"modern_metadata_store_ets_table", SIZE_MAX},
    {"other_ets_table", SIZE_MAX},
    {"binary_heap", MEMORY_PART_MESSAGES},
    {"message_index", SIZE_MAX},
    {"atom_table", SIZE_MAX},
    {"other_system", MEMORY_PART_OTHER},
    {"runtime_allocated_unused", SIZE_MAX},
    {"runtime_reserved_unallocated", SIZE_MAX},
};

void metrics_put_memory(const struct metrics_out *out, const struct metrics_facts *facts)
{
    static const char *const helps[MEMORY_PART_COUNT] = {
        [MEMORY_PART_CONNECTIONS] = "Memory of connections, channels and consumers",
        [MEMORY_PART_MESSAGES] = "Memory of messages",
        [MEMORY_PART_STATISTICS] = "Memory of rates and histories",
        [MEMORY_PART_OTHER] = "All other memory",
    };
    struct memory_part parts[MEMORY_PART_COUNT];
    memory_parts(parts, &facts->counters, facts->statistics_bytes, facts->facts.mem_used);
    for (size_t i = 0; i < sizeof memory_metrics / sizeof memory_metrics[0]; i++) {
        char name[80];
        size_t part = memory_metrics[i].part;
        snprintf(name, sizeof name, "memory_%s_bytes", memory_metrics[i].name);
        gauge(out, name, part != SIZE_MAX ? helps[part] : "As RabbitMQ has it",
              part != SIZE_MAX ? parts[part].bytes : 0);
    }
}

/* --- objects and messages */

static void put_objects(const struct metrics_out *out, const struct metrics_facts *facts)
{
    const struct vhost_counters *counters = &facts->counters;
    gauge(out, "connections", "Connections that are open", facts->facts.sockets_used);
    gauge(out, "channels", "Channels that are open", facts->facts.channels);
    gauge(out, "consumers", "Consumers", counters->consumers);
    gauge(out, "queues", "Queues", counters->queues);
}

static void put_churn(const struct metrics_out *out, const struct metrics_facts *facts)
{
    const struct vhost_counters *counters = &facts->counters;
    counter(out, "connections_opened_total", "Connections ever opened",
            counters->connections_opened);
    counter(out, "connections_closed_total", "Connections ever closed",
            counters->connections_closed);
    counter(out, "channels_opened_total", "Channels ever opened", counters->channels_opened);
    counter(out, "channels_closed_total", "Channels ever closed", counters->channels_closed);
    counter(out, "queues_declared_total", "Declarations of queues", counters->queues_declared);
    counter(out, "queues_created_total", "Queues ever made", counters->queues_created);
    counter(out, "queues_deleted_total", "Queues ever deleted", counters->queues_deleted);
}

#define AMQP "protocol=\"amqp091\""

static const char *const queue_types[] = {"rabbit_classic_queue", "rabbit_quorum_queue",
                                          "rabbit_stream_queue"};

/* RabbitMQ names streams with what is delivered, and not with dead letters; there are none here. */
enum { CLASSIC, QUORUM, DEAD_LETTER_TYPES, STREAM = DEAD_LETTER_TYPES, QUEUE_TYPES };

/* Those of one type; all is looked at first, so that there is no less of it. */
static void deliveries_of(const struct vhost_counters *all, size_t type,
                          struct delivery_counters *counters)
{
    const struct delivery_counters *quorum = &all->from_quorum;
    const struct delivery_counters total = {
        .deliver = all->delivered - all->delivered_no_ack,
        .deliver_no_ack = all->delivered_no_ack,
        .get = all->got - all->got_no_ack,
        .get_no_ack = all->got_no_ack,
        .get_empty = all->got_empty,
        .redeliver = all->redelivered,
        .ack = all->acked,
    };
    *counters = type == QUORUM ? *quorum : (struct delivery_counters){0};
    if (type != CLASSIC)
        return;
    counters->deliver = total.deliver - quorum->deliver;
    counters->deliver_no_ack = total.deliver_no_ack - quorum->deliver_no_ack;
    counters->get = total.get - quorum->get;
    counters->get_no_ack = total.get_no_ack - quorum->get_no_ack;
    counters->get_empty = total.get_empty - quorum->get_empty;
    counters->redeliver = total.redeliver - quorum->redeliver;
    counters->ack = total.ack - quorum->ack;
}

static uint64_t number_at(const void *row, size_t offset)
{
    uint64_t number;
    memcpy(&number, (const uint8_t *)row + offset, sizeof number);
    return number;
}

#define DELIVERY(member) offsetof(struct delivery_counters, member)

static void put_global_deliveries(const struct metrics_out *out,
                                  const struct vhost_counters *counters)
{
    static const struct {
        const char *name, *help;
        size_t offsets[4]; /* SIZE_MAX: no more */
    } rows[] = {
        {"acknowledged", "Messages that were acked", {DELIVERY(ack), SIZE_MAX}},
        {"delivered",
         "Messages to consumers and by basic.get",
         {DELIVERY(deliver), DELIVERY(deliver_no_ack), DELIVERY(get), DELIVERY(get_no_ack)}},
        {"delivered_consume_auto_ack",
         "Messages to consumers that do not ack",
         {DELIVERY(deliver_no_ack), SIZE_MAX}},
        {"delivered_consume_manual_ack",
         "Messages to consumers that ack",
         {DELIVERY(deliver), SIZE_MAX}},
        {"delivered_get_auto_ack",
         "Messages by basic.get without ack",
         {DELIVERY(get_no_ack), SIZE_MAX}},
        {"delivered_get_manual_ack", "Messages by basic.get with ack", {DELIVERY(get), SIZE_MAX}},
        {"get_empty", "basic.get without a message", {DELIVERY(get_empty), SIZE_MAX}},
        {"redelivered", "Messages that came again", {DELIVERY(redeliver), SIZE_MAX}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char name[64], labels[80];
        snprintf(name, sizeof name, "global_messages_%s_total", rows[i].name);
        metrics_put_head(out, name, "counter", rows[i].help);
        for (size_t type = 0; type < QUEUE_TYPES; type++) {
            struct delivery_counters deliveries;
            uint64_t sum = 0;
            deliveries_of(counters, type, &deliveries);
            for (size_t j = 0; j < 4 && rows[i].offsets[j] != SIZE_MAX; j++)
                sum += number_at(&deliveries, rows[i].offsets[j]);
            snprintf(labels, sizeof labels, AMQP ",queue_type=\"%s\"", queue_types[type]);
            value_of(out, name, labels, sum);
        }
    }
}

/* Those that RabbitMQ has: classic queues know no letters that are surely not lost, and limits of
 * deliveries are quorum queues' alone, which have no maxlen that a letter waits for. */
static bool has_letters(size_t type, size_t strategy, size_t reason)
{
    bool is_quorum = type == QUORUM, is_sure = strategy == LETTER_AT_LEAST_ONCE;
    if (reason == DEATH_DELIVERY_LIMIT || is_sure)
        return is_quorum && !(is_sure && reason == DEATH_MAXLEN);
    return true;
}

static void put_dead_letters(const struct metrics_out *out, const struct vhost_counters *counters)
{
    static const char *const strategies[] = {"disabled", "at_most_once", "at_least_once"};
    static const char *const reasons[] = {"rejected", "expired", "maxlen", "delivery_limit"};
    char name[64], labels[100];
    for (size_t reason = 0; reason < 4; reason++) {
        snprintf(name, sizeof name, "global_messages_dead_lettered_%s_total", reasons[reason]);
        metrics_put_head(out, name, "counter", "Messages that a queue gave up");
        for (size_t i = 0; i < (size_t)DEAD_LETTER_TYPES * LETTER_STRATEGIES; i++) {
            size_t type = i / LETTER_STRATEGIES, strategy = i % LETTER_STRATEGIES;
            snprintf(labels, sizeof labels, "queue_type=\"%s\",dead_letter_strategy=\"%s\"",
                     queue_types[type], strategies[strategy]);
            if (has_letters(type, strategy, reason))
                value_of(out, name, labels, counters->dead_lettered[type][strategy][reason]);
        }
    }
    labelled(out, "global_messages_dead_lettered_confirmed_total", "counter",
             "queue_type=\"rabbit_quorum_queue\",dead_letter_strategy=\"at_least_once\"",
             "Dead letters that all their queues have taken", counters->letters_confirmed);
}

static void put_global(const struct metrics_out *out, const struct vhost_counters *counters)
{
    labelled(out, "global_publishers", "gauge", AMQP, "Channels that have published",
             counters->publishers);
    labelled(out, "global_consumers", "gauge", AMQP, "Consumers", counters->consumers);
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
        labelled(out, name, "counter", AMQP, rows[i].help, rows[i].value);
    }
    put_global_deliveries(out, counters);
    put_dead_letters(out, counters);
}

/* As RabbitMQ 4.1 has them. */
static void put_message_sizes(const struct metrics_out *out, const struct message_sizes *sizes)
{
    uint64_t total = message_sizes_count(sizes), count;
    char labels[60];
    size_t bound;
    metrics_put_head(out, "message_size_bytes", "histogram", "Bodies of messages from publishers");
    for (size_t i = 0; message_sizes_step(sizes, i, &bound, &count); i++) {
        snprintf(labels, sizeof labels, AMQP ",le=\"%zu\"", bound);
        value_of(out, "message_size_bytes_bucket", labels, count);
    }
    value_of(out, "message_size_bytes_bucket", AMQP ",le=\"+Inf\"", total);
    value_of(out, "message_size_bytes_count", AMQP, total);
    value_of(out, "message_size_bytes_sum", AMQP, sizes->sum);
}

static void put_queue_totals(const struct metrics_out *out, const struct vhost_counters *counters)
{
    gauge(out, "queue_messages_ready", "Messages that wait", counters->ready);
    gauge(out, "queue_messages_unacked", "Messages that wait for acks", counters->unacked);
    gauge(out, "queue_messages", "Both", counters->ready + counters->unacked);
    gauge(out, "queue_messages_ready_bytes", "Bodies of messages that wait", counters->ready_bytes);
    gauge(out, "queue_messages_unacked_bytes", "Bodies of messages that wait for acks",
          counters->unacked_bytes);
    gauge(out, "queue_messages_bytes", "Both", counters->ready_bytes + counters->unacked_bytes);
    gauge(out, "queue_messages_persistent", "Messages that a restart leaves", counters->persistent);
    gauge(out, "queue_messages_persistent_bytes", "Their bodies", counters->persistent_bytes);
    gauge(out, "queue_consumers", "Consumers", counters->consumers);
    counter(out, "queue_messages_published_total", "Messages from publishers", counters->published);
    counter(out, "queue_disk_reads_total", "Messages read from the disk", counters->disk_reads);
    counter(out, "queue_disk_writes_total", "Messages written to the disk", counters->disk_writes);
}

static void put_channel_totals(const struct metrics_out *out, const struct metrics_facts *facts)
{
    const struct vhost_counters *counters = &facts->counters;
    gauge(out, "channel_consumers", "Consumers", counters->consumers);
    gauge(out, "channel_messages_unacked", "Messages that wait for acks", counters->unacked);
    counter(out, "channel_messages_published_total", "Messages from publishers",
            counters->published);
    counter(out, "channel_messages_confirmed_total", "Messages that were confirmed",
            counters->confirmed);
    counter(out, "channel_messages_unroutable_returned_total", "Messages without a queue, returned",
            counters->unroutable_returned);
    counter(out, "channel_messages_unroutable_dropped_total", "Messages without a queue, dropped",
            counters->unroutable_dropped);
    counter(out, "channel_get_ack_total", "Messages by basic.get with ack",
            counters->got - counters->got_no_ack);
    counter(out, "channel_get_total", "Messages by basic.get without ack", counters->got_no_ack);
    counter(out, "channel_messages_delivered_ack_total", "Messages to consumers that ack",
            counters->delivered - counters->delivered_no_ack);
    counter(out, "channel_messages_delivered_total", "Messages to consumers that do not ack",
            counters->delivered_no_ack);
    counter(out, "channel_messages_redelivered_total", "Messages that came again",
            counters->redelivered);
    counter(out, "channel_messages_acked_total", "Messages that were acked", counters->acked);
    counter(out, "channel_get_empty_total", "basic.get without a message", counters->got_empty);
    counter(out, "connection_incoming_bytes_total", "Octets from clients", facts->octets.read);
    counter(out, "connection_outgoing_bytes_total", "Octets to clients", facts->octets.written);
    gauge(out, "connection_channels", "Channels that are open", facts->facts.channels);
}

void metrics_put_server(const struct metrics_out *out, const struct metrics_facts *facts,
                        bool with_totals)
{
    put_start(out->text, facts);
    put_alarms(out, facts);
    put_node_coarse(out, facts);
    put_node(out, facts);
    put_persister(out, facts);
    put_objects(out, facts);
    put_churn(out, facts);
    put_auth_attempts(out, facts);
    if (with_totals) {
        put_queue_totals(out, &facts->counters);
        put_channel_totals(out, facts);
    }
    put_global(out, &facts->counters);
    put_message_sizes(out, &facts->counters.sizes);
}

bool metrics_server_family(size_t number, const char **name,
                           void (**put_family)(const struct metrics_out *out,
                                               const struct metrics_facts *facts))
{
    static const struct {
        const char *name;
        void (*put)(const struct metrics_out *out, const struct metrics_facts *facts);
    } families[] = {
        {"connection_churn_metrics", put_churn},   {"auth_attempt_metrics", put_auth_attempts},
        {"node_coarse_metrics", put_node_coarse},  {"node_metrics", put_node},
        {"node_persister_metrics", put_persister},
    };
    if (number >= sizeof families / sizeof families[0])
        return false;
    *name = families[number].name;
    *put_family = families[number].put;
    return true;
}
