/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges and bindings as the vhost keeps them. A binding is known by (source, destination, key,
 * arguments); it hangs in its source's type index, in a list at each end, and in one table by
 * identity. What is durable on both ends is stored. Every change raises the topology generation, by
 * which cached routes are told to be stale.
 */
#include "broker/exchange.h"

#include <stdlib.h>

#include "amqp/table.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/event.h"
#include "broker/keeping.h"
#include "broker/sharding.h"

static bool is_named(const struct hash_node *node, const void *key)
{
    return bytes_equal(container_of(node, struct exchange, by_name)->name,
                       *(const struct bytes *)key);
}

struct exchange *exchange_find(const struct vhost *vhost, struct bytes name)
{
    struct hash_node *node = hash_table_find(
        &vhost->exchanges, bytes_hash(name, vhost->config.hash_seed), is_named, &name);
    return node != NULL ? container_of(node, struct exchange, by_name) : NULL;
}

struct exchange *exchange_create(struct vhost *vhost, const struct exchange_type *type,
                                 struct bytes name, struct bytes arguments, struct bytes user)
{
    struct exchange *exchange =
        xcalloc(1, sizeof *exchange + name.size + arguments.size + user.size);
    uint8_t *at = (uint8_t *)(exchange + 1);
    exchange->name = bytes_copy_to(&at, name);
    exchange->arguments = bytes_copy_to(&at, arguments);
    exchange->user = bytes_copy_to(&at, user);
    exchange->type = type;
    exchange->state = type->new (vhost->config.hash_seed, exchange->arguments);
    exchange_obey_policy(vhost, exchange);
    list_init(&exchange->sources);
    list_init(&exchange->targets);
    list_node_init(&exchange->going_node);
    list_node_init(&exchange->sharding_node);
    hash_table_insert(&vhost->exchanges, &exchange->by_name,
                      bytes_hash(name, vhost->config.hash_seed));
    vhost->topology_generation++;
    limit_count_exchanges(vhost, 1);
    return exchange;
}

void exchange_free(struct vhost *vhost, struct exchange *exchange)
{
    exchange_keep_nothing(vhost, exchange);
    sharding_forget(vhost, exchange);
    CHECK(list_is_empty(&exchange->sources) && list_is_empty(&exchange->targets));
    exchange->type->free(exchange->state);
    free(exchange);
}

static void begin_delete(struct vhost *vhost, struct exchange *exchange)
{
    struct list_node *node;
    event_exchange_deleted(vhost, exchange);
    while ((node = list_front(&exchange->sources)) != NULL)
        binding_remove(vhost, list_entry(node, struct binding, source_node));
    hash_table_remove(&vhost->exchanges, &exchange->by_name);
    list_push_back(&vhost->going, &exchange->going_node);
}

/* What was bound to it may go, too, and begins to. */
static void finish_delete(struct vhost *vhost, struct exchange *exchange)
{
    struct list_node *node;
    while ((node = list_front(&exchange->targets)) != NULL)
        binding_delete(vhost, list_entry(node, struct binding, destination_node));
    if (exchange->stored_batch != 0) {
        struct store_definition definition = {.name = exchange->name};
        vhost_store(vhost,
                    (struct store_operation){.kind = STORE_EXCHANGE_DELETE,
                                             .lane = exchange->lane,
                                             .definition = store_definition_copy(&definition)});
    }
    vhost->topology_generation++;
    limit_count_exchanges(vhost, -1);
    exchange_free(vhost, exchange);
}

/* A chain of auto-delete exchanges may be of any length: it goes one after the other, by a list. */
void exchange_delete(struct vhost *vhost, struct exchange *exchange)
{
    struct list_node *node;
    begin_delete(vhost, exchange);
    if (vhost->is_deleting)
        return;
    vhost->is_deleting = true;
    while ((node = list_pop_front(&vhost->going)) != NULL)
        finish_delete(vhost, list_entry(node, struct exchange, going_node));
    vhost->is_deleting = false;
}

/* --- bindings */

static uint64_t identity_hash(const struct vhost *vhost, const struct binding_identity *identity)
{
    struct bytes destination =
        identity->queue != NULL ? identity->queue->name : identity->exchange->name;
    uint64_t seed = vhost->config.hash_seed + (identity->queue != NULL);
    seed = bytes_hash(identity->source->name, seed);
    seed = bytes_hash(destination, seed);
    seed = bytes_hash(identity->key, seed);
    return bytes_hash(identity->arguments, seed);
}

