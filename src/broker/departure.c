/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How messages leave a queue without having been acked: expired at its head, dropped by a limit,
 * rejected, delivered too often. Where the queue has a dead letter exchange the message goes there,
 * within the same batch of the store, so that after a crash it is in one of the two places.
 *
 * An expired message is looked for at the head only, as in RabbitMQ: behind a message that lives
 * longer it waits. One timer per queue stands at the earliest expiry among the heads of its lanes.
 * A message that is in the store alone is read before its fate is carried out (lane_fetch).
 *
 * Where very many leave at once they go in slices, a bounded number within each input of the vhost,
 * and no faster than the store takes their dead letters; the queue's timer goes on with them.
 */
#include "base/check.h"
#include "broker/consumer.h"
#include "broker/dead_letter.h"
#include "broker/exchange.h"
#include "broker/publish.h"
#include "broker/queue_life.h"

enum {
    leave_always = 16, /* leave a queue whatever else happens: no limit is seen exceeded */
    leave_burst = 64,  /* and no more before their dead letters are counted */
    retry_ms = 5,      /* until the store is asked again whether it keeps up */
};
enum { probe_interval_ms = 20, probes_per_interval = 64 };

/* What a message is fetched for: one of enum death_reason, or */
enum { FETCH_REQUEUE = DEATH_DELIVERY_LIMIT + 1 };

/* --- the store's part */

static void store_remove(struct vhost *vhost, const struct lane *lane, uint64_t position)
{
    struct queue *queue = lane->queue;
    if (queue->remove_batch == vhost->batch->number) {
        struct store_operation *last = &vhost->batch->operations[queue->remove_operation];
        if (last->lane == lane->id && last->position + last->count == position) {
            last->count++;
            return;
        }
    }
    queue->remove_batch = vhost->batch->number;
    queue->remove_operation = vhost_store(
        vhost, (struct store_operation){
                   .kind = STORE_REMOVE, .lane = lane->id, .position = position, .count = 1});
}

void queue_forget_known(struct vhost *vhost, struct lane *lane, uint64_t position, uint64_t batch,
                        uint32_t operation, struct message *message)
{
    const struct queue *queue = lane->queue;
    if (queue->values != NULL)
        queue_values_forget(lane, position);
    if (batch == vhost->batch->number && !queue->is_deleted) {
        struct message *cancelled = store_batch_cancel(vhost->batch, operation);
        if (message == cancelled) {
            message_unref_several(message, 2);
            return;
        }
        message_unref(cancelled);
    } else if (batch != 0 && !queue->is_deleted) {
        store_remove(vhost, lane, position);
    }
    message_unref(message);
}

static void drop(struct vhost *vhost, struct lane *lane, struct entry *entry)
{
    queue_forget(vhost, lane, entry->position, entry->batch, entry->operation, entry->message);
    entry->message = NULL;
}

/* --- dying */

static bool has_dead_letter_exchange(const struct vhost *vhost, const struct queue *queue)
{
    struct bytes name = queue->settings->dead_letter_exchange;
    return name.data != NULL && exchange_find(vhost, name) != NULL;
}

static void count_letter(struct vhost *vhost, const struct queue *queue, enum death_reason reason)
{
    enum letter_strategy strategy = queue_parks_letters(queue)               ? LETTER_AT_LEAST_ONCE
                                    : has_dead_letter_exchange(vhost, queue) ? LETTER_AT_MOST_ONCE
                                                                             : LETTER_DISABLED;
    vhost->counters.dead_lettered[queue->settings->type == QUEUE_QUORUM][strategy][reason]++;
}

void queue_dead_letter(struct vhost *vhost, struct queue *queue, struct message *message,
                       enum death_reason reason)
{
    count_letter(vhost, queue, reason);
    if (queue_parks_letters(queue))
        internal_publish_or_park(vhost, dead_letter_new(message, queue, reason, vhost->now_ms),
                                 queue);
    else if (has_dead_letter_exchange(vhost, queue))
        internal_publish(vhost, dead_letter_new(message, queue, reason, vhost->now_ms));
}

