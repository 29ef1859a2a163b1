/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sharded exchanges, as RabbitMQ's plug-in rabbitmq_sharding has them. A policy with
 * shards-per-node gives an exchange, of whatever type, so many queues of this node, bound with the
 * policy's routing-key; the type then decides which of them has a message (x-modulus-hash was made
 * for it). Clients consume from all of them under one name, that of the exchange: each consumer
 * gets the queue that has the fewest.
 *
 * The queues are queues like all others. What is known of a sharded exchange beside them is what
 * its policy said last, so that the bindings of it can be taken back. Publishing knows nothing of
 * this file, nor do methods in a vhost without such exchanges.
 */
#include "broker/sharding.h"

#include <stdio.h>
#include <stdlib.h>

#include "amqp/erlang.h"
#include "amqp/table.h"
#include "base/xmalloc.h"
#include "broker/binding_methods.h"
#include "broker/channel.h"
#include "broker/event.h"
#include "broker/exchange.h"
#include "broker/queue_arguments.h"
#include "broker/queue_life.h"
#include "broker/queue_methods.h"

static const char sharding_user[] = "rmq-sharding";

enum {
    steps_of_exchange = 20, /* what it costs to look at one, beside finding its policy, */
    steps_of_shard = 400    /* and what a queue costs that is made */
};

struct sharding {
    uint64_t definition_hash; /* of the policy that said so */
    uint32_t count;
    size_t key_size;
    uint8_t key[];
};

/* What the policies say now. */
struct wish {
    uint64_t definition_hash;
    uint32_t count;
    struct bytes key;
};

/* --- names */

/* "sharding: x - rabbit@host - 0". Size of text: AMQP_SHORTSTR_MAX + 1. No data where it would be
 * longer than a name can be. */
static struct bytes shard_name(const struct vhost *vhost, struct bytes exchange, uint32_t number,
                               char *text)
{
    int size = snprintf(text, AMQP_SHORTSTR_MAX + 1, "sharding: %.*s - %s - %u", (int)exchange.size,
                        (const char *)exchange.data, vhost->config.node_name, number);
    return size <= AMQP_SHORTSTR_MAX ? bytes_of(text, (size_t)size) : bytes_of(NULL, 0);
}

static struct queue *find_shard(const struct vhost *vhost, const struct exchange *exchange,
                                uint32_t number)
{
    char text[AMQP_SHORTSTR_MAX + 1];
    struct bytes name = shard_name(vhost, exchange->name, number, text);
    return name.data != NULL ? queue_find(vhost, name) : NULL;
}

/* --- what a policy asks for */

static uint32_t count_of(const struct amqp_value *value)
{
    int64_t count = 0;
    if (value->type == AMQP_TYPE_DOUBLE)
        count = value->number < SHARDS_MAX ? (int64_t)value->number : SHARDS_MAX;
    else if (!amqp_value_get_integer(value, &count))
        return 0;
    return count < 0 ? 0 : count > SHARDS_MAX ? SHARDS_MAX : (uint32_t)count;
}

/* The default exchange is never sharded: clients that let the server name their queues would all
 * get its first shard. */
static bool find_wish(struct vhost *vhost, const struct exchange *exchange, struct wish *wish)
{
    struct amqp_value count, key;
    if (!policies_have_shards(vhost->policies) || exchange == vhost->default_exchange)
        return false;
    const struct policy *policy = policies_find_counting(
        vhost->policies, POLICY_EXCHANGE, exchange->name, false, &vhost->policy_steps);
    if (!policy_value(policy, "shards-per-node", &count))
        return false;
    *wish = (struct wish){
        .definition_hash = bytes_hash(policy_definition(policy), vhost->config.hash_seed),
        .count = count_of(&count),
    };
    if (policy_value(policy, "routing-key", &key))
        wish->key = key.bytes;
    return true;
}

static bool is_fulfilled(const struct exchange *exchange, bool is_wished, const struct wish *wish)
{
    const struct sharding *sharding = exchange->sharding;
    return is_wished ? sharding != NULL && sharding->definition_hash == wish->definition_hash
                     : sharding == NULL;
}

/* --- the queues and their bindings */

/* One that is there is taken as it is, whoever made it. */
static void make_shard(struct vhost *vhost, struct bytes exchange, bool is_durable, uint32_t number)
{
    char text[AMQP_SHORTSTR_MAX + 1];
    struct amqp_error error;
    const struct queue_flags flags = {.is_durable = is_durable};
    struct bytes name = shard_name(vhost, exchange, number, text);
    if (name.data == NULL || queue_find(vhost, name) != NULL ||
        !limit_check_queue(vhost, name, &error))
        return;
    struct queue *queue = queue_define(vhost, name, &flags, bytes_of(NULL, 0), &error);
    if (queue != NULL)
        event_queue_created(vhost, queue);
    vhost->policy_steps += steps_of_shard;
}

