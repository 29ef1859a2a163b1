/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue class. An empty queue name means the queue that the channel declared last; what that
 * is, every method asks in the same way (resolve). The order of the checks is RabbitMQ's.
 */
#include "broker/queue_methods.h"

#include <stdlib.h>

#include "amqp/table.h"
#include "base/xmalloc.h"
#include "broker/argument.h"
#include "broker/binding_methods.h"
#include "broker/channel.h"
#include "broker/direct_reply.h"
#include "broker/event.h"
#include "broker/queue_arguments.h"
#include "broker/queue_life.h"

bool queue_not_found(const struct vhost *vhost, struct bytes name, struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    return amqp_error_set(error, AMQP_NOT_FOUND, "no %s",
                          resource_text(vhost, "queue", name, text));
}

static bool locked(const struct vhost *vhost, const struct queue *queue, struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    return amqp_error_set(error, AMQP_RESOURCE_LOCKED,
                          "cannot obtain exclusive access to locked %s. It could be originally "
                          "declared on another connection or the exclusive property value does "
                          "not match that of the original declaration.",
                          resource_text(vhost, "queue", queue->name, text));
}

bool queue_check_owner(const struct channel *channel, const struct queue *queue,
                       struct amqp_error *error)
{
    return queue->owner == NULL || queue->owner == channel->session ||
           channel->session->config.ignores_owners || locked(channel_vhost(channel), queue, error);
}

bool queue_resolve_name(const struct channel *channel, struct bytes given, uint8_t *clean,
                        struct bytes *name, struct amqp_error *error)
{
    *name = name_strip(given, clean);
    if (given.size > 0)
        return true;
    if (channel->last_queue == NULL)
        return amqp_error_set(error, AMQP_NOT_FOUND, "no previously declared queue");
    *name = bytes_of_text(channel->last_queue);
    return true;
}

bool queue_wait_for_departure(struct channel *channel, struct queue *queue)
{
    if (!queue->is_leaving && queue->hold_count == 0)
        return false;
    channel_wait_for_read(channel, queue);
    return true;
}

struct queue *queue_resolve(struct channel *channel, struct bytes name, struct amqp_error *error)
{
    struct queue *queue = queue_find(channel_vhost(channel), name);
    if (queue == NULL)
        queue_not_found(channel_vhost(channel), name, error);
    else if (queue_wait_for_departure(channel, queue) || !queue_check_owner(channel, queue, error))
        queue = NULL;
    return queue;
}

/* --- declare */

/* An application that still says classic may go on after its queue has become a quorum queue. */
static bool is_relaxed(const struct vhost *vhost, const struct queue *queue,
                       const struct amqp_queue_declare *declare)
{
    struct amqp_value type;
    return vhost->config.quorum_relaxed_redeclaration &&
           queue_arguments_type(queue->arguments) == QUEUE_QUORUM &&
           amqp_table_find(declare->arguments, "x-queue-type", &type) &&
           type.type == AMQP_TYPE_LONGSTR && bytes_equal_text(type.bytes, "classic");
}

static bool check_equivalent(struct channel *channel, const struct queue *queue,
                             const struct amqp_queue_declare *declare, struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    const char *resource = resource_text(channel_vhost(channel), "queue", queue->name, text);
    bool durable = declare->durable && !declare->exclusive;
    if (is_relaxed(channel_vhost(channel), queue, declare))
        return argument_check_relaxed(resource, declare->arguments, queue->arguments, error);
    if (queue->owner != (declare->exclusive ? channel->session : NULL))
        return locked(channel_vhost(channel), queue, error);
    return argument_check_flag(resource, "durable", durable, queue->is_durable, error) &&
           argument_check_flag(resource, "auto_delete", declare->auto_delete, queue->is_auto_delete,
                               error) &&
           argument_check_queue(resource, queue_arguments_type(queue->arguments),
                                declare->arguments, queue->arguments, error);
}

static void store_queue(struct vhost *vhost, struct queue *queue)
{
    struct store_definition definition = {
        .name = queue->name,
        .type = bytes_of_text(queue_type_name(queue->settings->type)),
        .arguments = queue->arguments,
        .auto_delete = queue->is_auto_delete,
    };
    vhost_store(vhost, (struct store_operation){.kind = STORE_QUEUE_PUT,
                                                .lane = queue->lane.id,
                                                .count = queue->lane_count,
                                                .definition = store_definition_copy(&definition)});
    queue->stored_batch = vhost->batch->number;
}

