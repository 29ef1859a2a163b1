/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_BROKER_INTERNAL_H
#define LEVERET_BROKER_BROKER_INTERNAL_H

/* What the files of src/broker share. Nobody else includes it. */

#include <stdlib.h>

#include "amqp/error.h"
#include "amqp/method.h"
#include "base/bytes.h"
#include "base/hash_table.h"
#include "base/heap.h"
#include "base/list.h"
#include "broker/dead_letter.h"
#include "broker/unacked.h"
#include "broker/vhost.h"
#include "exchange/exchange_type.h"
#include "queue/queue.h"
#include "queue/timer.h"

struct channel;

/* --- time: vhost.c */

/* Sets the timer to a time (wall-clock ms), whatever it was set to before. */
void timer_set(struct vhost *vhost, struct timer *timer, uint64_t due_ms);
void timer_clear(struct vhost *vhost, struct timer *timer);

/* --- routing's result, of which the vhost keeps one */

struct route_result {
    struct queue **queues; /* owned */
    size_t count;
    size_t capacity;
    bool is_cacheable; /* depends on nothing but exchange, key and topology */
    bool is_kept;      /* an exchange keeps the message, to route it later */
    bool is_repeated;  /* an exchange has dropped the message: it has seen its value before */
};

/* The exchanges that a message passed in a rehearsal, and that may keep something of it. */
struct rehearsal {
    struct exchange **exchanges; /* owned */
    size_t count;
    size_t capacity;
};

/* --- the vhost */

/* Messages that the broker itself publishes, first come first served. */
struct internal_item {
    struct message *message; /* a reference */
    struct queue *origin;    /* borrowed: where it is parked if it finds no place, or NULL */
};
struct internal_publishes {
    struct internal_item *items; /* owned */
    size_t first, count, capacity;
    struct route_result route; /* scratch, and so is the next */
    struct rehearsal rehearsal;
};

/* Events that leave for another vhost. */
struct event_list {
    struct message **messages; /* owned, with a reference each */
    size_t count, capacity;
};

struct vhost {
    struct vhost_config config;
    char *name;                  /* owned */
    const struct access *access; /* borrowed: replaced by vhost_set_access */
    uint64_t access_generation;
    struct policies *policies;         /* owned; NULL: there are none */
    struct policies **former_policies; /* owned; some queues still obey them */
    size_t former_policy_count, former_policy_capacity;
    size_t freed_by_pass; /* of the former ones: those that the pass under way makes free */
    bool is_policing;     /* a pass is under way: queues are to obey the present policies, */
    uint64_t policing;    /* this far */
    size_t policy_steps;  /* what finding policies has cost: see pattern.h */
    uint64_t policy_generation;
    size_t sharded_count;     /* exchanges that a policy shards */
    unsigned sharding_passes; /* over all exchanges, until they obey the policies in that, */
    uint64_t sharding_cursor; /* this far */
    struct list sharding_due; /* exchanges that were found not to */
    bool is_tracing;          /* the firehose is on */
    struct vhost_limits limits;
    uint64_t now_ms; /* the time of the input that is being applied */

    struct hash_table exchanges;      /* struct exchange, by name */
    struct hash_table exchange_lanes; /* struct exchange, by the number of its lane */
    struct hash_table queues;         /* struct queue, by name */
    struct hash_table lanes;          /* struct lane, by its number in the store */
    struct hash_table bindings;       /* struct binding, by identity */
    struct exchange *default_exchange;
    struct exchange *event_exchange; /* NULL: not in this vhost; likewise the next */
    struct exchange *log_exchange;
    bool is_going;                /* it is deleted: what is bound to the two counts no more */
    uint64_t topology_generation; /* rises with every change of what may route where */
    uint64_t route_mark;
    struct route_matches matches; /* scratch of routing */
    uint64_t lane_next;
    uint64_t serial_next;
    uint64_t names_made;
    struct hash_table questions; /* struct open_question, by number */
    uint64_t questions_asked;

