/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node: what it uses, what it may use, and what it is made of. There is one, which stands
 * alone; what RabbitMQ tells of other nodes and of Erlang is not there.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/vhost.h"
#include "config/config.h"
#include "http/http_call.h"
#include "http/http_memory.h"
#include "http/http_resources.h"
#include "http/http_stats.h"
#include "net/plugin_names.h"

/* --- memory */

/* What there is, by now. */
static uint64_t fill_parts(const struct http_context *context,
                           struct memory_part parts[MEMORY_PART_COUNT])
{
    struct vhost_counters counters = {0};
    struct http_node_facts facts;
    context->host->counters(context->host_context, NULL, &counters);
    context->host->node(context->host_context, &facts);
    memory_parts(parts, &counters, statistics_bytes(context->statistics), facts.mem_used);
    return facts.mem_used;
}

/* RabbitMQ's other parts: there is nothing of the kind. */
static const char *const no_parts[] = {"connection_readers",
                                       "connection_writers",
                                       "connection_other",
                                       "queue_procs",
                                       "queue_slave_procs",
                                       "quorum_queue_procs",
                                       "quorum_queue_dlx_procs",
                                       "stream_queue_procs",
                                       "stream_queue_replica_reader_procs",
                                       "stream_queue_coordinator_procs",
                                       "plugins",
                                       "metadata_store",
                                       "metadata_store_ets",
                                       "other_proc",
                                       "metrics",
                                       "mnesia",
                                       "quorum_ets",
                                       "other_ets",
                                       "msg_index",
                                       "code",
                                       "atom",
                                       "allocated_unused",
                                       "reserved_unallocated"};

static void get_memory(const struct http_context *context, struct http_call *call)
{
    struct memory_part parts[MEMORY_PART_COUNT];
    if (!http_need_monitored_node(context, call))
        return;
    uint64_t total = fill_parts(context, parts);
    json_t *memory = json_object();
    for (size_t i = 0; i < sizeof no_parts / sizeof no_parts[0]; i++)
        json_object_set_new(memory, no_parts[i], json_integer(0));
    for (size_t i = 0; i < MEMORY_PART_COUNT; i++)
        json_object_set_new(memory, parts[i].name, json_integer((json_int_t)parts[i].bytes));
    json_object_set_new(memory, "strategy", json_string("rss"));
    json_object_set_new(memory, "total",
                        json_pack("{s:I, s:I, s:I}", "erlang", (json_int_t)total, "rss",
                                  (json_int_t)total, "allocated", (json_int_t)total));
    http_reply(call, json_pack("{s:o}", "memory", memory));
}

static void get_memory_relative(const struct http_context *context, struct http_call *call)
{
    struct memory_part parts[MEMORY_PART_COUNT];
    if (!http_need_monitored_node(context, call))
        return;
    uint64_t total = fill_parts(context, parts);
    json_t *memory = json_pack("{s:i}", "total", 100);
    for (size_t i = 0; i < sizeof no_parts / sizeof no_parts[0]; i++)
        json_object_set_new(memory, no_parts[i], json_integer(0));
    for (size_t i = 0; i < MEMORY_PART_COUNT; i++) {
        uint64_t percent = total > 0 ? (parts[i].bytes * 100 + total - 1) / total : 0;
        json_object_set_new(memory, parts[i].name, json_integer((json_int_t)percent));
    }
    http_reply(call, json_pack("{s:o}", "memory", memory));
}

/* --- the node itself */

static json_t *mechanisms(const struct config *config)
{
    json_t *list = json_array();
    for (size_t i = 0; i < config->auth_mechanisms.count; i++)
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:b}", "name", config->auth_mechanisms.entries[i].value,
                            "description", config->auth_mechanisms.entries[i].value, "enabled", 1));
    return list;
}

static json_t *applications(const struct config *config)
{
    return json_pack("[{s:s, s:s, s:s}]", "name", "rabbit", "description", config->product_name,
                     "version", config->product_version);
}

static void put_limits(json_t *row, const struct http_context *context)
{
    struct http_node_facts facts;
    unsigned alarms = context->host->alarms(context->host_context);
    context->host->node(context->host_context, &facts);
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"mem_limit", facts.mem_limit},
        {"disk_free_limit", facts.disk_free_limit},
        {"fd_total", facts.fd_total},
        {"sockets_total", facts.fd_total},
        {"proc_total", 1048576},
        {"uptime", facts.uptime_ms},
        {"processors", facts.processors},
        {"run_queue", 0},
        {"net_ticktime", 60},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        json_object_set_new(row, numbers[i].name, json_integer((json_int_t)numbers[i].value));
    json_object_set_new(row, "mem_alarm", json_boolean((alarms & VHOST_ALARM_MEMORY) != 0));
    json_object_set_new(row, "disk_free_alarm", json_boolean((alarms & VHOST_ALARM_DISK) != 0));
    json_object_set_new(row, "being_drained", json_boolean((alarms & VHOST_ALARM_DRAINING) != 0));
}