static struct queue_flags flags_of(const struct amqp_queue_declare *declare)
{
    return (struct queue_flags){
        .is_durable = declare->durable && !declare->exclusive,
        .is_exclusive = declare->exclusive,
        .is_auto_delete = declare->auto_delete,
    };
}

/* Who lets the broker publish to an exchange must be allowed to. */
static bool check_dead_letter(struct session *session, struct bytes name, struct bytes arguments,
                              struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    struct bytes exchange;
    if (!queue_arguments_dead_letter(resource_text(session->vhost, "queue", name, text), arguments,
                                     &exchange, error))
        return false;
    return exchange.data == NULL ||
           (vhost_check_access(session, PERMISSION_READ, "queue", name, error) &&
            vhost_check_access(session, PERMISSION_WRITE, "exchange", exchange, error));
}

struct queue *queue_define(struct vhost *vhost, struct bytes name, const struct queue_flags *flags,
                           struct bytes arguments, struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    const char *resource = resource_text(vhost, "queue", name, text);
    if (!queue_arguments_check(resource, flags, arguments, error))
        return NULL;
    enum queue_type type = queue_arguments_type(arguments);
    if (type == QUEUE_STREAM) {
        amqp_error_set(error, AMQP_PRECONDITION_FAILED,
                       "invalid arg 'x-queue-type' for %s: \"unsupported queue type '%s'\"",
                       resource, queue_type_name(type));
        return NULL;
    }
    struct queue *queue =
        queue_create(vhost, name, arguments, flags->is_durable ? vhost->lane_next : 0);
    queue->is_durable = flags->is_durable;
    queue->is_auto_delete = flags->is_auto_delete;
    if (flags->is_durable) {
        vhost->lane_next += queue->lane_count;
        store_queue(vhost, queue);
    }
    return queue;
}

static struct queue *declare_new(struct channel *channel, struct bytes name,
                                 const struct amqp_queue_declare *declare, struct amqp_error *error)
{
    struct vhost *vhost = channel_vhost(channel);
    struct queue_flags flags = flags_of(declare);
    if (!limit_check_queue(vhost, name, error) ||
        !check_dead_letter(channel->session, name, declare->arguments, error))
        return NULL;
    struct queue *queue = queue_define(vhost, name, &flags, declare->arguments, error);
    if (queue != NULL && declare->exclusive) {
        queue->owner = channel->session;
        list_push_back(&channel->session->queues, &queue->owner_node);
    }
    if (queue != NULL)
        event_queue_created(vhost, queue);
    return queue;
}

static bool check_not_reserved(struct bytes name, struct amqp_error *error)
{
    return !bytes_start_with(name, "amq.") ||
           amqp_error_set(error, AMQP_ACCESS_REFUSED,
                          "queue name '%.*s' contains reserved prefix 'amq.*'", (int)name.size,
                          (const char *)name.data);
}

/* One name for one declaration, however often its command is run. */
static struct bytes made_name(struct channel *channel)
{
    char made[64];
    if (channel->made_name == NULL) {
        vhost_make_name(channel_vhost(channel), "amq.gen-", made);
        channel->made_name = xstrdup(made);
    }
    return bytes_of_text(channel->made_name);
}

static struct queue *declare_active(struct channel *channel, struct bytes name,
                                    const struct amqp_queue_declare *declare,
                                    struct amqp_error *error)
{
    if (name.size == 0) {
        if (!queue_arguments_check_server_named(declare->arguments, error))
            return NULL;
        name = made_name(channel);
    } else if (!check_not_reserved(name, error)) {
        return NULL;
    }
    if (!vhost_check_access(channel->session, PERMISSION_CONFIGURE, "queue", name, error))
        return NULL;
    struct queue *queue = queue_find(channel_vhost(channel), name);
    if (queue == NULL)
        return declare_new(channel, name, declare, error);
    return !queue_wait_for_departure(channel, queue) &&
                   check_equivalent(channel, queue, declare, error)
               ? queue
               : NULL;
}

