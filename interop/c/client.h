/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTEROP_C_CLIENT_H
#define INTEROP_C_CLIENT_H

#include <amqp.h>
#include <stdbool.h>
#include <stdint.h>

#define CHANNEL 1

/* How a connection is opened; NULL and 0 stand for the environment's values and librabbitmq's own.
 */
struct client_options {
    const char *user;
    const char *password;
    const char *vhost;
    int frame_max;
    int channel_max;
    int heartbeat_s;
    bool is_tls;
    bool has_certificate;
    bool is_external;
    const char *ca_file;
};

/* One message as it came, copied out of the library's memory. */
struct client_message {
    uint64_t delivery_tag;
    uint32_t message_count;
    bool is_redelivered;
    char exchange[256];
    char routing_key[256];
    amqp_message_t content; /* owned */
};

/* Opens a connection and its channel 1, or fails the test. The caller closes it. */
amqp_connection_state_t client_open(void);
amqp_connection_state_t client_open_with(const struct client_options *options);

/* Connects and logs in, gives back the reply of the login; *connection may be NULL if the
 * socket did not even open. Never fails the test. */
amqp_rpc_reply_t client_login(const struct client_options *options,
                              amqp_connection_state_t *connection);

/* Closes cleanly, or fails the test. */
void client_close(amqp_connection_state_t connection);

/* Ends the connection without a word. */
void client_abandon(amqp_connection_state_t connection);

void client_open_channel(amqp_connection_state_t connection, amqp_channel_t channel);

/* Fails the test unless the last synchronous method on the connection succeeded. */
void client_check(amqp_connection_state_t connection, const char *what);

/* Fails the test unless the last synchronous method was answered with channel.close of that code
 * and text; answers it, so that the channel can be opened again. */
void client_expect_channel_closed(amqp_connection_state_t connection, uint16_t code,
                                  const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same for a login or a method that is answered with connection.close. */
void client_expect_connection_closed(amqp_rpc_reply_t reply, uint16_t code, const char *text);

/* Waits for a method on channel 1, passing over nothing: any other frame fails the test. */
void *client_wait_method(amqp_connection_state_t connection, amqp_method_number_t method);

/* Whether nothing arrives within that time. */
bool client_is_quiet(amqp_connection_state_t connection, unsigned int milliseconds);

/* The value under the key, or NULL. */
const amqp_field_value_t *client_find(const amqp_table_t *table, const char *key);

/* A name that nobody else uses; of static duration. */
const char *client_unique(const char *what);

/* Declare a queue or an exchange with a unique name that is deleted when the test is over. */
const char *client_queue(amqp_connection_state_t connection, bool is_durable);
const char *client_exchange(amqp_connection_state_t connection, const char *type, bool is_durable);

/* A queue that goes with its connection; its name is the server's. */
const char *client_exclusive_queue(amqp_connection_state_t connection);

/* Publishes on channel 1. Properties may be NULL. */
void client_publish(amqp_connection_state_t connection, const char *exchange, const char *key,
                    const amqp_basic_properties_t *properties, const char *body);

/* Starts a consumer on channel 1; returns its tag, of static duration. */
const char *client_consume(amqp_connection_state_t connection, const char *queue, bool no_ack);

/* The next delivery, or the test fails. client_message_free releases it. */
void client_receive(amqp_connection_state_t connection, struct client_message *message);

/* basic.get; false if the queue is empty. */
bool client_get(amqp_connection_state_t connection, const char *queue, bool no_ack,
                struct client_message *message);

void client_message_free(struct client_message *message);

/* Publishes on a channel that is in confirm mode and waits for the confirm. */
void client_publish_confirmed(amqp_connection_state_t connection, const char *exchange,
                              const char *key, const amqp_basic_properties_t *properties,
                              const char *body);

/* Puts channel 1 into confirm mode. */
void client_select_confirms(amqp_connection_state_t connection);

/* How many messages are ready, asked by a passive declare. The question may overtake what was
 * published without a confirm. */
uint32_t client_message_count(amqp_connection_state_t connection, const char *queue);

/* Waits until that many messages are ready, or fails the test. */
void client_expect_count(amqp_connection_state_t connection, const char *queue, uint32_t count);

/* Takes the next message of the queue and fails the test unless the body is that. */
void client_expect_message(amqp_connection_state_t connection, const char *queue, const char *body);

#endif
