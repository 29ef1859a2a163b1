/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the net side knows of channels. The channels themselves are the core's; here is only what
 * frames need: the content under assembly, the consumer tags that deliveries carry, and whether
 * what comes in still counts.
 *
 * A channel exists here from the moment its channel.open goes to the core until the core has closed
 * it as often as it was opened: a client may send close, open and the first publish in one write,
 * long before the core's answer to the close is seen here. What arrives for a channel that does not
 * exist goes to the core as a bare method, which answers that channel.open was expected; so a peer
 * cannot make us assemble contents on 65,535 channels that it never opened.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "net/net_internal.h"

static bool is_number(const struct hash_node *node, const void *key)
{
    return container_of(node, struct net_channel, by_number)->number == *(const uint16_t *)key;
}

struct net_channel *channels_find_slow(struct connection *connection, uint16_t number)
{
    struct hash_node *node =
        hash_table_find(&connection->channels, hash_u64(number), is_number, &number);
    if (node == NULL)
        return NULL;
    connection->last_channel = container_of(node, struct net_channel, by_number);
    return connection->last_channel;
}

static struct net_channel *channel_new(struct connection *connection, uint16_t number)
{
    struct net_channel *channel = xcalloc(1, sizeof *channel);
    channel->number = number;
    amqp_content_init(&channel->content);
    hash_table_insert(&connection->channels, &channel->by_number, hash_u64(number));
    atomic_fetch_add_explicit(&connection->host->channel_count, 1, memory_order_relaxed);
    return channel;
}

void channels_open(struct connection *connection, uint16_t number)
{
    struct net_channel *channel = channels_find(connection, number);
    if (channel == NULL)
        channel = channel_new(connection, number);
    channel->open_count++;
}

void channels_drop_content(struct connection *connection, struct net_channel *channel)
{
    if (connection->partial.channel == channel)
        connection->partial.channel = NULL;
    if (channel->message != NULL) {
        connection->content_bytes -= channel->message->body_size;
        message_unref(channel->message);
        channel->message = NULL;
    }
    amqp_content_fini(&channel->content);
    amqp_content_init(&channel->content);
}

static void drop_consumers(struct net_channel *channel)
{
    for (size_t i = 0; i < channel->consumer_capacity; i++)
        free(channel->consumer_tags[i]);
    free(channel->consumer_tags);
    channel->consumer_tags = NULL;
    channel->consumer_capacity = 0;
}

static void channel_free(struct connection *connection, struct net_channel *channel)
{
    if (connection->last_channel == channel)
        connection->last_channel = NULL;
    channels_drop_content(connection, channel);
    drop_consumers(channel);
    hash_table_remove(&connection->channels, &channel->by_number);
    atomic_fetch_sub_explicit(&connection->host->channel_count, 1, memory_order_relaxed);
    free(channel);
}

void channels_close(struct connection *connection, uint16_t number)
{
    struct net_channel *channel = channels_find(connection, number);
    if (channel == NULL)
        return;
    CHECK(channel->open_count > 0);
    drop_consumers(channel);
    if (--channel->open_count == 0)
        channel_free(connection, channel);
}

void channels_discard(struct connection *connection, struct net_channel *channel)
{
    channel->is_discarding = true;
    channels_drop_content(connection, channel);
}

void channels_set_consumer(struct net_channel *channel, uint32_t number, struct bytes tag)
{
    size_t before = channel->consumer_capacity;
    if (number >= before) {
        channel->consumer_tags = xgrow(channel->consumer_tags, &channel->consumer_capacity,
                                       (size_t)number + 1, sizeof *channel->consumer_tags);
        memset(channel->consumer_tags + before, 0,
               (channel->consumer_capacity - before) * sizeof *channel->consumer_tags);
    }
    char *copy = xmalloc(tag.size + 1);
    copy[0] = (char)tag.size;
    memcpy(copy + 1, tag.data, tag.size);
    free(channel->consumer_tags[number]);
    channel->consumer_tags[number] = copy;
}

void channels_clear(struct connection *connection)
{
    struct hash_node *node;
    size_t cursor = 0;
    while ((node = hash_table_remaining(&connection->channels, &cursor)) != NULL)
        channel_free(connection, container_of(node, struct net_channel, by_number));
}