/* A declaration of these names, whatever its flags, only asks whether the requester is there. */
static enum outcome declare_reply(struct channel *channel, struct bytes name, bool no_wait,
                                  struct amqp_error *error)
{
    struct amqp_method ok = {
        .id = AMQP_QUEUE_DECLARE_OK,
        .queue_declare_ok = {.queue = name, .consumer_count = 1},
    };
    if (!direct_reply_is_alive(channel_vhost(channel), name)) {
        queue_not_found(channel_vhost(channel), name, error);
        return OUTCOME_ERROR;
    }
    if (!no_wait)
        channel_reply(channel, &ok);
    return OUTCOME_DONE;
}

static struct queue *declare_completed(struct channel *channel, struct bytes name,
                                       const struct amqp_queue_declare *declare,
                                       struct amqp_error *error)
{
    struct buffer buffer = {0};
    struct queue_flags flags = flags_of(declare);
    struct amqp_queue_declare completed = *declare;
    completed.arguments = queue_arguments_complete(
        declare->arguments, channel_vhost(channel)->config.default_queue_type, &flags, &buffer);
    struct queue *queue = declare_active(channel, name, &completed, error);
    buffer_fini(&buffer);
    return queue;
}

enum outcome handle_queue_declare(struct channel *channel, const struct amqp_method *method,
                                  struct amqp_error *error)
{
    const struct amqp_queue_declare *declare = &method->queue_declare;
    uint8_t clean[AMQP_SHORTSTR_MAX];
    struct bytes name = name_strip(declare->queue, clean);
    if (direct_reply_is_pseudo(name) || direct_reply_is_target(name))
        return declare_reply(channel, name, declare->no_wait, error);
    struct queue *queue = declare->passive ? queue_resolve(channel, name, error)
                                           : declare_completed(channel, name, declare, error);
    if (queue == NULL)
        return OUTCOME_ERROR;
    channel_vhost(channel)->counters.queues_declared++;
    queue_use(channel_vhost(channel), queue);
    free(channel->last_queue);
    channel->last_queue = bytes_to_text(queue->name);
    if (declare->no_wait)
        return OUTCOME_DONE;
    struct amqp_method ok = {
        .id = AMQP_QUEUE_DECLARE_OK,
        .queue_declare_ok = {.queue = queue->name,
                             .message_count = (uint32_t)queue_ready_count(queue),
                             .consumer_count = (uint32_t)queue->subscriber_count},
    };
    channel_wait_for_commit(channel, queue->stored_batch);
    channel_reply(channel, &ok);
    return OUTCOME_DONE;
}

/* --- bind, unbind */

enum outcome handle_queue_bind(struct channel *channel, const struct amqp_method *method,
                               struct amqp_error *error)
{
    const struct amqp_queue_bind *bind = &method->queue_bind;
    uint8_t clean[2][AMQP_SHORTSTR_MAX];
    struct binding_request request = {
        .source = name_strip(bind->exchange, clean[0]),
        .key = bind->routing_key,
        .arguments = bind->arguments,
        .no_wait = bind->no_wait,
        .to_queue = true,
    };
    if (!queue_resolve_name(channel, bind->queue, clean[1], &request.destination, error))
        return OUTCOME_ERROR;
    if (bind->queue.size == 0 && bind->routing_key.size == 0)
        request.key = request.destination;
    return binding_apply(channel, &request, AMQP_QUEUE_BIND_OK, error);
}

enum outcome handle_queue_unbind(struct channel *channel, const struct amqp_method *method,
                                 struct amqp_error *error)
{
    const struct amqp_queue_unbind *unbind = &method->queue_unbind;
    uint8_t clean[2][AMQP_SHORTSTR_MAX];
    struct binding_request request = {
        .source = name_strip(unbind->exchange, clean[0]),
        .key = unbind->routing_key,
        .arguments = unbind->arguments,
        .to_queue = true,
        .is_unbind = true,
    };
    if (!queue_resolve_name(channel, unbind->queue, clean[1], &request.destination, error))
        return OUTCOME_ERROR;
    if (unbind->queue.size == 0 && unbind->routing_key.size == 0)
        request.key = request.destination;
    return binding_apply(channel, &request, AMQP_QUEUE_UNBIND_OK, error);
}

