/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is wrong with the server, or soon will be: for a person who looks at its status, each with
 * what to do about it; and the facts from which leveretctl answers rabbitmq-diagnostics' questions.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth/directory.h"
#include "broker/vhost.h"
#include "config.h"
#include "config/config.h"
#include "http/http_call.h"
#include "http/http_memory.h"
#include "net/control.h"
#include "net/tls.h"
#include "runtime/clock.h"
#include "runtime/gate.h"
#include "runtime/log.h"
#include "runtime/server_internal.h"
#include "runtime/server_metrics.h"
#include "runtime/server_stats.h"
#include "stats/statistics.h"

enum {
    NEAR_PERCENT = 85,       /* of a limit */
    NEAR_DISK_PERCENT = 150, /* of the least free space */
    EXPIRY_DAYS = 30,
    DAY_S = 24 * 60 * 60,
};

static void add_problem(json_t *problems, const char *name, const char *advice, const char *format,
                        ...) __attribute__((format(printf, 4, 5)));

static void add_problem(json_t *problems, const char *name, const char *advice, const char *format,
                        ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_t *text = json_vsprintf(format, arguments);
    va_end(arguments);
    json_array_append_new(
        problems, json_pack("{s:s, s:o, s:s}", "name", name, "problem", text, "advice", advice));
}

/* --- what runs short */

static void diagnose_memory(const struct server *server, const struct http_node_facts *facts,
                            json_t *problems)
{
    static const char advice[] =
        "Let consumers take what is in the queues, close what is not needed, or raise "
        "vm_memory_high_watermark";
    if (server->alarms & VHOST_ALARM_MEMORY)
        add_problem(problems, "memory_alarm", advice,
                    "The memory alarm is in effect and publishers are blocked: %" PRIu64
                    " bytes are in use, the limit is %" PRIu64,
                    facts->mem_used, facts->mem_limit);
    else if (facts->mem_used >= facts->mem_limit / 100 * NEAR_PERCENT)
        add_problem(problems, "memory_low", advice,
                    "The memory is close to its limit, where publishers are blocked: %" PRIu64
                    " of %" PRIu64 " bytes are in use",
                    facts->mem_used, facts->mem_limit);
}

static void diagnose_disk(const struct server *server, const struct http_node_facts *facts,
                          json_t *problems)
{
    static const char advice[] =
        "Give the disk of the data directory more space, or let consumers take what is in the "
        "queues";
    if (server->alarms & VHOST_ALARM_DISK)
        add_problem(problems, "disk_alarm", advice,
                    "The disk alarm is in effect and publishers are blocked: %" PRIu64
                    " bytes are free, the limit is %" PRIu64,
                    facts->disk_free, facts->disk_free_limit);
    else if (facts->disk_free / NEAR_DISK_PERCENT * 100 < facts->disk_free_limit)
        add_problem(problems, "disk_low", advice,
                    "The space on the disk is close to its limit, where publishers are blocked: "
                    "%" PRIu64 " bytes are free, the limit is %" PRIu64,
                    facts->disk_free, facts->disk_free_limit);
}

/* The last sampling's count is a little old; where there is none left, that shows now. */
static void diagnose_descriptors(const struct http_node_facts *facts, json_t *problems)
{
    uint64_t used = facts->fd_used;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    else if (errno == EMFILE)
        used = facts->fd_total;
    if (used > 0 && used * 100 >= facts->fd_total * NEAR_PERCENT)
        add_problem(problems, "file_descriptors_low",
                    "Raise the limit of open files (LimitNOFILE, ulimit -n) and restart, or close "
                    "connections",
                    "%" PRIu64 " of %" PRIu64
                    " file descriptors are in use: without one there is no new connection",
                    used, facts->fd_total);
}

static void diagnose_unknown_alarms(const struct server *server, json_t *problems)
{
    unsigned unknown = server->alarm_limits.unknown;
    if (unknown != 0)
        add_problem(problems, "alarms_unknown", "See the log for the reason",
                    "%s cannot be found out: its alarm stays as it was",
                    unknown & VHOST_ALARM_MEMORY ? "The memory in use" : "The space on the disk");
}

/* --- what is not as it should be */

