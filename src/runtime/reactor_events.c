/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of connections on amq.rabbitmq.event: logins, that a connection was opened in a
 * vhost, and that it is closed, which is told of every one that was accepted. The first goes to the
 * core with the session, because the vhost may still refuse it; the others go to the bus from here.
 *
 * Addresses, protocol and reasons have the form of the Erlang terms that RabbitMQ has for them: an
 * address is {127,0,0,1}, and a reason is a string there, and so a list of numbers.
 */
#include <arpa/inet.h>
#include <string.h>

#include "amqp/table.h"
#include "auth/login_counts.h"
#include "broker/event_message.h"
#include "net/tls.h"
#include "runtime/clock.h"
#include "runtime/event_bus.h"
#include "runtime/reactor_internal.h"
#include "runtime/server.h"
#include "runtime/user_totals.h"

static bool is_wanted(const struct reactor *reactor)
{
    return event_bus_is_wanted(server_events(reactor->server));
}

static void post(struct reactor *reactor, const char *key, struct buffer *headers)
{
    event_bus_post_one(server_events(reactor->server),
                       event_message_new(key, headers, clock_wall_ms()));
    buffer_fini(headers);
}

/* --- parts of them */

static void add_text(struct buffer *headers, const char *name, const char *text)
{
    amqp_table_add_text(headers, name, text);
}

/* {127,0,0,1}, {0,0,0,0,0,0,0,1}; what is no address stands as it is. */
static void add_address(struct buffer *headers, const char *name, const char *address)
{
    struct buffer text = {0};
    struct in_addr four;
    uint16_t parts[8];
    if (inet_pton(AF_INET, address, &four) == 1) {
        uint32_t number = ntohl(four.s_addr);
        buffer_append_format(&text, "{%u,%u,%u,%u}", number >> 24, number >> 16 & 255,
                             number >> 8 & 255, number & 255);
    } else if (inet_pton(AF_INET6, address, parts) == 1) {
        for (size_t i = 0; i < 8; i++)
            buffer_append_format(&text, "%c%u", i == 0 ? '{' : ',', ntohs(parts[i]));
        buffer_append_u8(&text, '}');
    } else {
        buffer_append(&text, address, strlen(address));
    }
    amqp_table_add_longstr(headers, name, buffer_bytes(&text));
    buffer_fini(&text);
}

static void add_characters(struct buffer *headers, const char *name, const char *text)
{
    size_t begin = amqp_table_add_array_begin(headers, name);
    for (; *text != '\0'; text++) {
        const struct amqp_value value = {.type = AMQP_TYPE_INT64, .integer = (unsigned char)*text};
        amqp_array_add_value(headers, &value);
    }
    amqp_table_end(headers, begin);
}

static void add_pid(struct buffer *headers, const struct reactor *reactor,
                    const struct connection *connection)
{
    char text[EVENT_PID_SIZE];
    const struct slot *slot = reactor_find_slot(reactor, connection_handle(connection));
    const struct event_source source = {
        .node_name = server_config(reactor->server)->node_name,
        .started_s = server_started_s(reactor->server),
        .connection = slot->number,
    };
    add_text(headers, "pid", event_pid(&source, 0, text));
}

static void add_certificate(struct buffer *headers, const struct tls_status *tls)
{
    amqp_table_add_longstr(headers, "peer_cert_validity", buffer_bytes(&tls->validity));
    amqp_table_add_longstr(headers, "peer_cert_issuer", buffer_bytes(&tls->issuer));
    amqp_table_add_longstr(headers, "peer_cert_subject", buffer_bytes(&tls->subject));
}

/* Of a plain connection all of it is there, and empty. */
static void describe_tls(const struct connection *connection, struct tls_status *tls)
{
    *tls = (struct tls_status){.key_exchange = "", .cipher = "", .hash = ""};
    if (connection_tls(connection) != NULL)
        tls_describe(connection_tls(connection), tls);
}

/* --- opened */

static void add_tls(struct buffer *headers, const struct connection *connection,
                    const struct connection_status *status)
{
    struct tls_status tls;
    describe_tls(connection, &tls);
    add_text(headers, "ssl_hash", tls.hash);
    add_text(headers, "ssl_cipher", tls.cipher);
    add_text(headers, "ssl_key_exchange", tls.key_exchange);
    add_text(headers, "ssl_protocol", tls.protocol);
    add_text(headers, "auth_mechanism", status->mechanism);
    add_certificate(headers, &tls);
    amqp_table_add_bool(headers, "ssl", status->is_tls);
    tls_status_fini(&tls);
}

