/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands in batches. A batch owns what its commands carry until they are applied: applying a
 * command takes the message or method out of it.
 */
#include "broker/command.h"

#include <stdlib.h>
#include <string.h>

#include "base/xmalloc.h"

struct command_batch *command_batch_new(void)
{
    return xcalloc(1, sizeof(struct command_batch));
}

void command_release(struct command *command)
{
    switch (command->kind) {
    case COMMAND_PUBLISH:
        message_unref(command->message);
        break;
    case COMMAND_METHOD:
        free(command->method);
        break;
    case COMMAND_MOVE:
        free(command->move);
        break;
    case COMMAND_CONNECTION_ERROR:
    case COMMAND_CHANNEL_ERROR:
        free(command->error);
        break;
    case COMMAND_ACCESS_ANSWER:
        free(command->answer);
        break;
    default:
        break;
    }
}

size_t command_footprint(const struct command *command)
{
    if (command->kind == COMMAND_PUBLISH)
        return sizeof *command + message_footprint(command->message);
    if (command->kind == COMMAND_METHOD)
        return sizeof *command + sizeof *command->method + command->method->size;
    if (command->kind == COMMAND_MOVE)
        return sizeof *command + sizeof *command->move + command->move->size;
    return sizeof *command;
}

void command_batch_free(struct command_batch *batch)
{
    if (batch == NULL)
        return;
    for (size_t i = 0; i < batch->count; i++)
        command_release(&batch->commands[i]);
    free(batch->commands);
    free(batch);
}

struct command *command_batch_add(struct command_batch *batch)
{
    batch->commands =
        xgrow(batch->commands, &batch->capacity, batch->count + 1, sizeof *batch->commands);
    return &batch->commands[batch->count++];
}

struct command_move *command_move_new(struct bytes source, struct bytes destination, uint64_t count)
{
    struct command_move *move = xmalloc(sizeof *move + source.size + destination.size);
    move->count = count;
    move->size = source.size + destination.size;
    move->source = bytes_of(move->text, source.size);
    move->destination = bytes_of(move->text + source.size, destination.size);
    if (source.size > 0)
        memcpy(move->text, source.data, source.size);
    if (destination.size > 0)
        memcpy(move->text + source.size, destination.data, destination.size);
    return move;
}

struct access_answer *access_answer_new(uint64_t number, bool is_allowed, const char *reason)
{
    size_t size = strlen(reason) + 1;
    struct access_answer *answer = xcalloc(1, sizeof *answer + size);
    answer->number = number;
    answer->is_allowed = is_allowed;
    memcpy(answer->reason, reason, size);
    return answer;
}

struct command_method *command_method_decode(struct bytes payload, unsigned table_depth_max,
                                             struct amqp_error *error)
{
    struct command_method *method = xmalloc(sizeof *method + payload.size);
    method->size = payload.size;
    if (payload.size > 0)
        memcpy(method->payload, payload.data, payload.size);
    if (amqp_method_decode_limited(&method->method, bytes_of(method->payload, payload.size),
                                   table_depth_max, error))
        return method;
    free(method);
    return NULL;
}
