/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_TESTS_SIM_ORACLE_H
#define LEVERET_TESTS_SIM_ORACLE_H

/*
 * What the clients of a simulation know: what they sent, what came back, and what may follow from
 * it. See oracle.c. The structs are open because the clients choose from them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/vhost.h"
#include "model_store.h"

enum { SIM_SESSIONS = 8, SIM_CHANNELS = 4, SIM_CONSUMERS = 8, SIM_QUEUES = 23 };

/* --- queues */

enum sim_queue_flag {
    SIM_DURABLE = 1,
    SIM_VOLATILE = 2, /* clients purge, delete and declare it */
    SIM_AUTO_DELETE = 4,
    SIM_EXCLUSIVE = 8,
    SIM_LOSSY = 16,        /* messages may leave it by themselves; at most one such has a message */
    SIM_DEAD_LETTERS = 32, /* what leaves it that way, or is rejected, goes to DEAD_QUEUE */
    SIM_REJECTS = 64,      /* publishers get a nack where it is full */
    SIM_PRIORITIES = 128,
    SIM_QUORUM = 256,  /* what comes back may come back elsewhere; transient messages are stored */
    SIM_DEAD = 512,    /* the queue behind the dead letter exchange: in any order */
    SIM_UNIQUE = 1024, /* it deduplicates */
    SIM_MOVING = 2048, /* messages leave it for MOVED_QUEUE, and by no other way */
    SIM_MOVED = 4096,  /* what that is: in the order in which they were published */
};

/* What a queue is declared with. */
struct sim_arguments {
    const char *type;
    unsigned message_ttl_ms, max_length, max_priority, delivery_limit; /* 0: none */
    bool is_rejecting, is_dead_lettering, is_at_least_once, is_deduplicating;
};

struct sim_copy;

struct sim_queue {
    const char *name;
    unsigned flags;
    struct sim_arguments arguments;
    bool exists;              /* for certain */
    bool has_moved;           /* perhaps: some of its messages to another queue */
    unsigned hazards;         /* purges and deletions that are sent and may not be done */
    uint64_t deletions;       /* sent, ever */
    struct sim_copy **copies; /* owned; by message */
    size_t count, capacity;
};

/* --- messages and their copies in queues */

enum sim_publish {
    PUBLISH_SENT,
    PUBLISH_DONE,        /* for certain */
    PUBLISH_ROLLED_BACK, /* in a transaction that never commits */
};

struct sim_message {
    uint64_t id;
    uint64_t channel;      /* serial of the channel that published it */
    uint64_t command;      /* index of the publish, or of the commit, there */
    uint64_t sent_command; /* of the publish */
    enum sim_publish publish;
    bool is_persistent;
    bool is_mandatory;
    uint8_t priority;
    unsigned expiration_ms; /* 0: none */
    unsigned value;         /* of x-deduplication-header; 0: none */
    struct sim_copy *lossy; /* the copy in a lossy queue, or NULL */
    bool is_expected;       /* it was put there for certain */
    bool is_settled;        /* acked, perhaps: nobody must get it any more */
    bool is_rejected;       /* nacked: nobody gets it */
    bool is_nowhere;        /* reaches no queue for certain */
    bool is_returned;
    bool is_confirmed;
    bool is_just_confirmed; /* by this input, of which other effects may not have been seen */
    struct sim_copy *copies[SIM_QUEUES]; /* those that are known */
};

enum sim_place {
    PLACE_SENT,    /* never seen */
    PLACE_READY,   /* in its queue for certain, if it is certain */
    PLACE_OUT,     /* delivered, not settled */
    PLACE_BACK,    /* given back, perhaps not yet processed */
    PLACE_DONE,    /* acked, dropped or never to be acked; perhaps not yet processed */
    PLACE_GONE,    /* the same, processed */
    PLACE_PURGED,  /* with its queue's messages, and that is on disk */
    PLACE_UNKNOWN, /* its channel failed behind an ack */
    PLACE_LOST,    /* in a crash */
};

struct sim_copy {
    struct sim_message *message;
    struct sim_queue *queue;
    enum sim_place place;
    bool is_certain;    /* its queue was reached for certain */
    bool is_excused;    /* may be gone */
    bool is_committed;  /* was on disk */
    bool was_delivered; /* ever */
    bool has_survived;  /* a crash */
    uint64_t channel;   /* serial of the channel that holds or settled it */
    uint64_t command;   /* index of the settling command there */
    uint64_t touched;   /* the event that changed its place last */
    bool was_acked;     /* since it was last given back */
    bool is_in_store;   /* scratch */
};

/* --- sessions and channels */

struct sim_consumer {
    bool is_used;
    bool is_known; /* the reactor was told what its number means */
    bool is_ok;    /* consume-ok came, or none comes */
    bool is_cancel_sent;
    char tag[64];
    uint64_t command; /* index of the basic.consume */
    struct sim_queue *queue;
    bool no_ack;
    unsigned prefetch;
    unsigned unacked;
};

struct sim_delivery {
    uint64_t tag;
    struct sim_copy *copy;
    struct sim_consumer *consumer; /* NULL: of basic.get, or cancelled since */
    bool is_consumers;
    bool is_in_tx;
    int settle; /* in the transaction: enum sim_settle */
};

struct sim_expected {
    uint32_t method; /* of the reply */
    uint64_t command;
    struct sim_queue *queue;
    uint64_t deletions;    /* of the queue, when it was sent */
    uint64_t delivery_tag; /* the last one then */
    uint64_t sent;         /* the event */
    unsigned count_max;    /* of messages that move */
    bool is_hazard;
    bool no_ack;
};

struct sim_confirm {
    uint64_t tag;
    struct sim_message *message;
};

