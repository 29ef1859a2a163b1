/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x-recent-history: an exchange remembers the last messages (20, or x-recent-history-length of
 * them), and a queue or exchange that is bound to it gets them.
 *
 * The history of a durable exchange holds its persistent messages over a restart; they stand in the
 * store as delays that are never due, under the exchange's number. After a start they are read, and
 * what is bound before that is done gets its messages then. RabbitMQ keeps the history on disk from
 * version 4 on, and before that in memory alone.
 */
#include "broker/recent_history.h"

#include <stdlib.h>

#include "amqp/properties.h"
#include "amqp/table.h"
#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/exchange.h"
#include "broker/publish.h"
#include "broker/queue_life.h"

enum { length_default = 20, read_count_max = 1024, never_due_ms = 1 };

struct remembered {
    uint64_t id;
    struct message *message; /* ref */
    uint64_t batch;          /* that stores it; 0 = it is not stored, STORE_BATCH_BEFORE = read */
    size_t operation;        /* its index there */
};

/* A ring would spare the moving of what is left, which happens once for every capacity / 2. */
struct memory {
    struct remembered *messages; /* owned, the oldest first */
    size_t first, count, capacity;
};

/* Something that was bound while the history was being read. */
struct latecomer {
    char *name; /* owned */
    bool is_exchange;
};

struct recent_history {
    struct vhost *vhost; /* borrowed: it outlives its exchanges */
    uint64_t lane;
    uint64_t id_next;
    uint64_t length_max;
    struct memory kept;
    struct memory read;           /* what was read so far, all older than what is kept */
    uint64_t read_token;          /* of the read under way, or 0 */
    uint64_t read_end;            /* ids from here on are kept already */
    struct timer timer;           /* begins to read */
    struct latecomer *latecomers; /* owned */
    size_t latecomer_count, latecomer_capacity;
};

/* --- memory --- */

static void memory_push(struct memory *memory, const struct remembered *remembered)
{
    if (memory->first > 0 && memory->first + memory->count == memory->capacity &&
        memory->first >= memory->count) {
        memmove(memory->messages, memory->messages + memory->first,
                memory->count * sizeof memory->messages[0]);
        memory->first = 0;
    }
    memory->messages = xgrow(memory->messages, &memory->capacity, memory->first + memory->count + 1,
                             sizeof memory->messages[0]);
    memory->messages[memory->first + memory->count++] = *remembered;
}

static struct remembered memory_shift(struct memory *memory)
{
    memory->count--;
    return memory->messages[memory->first++];
}

static void memory_fini(struct memory *memory)
{
    while (memory->count > 0)
        message_unref(memory_shift(memory).message);
    free(memory->messages);
    *memory = (struct memory){0};
}

static void forget_oldest(struct recent_history *history)
{
    struct vhost *vhost = history->vhost;
    struct remembered oldest = memory_shift(&history->kept);
    if (oldest.batch == vhost->batch->number)
        message_unref(store_batch_cancel(vhost->batch, oldest.operation));
    else if (oldest.batch != 0)
        vhost_store(vhost, (struct store_operation){.kind = STORE_DELAY_REMOVE,
                                                    .lane = history->lane,
                                                    .position = oldest.id,
                                                    .expiry_ms = never_due_ms});
    message_unref(oldest.message);
}

static void keep_length(struct recent_history *history)
{
    while (history->kept.count > history->length_max)
        forget_oldest(history);
}

/* --- remembering --- */

static bool is_not_to_be_kept(const struct message *message)
{
    struct bytes headers;
    struct amqp_value value;
    return amqp_properties_headers(message_properties(message), &headers) &&
           amqp_table_find(headers, "x-recent-history-no-store", &value) &&
           value.type == AMQP_TYPE_BOOL && value.boolean;
}

void recent_history_add(struct recent_history *history, struct message *message)
{
    struct vhost *vhost = history->vhost;
    struct remembered remembered = {.id = history->id_next, .message = message};
    if (is_not_to_be_kept(message))
        return;
    if (history->lane != 0 && message->is_persistent) {
        remembered.batch = vhost->batch->number;
        remembered.operation =
            vhost_store(vhost, (struct store_operation){.kind = STORE_DELAY_INSERT,
                                                        .lane = history->lane,
                                                        .position = remembered.id,
                                                        .expiry_ms = never_due_ms,
                                                        .message = message_ref(message)});
    }
    history->id_next++;
    message_ref(message);
    memory_push(&history->kept, &remembered);
    keep_length(history);
}

/* --- telling --- */

static void tell_queue(struct recent_history *history, struct queue *queue)
{
    for (size_t i = 0; i < history->kept.count; i++) {
        struct message *message = history->kept.messages[history->kept.first + i].message;
        queue_enqueue(history->vhost, queue, message_ref(message));
    }
}