/* --- purge, delete */

enum outcome handle_queue_purge(struct channel *channel, const struct amqp_method *method,
                                struct amqp_error *error)
{
    struct vhost *vhost = channel_vhost(channel);
    uint8_t clean[AMQP_SHORTSTR_MAX];
    struct bytes name;
    if (!queue_resolve_name(channel, method->queue_purge.queue, clean, &name, error) ||
        !vhost_check_access(channel->session, PERMISSION_READ, "queue", name, error))
        return OUTCOME_ERROR;
    struct queue *queue = queue_resolve(channel, name, error);
    if (queue == NULL)
        return OUTCOME_ERROR;
    struct amqp_method ok = {
        .id = AMQP_QUEUE_PURGE_OK,
        .queue_purge_ok = {.message_count = (uint32_t)queue_purge(vhost, queue)},
    };
    if (method->queue_purge.no_wait)
        return OUTCOME_DONE;
    if (queue_is_stored(queue))
        channel_wait_for_commit(channel, vhost_last_batch(vhost));
    channel_reply(channel, &ok);
    return OUTCOME_DONE;
}

static bool check_delete(const struct vhost *vhost, const struct queue *queue,
                         const struct amqp_queue_delete *delete, struct amqp_error *error)
{
    char text[RESOURCE_TEXT_SIZE];
    const char *resource = resource_text(vhost, "queue", queue->name, text);
    if (queue->settings->type == QUEUE_QUORUM && (delete->if_unused || delete->if_empty))
        return amqp_error_set(error, AMQP_NOT_IMPLEMENTED,
                              "cannot delete %s. queue.delete operations with if-%s flag set are "
                              "not supported by quorum queues",
                              resource, delete->if_unused ? "unused" : "empty");
    if (delete->if_unused && queue->subscriber_count > 0)
        return amqp_error_set(error, AMQP_PRECONDITION_FAILED, "%s in use", resource);
    if (delete->if_empty && queue_ready_count(queue) > 0)
        return amqp_error_set(error, AMQP_PRECONDITION_FAILED, "%s not empty", resource);
    return true;
}

/* delete-ok comes before the cancellations of the channel's own consumers. */
static void delete_found(struct channel *channel, struct queue *queue, bool no_wait)
{
    struct vhost *vhost = channel_vhost(channel);
    struct amqp_method ok = {
        .id = AMQP_QUEUE_DELETE_OK,
        .queue_delete_ok = {.message_count = (uint32_t)queue_ready_count(queue)},
    };
    if (!no_wait) {
        if (queue_is_stored(queue))
            channel_wait_for_commit(channel, vhost->batch->number);
        channel_reply(channel, &ok);
    }
    queue_delete(vhost, queue);
}

enum outcome handle_queue_delete(struct channel *channel, const struct amqp_method *method,
                                 struct amqp_error *error)
{
    const struct amqp_queue_delete *delete = &method->queue_delete;
    struct vhost *vhost = channel_vhost(channel);
    struct amqp_method none = {.id = AMQP_QUEUE_DELETE_OK};
    uint8_t clean[AMQP_SHORTSTR_MAX];
    struct bytes name;
    if (!queue_resolve_name(channel, delete->queue, clean, &name, error) ||
        !vhost_check_access(channel->session, PERMISSION_CONFIGURE, "queue", name, error))
        return OUTCOME_ERROR;
    struct queue *queue = queue_find(vhost, name);
    if (queue == NULL) {
        if (delete->no_wait)
            return OUTCOME_DONE;
        /* It may be gone from here and not yet from the disk. */
        channel_wait_for_commit(channel, vhost_last_batch(vhost));
        channel_reply(channel, &none);
        return OUTCOME_DONE;
    }
    if (!queue_check_owner(channel, queue, error) ||
        (!queue->is_leaving && !check_delete(vhost, queue, delete, error)))
        return OUTCOME_ERROR;
    if (queue_has_fetches(queue)) {
        queue_leave(vhost, queue);
        channel_wait_for_read(channel, queue);
        return OUTCOME_RETRY;
    }
    delete_found(channel, queue, delete->no_wait);
    return OUTCOME_DONE;
}