enum sim_mode { MODE_PLAIN, MODE_CONFIRM, MODE_TX };

struct sim_channel {
    uint64_t serial;
    uint16_t number;
    bool is_open;    /* open-ok came */
    bool is_failed;  /* channel.close came */
    bool is_closing; /* channel.close was sent */
    bool is_close_ok_sent;
    uint64_t fail_command; /* the last one that may be refused */
    enum sim_mode mode;
    uint64_t commands;  /* sent */
    uint64_t processed; /* all up to this one, for certain */
    uint64_t delivery_tag;
    uint64_t publish_tag;
    unsigned prefetch;
    unsigned global_prefetch;     /* sent last */
    unsigned global_prefetch_max; /* of those that may be in effect; UINT_MAX: no limit */
    unsigned global_pending;      /* sent and not answered */
    unsigned global_unacked;
    struct sim_consumer consumers[SIM_CONSUMERS];
    struct sim_consumer *numbers[SIM_CONSUMERS * 2]; /* by the core's number */
    struct sim_delivery *deliveries;                 /* owned; by tag */
    size_t delivery_count, delivery_capacity;
    struct sim_expected *expected; /* owned; replies, in order */
    size_t expected_count, expected_capacity;
    struct sim_confirm *confirms; /* owned; by tag */
    size_t confirm_count, confirm_capacity;
    struct sim_message **tx_messages; /* owned */
    size_t tx_count, tx_capacity;
};

struct sim_session {
    struct session *session;      /* borrowed; NULL: not connected */
    struct session_config config; /* of session */
    uint64_t connection;
    bool is_open;   /* open-ok came */
    bool is_ending; /* nothing more is sent */
    bool is_closed; /* by the server or close-ok */
    bool is_paused;
    bool is_close_sent;
    bool is_gone_sent;
    bool is_gone_in_alarm; /* it was gone while an alarm was on: what waited for its end is lost */
    int64_t output_left;
    uint64_t unreturned;                        /* credit */
    struct sim_channel *channels[SIM_CHANNELS]; /* owned; by number - 1 */
};

struct oracle {
    bool has_alarm;            /* nothing that is published is taken in */
    bool is_blind;             /* messages go anywhere: nothing is known of any one of them */
    struct model_store *store; /* borrowed */
    struct sim_queue queues[SIM_QUEUES];
    struct sim_message **messages; /* owned; by id - 1 */
    size_t message_count, message_capacity;
    struct sim_session sessions[SIM_SESSIONS];
    uint64_t serials;
    uint64_t events;  /* commands and effects so far */
    uint64_t settled; /* of these, up to the end of the last input */
    bool is_traced;
    uint64_t digest; /* of all effects */
};

/* The queue of dead letters, and where they go from a queue that they leave by themselves. */
struct sim_queue *oracle_dead_queue(struct oracle *oracle);
struct sim_queue *oracle_beyond(struct oracle *oracle, const struct sim_queue *queue);

void oracle_init(struct oracle *oracle, struct model_store *store);
void oracle_fini(struct oracle *oracle);

/* Says what is wrong and exits with 1. */
_Noreturn void oracle_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- what is sent */

struct sim_channel *oracle_channel_opening(struct oracle *oracle, struct sim_session *session,
                                           uint16_t number);
/* A method that is answered by another; may_fail: the broker may refuse it. */
struct sim_expected *oracle_asked(struct oracle *oracle, struct sim_channel *channel,
                                  uint32_t reply, struct sim_queue *queue, bool may_fail);
/* One that is not answered. */
void oracle_told(struct sim_channel *channel, bool may_fail);
/* The question asked last purges or deletes its queue. */
void oracle_hazard(struct sim_channel *channel, bool is_deletion);
/* It moves so many messages of its queue at most. */
void oracle_moving(struct sim_channel *channel, unsigned count);
void oracle_limiting(struct sim_channel *channel, unsigned count, bool global);
struct sim_message *oracle_publishing(struct oracle *oracle, struct sim_channel *channel,
                                      bool persistent, bool mandatory);
void oracle_routes(struct oracle *oracle, struct sim_message *message, struct sim_queue *queue);
enum sim_settle { SETTLE_ACK, SETTLE_DISCARD, SETTLE_REQUEUE };
/* Of a delivery that is open, by its index; multiple: all up to it. */
void oracle_settling(struct oracle *oracle, struct sim_channel *channel, size_t index,
                     bool multiple, enum sim_settle settle);
void oracle_recovering(struct oracle *oracle, struct sim_channel *channel);
/* Is what the channel holds perhaps no longer its own? */
bool oracle_is_recovering(const struct sim_channel *channel);
void oracle_committing(struct oracle *oracle, struct sim_channel *channel);
void oracle_rolling_back(struct oracle *oracle, struct sim_channel *channel);
/* Takes the consumer's slot; tag "" where the server makes one. */
void oracle_consuming(struct sim_channel *channel, struct sim_consumer *consumer,
                      struct sim_queue *queue, const char *tag, bool no_ack);

/* --- what comes back */

/* Adds an effect to a digest. */
uint64_t oracle_digest(uint64_t digest, const struct effect *effect);
void oracle_effect(struct oracle *oracle, struct effect *effect);
/* All effects of an input were seen. is_all: it leaves nothing for a next slice. */
void oracle_settled_input(struct oracle *oracle, bool is_all);

/* --- the end of a life */

/* Compares what is durable with what must be; everybody is disconnected. */
void oracle_died(struct oracle *oracle, bool is_clean);
/* Is nothing waited for any more? */
void oracle_check_answered(struct oracle *oracle);
/* Everything was consumed and acked. */
void oracle_check_drained(struct oracle *oracle);

struct sim_queue *oracle_queue(struct oracle *oracle, struct bytes name);

#endif