/* A type may refuse the key, as x-consistent-hash does with one that is no weight: then the queue
 * is there, and not bound. */
static void bind_shard(struct vhost *vhost, struct exchange *exchange, struct queue *queue,
                       struct bytes key)
{
    struct amqp_error error;
    const struct binding_identity identity = {.source = exchange, .queue = queue, .key = key};
    (void)binding_define(vhost, &identity, &error);
}

static void bind_shards(struct vhost *vhost, struct exchange *exchange, const struct wish *wish)
{
    for (uint32_t number = 0; number < wish->count; number++) {
        struct queue *queue = find_shard(vhost, exchange, number);
        if (queue != NULL)
            bind_shard(vhost, exchange, queue, wish->key);
    }
}

/* False where the exchange went with the last of its bindings. */
static bool unbind_shards(struct vhost *vhost, struct exchange *exchange,
                          const struct sharding *sharding)
{
    for (uint32_t number = 0; number < sharding->count; number++) {
        const struct binding_identity identity = {
            .source = exchange,
            .queue = find_shard(vhost, exchange, number),
            .key = bytes_of(sharding->key, sharding->key_size),
        };
        struct binding *binding = identity.queue != NULL ? binding_find(vhost, &identity) : NULL;
        if (binding == NULL)
            continue;
        bool is_last = exchange->is_auto_delete && exchange->source_count == 1;
        binding_delete(vhost, binding);
        if (is_last)
            return false;
    }
    return true;
}

static struct sharding *sharding_new(const struct wish *wish)
{
    struct sharding *sharding = xmalloc(sizeof *sharding + wish->key.size);
    sharding->definition_hash = wish->definition_hash;
    sharding->count = wish->count;
    sharding->key_size = wish->key.size;
    if (wish->key.size > 0)
        memcpy(sharding->key, wish->key.data, wish->key.size);
    return sharding;
}

static bool has_key(const struct sharding *sharding, struct bytes key)
{
    return bytes_equal(bytes_of(sharding->key, sharding->key_size), key);
}

/* As the plug-in: shards that are too many stay bound, and are consumed from by their own names; an
 * exchange that goes with its bindings gets its queues nevertheless. */
static void change(struct vhost *vhost, struct exchange *exchange, const struct wish *wish)
{
    struct sharding *former = exchange->sharding;
    struct bytes name = exchange->name;
    uint8_t *copy = xmemdup(name.data, name.size);
    bool is_durable = exchange->is_durable;
    bool unbinds = former != NULL && (wish == NULL || !has_key(former, wish->key));
    exchange->sharding = wish != NULL ? sharding_new(wish) : NULL;
    vhost->sharded_count += (size_t)(wish != NULL) - (size_t)(former != NULL);
    bool is_there = !unbinds || unbind_shards(vhost, exchange, former);
    for (uint32_t number = 0; wish != NULL && number < wish->count; number++)
        make_shard(vhost, bytes_of(copy, name.size), is_durable, number);
    if (wish != NULL && is_there)
        bind_shards(vhost, exchange, wish);
    free(copy);
    free(former);
}

void sharding_obey(struct vhost *vhost, struct exchange *exchange)
{
    struct wish wish;
    const char *user = vhost->acting_user;
    bool is_wished = find_wish(vhost, exchange, &wish);
    if (is_fulfilled(exchange, is_wished, &wish))
        return;
    vhost->acting_user = sharding_user;
    change(vhost, exchange, is_wished ? &wish : NULL);
    vhost->acting_user = user;
}

void sharding_forget(struct vhost *vhost, struct exchange *exchange)
{
    list_remove(&exchange->sharding_node);
    vhost->sharded_count -= exchange->sharding != NULL;
    free(exchange->sharding);
    exchange->sharding = NULL;
}

/* --- when policies change */

void sharding_expect(struct vhost *vhost)
{
    if (vhost->sharded_count == 0 && !policies_have_shards(vhost->policies) &&
        list_is_empty(&vhost->sharding_due))
        return;
    vhost->sharding_passes = vhost->sharding_passes == 0 ? 1 : 2;
}

/* The table must not change while it is looked at. */
static void look(void *context, struct hash_node *node)
{
    struct vhost *vhost = context;
    struct exchange *exchange = container_of(node, struct exchange, by_name);
    struct wish wish;
    vhost->policy_steps += steps_of_exchange;
    bool is_wished = find_wish(vhost, exchange, &wish);
    list_remove(&exchange->sharding_node);
    if (!is_fulfilled(exchange, is_wished, &wish))
        list_push_back(&vhost->sharding_due, &exchange->sharding_node);
}

