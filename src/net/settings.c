/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What connections need of the configuration, as plain numbers. The server properties are in
 * RabbitMQ's order; clients decide by product, version and capabilities what the broker can do, so
 * those are RabbitMQ's, and Leveret's own version stands beside them.
 */
#include "net/settings.h"

#include <string.h>

#include "amqp/frame.h"
#include "amqp/table.h"
#include "config.h"
#include "config/config.h"

enum { refusal_delay_ms = 3000, closing_timeout_ms_max = 30000 };

static void add_capabilities(struct buffer *table)
{
    static const char *const names[] = {
        "publisher_confirms",           "exchange_exchange_bindings", "basic.nack",
        "consumer_cancel_notify",       "connection.blocked",         "consumer_priorities",
        "authentication_failure_close", "per_consumer_qos",           "direct_reply_to",
    };
    size_t begin = amqp_table_add_table_begin(table, "capabilities");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        amqp_table_add_bool(table, names[i], true);
    amqp_table_end(table, begin);
}

void net_append_server_properties(struct buffer *table, const struct config *config,
                                  const char *cluster_name)
{
    add_capabilities(table);
    amqp_table_add_text(table, "cluster_name", cluster_name);
    amqp_table_add_text(table, "copyright", "Copyright (c) the Leveret contributors");
    amqp_table_add_text(table, "information", "Leveret, an AMQP 0-9-1 broker; Apache-2.0");
    amqp_table_add_text(table, "leveret_version", PACKAGE_VERSION);
    amqp_table_add_text(table, "platform", "Leveret " PACKAGE_VERSION);
    amqp_table_add_text(table, "product", config->product_name);
    amqp_table_add_text(table, "version", config->product_version);
    const struct config_list *more = &config->server_properties;
    for (size_t i = 0; i < more->count; i++)
        amqp_table_add_text(table, more->entries[i].name, more->entries[i].value);
}

void net_settings_init(struct net_settings *settings, const struct config *config)
{
    *settings = (struct net_settings){
        .handshake_timeout_ms = config->handshake_timeout_ms,
        .tls_handshake_timeout_ms = config->ssl_handshake_timeout_ms,
        .proxy_protocol = config->proxy_protocol,
        .refusal_delay_ms = refusal_delay_ms,
        .closing_timeout_ms_max = closing_timeout_ms_max,
        .initial_frame_max = config->initial_frame_max_bytes,
        .frame_max = config->frame_max_bytes,
        .channel_max = config->channel_max,
        .heartbeat_s = config->heartbeat_s,
        .table_depth_max = config->table_depth_max,
        .header_bytes_max = config->header_bytes_max,
        .message_bytes_max = config->max_message_size_bytes,
        .output_bytes = config->connection_output_bytes,
    };
}
