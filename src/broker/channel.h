/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_CHANNEL_H
#define LEVERET_BROKER_CHANNEL_H

/* Channels: their state, their replies, what they wait for, and their methods. */

#include "broker/session.h"
#include "broker/unacked.h"

struct consumer;

/* --- channels: channel.c */

enum channel_mode { CHANNEL_PLAIN, CHANNEL_CONFIRM, CHANNEL_TX };

/* Why a channel does not go on. */
enum channel_wait {
    WAIT_NOTHING,
    WAIT_COMMIT,
    WAIT_READ,
    WAIT_ACCESS,
    WAIT_ALARM,
    WAIT_SLICE, /* what it does is too much for one input */
};

/* Queues that hand nothing out, once for each time that they are in it. */
struct held_queues {
    struct queue **queues; /* owned; they are borrowed: one that is held is not freed */
    size_t count, capacity;
};

/* Publishes that wait for a batch: tags first .. last, all of them; last = first - 1: none any
 * more. */
struct confirm_run {
    uint64_t batch;
    uint64_t first;
    uint64_t last;
};

/* What an insertion of the batch that is being gathered has to do with confirms: the publish that
 * made it is known by its first insertion, whose note alone holds the rest. */
struct confirm_note {
    uint32_t first;          /* operation of the publish's first insertion, or CONFIRM_NOTE_NONE */
    uint32_t left;           /* its insertions that are not consumed yet */
    uint32_t former;         /* first insertion of the channel's publish before it, or .._NONE */
    struct channel *channel; /* that waits for the confirm; NULL: it is gone */
    uint64_t tag;
};

enum { CONFIRM_NOTE_NONE = UINT32_MAX };

/* A settled delivery inside a transaction. */
struct tx_settlement {
    uint64_t tag;
    bool is_ack;
    bool requeue;
};

/* A lane of the store, by its number, whose first so many fetches a commit waits for. */
struct tx_fetches {
    uint64_t lane;
    uint64_t asked;
};

/* Deliveries up to the tag had been made at that time. */
enum { ACK_MARKS = 16 };
struct ack_mark {
    uint64_t tag;
    uint64_t time_ms;
};

struct channel {
    struct hash_node by_number;
    struct session *session; /* borrowed: it outlives its channels */
    uint64_t serial;         /* the how manyth of its session */
    uint16_t number;
    bool is_closing; /* channel.close was sent; close-ok is waited for */
    bool is_publisher;
    uint8_t mode; /* enum channel_mode */
    uint8_t wait; /* enum channel_wait */

    struct channel_counters counters;
    uint64_t sampled, changed_ms; /* likewise as in struct queue */
    uint64_t delivery_tag;        /* the last one */
    struct unacked_ring unacked;
    struct timer ack_timer;  /* looks for deliveries that wait too long */
    uint64_t ack_timeout_ms; /* the shortest of what applies; 0: nothing was delivered yet */
    struct ack_mark marks[ACK_MARKS]; /* ascending */
    size_t mark_count;
    uint64_t sweep_tag; /* up to this tag, unacked messages that are stored have no body */

    struct hash_table consumers; /* struct consumer, by tag */
    struct consumer **slots;     /* owned; consumers by number, with gaps */
    size_t slot_count, slot_capacity;
    size_t slot_free;          /* all slots below are taken */
    uint32_t last_served;      /* number of the consumer that had the last delivery */
    uint16_t prefetch_count;   /* of consumers yet to come; 0 = no limit */
    uint16_t prefetch_global;  /* of all consumers together; 0 = no limit */
    uint64_t global_unacked;   /* unacked deliveries to consumers */
    struct queue *reply_queue; /* borrowed: gone with its consumer; NULL: there is none */
    char *last_queue;          /* owned; the queue declared last, or NULL */

    uint64_t publish_tag;                 /* of the last publish in confirm mode */
    uint64_t settled_first, settled_last; /* a run of tags to confirm at the end of this input */
    struct confirm_run *runs;             /* owned; waiting, by batch */
    size_t run_first, run_count, run_capacity;
    uint64_t note_batch; /* the batch that note is true for */
    uint32_t note;       /* first insertion of the last publish that was noted */
    struct list_node settling_node;
    struct list_node confirm_node;

    uint64_t settling_up_to;  /* the tag up to which a command settles in slices; 0: none does */
    struct held_queues holds; /* by it */

