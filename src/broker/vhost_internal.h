/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_VHOST_INTERNAL_H
#define LEVERET_BROKER_VHOST_INTERNAL_H

/* What a vhost is made of, for the files of src/broker alone. */

#include "amqp/error.h"
#include "base/bytes.h"
#include "base/hash_table.h"
#include "base/heap.h"
#include "base/list.h"
#include "broker/vhost.h"
#include "exchange/exchange_type.h"
#include "queue/queue.h"
#include "queue/timer.h"

struct binding;
struct binding_identity;
struct channel;
struct consumer;
struct exchange;
struct session;

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
    struct hash_table sessions_by_number; /* the same; for listings, a slice at a time */
    struct list paused;                   /* sessions that wait until the store has caught up */
    struct list dispatch;                 /* queues with something to hand out */
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
    size_t window_bytes_max;      /* what the next may be, with so many queues */
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
    size_t reading_count;       /* reads of lanes whose turn it is that are not answered */
    struct list read_waits;     /* lanes that wait for their turn, */
    struct list turn_asks;      /* those whose turn it is and that are read next, */
    struct list turns;          /* and the others, the one read longest ago first */
    size_t turn_count;          /* in both, */
    uint64_t turn_weight;       /* and the sum of their turn_weight */
    uint64_t turn_due_ms;       /* when a turn ends that others wait for; UINT64_MAX: never */
    struct confirm_note *notes; /* owned; by operation of the batch note_batch */
    size_t note_count, note_capacity;
    uint64_t note_batch;
    uint64_t probe_due_ms; /* when the last of the heads that are to be probed is, */
    unsigned probe_count;  /* and how many are then */

    struct effect_chain *effects; /* owned; one chain per reactor */
    unsigned alarms;
    struct amqp_error *ending; /* owned; why all sessions end, or NULL */
    struct vhost_counters counters;
    struct exchange_counters nowhere; /* for what is published to an exchange that is gone */
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

/* A place for an operation with a message, in the batch that is being gathered; the caller fills it
 * there at once. */
static inline struct store_operation *vhost_store_place(struct vhost *vhost,
                                                        const struct message *message)
{
    if (vhost->batch->count == 0)
        vhost->batch->time_ms = vhost->now_ms;
    vhost->insertions++;
    return store_batch_place(vhost->batch, message);
}
/* Adds an operation to the batch that is being gathered and returns its index. */
size_t vhost_store(struct vhost *vhost, struct store_operation operation);

/* Asks the store for rows; what the runtime has taken it answers by vhost_read_done. Returns the
 * token of the answer, which replaces read.token: tokens are given in sequence, from 1. */
uint64_t vhost_ask_read(struct vhost *vhost, struct store_read read);

/* Bytes of messages that are not on disk yet. */
size_t vhost_unstored_bytes(const struct vhost *vhost);
/* Is more on its way to the disk than there should be: publishers have to wait? */
bool vhost_is_store_behind(const struct vhost *vhost);
/* Is so much on its way that what the broker moves by itself has to wait? A confirm waits for what
 * is under way, so this is a small part of what publishers may fill. */
bool vhost_is_store_busy(const struct vhost *vhost);

/* With each input some more queues and exchanges obey the policies, until it is all; their end.
 * policy_pass.c */
void vhost_follow_policies(struct vhost *vhost);
void vhost_free_policies(struct vhost *vhost);
/* These are on now. blocking.c */
void vhost_follow_alarms(struct vhost *vhost, unsigned alarms);
/* After each input: memory above the bounds is given back, or is to be soon. memory.c. */
void vhost_give_memory_back(struct vhost *vhost);

/* A server-generated name: prefix and 22 characters, as RabbitMQ's. Size of name: at least
 * prefix + 23. */
void vhost_make_name(struct vhost *vhost, const char *prefix, char *name);

/* May the session's user? false with error set (403) where not, and with a question open where that
 * is still to be found out (question.c): the command is then run again, so that nothing may have
 * changed before the last of its checks. kind is "queue" or "exchange". */
bool vhost_check_access(struct session *session, enum permission permission, const char *kind,
                        struct bytes name, struct amqp_error *error);
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

/* --- small things: names.c */

/* "queue 'q' in vhost '/'" for a reply text; size of text: RESOURCE_TEXT_SIZE. */
enum { RESOURCE_TEXT_SIZE = 640 };
const char *resource_text(const struct vhost *vhost, const char *kind, struct bytes name,
                          char *text);
/* Removes CR and LF, as RabbitMQ does with the names of queues and exchanges. Size of clean: 255.
 */
struct bytes name_strip(struct bytes name, uint8_t *clean);

#endif
