/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What exchanges keep, by type: x-delayed-message its delays, x-recent-history its history,
 * x-message-deduplication the values it knows. A delayed exchange may route as one of the other two
 * and keeps both things then; the history of such a one is not stored, because one number in the
 * store holds delays or a history.
 */
#include "broker/keeping.h"

#include "base/check.h"
#include "broker/deduplication.h"
#include "broker/delayed.h"
#include "broker/exchange.h"
#include "broker/policy.h"
#include "broker/recent_history.h"

static bool is_lane(const struct hash_node *node, const void *key)
{
    return container_of(node, struct exchange, by_lane)->lane == *(const uint64_t *)key;
}

static struct exchange *exchange_find_lane(const struct vhost *vhost, uint64_t lane)
{
    struct hash_node *node =
        hash_table_find(&vhost->exchange_lanes, hash_u64(lane), is_lane, &lane);
    return node != NULL ? container_of(node, struct exchange, by_lane) : NULL;
}

/* The type as which the exchange routes. */
static const struct exchange_type *routing_type(const struct exchange *exchange)
{
    return exchange->type == &exchange_delayed ? exchange_delayed_type(exchange->arguments)
                                               : exchange->type;
}

static bool needs_lane(const struct exchange *exchange)
{
    return exchange->is_durable &&
           (exchange->type == &exchange_delayed || exchange->type == &exchange_recent_history ||
            (routing_type(exchange) == &exchange_deduplication &&
             deduplication_is_persistent(exchange->arguments)));
}

void exchange_keep_restored(struct vhost *vhost, struct exchange *exchange, uint64_t lane)
{
    const struct exchange_type *type = routing_type(exchange);
    bool is_delayed = exchange->type == &exchange_delayed;
    exchange->lane = lane;
    if (lane != 0)
        hash_table_insert(&vhost->exchange_lanes, &exchange->by_lane, hash_u64(lane));
    if (is_delayed)
        exchange->delays = delays_new(vhost, exchange, lane);
    if (type == &exchange_recent_history)
        exchange->history = recent_history_new(vhost, exchange, is_delayed ? 0 : lane);
    if (type == &exchange_deduplication)
        exchange->deduplication =
            deduplication_new(vhost, exchange->arguments,
                              deduplication_is_persistent(exchange->arguments) ? lane : 0);
}

void exchange_keep(struct vhost *vhost, struct exchange *exchange)
{
    exchange_keep_restored(vhost, exchange, needs_lane(exchange) ? vhost->lane_next++ : 0);
}

void exchange_keep_nothing(struct vhost *vhost, struct exchange *exchange)
{
    if (exchange->lane != 0)
        hash_table_remove(&vhost->exchange_lanes, &exchange->by_lane);
    if (exchange->delays != NULL)
        delays_free(exchange->delays);
    if (exchange->history != NULL)
        recent_history_free(exchange->history);
    if (exchange->deduplication != NULL)
        deduplication_free(exchange->deduplication);
    exchange->lane = 0;
    exchange->delays = NULL;
    exchange->history = NULL;
    exchange->deduplication = NULL;
}

/* --- the store */

static void restore_state(struct vhost *vhost, const struct store_delay_state *state)
{
    struct exchange *exchange = exchange_find_lane(vhost, state->lane);
    CHECK(exchange != NULL);
    if (exchange->delays != NULL)
        delays_restore(exchange->delays, state);
    else if (exchange->history != NULL)
        recent_history_restore(exchange->history, state);
    if (exchange->deduplication != NULL)
        deduplication_restore_end(exchange->deduplication, state);
}

void exchange_restore_kept(struct vhost *vhost, const struct store_opened *opened)
{
    const struct store_batch *definitions = opened->definitions;
    for (size_t i = 0; i < definitions->count; i++) {
        const struct store_operation *operation = &definitions->operations[i];
        if (operation->kind != STORE_DEDUP_PUT)
            continue;
        struct exchange *exchange = exchange_find_lane(vhost, operation->lane);
        CHECK(exchange != NULL && exchange->deduplication != NULL);
        deduplication_restore(exchange->deduplication, operation);
    }
    for (size_t i = 0; i < opened->delay_count; i++)
        restore_state(vhost, &opened->delays[i]);
}

void exchange_read_done(struct vhost *vhost, struct store_read_result *result)
{
    struct exchange *exchange = exchange_find_lane(vhost, result->read.lane);
    if (exchange == NULL)
        return;
    if (exchange->delays != NULL)
        delays_read_done(exchange->delays, result);
    else if (exchange->history != NULL)
        recent_history_read_done(exchange->history, result);
}

/* --- messages */

enum passage exchange_pass(struct vhost *vhost, struct exchange *exchange, struct message *message)
{
    if (exchange->delays != NULL && delays_take(exchange->delays, message))
        return PASSAGE_WAIT;
    if (exchange->deduplication != NULL) {
        exchange_refresh(vhost, exchange);
        if (!deduplication_pass(exchange->deduplication, message))
            return PASSAGE_DROP;
    }
    if (exchange->history != NULL)
        recent_history_add(exchange->history, message);
    return PASSAGE_ROUTE;
}

enum passage exchange_foresee(struct vhost *vhost, struct exchange *exchange,
                              const struct message *message)
{
    if (exchange->delays != NULL && delays_want(message))
        return PASSAGE_WAIT;
    if (exchange->deduplication == NULL)
        return PASSAGE_ROUTE;
    exchange_refresh(vhost, exchange);
    return deduplication_knows(exchange->deduplication, message) ? PASSAGE_DROP : PASSAGE_ROUTE;
}

void exchange_bound(const struct binding *binding)
{
    if (binding->source->history != NULL)
        recent_history_replay(binding->source->history, binding);
}

/* --- policies */

static uint64_t policy_number(const struct policy *policy, const char *key)
{
    struct amqp_value value;
    int64_t number;
    return policy_value(policy, key, &value) && exchange_positive_argument(&value, &number)
               ? (uint64_t)number
               : 0;
}

void exchange_obey_policy(struct vhost *vhost, struct exchange *exchange)
{
    const struct policy *policy =
        policies_find(vhost->policies, POLICY_EXCHANGE, exchange->name, false);
    struct amqp_value value;
    exchange->policy_generation = vhost->policy_generation;
    exchange->alternate = bytes_of(NULL, 0);
    if ((amqp_table_find(exchange->arguments, "alternate-exchange", &value) ||
         policy_value(policy, "alternate-exchange", &value)) &&
        value.type == AMQP_TYPE_LONGSTR)
        exchange->alternate = value.bytes;
    if (exchange->deduplication != NULL)
        deduplication_resize(exchange->deduplication, policy_number(policy, "x-cache-size"),
                             policy_number(policy, "x-cache-ttl"));
}

void exchange_check_kept(const struct exchange *exchange)
{
    if (exchange->delays != NULL)
        delays_check(exchange->delays);
}
