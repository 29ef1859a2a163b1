/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is, all together: versions, listeners, and the totals with their rates. Who monitors
 * sees those of the node; others see the sum of the vhosts that they may enter, and no listeners.
 *
 * Totals are those of the last sampling, as in RabbitMQ, but for what can be had at once.
 */
#include <string.h>

#include "auth/directory.h"
#include "base/buffer.h"
#include "broker/vhost.h"
#include "config.h"
#include "config/config.h"
#include "exchange/exchange_type.h"
#include "http/http_call.h"
#include "http/http_resources.h"
#include "http/http_stats.h"

/* --- what does not change */

json_t *http_exchange_types(void)
{
    static const char *const descriptions[][2] = {
        {"direct", "AMQP direct exchange, as per the AMQP specification"},
        {"fanout", "AMQP fanout exchange, as per the AMQP specification"},
        {"headers", "AMQP headers exchange, as per the AMQP specification"},
        {"topic", "AMQP topic exchange, as per the AMQP specification"},
    };
    json_t *list = json_array();
    const struct exchange_type *type;
    for (size_t i = 0; (type = exchange_type_at(i)) != NULL; i++) {
        const char *description = type->name;
        for (size_t j = 0; j < sizeof descriptions / sizeof descriptions[0]; j++) {
            if (strcmp(descriptions[j][0], type->name) == 0)
                description = descriptions[j][1];
        }
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "name", type->name, "description",
                                              description, "enabled", 1));
    }
    return list;
}

static json_t *ages_of(const struct retention_policy *policy)
{
    json_t *list = json_array();
    for (size_t i = 0; i < policy->count; i++)
        json_array_append_new(list, json_integer(policy->levels[i].age_s));
    return list;
}

static json_t *retention(const struct stats_config *config)
{
    json_t *detailed = json_array();
    json_array_append_new(detailed, json_integer(config->basic.levels[0].age_s));
    return json_pack("{s:o, s:o, s:o}", "global", ages_of(&config->global), "basic",
                     ages_of(&config->basic), "detailed", detailed);
}

static json_t *versions(const struct http_context *context, const struct http_call *call)
{
    const struct config *config = context->config;
    json_t *row =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:s}", "management_version",
                  config->product_version, "rates_mode", "basic", "product_version",
                  config->product_version, "product_name", config->product_name, "rabbitmq_version",
                  config->product_version, "leveret_version", PACKAGE_VERSION, "cluster_name",
                  http_cluster_name(context), "erlang_version", "0", "erlang_full_version",
                  "none: Leveret is written in C", "release_series_support_status", "supported");
    json_object_set_new(row, "sample_retention_policies",
                        retention(statistics_config(context->statistics)));
    json_object_set_new(row, "exchange_types", http_exchange_types());
    json_object_set_new(row, "disable_stats", json_boolean(!http_stats_are_wanted(context, call)));
    json_object_set_new(row, "enable_queue_totals",
                        json_boolean(http_totals_are_wanted(context, call)));
    json_object_set_new(row, "is_op_policy_updating_enabled",
                        json_boolean(!config->operator_policies_fixed));
    json_object_set_new(row, "node", json_string(config->node_name));
    return row;
}

/* --- listeners */

struct list_of {
    json_t *list; /* owned */
    const struct config *config;
};

static void add_listener(void *context, const char *protocol, const char *address, uint16_t port)
{
    const struct list_of *listeners = context;
    json_array_append_new(listeners->list,
                          json_pack("{s:s, s:s, s:s, s:i, s:{}}", "node",
                                    listeners->config->node_name, "protocol", protocol,
                                    "ip_address", address, "port", (int)port, "socket_opts"));
}

static void put_text(json_t *options, const char *name, const char *text)
{
    if (text != NULL)
        json_object_set_new(options, name, json_string(text));
}

/* Values are texts, as RabbitMQ writes all options of a listener; the password is not among them.
 */
static json_t *tls_options(const struct config_tls *tls)
{
    json_t *options = json_object();
    struct buffer versions = {0};
    put_text(options, "cacertfile", tls->cacertfile);
    put_text(options, "certfile", tls->certfile);
    put_text(options, "keyfile", tls->keyfile);
    put_text(options, "verify", tls->verify_peer ? "verify_peer" : "verify_none");
    put_text(options, "fail_if_no_peer_cert", tls->fail_if_no_peer_cert ? "true" : "false");
    for (size_t i = 0; i < tls->versions.count; i++)
        buffer_append_format(&versions, "%s'%s'", i > 0 ? "," : "", tls->versions.entries[i].value);
    json_object_set_new(options, "versions",
                        json_sprintf("[%.*s]", (int)versions.size, (const char *)versions.data));
    buffer_fini(&versions);
    return options;
}

static void add_context(void *context, const char *protocol, const char *address, uint16_t port)
{
    const struct list_of *contexts = context;
    bool is_tls = strcmp(protocol, "https") == 0;
    bool is_metrics = strcmp(protocol, "http/prometheus") == 0;
    if (strncmp(protocol, "http", 4) != 0)
        return;
    json_t *row =
        json_pack("{s:[], s:s, s:s, s:s, s:s}", "ssl_opts", "node", contexts->config->node_name,
                  "description", is_metrics ? "RabbitMQ Prometheus" : "RabbitMQ Management", "path",
                  "/", "ip", address);
    json_object_set_new(row, "port", json_sprintf("%u", (unsigned)port));
    if (is_tls) {
        json_object_set_new(row, "ssl", json_string("true"));
        json_object_set_new(row, "ssl_opts", tls_options(&contexts->config->management_tls));
    }
    json_array_append_new(contexts->list, row);
}

