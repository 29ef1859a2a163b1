/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking at a vhost from outside: counters for metrics, a queue's state for listings, and the
 * recount by which tests and the simulator compare every counter with what is really there.
 */
#include "amqp/properties.h"
#include "base/check.h"
#include "broker/consumer.h"
#include "broker/exchange.h"
#include "broker/keeping.h"
#include "broker/queue_arguments.h"
#include "broker/queue_life.h"
#include "broker/sampling.h"
#include "broker/settle.h"

static struct queue *queue_of(struct hash_node *node)
{
    return container_of(node, struct queue, by_name);
}

void vhost_count_quickly(const struct vhost *vhost, struct vhost_counters *counters)
{
    *counters = vhost->counters;
    /* What follows from others is not counted where messages pass. */
    counters->delivered += counters->delivered_no_ack;
    counters->routed = counters->published - counters->unroutable_returned -
                       counters->unroutable_dropped - counters->kept;
    counters->window_bytes = vhost->window_bytes;
    counters->transient_bytes = vhost->transient_bytes;
    counters->unstored_bytes = vhost->in_flight_bytes + vhost->batch->bytes;
}

void vhost_count(const struct vhost *vhost, struct vhost_counters *counters)
{
    vhost_count_quickly(vhost, counters);
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&vhost->queues, node)) != NULL) {
        counters->ready += queue_ready_count(queue_of(node));
        counters->ready_bytes += queue_ready_bytes(queue_of(node));
        counters->unacked += queue_of(node)->unacked_count;
        counters->value_bytes += queue_values_bytes(queue_of(node));
    }
    list_for_each(&vhost->sessions, session) counters->session_bytes +=
        list_entry(session, struct session, vhost_node)->memory_bytes;
}

static struct bytes tag_of(const struct subscriber *subscriber)
{
    return subscriber != NULL ? container_of(subscriber, struct consumer, subscriber)->tag
                              : bytes_of(NULL, 0);
}

static const struct subscriber *exclusive_subscriber(const struct queue *queue)
{
    const struct list_node *first = list_front(&queue->subscribers);
    return queue->has_exclusive && first != NULL ? list_entry(first, struct subscriber, queue_node)
                                                 : NULL;
}

static uint64_t head_timestamp(const struct queue *queue)
{
    struct entry *entry;
    struct amqp_properties properties;
    if (lane_peek(queue_first_lane(queue), &entry) != LANE_READY ||
        !message_has(entry->message, AMQP_PROPERTY_TIMESTAMP) ||
        !amqp_properties_parse(message_properties(entry->message), &properties))
        return 0;
    return properties.timestamp_s;
}

/* What listings show of a queue beside its identity and its counters. */
static void fill_details(const struct queue *queue, struct queue_status *status)
{
    uint64_t out, out_bytes;
    const struct session *owner = queue->owner;
    queue_paged_out(queue, &out, &out_bytes);
    queue_persistent(queue, &status->persistent, &status->persistent_bytes);
    status->unacked_bytes = queue->unacked_bytes;
    status->ram = status->ready - out;
    status->ram_bytes = status->ready_bytes - out_bytes;
    status->memory_bytes = queue_footprint(queue);
    status->head_timestamp_s = head_timestamp(queue);
    status->taker_share = sampling_taker_share(queue);
    status->idle_since_ms = sampling_queue_idle_since(queue);
    status->exclusive_tag = tag_of(exclusive_subscriber(queue));
    if (queue->settings->single_active_consumer)
        status->single_tag = tag_of(queue->single);
    if (owner == NULL)
        return;
    status->owner = bytes_of_text(owner->name);
    status->owner_number = owner->config.number;
}

static void fill_status(const struct vhost *vhost, const struct queue *queue,
                        struct queue_status *status, size_t *steps)
{
    *status = (struct queue_status){
        .name = queue->name,
        .ready = queue_ready_count(queue),
        .unacked = queue->unacked_count,
        .consumers = queue->subscriber_count,
        .ready_bytes = queue_ready_bytes(queue),
        .is_durable = queue->is_durable,
        .is_auto_delete = queue->is_auto_delete,
        .is_exclusive = queue->owner != NULL,
        .arguments = queue->arguments,
        .policy = queue_policy(vhost, queue, false, steps),
        .operator_policy = queue_policy(vhost, queue, true, steps),
        .type = queue_type_name(queue_arguments_type(queue->arguments)),
        .counters = queue->counters,
    };
    fill_details(queue, status);
}