    struct heap timers; /* struct timer */
    struct internal_publishes internal;
    struct event_list events;
    const char *acting_user; /* borrowed; whose command runs; NULL: nobody's */

    struct list going; /* exchanges that are being deleted, */
    bool is_deleting;  /* which is under way */

    struct list sessions;
    struct list paused;           /* sessions that wait until the store has caught up */
    struct list dispatch;         /* queues with something to hand out */
    size_t dispatch_left;         /* deliveries from queues that this input may still make */
    size_t leave_left;            /* messages that may still leave queues and exchanges by it */
    struct list touched;          /* lanes whose memory may have changed */
    struct list cold;             /* lanes that hold memory, the longest untouched first */
    struct list settling;         /* channels with confirms to send at the end of this input */
    struct list confirm_waits;    /* channels with confirms that wait, by their first batch */
    struct list commit_waits;     /* channels that wait for a batch, by its number */
    struct list slice_waits;      /* channels that settle very much, in slices, */
    struct list slow_waits;       /* and those that do while the store keeps up */
    struct list departed;         /* what channels have left behind: see give_back.c */
    size_t settle_left;           /* what may still be settled by this input, in acks */
    struct list alarm_waits;      /* channels that have a publish, until no alarm is on */
    struct list mark_waits;       /* queues whose next delivery waits for a mark to be stored */
    struct list resuming;         /* sessions whose deferred commands can go on */
    struct lane_remains *remains; /* memory to free in slices */
    uint64_t window_bytes;        /* of the lanes' memory: what is in the store, too, */
    uint64_t transient_bytes;     /* and what is not, */
    bool is_spilling;             /* which is too much, so that it is on its way to the disk */
    uint64_t evict_due_ms;        /* when more lanes are asked for memory; UINT64_MAX: never */
    uint64_t asked_in_vain;       /* lanes, since one had something to give */
    uint64_t spill_lane_next;     /* above STORE_SPILL_LANES */

    struct value_set *former_values; /* owned; what queues knew, to be freed in slices */
    struct buffer value;             /* scratch: of the message that is let into a queue */

    struct store_batch *batch; /* owned: what is gathered for the store */
    uint64_t insertions;       /* messages and keys given to a batch, ever */
    uint64_t committed;        /* number of the last batch that is on disk */
    uint64_t in_flight_bytes;  /* of batches taken but not committed */
    struct {
        uint64_t number;
        uint64_t bytes;
    } * in_flight; /* owned; batches taken but not committed, in order */
    size_t in_flight_count, in_flight_capacity;
    struct store_read *reads; /* owned */
    size_t read_count, read_capacity;
    uint64_t read_tokens;
    size_t reading_count;       /* reads of lanes that are not answered, */
    struct list read_waits;     /* and lanes that wait until they are fewer */
    struct confirm_note *notes; /* owned; by operation of the batch note_batch */
    size_t note_count, note_capacity;
    uint64_t note_batch;
    uint64_t probe_due_ms; /* when the next lane of those found at the start may be probed, */
    unsigned probe_count;  /* and how many were since */

    struct effect_chain *effects; /* owned; one chain per reactor */
    unsigned alarms;
    struct amqp_error *ending; /* owned; why all sessions end, or NULL */
    struct vhost_counters counters;
};

/* The vhost's accounts of memory learn what the lane holds now. */
static inline void lane_count_memory(struct vhost *vhost, struct lane *lane)
{
    uint64_t stored = lane->memory_bytes - lane->transient_bytes;
    vhost->window_bytes += stored - lane->counted_bytes;
    vhost->transient_bytes += lane->transient_bytes - lane->counted_transient;
    lane->counted_bytes = stored;
    lane->counted_transient = lane->transient_bytes;
}

static inline struct bytes vhost_name_bytes(const struct vhost *vhost)
{
    return bytes_of_text(vhost->name);
}

