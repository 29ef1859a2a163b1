/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delayed messages. Those that are due first are in memory, a window of some thousand as a binary
 * heap by (due time, id); a timer stands at its first. What lies beyond the window is in the store
 * alone, however many messages that are: the window has a horizon, everything up to which it holds.
 *
 *     window: (due, id) <= horizon          in memory, and in the store
 *     beyond: (due, id) > horizon           in the store; what is not committed yet also in `fresh`
 *
 * When the window runs low, the next stretch is read and the horizon moves on; when it overflows,
 * its later half is forgotten and the horizon moves back. A read sees what was committed before it
 * began, so that insertions which were not committed then are kept aside (fresh) until a later read
 * can see them; those that the read did see come twice and are told by their ids. The horizon
 * stands still while a read is under way, lest the answer leave a gap.
 *
 * Delays of a transient exchange are all in the window.
 *
 * A delay that is due leaves the store and enters queues in one batch. A message is routed from the
 * exchange that kept it, where it may have come from another one, and as the bindings are then.
 */
#include "broker/delayed.h"

#include <stdlib.h>

#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/publish.h"

enum {
    window_max = 4096, /* delays in memory that are in the store too */
    window_low = window_max / 4,
    read_max = window_max / 2,
    due_slice = 8,  /* delays that one firing of the timer routes */
    retry_ms = 5,   /* until the store is asked again whether it keeps up */
    fresh_min = 64, /* below this many, looking for committed ones is not worth it */
};

struct delay {
    uint64_t due_ms;
    uint64_t id;
    struct message *message; /* ref */
    uint64_t batch;          /* that stores it; 0 = it is committed, or never stored */
    size_t operation;        /* its index there */
};

struct delays {
    struct timer timer;
    struct vhost *vhost;       /* borrowed: it outlives its exchanges */
    struct exchange *exchange; /* borrowed: it owns this */
    uint64_t lane;
    uint64_t id_next;
    uint64_t count; /* all that wait */

    struct delay *window; /* owned: a heap, the one due first in front */
    size_t window_count, window_capacity;
    size_t window_bytes; /* footprints */

    bool has_beyond;
    uint64_t horizon_due_ms, horizon_id; /* where has_beyond */
    struct delay *fresh;                 /* owned: beyond, not committed when last looked at */
    size_t fresh_count, fresh_capacity, fresh_looked_at;
    uint64_t read_token; /* of the read under way, or 0 */
};

/* --- order --- */

static bool is_before(const struct delay *a, const struct delay *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->id < b->id;
}

static int compare_delays(const void *a, const void *b)
{
    return is_before(a, b) ? -1 : is_before(b, a);
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t id_a = ((const struct delay *)a)->id, id_b = ((const struct delay *)b)->id;
    return (id_a > id_b) - (id_a < id_b);
}

static bool is_beyond(const struct delays *delays, const struct delay *delay)
{
    struct delay horizon = {.due_ms = delays->horizon_due_ms, .id = delays->horizon_id};
    return delays->has_beyond && is_before(&horizon, delay);
}

/* --- the window, a binary heap --- */

static void sift_up(struct delay *heap, size_t at, struct delay delay)
{
    for (; at > 0 && is_before(&delay, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = delay;
}

static void sift_down(struct delay *heap, size_t count, struct delay delay)
{
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &delay))
            break;
        heap[at] = heap[child];
    }
    heap[at] = delay;
}

static void window_push(struct delays *delays, const struct delay *delay)
{
    delays->window = xgrow(delays->window, &delays->window_capacity, delays->window_count + 1,
                           sizeof delays->window[0]);
    sift_up(delays->window, delays->window_count++, *delay);
    delays->window_bytes += message_footprint(delay->message);
}

static struct delay window_pop(struct delays *delays)
{
    struct delay first = delays->window[0];
    delays->window_count--;
    if (delays->window_count > 0)
        sift_down(delays->window, delays->window_count, delays->window[delays->window_count]);
    delays->window_bytes -= message_footprint(first.message);
    return first;
}

/* --- beyond --- */

