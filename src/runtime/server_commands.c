/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of leveretctl that are about the server itself. They run on the main thread; what
 * they need of a vhost they ask through its gate.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "config.h"
#include "net/control.h"
#include "runtime/clock.h"
#include "runtime/reactor.h"
#include "runtime/server_internal.h"
#include "runtime/server_listing.h"

static void handle_ping(void *context, struct control_call *call)
{
    (void)context;
    control_reply(call, NULL);
}

static void handle_stop(void *context, struct control_call *call)
{
    control_reply(call, NULL);
    server_stop(context);
}

static void handle_reload(void *context, struct control_call *call)
{
    server_reload(context, call);
}

/* --- status */

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

struct status_job {
    struct control_work work;
    struct server *server;
    struct control_call *call;
    json_t *status; /* owned, until it is printed */
    struct gate **gates;
    size_t gate_count;
    struct buffer reply; /* owned */
};

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

static void handle_status(void *context, struct control_call *call)
{
    struct server *server = context;
    uint64_t uptime_s = (clock_steady_ms() - server->started_ms) / 1000;
    struct status_job *job = xcalloc(1, sizeof *job);
    job->work = (struct control_work){run_status, end_status};
    job->server = server;
    job->call = call;
    job->status =
        json_pack("{s:i, s:s, s:s, s:s, s:I, s:I, s:o}", "pid", (int)getpid(), "leveret_version",
                  PACKAGE_VERSION, "data_directory", server->config->data_dir, "rabbitmq_version",
                  server->config->product_version, "uptime", (json_int_t)uptime_s, "reactors",
                  (json_int_t)server->reactor_count, "listeners", server_listener_rows(server));
    json_object_set_new(job->status, "is_under_maintenance", json_boolean(server->is_draining));
    json_t *problems = json_array();
    server_diagnose(server, problems);
    json_object_set_new(job->status, "problems", problems);
    job->gate_count = server_take_gates(server, &job->gates);
    server_submit_job(server, &job->work);
}

/* --- alarms: as in rabbitmqctl, until the next start */

/* LIMIT, or the word and a SIZE; NULL where it is neither. */
static const char *limit_text(const struct control_call *call, const char *word)
{
    const char *limit = control_text(call, "limit"), *size = control_text(call, "size");
    if (size == NULL)
        return limit;
    return limit != NULL && strcmp(limit, word) == 0 ? size : NULL;
}

/* Reads one key as the configuration file would. */
static bool read_limit(struct control_call *call, const char *key, const char *value,
                       struct config *config)
{
    struct config_messages messages;
    config_init(config);
    config_messages_init(&messages);
    bool is_right = value != NULL && config_set(config, key, value, "leveretctl", 0, &messages);
    if (!is_right)
        control_fail(call, CONTROL_DATA, "%s",
                     messages.count > 0 ? messages.messages[0].text : "a limit is needed");
    config_messages_fini(&messages);
    return is_right;
}

/* A number without a unit. */
static bool is_plain(const char *value)
{
    return value != NULL && value[strspn(value, "0123456789.")] == '\0';
}

/* 50MB, or "mem_relative 1.5" of the machine's memory. */
static void handle_set_disk_free_limit(void *context, struct control_call *call)
{
    struct server *server = context;
    struct config config;
    const char *value = limit_text(call, "mem_relative");
    bool is_relative = control_text(call, "size") != NULL;
    const char *key = is_relative ? "disk_free_limit.relative" : "disk_free_limit.absolute";
    if (read_limit(call, key, value, &config)) {
        alarm_limits_set_disk(&server->alarm_limits, &config);
        server_check_alarms(server);
        control_reply(call, NULL);
    }
    config_fini(&config);
}

/* 0.6 of the machine's memory, or "absolute 4GB". */
static void handle_set_memory_watermark(void *context, struct control_call *call)
{
    struct server *server = context;
    struct config config;
    const char *value = limit_text(call, "absolute");
    bool is_relative = control_text(call, "size") == NULL && is_plain(value);
    const char *key =
        is_relative ? "vm_memory_high_watermark.relative" : "vm_memory_high_watermark.absolute";
    if (read_limit(call, key, value, &config)) {
        config.memory_paging_ratio = server->config->memory_paging_ratio;
        alarm_limits_set_memory(&server->alarm_limits, &config);
        server_set_transient_max(server);
        server_check_alarms(server);
        control_reply(call, NULL);
    }
    config_fini(&config);
}

void server_add_commands(struct server *server)
{
    static const struct control_command commands[] = {
        {"ping", handle_ping},
        {"await_startup", handle_ping},
        {"stop", handle_stop},
        {"reload", handle_reload},
        {"status", handle_status},
        {"set_disk_free_limit", handle_set_disk_free_limit},
        {"set_vm_memory_high_watermark", handle_set_memory_watermark},
    };
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