/* The number of the last batch that was handed to the store. */
static inline uint64_t vhost_submitted(const struct vhost *vhost)
{
    return vhost->batch->number - 1;
}

/* The number of the last batch with something in it: what was stored so far is on disk with it. */
static inline uint64_t vhost_last_batch(const struct vhost *vhost)
{
    return vhost->batch->live > 0 ? vhost->batch->number : vhost_submitted(vhost);
}

/* An exchange that is there without being declared, and durable without being stored. */
struct exchange *vhost_predeclare(struct vhost *vhost, struct bytes name,
                                  const struct exchange_type *type, bool is_internal);

/* Adds an operation to the batch that is being gathered and returns its index. */
size_t vhost_store(struct vhost *vhost, struct store_operation operation);

/* Asks the store for rows; what the runtime has taken it answers by vhost_read_done. Returns the
 * token of the answer, which replaces read.token: tokens are given in sequence, from 1. */
uint64_t vhost_ask_read(struct vhost *vhost, struct store_read read);

/* Is more on its way to the disk than there should be: publishers have to wait? */
bool vhost_is_store_behind(const struct vhost *vhost);
/* Is so much on its way that what the broker moves by itself has to wait? A confirm waits for what
 * is under way, so this is a small part of what publishers may fill. */
bool vhost_is_store_busy(const struct vhost *vhost);

/* A server-generated name: prefix and 22 characters, as RabbitMQ's. Size of name: at least
 * prefix + 23. */
void vhost_make_name(struct vhost *vhost, const char *prefix, char *name);

/* May the session's user? false with error set (403) where not, and with a question open where that
 * is still to be found out (question.c): the command is then run again, so that nothing may have
 * changed before the last of its checks. kind is "queue" or "exchange". */
bool vhost_check_access(struct session *session, enum permission permission, const char *kind,
                        struct bytes name, struct amqp_error *error);
struct exchange;
/* Likewise for a routing key, where the exchange is a topic exchange. */
bool vhost_check_topic_access(struct session *session, enum permission permission,
                              const struct exchange *exchange, struct bytes key,
                              struct amqp_error *error);

/* There is one more (1), or one less (-1): limit.c. */
void limit_count_queues(struct vhost *vhost, int change);
void limit_count_exchanges(struct vhost *vhost, int change);
/* Returns how many connections the user has now. */
uint64_t limit_count_session(const struct session *session, int change);
void limit_count_channel(const struct session *session, int change);
/* May there be one more? false with error set where not: limit.c. */
bool limit_check_queue(const struct vhost *vhost, struct bytes name, struct amqp_error *error);
bool limit_check_exchange(const struct vhost *vhost, struct bytes name, struct amqp_error *error);
/* count: of the user's connections, this one included. */
bool limit_check_session(const struct session *session, uint64_t count, struct amqp_error *error);
bool limit_check_channel(const struct session *session, struct amqp_error *error);

/* --- exchanges and bindings: exchange.c */

struct delays;
struct recent_history;
struct deduplication;
struct sharding;

struct exchange {
    struct hash_node by_name;
    struct hash_node by_lane;   /* where lane is not 0 */
    struct bytes name;          /* behind the struct */
    struct bytes arguments;     /* likewise */
    struct bytes alternate;     /* view into arguments or a policy; no data where there is none; see
                                   exchange_refresh */
    uint64_t policy_generation; /* in which alternate is true */
    const struct exchange_type *type;
    void *state; /* owned: the type's index */
    bool is_durable;
    bool is_auto_delete;
    bool is_internal;
    bool is_predeclared;
    uint64_t stored_batch; /* the batch that stores its definition; 0 = none */
    uint64_t lane;         /* the number under which the store holds what it keeps; 0 = none */
    struct delays *delays; /* owned, like the next two: NULL where its type keeps no such thing */
    struct recent_history *history;
    struct deduplication *deduplication;
    struct sharding *sharding;      /* owned; NULL: no policy shards it */
    struct list_node sharding_node; /* in vhost->sharding_due */
    struct list sources;            /* bindings that lead away from here */
    struct list targets;            /* bindings that lead here */
    struct list_node going_node;    /* in vhost->going while it is being deleted */
    size_t source_count;
    uint64_t route_mark;
};

