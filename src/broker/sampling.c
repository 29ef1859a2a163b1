/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has changed since the last look, for rates and histories. Each queue, exchange and channel
 * keeps one number that what it counts and holds makes, so that an idle one costs a comparison,
 * whoever samples need not know it, and nothing but the adding itself is done where messages pass.
 * What has counted nothing yet has no past, and is not visited.
 */
#include "broker/sampling.h"

#include "broker/channel.h"
#include "broker/exchange.h"
#include "broker/queue_life.h"
#include "broker/session.h"

struct slice {
    const struct vhost_sampler *sampler;
    struct vhost_sampling *sampling;
    uint64_t now_ms;
    size_t looked_at;
};

/* --- marks */

/* Of a mark: it is that of something which has counted, of anything. */
enum { MARK_COUNTED = 1, MARK_SET = 2 };

/* Counters only rise, so their sum is another one if any of them is. It is never 0. */
static uint64_t mark_of(uint64_t counted, uint64_t ready, uint64_t unacked)
{
    uint64_t hash = hash_u64(counted) ^ hash_u64(ready + 1) * 3 ^ hash_u64(unacked + 2) * 5;
    return (hash & ~(uint64_t)MARK_COUNTED) | MARK_SET | (counted > 0 ? MARK_COUNTED : 0);
}

static uint64_t counted_in(const struct delivery_counters *deliveries)
{
    return deliveries->deliver + deliveries->deliver_no_ack + deliveries->get +
           deliveries->get_no_ack + deliveries->get_empty + deliveries->redeliver + deliveries->ack;
}

static uint64_t mark_of_queue(const struct queue *queue)
{
    const struct queue_counters *counters = &queue->counters;
    return mark_of(counters->publish + counted_in(&counters->deliveries) + counters->disk_reads +
                       counters->disk_writes,
                   queue_ready_count(queue), queue->unacked_count);
}

static uint64_t mark_of_exchange(const struct exchange *exchange)
{
    return mark_of(exchange->counters.publish_in + exchange->counters.publish_out, 0, 0);
}

static uint64_t mark_of_channel(const struct channel *channel)
{
    const struct channel_counters *counters = &channel->counters;
    return mark_of(counters->publish + counters->confirm + counters->return_unroutable +
                       counters->drop_unroutable + counted_in(&counters->deliveries),
                   channel->consumers.count, channel->unacked.live);
}

uint64_t sampling_queue_idle_since(const struct queue *queue)
{
    return mark_of_queue(queue) == queue->sampled ? queue->changed_ms : 0;
}

uint64_t sampling_channel_idle_since(const struct channel *channel)
{
    return mark_of_channel(channel) == channel->sampled ? channel->changed_ms : 0;
}

/* --- who could take a message */

static bool has_taker(const struct queue *queue)
{
    return queue_next_subscriber(queue) != NULL;
}

/* The first consumer begins as if it had always been there, as in RabbitMQ. */
static void note_taker(struct queue *queue)
{
    bool can_take = queue->subscriber_count == 0 || has_taker(queue);
    queue->takers = (uint8_t)(queue->takers << 1 | can_take);
    if (queue->subscriber_count == 0)
        queue->takers = UINT8_MAX;
}

double sampling_taker_share(const struct queue *queue)
{
    unsigned count = has_taker(queue), samplings = 8 * sizeof queue->takers;
    if (queue->subscriber_count == 0)
        return 0;
    for (unsigned bit = 0; bit < samplings; bit++)
        count += queue->takers >> bit & 1U;
    return (double)count / (samplings + 1);
}

/* --- sampling */

static void look_at_queue(void *context, struct hash_node *node)
{
    struct slice *slice = context;
    struct queue *queue = container_of(node, struct queue, by_name);
    struct queue_sums *sums = &slice->sampling->sums;
    uint64_t ready = queue_ready_count(queue), unacked = queue->unacked_count;
    uint64_t persistent, persistent_bytes;
    slice->looked_at++;
    if (queue->is_reply)
        return;
    note_taker(queue);
    sums->ready += ready;
    sums->unacked += unacked;
    sums->ready_bytes += queue_ready_bytes(queue);
    sums->unacked_bytes += queue->unacked_bytes;
    queue_persistent(queue, &persistent, &persistent_bytes);
    sums->persistent += persistent;
    sums->persistent_bytes += persistent_bytes;
    if (queue->settings->type == QUEUE_QUORUM)
        delivery_counters_add(&sums->from_quorum, &queue->counters.deliveries);
    uint64_t mark = mark_of_queue(queue), former = queue->sampled;
    if (mark == former)
        return;
    queue->sampled = mark;
    queue->changed_ms = slice->now_ms;
    const struct queue_sample sample = {queue->name, &queue->counters, ready, unacked,
                                        (former & MARK_COUNTED) == 0};
    if ((mark & MARK_COUNTED) != 0)
        slice->sampler->queue(slice->sampler->context, &sample);
}