void queue_bury(struct vhost *vhost, struct lane *lane, struct entry *entry,
                enum death_reason reason)
{
    struct queue *queue = lane->queue;
    if (!queue->is_deleted &&
        (queue_parks_letters(queue) || has_dead_letter_exchange(vhost, queue))) {
        if (entry->message == NULL) {
            lane_fetch(lane, *entry, (uint8_t)reason);
            lane_read(vhost, lane);
            return;
        }
        queue_dead_letter(vhost, queue, entry->message, reason);
    } else if (!queue->is_deleted) {
        count_letter(vhost, queue, reason);
    }
    drop(vhost, lane, entry);
}

/* --- back to the end of a quorum queue without a delivery limit */

static void append_again(struct vhost *vhost, struct lane *lane, struct entry *entry)
{
    struct entry again = {
        .position = lane->next_position++,
        .fate = entry->fate,
        .message = entry->message,
        .body_bytes = entry->body_bytes,
    };
    if (entry->batch != 0) {
        message_ref(again.message);
        queue_store_insert(vhost, lane, &again, bytes_of(NULL, 0));
        lane_note_failures(vhost, lane, &again);
        queue_forget(vhost, lane, entry->position, entry->batch, entry->operation, NULL);
    }
    lane_push(lane, &again);
    lane_touch(vhost, lane);
    queue_schedule(vhost, lane->queue);
}

void queue_requeue_behind(struct vhost *vhost, struct lane *lane, struct entry *entry)
{
    if (entry->message != NULL) {
        append_again(vhost, lane, entry);
        return;
    }
    lane_fetch(lane, *entry, FETCH_REQUEUE);
    lane_read(vhost, lane);
}

void lane_note_failures(struct vhost *vhost, struct lane *lane, const struct entry *entry)
{
    if (entry->batch == 0 || entry->fate.failures == 0)
        return;
    vhost_store(vhost, (struct store_operation){.kind = STORE_ATTEMPTS,
                                                .lane = lane->id,
                                                .position = entry->position,
                                                .count = entry->fate.failures});
}

void queue_fetched(struct vhost *vhost, struct lane *lane)
{
    struct fetch fetch;
    while (lane_take_fetched(lane, &fetch)) {
        if (fetch.purpose == FETCH_REQUEUE)
            append_again(vhost, lane, &fetch.entry);
        else
            queue_bury(vhost, lane, &fetch.entry, (enum death_reason)fetch.purpose);
    }
    if (lane_has_fetches(lane)) /* they came while others were being read */
        lane_read(vhost, lane);
}

/* --- slices */

static void arm(struct vhost *vhost, struct queue *queue, uint64_t due_ms)
{
    if (due_ms < timer_due_ms(&queue->expiry_timer))
        timer_set(vhost, &queue->expiry_timer, due_ms);
}

/* May one more message leave a queue that so many have left just now? If not, the rest is left to
 * the timer. */
static bool may_leave(struct vhost *vhost, struct queue *queue, size_t left)
{
    if (left < leave_always)
        return true;
    bool is_busy = vhost_is_store_busy(vhost) &&
                   (queue_parks_letters(queue) || has_dead_letter_exchange(vhost, queue));
    if (vhost->leave_left > 0 && !is_busy && left < leave_burst) {
        vhost->leave_left--;
        return true;
    }
    arm(vhost, queue, vhost->now_ms + (is_busy ? retry_ms : 0));
    return false;
}

/* --- expiry */

void queue_arm_expiry(struct vhost *vhost, struct lane *lane)
{
    struct entry *entry;
    if (lane->queue->may_expire && lane_peek(lane, &entry) == LANE_READY &&
        entry->fate.expiry_ms != 0)
        arm(vhost, lane->queue, entry->fate.expiry_ms);
}

static void expire_lane(struct vhost *vhost, struct lane *lane)
{
    struct entry *front;
    enum lane_head head;
    size_t expired = 0;
    while ((head = lane_peek(lane, &front)) == LANE_READY && front->fate.expiry_ms != 0 &&
           front->fate.expiry_ms <= vhost->now_ms) {
        if (!may_leave(vhost, lane->queue, expired++))
            return;
        struct entry entry;
        lane_pop(lane, &entry);
        queue_bury(vhost, lane, &entry, DEATH_EXPIRED);
        lane_touch(vhost, lane);
    }
    if (head == LANE_READY && front->fate.expiry_ms != 0)
        arm(vhost, lane->queue, front->fate.expiry_ms);
    else if (head == LANE_IN_STORE && expired > 0)
        lane_read(vhost, lane);
    else if (head == LANE_IN_STORE)
        lane_probe(vhost, lane);
}