    uint64_t wait_batch;
    struct list_node wait_node; /* in one of the vhost's lists of waits, or queue->waiting */
    struct open_question question;
    char *made_name;          /* owned; for the queue that the waiting command declares, or NULL */
    struct effect_chain held; /* replies that wait with the channel */
    struct command *deferred; /* owned; commands behind the one that waits */
    size_t deferred_first, deferred_count, deferred_capacity;

    struct command *tx_publishes; /* owned */
    size_t tx_publish_count, tx_publish_capacity;
    struct tx_settlement *tx_settlements; /* owned */
    size_t tx_settlement_count, tx_settlement_capacity;
    struct tx_fetches *tx_fetches; /* owned; NULL: the commit fetches nothing */
    size_t tx_fetch_count, tx_fetch_capacity;

    struct {
        uint64_t topology; /* generations in which it is true */
        uint64_t access;
        uint64_t until_ms;                  /* the answers it rests on are good up to here */
        struct exchange_counters *counters; /* borrowed, while topology is true */
        bool is_topic;                      /* its keys are subject to topic permissions */
        uint8_t exchange_size; /* how much of names is the exchange; the rest is the key */
        size_t names_size;     /* of text */
        uint8_t text[2 * AMQP_SHORTSTR_MAX];
        struct route_result result;
    } route; /* where the last publish went */
};

/* What a method's handler says. */
enum outcome {
    OUTCOME_DONE,
    OUTCOME_ERROR, /* error is set */
    OUTCOME_RETRY, /* the channel waits; the command is to be run again then */
};

typedef enum outcome channel_handler(struct channel *channel, const struct amqp_method *method,
                                     struct amqp_error *error);

struct channel *channel_find(struct session *session, uint16_t number);
struct channel *channel_create(struct session *session, uint16_t number);
void channel_apply(struct channel *channel, struct command *command);
/* Takes all from the channel that is not freed with it: consumers, unacked messages, waits. */
void channel_shutdown(struct channel *channel);
void channel_free(struct channel *channel);
/* Ends and frees a channel whose peer is gone: nobody is told. */
void channel_abandon(struct channel *channel);
/* Closes the channel, or the whole connection for a hard error. */
void channel_fail(struct channel *channel, uint32_t method_id, struct amqp_error *error);

/* Replies, which stay behind those that wait. */
void channel_reply(struct channel *channel, const struct amqp_method *method);
void channel_reply_empty(struct channel *channel, uint32_t method_id);
/* A reply with content; the reference passes. */
void channel_reply_content(struct channel *channel, const struct amqp_method *method,
                           struct message *message);
struct effect *channel_emit(struct channel *channel, enum effect_kind kind);

/* The channel goes on, and its replies leave, when this batch is on disk. */
void channel_wait_for_commit(struct channel *channel, uint64_t batch);
/* The channel waits for the answer to the question that is open; the command, which passes, is then
 * run again. */
void channel_wait_for_access(struct channel *channel, struct command *command);
/* The channel waits until no alarm is on; the publish, which passes, is then run. Where the peer is
 * gone the channel ends, and is freed. */
void channel_wait_for_alarm(struct channel *channel, struct command *command);
void channel_wait_for_read(struct channel *channel, struct queue *queue);
/* The channel goes on with the next input; is_slow: unless the store is busy. */
void channel_wait_for_slice(struct channel *channel, bool is_slow);
void channel_resume(struct channel *channel);

static inline struct vhost *channel_vhost(const struct channel *channel)
{
    return channel->session->vhost;
}

/* --- transactions: tx.c */

void tx_rollback(struct channel *channel);

/* --- methods, by class */

channel_handler handle_channel_flow, handle_access_request;
channel_handler handle_exchange_declare, handle_exchange_delete, handle_exchange_bind,
    handle_exchange_unbind;
channel_handler handle_queue_declare, handle_queue_bind, handle_queue_unbind, handle_queue_purge,
    handle_queue_delete;
channel_handler handle_basic_qos, handle_basic_consume, handle_basic_cancel, handle_basic_get,
    handle_basic_reject, handle_basic_nack, handle_basic_recover, handle_basic_recover_async,
    handle_basic_cancel_ok;
channel_handler handle_confirm_select;
channel_handler handle_tx_select, handle_tx_commit, handle_tx_rollback;

#endif