static void add_place(struct buffer *headers, const struct connection_status *status)
{
    add_address(headers, "peer_host", status->peer_host);
    add_address(headers, "host", status->host);
    amqp_table_add_int(headers, "peer_port", status->peer_port);
    amqp_table_add_int(headers, "port", status->port);
    add_text(headers, "name", status->name);
}

static struct message *make_created(const struct reactor *reactor,
                                    const struct connection *connection, const struct slot *slot)
{
    struct buffer headers = {0};
    struct connection_status status;
    connection_describe(connection, &status);
    add_text(&headers, "user_who_performed_action", status.user);
    add_text(&headers, "node", server_config(reactor->server)->node_name);
    amqp_table_add_int(&headers, "connected_at", (int64_t)slot->connected_ms);
    event_add_arguments(&headers, "client_properties", status.client_properties);
    amqp_table_add_int(&headers, "channel_max", status.channel_max);
    amqp_table_add_int(&headers, "frame_max", status.frame_max);
    amqp_table_add_int(&headers, "timeout", status.heartbeat_s);
    add_text(&headers, "vhost", gate_name(connection_gate(connection)->gate));
    add_text(&headers, "user", status.user);
    add_text(&headers, "protocol", "{0,9,1}");
    add_tls(&headers, connection, &status);
    add_place(&headers, &status);
    add_pid(&headers, reactor, connection);
    add_text(&headers, "type", "network");
    if (status.client_name[0] != '\0')
        add_text(&headers, "user_provided_name", status.client_name);
    struct message *created = event_message_new("connection.created", &headers, clock_wall_ms());
    buffer_fini(&headers);
    return created;
}

void reactor_opening(void *context, const struct connection *connection,
                     struct session_config *config)
{
    const struct reactor *reactor = context;
    struct slot *slot = reactor_find_slot(reactor, connection_handle(connection));
    config->number = slot->number;
    slot->user_totals = user_totals_hold(server_user_totals(reactor->server), config->user);
    config->user_totals = slot->user_totals;
    if (is_wanted(reactor))
        config->opened = make_created(reactor, connection, slot);
}

/* --- closed */

void reactor_tell_closed(struct reactor *reactor, const struct connection *connection)
{
    struct buffer headers = {0};
    struct connection_status status;
    if (!is_wanted(reactor))
        return;
    connection_describe(connection, &status);
    event_add_arguments(&headers, "client_properties", status.client_properties);
    add_text(&headers, "node", server_config(reactor->server)->node_name);
    add_pid(&headers, reactor, connection);
    add_text(&headers, "name", status.name);
    post(reactor, "connection.closed", &headers);
}

/* --- logins */

static void add_login_tls(struct buffer *headers, const struct connection *connection)
{
    struct tls_status tls;
    if (connection_tls(connection) == NULL)
        return;
    tls_describe(connection_tls(connection), &tls);
    add_certificate(headers, &tls);
    add_text(headers, "ssl_cipher", tls.cipher);
    add_text(headers, "ssl_protocol", tls.protocol);
    tls_status_fini(&tls);
}

void reactor_tell_login(struct reactor *reactor, const struct connection *connection,
                        struct bytes user, const char *reason)
{
    struct buffer headers = {0};
    struct connection_status status;
    login_counts_add(server_logins(reactor->server), LOGIN_BY_AMQP, reason == NULL);
    if (!is_wanted(reactor))
        return;
    connection_describe(connection, &status);
    if (reason != NULL)
        add_characters(&headers, "error", reason);
    add_login_tls(&headers, connection);
    amqp_table_add_bool(&headers, "ssl", status.is_tls);
    add_text(&headers, "auth_mechanism", status.mechanism);
    add_text(&headers, "protocol", "{0,9,1}");
    amqp_table_add_int(&headers, "peer_port", status.peer_port);
    add_address(&headers, "peer_host", status.peer_host);
    add_text(&headers, "connection_name", status.name);
    add_address(&headers, "host", status.host);
    if (user.data != NULL)
        amqp_table_add_longstr(&headers, "name", user);
    add_text(&headers, "connection_type", "network");
    post(reactor, reason != NULL ? "user.authentication.failure" : "user.authentication.success",
         &headers);
}
