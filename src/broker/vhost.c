/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vhost: the inputs of the core, what follows each of them, and what leaves.
 *
 * Every input (a batch of commands, a commit, an answer to a read) is applied, and then finished in
 * the same order: queues hand out, confirms are gathered into as few acks as possible, an empty
 * batch counts as committed, memory above the budget is given back, and a slice of what was purged
 * is freed. Effects are gathered per reactor and leave when the caller takes them.
 */
#include "broker/vhost.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "broker/event.h"
#include "broker/event_message.h"
#include "broker/exchange.h"
#include "broker/keeping.h"
#include "broker/publish.h"
#include "broker/queue_life.h"
#include "broker/settle.h"

enum {
    free_slice = 4096,
    dispatch_slice = 16384,
    leave_slice = 1024,
    own_share = 16, /* of what may be on its way to the disk, for what moves by itself */
    timer_slice = 1024,
};

void vhost_config_init(struct vhost_config *config)
{
    *config = (struct vhost_config){
        .name = "/",
        .node_name = "rabbit@localhost",
        .reactor_count = 1,
        .message_bytes_max = 134217728,
        .window_bytes_max = 64u << 20,
        .lane_bytes_max = 8u << 20,
        .transient_bytes_max = 1u << 30,
        .unstored_bytes_max = 8u << 20,
        .deferred_bytes_max = 4u << 20,
        .consumer_timeout_ms = 1800000,
        .reads_max = 256,
        .settle_slice = 8192,
        .mark_stride = 16384,
    };
}

struct exchange *vhost_predeclare(struct vhost *vhost, struct bytes name,
                                  const struct exchange_type *type, bool is_internal)
{
    struct exchange *exchange =
        exchange_create(vhost, type, name, bytes_of(NULL, 0), bytes_of_text(EVENT_USER_INTERNAL));
    exchange->is_durable = true;
    exchange->is_internal = is_internal;
    exchange->is_predeclared = true;
    return exchange;
}

static void declare_predeclared(struct vhost *vhost)
{
    static const struct {
        const char *name;
        const struct exchange_type *type;
        bool is_internal;
    } predeclared[] = {
        {"", &exchange_direct, false},
        {"amq.direct", &exchange_direct, false},
        {"amq.fanout", &exchange_fanout, false},
        {"amq.topic", &exchange_topic, false},
        {"amq.headers", &exchange_headers, false},
        {"amq.match", &exchange_headers, false},
        {"amq.rabbitmq.trace", &exchange_topic, true},
    };
    for (size_t i = 0; i < sizeof predeclared / sizeof predeclared[0]; i++)
        vhost_predeclare(vhost, bytes_of_text(predeclared[i].name), predeclared[i].type,
                         predeclared[i].is_internal);
    if (vhost->config.has_event_exchange)
        vhost->event_exchange =
            vhost_predeclare(vhost, bytes_of_text(event_exchange_name), &exchange_topic, true);
    if (vhost->config.has_log_exchange)
        vhost->log_exchange =
            vhost_predeclare(vhost, bytes_of_text(log_exchange_name), &exchange_topic, true);
    vhost->default_exchange = exchange_find(vhost, bytes_of_text(""));
}

struct vhost *vhost_new(const struct vhost_config *config, const struct access *access)
{
    struct vhost *vhost = xcalloc(1, sizeof *vhost);
    vhost->config = *config;
    vhost->name = xstrdup(config->name);
    vhost->config.name = vhost->name;
    vhost->access = access;
    vhost->access_generation = 1;
    vhost->topology_generation = 1;
    vhost->limits = (struct vhost_limits){
        .queues_max = UINT64_MAX,
        .connections_max = UINT64_MAX,
        .cluster_queues_max = UINT64_MAX,
        .cluster_exchanges_max = UINT64_MAX,
    };
    vhost->lane_next = 1;
    vhost->leave_left = leave_slice;
    vhost->settle_left = config->settle_slice;
    vhost->evict_due_ms = vhost->turn_due_ms = UINT64_MAX;
    vhost->committed = STORE_BATCH_BEFORE;
    vhost->batch = store_batch_new(STORE_BATCH_BEFORE + 1);
    vhost->spill_lane_next = 1;
    vhost->effects = xcalloc(config->reactor_count, sizeof *vhost->effects);
    struct list *lists[] = {
        &vhost->sessions,    &vhost->paused,     &vhost->dispatch,      &vhost->touched,
        &vhost->cold,        &vhost->settling,   &vhost->confirm_waits, &vhost->commit_waits,
        &vhost->resuming,    &vhost->going,      &vhost->alarm_waits,   &vhost->mark_waits,
        &vhost->read_waits,  &vhost->turn_asks,  &vhost->turns,         &vhost->sharding_due,
        &vhost->slice_waits, &vhost->slow_waits, &vhost->departed};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        list_init(lists[i]);
    declare_predeclared(vhost);
    return vhost;
}

