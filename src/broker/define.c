/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Import of definitions into a vhost. The checks are those of the methods, but for what concerns
 * the one who asks: nobody does. As in RabbitMQ, a name may begin with "amq." here, because exports
 * contain queues that the server has named.
 */
#include "broker/define.h"

#include "amqp/table.h"
#include "broker/binding_methods.h"
#include "broker/event.h"
#include "broker/exchange.h"
#include "broker/queue_arguments.h"
#include "broker/queue_life.h"
#include "broker/queue_methods.h"

void vhost_act_for(struct vhost *vhost, const char *user)
{
    vhost->acting_user = user;
}

bool vhost_define_exchange(struct vhost *vhost, const struct exchange_status *exchange,
                           struct amqp_error *error)
{
    if (exchange_find(vhost, exchange->name) != NULL)
        return true;
    const struct exchange_definition definition = {
        .type = exchange_type_find(exchange->type),
        .arguments = exchange->arguments,
        .is_durable = exchange->is_durable,
        .is_auto_delete = exchange->is_auto_delete,
        .is_internal = exchange->is_internal,
    };
    if (definition.type == NULL)
        return amqp_error_set(error, AMQP_PRECONDITION_FAILED, "unknown exchange type '%.*s'",
                              (int)exchange->type.size, (const char *)exchange->type.data);
    return limit_check_exchange(vhost, exchange->name, error) &&
           exchange_define(vhost, exchange->name, &definition, error) != NULL;
}

/* Arguments that say which type: those given, or with the type that stands beside them. */
static struct bytes with_type(const struct vhost *vhost, const struct queue_definition *queue,
                              const struct queue_flags *flags, struct buffer *buffer)
{
    struct amqp_value value;
    bool has_type = amqp_table_find(queue->arguments, "x-queue-type", &value);
    if (has_type || queue->type == NULL || strcmp(queue->type, "classic") == 0)
        return queue->type != NULL
                   ? queue->arguments
                   : queue_arguments_complete(queue->arguments, vhost->config.default_queue_type,
                                              flags, buffer);
    buffer_append_bytes(buffer, queue->arguments);
    amqp_table_add_text(buffer, "x-queue-type", queue->type);
    return buffer_bytes(buffer);
}

bool vhost_define_queue(struct vhost *vhost, const struct queue_definition *queue,
                        struct amqp_error *error)
{
    struct buffer buffer = {0};
    const struct queue_flags flags = {
        .is_durable = queue->is_durable,
        .is_auto_delete = queue->is_auto_delete,
    };
    if (queue_find(vhost, queue->name) != NULL)
        return true;
    struct queue *made = NULL;
    if (limit_check_queue(vhost, queue->name, error))
        made = queue_define(vhost, queue->name, &flags, with_type(vhost, queue, &flags, &buffer),
                            error);
    if (made != NULL)
        event_queue_created(vhost, made);
    buffer_fini(&buffer);
    return made != NULL;
}

static bool not_found(const struct vhost *vhost, const char *kind, struct bytes name,
                      struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    return amqp_error_set(error, AMQP_NOT_FOUND, "no %s", resource_text(vhost, kind, name, text));
}

bool vhost_define_binding(struct vhost *vhost, const struct binding_status *binding,
                          struct amqp_error *error)
{
    struct binding_identity identity = {
        .source = exchange_find(vhost, binding->source),
        .key = binding->key,
        .arguments = binding->arguments,
    };
    if (binding->to_queue)
        identity.queue = queue_find(vhost, binding->destination);
    else
        identity.exchange = exchange_find(vhost, binding->destination);
    if (binding->source.size == 0)
        return true; /* every queue has its own */
    if (identity.source == NULL)
        return not_found(vhost, "exchange", binding->source, error);
    if (identity.queue == NULL && identity.exchange == NULL)
        return not_found(vhost, binding->to_queue ? "queue" : "exchange", binding->destination,
                         error);
    return binding_define(vhost, &identity, error) != NULL;
}

uint64_t vhost_latest_batch(const struct vhost *vhost)
{
    return vhost_last_batch(vhost);
}

bool vhost_is_stored(const struct vhost *vhost, uint64_t batch)
{
    return vhost->committed >= batch;
}

size_t vhost_unstored_count(const struct vhost *vhost)
{
    return vhost->batch->live;
}
