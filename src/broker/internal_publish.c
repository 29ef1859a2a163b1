/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broker itself publishes: dead letters, delayed messages that are due, copies for those
 * who watch. Such a message is made in the middle of something else (a queue drops its head while
 * another is being filled), so it goes to the end of a list first, and the list is worked off
 * before the next command: nothing is entered twice, and chains of dead letters need no stack.
 *
 * Nobody waits for a confirm of these, nobody's permission is asked, and what has no route is gone.
 * The store operations of an input are one batch, so a message that leaves a queue here and enters
 * another one is in exactly one of the two after any crash.
 */
#include <stdlib.h>

#include "base/xmalloc.h"
#include "broker/broker_internal.h"
#include "broker/copies.h"

void internal_publish(struct vhost *vhost, struct message *message)
{
    struct internal_publishes *list = &vhost->internal;
    if (list->first > 0 && list->first == list->count)
        list->first = list->count = 0;
    list->messages =
        xgrow(list->messages, &list->capacity, list->count + 1, sizeof list->messages[0]);
    list->messages[list->count++] = message;
}

void internal_publish_from(struct vhost *vhost, struct exchange *exchange, struct message *message)
{
    struct bytes key = message_routing_key(message);
    struct route_request request = {.keys = &key, .key_count = 1, .message = message};
    struct route_result *result = &vhost->internal.route;
    struct bytes *copies = NULL;
    if (copies_has_any(message))
        request.keys = copies = copies_keys(message, &request.key_count);
    routing_find(vhost, exchange, &request, result);
    free(copies);
    message = copies_hide_bcc(message);
    bool is_dead_letter = dead_letter_has_history(message);
    for (size_t i = 0; i < result->count; i++) {
        if (!is_dead_letter || !dead_letter_returns_to(message, result->queues[i]->name))
            queue_enqueue(vhost, result->queues[i], message_ref(message));
    }
    message_unref(message);
}

static void publish_one(struct vhost *vhost, struct message *message)
{
    struct exchange *exchange = exchange_find(vhost, message_exchange(message));
    if (exchange != NULL)
        internal_publish_from(vhost, exchange, message);
    else
        message_unref(message);
}

void internal_publish_all(struct vhost *vhost)
{
    struct internal_publishes *list = &vhost->internal;
    while (list->first < list->count)
        publish_one(vhost, list->messages[list->first++]);
}

void internal_publish_fini(struct vhost *vhost)
{
    struct internal_publishes *list = &vhost->internal;
    while (list->first < list->count)
        message_unref(list->messages[list->first++]);
    free(list->messages);
    free(list->route.queues);
}
