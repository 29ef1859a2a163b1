/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_COMMAND_H
#define LEVERET_BROKER_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp/error.h"
#include "amqp/method.h"
#include "queue/message.h"

struct session;

/* What a connection asks of the core: one command per method or message, never per frame. */
enum command_kind {
    COMMAND_PUBLISH,          /* channel, message, mandatory, immediate */
    COMMAND_ACK,              /* channel, tag, multiple */
    COMMAND_METHOD,           /* channel, method: any other method */
    COMMAND_MOVE,             /* channel, move: no method of AMQP, so no peer can ask for it */
    COMMAND_CREDIT,           /* tag bytes of deliveries were written to the socket */
    COMMAND_CONNECTION_ERROR, /* error: what the peer sent is wrong for the whole connection */
    COMMAND_CHANNEL_ERROR,    /* channel, error: likewise for one channel */
    COMMAND_SESSION_OPEN,     /* first command of a session */
    COMMAND_SESSION_CLOSE,    /* the socket is gone; last command of a session */
    COMMAND_ACCESS_ANSWER,    /* answer, to an EFFECT_ACCESS_QUESTION or EFFECT_SECRET_QUESTION;
                                 no channel and no session: they may be gone */
};

/* A method with the bytes that its views point into, in one heap block freed with free(). */
struct command_method {
    struct amqp_method method;
    size_t size;
    uint8_t payload[];
};

/* The first messages of a queue are to go to the end of another one: see move.h. Freed with free().
 */
struct command_move {
    struct bytes source, destination; /* views into text */
    uint64_t count;                   /* at most so many */
    size_t size;
    uint8_t text[];
};
/* The names are copied. */
struct command_move *command_move_new(struct bytes source, struct bytes destination,
                                      uint64_t count);

/* What was found out. Freed with free(). */
struct access_answer {
    uint64_t number;      /* the question's */
    uint64_t valid_ms;    /* allowed: for so long; UINT64_MAX: for ever */
    bool is_allowed;      /* secret: it was taken */
    bool can_impersonate; /* secret, taken: as in struct session_config */
    char reason[];        /* refused: what the reply text says at its end; secret: all of it */
};
/* reason is copied. */
struct access_answer *access_answer_new(uint64_t number, bool is_allowed, const char *reason);

struct command {
    uint8_t kind; /* enum command_kind */
    bool multiple;
    bool mandatory;
    bool immediate;
    uint16_t channel;
    struct session *session; /* borrowed: it lives until its SESSION_CLOSED effect */
    union {
        struct message *message;       /* ref */
        struct command_method *method; /* owned */
        struct command_move *move;     /* owned */
        struct amqp_error *error;      /* owned */
        struct access_answer *answer;  /* owned */
        uint64_t tag;                  /* ack: delivery tag; credit: bytes */
    };
};

/* Commands in the order in which they arrived; those of a connection are in order. */
struct command_batch {
    struct command_batch *next; /* for whoever queues batches */
    size_t reactor;             /* likewise: which reactor made it */
    struct command *commands;   /* owned; applied commands no longer own anything */
    size_t count;
    size_t capacity;
};

struct command_batch *command_batch_new(void);
/* Frees the batch and what commands that were not applied still own. */
void command_batch_free(struct command_batch *batch);
/* A place for one more command; the caller fills all of it. */
struct command *command_batch_add(struct command_batch *batch);

/* Frees what a command owns that is not applied. */
void command_release(struct command *command);
/* Its memory, with what it owns. */
size_t command_footprint(const struct command *command);

/* Copies and decodes a method's payload, with tables nested at most table_depth_max deep; NULL with
 * error set where it is wrong. */
struct command_method *command_method_decode(struct bytes payload, unsigned table_depth_max,
                                             struct amqp_error *error);

#endif