/* The newest first, as in RabbitMQ: there, each message is routed by itself. */
static void tell_exchange(struct recent_history *history, struct exchange *exchange)
{
    for (size_t i = history->kept.count; i-- > 0;) {
        struct message *message = history->kept.messages[history->kept.first + i].message;
        internal_publish_from(history->vhost, exchange, message_ref(message));
    }
}

static void add_latecomer(struct recent_history *history, const struct binding *binding)
{
    history->latecomers = xgrow(history->latecomers, &history->latecomer_capacity,
                                history->latecomer_count + 1, sizeof history->latecomers[0]);
    history->latecomers[history->latecomer_count++] =
        (struct latecomer){bytes_to_text(binding->route.destination), binding->exchange != NULL};
}

static bool is_being_read(const struct recent_history *history)
{
    return history->read_token != 0 || heap_node_is_set(&history->timer.node);
}

void recent_history_replay(struct recent_history *history, const struct binding *binding)
{
    if (is_being_read(history))
        add_latecomer(history, binding);
    else if (binding->queue != NULL)
        tell_queue(history, binding->queue);
    else
        tell_exchange(history, binding->exchange);
}

static void tell_latecomers(struct recent_history *history)
{
    for (size_t i = 0; i < history->latecomer_count; i++) {
        struct latecomer *latecomer = &history->latecomers[i];
        struct bytes name = bytes_of_text(latecomer->name);
        struct queue *queue = latecomer->is_exchange ? NULL : queue_find(history->vhost, name);
        struct exchange *exchange =
            latecomer->is_exchange ? exchange_find(history->vhost, name) : NULL;
        if (queue != NULL)
            tell_queue(history, queue);
        else if (exchange != NULL)
            tell_exchange(history, exchange);
        free(latecomer->name);
    }
    history->latecomer_count = 0;
}

/* --- after a start --- */

static void read_on(struct recent_history *history, uint64_t first)
{
    struct vhost *vhost = history->vhost;
    struct store_read read = {
        .kind = STORE_READ_DELAYS,
        .lane = history->lane,
        .due_ms = never_due_ms,
        .first = first,
        .count_max = read_count_max,
        .bytes_max = vhost->config.lane_bytes_max,
    };
    history->read_token = vhost_ask_read(vhost, read);
}

static void begin_reading(struct vhost *vhost, struct timer *timer)
{
    (void)vhost;
    read_on(container_of(timer, struct recent_history, timer), 1);
}

/* What was kept since the start comes behind what was read. */
static void end_reading(struct recent_history *history)
{
    while (history->kept.count > 0) {
        struct remembered next = memory_shift(&history->kept);
        memory_push(&history->read, &next);
    }
    memory_fini(&history->kept);
    history->kept = history->read;
    history->read = (struct memory){0};
    keep_length(history);
    tell_latecomers(history);
}

void recent_history_read_done(struct recent_history *history, struct store_read_result *result)
{
    uint64_t last = 0;
    if (result->read.token != history->read_token)
        return;
    history->read_token = 0;
    for (size_t i = 0; i < result->count; i++) {
        struct store_row *row = &result->rows[i];
        struct remembered remembered = {
            .id = row->position, .message = row->message, .batch = STORE_BATCH_BEFORE};
        last = row->position;
        if (row->position >= history->read_end)
            continue;
        row->message = NULL;
        memory_push(&history->read, &remembered);
    }
    if (result->is_complete || last >= history->read_end)
        end_reading(history);
    else
        read_on(history, last + 1);
}

void recent_history_restore(struct recent_history *history, const struct store_delay_state *state)
{
    history->id_next = history->read_end = state->end > 0 ? state->end : 1;
    if (state->count > 0)
        timer_set(history->vhost, &history->timer, 0);
}

/* --- coming and going --- */

static uint64_t length_of(struct bytes arguments)
{
    struct amqp_value value;
    int64_t length;
    return amqp_table_find(arguments, "x-recent-history-length", &value) &&
                   amqp_value_get_integer(&value, &length) && length > 0
               ? (uint64_t)length
               : length_default;
}

struct recent_history *recent_history_new(struct vhost *vhost, const struct exchange *exchange,
                                          uint64_t lane)
{
    struct recent_history *history = xcalloc(1, sizeof *history);
    history->vhost = vhost;
    history->lane = lane;
    history->id_next = 1;
    history->length_max = length_of(exchange->arguments);
    history->timer.fire = begin_reading;
    return history;
}

void recent_history_free(struct recent_history *history)
{
    timer_clear(history->vhost, &history->timer);
    memory_fini(&history->kept);
    memory_fini(&history->read);
    for (size_t i = 0; i < history->latecomer_count; i++)
        free(history->latecomers[i].name);
    free(history->latecomers);
    free(history);
}
