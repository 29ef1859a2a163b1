/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has changed since the last look, for rates and histories. Each queue and exchange keeps one
 * number that what it counts and holds makes, so that an idle one costs a comparison, whoever
 * samples need not know it, and nothing but the adding itself is done where messages pass. What has
 * counted nothing yet has no past, and is not visited.
 */
#include "broker/exchange.h"
#include "broker/queue_life.h"

struct slice {
    const struct vhost_sampler *sampler;
    struct vhost_sampling *sampling;
    size_t looked_at;
};

/* Counters only rise, so their sum is another one if any of them is. It is never 0. */
static uint64_t mark_of(uint64_t counted, uint64_t ready, uint64_t unacked)
{
    return (hash_u64(counted) ^ hash_u64(ready + 1) * 3 ^ hash_u64(unacked + 2) * 5) | 1;
}

static uint64_t counted_by(const struct queue_counters *counters)
{
    const struct delivery_counters *deliveries = &counters->deliveries;
    return counters->publish + deliveries->deliver + deliveries->deliver_no_ack + deliveries->get +
           deliveries->get_no_ack + deliveries->get_empty + deliveries->redeliver +
           deliveries->ack + counters->disk_reads + counters->disk_writes;
}

static void look_at_queue(void *context, struct hash_node *node)
{
    struct slice *slice = context;
    struct queue *queue = container_of(node, struct queue, by_name);
    struct queue_sums *sums = &slice->sampling->sums;
    uint64_t ready = queue_ready_count(queue), unacked = queue->unacked_count;
    slice->looked_at++;
    if (queue->is_reply)
        return;
    sums->ready += ready;
    sums->unacked += unacked;
    sums->ready_bytes += queue_ready_bytes(queue);
    uint64_t counted = counted_by(&queue->counters);
    uint64_t mark = mark_of(counted, ready, unacked);
    if (counted == 0 || mark == queue->sampled)
        return;
    const struct queue_sample sample = {queue->name, &queue->counters, ready, unacked,
                                        queue->sampled == 0};
    queue->sampled = mark;
    slice->sampler->queue(slice->sampler->context, &sample);
}

static void look_at_exchange(void *context, struct hash_node *node)
{
    struct slice *slice = context;
    struct exchange *exchange = container_of(node, struct exchange, by_name);
    const struct exchange_counters *counters = &exchange->counters;
    uint64_t counted = counters->publish_in + counters->publish_out;
    uint64_t mark = mark_of(counted, 0, 0);
    slice->looked_at++;
    if (counted == 0 || mark == exchange->sampled)
        return;
    const struct exchange_sample sample = {exchange->name, counters, exchange->sampled == 0};
    exchange->sampled = mark;
    slice->sampler->exchange(slice->sampler->context, &sample);
}

void vhost_sample(struct vhost *vhost, struct vhost_sampling *sampling,
                  const struct vhost_sampler *sampler, size_t count_max)
{
    struct slice slice = {.sampler = sampler, .sampling = sampling};
    size_t buckets = 0;
    while (!sampling->is_done && slice.looked_at < count_max && buckets++ < 4 * count_max) {
        bool has_queues = sampling->has_queues;
        bool has_more =
            has_queues
                ? hash_table_scan(&vhost->exchanges, &sampling->cursor, look_at_exchange, &slice)
                : hash_table_scan(&vhost->queues, &sampling->cursor, look_at_queue, &slice);
        sampling->has_queues = has_queues || !has_more;
        sampling->is_done = has_queues && !has_more;
    }
}

/* --- all of them */

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
    const struct queue_view shown = {.name = queue->name,
                                     .counters = queue->counters,
                                     .ready = queue_ready_count(queue),
                                     .unacked = queue->unacked_count,
                                     .ready_bytes = queue_ready_bytes(queue),
                                     .consumers = queue->subscriber_count};
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
