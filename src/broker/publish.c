/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Publishing: the checks in RabbitMQ's order (size, permission, exchange, internal, user-id), the
 * route, the queues, the return, the confirm. Where a channel's last publish went is remembered,
 * and true until the topology or the permissions change: publishing again with the same exchange
 * and key, which is what nearly all publishers do, costs two comparisons instead of the checks and
 * the routing.
 */
#include "broker/publish.h"

#include <stdlib.h>

#include "amqp/properties.h"
#include "base/check.h"
#include "base/seldom.h"
#include "base/xmalloc.h"
#include "broker/copies.h"
#include "broker/direct_reply.h"
#include "broker/exchange.h"
#include "broker/expiration.h"
#include "broker/interceptor.h"
#include "broker/queue_life.h"
#include "broker/trace.h"

static bool check_size(const struct vhost *vhost, const struct message *message,
                       struct amqp_error *error)
{
    enum { rabbitmq_max = 512 << 20 };
    size_t max = vhost->config.message_bytes_max;
    if (message->body_size <= max)
        return true;
    return amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "message size %zu is larger than %s size %zu", message->body_size,
                          max == rabbitmq_max ? "max" : "configured max", max);
}

/* Every key that the message is routed by: CC and BCC are no way around the permission. Those that
 * are malformed are another check's. */
static bool check_topics(struct channel *channel, const struct exchange *exchange,
                         const struct message *message, struct amqp_error *error)
{
    struct bytes key = message_routing_key(message), *copies = NULL;
    size_t count = 1;
    bool is_allowed = true;
    struct amqp_error malformed;
    if (exchange->type != &exchange_topic)
        return true;
    if (copies_has_any(message) && copies_check(message, &malformed))
        copies = copies_keys(message, &count);
    for (size_t i = 0; i < count && is_allowed; i++)
        is_allowed = vhost_check_topic_access(channel->session, PERMISSION_WRITE, exchange,
                                              copies != NULL ? copies[i] : key, error);
    free(copies);
    return is_allowed;
}

SELDOM static bool check_exchange(struct channel *channel, const struct message *message,
                                  struct amqp_error *error)
{
    struct vhost *vhost = channel_vhost(channel);
    struct bytes name = message_exchange(message);
    char text[RESOURCE_TEXT_SIZE];
    if (!vhost_check_access(channel->session, PERMISSION_WRITE, "exchange", name, error))
        return false;
    struct exchange *exchange = exchange_find(vhost, name);
    if (exchange == NULL)
        return amqp_error_set(error, AMQP_NOT_FOUND, "no %s",
                              resource_text(vhost, "exchange", name, text));
    if (exchange->is_internal)
        return amqp_error_set(error, AMQP_ACCESS_REFUSED, "cannot publish to internal %s",
                              resource_text(vhost, "exchange", name, text));
    return check_topics(channel, exchange, message, error);
}

static bool check_user_id(const struct channel *channel, const struct message *message,
                          struct amqp_error *error)
{
    struct bytes user_id;
    if (!message_has(message, AMQP_PROPERTY_USER_ID) ||
        !amqp_properties_user_id(message_properties(message), &user_id) ||
        channel->session->config.can_impersonate ||
        bytes_equal_text(user_id, channel->session->user))
        return true;
    return amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                          "user_id property set to '%.*s' but authenticated user was '%s'",
                          (int)user_id.size, (const char *)user_id.data, channel->session->user);
}

/* Most messages have none of the properties that anything is asked of. */
static bool check_properties(const struct channel *channel, const struct message *message,
                             struct amqp_error *error)
{
    enum {
        checked = AMQP_PROPERTY_REPLY_TO | AMQP_PROPERTY_USER_ID | AMQP_PROPERTY_EXPIRATION |
                  AMQP_PROPERTY_HEADERS
    };
    return !message_has(message, checked) ||
           (direct_reply_check(channel, message, error) && check_user_id(channel, message, error) &&
            expiration_check(message_properties(message), error) && copies_check(message, error));
}

/* --- the remembered route */

