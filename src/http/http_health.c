/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Health checks: each is one question, answered with 200 where all is well and else with 503 and
 * what is wrong, so that a script needs to look at the status alone.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "auth/directory.h"
#include "broker/vhost.h"
#include "config/config.h"
#include "http/http_call.h"
#include "http/http_resources.h"

static void reply_ok(struct http_call *call)
{
    http_reply(call, json_pack("{s:s}", "status", "ok"));
}

/* --- alarms */

static void append_alarm(const struct http_context *context, json_t *alarms, const char *resource)
{
    json_array_append_new(
        alarms, json_pack("{s:s, s:s}", "node", context->config->node_name, "resource", resource));
}

static void check_alarms(const struct http_context *context, struct http_call *call,
                         const char *reason)
{
    unsigned alarms = context->host->alarms(context->host_context);
    json_t *rows = json_array();
    if (alarms & VHOST_ALARM_DISK)
        append_alarm(context, rows, "disk space");
    if (alarms & VHOST_ALARM_MEMORY)
        append_alarm(context, rows, "memory");
    if (json_array_size(rows) == 0) {
        json_decref(rows);
        reply_ok(call);
        return;
    }
    http_reply_failed(
        call, json_pack("{s:s, s:s, s:o}", "status", "failed", "reason", reason, "alarms", rows));
}

static void get_alarms(const struct http_context *context, struct http_call *call)
{
    check_alarms(context, call, "There are alarms in effect in the cluster");
}

static void get_local_alarms(const struct http_context *context, struct http_call *call)
{
    check_alarms(context, call, "There are alarms in effect on the node");
}

/* The one check of former versions, which scripts still ask for. */
static void check_node(const struct http_context *context, struct http_call *call)
{
    unsigned alarms = context->host->alarms(context->host_context);
    const char *resources = (alarms & VHOST_ALARM_MEMORY) == 0 ? "disk"
                            : (alarms & VHOST_ALARM_DISK) == 0 ? "memory"
                                                               : "memory, disk";
    if ((alarms & (VHOST_ALARM_MEMORY | VHOST_ALARM_DISK)) == 0) {
        reply_ok(call);
        return;
    }
    http_reply_failed(call, json_pack("{s:s, s:s+}", "status", "failed", "reason",
                                      "resource alarm(s) in effect: ", resources));
}

static void check_named_node(const struct http_context *context, struct http_call *call)
{
    if (strcmp(http_call_parameter(call, "node"), context->config->node_name) == 0)
        check_node(context, call);
    else
        http_not_found(call);
}

/* --- listeners */

struct listeners {
    json_t *ports;     /* owned, an array */
    json_t *protocols; /* owned, an array without doubles */
    long port;         /* that is looked for; 0: none */
    const char *protocol;
    bool is_found;
};

static void append_once(json_t *array, const char *text)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (strcmp(json_string_value(json_array_get(array, i)), text) == 0)
            return;
    }
    json_array_append_new(array, json_string(text));
}

static void look_at_listener(void *context, const char *protocol, const char *address,
                             uint16_t port)
{
    (void)address;
    struct listeners *listeners = context;
    json_array_append_new(listeners->ports, json_integer(port));
    append_once(listeners->protocols, protocol);
    if (listeners->port == port ||
        (listeners->protocol != NULL && strcmp(listeners->protocol, protocol) == 0))
        listeners->is_found = true;
}

static void fini_listeners(struct listeners *listeners)
{
    json_decref(listeners->ports);
    json_decref(listeners->protocols);
}

static void get_port_listener(const struct http_context *context, struct http_call *call)
{
    char *end;
    const char *text = http_call_parameter(call, "port");
    struct listeners listeners = {json_array(), json_array(), strtol(text, &end, 10), NULL, false};
    context->host->each_listener(context->host_context, look_at_listener, &listeners);
    if (*end != '\0')
        http_bad_request(call, "Invalid port");
    else if (listeners.is_found)
        http_reply(call,
                   json_pack("{s:s, s:I}", "status", "ok", "port", (json_int_t)listeners.port));
    else
        http_reply_failed(call, json_pack("{s:s, s:s, s:I, s:O}", "status", "failed", "reason",
                                          "No active listener", "missing",
                                          (json_int_t)listeners.port, "ports", listeners.ports));
    fini_listeners(&listeners);
}

/* By the name that listeners have for it. */
static const char *protocol_named(const char *name)
{
    static const char *const aliases[][2] = {{"amqp", "amqp"},
                                             {"amqp091", "amqp"},
                                             {"amqp0.9.1", "amqp"},
                                             {"amqp0-9-1", "amqp"},
                                             {"amqp0_9_1", "amqp"},
                                             {"amqps", "amqp/ssl"},
                                             {"amqp091/ssl", "amqp/ssl"},
                                             {"http", "http"},
                                             {"http1", "http"},
                                             {"http1.1", "http"},
                                             {"http_api", "http"},
                                             {"management", "http"},
                                             {"management_ui", "http"},
                                             {"ui", "http"},
                                             {"https", "https"},
                                             {"cli", "clustering"},
                                             {"distribution", "clustering"}};
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strcasecmp(name, aliases[i][0]) == 0)
            return aliases[i][1];
    }
    return name;
}

