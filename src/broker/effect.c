/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Effects travel in chunks: a reactor's mailbox takes a whole chain with one splice, whatever the
 * number of deliveries, and an effect is 32 bytes in an array, not an allocation.
 */
#include "broker/effect.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/xmalloc.h"

struct effect_method *effect_method_new(const struct amqp_method *method)
{
    struct buffer buffer = {0};
    buffer_append(&buffer, &(struct effect_method){0}, sizeof(struct effect_method));
    amqp_method_encode(&buffer, method);
    struct effect_method *encoded = (struct effect_method *)(void *)buffer.data;
    encoded->size = (uint32_t)(buffer.size - sizeof *encoded);
    return encoded;
}

struct effect_method *effect_text_new(struct bytes text)
{
    struct effect_method *copy = xmalloc(sizeof *copy + text.size);
    copy->size = (uint32_t)text.size;
    if (text.size > 0)
        memcpy(copy->data, text.data, text.size);
    return copy;
}

void effect_chain_grow(struct effect_chain *chain)
{
    struct effect_chunk *chunk = xmalloc(sizeof *chunk);
    chunk->next = NULL;
    chunk->count = 0;
    if (chain->last != NULL)
        chain->last->next = chunk;
    else
        chain->first = chunk;
    chain->last = chunk;
}

void effect_release(struct effect *effect)
{
    switch (effect->kind) {
    case EFFECT_DELIVER:
    case EFFECT_ACK:
    case EFFECT_NACK:
        break;
    default:
        free(effect->method);
        effect->method = NULL;
    }
    message_unref(effect->message);
    effect->message = NULL;
}

void effect_chunk_free(struct effect_chunk *chunk)
{
    free(chunk);
}

void effect_chain_clear(struct effect_chain *chain)
{
    while (chain->first != NULL) {
        struct effect_chunk *chunk = chain->first;
        chain->first = chunk->next;
        for (size_t i = 0; i < chunk->count; i++)
            effect_release(&chunk->effects[i]);
        effect_chunk_free(chunk);
    }
    chain->last = NULL;
}