static void diagnose_listeners(const struct server *server, json_t *problems)
{
    static const char advice[] =
        "Free the port, which somebody else has, or choose another one, and restart";
    const struct config *config = server->config;
    if (config->management.port != CONFIG_UNLIMITED && server_http_port(server) == 0)
        add_problem(problems, "listener_missing", advice,
                    "The management API is not there: its port %u could not be had",
                    (unsigned)config->management.port);
    if (config->prometheus.port != CONFIG_UNLIMITED && server_metrics_port(server->metrics) == 0)
        add_problem(problems, "listener_missing", advice,
                    "The metrics for Prometheus are not there: their port %u could not be had",
                    (unsigned)config->prometheus.port);
    if (server->is_suspended && !server->is_draining)
        add_problem(problems, "listeners_suspended", "leveretctl resume_listeners opens them again",
                    "The ports for clients are closed: listeners were suspended");
    bool is_wanted = !server->is_draining && !server->is_suspended;
    for (size_t i = 0; i < server->listener_count && is_wanted; i++) {
        if (server->listeners[i].listener == NULL)
            add_problem(problems, "listener_missing", "Free the port, then leveretctl revive",
                        "The port %u for clients is closed", (unsigned)server->listeners[i].port);
    }
}

/* context: NULL where nothing listens by it. */
static void diagnose_certificate(struct tls_context *context, const char *prefix, json_t *problems)
{
    char advice[128];
    int64_t end_s = context != NULL ? tls_context_ends(context).chain_s : INT64_MAX;
    int64_t left_s = end_s - (int64_t)(clock_wall_ms() / 1000);
    if (left_s > (int64_t)EXPIRY_DAYS * DAY_S)
        return;
    snprintf(advice, sizeof advice,
             "Put a new certificate where %s.certfile says, then leveretctl reload", prefix);
    if (left_s <= 0)
        add_problem(problems, "certificate_expired", advice,
                    "The server's certificate of %s has expired, %" PRId64
                    " days ago: clients that check it do not connect",
                    prefix, -left_s / DAY_S);
    else
        add_problem(problems, "certificate_expires", advice,
                    "The server's certificate of %s expires in %" PRId64 " days", prefix,
                    left_s / DAY_S);
}

static void diagnose_vhosts(struct server *server, json_t *problems)
{
    for (size_t i = 0; i < directory_vhost_count(server->directory); i++) {
        const char *name = directory_vhost(server->directory, i).name;
        if (!server_has_vhost(server, name))
            add_problem(problems, "vhost_down", "See the log for the reason, and restart",
                        "Virtual host '%s' is not running", name);
    }
}

void server_diagnose(struct server *server, json_t *problems)
{
    struct http_node_facts facts;
    uint64_t lost = log_lost_count();
    server_stats_node(server->stats, &facts);
    facts.mem_limit = server->alarm_limits.memory_bytes; /* as of now, not of the last tick */
    facts.disk_free_limit = server->alarm_limits.disk_free_bytes;
    facts.disk_free = alarm_disk_free(&server->alarm_limits);
    diagnose_memory(server, &facts, problems);
    diagnose_disk(server, &facts, problems);
    diagnose_unknown_alarms(server, problems);
    diagnose_descriptors(&facts, problems);
    if (server->is_draining)
        add_problem(problems, "maintenance", "leveretctl revive puts it back into service",
                    "The server is under maintenance: it serves no clients");
    diagnose_listeners(server, problems);
    diagnose_certificate(server->tls, server->config->tls.prefix, problems);
    diagnose_certificate(server->management_tls, server->config->management_tls.prefix, problems);
    diagnose_vhosts(server, problems);
    if (lost > 0)
        add_problem(problems, "log_messages_lost",
                    "See whether the log's disk has space and the servers it goes to can be "
                    "reached",
                    "%" PRIu64 " log messages did not get to where they were to go", lost);
}

void server_diagnose_store(const struct gate *gate, json_t *problems)
{
    const struct store *store = gate_store(gate);
    const char *error = store_error(store);
    if (error[0] != '\0')
        add_problem(problems, "store_failed",
                    "Look at the disk and at the log; then leveretctl check without the server",
                    "The store of virtual host '%s' has failed: %s", gate_name(gate), error);
    else if (store_is_short_of_space(store))
        add_problem(problems, "store_short_of_space",
                    "Give the disk of the data directory more space: publishers are unblocked by "
                    "themselves",
                    "The store of virtual host '%s' has no space: publishers are blocked",
                    gate_name(gate));
}

/* --- listeners */

static const char *purpose_of(const char *protocol)
{
    static const char *const purposes[][2] = {
        {"amqp", "AMQP 0-9-1"},
        {"amqp/ssl", "AMQP 0-9-1 over TLS"},
        {"http", "HTTP API"},
        {"https", "HTTP API over TLS (HTTPS)"},
        {"http/prometheus", "Prometheus exporter API over HTTP"},
    };
    for (size_t i = 0; i < sizeof purposes / sizeof purposes[0]; i++) {
        if (strcmp(purposes[i][0], protocol) == 0)
            return purposes[i][1];
    }
    return protocol;
}

struct listener_rows {
    const struct server *server;
    json_t *rows; /* owned */
};