bool vhost_queue_status(const struct vhost *vhost, struct bytes name, struct queue_status *status)
{
    const struct queue *queue = queue_find(vhost, name);
    size_t steps = 0;
    if (queue != NULL)
        fill_status(vhost, queue, status, &steps);
    return queue != NULL;
}

bool vhost_has_exchange(const struct vhost *vhost, struct bytes name)
{
    return exchange_find(vhost, name) != NULL;
}

void vhost_list_queues(const struct vhost *vhost,
                       void (*visit)(void *context, const struct queue_status *status),
                       void *context)
{
    struct queue_status status;
    size_t steps = 0;
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&vhost->queues, node)) != NULL) {
        if (queue_of(node)->is_reply)
            continue;
        fill_status(vhost, queue_of(node), &status, &steps);
        visit(context, &status);
    }
}

static void fill_exchange(const struct vhost *vhost, const struct exchange *exchange,
                          struct exchange_status *status, size_t *steps)
{
    const struct policy *policy =
        policies_find_counting(vhost->policies, POLICY_EXCHANGE, exchange->name, false, steps);
    *status = (struct exchange_status){
        .name = exchange->name,
        .type = bytes_of_text(exchange->type->name),
        .arguments = exchange->arguments,
        .user = exchange->user,
        .is_durable = exchange->is_durable,
        .is_auto_delete = exchange->is_auto_delete,
        .is_internal = exchange->is_internal,
        .is_predeclared = exchange->is_predeclared,
        .policy = policy_name(policy),
        .counters = exchange->counters,
        .bindings = exchange->source_count,
    };
}

bool vhost_exchange_status(const struct vhost *vhost, struct bytes name,
                           struct exchange_status *status)
{
    const struct exchange *exchange = exchange_find(vhost, name);
    size_t steps = 0;
    if (exchange != NULL)
        fill_exchange(vhost, exchange, status, &steps);
    return exchange != NULL;
}

/* --- a slice at a time */

struct slice {
    const struct vhost *vhost;
    const struct vhost_visitor *visitor;
    size_t visited;
    size_t steps; /* that it took to find policies */
};

static void visit_queue(void *context, struct hash_node *node)
{
    struct slice *slice = context;
    struct queue_status status;
    if (queue_of(node)->is_reply)
        return;
    fill_status(slice->vhost, queue_of(node), &status, &slice->steps);
    slice->visitor->queue(slice->visitor->context, &status);
    slice->visited++;
}

static void visit_exchange(void *context, struct hash_node *node)
{
    struct slice *slice = context;
    const struct exchange *exchange = container_of(node, struct exchange, by_name);
    struct exchange_status status;
    fill_exchange(slice->vhost, exchange, &status, &slice->steps);
    slice->visitor->exchange(slice->visitor->context, &status);
    slice->visited++;
}

struct binding_status binding_status_of_default(const struct queue_status *queue)
{
    return (struct binding_status){
        .source = bytes_of_text(""),
        .destination = queue->name,
        .key = queue->name,
        .arguments = bytes_of_text(""),
        .to_queue = true,
    };
}

static void visit_binding(void *context, struct hash_node *node)
{
    struct slice *slice = context;
    const struct binding *binding = container_of(node, struct binding, by_identity);
    const struct binding_status status = {
        .source = binding->source->name,
        .destination = binding->queue != NULL ? binding->queue->name : binding->exchange->name,
        .key = binding->route.key,
        .arguments = binding->route.arguments,
        .to_queue = binding->queue != NULL,
        .to_exclusive = binding->queue != NULL && binding->queue->owner != NULL,
    };
    slice->visitor->binding(slice->visitor->context, &status);
    slice->visited++;
}

