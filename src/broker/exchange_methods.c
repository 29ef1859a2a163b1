/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exchange class, and bindings of both kinds. The order of the checks is RabbitMQ's, because a
 * client sees which of two errors it gets.
 */
#include "amqp/table.h"
#include "broker/argument.h"
#include "broker/binding_methods.h"
#include "broker/channel.h"
#include "broker/event.h"
#include "broker/event_message.h"
#include "broker/exchange.h"
#include "broker/keeping.h"
#include "broker/queue_life.h"
#include "broker/queue_methods.h"
#include "broker/sharding.h"

static bool check_not_default(struct bytes name, struct amqp_error *error)
{
    return name.size > 0 || amqp_error_set(error, AMQP_ACCESS_REFUSED,
                                           "operation not permitted on the default exchange");
}

static bool check_not_reserved(struct bytes name, struct amqp_error *error)
{
    return !bytes_start_with(name, "amq.") ||
           amqp_error_set(error, AMQP_ACCESS_REFUSED,
                          "exchange name '%.*s' contains reserved prefix 'amq.*'", (int)name.size,
                          (const char *)name.data);
}

static bool not_found(const struct vhost *vhost, struct bytes name, struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    return amqp_error_set(error, AMQP_NOT_FOUND, "no %s",
                          resource_text(vhost, "exchange", name, text));
}

/* --- declare */

static bool check_equivalent(const struct vhost *vhost, const struct exchange *exchange,
                             const struct amqp_exchange_declare *declare,
                             const struct exchange_type *type, struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    const char *resource = resource_text(vhost, "exchange", exchange->name, text);
    return argument_check_type(resource, type->name, exchange->type->name, error) &&
           argument_check_flag(resource, "durable", declare->durable, exchange->is_durable,
                               error) &&
           argument_check_flag(resource, "auto_delete", declare->auto_delete,
                               exchange->is_auto_delete, error) &&
           argument_check_flag(resource, "internal", declare->internal, exchange->is_internal,
                               error) &&
           argument_check_equal(resource, "alternate-exchange", declare->arguments,
                                exchange->arguments, error);
}

static bool check_alternate(struct session *session, struct bytes name, struct bytes arguments,
                            struct amqp_error *error)
{
    struct amqp_value value;
    char text[RESOURCE_TEXT_SIZE];
    if (!amqp_table_find(arguments, "alternate-exchange", &value))
        return true;
    if (value.type != AMQP_TYPE_LONGSTR)
        return amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                              "invalid type '%s' for arg 'alternate-exchange' in %s",
                              amqp_value_type_name(value.type),
                              resource_text(session->vhost, "exchange", name, text));
    return vhost_check_access(session, PERMISSION_READ, "exchange", name, error) &&
           vhost_check_access(session, PERMISSION_WRITE, "exchange", value.bytes, error);
}

static void store_exchange(struct vhost *vhost, struct exchange *exchange)
{
    struct store_definition definition = {
        .name = exchange->name,
        .type = bytes_of_text(exchange->type->name),
        .destination = exchange->user,
        .arguments = exchange->arguments,
        .auto_delete = exchange->is_auto_delete,
        .internal = exchange->is_internal,
    };
    vhost_store(vhost, (struct store_operation){.kind = STORE_EXCHANGE_PUT,
                                                .lane = exchange->lane,
                                                .definition = store_definition_copy(&definition)});
    exchange->stored_batch = vhost->batch->number;
}

static struct bytes acting_user(const struct vhost *vhost)
{
    return bytes_of_text(vhost->acting_user != NULL ? vhost->acting_user : EVENT_USER_INTERNAL);
}

struct exchange *exchange_define(struct vhost *vhost, struct bytes name,
                                 const struct exchange_definition *definition,
                                 struct amqp_error *error)
{
    if (!definition->type->check_arguments(definition->arguments, error))
        return NULL;
    struct exchange *exchange =
        exchange_create(vhost, definition->type, name, definition->arguments, acting_user(vhost));
    exchange->is_durable = definition->is_durable;
    exchange->is_auto_delete = definition->is_auto_delete;
    exchange->is_internal = definition->is_internal;
    exchange_keep(vhost, exchange);
    if (exchange->is_durable)
        store_exchange(vhost, exchange);
    sharding_obey(vhost, exchange);
    event_exchange_created(vhost, exchange);
    return exchange;
}

static struct exchange *declare_new(struct channel *channel, struct bytes name,
                                    const struct amqp_exchange_declare *declare,
                                    const struct exchange_type *type, struct amqp_error *error)
{
    const struct exchange_definition definition = {
        .type = type,
        .arguments = declare->arguments,
        .is_durable = declare->durable,
        .is_auto_delete = declare->auto_delete,
        .is_internal = declare->internal,
    };
    if (!check_not_reserved(name, error) ||
        !check_alternate(channel->session, name, declare->arguments, error) ||
        !limit_check_exchange(channel_vhost(channel), name, error))
        return NULL;
    return exchange_define(channel_vhost(channel), name, &definition, error);
}