struct binding {
    struct route route;
    struct hash_node by_identity;
    struct exchange *source;
    struct queue *queue;               /* the destination: this, */
    struct exchange *exchange;         /* or this */
    struct list_node source_node;      /* in source->sources */
    struct list_node destination_node; /* in the destination's list */
    bool is_stored;
};

struct binding_identity {
    struct exchange *source;
    struct queue *queue;
    struct exchange *exchange;
    struct bytes key;
    struct bytes arguments;
};

struct exchange *exchange_find(const struct vhost *vhost, struct bytes name);
/* A new exchange with copies of name and arguments, in the vhost's table; nothing is stored. */
struct exchange *exchange_create(struct vhost *vhost, const struct exchange_type *type,
                                 struct bytes name, struct bytes arguments);
/* Removes its bindings on both sides and the exchange, in the store too. */
void exchange_delete(struct vhost *vhost, struct exchange *exchange);
void exchange_free(struct vhost *vhost, struct exchange *exchange);

/* Looks up what the policies say of the exchange. */
void exchange_obey_policy(struct vhost *vhost, struct exchange *exchange);

/* Makes sure that what policies decide of the exchange is up to date. */
static inline void exchange_refresh(struct vhost *vhost, struct exchange *exchange)
{
    if (exchange->policy_generation != vhost->policy_generation)
        exchange_obey_policy(vhost, exchange);
}

struct binding *binding_find(const struct vhost *vhost, const struct binding_identity *identity);
/* May it be made, says its source's type? false with error set where not. */
bool binding_check(const struct binding_identity *identity, struct amqp_error *error);
struct binding *binding_create(struct vhost *vhost, const struct binding_identity *identity);
/* Tells the store that the binding came or goes (STORE_BINDING_PUT, STORE_BINDING_DELETE). */
void binding_store(struct vhost *vhost, const struct binding *binding,
                   enum store_operation_kind kind);
/* Removes the binding, in the store too, and then its source where that is an auto-delete
 * exchange that has no other. */
void binding_delete(struct vhost *vhost, struct binding *binding);
/* Likewise, but never deletes the source. */
void binding_remove(struct vhost *vhost, struct binding *binding);

/* --- routing: routing.c */

/* What is routed: the message, and its routing keys (more than one with CC or BCC). */
struct route_request {
    const struct bytes *keys;
    size_t key_count;
    struct message *message; /* borrowed; an exchange that keeps it takes a reference */
    struct rehearsal
        *rehearsal; /* NULL, or: no exchange keeps anything, those that would are here */
};

/* The queues that a message reaches, each once. */
void routing_find(struct vhost *vhost, struct exchange *exchange,
                  const struct route_request *request, struct route_result *result);

/* --- queues: queue_life.c */

struct queue *queue_find(const struct vhost *vhost, struct bytes name);
/* Where a message goes: also the queues of direct reply-to, which no method knows. */
struct queue *queue_find_target(const struct vhost *vhost, struct bytes name);
struct queue *queue_create(struct vhost *vhost, struct bytes name, struct bytes arguments,
                           uint64_t lane_id);
/* The lane of a priority, which is not there yet. */
struct lane *queue_make_lane(struct vhost *vhost, struct queue *queue, unsigned priority);
/* Gives the lanes of a queue that is not durable numbers under which they may be spilled. */
void queue_register_spill(struct vhost *vhost, struct queue *queue);
/* A lane with a number in the store can be found by it. */
void lane_register(struct vhost *vhost, struct lane *lane);
/* The queue with this lane, and the lane; NULL where there is none. */
struct lane *lane_find(const struct vhost *vhost, uint64_t lane_id);
/* The queue is in use: it does not expire before x-expires has passed from now on. */
void queue_use(struct vhost *vhost, struct queue *queue);

