/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues that deduplicate, by the argument or the policy x-message-deduplication, as RabbitMQ's
 * community plug-in has them: a message whose header x-deduplication-header has the value of a
 * message that is in the queue, ready or unacked, is not let in, and its publisher gets a nack. The
 * value is free again when that message leaves, whatever way it goes, or expires.
 *
 * Who holds which value is in memory (queue/value_set.c). On disk a value stands beside its message
 * and means nothing without it, so that a crash cannot part them, and nothing has to be told to the
 * store when a value becomes free. At a start all values are there before the first command.
 *
 * A queue that begins to deduplicate because of a policy knows the messages that come from then on,
 * and one that ends to forgets all of them.
 */
#include "base/check.h"
#include "broker/channel.h"
#include "broker/deduplication.h"
#include "broker/queue_life.h"
#include "queue/value_set.h"

/* --- coming and going of whole sets */

/* A set may be large: it is freed in slices. */
static void let_go(struct vhost *vhost, struct value_set *set)
{
    set->next = vhost->former_values;
    vhost->former_values = set;
}

void queue_values_drop(struct vhost *vhost, struct queue *queue)
{
    if (queue->values != NULL)
        let_go(vhost, queue->values);
    queue->values = NULL;
}

static void make_set(const struct vhost *vhost, struct queue *queue)
{
    queue->values = value_set_new(vhost->config.hash_seed);
}

void queue_values_follow_settings(struct vhost *vhost, struct queue *queue)
{
    if (!queue->settings->deduplicates)
        queue_values_drop(vhost, queue);
    else if (queue->values == NULL)
        make_set(vhost, queue);
}

void queue_values_free_some(struct vhost *vhost, size_t count)
{
    struct value_set *set = vhost->former_values;
    if (set == NULL)
        return;
    struct value_set *next = set->next;
    if (value_set_free_some(set, count))
        vhost->former_values = next;
}

/* --- messages */

bool queue_values_admit(struct vhost *vhost, const struct queue *queue,
                        const struct message *message, struct bytes *value)
{
    *value = bytes_of(NULL, 0);
    buffer_clear(&vhost->value);
    if (!queue->settings->deduplicates || queue->values == NULL ||
        !deduplication_key(message, &vhost->value))
        return true;
    *value = buffer_bytes(&vhost->value);
    return !value_set_holds(queue->values, *value, vhost->now_ms);
}

static struct value_place place_of(const struct lane *lane, uint64_t position)
{
    return (struct value_place){.position = position, .priority = lane->priority};
}

void queue_values_note(const struct lane *lane, const struct entry *entry, struct bytes value)
{
    value_set_put(lane->queue->values, value, place_of(lane, entry->position),
                  entry->fate.expiry_ms);
}

void queue_values_forget(const struct lane *lane, uint64_t position)
{
    value_set_remove(lane->queue->values, place_of(lane, position));
}

/* --- purging: what is not ready stays */

static void keep_unacked(const struct vhost *vhost, const struct queue *queue,
                         struct value_set *from)
{
    list_for_each(&vhost->sessions, node)
    {
        const struct session *session = list_entry(node, struct session, vhost_node);
        struct hash_node *channel_node = NULL;
        while ((channel_node = hash_table_next(&session->channels, channel_node)) != NULL) {
            const struct unacked_ring *ring =
                &container_of(channel_node, struct channel, by_number)->unacked;
            for (size_t i = 0; i < ring->count; i++) {
                const struct unacked *unacked = unacked_ring_at(ring, i);
                if (unacked->lane != NULL && unacked->lane->queue == queue)
                    value_set_move(from, queue->values, place_of(unacked->lane, unacked->position));
            }
        }
    }
}

static void keep_fetched(const struct queue *queue, struct value_set *from)
{
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        const struct lane *lane = queue_lane(queue, priority);
        if (lane == NULL)
            continue;
        const struct fetch_list *list = lane_fetches(lane);
        for (size_t i = list->first; i < list->count; i++)
            value_set_move(from, queue->values, place_of(lane, list->items[i].entry.position));
    }
}

void queue_values_purged(struct vhost *vhost, struct queue *queue)
{
    struct value_set *former = queue->values;
    if (former == NULL)
        return;
    make_set(vhost, queue);
    if (queue->unacked_count > 0)
        keep_unacked(vhost, queue, former);
    keep_fetched(queue, former);
    let_go(vhost, former);
}

/* --- a start */

/* The policies are not known yet: what is found is kept until they are. */
void queue_values_restore(struct vhost *vhost, const struct store_opened *opened)
{
    for (size_t i = 0; i < opened->value_count; i++) {
        const struct store_value *value = &opened->values[i];
        const struct lane *lane = lane_find(vhost, value->lane);
        if (lane->queue->values == NULL)
            make_set(vhost, lane->queue);
        value_set_put(lane->queue->values, store_opened_key(opened, value),
                      place_of(lane, value->position), value->expiry_ms);
    }
}

/* --- looking */

uint64_t queue_values_bytes(const struct queue *queue)
{
    return queue->values != NULL ? value_set_bytes(queue->values) : 0;
}

void queue_values_check(const struct queue *queue)
{
    if (queue->values == NULL)
        return;
    uint64_t messages = queue_ready_count(queue) + queue->unacked_count;
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        const struct lane *lane = queue_lane(queue, priority);
        if (lane != NULL)
            messages += lane_fetches(lane)->count - lane_fetches(lane)->first;
    }
    value_set_check(queue->values);
    CHECK(value_set_count(queue->values) <= messages);
}