static void free_sessions(struct vhost *vhost)
{
    struct list_node *node;
    while ((node = list_front(&vhost->sessions)) != NULL)
        session_end(list_entry(node, struct session, vhost_node));
}

static void free_definitions(struct vhost *vhost)
{
    struct hash_node *node, *next;
    for (node = hash_table_next(&vhost->bindings, NULL); node != NULL; node = next) {
        next = hash_table_next(&vhost->bindings, node);
        binding_remove(vhost, container_of(node, struct binding, by_identity));
    }
    for (node = hash_table_next(&vhost->queues, NULL); node != NULL; node = next) {
        next = hash_table_next(&vhost->queues, node);
        queue_delete(vhost, container_of(node, struct queue, by_name));
    }
    for (node = hash_table_next(&vhost->exchanges, NULL); node != NULL; node = next) {
        next = hash_table_next(&vhost->exchanges, node);
        hash_table_remove(&vhost->exchanges, node);
        exchange_free(vhost, container_of(node, struct exchange, by_name));
    }
}

static void free_remains(struct vhost *vhost, size_t slice)
{
    while (vhost->remains != NULL && slice > 0) {
        struct lane_remains *remains = vhost->remains;
        size_t count = lane_remains_count(remains);
        if (!lane_remains_free_some(remains, slice))
            return;
        vhost->remains = remains->next;
        slice -= count > 0 ? count : 1;
        free(remains);
    }
}

void vhost_free(struct vhost *vhost)
{
    if (vhost == NULL)
        return;
    vhost->config.event_interest = NULL; /* what goes now goes with all the rest */
    vhost->config.log_interest = NULL;
    vhost->settle_left = SIZE_MAX; /* all at once */
    free_sessions(vhost);
    departed_go_on(vhost);
    free_definitions(vhost);
    free_remains(vhost, SIZE_MAX);
    while (vhost->former_values != NULL)
        queue_values_free_some(vhost, SIZE_MAX);
    buffer_fini(&vhost->value);
    internal_publish_fini(vhost);
    event_fini(vhost);
    heap_fini(&vhost->timers);
    for (size_t i = 0; i < vhost->config.reactor_count; i++)
        effect_chain_clear(&vhost->effects[i]);
    hash_table_fini(&vhost->exchanges);
    hash_table_fini(&vhost->exchange_lanes);
    hash_table_fini(&vhost->queues);
    hash_table_fini(&vhost->sessions_by_number);
    hash_table_fini(&vhost->lanes);
    hash_table_fini(&vhost->bindings);
    hash_table_fini(&vhost->questions);
    route_matches_fini(&vhost->matches);
    store_batch_free(vhost->batch);
    free(vhost->in_flight);
    free(vhost->reads);
    free(vhost->notes);
    free(vhost->effects);
    free(vhost->ending);
    vhost_free_policies(vhost);
    free(vhost->name);
    free(vhost);
}

const char *vhost_name(const struct vhost *vhost)
{
    return vhost->name;
}

void vhost_set_default_queue_type(struct vhost *vhost, enum queue_type type)
{
    vhost->config.default_queue_type = type;
}

void vhost_set_access(struct vhost *vhost, const struct access *access)
{
    vhost->access = access;
    vhost->access_generation++;
}

void vhost_set_limits(struct vhost *vhost, const struct vhost_limits *limits)
{
    vhost->limits = *limits;
}

void vhost_set_transient_bytes_max(struct vhost *vhost, size_t bytes)
{
    vhost->config.transient_bytes_max = bytes;
}

void vhost_set_tracing(struct vhost *vhost, bool is_tracing)
{
    vhost->is_tracing = is_tracing;
}

size_t vhost_store(struct vhost *vhost, struct store_operation operation)
{
    if (vhost->batch->count == 0)
        vhost->batch->time_ms = vhost->now_ms;
    vhost->insertions += operation.message != NULL || operation.kind == STORE_DEDUP_PUT;
    return store_batch_add(vhost->batch, operation);
}

/* What was consumed before it left is not written, but has its place in the batch: while the disk
 * does not answer, publishers with fast consumers would fill the memory with that. */
