/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_BROKER_QUEUE_LIFE_H
#define LEVERET_BROKER_QUEUE_LIFE_H

/* Queues: how they come and go, and how messages enter and leave them. */

#include "broker/dead_letter.h"
#include "broker/vhost_internal.h"

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
static inline void queue_release(struct queue *queue)
{
    if (queue->is_deleted && queue->unacked_count == 0 && queue->hold_count == 0)
        queue_free(queue);
}
/* An auto-delete queue without subscribers goes. */
void queue_lost_subscriber(struct vhost *vhost, struct queue *queue);

/* --- coming into a queue: enqueue.c */

/* A message for a queue: to a consumer at once, or to the end of its lane. false where the queue
 * rejects it: it is full, or has a message of the same value. The reference passes. */
bool queue_enqueue(struct vhost *vhost, struct queue *queue, struct message *message);
/* Stores an entry, which gets its batch, with its value where that has data. One of the caller's
 * references to the message passes to the batch. */
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

/* Removes a message from the store, or cancels its insertion. message: a reference that passes, or
 * NULL. */
void queue_forget_known(struct vhost *vhost, struct lane *lane, uint64_t position, uint64_t batch,
                        uint32_t operation, struct message *message);
static inline void queue_forget(struct vhost *vhost, struct lane *lane, uint64_t position,
                                uint64_t batch, uint32_t operation, struct message *message)
{
    if (batch != 0 || lane->queue->values != NULL)
        queue_forget_known(vhost, lane, position, batch, operation, message);
    else
        message_unref(message);
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
/* The first message will be read, where it is in the store, to see when it expires. */
void queue_probe_head(struct vhost *vhost, struct queue *queue);
/* Buries what is above the limits of a queue that drops its head, some of it likewise. */
void queue_keep_limits(struct vhost *vhost, struct queue *queue);
/* May this message come in? Always where the queue makes room for it. */
bool queue_takes(const struct queue *queue, const struct message *message);

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

#endif