/* What is asked for at once is of now, and not of the last sampling. */
static void put_now(json_t *row, const struct http_context *context)
{
    struct http_node_facts facts;
    context->host->node(context->host_context, &facts);
    json_object_set_new(row, "mem_used", json_integer((json_int_t)facts.mem_used));
    json_object_set_new(row, "disk_free", json_integer((json_int_t)facts.disk_free));
    json_object_set_new(row, "sockets_used", json_integer((json_int_t)facts.sockets_used));
}

/* Of Erlang's runtime and RabbitMQ's store; there is nothing to count. */
static void put_nothing(json_t *row)
{
    static const char *const names[] = {"gc_num",
                                        "gc_bytes_reclaimed",
                                        "io_read_avg_time",
                                        "io_write_avg_time",
                                        "io_sync_count",
                                        "io_sync_avg_time",
                                        "io_seek_count",
                                        "io_seek_avg_time",
                                        "io_reopen_count",
                                        "mnesia_ram_tx_count",
                                        "mnesia_disk_tx_count",
                                        "msg_store_read_count",
                                        "msg_store_write_count",
                                        "queue_index_write_count",
                                        "queue_index_read_count"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char details[64];
        snprintf(details, sizeof details, "%s_details", names[i]);
        bool is_time = strstr(names[i], "_time") != NULL;
        json_object_set_new(row, names[i], is_time ? json_real(0) : json_integer(0));
        json_object_set_new(row, details, json_pack("{s:f}", "rate", 0.0));
    }
}

static json_t *row_of(const struct http_context *context, const struct http_call *call)
{
    struct http_ages ages;
    const struct config *config = context->config;
    http_ages_read(&ages, call);
    ages.messages = ages.node; /* of what comes and goes, too */
    const struct http_stats stats = {.statistics = context->statistics,
                                     .kind = STATS_NODE,
                                     .vhost = bytes_of_text(""),
                                     .name = bytes_of_text(""),
                                     .ages = &ages};
    json_t *row = json_pack("{s:s, s:s, s:b, s:s, s:s, s:s}", "name", config->node_name, "type",
                            "disc", "running", 1, "rates_mode", "basic", "db_dir", config->data_dir,
                            "mem_calculation_strategy", "rss");
    put_limits(row, context);
    put_nothing(row);
    http_stats_put(&stats, STATS_GAUGES, row);
    http_stats_put(&stats, STATS_CHURN, row);
    put_now(row, context);
    json_object_set_new(row, "os_pid", json_sprintf("%ld", (long)getpid()));
    json_object_set_new(row, "exchange_types", http_exchange_types());
    json_object_set_new(row, "auth_mechanisms", mechanisms(config));
    json_object_set_new(row, "applications", applications(config));
    json_object_set_new(row, "enabled_plugins", plugin_names());
    json_object_set_new(row, "contexts", http_contexts(context));
    json_object_set_new(row, "log_files", json_array());
    json_object_set_new(row, "config_files", json_array());
    json_object_set_new(row, "partitions", json_array());
    json_object_set_new(row, "cluster_links", json_array());
    json_object_set_new(row, "ra_open_file_metrics",
                        json_pack("{s:i, s:i}", "ra_log_wal", 0, "ra_log_segment_writer", 0));
    json_object_set_new(row, "metrics_gc_queue_length", json_object());
    return row;
}

static void get_nodes(const struct http_context *context, struct http_call *call)
{
    if (!http_need_monitor(call))
        return;
    json_t *rows = json_array();
    json_array_append_new(rows, row_of(context, call));
    http_reply_list(call, rows, "name");
}

static void get_node(const struct http_context *context, struct http_call *call)
{
    if (http_need_monitored_node(context, call))
        http_reply(call, row_of(context, call));
}

/* RabbitMQ keeps what it knows in tables of Erlang's; what it says where there are none. */
static void get_tables(const struct http_context *context, struct http_call *call)
{
    if (http_need_monitored_node(context, call))
        http_reply(call, json_pack("{s:s}", "ets_tables_memory", "no_tables"));
}

/* --- rates and histories */

static void reset(const struct http_context *context, struct http_call *call)
{
    statistics_reset(context->statistics);
    http_reply_done(call);
}

static void reset_node(const struct http_context *context, struct http_call *call)
{
    if (http_need_node_in_path(context, call))
        reset(context, call);
}

const struct http_route http_node_routes[] = {
    {"/nodes", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .age_error = "bad_request",
     .get = get_nodes},
    {"/nodes/:node", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .age_error = "bad_request",
     .get = get_node},
    {"/nodes/:node/memory", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_memory},
    {"/nodes/:node/memory/relative", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_memory_relative},
    {"/nodes/:node/memory/ets", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_tables},
    {"/nodes/:node/memory/ets/relative", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_tables},
    {"/nodes/:node/memory/ets/:filter", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_tables},
    {"/nodes/:node/memory/ets/:filter/relative", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_tables},
    {"/reset", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .takes_any_accept = true,
     .delete = reset},
    {"/reset/:node", HTTP_FOR_ADMINISTRATORS, HTTP_FOR_ADMINISTRATORS, .takes_any_accept = true,
     .delete = reset_node},
    {.pattern = NULL},
};