static struct exchange *declare_active(struct channel *channel, struct bytes name,
                                       const struct amqp_exchange_declare *declare,
                                       struct amqp_error *error)
{
    struct vhost *vhost = channel_vhost(channel);
    const struct exchange_type *type = exchange_type_find(declare->type);
    if (type == NULL) {
        amqp_error_set(error, AMQP_PRECONDITION_FAILED, "unknown exchange type '%.*s'",
                       (int)declare->type.size, (const char *)declare->type.data);
        return NULL;
    }
    if (!check_not_default(name, error) ||
        !vhost_check_access(channel->session, PERMISSION_CONFIGURE, "exchange", name, error))
        return NULL;
    struct exchange *exchange = exchange_find(vhost, name);
    if (exchange == NULL)
        return declare_new(channel, name, declare, type, error);
    return check_equivalent(vhost, exchange, declare, type, error) ? exchange : NULL;
}

static struct exchange *declare_passive(struct channel *channel, struct bytes name,
                                        struct amqp_error *error)
{
    if (!check_not_default(name, error))
        return NULL;
    struct exchange *exchange = exchange_find(channel_vhost(channel), name);
    if (exchange == NULL)
        not_found(channel_vhost(channel), name, error);
    return exchange;
}

enum outcome handle_exchange_declare(struct channel *channel, const struct amqp_method *method,
                                     struct amqp_error *error)
{
    const struct amqp_exchange_declare *declare = &method->exchange_declare;
    uint8_t clean[AMQP_SHORTSTR_MAX];
    struct bytes name = name_strip(declare->exchange, clean);
    struct exchange *exchange = declare->passive ? declare_passive(channel, name, error)
                                                 : declare_active(channel, name, declare, error);
    if (exchange == NULL)
        return OUTCOME_ERROR;
    if (!declare->no_wait) {
        channel_wait_for_commit(channel, exchange->stored_batch);
        channel_reply_empty(channel, AMQP_EXCHANGE_DECLARE_OK);
    }
    return OUTCOME_DONE;
}

/* --- delete */

static bool check_delete(struct channel *channel, struct bytes name, struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    if (!check_not_default(name, error))
        return false;
    if (bytes_start_with(name, "amq."))
        return amqp_error_set(error, AMQP_ACCESS_REFUSED, "deletion of system %s not allowed",
                              resource_text(channel_vhost(channel), "exchange", name, text));
    return vhost_check_access(channel->session, PERMISSION_CONFIGURE, "exchange", name, error);
}

enum outcome handle_exchange_delete(struct channel *channel, const struct amqp_method *method,
                                    struct amqp_error *error)
{
    const struct amqp_exchange_delete *delete = &method->exchange_delete;
    struct vhost *vhost = channel_vhost(channel);
    uint8_t clean[AMQP_SHORTSTR_MAX];
    char text[RESOURCE_TEXT_SIZE];
    struct bytes name = name_strip(delete->exchange, clean);
    if (!check_delete(channel, name, error))
        return OUTCOME_ERROR;
    struct exchange *exchange = exchange_find(vhost, name);
    if (exchange != NULL && delete->if_unused && exchange->source_count > 0) {
        amqp_error_set(error, AMQP_PRECONDITION_FAILED, "%s in use",
                       resource_text(vhost, "exchange", name, text));
        return OUTCOME_ERROR;
    }
    bool is_transient = exchange != NULL && exchange->stored_batch == 0;
    if (exchange != NULL)
        exchange_delete(vhost, exchange);
    if (!delete->no_wait) {
        if (!is_transient)
            channel_wait_for_commit(channel, vhost_last_batch(vhost));
        channel_reply_empty(channel, AMQP_EXCHANGE_DELETE_OK);
    }
    return OUTCOME_DONE;
}

/* --- bind and unbind */

static bool is_durable(const struct binding *binding)
{
    return binding->source->is_durable && (binding->queue != NULL ? queue_is_stored(binding->queue)
                                                                  : binding->exchange->is_durable);
}

static bool check_binding_access(struct session *session, const struct binding_request *request,
                                 struct amqp_error *error)
{
    bool to_queue = request->to_queue;
    if (!vhost_check_access(session, PERMISSION_WRITE, to_queue ? "queue" : "exchange",
                            request->destination, error) ||
        (!to_queue && !check_not_default(request->destination, error)) ||
        !check_not_default(request->source, error) ||
        !vhost_check_access(session, PERMISSION_READ, "exchange", request->source, error))
        return false;
    const struct exchange *source = exchange_find(session->vhost, request->source);
    return source == NULL ||
           vhost_check_topic_access(session, PERMISSION_READ, source, request->key, error);
}

