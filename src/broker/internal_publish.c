/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker itself publishes: dead letters, delayed messages that are due, copies for those
 * who watch. Such a message is made in the middle of something else (a queue drops its head while
 * another is being filled), so it goes to the end of a list first, and the list is worked off
 * before the next command: nothing is entered twice, and chains of dead letters need no stack.
 *
 * A dead letter that must not be lost goes to all of its queues or to none: its way is rehearsed,
 * and nothing remembers it that has not let it through.
 *
 * Nobody waits for a confirm of these, nobody's permission is asked, and what has no route is gone.
 * The store operations of an input are one batch, so a message that leaves a queue here and enters
 * another one is in exactly one of the two after any crash.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/copies.h"
#include "broker/exchange.h"
#include "broker/keeping.h"
#include "broker/publish.h"
#include "broker/queue_life.h"

static void add(struct vhost *vhost, struct message *message, struct queue *origin)
{
    struct internal_publishes *list = &vhost->internal;
    if (list->first > 0 && list->first == list->count)
        list->first = list->count = 0;
    list->items = xgrow(list->items, &list->capacity, list->count + 1, sizeof list->items[0]);
    list->items[list->count++] = (struct internal_item){message, origin};
}

void internal_publish(struct vhost *vhost, struct message *message)
{
    add(vhost, message, NULL);
}

void internal_publish_or_park(struct vhost *vhost, struct message *letter, struct queue *origin)
{
    origin->unacked_count++; /* it stays until then */
    add(vhost, letter, origin);
}

/* --- routing */

static struct route_result *find_route(struct vhost *vhost, struct exchange *exchange,
                                       struct message *message, struct rehearsal *rehearsal)
{
    struct bytes key = message_routing_key(message);
    struct route_request request = {
        .keys = &key, .key_count = 1, .message = message, .rehearsal = rehearsal};
    struct route_result *result = &vhost->internal.route;
    struct bytes *copies = NULL;
    if (copies_has_any(message))
        request.keys = copies = copies_keys(message, &request.key_count);
    routing_find(vhost, exchange, &request, result);
    free(copies);
    copies_note_bcc(message);
    return result;
}

static void enqueue_all(struct vhost *vhost, const struct route_result *result,
                        struct message *message)
{
    for (size_t i = 0; i < result->count; i++)
        queue_enqueue(vhost, result->queues[i], message_ref(message));
    message_unref(message);
}

void internal_publish_from(struct vhost *vhost, struct exchange *exchange, struct message *message)
{
    enqueue_all(vhost, find_route(vhost, exchange, message, NULL), message);
}

/* Leaves the queues to which a dead letter may go. */
static void leave_out_cycles(const struct message *letter, struct route_result *result)
{
    size_t count = 0;
    for (size_t i = 0; i < result->count; i++) {
        if (!dead_letter_returns_to(letter, result->queues[i]->name))
            result->queues[count++] = result->queues[i];
    }
    result->count = count;
}

/* A dead letter, or a copy for those who watch, which has no history. A message that a client
 * published again with its history is no dead letter, whoever kept it meanwhile. */
static void publish_new(struct vhost *vhost, struct exchange *exchange, struct message *message)
{
    struct route_result *result = find_route(vhost, exchange, message, NULL);
    if (dead_letter_has_history(message))
        leave_out_cycles(message, result);
    enqueue_all(vhost, result, message);
}

static bool have_room(struct vhost *vhost, const struct route_result *result,
                      const struct message *letter)
{
    struct bytes value;
    for (size_t i = 0; i < result->count; i++) {
        if (!queue_takes(result->queues[i], letter) ||
            !queue_values_admit(vhost, result->queues[i], letter, &value))
            return false;
    }
    return result->count > 0 || result->is_kept;
}

bool internal_publish_surely(struct vhost *vhost, struct message *letter)
{
    struct exchange *exchange = exchange_find(vhost, message_exchange(letter));
    if (exchange == NULL)
        return false;
    struct rehearsal *rehearsal = &vhost->internal.rehearsal;
    rehearsal->count = 0;
    struct route_result *result = find_route(vhost, exchange, letter, rehearsal);
    leave_out_cycles(letter, result);
    if (!have_room(vhost, result, letter))
        return false;
    for (size_t i = 0; i < rehearsal->count; i++)
        exchange_pass(vhost, rehearsal->exchanges[i], letter);
    for (size_t i = 0; i < result->count; i++)
        CHECK(queue_enqueue(vhost, result->queues[i], message_ref(letter)));
    vhost->counters.letters_confirmed++;
    return true;
}

static void publish_or_park(struct vhost *vhost, struct message *letter, struct queue *origin)
{
    origin->unacked_count--;
    if (internal_publish_surely(vhost, letter) || origin->is_deleted)
        message_unref(letter);
    else
        parked_letters_add(vhost, origin, letter);
    queue_release(origin);
}

static void publish_one(struct vhost *vhost, struct internal_item item)
{
    struct exchange *exchange;
    if (item.origin != NULL)
        publish_or_park(vhost, item.message, item.origin);
    else if ((exchange = exchange_find(vhost, message_exchange(item.message))) != NULL)
        publish_new(vhost, exchange, item.message);
    else
        message_unref(item.message);
}

void internal_publish_waiting(struct vhost *vhost)
{
    struct internal_publishes *list = &vhost->internal;
    while (list->first < list->count)
        publish_one(vhost, list->items[list->first++]);
}

void internal_publish_fini(struct vhost *vhost)
{
    struct internal_publishes *list = &vhost->internal;
    for (; list->first < list->count; list->first++) {
        struct internal_item *item = &list->items[list->first];
        message_unref(item->message);
        if (item->origin != NULL) {
            item->origin->unacked_count--;
            queue_release(item->origin);
        }
    }
    free(list->items);
    free(list->route.queues);
    free(list->rehearsal.exchanges);
}