size_t vhost_unstored_bytes(const struct vhost *vhost)
{
    const struct store_batch *batch = vhost->batch;
    size_t holes = batch->count - batch->live;
    return vhost->in_flight_bytes + batch->bytes + holes * sizeof *batch->operations;
}

bool vhost_is_store_behind(const struct vhost *vhost)
{
    return vhost_unstored_bytes(vhost) > vhost->config.unstored_bytes_max;
}

bool vhost_is_store_busy(const struct vhost *vhost)
{
    return vhost_unstored_bytes(vhost) > vhost->config.unstored_bytes_max / own_share;
}

/* --- timers */

void timer_set(struct vhost *vhost, struct timer *timer, uint64_t due_ms)
{
    heap_set(&vhost->timers, &timer->node, due_ms);
}

void timer_clear(struct vhost *vhost, struct timer *timer)
{
    heap_remove(&vhost->timers, &timer->node);
}

/* In slices, where very much is due at once; vhost_deadline says that there is more. */
static void fire_timers(struct vhost *vhost)
{
    for (int i = 0; i < timer_slice && vhost->leave_left > 0; i++) {
        struct heap_node *first = heap_first(&vhost->timers);
        if (first == NULL || first->key > vhost->now_ms)
            return;
        struct timer *timer = container_of(first, struct timer, node);
        heap_remove(&vhost->timers, first);
        timer->fire(vhost, timer);
        internal_publish_all(vhost);
    }
}

/* --- what follows every input */

static void dispatch_queues(struct vhost *vhost)
{
    struct list_node *node;
    while (vhost->dispatch_left > 0 && (node = list_pop_front(&vhost->dispatch)) != NULL)
        queue_dispatch(vhost, list_entry(node, struct queue, dispatch_node));
}

static void resume_sessions(struct vhost *vhost)
{
    struct list_node *node;
    while ((node = list_pop_front(&vhost->resuming)) != NULL)
        session_resume(list_entry(node, struct session, resume_node));
}

static void flush_confirms(struct vhost *vhost)
{
    struct list_node *node;
    while ((node = list_pop_front(&vhost->settling)) != NULL)
        confirm_flush(list_entry(node, struct channel, settling_node));
}

static void resume_committed(struct vhost *vhost)
{
    struct list_node *node;
    while ((node = list_front(&vhost->commit_waits)) != NULL) {
        struct channel *channel = list_entry(node, struct channel, wait_node);
        if (channel->wait_batch > vhost->committed)
            return;
        channel_resume(channel);
    }
}

static void resume_paused(struct vhost *vhost)
{
    if (vhost_unstored_bytes(vhost) > vhost->config.unstored_bytes_max / 2)
        return;
    while (!list_is_empty(&vhost->paused))
        session_unpause(list_entry(list_front(&vhost->paused), struct session, paused_node),
                        PAUSE_STORE);
}

static void resume_marked(struct vhost *vhost)
{
    struct list marked;
    struct list_node *node;
    list_init(&marked);
    list_splice_back(&marked, &vhost->mark_waits);
    while ((node = list_pop_front(&marked)) != NULL)
        queue_resume(vhost, list_entry(node, struct queue, mark_node));
}

static void on_committed(struct vhost *vhost)
{
    confirm_committed(vhost);
    resume_committed(vhost);
    resume_marked(vhost);
    resume_paused(vhost);
}

/* A slice of each is enough. */
static void resume_list(struct vhost *vhost, struct list *waits)
{
    struct list waiting;
    struct list_node *node;
    list_init(&waiting);
    list_splice_back(&waiting, waits);
    while (vhost->settle_left > 0 && (node = list_front(&waiting)) != NULL)
        channel_resume(list_entry(node, struct channel, wait_node));
    list_splice_back(&waiting, waits); /* those that are left are the next */
    list_splice_back(waits, &waiting);
}

/* What is too much for one input goes on. */
static void settle_slices(struct vhost *vhost)
{
    vhost->settle_left = vhost->config.settle_slice;
    departed_go_on(vhost);
    resume_list(vhost, &vhost->slice_waits);
    if (!vhost_is_store_busy(vhost))
        resume_list(vhost, &vhost->slow_waits);
}

/* A batch that came to nothing (all its insertions were acked) has nothing to wait for. */
static bool settle_empty_batch(struct vhost *vhost)
{
    if (vhost->batch->live > 0 || vhost->batch->count == 0 || vhost->in_flight_count > 0)
        return false;
    uint64_t number = vhost->batch->number;
    store_batch_free(vhost->batch);
    vhost->batch = store_batch_new(number + 1);
    confirm_batch_left(vhost);
    vhost->committed = number;
    on_committed(vhost);
    return true;
}