static void visit_session(void *context, struct hash_node *node)
{
    struct slice *slice = context;
    const struct session *session = container_of(node, struct session, by_number);
    if (!session_is_shown(session))
        return;
    bool is_blocked = session->is_blocked || (session->pause_reasons & PAUSE_ALARM) != 0;
    const struct session_status status = {
        .user = bytes_of_text(session->user),
        .name = bytes_of_text(session->name),
        .number = session->config.number,
        .channels = session->channels.count,
        .is_blocked = is_blocked,
        .is_blocking = !is_blocked && slice->vhost->alarms != 0,
        .is_slowed = (session->pause_reasons & PAUSE_STORE) != 0,
    };
    slice->visitor->session(slice->visitor->context, &status);
    slice->visited++;
}

static uint64_t unconfirmed_of(const struct channel *channel)
{
    uint64_t count = 0;
    for (size_t i = 0; i < channel->run_count; i++) {
        const struct confirm_run *run = &channel->runs[channel->run_first + i];
        count += run->last + 1 - run->first;
    }
    return count;
}

static void show_channel(struct slice *slice, const struct channel *channel)
{
    const struct session *session = channel->session;
    const struct channel_status status = {
        .user = bytes_of_text(session->user),
        .connection_name = bytes_of_text(session->name),
        .connection_number = session->config.number,
        .serial = channel->serial,
        .number = channel->number,
        .has_confirms = channel->mode == CHANNEL_CONFIRM,
        .has_transactions = channel->mode == CHANNEL_TX,
        .is_slowed = (session->pause_reasons & PAUSE_STORE) != 0,
        .consumers = channel->consumers.count,
        .unacked = channel->unacked.live,
        .unconfirmed = unconfirmed_of(channel),
        .uncommitted = channel->tx_publish_count,
        .acks_uncommitted = channel->tx_settlement_count,
        .prefetch_count = channel->prefetch_count,
        .prefetch_global = channel->prefetch_global,
        .counters = channel->counters,
        .idle_since_ms = sampling_channel_idle_since(channel),
    };
    slice->visitor->channel(slice->visitor->context, &status);
    slice->visited++;
}

static void show_consumer(struct slice *slice, const struct consumer *consumer)
{
    const struct channel *channel = consumer->channel;
    const struct queue *queue = consumer->subscriber.queue;
    bool is_single = queue->settings->single_active_consumer;
    bool is_active = queue_admits(queue, &consumer->subscriber);
    const struct consumer_status status = {
        .tag = consumer->tag,
        .queue = queue->name,
        .user = bytes_of_text(channel->session->user),
        .connection_name = bytes_of_text(channel->session->name),
        .connection_number = channel->session->config.number,
        .channel_serial = channel->serial,
        .channel = channel->number,
        .prefetch_count = consumer->prefetch_count,
        .priority = consumer->subscriber.priority,
        .is_ack_required = !consumer->no_ack,
        .is_exclusive = consumer->is_exclusive,
        .is_active = is_active,
        .activity = !is_single  ? "up"
                    : is_active ? "single_active"
                                : "waiting",
    };
    if (!session_is_shown(channel->session) || queue->is_reply)
        return;
    slice->visitor->consumer(slice->visitor->context, &status);
    slice->visited++;
}

static void visit_channels(void *context, struct hash_node *node)
{
    const struct session *session = container_of(node, struct session, by_number);
    struct hash_node *next = NULL;
    while (session_is_shown(session) && (next = hash_table_next(&session->channels, next)) != NULL)
        show_channel(context, container_of(next, struct channel, by_number));
}

static void visit_consumers(void *context, struct hash_node *node)
{
    const struct session *session = container_of(node, struct session, by_number);
    struct hash_node *next = NULL;
    while ((next = hash_table_next(&session->channels, next)) != NULL) {
        const struct channel *channel = container_of(next, struct channel, by_number);
        struct hash_node *inner = NULL;
        while ((inner = hash_table_next(&channel->consumers, inner)) != NULL)
            show_consumer(context, container_of(inner, struct consumer, by_tag));
    }
}