/* The policy that applies to the queue; NULL: none does. What it costs to find it is added to
 * *steps. */
const struct policy *queue_policy(const struct vhost *vhost, const struct queue *queue,
                                  bool is_operator, size_t *steps);
/* What one slice of work may spend for policies. */
enum { POLICY_STEPS_SLICE = 25000 };

/* Works out what is in force from arguments and policies, and acts by it. */
void queue_apply_settings(struct vhost *vhost, struct queue *queue);
/* Cancels consumers, drops messages and bindings, in the store too. Returns the number of ready
 * messages. The queue may be freed by this. */
uint64_t queue_delete(struct vhost *vhost, struct queue *queue);
/* Likewise, but dead letters that were made before are not lost: while their messages are being
 * read from the store the queue is there for nobody, and it is deleted then. */
void queue_leave(struct vhost *vhost, struct queue *queue);
uint64_t queue_purge(struct vhost *vhost, struct queue *queue);
/* Frees a deleted queue when nothing refers to it any more. */
void queue_release(struct queue *queue);
/* An auto-delete queue without subscribers goes. */
void queue_lost_subscriber(struct vhost *vhost, struct queue *queue);

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
    struct list_node paused_node;
    struct list_node resume_node;
    enum session_state state;
    struct hash_table channels; /* struct channel, by number */
    uint64_t channels_opened;
    struct channel *last_channel;
    int64_t output_credit; /* bytes */
    struct list starved;   /* consumers that wait for output credit */
    struct list queues;    /* exclusive queues */
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
/* For a session that publishes while an alarm is on, and for when none is any more. */
void session_block(struct session *session);
void session_unblock(struct session *session);
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

/* A method on channel 0. */
void session_send(struct session *session, const struct amqp_method *method);
struct effect *session_emit(struct session *session, enum effect_kind kind, uint16_t channel);

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
    uint8_t mode;    /* enum channel_mode */
    uint8_t wait;    /* enum channel_wait */

    uint64_t delivery_tag; /* the last one */
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
        uint64_t until_ms;     /* the answers it rests on are good up to here */
        bool is_topic;         /* the exchange: its keys are subject to topic permissions */
        uint8_t exchange_size; /* how much of names is the exchange; the rest is the key */
        struct bytes names;    /* view into text */
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

/* --- consumers and deliveries: consumer.c, delivery.c */

struct consumer {
    struct subscriber subscriber;
    struct hash_node by_tag;
    struct channel *channel; /* borrowed; NULL once it is cancelled */
    struct list_node starved_node;
    uint32_t number;
    uint16_t prefetch_count; /* 0 = no limit */
    bool no_ack;
    bool is_exclusive;
    uint64_t unacked_count; /* a cancelled consumer lives until this is 0 */
    struct bytes tag;       /* behind the struct */
};

struct consumer *consumer_find(const struct channel *channel, struct bytes tag);
struct consumer *consumer_create(struct channel *channel, struct queue *queue, struct bytes tag,
                                 int32_t priority);
/* Takes the consumer from its channel and queue. */
void consumer_cancel(struct consumer *consumer);
/* The consumer whose turn it is; those that cannot take a message after all step aside. */
struct consumer *queue_next_consumer(struct queue *queue);
/* Something changed in its favour: it may take messages again. */
void consumer_wake(struct consumer *consumer);
void channel_wake_consumers(struct channel *channel);