static void get_protocol_listener(const struct http_context *context, struct http_call *call)
{
    const char *protocol = protocol_named(http_call_parameter(call, "protocol"));
    struct listeners listeners = {json_array(), json_array(), 0, protocol, false};
    context->host->each_listener(context->host_context, look_at_listener, &listeners);
    if (listeners.is_found)
        http_reply(call, json_pack("{s:s, s:s}", "status", "ok", "protocol", protocol));
    else
        http_reply_failed(call, json_pack("{s:s, s:s, s:s, s:O}", "status", "failed", "reason",
                                          "No active listener", "missing", protocol, "protocols",
                                          listeners.protocols));
    fini_listeners(&listeners);
}

/* --- certificates */

struct expiry {
    json_t *rows; /* owned, an array: listeners with a certificate that ends before */
    int64_t before_s;
    const char *node;
};

/* As RabbitMQ writes it, in a list: empty where it is later. */
static json_t *end_within(int64_t end_s, const struct expiry *expiry)
{
    struct tm end;
    time_t end_time = (time_t)end_s;
    json_t *list = json_array();
    if (end_s < expiry->before_s && gmtime_r(&end_time, &end) != NULL)
        json_array_append_new(list, json_sprintf("%d-%02d-%02d %d:%02d:%02d", end.tm_year + 1900,
                                                 end.tm_mon + 1, end.tm_mday, end.tm_hour,
                                                 end.tm_min, end.tm_sec));
    return list;
}

static void look_at_certificate(void *context, const struct http_certificate *certificate)
{
    const struct expiry *expiry = context;
    json_t *own = end_within(certificate->certificate_end_s, expiry);
    json_t *authority = end_within(certificate->authority_end_s, expiry);
    if (json_array_size(own) + json_array_size(authority) > 0)
        json_array_append_new(
            expiry->rows,
            json_pack("{s:s, s:s, s:s, s:i, s:s, s:s?, s:O, s:O}", "node", expiry->node, "protocol",
                      certificate->protocol, "interface", certificate->address, "port",
                      (int)certificate->port, "certfile", certificate->certfile, "cacertfile",
                      certificate->cacertfile, "certfile_expires_on", own, "cacertfile_expires_on",
                      authority));
    json_decref(own);
    json_decref(authority);
}

static int64_t unit_days(const char *unit)
{
    static const struct {
        const char *name;
        int64_t days;
    } units[] = {{"days", 1}, {"weeks", 7}, {"months", 30}, {"years", 365}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcasecmp(unit, units[i].name) == 0)
            return units[i].days;
    }
    return 0;
}

/* What is too far away is as far as a file's date can say: no certificate is later. */
static int64_t seconds_ahead(long long count, int64_t days)
{
    enum { DAY_S = 86400 };
    const int64_t max_s = INT64_MAX / 4;
    int64_t unit_s = days * DAY_S;
    if (count > max_s / unit_s)
        return max_s;
    return count < -max_s / unit_s ? -max_s : count * unit_s;
}

static void reply_expiry(const struct http_context *context, struct http_call *call,
                         int64_t within_s)
{
    struct expiry expiry = {json_array(),
                            context->host->unix_time_s(context->host_context) + within_s,
                            context->config->node_name};
    context->host->each_certificate(context->host_context, look_at_certificate, &expiry);
    if (json_array_size(expiry.rows) == 0)
        reply_ok(call);
    else
        http_reply_failed(call, json_pack("{s:s, s:s, s:O}", "status", "failed", "reason",
                                          "Certificates expiring", "expired", expiry.rows));
    json_decref(expiry.rows);
}

static void get_certificate_expiration(const struct http_context *context, struct http_call *call)
{
    char *end;
    const char *text = http_call_parameter(call, "within");
    int64_t days = unit_days(http_call_parameter(call, "unit"));
    long long count = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || isspace((unsigned char)text[0]))
        http_bad_request(call, "Invalid expiration value.");
    else if (days == 0)
        http_bad_request(call, "Time unit not recognised. Supported units: days, weeks, months, "
                               "years.");
    else
        reply_expiry(context, call, seconds_ahead(count, days));
}

/* --- the rest */

static void get_virtual_hosts(const struct http_context *context, struct http_call *call)
{
    json_t *down = json_array();
    for (size_t i = 0; i < directory_vhost_count(context->directory); i++) {
        const char *name = directory_vhost(context->directory, i).name;
        if (!context->host->has_vhost(context->host_context, name))
            json_array_append_new(down, json_string(name));
    }
    if (json_array_size(down) > 0) {
        http_reply_failed(call, json_pack("{s:s, s:s, s:o}", "status", "failed", "reason",
                                          "Some virtual hosts are down", "virtual-hosts", down));
        return;
    }
    json_decref(down);
    reply_ok(call);
}