/* A deep queue with very many consumers is handed out in slices, so that nobody else waits for all
 * of it; vhost_deadline says that there is more. */
static void finish_input(struct vhost *vhost)
{
    vhost->dispatch_left = dispatch_slice;
    vhost_follow_policies(vhost);
    fire_timers(vhost);
    settle_slices(vhost);
    do {
        resume_sessions(vhost);
        dispatch_queues(vhost);
        internal_publish_all(vhost);
        flush_confirms(vhost);
        vhost_read_lanes(vhost);
    } while (settle_empty_batch(vhost) || !list_is_empty(&vhost->resuming) ||
             (vhost->dispatch_left > 0 && !list_is_empty(&vhost->dispatch)));
    vhost->leave_left = leave_slice;
    vhost->settle_left = vhost->config.settle_slice;
    vhost_give_memory_back(vhost);
    free_remains(vhost, free_slice);
    queue_values_free_some(vhost, free_slice);
}

/* --- inputs */

void vhost_apply(struct vhost *vhost, struct command_batch *batch, uint64_t now_ms)
{
    vhost->now_ms = now_ms;
    for (size_t i = 0; i < batch->count; i++) {
        session_apply(vhost, &batch->commands[i]);
        internal_publish_all(vhost);
    }
    batch->count = 0;
    finish_input(vhost);
}

void vhost_complete(struct vhost *vhost, uint64_t batch_number, uint64_t now_ms)
{
    vhost->now_ms = now_ms;
    CHECK(batch_number > vhost->committed && batch_number <= vhost_submitted(vhost));
    vhost->committed = batch_number;
    size_t done = 0;
    while (done < vhost->in_flight_count && vhost->in_flight[done].number <= batch_number)
        vhost->in_flight_bytes -= vhost->in_flight[done++].bytes;
    vhost->in_flight_count -= done;
    memmove(vhost->in_flight, vhost->in_flight + done,
            vhost->in_flight_count * sizeof *vhost->in_flight);
    on_committed(vhost);
    finish_input(vhost);
}

static void queue_has_read(struct vhost *vhost, struct lane *lane)
{
    queue_fetched(vhost, lane);
    internal_publish_all(vhost); /* before the queue goes, where it only waited for this */
    queue_arm_expiry(vhost, lane);
    queue_resume(vhost, lane->queue);
}

void vhost_read_done(struct vhost *vhost, struct store_read_result *result, uint64_t now_ms)
{
    vhost->now_ms = now_ms;
    struct lane *lane = lane_find(vhost, result->read.lane);
    vhost->reading_count -= result->read.kind == STORE_READ_LANE && !result->read.is_probe;
    if (result->read.kind == STORE_READ_DELAYS) {
        exchange_read_done(vhost, result);
    } else if (lane != NULL) {
        vhost->counters.disk_reads += result->count;
        lane->queue->counters.disk_reads += result->count;
        uint64_t before = lane->memory_bytes;
        CHECK(lane_read_done(lane, result));
        lane_count_read(vhost, lane, lane->memory_bytes - before);
        lane_touch(vhost, lane);
        if (lane_is_parked(lane))
            parked_letters_retry(vhost, lane->queue);
        else
            queue_has_read(vhost, lane);
    }
    finish_input(vhost);
}

void vhost_obey_policies(struct vhost *vhost, uint64_t now_ms)
{
    vhost->now_ms = now_ms;
    finish_input(vhost);
}

void vhost_publish(struct vhost *vhost, struct message **messages, size_t count, uint64_t now_ms)
{
    vhost->now_ms = now_ms;
    for (size_t i = 0; i < count; i++)
        internal_publish(vhost, messages[i]);
    finish_input(vhost);
}

void vhost_set_alarms(struct vhost *vhost, unsigned alarms, uint64_t now_ms)
{
    vhost->now_ms = now_ms;
    vhost_follow_alarms(vhost, alarms);
    finish_input(vhost);
}

/* After a clean stop exactly what was delivered carries redelivered, so the marks, which run ahead
 * of the deliveries, are taken back to them. */
static void mark_exactly(struct vhost *vhost)
{
    struct hash_node *node = NULL;
    while ((node = hash_table_next(&vhost->lanes, node)) != NULL) {
        struct lane *lane = container_of(node, struct lane, by_id);
        if (lane->marked_below == lane->delivered_below || lane->id >= STORE_SPILL_LANES)
            continue;
        lane->marked_below = lane->delivered_below;
        vhost_store(vhost, (struct store_operation){.kind = STORE_DELIVERED,
                                                    .lane = lane->id,
                                                    .position = lane->delivered_below});
    }
}