/* Hands out what is there to whom it can be handed. */
void queue_dispatch(struct vhost *vhost, struct queue *queue);
void queue_schedule(struct vhost *vhost, struct queue *queue);
/* The lane's memory has changed. */
void lane_touch(struct vhost *vhost, struct lane *lane);
/* Goes on with what waited for the store, channels included. */
void queue_resume(struct vhost *vhost, struct queue *queue);
/* Asks the store for what the queue, or the lane, needs next, if it is not under way. */
void queue_read(struct vhost *vhost, struct queue *queue);
void lane_read(struct vhost *vhost, struct lane *lane);
/* Lanes that waited for others are read, where there is room. */
void read_waiting_lanes(struct vhost *vhost);
/* Asks for the first message alone. */
void lane_probe(struct vhost *vhost, struct lane *lane);
/* Takes the first message for basic.get: LANE_READY sets lane, entry and redelivered. */
enum lane_head queue_get(struct vhost *vhost, struct queue *queue, struct lane **lane,
                         struct entry *entry, bool *redelivered);
/* Makes an unacked delivery of an entry, whose reference passes; consumer NULL for basic.get. */
void channel_add_unacked(struct channel *channel, struct lane *lane, struct consumer *consumer,
                         struct entry *entry);
/* The message of an entry as a consumer gets it; the entry's reference passes. */
struct message *queue_show(const struct queue *queue, struct entry *entry, bool is_got);
/* An entry that never enters its lane, whose position it has; the reference passes. */
void queue_deliver_at_once(struct vhost *vhost, struct lane *lane, struct consumer *consumer,
                           struct entry *entry);

/* --- coming into a queue: enqueue.c */

/* A message for a queue: to a consumer at once, or to the end of its lane. false where the queue
 * rejects it: it is full, or has a message of the same value. The reference passes. */
bool queue_enqueue(struct vhost *vhost, struct queue *queue, struct message *message);
/* Stores an entry, which gets its batch, with its value where that has data. */
void queue_store_insert(struct vhost *vhost, struct lane *lane, struct entry *entry,
                        struct bytes value);
/* Gives a transient message to the store, for lane_evict; context: the vhost. */
void queue_spill(void *context, struct lane *lane, struct entry *entry);

/* --- queues that deduplicate: queue_values.c */

/* false where a message of the same value is in the queue. *value is the message's, without data
 * where it has none or nobody asks for it; good until the next message. */
bool queue_values_admit(struct vhost *vhost, const struct queue *queue,
                        const struct message *message, struct bytes *value);
/* The message that has just been let in holds the value. */
void queue_values_note(const struct lane *lane, const struct entry *entry, struct bytes value);
/* A message of a queue with values has left. */
void queue_values_forget(const struct lane *lane, uint64_t position);
/* All that were ready have. */
void queue_values_purged(struct vhost *vhost, struct queue *queue);
/* The queue needs none of its values any more. */
void queue_values_drop(struct vhost *vhost, struct queue *queue);
void queue_values_follow_settings(struct vhost *vhost, struct queue *queue);
void queue_values_restore(struct vhost *vhost, const struct store_opened *opened);
/* Frees about count of what queues had. */
void queue_values_free_some(struct vhost *vhost, size_t count);
/* Their memory. */
uint64_t queue_values_bytes(const struct queue *queue);
void queue_values_check(const struct queue *queue);

/* --- leaving it without an ack: departure.c */

/* Removes a message from the store, or cancels its insertion. */
void queue_forget_known(struct vhost *vhost, struct lane *lane, uint64_t position, uint64_t batch,
                        uint32_t operation);
static inline void queue_forget(struct vhost *vhost, struct lane *lane, uint64_t position,
                                uint64_t batch, uint32_t operation)
{
    if (batch != 0 || lane->queue->values != NULL)
        queue_forget_known(vhost, lane, position, batch, operation);
}
/* A message that is neither ready nor unacked any more: to the dead letter exchange, or gone. The
 * reference passes. */
void queue_bury(struct vhost *vhost, struct lane *lane, struct entry *entry,
                enum death_reason reason);
/* The same for one that never came into the queue; the reference stays. */
void queue_dead_letter(struct vhost *vhost, struct queue *queue, struct message *message,
                       enum death_reason reason);
