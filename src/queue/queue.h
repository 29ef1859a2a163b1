/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_QUEUE_QUEUE_H
#define LEVERET_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/hash_table.h"
#include "base/list.h"
#include "queue/lane.h"
#include "queue/message_counters.h"
#include "queue/queue_settings.h"
#include "queue/timer.h"
#include "queue/value_set.h"

/* Dead letters that found no place yet, in a lane behind those of the ready messages. */
struct parked_letters {
    struct lane lane;
    struct timer timer; /* of the next attempt */
};

struct policy;

/*
 * A queue: its identity, its messages, and who wants them. It knows neither channels nor the wire:
 * the broker embeds a subscriber in each consumer and asks the queue whose turn it is.
 */
struct queue {
    struct hash_node by_name;
    uint64_t serial;        /* in the order of creation */
    struct bytes name;      /* behind the struct, in the same block */
    struct bytes arguments; /* likewise: a field table without its length prefix */
    bool is_durable;
    bool is_auto_delete;
    bool is_reply;         /* behind a consumer of amq.rabbitmq.reply-to */
    bool is_leaving;       /* gone for everybody, but for what was rejected and is still read */
    bool is_deleted;       /* out of the vhost; waits for its unacked messages to be settled */
    bool had_subscriber;   /* auto-delete queues go when the last one does */
    bool has_exclusive;    /* its only subscriber allows no other */
    void *owner;           /* borrowed: the session that an exclusive queue belongs to, or NULL */
    uint64_t stored_batch; /* the batch that stores its definition; 0 = none */

    const struct queue_settings *settings;         /* in force: see queue_set_settings */
    uint64_t policy_generation;                    /* of the policies that are in them */
    const struct policy *policy, *operator_policy; /* borrowed; NULL: none applies */

    struct lane lane;    /* of priority 0: all that most queues have */
    struct lane **upper; /* owned; lanes of priority 1 .. max_priority, NULL until they are used */
    struct lane_levels *levels;    /* owned; NULL: one lane */
    struct parked_letters *parked; /* owned; NULL until there is one */
    uint8_t max_priority;          /* 0: one lane */
    uint8_t top_priority;          /* no lane above is used */
    uint16_t lane_count;           /* lanes that are the queue's in the store */
    bool has_limits;               /* of its length */
    bool may_expire;               /* a message with an expiry was put into it */
    bool awaits_probe;             /* its first message is read when the expiry timer is due */
    bool has_spilled;              /* transient messages of it went to the store, once */
    uint8_t takers;                /* a bit for each of the last samplings: a consumer could take a
                                      message, or there was none */
    struct timer expiry_timer;     /* the first message of a lane expires */
    struct timer unused_timer;     /* the queue itself does */
    uint64_t used_ms; /* when it was last declared, read from, or lost its last subscriber */
    uint64_t unacked_count;
    uint64_t unacked_bytes; /* sum of body sizes; not of those on their way back */
    uint64_t fleeting_unacked, fleeting_unacked_bytes; /* of both, those that are fleeting */
    struct queue_counters counters;
    uint64_t sampled;      /* of what it looked like to the last sampling; 0: it was in none yet */
    uint64_t changed_ms;   /* when a sampling found that it had changed */
    uint64_t hold_count;   /* above 0 nothing is handed out: some of its messages are on their way
                              back, behind others */
    uint64_t remove_batch; /* the batch that has this queue's last STORE_REMOVE, */
    size_t remove_operation; /* and its index there, so that acks in order share it */

    struct value_set *values; /* owned; of a queue that deduplicates; NULL: it does not */

    struct list subscribers; /* all, in the order in which they came */
    struct list active;      /* those that can take a message, by priority, then by turn */
    uint64_t subscriber_count;
    struct subscriber *single; /* borrowed: with x-single-active-consumer, who takes messages */

    struct list bindings;           /* as destination */
    struct list waiting;            /* channels that wait for a read of this queue */
    struct list_node owner_node;    /* in its owner's list of exclusive queues */
    struct list_node dispatch_node; /* in the list of queues with something to hand out */
    struct list_node mark_node;     /* in the list of queues that wait for a mark to be stored */
    uint64_t route_mark;            /* the last routing that reached the queue */
};

