/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status: what the server is, what it uses and what it does. The keys are rabbitmqctl's where it
 * has one for the same, and further ones where it has none.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "config.h"
#include "config/config.h"
#include "http/http_call.h"
#include "net/control.h"
#include "net/plugin_names.h"
#include "net/tls.h"
#include "runtime/clock.h"
#include "runtime/log.h"
#include "runtime/server_internal.h"
#include "runtime/server_listing.h"
#include "runtime/server_stats.h"

/* --- of each vhost */

static void count(struct vhost *vhost, uint64_t now_ms, void *context)
{
    (void)now_ms;
    vhost_count_quickly(vhost, context);
}

static void count_messages(void *context, const struct queue_status *status)
{
    struct vhost_counters *counters = context;
    counters->ready += status->ready;
    counters->unacked += status->unacked;
}

static void add_counters(json_t *object, const struct server *server, struct gate *gate)
{
    struct vhost_counters counters;
    const struct vhost_visitor visitor = {.queue = count_messages, .context = &counters};
    gate_ask(gate, count, &counters);
    server_list(server, gate, &visitor);
    json_object_set_new(object, "connections", json_integer((json_int_t)counters.sessions));
    json_object_set_new(object, "channels", json_integer((json_int_t)counters.channels));
    json_object_set_new(object, "consumers", json_integer((json_int_t)counters.consumers));
    json_object_set_new(object, "queues", json_integer((json_int_t)counters.queues));
    json_object_set_new(object, "messages_ready", json_integer((json_int_t)counters.ready));
    json_object_set_new(object, "messages_unacknowledged",
                        json_integer((json_int_t)counters.unacked));
    json_object_set_new(object, "messages_published", json_integer((json_int_t)counters.published));
    json_object_set_new(object, "messages_delivered",
                        json_integer((json_int_t)(counters.delivered + counters.got)));
    json_object_set_new(object, "gate_held_ns", json_integer((json_int_t)gate_held_ns(gate)));
}

static void add_store_figures(json_t *object, struct store *store)
{
    struct store_figures figures;
    store_figures(store, &figures);
    json_object_set_new(object, "store_file_bytes", json_integer((json_int_t)figures.file_bytes));
    json_object_set_new(object, "store_wal_bytes", json_integer((json_int_t)figures.wal_bytes));
    json_object_set_new(object, "store_messages_written",
                        json_integer((json_int_t)figures.messages_written));
    json_object_set_new(object, "store_messages_debt",
                        json_integer((json_int_t)figures.messages_debt));
    json_object_set_new(object, "store_messages_spilled",
                        json_integer((json_int_t)figures.messages_spilled));
    json_object_set_new(object, "store_spill_bytes", json_integer((json_int_t)figures.spill_bytes));
}

/* --- of all of them, on another thread, as there may be very many queues */

struct status_job {
    struct control_work work;
    struct server *server;
    struct control_call *call;
    json_t *status; /* owned, until it is printed */
    struct gate **gates;
    size_t gate_count;
    struct buffer reply; /* owned */
};