/* Back to the end of its lane, under a new position; the reference passes. */
void queue_requeue_behind(struct vhost *vhost, struct lane *lane, struct entry *entry);
/* Tells the store how often a message has failed. */
void lane_note_failures(struct vhost *vhost, struct lane *lane, const struct entry *entry);
/* Does what messages were read for. */
void queue_fetched(struct vhost *vhost, struct lane *lane);
/* Buries what has expired at the heads of the queue's lanes, some of it where it is very much. */
void queue_expire(struct vhost *vhost, struct queue *queue);
/* The timer of that, and its setting by the first message of a lane. It also goes on with what was
 * too much for one input. */
void queue_expiry_due(struct vhost *vhost, struct timer *timer);
void queue_arm_expiry(struct vhost *vhost, struct lane *lane);
/* Buries what is above the limits of a queue that drops its head, some of it likewise. */
void queue_keep_limits(struct vhost *vhost, struct queue *queue);
/* May this message come in? Always where the queue makes room for it. */
bool queue_takes(const struct queue *queue, const struct message *message);

/* --- deliveries that wait too long: ack_timeout.c */

/* A delivery of this queue waits for its ack from now on. */
void ack_timeout_note(struct channel *channel, const struct queue *queue);
void ack_timeout_due(struct vhost *vhost, struct timer *timer);

/* --- settling: settle.c */

/* Acks (or, requeue or not, rejects) one tag or all up to it. An error where the tag is unknown; to
 * be run again where they are too many for one input: the channel waits. */
enum outcome channel_settle(struct channel *channel, struct tx_settlement settlement, bool multiple,
                            struct amqp_error *error);
/* May one more be settled within this input, by a command that has settled so many? cost: in acks.
 */
bool settle_may_go_on(struct vhost *vhost, size_t settled, size_t cost);
/* The tag up to which a command settles, which may have begun earlier; given: 0 for all. */
uint64_t settle_begin(const struct channel *channel, uint64_t tag);
/* The command is done, or the channel waits for the next slice; is_slow: with the store. */
enum outcome settle_end_slice(struct channel *channel, uint64_t up_to, bool is_all, bool is_slow);

/* --- putting back: give_back.c */

/* Entries, and beside each its lane: those of a lane are handed over as they lie there. */
struct give_back_list {
    struct entry *entries;
    struct lane **lanes;
    size_t count;
    size_t entry_capacity, lane_capacity;
    bool is_of_the_end; /* of the channel: its client has not said that it wants them back */
};

/* Takes the delivery out of the accounts of its queue, consumer and channel (NULL: which is gone).
 * Under a common limit the caller wakes the consumers, in turn. */
static inline void delivery_count_out(struct channel *channel, struct unacked *unacked)
{
    struct consumer *consumer = unacked->consumer;
    unacked->lane->queue->unacked_count--;
    if (channel != NULL)
        channel->session->memory_bytes -= sizeof *unacked;
    if (consumer == NULL)
        return;
    if (channel != NULL)
        channel->global_unacked--;
    consumer->unacked_count--;
    if (consumer->channel == NULL && consumer->unacked_count == 0)
        free(consumer);
    else if (consumer->channel != NULL && consumer->channel->prefetch_global == 0)
        consumer_wake(consumer);
}
struct entry delivery_entry(const struct unacked *unacked);
/* What it costs to put it back, in acks. */
size_t give_back_cost(const struct unacked *unacked);
/* Takes a delivery out of the ring, to be put back. */
void give_back_take(struct channel *channel, struct unacked_ring *ring, struct unacked *unacked,
                    struct give_back_list *list);
/* Puts the list back and frees it. holds: more is to follow, so the queues are held; or NULL. */
void give_back_all(struct vhost *vhost, struct give_back_list *list, struct held_queues *holds);
/* When this input is finished the queues that the channel holds are free again. */
void give_back_release(struct channel *channel);
/* Puts the unacked messages of the channel back, but for those that a transaction has settled; to
 * be run again as channel_settle. */
