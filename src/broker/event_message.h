/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_EVENT_MESSAGE_H
#define LEVERET_BROKER_EVENT_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "queue/message.h"

/* Events as messages, for whoever has something to tell: the core, the directory of users, the
 * reactors. */

/* The exchange that they are published to, and that of the log. */
extern const char event_exchange_name[];
extern const char log_exchange_name[];

/* Who did it where nobody is named. */
#define EVENT_USER_INTERNAL "rmq-internal"
#define EVENT_USER_CLI "rmq-cli"

/* The message that tells of an event: an empty body, the headers (a table), to which the time
 * (wall-clock ms) is added. The caller has the only reference. */
struct message *event_message_new(const char *routing_key, struct buffer *headers, uint64_t now_ms);

/* The message with a line of the log, from this node. */
struct message *log_message_new(const char *level, struct bytes line, bool is_json,
                                const char *node_name, uint64_t now_ms);

/* A table as RabbitMQ's events give arguments: an array with a text for each field, which is the
 * field as an Erlang term. */
void event_add_arguments(struct buffer *headers, const char *name, struct bytes table);

/* What stands for the process identifier of a connection (channel 0) or of a channel, counted from
 * 1 on its connection: unique as long as the server runs. Sizes: EVENT_PID_SIZE. */
enum { EVENT_PID_SIZE = 320 };
struct event_source {
    const char *node_name; /* borrowed */
    uint64_t started_s;    /* when the server was started */
    uint64_t connection;   /* number of the connection, over all of the server's */
};
const char *event_pid(const struct event_source *source, uint64_t channel, char *text);

#endif