json_t *http_contexts(const struct http_context *context)
{
    struct list_of contexts = {json_array(), context->config};
    context->host->each_listener(context->host_context, add_context, &contexts);
    return contexts.list;
}

static json_t *listeners_of(const struct http_context *context)
{
    struct list_of listeners = {json_array(), context->config};
    context->host->each_listener(context->host_context, add_listener, &listeners);
    return listeners.list;
}

/* --- totals */

/* Adds number to number, through objects and lists of one form. Times are the same in both. */
static void add_json(json_t *sum, const json_t *part)
{
    const char *key;
    json_t *value, *own;
    json_object_foreach((json_t *)(uintptr_t)part, key, value)
    {
        own = json_object_get(sum, key);
        if (own == NULL)
            json_object_set(sum, key, value);
        else if (json_is_integer(own) && strcmp(key, "timestamp") != 0)
            json_integer_set(own, json_integer_value(own) + json_integer_value(value));
        else if (json_is_real(own))
            json_real_set(own, json_real_value(own) + json_real_value(value));
        else if (json_is_object(own))
            add_json(own, value);
        for (size_t i = 0; json_is_array(own) && i < json_array_size(own); i++)
            add_json(json_array_get(own, i), json_array_get(value, i));
    }
}

static void put_groups(json_t *row, const struct http_stats *stats, bool has_churn)
{
    json_object_set_new(row, "message_stats", http_stats_object(stats, STATS_MESSAGES));
    if (has_churn)
        json_object_set_new(row, "churn_rates", http_stats_object(stats, STATS_CHURN));
    json_object_set_new(row, "queue_totals", http_stats_object(stats, STATS_LENGTHS));
}

static json_t *object_totals(uint64_t connections, uint64_t channels,
                             const struct vhost_counters *counters)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "connections", (json_int_t)connections,
                     "channels", (json_int_t)channels, "consumers", (json_int_t)counters->consumers,
                     "exchanges", (json_int_t)counters->exchanges, "queues",
                     (json_int_t)counters->queues);
}

static void put_totals_of_node(json_t *row, const struct http_context *context,
                               const struct http_ages *ages)
{
    struct vhost_counters counters = {0};
    struct http_node_facts facts;
    const struct http_stats stats = {.statistics = context->statistics,
                                     .kind = STATS_NODE,
                                     .vhost = bytes_of_text(""),
                                     .name = bytes_of_text(""),
                                     .ages = ages};
    put_groups(row, &stats, true);
    context->host->counters(context->host_context, NULL, &counters);
    context->host->node(context->host_context, &facts);
    json_object_set_new(row, "object_totals",
                        object_totals(facts.sockets_used, facts.channels, &counters));
    json_object_set_new(row, "statistics_db_event_queue", json_integer(0));
    json_object_set_new(row, "listeners", listeners_of(context));
    json_object_set_new(row, "contexts", http_contexts(context));
}

static void put_totals_of_vhosts(json_t *row, const struct http_context *context,
                                 const struct http_call *call, const struct http_ages *ages)
{
    json_t *nothing =
        json_pack("{s:{}, s:{}, s:{}}", "message_stats", "queue_totals", "object_totals");
    json_object_update(row, nothing);
    json_decref(nothing);
    for (size_t i = 0; i < directory_vhost_count(context->directory); i++) {
        const char *name = directory_vhost(context->directory, i).name;
        struct vhost_counters counters;
        if (!http_call_sees_vhost(call, name) ||
            !context->host->counters(context->host_context, name, &counters))
            continue;
        json_t *part = json_object();
        const struct http_stats stats = {.statistics = context->statistics,
                                         .kind = STATS_VHOST,
                                         .vhost = bytes_of_text(name),
                                         .name = bytes_of_text(""),
                                         .ages = ages};
        put_groups(part, &stats, false);
        json_object_set_new(part, "object_totals",
                            object_totals(counters.sessions, counters.channels, &counters));
        add_json(row, part);
        json_decref(part);
    }
}

/* What is known without statistics. */
static void put_object_totals(json_t *row, const struct http_context *context)
{
    struct vhost_counters counters = {0};
    struct http_node_facts facts;
    context->host->counters(context->host_context, NULL, &counters);
    context->host->node(context->host_context, &facts);
    json_object_set_new(row, "object_totals",
                        json_pack("{s:I, s:I, s:I}", "connections", (json_int_t)facts.sockets_used,
                                  "queues", (json_int_t)counters.queues, "exchanges",
                                  (json_int_t)counters.exchanges));
}

static void get_overview(const struct http_context *context, struct http_call *call)
{
    struct http_ages ages;
    json_t *row = versions(context, call);
    http_ages_read(&ages, call);
    bool is_brief = !http_stats_are_wanted(context, call);
    if (!is_brief &&
        (http_call_has_tag(call, "monitoring") || http_call_has_tag(call, "administrator")))
        put_totals_of_node(row, context, &ages);
    else if (!is_brief)
        put_totals_of_vhosts(row, context, call, &ages);
    else
        put_object_totals(row, context);
    http_reply(call, row);
}

const struct http_route http_overview_routes[] = {
    {"/overview", HTTP_FOR_MANAGEMENT, HTTP_FOR_MANAGEMENT, .lists_vhosts = true,
     .age_error = "bad_request", .get = get_overview},
    {.pattern = NULL},
};
