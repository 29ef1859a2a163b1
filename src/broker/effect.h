/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_EFFECT_H
#define LEVERET_BROKER_EFFECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp/method.h"
#include "base/bytes.h"
#include "broker/access.h"
#include "queue/message.h"

/*
 * What the core wants a connection to do. Effects of one connection are carried out in the order
 * in which they were made; they are addressed by the reactor that owns the connection and by the
 * connection's handle there, never by pointer.
 */
enum effect_kind {
    EFFECT_DELIVER,          /* basic.deliver: message, tag, consumer, redelivered */
    EFFECT_ACK,              /* basic.ack to a publisher: tag, multiple */
    EFFECT_NACK,             /* basic.nack to a publisher: tag, multiple */
    EFFECT_METHOD,           /* method: an encoded method; with a message when it has content
                                (basic.return, basic.get-ok) */
    EFFECT_CONSUMER_ADD,     /* consumer now means the consumer tag in method (its bytes) */
    EFFECT_CONSUMER_REMOVE,  /* consumer means nothing any more */
    EFFECT_CHANNEL_OPENED,   /* the channel number exists (before its open-ok) */
    EFFECT_CHANNEL_ERROR,    /* method is a channel.close: drop what comes until close-ok */
    EFFECT_CHANNEL_CLOSED,   /* the number is free again */
    EFFECT_CONNECTION_CLOSE, /* method is a connection.close by the server: then drop all but
                                connection.close(-ok) */
    EFFECT_SESSION_OPENED,   /* connection.open succeeded (method open-ok follows by itself) */
    EFFECT_SESSION_CLOSED,   /* the session is gone; last effect of a connection */
    EFFECT_READ_PAUSE,       /* stop reading the socket: the store or a queue lags */
    EFFECT_READ_RESUME,
    EFFECT_ACCESS_QUESTION, /* question: a channel waits until COMMAND_ACCESS_ANSWER tells */
    EFFECT_SECRET_QUESTION, /* question, whose data is the secret of connection.update-secret */
};

/* The bytes of an encoded method (class, method, arguments) or of a consumer tag; freed with
 * free(). */
struct effect_method {
    uint32_t size;
    uint8_t data[];
};

/* What a session that asks outside wants to know. Freed with free(). */
struct access_question {
    uint64_t number; /* of the answer, too */
    uint32_t size;
    uint8_t data[]; /* see access_question_subject */
};

enum access_kind { ACCESS_QUEUE, ACCESS_EXCHANGE, ACCESS_TOPIC };

/* Which permission on what. The runs are views. */
struct access_subject {
    enum access_kind kind;
    enum permission permission;
    struct bytes name; /* of the queue, or of the exchange, the default one "amq.default" */
    struct bytes key;  /* topic: the routing key */
};
struct access_subject access_question_subject(const struct access_question *question);

struct effect {
    uint8_t kind;        /* enum effect_kind */
    bool flag;           /* deliver: redelivered; ack, nack: multiple */
    uint16_t channel;    /* 0 for the connection */
    uint32_t consumer;   /* number of the consumer on its channel */
    uint64_t connection; /* handle at the reactor */
    union {
        uint64_t tag;                     /* deliver, ack, nack */
        struct effect_method *method;     /* owned */
        struct access_question *question; /* owned */
    };
    struct message *message; /* ref; deliver, and methods with content */
};

struct effect_method *effect_method_new(const struct amqp_method *method);
struct effect_method *effect_text_new(struct bytes text);

enum { effects_per_chunk = 126 };

/* A run of effects for one reactor, in order. */
struct effect_chunk {
    struct effect_chunk *next;
    size_t count;
    struct effect effects[effects_per_chunk];
};

struct effect_chain {
    struct effect_chunk *first;
    struct effect_chunk *last;
};

/* One more chunk. */
void effect_chain_grow(struct effect_chain *chain);

/* A place for one more effect at the end of the chain; the caller fills all of it. */
static inline struct effect *effect_chain_add(struct effect_chain *chain)
{
    if (chain->last == NULL || chain->last->count == effects_per_chunk)
        effect_chain_grow(chain);
    return &chain->last->effects[chain->last->count++];
}

/* Drops what an effect owns. */
void effect_release(struct effect *effect);
/* Frees a chunk, not what its effects own. */
void effect_chunk_free(struct effect_chunk *chunk);
/* Releases every effect of the chain and frees its chunks. */
void effect_chain_clear(struct effect_chain *chain);

/* What a delivery costs of its session's output credit, in bytes: charged by the core when it
 * emits, returned by the reactor when it has written. */
static inline uint64_t effect_deliver_cost(const struct message *message)
{
    return message_footprint(message) + 64;
}

#endif