static bool is_route_known(const struct channel *channel, const struct message *message)
{
    const struct vhost *vhost = channel_vhost(channel);
    struct bytes names = message_names(message);
    return channel->route.topology == vhost->topology_generation &&
           channel->route.access == vhost->access_generation &&
           channel->route.until_ms >= vhost->now_ms &&
           channel->route.exchange_size == message->exchange_size &&
           channel->route.names_size == names.size &&
           memcmp(channel->route.text, names.data, names.size) == 0;
}

/* The keys of CC and BCC are no part of what is remembered. */
static bool is_access_known(const struct channel *channel, const struct message *message,
                            bool is_known)
{
    return is_known && !(channel->route.is_topic && copies_has_any(message));
}

static void remember_route(struct channel *channel, const struct message *message)
{
    struct bytes names = message_names(message);
    memcpy(channel->route.text, names.data, names.size);
    channel->route.names_size = names.size;
    channel->route.exchange_size = message->exchange_size;
    channel->route.topology =
        channel->route.result.is_cacheable ? channel_vhost(channel)->topology_generation : 0;
    channel->route.access = channel_vhost(channel)->access_generation;
    channel->route.until_ms = channel->session->answers_until_ms;
}

SELDOM static void find_route(struct channel *channel, struct message *message, bool has_copies)
{
    struct vhost *vhost = channel_vhost(channel);
    struct bytes key = message_routing_key(message);
    struct route_request request = {.keys = &key, .key_count = 1, .message = message};
    struct bytes *copies = NULL;
    struct exchange *exchange = exchange_find(vhost, message_exchange(message));
    channel->route.result.count = 0;
    channel->route.result.is_kept = channel->route.result.is_repeated = false;
    channel->route.topology = 0;
    if (exchange == NULL) { /* deleted since a transaction took the message */
        channel->route.counters = &vhost->nowhere;
        return;
    }
    channel->route.counters = &exchange->counters;
    if (!channel->is_publisher)
        vhost->counters.publishers++;
    channel->is_publisher = true;
    if (has_copies)
        request.keys = copies = copies_keys(message, &request.key_count);
    routing_find(vhost, exchange, &request, &channel->route.result);
    free(copies);
    channel->route.is_topic = exchange->type == &exchange_topic;
    if (!has_copies)
        remember_route(channel, message);
}

/* --- to the queues */

static void return_unroutable(struct channel *channel, struct message *message)
{
    message = copies_hide_bcc(message);
    struct amqp_method method = {
        .id = AMQP_BASIC_RETURN,
        .basic_return = {.reply_code = AMQP_NO_ROUTE,
                         .reply_text = bytes_of_text("NO_ROUTE"),
                         .exchange = message_exchange(message),
                         .routing_key = message_routing_key(message)},
    };
    channel_vhost(channel)->counters.unroutable_returned++;
    channel->counters.return_unroutable++;
    channel_reply_content(channel, &method, message);
}

SELDOM static void drop_unroutable(struct channel *channel, struct message *message, bool mandatory)
{
    if (mandatory) {
        return_unroutable(channel, message);
        return;
    }
    channel_vhost(channel)->counters.unroutable_dropped++;
    channel->counters.drop_unroutable++;
    message_unref(message);
}

/* false where one of the queues rejected the message. */
static bool enqueue_all(struct vhost *vhost, struct channel *channel, struct message *message)
{
    const struct route_result *route = &channel->route.result;
    struct queue *queue;
    bool is_taken = true;
    channel->route.counters->publish_out += route->count;
    for (size_t i = 1; i < route->count; i++) {
        queue = route->queues[i];
        queue->counters.publish++;
        is_taken &= queue_enqueue(vhost, queue, message_ref(message));
    }
    queue = route->queues[0];
    queue->counters.publish++;
    return queue_enqueue(vhost, queue, message) && is_taken;
}

/* An exchange has a reference of its own. */
static void keep(struct vhost *vhost, struct message *message)
{
    vhost->counters.kept++;
    message_unref(message);
}

/* The batch after which all that has happened is on disk; 0 where it is already. */
static uint64_t latest_batch(const struct vhost *vhost)
{
    if (vhost->batch->count > 0)
        return vhost->batch->number;
    return vhost->in_flight_count > 0 ? vhost->in_flight[vhost->in_flight_count - 1].number : 0;
}