/* Finds both ends; what is missing stays NULL. */
static void find_ends(const struct vhost *vhost, const struct binding_request *request,
                      struct binding_identity *identity)
{
    *identity = (struct binding_identity){.source = exchange_find(vhost, request->source),
                                          .key = request->key,
                                          .arguments = request->arguments};
    if (request->to_queue)
        identity->queue = queue_find(vhost, request->destination);
    else
        identity->exchange = exchange_find(vhost, request->destination);
}

struct binding *binding_define(struct vhost *vhost, const struct binding_identity *identity,
                               struct amqp_error *error)
{
    struct binding *binding = binding_find(vhost, identity);
    if (binding != NULL || !binding_check(identity, error))
        return binding;
    binding = binding_create(vhost, identity);
    binding->is_stored = is_durable(binding);
    if (binding->is_stored)
        binding_store(vhost, binding, STORE_BINDING_PUT);
    event_binding_created(vhost, binding);
    exchange_bound(binding);
    return binding;
}

static enum outcome make_binding(struct channel *channel, const struct binding_request *request,
                                 struct amqp_error *error)
{
    struct vhost *vhost = channel_vhost(channel);
    struct binding_identity identity;
    if (!check_binding_access(channel->session, request, error))
        return OUTCOME_ERROR;
    find_ends(vhost, request, &identity);
    if (identity.source == NULL)
        return not_found(vhost, request->source, error), OUTCOME_ERROR;
    if (request->to_queue && identity.queue == NULL)
        return queue_not_found(vhost, request->destination, error), OUTCOME_ERROR;
    if (!request->to_queue && identity.exchange == NULL)
        return not_found(vhost, request->destination, error), OUTCOME_ERROR;
    if (identity.queue != NULL && (queue_wait_for_departure(channel, identity.queue) ||
                                   !queue_check_owner(channel, identity.queue, error)))
        return OUTCOME_ERROR;
    struct binding *binding = binding_define(vhost, &identity, error);
    if (binding == NULL)
        return OUTCOME_ERROR;
    if (binding->is_stored && !request->no_wait)
        channel_wait_for_commit(channel, vhost_last_batch(vhost));
    return OUTCOME_DONE;
}

static enum outcome end_binding(struct channel *channel, const struct binding_request *request,
                                struct amqp_error *error)
{
    struct vhost *vhost = channel_vhost(channel);
    struct binding_identity identity;
    if (!check_binding_access(channel->session, request, error))
        return OUTCOME_ERROR;
    find_ends(vhost, request, &identity);
    bool has_ends =
        identity.source != NULL && (identity.queue != NULL || identity.exchange != NULL);
    struct binding *binding = has_ends ? binding_find(vhost, &identity) : NULL;
    if (binding != NULL && identity.queue != NULL &&
        !queue_check_owner(channel, identity.queue, error))
        return OUTCOME_ERROR;
    bool is_transient = binding != NULL && !binding->is_stored;
    if (binding != NULL)
        binding_delete(vhost, binding);
    if (!is_transient && !request->no_wait)
        channel_wait_for_commit(channel, vhost_last_batch(vhost));
    return OUTCOME_DONE;
}

enum outcome binding_apply(struct channel *channel, const struct binding_request *request,
                           uint32_t reply_id, struct amqp_error *error)
{
    enum outcome outcome = request->is_unbind ? end_binding(channel, request, error)
                                              : make_binding(channel, request, error);
    if (outcome == OUTCOME_DONE && !request->no_wait)
        channel_reply_empty(channel, reply_id);
    return outcome;
}

enum outcome handle_exchange_bind(struct channel *channel, const struct amqp_method *method,
                                  struct amqp_error *error)
{
    const struct amqp_exchange_bind *bind_method = &method->exchange_bind;
    uint8_t clean[2][AMQP_SHORTSTR_MAX];
    struct binding_request request = {
        .source = name_strip(bind_method->source, clean[0]),
        .destination = name_strip(bind_method->destination, clean[1]),
        .key = bind_method->routing_key,
        .arguments = bind_method->arguments,
        .no_wait = bind_method->no_wait,
    };
    return binding_apply(channel, &request, AMQP_EXCHANGE_BIND_OK, error);
}

enum outcome handle_exchange_unbind(struct channel *channel, const struct amqp_method *method,
                                    struct amqp_error *error)
{
    const struct amqp_exchange_unbind *unbind_method = &method->exchange_unbind;
    uint8_t clean[2][AMQP_SHORTSTR_MAX];
    struct binding_request request = {
        .source = name_strip(unbind_method->source, clean[0]),
        .destination = name_strip(unbind_method->destination, clean[1]),
        .key = unbind_method->routing_key,
        .arguments = unbind_method->arguments,
        .no_wait = unbind_method->no_wait,
        .is_unbind = true,
    };
    return binding_apply(channel, &request, AMQP_EXCHANGE_UNBIND_OK, error);
}