enum outcome channel_recover(struct channel *channel);
/* The same because the channel ends: it has no deliveries any more. */
void channel_end_deliveries(struct channel *channel);
/* The next slice of what channels left behind that have ended. */
void departed_go_on(struct vhost *vhost);
void departed_visit(const struct vhost *vhost,
                    void (*visit)(void *context, const struct unacked_ring *ring), void *context);

/* --- publishing and confirms: publish.c, confirm.c */

void channel_publish(struct channel *channel, struct command *command);
/* Routes and enqueues, and confirms where tag is not 0; the reference passes. false where a queue
 * rejected the message. */
bool publish_route(struct channel *channel, struct message *message, bool mandatory, uint64_t tag);
void confirm_rejected(struct channel *channel, uint64_t tag);
void confirm_settled(struct channel *channel, uint64_t tag);
void confirm_waits(struct channel *channel, uint64_t tag, uint64_t batch);
/* The publish that waits under this tag is the operations from first on of the batch being
 * gathered. */
void confirm_note(struct channel *channel, uint64_t tag, size_t first);
/* A message was acked, or given to a consumer that does not ack: before it is forgotten. */
void confirm_noted_consumed(struct vhost *vhost, uint64_t batch, uint32_t operation);
static inline void confirm_consumed(struct vhost *vhost, uint64_t batch, uint32_t operation)
{
    if (batch != 0 && batch == vhost->note_batch)
        confirm_noted_consumed(vhost, batch, operation);
}
/* The batch that was gathered is with the store, or came to nothing: what was noted of it means
 * nothing any more. */
void confirm_batch_left(struct vhost *vhost);
void confirm_flush(struct channel *channel);
void confirm_committed(struct vhost *vhost);
void confirm_forget(struct channel *channel);

/* --- dead letters without a place: parked_letters.c */

/* Does the queue keep dead letters that find no place? */
bool queue_parks_letters(const struct queue *queue);
struct parked_letters *parked_letters_use(struct vhost *vhost, struct queue *queue);
/* The reference passes. */
void parked_letters_add(struct vhost *vhost, struct queue *queue, struct message *letter);
/* Tries the first of them again. */
void parked_letters_retry(struct vhost *vhost, struct queue *queue);
/* The queue's settings have changed: its letters may find another place, or need none. */
void parked_letters_follow_settings(struct vhost *vhost, struct queue *queue);

/* --- what the broker itself publishes: internal_publish.c */

/* Publishes to the exchange and with the key that the message names, after what is being done now
 * and before the next command. The reference passes. */
void internal_publish(struct vhost *vhost, struct message *message);
/* Publishes from an exchange, whichever the message names, and at once: not while anything is being
 * routed or enqueued. The reference passes. */
void internal_publish_from(struct vhost *vhost, struct exchange *exchange, struct message *message);
/* The same for a dead letter that must not be lost: without a place it is parked at its origin. */
void internal_publish_or_park(struct vhost *vhost, struct message *letter, struct queue *origin);
/* At once, to all of a dead letter's queues; false where one has no room or there is none, and the
 * letter is in no queue. The reference stays. */
bool internal_publish_surely(struct vhost *vhost, struct message *letter);
void internal_publish_waiting(struct vhost *vhost);
static inline void internal_publish_all(struct vhost *vhost)
{
    if (vhost->internal.first < vhost->internal.count)
        internal_publish_waiting(vhost);
}
void internal_publish_fini(struct vhost *vhost);

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

/* --- small things: names.c */

/* "queue 'q' in vhost '/'" for a reply text; size of text: RESOURCE_TEXT_SIZE. */
enum { RESOURCE_TEXT_SIZE = 640 };
const char *resource_text(const struct vhost *vhost, const char *kind, struct bytes name,
                          char *text);
/* Removes CR and LF, as RabbitMQ does with the names of queues and exchanges. Size of clean: 255.
 */
struct bytes name_strip(struct bytes name, uint8_t *clean);

#endif
