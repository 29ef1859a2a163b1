/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct reply-to. A consumer of "amq.rabbitmq.reply-to" gets a queue of its own, transient,
 * auto-delete, and under a name that nobody can guess; no method but a publish finds it (queue_find
 * hides it). So a reply takes the way of every message: to the default exchange, with the name as
 * its key, to the queue, to its consumer, and where the requester has gone there is no route.
 *
 * The reply_to property of a request is replaced by that name when it is published.
 */
#include "broker/direct_reply.h"

#include "amqp/properties.h"
#include "broker/channel.h"
#include "broker/queue_life.h"

static const char pseudo_name[] = "amq.rabbitmq.reply-to";
static const char target_prefix[] = "amq.rabbitmq.reply-to.";

bool direct_reply_is_pseudo(struct bytes name)
{
    return bytes_equal_text(name, pseudo_name);
}

bool direct_reply_is_target(struct bytes name)
{
    return bytes_start_with(name, target_prefix);
}

struct queue *direct_reply_open(struct channel *channel, const struct amqp_basic_consume *consume,
                                struct amqp_error *error)
{
    char name[64];
    if (channel->reply_queue != NULL) {
        amqp_error_set(error, AMQP_PRECONDITION_FAILED, "reply consumer already set");
        return NULL;
    }
    if (!consume->no_ack) {
        amqp_error_set(error, AMQP_PRECONDITION_FAILED, "reply consumer cannot acknowledge");
        return NULL;
    }
    vhost_make_name(channel_vhost(channel), target_prefix, name);
    struct queue *queue =
        queue_create(channel_vhost(channel), bytes_of_text(name), bytes_of(NULL, 0), 0);
    queue->is_auto_delete = true;
    queue->is_reply = true;
    limit_count_queues(channel_vhost(channel), -1); /* no limit counts it */
    channel->reply_queue = queue;
    return queue;
}

static bool names_pseudo(const struct message *message)
{
    struct bytes reply_to;
    return message_has(message, AMQP_PROPERTY_REPLY_TO) &&
           amqp_properties_reply_to(message_properties(message), &reply_to) &&
           direct_reply_is_pseudo(reply_to);
}

bool direct_reply_check(const struct channel *channel, const struct message *message,
                        struct amqp_error *error)
{
    return channel->reply_queue != NULL || !names_pseudo(message) ||
           amqp_error_set(error, AMQP_PRECONDITION_FAILED, "fast reply consumer does not exist");
}

struct message *direct_reply_address(const struct channel *channel, struct message *message)
{
    struct amqp_properties properties;
    struct buffer raw = {0};
    if (!names_pseudo(message) || !amqp_properties_parse(message_properties(message), &properties))
        return message;
    properties.reply_to = channel->reply_queue->name;
    amqp_properties_encode(&raw, &properties);
    struct message *addressed = message_new(message_exchange(message), message_routing_key(message),
                                            buffer_bytes(&raw), message_body(message));
    addressed->is_persistent = message->is_persistent;
    buffer_fini(&raw);
    message_unref(message);
    return addressed;
}

bool direct_reply_is_alive(const struct vhost *vhost, struct bytes name)
{
    return direct_reply_is_pseudo(name) || queue_find_target(vhost, name) != NULL;
}
