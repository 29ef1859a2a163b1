/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routing: from an exchange over its bindings, and over those of the exchanges it leads to, to the
 * set of queues. A mark that rises with every routing tells what has been reached already, so that
 * a queue gets one copy and a cycle ends. An exchange whose own bindings yield nothing hands the
 * message to its alternate exchange. The default exchange has no bindings: its routing key is the
 * name of the queue.
 *
 * A rehearsal finds the same queues, and no exchange notices: no delay begins, no history grows. An
 * exchange that chooses by chance may choose differently the next time, so what is done afterwards
 * follows the rehearsal.
 */
#include <stdlib.h>

#include "amqp/properties.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/exchange.h"
#include "broker/keeping.h"
#include "broker/queue_life.h"

/* Exchanges that were reached and not yet followed. */
struct frontier {
    struct exchange **exchanges;
    size_t count;
    size_t capacity;
};

static void reach_queue(const struct vhost *vhost, struct queue *queue, struct route_result *result)
{
    if (queue->route_mark == vhost->route_mark || queue->is_leaving)
        return;
    queue->route_mark = vhost->route_mark;
    result->queues =
        xgrow(result->queues, &result->capacity, result->count + 1, sizeof(struct queue *));
    result->queues[result->count++] = queue;
}

static void reach_exchange(const struct vhost *vhost, struct exchange *exchange,
                           struct frontier *frontier)
{
    if (exchange == NULL || exchange->route_mark == vhost->route_mark)
        return;
    exchange->route_mark = vhost->route_mark;
    frontier->exchanges = xgrow(frontier->exchanges, &frontier->capacity, frontier->count + 1,
                                sizeof(struct exchange *));
    frontier->exchanges[frontier->count++] = exchange;
}

static void follow_default(const struct vhost *vhost, const struct route_request *request,
                           struct route_result *result)
{
    for (size_t i = 0; i < request->key_count; i++) {
        struct queue *queue = queue_find_target(vhost, request->keys[i]);
        if (queue != NULL)
            reach_queue(vhost, queue, result);
    }
}

static void follow_alternate(struct vhost *vhost, struct exchange *exchange,
                             struct frontier *frontier)
{
    exchange_refresh(vhost, exchange);
    if (exchange->alternate.data != NULL)
        reach_exchange(vhost, exchange_find(vhost, exchange->alternate), frontier);
}

static void follow(struct vhost *vhost, struct exchange *exchange, struct frontier *frontier,
                   struct route_result *result)
{
    for (size_t i = 0; i < vhost->matches.count; i++) {
        struct binding *binding = container_of(vhost->matches.routes[i], struct binding, route);
        if (binding->queue != NULL)
            reach_queue(vhost, binding->queue, result);
        else
            reach_exchange(vhost, binding->exchange, frontier);
    }
    if (vhost->matches.count == 0)
        follow_alternate(vhost, exchange, frontier);
}

/* What types that look further than the keys want to see of the message. */
static void open_message(const struct message *message, struct route_subject *subject)
{
    if (subject->properties.data != NULL)
        return;
    subject->properties = message_properties(message);
    if (!amqp_properties_headers(subject->properties, &subject->headers))
        subject->headers = bytes_of(NULL, 0);
}

static void note(struct rehearsal *rehearsal, struct exchange *exchange)
{
    rehearsal->exchanges = xgrow(rehearsal->exchanges, &rehearsal->capacity, rehearsal->count + 1,
                                 sizeof(struct exchange *));
    rehearsal->exchanges[rehearsal->count++] = exchange;
}

static enum passage pass(struct vhost *vhost, struct exchange *exchange,
                         const struct route_request *request)
{
    if (request->rehearsal == NULL)
        return exchange_pass(vhost, exchange, request->message);
    note(request->rehearsal, exchange);
    return exchange_foresee(vhost, exchange, request->message);
}

/* Fills vhost->matches; false where the message waits in the exchange. */
static bool match(struct vhost *vhost, struct exchange *exchange,
                  const struct route_request *request, struct route_subject *subject,
                  struct route_result *result)
{
    enum passage passage = PASSAGE_ROUTE;
    if (!exchange->type->routes_by_key) {
        result->is_cacheable = false;
        open_message(request->message, subject);
        passage = pass(vhost, exchange, request);
    }
    if (passage == PASSAGE_ROUTE)
        exchange->type->match(exchange->state, subject, &vhost->matches);
    result->is_kept |= passage == PASSAGE_WAIT;
    result->is_repeated |= passage == PASSAGE_DROP;
    return passage != PASSAGE_WAIT;
}

void routing_find(struct vhost *vhost, struct exchange *exchange,
                  const struct route_request *request, struct route_result *result)
{
    struct frontier frontier = {0};
    struct route_subject subject = {.keys = request->keys, .key_count = request->key_count};
    vhost->route_mark++;
    result->count = 0;
    result->is_kept = result->is_repeated = false;
    result->is_cacheable = request->key_count == 1;
    reach_exchange(vhost, exchange, &frontier);
    for (size_t i = 0; i < frontier.count; i++) {
        exchange = frontier.exchanges[i];
        if (exchange == vhost->default_exchange) {
            follow_default(vhost, request, result);
            continue;
        }
        vhost->matches.count = 0;
        if (match(vhost, exchange, request, &subject, result))
            follow(vhost, exchange, &frontier, result);
    }
    free(frontier.exchanges);
}