/* Who sends a message again wants to know that the first one is safe, whoever sent it. */
static void confirm(struct channel *channel, uint64_t tag, bool is_taken, bool is_stored)
{
    uint64_t latest = latest_batch(channel_vhost(channel));
    channel_vhost(channel)->counters.published_to_confirm++;
    if (!is_taken)
        confirm_rejected(channel, tag);
    else if (is_stored || (channel->route.result.is_repeated && latest != 0))
        confirm_waits(channel, tag, latest);
    else
        confirm_settled(channel, tag);
}

static bool route(struct channel *channel, struct message *message, bool mandatory, uint64_t tag,
                  bool is_known)
{
    struct vhost *vhost = channel_vhost(channel);
    const struct route_result *route = &channel->route.result;
    uint64_t insertions = vhost->insertions;
    size_t first_operation = vhost->batch->count;
    bool is_taken = true, has_copies = false;
    vhost->counters.published++;
    if (message_has(message, AMQP_PROPERTY_HEADERS)) {
        copies_note_bcc(message);
        has_copies = copies_has_any(message);
    }
    if (!is_known || has_copies)
        find_route(channel, message, has_copies);
    channel->counters.publish++;
    channel->route.counters->publish_in++;
    if (vhost->is_tracing)
        trace_published(channel, message, route);
    if (route->count > 0)
        is_taken = enqueue_all(vhost, channel, message);
    else if (route->is_kept)
        keep(vhost, message);
    else
        drop_unroutable(channel, message, mandatory);
    /* What the queues drop for this message is safe before it is confirmed, too. */
    internal_publish_all(vhost);
    bool is_stored = vhost->insertions > insertions;
    if (tag != 0)
        confirm(channel, tag, is_taken, is_stored);
    if (tag != 0 && is_taken && is_stored)
        confirm_note(channel, tag, first_operation);
    if ((is_stored || vhost->is_spilling) && vhost_is_store_behind(vhost))
        session_pause(channel->session, PAUSE_STORE);
    return is_taken;
}

bool publish_route(struct channel *channel, struct message *message, bool mandatory, uint64_t tag)
{
    return route(channel, message, mandatory, tag, is_route_known(channel, message));
}

static void keep_for_commit(struct channel *channel, const struct command *command)
{
    channel->tx_publishes = xgrow(channel->tx_publishes, &channel->tx_publish_capacity,
                                  channel->tx_publish_count + 1, sizeof *channel->tx_publishes);
    channel->tx_publishes[channel->tx_publish_count++] = *command;
    channel->session->memory_bytes += message_footprint(command->message);
}

static bool check_publish(struct channel *channel, const struct command *command, bool is_known,
                          struct amqp_error *error)
{
    const struct message *message = command->message;
    if (command->immediate)
        return amqp_error_set(error, AMQP_NOT_IMPLEMENTED, "immediate=true");
    return check_size(channel_vhost(channel), message, error) &&
           (is_access_known(channel, message, is_known) ||
            check_exchange(channel, message, error)) &&
           check_properties(channel, message, error);
}

/* The size counts where a message is accepted, whether it has queues or not. */
void channel_publish(struct channel *channel, struct command *command)
{
    struct vhost *vhost = channel_vhost(channel);
    struct message *message = command->message;
    struct amqp_error error;
    bool is_known = is_route_known(channel, message);
    if (vhost->alarms != 0 && !session_is_finishing(channel->session)) {
        channel_wait_for_alarm(channel, command);
        return;
    }
    channel->session->answers_until_ms = UINT64_MAX;
    if (!check_publish(channel, command, is_known, &error)) {
        if (question_is_open(channel->session)) {
            channel_wait_for_access(channel, command);
            return;
        }
        message_unref(message);
        channel_fail(channel, AMQP_BASIC_PUBLISH, &error);
        return;
    }
    message_sizes_add(&vhost->counters.sizes, message->body_size);
    if (message_has(message, AMQP_PROPERTY_REPLY_TO))
        message = direct_reply_address(channel, message);
    if (interceptor_is_wanted(&vhost->config))
        message = interceptor_stamp(&vhost->config, message, vhost->now_ms);
    if (channel->mode == CHANNEL_TX) {
        command->message = message;
        keep_for_commit(channel, command);
        return;
    }
    uint64_t tag = channel->mode == CHANNEL_CONFIRM ? ++channel->publish_tag : 0;
    route(channel, message, command->mandatory, tag, is_known);
}