static json_int_t count_of(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

static json_t *totals_of(const json_t *vhosts)
{
    json_int_t connections = 0, queues = 0;
    for (size_t i = 0; i < json_array_size(vhosts); i++) {
        connections += count_of(json_array_get(vhosts, i), "connections");
        queues += count_of(json_array_get(vhosts, i), "queues");
    }
    return json_pack("{s:I, s:I, s:I}", "connection_count", connections, "queue_count", queues,
                     "virtual_host_count", (json_int_t)json_array_size(vhosts));
}

static void run_status(struct control_work *work)
{
    struct status_job *job = container_of(work, struct status_job, work);
    json_t *list = json_array();
    for (size_t i = 0; i < job->gate_count; i++) {
        json_t *object = json_object();
        json_object_set_new(object, "name", json_string(gate_name(job->gates[i])));
        add_counters(object, job->server, job->gates[i]);
        add_store_figures(object, gate_store(job->gates[i]));
        json_array_append_new(list, object);
        server_diagnose_store(job->gates[i], json_object_get(job->status, "problems"));
    }
    json_object_set_new(job->status, "totals", totals_of(list));
    json_object_set_new(job->status, "vhosts", list);
    control_print_reply(job->status, &job->reply);
}

static void end_status(struct control_work *work)
{
    struct status_job *job = container_of(work, struct status_job, work);
    for (size_t i = 0; i < job->gate_count; i++)
        server_release_gate(job->server, job->gates[i]);
    free(job->gates);
    control_reply_printed(job->call, &job->reply);
    free(job);
}

/* --- of the server */

/* Those that something was read from. */
static json_t *config_files(const struct config *config)
{
    json_t *files = json_array();
    const char *last = "";
    for (size_t i = 0; i < config->setting_count; i++) {
        const struct config_setting *setting = &config->settings[i];
        if (setting->line > 0 && strcmp(setting->source, last) != 0)
            json_array_append_new(files, server_absolute_path(setting->source));
        last = setting->source;
    }
    return files;
}

/* As it was configured, or the bytes where a command has set them since. */
static json_t *watermark_of(const struct server *server)
{
    const struct config *config =
        server->last_config != NULL ? server->last_config : server->config;
    struct alarm_limits configured = server->alarm_limits;
    double relative = config->memory_watermark_relative;
    alarm_limits_set_memory(&configured, config);
    if (relative > 0 && configured.memory_bytes == server->alarm_limits.memory_bytes)
        return json_pack("{s:f}", "relative", relative);
    return json_pack("{s:I}", "absolute", (json_int_t)server->alarm_limits.memory_bytes);
}

static json_t *memory_of(const struct server *server, const struct http_node_facts *facts)
{
    json_t *memory = server_memory_parts(server);
    json_object_set_new(memory, "strategy", json_string("rss"));
    json_object_set_new(memory, "total", json_pack("{s:I}", "rss", (json_int_t)facts->mem_used));
    return memory;
}

static json_t *alarms_of(const struct server *server)
{
    json_t *names = server_alarm_names(server), *alarms = json_array();
    for (size_t i = 0; i < json_array_size(names); i++)
        json_array_append_new(
            alarms, json_pack("{s:s, s:O, s:s}", "node", server->config->node_name, "resource",
                              json_array_get(names, i), "type", "resource_limit"));
    json_decref(names);
    return alarms;
}

static void add_resources(json_t *status, const struct server *server)
{
    struct http_node_facts facts;
    server_stats_node(server->stats, &facts);
    facts.mem_used = alarm_memory_used();
    json_object_set_new(status, "alarms", alarms_of(server));
    json_object_set_new(status, "memory", memory_of(server, &facts));
    json_object_set_new(status, "vm_memory_calculation_strategy", json_string("rss"));
    json_object_set_new(status, "vm_memory_high_watermark_limit",
                        json_integer((json_int_t)server->alarm_limits.memory_bytes));
    json_object_set_new(status, "vm_memory_high_watermark_setting", watermark_of(server));
    json_object_set_new(status, "disk_free",
                        json_integer((json_int_t)alarm_disk_free(&server->alarm_limits)));
    json_object_set_new(status, "disk_free_limit",
                        json_integer((json_int_t)server->alarm_limits.disk_free_bytes));
    json_object_set_new(
        status, "file_descriptors",
        json_pack("{s:I, s:I, s:I, s:I}", "sockets_limit", (json_int_t)facts.fd_total,
                  "sockets_used", (json_int_t)facts.sockets_used, "total_limit",
                  (json_int_t)facts.fd_total, "total_used", (json_int_t)facts.fd_used));
}

static json_t *describe(const struct server *server)
{
    struct utsname system = {.sysname = "unknown"};
    const struct config *config = server->config;
    uint64_t uptime_s = (clock_steady_ms() - server->started_ms) / 1000;
    json_t *status =
        json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "node", config->node_name, "pid",
                  (int)getpid(), "leveret_version", PACKAGE_VERSION, "data_directory",
                  config->data_dir, "product_name", config->product_name, "product_version",
                  config->product_version, "rabbitmq_version", config->product_version, "uptime",
                  (json_int_t)uptime_s, "reactors", (json_int_t)server->reactor_count);
    (void)uname(&system);
    json_object_set_new(status, "os", json_string(system.sysname));
    json_object_set_new(status, "crypto_lib_version", json_string(tls_library()));
    json_object_set_new(status, "active_plugins", plugin_names());
    json_object_set_new(status, "config_files", config_files(config));
    json_object_set_new(status, "log_files", server_log_places());
    json_object_set_new(status, "listeners", server_listener_rows(server));
    json_object_set_new(status, "is_under_maintenance", json_boolean(server->is_draining));
    return status;
}

static void handle_status(void *context, struct control_call *call)
{
    struct server *server = context;
    json_t *problems = json_array();
    struct status_job *job = xcalloc(1, sizeof *job);
    *job = (struct status_job){.work = {run_status, end_status},
                               .server = server,
                               .call = call,
                               .status = describe(server)};
    add_resources(job->status, server);
    server_diagnose(server, problems);
    json_object_set_new(job->status, "problems", problems);
    job->gate_count = server_take_gates(server, &job->gates);
    server_submit_job(server, &job->work);
}

void server_add_status_command(struct server *server)
{
    static const struct control_command commands[] = {{"status", handle_status}};
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