static bool is_identity(const struct hash_node *node, const void *key)
{
    const struct binding *binding = container_of(node, struct binding, by_identity);
    const struct binding_identity *identity = key;
    return binding->source == identity->source && binding->queue == identity->queue &&
           binding->exchange == identity->exchange &&
           bytes_equal(binding->route.key, identity->key) &&
           bytes_equal(binding->route.arguments, identity->arguments);
}

struct binding *binding_find(const struct vhost *vhost, const struct binding_identity *identity)
{
    struct hash_node *node =
        hash_table_find(&vhost->bindings, identity_hash(vhost, identity), is_identity, identity);
    return node != NULL ? container_of(node, struct binding, by_identity) : NULL;
}

static uint8_t route_target_of(const struct binding_identity *identity)
{
    struct amqp_value type;
    if (identity->queue == NULL)
        return ROUTE_TO_EXCHANGE;
    if (!amqp_table_find(identity->queue->arguments, "x-queue-type", &type) ||
        type.type != AMQP_TYPE_LONGSTR)
        return ROUTE_TO_CLASSIC_QUEUE;
    if (bytes_equal_text(type.bytes, "quorum"))
        return ROUTE_TO_QUORUM_QUEUE;
    return bytes_equal_text(type.bytes, "stream") ? ROUTE_TO_STREAM : ROUTE_TO_CLASSIC_QUEUE;
}

static struct route route_of(const struct binding_identity *identity)
{
    return (struct route){
        .key = identity->key,
        .arguments = identity->arguments,
        .destination = identity->queue != NULL ? identity->queue->name : identity->exchange->name,
        .target = route_target_of(identity),
    };
}

bool binding_check(const struct binding_identity *identity, struct amqp_error *error)
{
    struct route route = route_of(identity);
    return identity->source->type->check(identity->source->state, &route, error);
}

static struct binding *binding_new(const struct binding_identity *identity)
{
    struct binding *binding =
        xcalloc(1, sizeof *binding + identity->key.size + identity->arguments.size);
    uint8_t *at = (uint8_t *)(binding + 1);
    if (identity->key.size > 0)
        memcpy(at, identity->key.data, identity->key.size);
    if (identity->arguments.size > 0)
        memcpy(at + identity->key.size, identity->arguments.data, identity->arguments.size);
    binding->route = route_of(identity);
    binding->route.key = bytes_of(at, identity->key.size);
    binding->route.arguments = bytes_of(at + identity->key.size, identity->arguments.size);
    binding->source = identity->source;
    binding->queue = identity->queue;
    binding->exchange = identity->exchange;
    return binding;
}

struct binding *binding_create(struct vhost *vhost, const struct binding_identity *identity)
{
    struct binding *binding = binding_new(identity);
    hash_table_insert(&vhost->bindings, &binding->by_identity, identity_hash(vhost, identity));
    binding->source->type->add(binding->source->state, &binding->route);
    list_push_back(&binding->source->sources, &binding->source_node);
    binding->source->source_count++;
    list_push_back(binding->queue != NULL ? &binding->queue->bindings : &binding->exchange->targets,
                   &binding->destination_node);
    vhost->topology_generation++;
    vhost->counters.bindings++;
    event_note_bindings(vhost, binding->source);
    return binding;
}

void binding_store(struct vhost *vhost, const struct binding *binding,
                   enum store_operation_kind kind)
{
    struct store_definition definition = {
        .name = binding->source->name,
        .destination = binding->queue != NULL ? binding->queue->name : binding->exchange->name,
        .routing_key = binding->route.key,
        .arguments = binding->route.arguments,
        .destination_is_exchange = binding->exchange != NULL,
    };
    vhost_store(vhost, (struct store_operation){.kind = (uint8_t)kind,
                                                .definition = store_definition_copy(&definition)});
}

void binding_remove(struct vhost *vhost, struct binding *binding)
{
    event_binding_deleted(vhost, binding);
    if (binding->is_stored)
        binding_store(vhost, binding, STORE_BINDING_DELETE);
    binding->source->type->remove(binding->source->state, &binding->route);
    binding->source->source_count--;
    event_note_bindings(vhost, binding->source);
    hash_table_remove(&vhost->bindings, &binding->by_identity);
    list_remove(&binding->source_node);
    list_remove(&binding->destination_node);
    vhost->topology_generation++;
    vhost->counters.bindings--;
    free(binding);
}

void binding_delete(struct vhost *vhost, struct binding *binding)
{
    struct exchange *source = binding->source;
    if (source->is_auto_delete && source->source_count == 1)
        exchange_delete(vhost, source);
    else
        binding_remove(vhost, binding);
}