void vhost_end_sessions(struct vhost *vhost, const char *user, const struct amqp_error *reason,
                        uint64_t now_ms)
{
    vhost->now_ms = now_ms;
    if (user == NULL && vhost->ending == NULL)
        vhost->ending = xmemdup(reason, sizeof *reason);
    list_for_each(&vhost->sessions, node)
    {
        struct session *session = list_entry(node, struct session, vhost_node);
        if (user == NULL || strcmp(session->user, user) == 0)
            session_fail(session, reason);
    }
    finish_input(vhost);
}

void vhost_end_chosen(struct vhost *vhost, struct session_choice *choice,
                      const struct amqp_error *reason, uint64_t now_ms)
{
    vhost->now_ms = now_ms;
    list_for_each(&vhost->sessions, node)
    {
        struct session *session = list_entry(node, struct session, vhost_node);
        bool is_named = choice->name.data == NULL || bytes_equal_text(choice->name, session->name);
        if (!is_named || session->config.is_uncounted || session->state != SESSION_OPEN)
            continue;
        bool is_theirs = choice->user == NULL || strcmp(session->user, choice->user) == 0;
        choice->ended += is_theirs;
        choice->refused += !is_theirs;
        if (is_theirs)
            session_fail(session, reason);
    }
    finish_input(vhost);
}

void vhost_stop(struct vhost *vhost, const struct amqp_error *reason, uint64_t now_ms)
{
    vhost_end_sessions(vhost, NULL, reason, now_ms);
    mark_exactly(vhost);
}

/* --- what leaves */

struct effect_chain vhost_take_effects(struct vhost *vhost, size_t reactor)
{
    CHECK(reactor < vhost->config.reactor_count);
    struct effect_chain chain = vhost->effects[reactor];
    vhost->effects[reactor] = (struct effect_chain){0};
    return chain;
}

bool vhost_has_batch(const struct vhost *vhost)
{
    return vhost->batch->live > 0;
}

bool vhost_batch_shrinks(const struct vhost *vhost)
{
    const struct store_batch *batch = vhost->batch;
    return batch->live > 0 && (batch->count - batch->live) * 4 >= batch->count;
}

struct store_batch *vhost_take_batch(struct vhost *vhost)
{
    struct store_batch *batch = vhost->batch;
    if (batch->live == 0)
        return NULL;
    vhost->in_flight = xgrow(vhost->in_flight, &vhost->in_flight_capacity,
                             vhost->in_flight_count + 1, sizeof *vhost->in_flight);
    vhost->in_flight[vhost->in_flight_count].number = batch->number;
    vhost->in_flight[vhost->in_flight_count++].bytes = batch->bytes;
    vhost->in_flight_bytes += batch->bytes;
    vhost->batch = store_batch_new(batch->number + 1);
    confirm_batch_left(vhost);
    return batch;
}

uint64_t vhost_ask_read(struct vhost *vhost, struct store_read read)
{
    read.token = ++vhost->read_tokens;
    vhost->reads =
        xgrow(vhost->reads, &vhost->read_capacity, vhost->read_count + 1, sizeof *vhost->reads);
    vhost->reads[vhost->read_count++] = read;
    return read.token;
}

size_t vhost_take_reads(struct vhost *vhost, struct store_read **reads)
{
    size_t count = vhost->read_count;
    *reads = vhost->reads;
    vhost->reads = NULL;
    vhost->read_count = vhost->read_capacity = 0;
    return count;
}

static bool has_slices(const struct vhost *vhost)
{
    return !list_is_empty(&vhost->departed) || !list_is_empty(&vhost->slice_waits) ||
           (!list_is_empty(&vhost->slow_waits) && !vhost_is_store_busy(vhost));
}

uint64_t vhost_deadline(const struct vhost *vhost)
{
    const struct heap_node *timer = heap_first(&vhost->timers);
    if (vhost->remains != NULL || vhost->former_values != NULL ||
        !list_is_empty(&vhost->dispatch) || vhost->is_policing || has_slices(vhost))
        return 0;
    uint64_t due_ms =
        vhost->evict_due_ms < vhost->turn_due_ms ? vhost->evict_due_ms : vhost->turn_due_ms;
    return timer != NULL && timer->key < due_ms ? timer->key : due_ms;
}