/* --- does it serve? (RabbitMQ 4) */

static void reply_failed(struct http_call *call, const char *reason)
{
    http_reply_failed(call, json_pack("{s:s, s:s}", "status", "failed", "reason", reason));
}

static bool is_serving(const struct http_context *context)
{
    return (context->host->alarms(context->host_context) & VHOST_ALARM_DRAINING) == 0;
}

static void get_in_service(const struct http_context *context, struct http_call *call)
{
    if (is_serving(context))
        reply_ok(call);
    else
        reply_failed(call, "this rabbit node is not currently available to serve");
}

static uint64_t count_connections(const struct http_context *context)
{
    struct http_node_facts facts;
    context->host->node(context->host_context, &facts);
    return facts.sockets_used;
}

static void get_below_limit(const struct http_context *context, struct http_call *call)
{
    if (count_connections(context) < context->config->connection_max)
        reply_ok(call);
    else
        reply_failed(call, "node connection limit is reached");
}

static void look_for_amqp(void *context, const char *protocol, const char *address, uint16_t port)
{
    bool *is_there = context;
    (void)address, (void)port;
    *is_there = *is_there || strncmp(protocol, "amqp", 4) == 0;
}

static void get_ready(const struct http_context *context, struct http_call *call)
{
    bool has_listener = false;
    uint64_t connections = count_connections(context);
    context->host->each_listener(context->host_context, look_for_amqp, &has_listener);
    if (!is_serving(context))
        reply_failed(call, "the rabbit node is not currently available to serve");
    else if (!has_listener)
        reply_failed(call, "no active listeners for AMQP/AMQPS");
    else if (connections >= context->config->connection_max)
        http_reply_failed(call, json_pack("{s:s, s:s, s:I}", "status", "failed", "reason",
                                          "node connection limit is reached", "connections",
                                          (json_int_t)connections));
    else
        reply_ok(call);
}

/* Who could ask is there already: the directory was read before there was a listener, the cluster
 * is one node, and that node leads its quorum queues. */
static void get_always_well(const struct http_context *context, struct http_call *call)
{
    (void)context;
    reply_ok(call);
}

static void get_has_data(const struct http_context *context, struct http_call *call)
{
    if (directory_vhost_count(context->directory) > 0)
        reply_ok(call);
    else
        reply_failed(call, "Metadata store has not yet been initialized: it reports to have no "
                           "virtual hosts");
}

/* Nothing depends on another node. */
static void get_critical(const struct http_context *context, struct http_call *call)
{
    (void)context;
    http_reply(call, json_pack("{s:s, s:s}", "status", "ok", "reason", "single node cluster"));
}

const struct http_route http_health_routes[] = {
    {"/health/checks/alarms", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_alarms},
    {"/health/checks/local-alarms", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_local_alarms},
    {"/health/checks/port-listener/:port", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_port_listener},
    {"/health/checks/protocol-listener/:protocol", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_protocol_listener},
    {"/health/checks/certificate-expiration/:within/:unit", HTTP_FOR_MANAGEMENT,
     HTTP_FOR_MANAGEMENT, .get = get_certificate_expiration},
    {"/health/checks/virtual-hosts", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_virtual_hosts},
    {"/health/checks/node-is-quorum-critical", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_critical},
    {"/health/checks/node-is-mirror-sync-critical", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_critical},
    {"/health/checks/is-in-service", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_in_service},
    {"/health/checks/below-node-connection-limit", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_below_limit},
    {"/health/checks/ready-to-serve-clients", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_ready},
    {"/health/checks/metadata-store/initialized", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_always_well},
    {"/health/checks/metadata-store/initialized/with-data", HTTP_FOR_MANAGEMENT,
     HTTP_FOR_MANAGEMENT, .get = get_has_data},
    {"/health/checks/reached-target-cluster-size", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT,
     .get = get_always_well},
    {"/health/checks/quorum-queues-without-elected-leaders/all-vhosts", HTTP_FOR_MANAGEMENT,
     HTTP_FOR_MANAGEMENT, .get = get_always_well},
    {"/health/checks/quorum-queues-without-elected-leaders/all-vhosts/pattern/:pattern",
     HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_always_well},
    {"/health/checks/quorum-queues-without-elected-leaders/vhost/:vhost", HTTP_FOR_MANAGEMENT,
     HTTP_FOR_MANAGEMENT, .get = get_always_well},
    {"/health/checks/quorum-queues-without-elected-leaders/vhost/:vhost/pattern/:pattern",
     HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = get_always_well},
    {"/healthchecks/node", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = check_node},
    {"/healthchecks/node/:node", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .get = check_named_node},
    {.pattern = NULL},
};