/* What is committed needs not be kept aside. Not while a read is under way, which may not see it.
 */
static void forget_committed(struct delays *delays)
{
    size_t kept = 0;
    if (delays->read_token != 0)
        return;
    for (size_t i = 0; i < delays->fresh_count; i++) {
        if (delays->fresh[i].batch > delays->vhost->committed)
            delays->fresh[kept++] = delays->fresh[i];
        else
            message_unref(delays->fresh[i].message);
    }
    delays->fresh_count = delays->fresh_looked_at = kept;
}

static void fresh_push(struct delays *delays, const struct delay *delay)
{
    delays->fresh = xgrow(delays->fresh, &delays->fresh_capacity, delays->fresh_count + 1,
                          sizeof delays->fresh[0]);
    delays->fresh[delays->fresh_count++] = *delay;
    if (delays->fresh_count > fresh_min && delays->fresh_count > 2 * delays->fresh_looked_at)
        forget_committed(delays);
}

static bool is_window_full(const struct delays *delays)
{
    return delays->window_count > 1 &&
           (delays->window_count > window_max ||
            delays->window_bytes > delays->vhost->config.lane_bytes_max);
}

/* The later half of the window goes: it is in the store, or on its way there. A sorted array is a
 * heap. */
static void shrink_window(struct delays *delays)
{
    size_t kept = 0, kept_bytes = 0;
    if (delays->lane == 0 || delays->read_token != 0 || !is_window_full(delays))
        return;
    qsort(delays->window, delays->window_count, sizeof delays->window[0], compare_delays);
    while (kept == 0 || (kept < window_max / 2 && kept_bytes < delays->window_bytes / 2))
        kept_bytes += message_footprint(delays->window[kept++].message);
    delays->has_beyond = true;
    delays->horizon_due_ms = delays->window[kept - 1].due_ms;
    delays->horizon_id = delays->window[kept - 1].id;
    for (size_t i = kept; i < delays->window_count; i++)
        fresh_push(delays, &delays->window[i]);
    delays->window_count = kept;
    delays->window_bytes = kept_bytes;
    forget_committed(delays);
}

/* Asks for the stretch behind the horizon. */
static void read_on(struct delays *delays)
{
    struct vhost *vhost = delays->vhost;
    if (!delays->has_beyond || delays->read_token != 0 || delays->window_count > window_low)
        return;
    forget_committed(delays);
    struct store_read read = {
        .kind = STORE_READ_DELAYS,
        .lane = delays->lane,
        .due_ms = delays->horizon_due_ms,
        .first = delays->horizon_id + 1,
        .count_max = read_max,
        .bytes_max = vhost->config.lane_bytes_max / 2,
    };
    delays->read_token = vhost_ask_read(vhost, read);
}

/* Sets the timer to what is due next. Where the window is empty and more is beyond, the answer to
 * the read does it. */
static void arm(struct delays *delays)
{
    uint64_t now_ms = delays->vhost->now_ms;
    read_on(delays);
    if (delays->window_count > 0) /* what is overdue stands behind others that are due */
        timer_set(delays->vhost, &delays->timer,
                  delays->window[0].due_ms > now_ms ? delays->window[0].due_ms : now_ms);
    else
        timer_clear(delays->vhost, &delays->timer);
}

static bool is_fresh(const struct delays *delays, uint64_t id)
{
    struct delay key = {.id = id};
    return delays->fresh_count > 0 && bsearch(&key, delays->fresh, delays->fresh_count,
                                              sizeof delays->fresh[0], compare_ids) != NULL;
}

/* What was kept aside and lies within the window now. */
static void take_fresh(struct delays *delays)
{
    size_t kept = 0;
    for (size_t i = 0; i < delays->fresh_count; i++) {
        if (is_beyond(delays, &delays->fresh[i]))
            delays->fresh[kept++] = delays->fresh[i];
        else
            window_push(delays, &delays->fresh[i]);
    }
    delays->fresh_count = delays->fresh_looked_at = kept;
}