static void add_listener(void *context, const char *protocol, const char *address, uint16_t port)
{
    const struct listener_rows *listing = context;
    bool is_any = strcmp(address, "::") == 0;
    json_array_append_new(listing->rows,
                          json_pack("{s:s, s:s, s:i, s:s, s:s}", "interface",
                                    is_any ? "[::]" : address, "node",
                                    listing->server->config->node_name, "port", (int)port,
                                    "protocol", protocol, "purpose", purpose_of(protocol)));
}

json_t *server_listener_rows(const struct server *server)
{
    struct listener_rows listing = {server, json_array()};
    server_each_listener(server, add_listener, &listing);
    return listing.rows;
}

/* --- the command */

json_t *server_alarm_names(const struct server *server)
{
    json_t *alarms = json_array();
    if (server->alarms & VHOST_ALARM_DISK)
        json_array_append_new(alarms, json_string("disk"));
    if (server->alarms & VHOST_ALARM_MEMORY)
        json_array_append_new(alarms, json_string("memory"));
    return alarms;
}

static json_t *vhosts_that_are_down(struct server *server)
{
    json_t *down = json_array();
    for (size_t i = 0; i < directory_vhost_count(server->directory); i++) {
        const char *name = directory_vhost(server->directory, i).name;
        if (!server_has_vhost(server, name))
            json_array_append_new(down, json_string(name));
    }
    return down;
}

json_t *server_memory_parts(const struct server *server)
{
    struct memory_part parts[MEMORY_PART_COUNT];
    struct vhost_counters counters = {0};
    struct http_node_facts facts;
    json_t *memory = json_object();
    server_stats_total(server->stats, &counters);
    server_stats_node(server->stats, &facts);
    memory_parts(parts, &counters, statistics_bytes(server_stats_statistics(server->stats)),
                 facts.mem_used);
    for (size_t i = 0; i < MEMORY_PART_COUNT; i++)
        json_object_set_new(memory, parts[i].name, json_integer((json_int_t)parts[i].bytes));
    return memory;
}

static void add_certificate(void *context, const struct http_certificate *certificate)
{
    bool is_any = strcmp(certificate->address, "::") == 0;
    json_t *row = json_pack(
        "{s:s, s:s, s:i, s:s, s:o, s:I, s:I}", "interface", is_any ? "[::]" : certificate->address,
        "protocol", certificate->protocol, "port", (int)certificate->port, "purpose",
        purpose_of(certificate->protocol), "certfile", server_absolute_path(certificate->certfile),
        "certfile_ends_s", (json_int_t)certificate->certificate_end_s, "cacertfile_ends_s",
        (json_int_t)certificate->authority_end_s);
    if (certificate->cacertfile != NULL)
        json_object_set_new(row, "cacertfile", server_absolute_path(certificate->cacertfile));
    json_array_append_new(context, row);
}

static json_t *certificates_of(struct server *server)
{
    json_t *certificates = json_array();
    server_each_certificate(server, add_certificate, certificates);
    return certificates;
}

static void handle_diagnosis(void *context, struct control_call *call)
{
    struct server *server = context;
    const struct config *config = server->config;
    json_t *result =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "node", config->node_name, "cluster_name",
                  server->cluster_name, "product_name", config->product_name, "product_version",
                  config->product_version, "leveret_version", PACKAGE_VERSION,
                  "is_under_maintenance", server->is_draining ? 1 : 0);
    json_object_set_new(result, "alarms", server_alarm_names(server));
    json_object_set_new(result, "listeners", server_listener_rows(server));
    json_object_set_new(result, "certificates", certificates_of(server));
    json_object_set_new(result, "vhosts_down", vhosts_that_are_down(server));
    json_object_set_new(result, "memory", server_memory_parts(server));
    control_reply(call, result);
}

/* A vhost that could not be opened is opened when the server starts, and not before. */
static void handle_restart_vhost(void *context, struct control_call *call)
{
    struct server *server = context;
    const char *node = server->config->node_name, *vhost = control_text(call, "vhost");
    if (vhost == NULL || !directory_has_vhost(server->directory, vhost))
        control_fail(call, CONTROL_SOFTWARE,
                     "Failed to start vhost '%s' on node '%s'Reason: {:no_such_vhost, \"%s\"}",
                     vhost != NULL ? vhost : "", node, vhost != NULL ? vhost : "");
    else if (!server_has_vhost(server, vhost))
        control_fail(call, CONTROL_SOFTWARE,
                     "Failed to start vhost '%s' on node '%s'Reason: see the log, and restart the "
                     "server",
                     vhost, node);
    else
        control_reply(call, json_pack("{s:s}", "node", node));
}

void server_add_diagnosis_commands(struct server *server)
{
    static const struct control_command commands[] = {{"diagnosis", handle_diagnosis},
                                                      {"restart_vhost", handle_restart_vhost}};
    control_add_commands(server->control, commands, sizeof commands / sizeof commands[0], server);
}