bool sharding_follow(struct vhost *vhost)
{
    while (vhost->sharding_passes > 0 || !list_is_empty(&vhost->sharding_due)) {
        if (vhost->policy_steps >= POLICY_STEPS_SLICE)
            return false;
        struct list_node *node = list_pop_front(&vhost->sharding_due);
        if (node != NULL)
            sharding_obey(vhost, list_entry(node, struct exchange, sharding_node));
        else if (!hash_table_scan(&vhost->exchanges, &vhost->sharding_cursor, look, vhost))
            vhost->sharding_passes--;
    }
    return true;
}

/* --- methods that name the exchange as a queue */

static const struct {
    uint32_t id;
    size_t queue;     /* where in the method its name is */
    const char *verb; /* what cannot be done with it; NULL: a queue is found for it */
} intercepted[] = {
    {AMQP_BASIC_CONSUME, offsetof(struct amqp_method, basic_consume.queue), NULL},
    {AMQP_BASIC_GET, offsetof(struct amqp_method, basic_get.queue), NULL},
    {AMQP_QUEUE_DECLARE, offsetof(struct amqp_method, queue_declare.queue), NULL},
    {AMQP_QUEUE_DELETE, offsetof(struct amqp_method, queue_delete.queue), "delete"},
    {AMQP_QUEUE_BIND, offsetof(struct amqp_method, queue_bind.queue), "bind"},
    {AMQP_QUEUE_UNBIND, offsetof(struct amqp_method, queue_unbind.queue), "unbind"},
    {AMQP_QUEUE_PURGE, offsetof(struct amqp_method, queue_purge.queue), "purge"},
};

enum { INTERCEPTED_COUNT = sizeof intercepted / sizeof intercepted[0] };

static size_t row_of(uint32_t method_id)
{
    size_t row = 0;
    while (row < INTERCEPTED_COUNT && intercepted[row].id != method_id)
        row++;
    return row;
}

/* An empty name is that of the queue declared last, but in a declaration. */
static const struct exchange *find_sharded(const struct channel *channel, uint32_t method_id,
                                           struct bytes name)
{
    if (name.size == 0 && channel->last_queue != NULL && method_id != AMQP_QUEUE_DECLARE)
        name = bytes_of_text(channel->last_queue);
    const struct exchange *exchange = exchange_find(channel_vhost(channel), name);
    return exchange != NULL && exchange->sharding != NULL ? exchange : NULL;
}

/* Of those with the fewest consumers the first by its name. */
static struct queue *least_consumed(const struct vhost *vhost, const struct exchange *exchange)
{
    struct queue *least = NULL;
    for (uint32_t number = 0; number < exchange->sharding->count; number++) {
        struct queue *queue = find_shard(vhost, exchange, number);
        if (queue != NULL && (least == NULL || queue->subscriber_count < least->subscriber_count ||
                              (queue->subscriber_count == least->subscriber_count &&
                               bytes_compare(queue->name, least->name) < 0)))
            least = queue;
    }
    return least;
}

static enum outcome refuse(const char *what, const struct exchange *exchange,
                           struct amqp_error *error)
{
    struct buffer text = {0};
    erlang_append_binary(&text, exchange->name);
    amqp_error_set(error, AMQP_PRECONDITION_FAILED, "%s: %.*s", what, (int)text.size,
                   (const char *)text.data);
    buffer_fini(&text);
    return OUTCOME_ERROR;
}

static enum outcome refuse_verb(const char *verb, const struct exchange *exchange,
                                struct amqp_error *error)
{
    char what[40];
    snprintf(what, sizeof what, "Can't %s sharded queue", verb);
    return refuse(what, exchange, error);
}

enum outcome sharding_handle(struct channel *channel, channel_handler *handler,
                             const struct amqp_method *method, struct amqp_error *error)
{
    const struct vhost *vhost = channel_vhost(channel);
    char text[AMQP_SHORTSTR_MAX + 1];
    size_t row = row_of(method->id);
    if (row == INTERCEPTED_COUNT)
        return handler(channel, method, error);
    struct amqp_method changed = *method;
    struct bytes *name = (struct bytes *)(void *)((char *)&changed + intercepted[row].queue);
    const struct exchange *exchange = find_sharded(channel, method->id, *name);
    if (exchange == NULL)
        return handler(channel, method, error);
    if (intercepted[row].verb != NULL)
        return refuse_verb(intercepted[row].verb, exchange, error);
    if (method->id == AMQP_QUEUE_DECLARE) {
        *name = shard_name(vhost, exchange->name, 0, text);
    } else {
        const struct queue *queue = least_consumed(vhost, exchange);
        *name = queue != NULL ? queue->name : bytes_of(NULL, 0);
    }
    if (name->data == NULL)
        return refuse("Error finding sharded queue for", exchange, error);
    return handler(channel, &changed, error);
}
