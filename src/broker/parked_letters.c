/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead letters that must not be lost (x-dead-letter-strategy: at-least-once, for quorum queues that
 * reject what is too much). A letter that finds no place, because its exchange is not there,
 * nothing is bound, or a queue is full, stays with the queue it died in: in a lane of its own
 * behind the ready messages, which no consumer sees and no purge takes, and which counts for the
 * queue's limits
 * (https://www.rabbitmq.com/docs/quorum-queues#activating-at-least-once-dead-lettering).
 *
 * The first of them are tried again at intervals, and at once when the queue's settings change. A
 * letter goes to all of its queues or to none, so that a full one makes no duplicates in the
 * others.
 */
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/consumer.h"
#include "broker/dead_letter.h"
#include "broker/publish.h"
#include "broker/queue_life.h"

enum { try_slice = 256, retry_interval_ms = 5000, busy_interval_ms = 5 };

bool queue_parks_letters(const struct queue *queue)
{
    return !queue->is_deleted && queue_settings_dead_letter_at_least_once(queue->settings) &&
           queue_is_stored(queue) && queue->lane_count > (size_t)queue->max_priority + 1;
}

static void retry_due(struct vhost *vhost, struct timer *timer)
{
    parked_letters_retry(vhost, container_of(timer, struct parked_letters, timer)->lane.queue);
}

struct parked_letters *parked_letters_use(struct vhost *vhost, struct queue *queue)
{
    if (queue->parked != NULL)
        return queue->parked;
    struct parked_letters *parked = queue->parked = xcalloc(1, sizeof *parked);
    lane_init(&parked->lane, queue->lane.id + queue->max_priority + 1);
    parked->lane.queue = queue;
    parked->timer.fire = retry_due;
    lane_register(vhost, &parked->lane);
    return parked;
}

void parked_letters_add(struct vhost *vhost, struct queue *queue, struct message *letter)
{
    struct parked_letters *parked = parked_letters_use(vhost, queue);
    struct lane *lane = &parked->lane;
    struct entry entry = {
        .position = lane->next_position++,
        .message = letter,
        .body_bytes = (uint32_t)letter->body_size,
    };
    message_ref(letter);
    queue_store_insert(vhost, lane, &entry, bytes_of(NULL, 0));
    lane_push(lane, &entry);
    lane_touch(vhost, lane);
    if (timer_due_ms(&parked->timer) == UINT64_MAX)
        timer_set(vhost, &parked->timer, vhost->now_ms + retry_interval_ms);
}

/* --- another attempt */

/* The letter as the queue's present settings address it. The reference passes. */
static struct message *address(const struct queue *queue, struct message *letter)
{
    struct bytes exchange, key;
    dead_letter_address(queue->settings, letter, &exchange, &key);
    if (bytes_equal(exchange, message_exchange(letter)) &&
        bytes_equal(key, message_routing_key(letter)))
        return letter;
    struct message *again = message_readdress(letter, exchange, key, message_properties(letter));
    message_unref(letter);
    return again;
}

/* Has the letter left? Where the queue does not park letters any more it always does. */
static bool leaves(struct vhost *vhost, struct queue *queue, struct message *letter)
{
    if (queue->settings->dead_letter_exchange.data == NULL)
        return true;
    letter = address(queue, message_ref(letter));
    bool is_parked = queue_parks_letters(queue);
    if (!is_parked)
        internal_publish(vhost, message_ref(letter));
    bool has_left = !is_parked || internal_publish_surely(vhost, letter);
    message_unref(letter);
    return has_left;
}

static void take_out(struct vhost *vhost, struct lane *lane, struct entry *entry)
{
    queue_forget(vhost, lane, entry->position, entry->batch, entry->operation, entry->message);
}

void parked_letters_retry(struct vhost *vhost, struct queue *queue)
{
    struct parked_letters *parked = queue->parked;
    struct lane *lane = &parked->lane;
    struct entry staying[try_slice], *front;
    size_t staying_count = 0;
    bool has_any_left = false;
    bool is_busy = vhost_is_store_busy(vhost);
    for (int i = 0; i < try_slice && lane_peek(lane, &front) == LANE_READY; i++) {
        if (vhost->leave_left == 0)
            break;
        vhost->leave_left--;
        struct entry entry;
        lane_pop(lane, &entry);
        if (!leaves(vhost, queue, entry.message)) {
            staying[staying_count++] = entry;
            continue;
        }
        take_out(vhost, lane, &entry);
        has_any_left = true;
    }
    lane_return(lane, staying, staying_count);
    lane_touch(vhost, lane);
    if (lane->ready_count == 0)
        timer_clear(vhost, &parked->timer);
    else if (lane_peek(lane, &front) == LANE_IN_STORE)
        lane_read(vhost, lane); /* the answer tries again */
    else if (!has_any_left && staying_count > 0)
        timer_set(vhost, &parked->timer, vhost->now_ms + retry_interval_ms);
    else
        timer_set(vhost, &parked->timer, vhost->now_ms + (is_busy ? busy_interval_ms : 0));
}

/* --- the queue changes or goes */

void parked_letters_follow_settings(struct vhost *vhost, struct queue *queue)
{
    if (queue->parked != NULL && queue->parked->lane.ready_count > 0)
        timer_set(vhost, &queue->parked->timer, vhost->now_ms);
}
