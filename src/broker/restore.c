/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost as the store found it. What was durable is made again in the order in which it came:
 * exchanges, queues with all their messages in the stretch, bindings. No message is looked at, so
 * the time is that of the definitions.
 */
#include "base/check.h"
#include "broker/exchange.h"
#include "broker/keeping.h"
#include "broker/queue_life.h"

static void restore_exchange(struct vhost *vhost, const struct store_operation *operation)
{
    const struct store_definition *definition = operation->definition;
    const struct exchange_type *type = exchange_type_find(definition->type);
    CHECK(type != NULL);
    struct exchange *exchange = exchange_create(vhost, type, definition->name,
                                                definition->arguments, definition->destination);
    exchange->is_durable = true;
    exchange->is_auto_delete = definition->auto_delete;
    exchange->is_internal = definition->internal;
    exchange->stored_batch = STORE_BATCH_BEFORE;
    exchange_keep_restored(vhost, exchange, operation->lane);
}

static void restore_queue(struct vhost *vhost, const struct store_operation *operation)
{
    const struct store_definition *definition = operation->definition;
    struct queue *queue =
        queue_create(vhost, definition->name, definition->arguments, operation->lane);
    queue->is_durable = true;
    queue->lane_count = (uint16_t)operation->count;
    queue->is_auto_delete = definition->auto_delete;
    queue->stored_batch = STORE_BATCH_BEFORE;
}

/* What the configuration no longer asks for, such as amq.rabbitmq.event, stays as long as something
 * durable is bound to it, as in RabbitMQ. */
static struct exchange *find_source(struct vhost *vhost, struct bytes name)
{
    struct exchange *exchange = exchange_find(vhost, name);
    if (exchange == NULL && bytes_start_with(name, "amq.rabbitmq."))
        exchange = vhost_predeclare(vhost, name, &exchange_topic, true);
    return exchange;
}

static void restore_binding(struct vhost *vhost, const struct store_definition *definition)
{
    struct binding_identity identity = {
        .source = find_source(vhost, definition->name),
        .key = definition->routing_key,
        .arguments = definition->arguments,
    };
    if (definition->destination_is_exchange)
        identity.exchange = exchange_find(vhost, definition->destination);
    else
        identity.queue = queue_find(vhost, definition->destination);
    CHECK(identity.source != NULL && (identity.queue != NULL || identity.exchange != NULL));
    binding_create(vhost, &identity)->is_stored = true;
}

static void restore_definition(struct vhost *vhost, const struct store_operation *operation)
{
    switch (operation->kind) {
    case STORE_EXCHANGE_PUT:
        restore_exchange(vhost, operation);
        break;
    case STORE_QUEUE_PUT:
        restore_queue(vhost, operation);
        break;
    case STORE_BINDING_PUT:
        restore_binding(vhost, operation->definition);
        break;
    default:
        CHECK(operation->kind == STORE_NOTHING);
    }
}

/* One of several lanes of a queue: above the first of them. */
static struct lane *make_lane(struct vhost *vhost, struct queue *queue, unsigned above)
{
    return above <= queue->max_priority ? queue_make_lane(vhost, queue, above)
                                        : &parked_letters_use(vhost, queue)->lane;
}

static struct lane *use_lane(struct vhost *vhost, uint64_t number)
{
    struct lane *lane = lane_find(vhost, number);
    for (unsigned above = 1; lane == NULL && above < STORE_LANES_MAX; above++) {
        struct lane *first = above < number ? lane_find(vhost, number - above) : NULL;
        if (first != NULL && first == &first->queue->lane && first->queue->lane_count > above)
            lane = make_lane(vhost, first->queue, above);
    }
    CHECK(lane != NULL);
    return lane;
}

/* When the first message expires is known once it was read. */
static void expect_expiry(struct vhost *vhost, struct queue *queue)
{
    queue->may_expire = true;
    timer_set(vhost, &queue->expiry_timer, 0);
}

void vhost_restore(struct vhost *vhost, const struct store_opened *opened)
{
    const struct store_batch *definitions = opened->definitions;
    static const uint8_t order[] = {STORE_EXCHANGE_PUT, STORE_QUEUE_PUT, STORE_BINDING_PUT};
    for (size_t pass = 0; pass < sizeof order; pass++) {
        for (size_t i = 0; i < definitions->count; i++) {
            if (definitions->operations[i].kind == order[pass])
                restore_definition(vhost, &definitions->operations[i]);
        }
    }
    for (size_t i = 0; i < opened->lane_count; i++) {
        struct lane *lane = use_lane(vhost, opened->lanes[i].lane);
        lane_restore(lane, &opened->lanes[i]);
        if (opened->lanes[i].count == 0)
            continue;
        if (lane_is_parked(lane))
            parked_letters_follow_settings(vhost, lane->queue);
        else
            expect_expiry(vhost, lane->queue);
    }
    exchange_restore_kept(vhost, opened);
    queue_values_restore(vhost, opened);
    CHECK(opened->lane_next >= vhost->lane_next);
    vhost->lane_next = opened->lane_next;
    vhost->counters.queues_created = 0;
}