/* Somebody who takes messages from a queue. */
struct subscriber {
    struct list_node queue_node;  /* in queue->subscribers */
    struct list_node active_node; /* in queue->active while it can take a message */
    struct queue *queue;          /* borrowed: a queue outlives its subscribers */
    int32_t priority;             /* higher first */
};

/* A queue with copies of name and arguments; lane_id is the number of its first lane in the store,
 * or 0, and the lane of priority n has lane_id + n. */
struct queue *queue_new(struct bytes name, struct bytes arguments, uint8_t max_priority,
                        uint64_t lane_id);
/* From now on it obeys these, which are copied, but for their texts; a queue that asked for nothing
 * special, as most do, shares them with all others. */
void queue_set_settings(struct queue *queue, const struct queue_settings *settings);
/* The queue has no subscribers, bindings or waiting channels any more. */
void queue_free(struct queue *queue);

static inline bool queue_is_stored(const struct queue *queue)
{
    return queue->lane.id != 0 && queue->lane.id < STORE_SPILL_LANES;
}

/* Numbers the lanes of a queue that is not durable, which have none yet, for what is spilled of
 * them: from lane_id on, by priority. */
void queue_number_lanes(struct queue *queue, uint64_t lane_id);

/* Nobody but its owner's connection will ever take what is in it. */
static inline bool queue_is_private(const struct queue *queue)
{
    return queue->owner != NULL || queue->is_reply;
}

/* Is it the lane of dead letters that found no place? */
static inline bool lane_is_parked(const struct lane *lane)
{
    return lane->queue->parked != NULL && lane == &lane->queue->parked->lane;
}

/* The lane of a priority, NULL where it was never used. */
static inline struct lane *queue_lane(const struct queue *queue, unsigned priority)
{
    return priority == 0 ? (struct lane *)&queue->lane : queue->upper[priority - 1];
}

/* The lane of a priority (at most max_priority), made where there is none. */
struct lane *queue_use_lane(struct queue *queue, unsigned priority);

/* The lane whose first message is delivered next: the highest priority with something ready; that
 * of priority 0 where nothing is. */
struct lane *queue_first_lane_of_several(const struct queue *queue);
static inline struct lane *queue_first_lane(const struct queue *queue)
{
    return queue->top_priority == 0 ? (struct lane *)&queue->lane
                                    : queue_first_lane_of_several(queue);
}

/* Is there a message that was asked for, and is in the store alone? */
bool queue_has_fetches(const struct queue *queue);

/* Adds up the queue's lanes and aborts where its counters are wrong. For tests. */
void queue_check(const struct queue *queue);

/* Ready messages, and the sum of their body sizes. */
uint64_t queue_ready_count(const struct queue *queue);
uint64_t queue_ready_bytes(const struct queue *queue);
/* What of the ready and the unacked messages a restart would leave: what is persistent, of a
 * durable queue. */
void queue_persistent(const struct queue *queue, uint64_t *count, uint64_t *bytes);
/* Of the ready ones what is in the store alone. */
void queue_paged_out(const struct queue *queue, uint64_t *count, uint64_t *bytes);
/* The memory of the messages that the queue holds. */
uint64_t queue_memory_bytes(const struct queue *queue);

/* Adds a subscriber at the end; it is not active yet. */
void queue_subscribe(struct queue *queue, struct subscriber *subscriber, int32_t priority);
/* Where the queue has a single active subscriber, and it was this one, the next in the order of
 * their coming is. */
void queue_unsubscribe(struct queue *queue, struct subscriber *subscriber);

/* May it take messages at all? */
static inline bool queue_admits(const struct queue *queue, const struct subscriber *subscriber)
{
    return !queue->settings->single_active_consumer || queue->single == subscriber;
}

/* The subscriber can take a message again: it goes behind the others of its priority. */
void queue_activate(struct queue *queue, struct subscriber *subscriber);
void queue_deactivate(struct subscriber *subscriber);

/* Whose turn it is, or NULL where nobody can take a message. */
static inline struct subscriber *queue_next_subscriber(const struct queue *queue)
{
    struct list_node *node = list_front(&queue->active);
    return node != NULL ? list_entry(node, struct subscriber, active_node) : NULL;
}

/* The subscriber has had its turn. */
static inline void queue_rotate(struct queue *queue, struct subscriber *subscriber)
{
    if (subscriber->active_node.next == subscriber->active_node.previous)
        return;
    queue_activate(queue, subscriber);
}

#endif
