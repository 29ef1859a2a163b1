/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_SESSION_H
#define LEVERET_BROKER_SESSION_H

/* Sessions: what a connection is in a vhost. */

#include "amqp/method.h"
#include "broker/vhost_internal.h"

/* --- sessions: session.c */

enum session_state {
    SESSION_NEW,
    SESSION_OPEN,
    SESSION_CLOSING, /* close was sent or answered: nothing is processed any more */
};

/* A question that was handed out. */
struct open_question {
    struct hash_node by_number;
    uint64_t number;         /* 0: there is none */
    struct channel *channel; /* who waits: this, */
    struct session *session; /* or this, with a secret */
    uint64_t secrets_taken;  /* by the session when it was asked */
    uint8_t *text;           /* owned */
    size_t size;
};

enum pause_reason { PAUSE_STORE = 1, PAUSE_DEFERRED = 2, PAUSE_ALARM = 4 };

struct session {
    struct session_config config;
    char *user;          /* owned */
    char *name;          /* owned */
    struct vhost *vhost; /* borrowed: from SESSION_OPEN on */
    struct list_node vhost_node;
    struct hash_node by_number;
    struct list_node paused_node;
    struct list_node resume_node;
    enum session_state state;
    struct hash_table channels; /* struct channel, by number */
    uint64_t channels_opened;
    struct channel *last_channel;
    int64_t output_credit;   /* bytes */
    int64_t withheld_credit; /* while the server is drained: what output_credit would be more */
    struct list starved;     /* consumers that wait for output credit */
    struct list queues;      /* exclusive queues */
    unsigned pause_reasons;
    size_t waiting_channels; /* channels that are suspended */
    size_t deferred_bytes;
    struct command *deferred; /* owned; commands of channel 0 behind suspended channels */
    size_t deferred_count, deferred_capacity;
    bool is_blocked; /* connection.blocked was sent */
    bool is_gone;    /* the socket is closed; the end waits for what was received before */
    uint64_t memory_bytes;

    struct buffer question; /* owned; what the command that runs has to ask, or empty */
    struct open_question secret;
    uint64_t secrets_taken;
    struct hash_table answers;  /* struct kept_answer, by question; owned */
    struct list answers_by_age; /* the oldest first */
    uint64_t answers_until_ms;  /* what was checked since this was set last is good up to here */
};

/* Is it somebody's connection, that lists have? */
static inline bool session_is_shown(const struct session *session)
{
    return !session->config.is_uncounted && !session->is_gone;
}

void session_apply(struct vhost *vhost, struct command *command);
/* Runs what waited for the session's channels, now or when the present input is finished. The
 * session may be freed by the former. */
void session_resume(struct session *session);
void session_schedule_resume(struct session *session);
/* Shuts the session down, whatever still waits, and frees it. */
void session_end(struct session *session);
/* Sends connection.close and shuts the session down. */
void session_fail(struct session *session, const struct amqp_error *error);
void session_pause(struct session *session, enum pause_reason reason);
void session_unpause(struct session *session, enum pause_reason reason);
/* The account of what waits behind channels that wait: above its bound the socket is not read. */
void session_count_deferred(struct session *session, const struct command *command);
void session_discount_deferred(struct session *session, const struct command *command);
/* While the server is drained: consumers get nothing of queues that others may consume later. */
void session_withhold(struct session *session);
void session_release(struct session *session);

/* --- alarms: blocking.c */

/* For a session that publishes while an alarm is on, and for when none is any more. */
void session_block(struct session *session);
void session_unblock(struct session *session);
/* Does it hold deliveries of a server that is drained, on any channel? */
bool session_is_finishing(const struct session *session);

/* A method on channel 0. */
void session_send(struct session *session, const struct amqp_method *method);
/* What leaves for the session's reactor. */
static inline struct effect_chain *session_effects(const struct session *session)
{
    return &session->vhost->effects[session->config.reactor];
}
struct effect *session_emit(struct session *session, enum effect_kind kind, uint16_t channel);

/* --- permissions that are asked for outside: question.c */

/* Has the last check found no answer? */
bool question_is_open(const struct session *session);
/* Hands that question out for the channel, which waits. */
void question_ask(struct channel *channel);
void question_ask_secret(struct session *session, struct bytes secret);
/* Nobody waits for the answer any more; harmless where nobody did. */
void question_close(struct vhost *vhost, struct open_question *question);
void questions_answer(struct vhost *vhost, const struct access_answer *answer);
void questions_forget(struct session *session);
void questions_fini(struct session *session);

#endif