void vhost_list_consumers(const struct vhost *vhost, struct bytes name,
                          const struct vhost_visitor *visitor, size_t count_max)
{
    struct slice slice = {.vhost = vhost, .visitor = visitor};
    const struct queue *queue = queue_find(vhost, name);
    if (queue == NULL)
        return;
    list_for_each(&queue->subscribers, node)
    {
        struct subscriber *subscriber = list_entry(node, struct subscriber, queue_node);
        if (slice.visited < count_max)
            show_consumer(&slice, container_of(subscriber, struct consumer, subscriber));
    }
}

struct listed_kind {
    const struct hash_table *table;
    void (*visit)(void *context, struct hash_node *node);
};

static struct listed_kind kind_of(const struct vhost *vhost, const struct vhost_visitor *visitor)
{
    if (visitor->queue != NULL)
        return (struct listed_kind){&vhost->queues, visit_queue};
    if (visitor->exchange != NULL)
        return (struct listed_kind){&vhost->exchanges, visit_exchange};
    if (visitor->binding != NULL)
        return (struct listed_kind){&vhost->bindings, visit_binding};
    return (struct listed_kind){&vhost->sessions_by_number, visitor->session != NULL ? visit_session
                                                            : visitor->channel != NULL
                                                                ? visit_channels
                                                                : visit_consumers};
}

void vhost_list(const struct vhost *vhost, struct vhost_listing *listing,
                const struct vhost_visitor *visitor, size_t count_max)
{
    struct slice slice = {.vhost = vhost, .visitor = visitor};
    const struct listed_kind kind = kind_of(vhost, visitor);
    size_t buckets = 0;
    while (!listing->is_done && slice.visited < count_max && buckets++ < 4 * count_max &&
           slice.steps < POLICY_STEPS_SLICE)
        listing->is_done = !hash_table_scan(kind.table, &listing->cursor, kind.visit, &slice);
    listing->visited += slice.visited;
}

/* --- the recount */

/* Returns the memory of the lane's messages. */
static uint64_t check_lane(const struct queue *queue, const struct lane *lane)
{
    lane_check(lane);
    CHECK(lane->queue == queue);
    CHECK(lane->counted_transient == lane->transient_bytes);
    CHECK(lane->counted_bytes + lane->counted_transient == lane->memory_bytes);
    return lane->memory_bytes;
}

static uint64_t check_lanes(const struct queue *queue)
{
    uint64_t memory = queue->parked != NULL ? check_lane(queue, &queue->parked->lane) : 0;
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        const struct lane *lane = queue_lane(queue, priority);
        if (lane == NULL)
            continue;
        CHECK(lane->priority == priority);
        memory += check_lane(queue, lane);
    }
    return memory;
}

/* Its first message has expired, and the timer lets it go when the store has time for it. */
static bool is_expiring(const struct vhost *vhost, const struct queue *queue,
                        const struct entry *first)
{
    return first->fate.expiry_ms != 0 && first->fate.expiry_ms <= vhost->now_ms &&
           timer_is_set(&queue->expiry_timer);
}

static void check_queue(const struct vhost *vhost, const struct queue *queue)
{
    uint64_t subscribers = 0;
    list_for_each(&queue->subscribers, node)
    {
        CHECK(list_entry(node, struct subscriber, queue_node)->queue == queue);
        subscribers++;
    }
    CHECK(subscribers == queue->subscriber_count);
    CHECK(!queue->is_deleted);
    queue_values_check(queue);
    CHECK(!queue->is_leaving || queue_has_fetches(queue));
    queue_check(queue);
    /* Nobody who could take a message waits while one is there to be taken, but for the next slice.
     */
    struct entry *entry;
    bool waits = queue->is_leaving || queue->hold_count > 0 ||
                 list_node_is_linked(&queue->mark_node) ||
                 list_node_is_linked(&queue->dispatch_node);
    if (lane_peek(queue_first_lane(queue), &entry) == LANE_READY && !waits &&
        !is_expiring(vhost, queue, entry))
        CHECK(list_is_empty(&queue->active));
}

struct recount {
    uint64_t unacked, unacked_bytes;
    uint64_t fleeting, fleeting_bytes; /* of both */
    uint64_t consumers;
    uint64_t channels;
};