void queue_expire(struct vhost *vhost, struct queue *queue)
{
    for (unsigned priority = 0; priority <= queue->top_priority; priority++) {
        struct lane *lane = queue_lane(queue, priority);
        if (lane != NULL)
            expire_lane(vhost, lane);
    }
}

/* After a start nobody knows when the messages of very many queues expire, and consumers without
 * credit may come to all of them at once: their heads are read a few at a time, so that clients
 * hardly notice. When the next one may be read. */
static uint64_t probe_time_ms(struct vhost *vhost)
{
    if (vhost->probe_due_ms < vhost->now_ms) {
        vhost->probe_due_ms = vhost->now_ms;
        vhost->probe_count = 0;
    }
    if (vhost->probe_count++ == probes_per_interval) {
        vhost->probe_due_ms += probe_interval_ms;
        vhost->probe_count = 1;
    }
    return vhost->probe_due_ms;
}

/* Is the first message in the store, and not being read? */
static bool wants_probe(const struct queue *queue)
{
    const struct lane *lane = queue_first_lane(queue);
    struct entry *front;
    return lane->read_token == 0 && lane_peek(lane, &front) == LANE_IN_STORE;
}

void queue_probe_head(struct vhost *vhost, struct queue *queue)
{
    if (queue->awaits_probe || !wants_probe(queue))
        return;
    queue->awaits_probe = true;
    arm(vhost, queue, probe_time_ms(vhost));
}

void queue_expiry_due(struct vhost *vhost, struct timer *timer)
{
    struct queue *queue = container_of(timer, struct queue, expiry_timer);
    if (!queue->awaits_probe && wants_probe(queue)) {
        queue_probe_head(vhost, queue);
        return;
    }
    queue->awaits_probe = false;
    if (queue->may_expire)
        queue_expire(vhost, queue);
    if (queue->has_limits)
        queue_keep_limits(vhost, queue);
    queue_resume(vhost, queue);
}

/* --- limits */

static uint64_t limited_count(const struct queue *queue)
{
    return queue_ready_count(queue) + (queue->parked != NULL ? queue->parked->lane.ready_count : 0);
}

static uint64_t limited_bytes(const struct queue *queue)
{
    return queue_ready_bytes(queue) + (queue->parked != NULL ? queue->parked->lane.ready_bytes : 0);
}

static bool is_over_limit(const struct queue *queue)
{
    const struct queue_settings *settings = queue->settings;
    return queue_ready_count(queue) > settings->max_length ||
           queue_ready_bytes(queue) > settings->max_length_bytes;
}

/* The head goes, whatever its priority: the one that would be delivered next. */
void queue_keep_limits(struct vhost *vhost, struct queue *queue)
{
    struct entry *front;
    if (queue->settings->overflow != OVERFLOW_DROP_HEAD)
        return;
    for (size_t left = 0; is_over_limit(queue); left++) {
        struct lane *lane = queue_first_lane(queue);
        if (lane_peek(lane, &front) != LANE_READY) {
            lane_read(vhost, lane);
            return;
        }
        if (!may_leave(vhost, queue, left))
            return;
        struct entry entry;
        lane_pop(lane, &entry);
        queue_bury(vhost, lane, &entry, DEATH_MAXLEN);
        queue_arm_expiry(vhost, lane);
        lane_touch(vhost, lane);
    }
}

bool queue_takes(const struct queue *queue, const struct message *message)
{
    const struct queue_settings *settings = queue->settings;
    if (settings->overflow == OVERFLOW_DROP_HEAD)
        return true;
    return limited_count(queue) + 1 <= settings->max_length &&
           (settings->max_length_bytes == QUEUE_SETTING_ABSENT ||
            limited_bytes(queue) + message->body_size <= settings->max_length_bytes);
}