static void look_at_exchange(void *context, struct hash_node *node)
{
    struct slice *slice = context;
    struct exchange *exchange = container_of(node, struct exchange, by_name);
    uint64_t mark = mark_of_exchange(exchange), former = exchange->sampled;
    slice->looked_at++;
    exchange->sampled = mark;
    const struct exchange_sample sample = {exchange->name, &exchange->counters,
                                           (former & MARK_COUNTED) == 0};
    if (mark != former && (mark & MARK_COUNTED) != 0)
        slice->sampler->exchange(slice->sampler->context, &sample);
}

static void look_at_channel(struct slice *slice, struct channel *channel)
{
    uint64_t mark = mark_of_channel(channel), former = channel->sampled;
    slice->looked_at++;
    if (mark == former)
        return;
    channel->sampled = mark;
    channel->changed_ms = slice->now_ms;
    const struct channel_sample sample = {channel->session->config.number, channel->serial,
                                          &channel->counters, (former & MARK_COUNTED) == 0};
    if ((mark & MARK_COUNTED) != 0)
        slice->sampler->channel(slice->sampler->context, &sample);
}

static void look_at_session(void *context, struct hash_node *node)
{
    const struct session *session = container_of(node, struct session, by_number);
    struct hash_node *next = NULL;
    while (session_is_shown(session) && (next = hash_table_next(&session->channels, next)) != NULL)
        look_at_channel(context, container_of(next, struct channel, by_number));
}

void vhost_sample(struct vhost *vhost, struct vhost_sampling *sampling,
                  const struct vhost_sampler *sampler, uint64_t now_ms, size_t count_max)
{
    const struct {
        const struct hash_table *table;
        void (*look)(void *context, struct hash_node *node);
    } kinds[] = {
        {&vhost->queues, look_at_queue},
        {&vhost->exchanges, look_at_exchange},
        {&vhost->sessions_by_number, look_at_session},
    };
    struct slice slice = {.sampler = sampler, .sampling = sampling, .now_ms = now_ms};
    size_t buckets = 0;
    while (!sampling->is_done && slice.looked_at < count_max && buckets++ < 4 * count_max) {
        bool has_more = hash_table_scan(kinds[sampling->kind].table, &sampling->cursor,
                                        kinds[sampling->kind].look, &slice);
        sampling->kind += !has_more;
        sampling->is_done = sampling->kind == sizeof kinds / sizeof kinds[0];
    }
}

/* --- all of them */

uint64_t queue_footprint(const struct queue *queue)
{
    return sizeof *queue + queue->name.size + queue->arguments.size + queue_memory_bytes(queue) +
           queue_values_bytes(queue);
}

struct view {
    void (*visit)(void *context, const struct queue_view *view);
    void *context;
    size_t visited;
};

static void view_queue(void *context, struct hash_node *node)
{
    struct view *view = context;
    const struct queue *queue = container_of(node, struct queue, by_name);
    view->visited++;
    if (queue->is_reply)
        return;
    struct queue_view shown = {.name = queue->name,
                               .counters = queue->counters,
                               .ready = queue_ready_count(queue),
                               .unacked = queue->unacked_count,
                               .ready_bytes = queue_ready_bytes(queue),
                               .unacked_bytes = queue->unacked_bytes,
                               .consumers = queue->subscriber_count,
                               .memory_bytes = queue_footprint(queue),
                               .taker_share = sampling_taker_share(queue)};
    queue_persistent(queue, &shown.persistent, &shown.persistent_bytes);
    queue_paged_out(queue, &shown.paged_out, &shown.paged_out_bytes);
    shown.ram = shown.ready - shown.paged_out;
    shown.ram_bytes = shown.ready_bytes - shown.paged_out_bytes;
    view->visit(view->context, &shown);
}

bool vhost_view_queues(const struct vhost *vhost, uint64_t *cursor,
                       void (*visit)(void *context, const struct queue_view *view), void *context,
                       size_t count_max)
{
    struct view view = {visit, context, 0};
    size_t buckets = 0;
    bool has_more = true;
    while (has_more && view.visited < count_max && buckets++ < 4 * count_max)
        has_more = hash_table_scan(&vhost->queues, cursor, view_queue, &view);
    return has_more;
}