void delays_read_done(struct delays *delays, struct store_read_result *result)
{
    if (result->read.token != delays->read_token)
        return;
    delays->read_token = 0;
    if (delays->fresh_count > 1)
        qsort(delays->fresh, delays->fresh_count, sizeof delays->fresh[0], compare_ids);
    for (size_t i = 0; i < result->count; i++) {
        struct store_row *row = &result->rows[i];
        struct delay delay = {
            .due_ms = row->expiry_ms, .id = row->position, .message = row->message};
        delays->horizon_due_ms = delay.due_ms;
        delays->horizon_id = delay.id;
        if (is_fresh(delays, delay.id))
            continue;
        row->message = NULL;
        window_push(delays, &delay);
    }
    delays->has_beyond = !result->is_complete;
    take_fresh(delays);
    shrink_window(delays);
    arm(delays);
}

/* --- what is due --- */

static void forget(struct delays *delays, const struct delay *delay)
{
    struct vhost *vhost = delays->vhost;
    delays->count--;
    if (delays->lane == 0)
        return;
    if (delay->batch == vhost->batch->number) {
        message_unref(store_batch_cancel(vhost->batch, delay->operation));
        return;
    }
    vhost_store(vhost, (struct store_operation){.kind = STORE_DELAY_REMOVE,
                                                .lane = delays->lane,
                                                .position = delay->id,
                                                .expiry_ms = delay->due_ms});
}

static void delays_due(struct vhost *vhost, struct timer *timer)
{
    struct delays *delays = container_of(timer, struct delays, timer);
    bool is_busy = vhost_is_store_busy(vhost); /* one slice goes all the same: nobody starves */
    for (int i = 0; i < due_slice; i++) {
        if (delays->window_count == 0 || delays->window[0].due_ms > vhost->now_ms)
            break;
        if (vhost->leave_left == 0)
            break;
        vhost->leave_left--;
        struct delay delay = window_pop(delays);
        forget(delays, &delay);
        internal_publish_from(vhost, delays->exchange, delay.message);
    }
    arm(delays);
    if (is_busy && timer_due_ms(timer) < vhost->now_ms + retry_ms)
        timer_set(vhost, timer, vhost->now_ms + retry_ms);
}

/* --- what comes in --- */

/* The delay that a value of x-delay says, in ms; 0 where it says none. RabbitMQ's plug-in takes
 * numbers of all types, and text. */
static uint64_t delay_of(const struct amqp_value *value)
{
    const uint64_t delay_max = UINT32_MAX;
    int64_t integer = 0;
    if (value->type == AMQP_TYPE_FLOAT || value->type == AMQP_TYPE_DOUBLE) {
        if (value->number >= 1 && value->number <= (double)delay_max)
            integer = (int64_t)value->number;
    } else if (!exchange_positive_argument(value, &integer)) {
        return 0;
    }
    return integer > 0 && (uint64_t)integer <= delay_max ? (uint64_t)integer : 0;
}

/* The header as it is delivered: negative, of the same type where that has a sign. */
static struct amqp_value negated(const struct amqp_value *value, uint64_t delay_ms)
{
    struct amqp_value result = {.type = AMQP_TYPE_INT64, .integer = -(int64_t)delay_ms};
    switch (value->type) {
    case AMQP_TYPE_INT8:
    case AMQP_TYPE_INT16:
    case AMQP_TYPE_INT32:
        result.type = value->type;
        break;
    default:
        break;
    }
    return result;
}

static struct message *copy_with_headers(const struct message *message, struct bytes headers)
{
    struct amqp_properties properties;
    struct buffer raw = {0};
    CHECK(amqp_properties_parse(message_properties(message), &properties));
    properties.headers = headers;
    amqp_properties_encode(&raw, &properties);
    struct message *copy = message_new(message_exchange(message), message_routing_key(message),
                                       buffer_bytes(&raw), message_body(message));
    copy->is_persistent = message->is_persistent;
    buffer_fini(&raw);
    return copy;
}