static void check_consumer(const struct channel *channel, const struct consumer *consumer)
{
    CHECK(consumer->channel == channel && channel->slots[consumer->number] == consumer);
    if (!consumer->no_ack && consumer->prefetch_count != 0)
        CHECK(consumer->unacked_count <= consumer->prefetch_count);
}

static void recount_unacked(const struct unacked *unacked, struct recount *recount)
{
    if (unacked->lane->queue->is_deleted)
        return;
    recount->unacked++;
    recount->unacked_bytes += unacked->body_bytes;
    recount->fleeting += unacked->fate.is_fleeting;
    recount->fleeting_bytes += unacked->fate.is_fleeting ? unacked->body_bytes : 0;
}

static void check_channel(const struct channel *channel, struct recount *recount)
{
    uint64_t live = 0, global = 0;
    for (size_t i = 0; i < channel->unacked.count; i++) {
        const struct unacked *unacked = unacked_ring_at(&channel->unacked, i);
        if (unacked->lane == NULL)
            continue;
        live++;
        global += unacked->consumer != NULL;
        recount_unacked(unacked, recount);
        CHECK(unacked->message != NULL || unacked->batch != 0);
    }
    CHECK(live == channel->unacked.live && global == channel->global_unacked);
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&channel->consumers, node)) != NULL) {
        check_consumer(channel, container_of(node, struct consumer, by_tag));
        recount->consumers++;
    }
    recount->channels++;
}

static void check_departed(void *context, const struct unacked_ring *ring)
{
    struct recount *recount = context;
    uint64_t live = 0;
    for (size_t i = 0; i < ring->count; i++) {
        const struct unacked *unacked = unacked_ring_at(ring, i);
        if (unacked->lane == NULL)
            continue;
        live++;
        recount_unacked(unacked, recount);
        CHECK(unacked->consumer == NULL || unacked->consumer->channel == NULL);
    }
    CHECK(live == ring->live);
}

static void check_session(const struct session *session, struct recount *recount)
{
    size_t waiting = session->secret.number != 0;
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&session->channels, node)) != NULL) {
        const struct channel *channel = container_of(node, struct channel, by_number);
        waiting += channel->wait != WAIT_NOTHING;
        check_channel(channel, recount);
    }
    CHECK(waiting == session->waiting_channels);
}

void vhost_check(const struct vhost *vhost)
{
    struct recount recount = {0};
    uint64_t unacked = 0, unacked_bytes = 0, fleeting = 0, fleeting_bytes = 0, subscribers = 0,
             memory = 0, bindings = 0, counted = 0, sharded = 0;
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&vhost->queues, node)) != NULL) {
        check_queue(vhost, queue_of(node));
        counted += !queue_of(node)->is_reply;
        unacked += queue_of(node)->unacked_count;
        unacked_bytes += queue_of(node)->unacked_bytes;
        fleeting += queue_of(node)->fleeting_unacked;
        fleeting_bytes += queue_of(node)->fleeting_unacked_bytes;
        subscribers += queue_of(node)->subscriber_count;
        memory += check_lanes(queue_of(node));
    }
    list_for_each(&vhost->sessions, session)
        check_session(list_entry(session, struct session, vhost_node), &recount);
    departed_visit(vhost, check_departed, &recount);
    reading_check(vhost);
    node = NULL;
    while ((node = hash_table_next(&vhost->exchanges, node)) != NULL) {
        bindings += container_of(node, struct exchange, by_name)->source_count;
        sharded += container_of(node, struct exchange, by_name)->sharding != NULL;
        exchange_check_kept(container_of(node, struct exchange, by_name));
    }
    CHECK(unacked == recount.unacked && unacked_bytes == recount.unacked_bytes);
    CHECK(fleeting == recount.fleeting && fleeting_bytes == recount.fleeting_bytes);
    CHECK(subscribers == recount.consumers && subscribers == vhost->counters.consumers);
    CHECK(recount.channels == vhost->counters.channels);
    CHECK(memory == vhost->window_bytes + vhost->transient_bytes);
    CHECK(bindings == vhost->counters.bindings);
    CHECK(counted == vhost->counters.queues);
    CHECK(sharded == vhost->sharded_count);
    CHECK(vhost->exchanges.count == vhost->counters.exchanges);
}