/* A copy that is not delayed again, wherever it comes. */
static struct message *copy_negated(const struct message *message, struct bytes headers,
                                    const struct amqp_value *value)
{
    struct buffer changed = {0};
    struct reader reader = reader_of(headers);
    struct amqp_field field;
    bool is_first = true;
    while (amqp_table_next(&reader, &field)) {
        if (is_first && bytes_equal_text(field.name, "x-delay")) {
            field.value = *value;
            is_first = false;
        }
        amqp_table_add_field(&changed, &field);
    }
    struct message *copy = copy_with_headers(message, buffer_bytes(&changed));
    buffer_fini(&changed);
    return copy;
}

static void keep(struct delays *delays, uint64_t delay_ms, struct message *message)
{
    struct vhost *vhost = delays->vhost;
    struct delay delay = {
        .due_ms = vhost->now_ms + delay_ms, .id = delays->id_next++, .message = message};
    if (delays->lane != 0) {
        delay.batch = vhost->batch->number;
        delay.operation =
            vhost_store(vhost, (struct store_operation){.kind = STORE_DELAY_INSERT,
                                                        .lane = delays->lane,
                                                        .position = delay.id,
                                                        .expiry_ms = delay.due_ms,
                                                        .message = message_ref(message)});
    }
    delays->count++;
    if (is_beyond(delays, &delay))
        fresh_push(delays, &delay);
    else
        window_push(delays, &delay);
    shrink_window(delays);
    arm(delays);
}

/* The delay that the message's header says, in ms; 0 where there is none. */
static uint64_t find_delay(const struct message *message, struct bytes *headers,
                           struct amqp_value *value)
{
    return amqp_properties_headers(message_properties(message), headers) &&
                   amqp_table_find(*headers, "x-delay", value)
               ? delay_of(value)
               : 0;
}

bool delays_want(const struct message *message)
{
    struct bytes headers;
    struct amqp_value value;
    return find_delay(message, &headers, &value) != 0;
}

bool delays_take(struct delays *delays, const struct message *message)
{
    struct bytes headers;
    struct amqp_value value;
    uint64_t delay_ms = find_delay(message, &headers, &value);
    if (delay_ms == 0)
        return false;
    struct amqp_value later = negated(&value, delay_ms);
    keep(delays, delay_ms, copy_negated(message, headers, &later));
    return true;
}

/* --- coming and going --- */

struct delays *delays_new(struct vhost *vhost, struct exchange *exchange, uint64_t lane)
{
    struct delays *delays = xcalloc(1, sizeof *delays);
    delays->vhost = vhost;
    delays->exchange = exchange;
    delays->lane = lane;
    delays->id_next = 1;
    delays->timer.fire = delays_due;
    return delays;
}

void delays_free(struct delays *delays)
{
    timer_clear(delays->vhost, &delays->timer);
    for (size_t i = 0; i < delays->window_count; i++)
        message_unref(delays->window[i].message);
    for (size_t i = 0; i < delays->fresh_count; i++)
        message_unref(delays->fresh[i].message);
    free(delays->window);
    free(delays->fresh);
    free(delays);
}

/* Nothing is in the window yet; the first stretch is read at the first input. */
void delays_restore(struct delays *delays, const struct store_delay_state *state)
{
    delays->id_next = state->end > 0 ? state->end : 1;
    delays->count = state->count;
    delays->has_beyond = state->count > 0;
    if (state->count > 0)
        timer_set(delays->vhost, &delays->timer, 0);
}

uint64_t delays_count(const struct delays *delays)
{
    return delays->count;
}

void delays_check(const struct delays *delays)
{
    size_t bytes = 0;
    for (size_t i = 0; i < delays->window_count; i++) {
        CHECK(i == 0 || !is_before(&delays->window[i], &delays->window[(i - 1) / 2]));
        CHECK(!is_beyond(delays, &delays->window[i]));
        bytes += message_footprint(delays->window[i].message);
    }
    for (size_t i = 0; i < delays->fresh_count; i++)
        CHECK(is_beyond(delays, &delays->fresh[i]));
    CHECK(bytes == delays->window_bytes);
    CHECK(delays->window_count + delays->fresh_count <= delays->count);
    CHECK(delays->has_beyond || delays->window_count == delays->count);
}
