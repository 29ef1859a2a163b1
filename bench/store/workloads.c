/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bench-store does to a layout. Two threads stand in for the broker: the writer makes batches
 * (new messages, and acks of what the consumer has read), the reader is the consumer and its
 * page-in at once: it visits the lanes in turn and reads the next stretch of each through a
 * connection of its own. Every message is read from the file before it is acked, and at most
 * RING_MESSAGES are read and not acked, as prefetch would bound it.
 *
 * Lanes are chosen at random for each message: with 10,000 lanes, the worst neighbourhood a layout
 * in the order of arrival can get.
 */
#include "store.h"

#include <stdlib.h>
#include <string.h>

enum { RING_MESSAGES = 8192, RING_SLOTS = RING_MESSAGES, ACK_MESSAGES_MAX = 4096 };

struct stretch {
    uint32_t lane, count;
    uint64_t first;
};

struct consumer {
    struct store *store;
    struct reader reader;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct stretch ring[RING_SLOTS];
    size_t ring_head, ring_used;
    uint64_t ring_messages, target;
    bool stop;
    uint32_t first_lane; /* the lanes below are not consumed */
    bool random_reads;   /* measure page-in only: read anywhere, hand nothing to the writer */
    struct samples latencies;
    struct ref *refs; /* owned; the page-in under way */
};

struct generator {
    uint64_t random;
    uint8_t *body; /* owned */
    uint32_t body_bytes;
    uint32_t straggle; /* one message in so many goes to lane 0, which nobody consumes; 0 is none */
};

static void generator_init(struct generator *generator, uint32_t body_bytes)
{
    generator->random = 1;
    generator->straggle = 0;
    generator->body_bytes = body_bytes;
    generator->body = malloc(body_bytes + 8);
    if (!generator->body)
        die("out of memory");
    for (uint32_t i = 0; i < body_bytes; i++)
        generator->body[i] = (uint8_t)random_next(&generator->random);
}

/* --- the writer's side */

static uint32_t batch_limit(const struct store *store, uint32_t body_bytes)
{
    uint32_t by_bytes = store->options->batch_bytes / (body_bytes + 40);
    uint32_t limit =
        by_bytes < store->options->batch_messages ? by_bytes : store->options->batch_messages;
    return limit ? limit : 1;
}

static uint32_t choose_lane(const struct store *store, struct generator *generator)
{
    uint64_t random = random_next(&generator->random);
    if (generator->straggle == 0)
        return (uint32_t)(random % store->lane_count);
    return random % generator->straggle == 0
               ? 0
               : 1 + (uint32_t)((random >> 32) % (store->lane_count - 1));
}

static void insert_messages(struct store *store, struct generator *generator, uint32_t count,
                            uint32_t *touched)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = choose_lane(store, generator);
        struct lane *lane = &store->lanes[id];
        memcpy(generator->body, &generator->random, 8);
        struct message message = {.lane = id,
                                  .body_bytes = generator->body_bytes,
                                  .position = lane->tail,
                                  .time_ms = UINT64_C(1700000000000) + lane->tail,
                                  .body = generator->body};
        message.checksum = message_checksum(&message);
        if (lane->tail >= lane->ref_capacity) {
            pthread_mutex_lock(&store->lock);
            lane->refs =
                grow(lane->refs, &lane->ref_capacity, (size_t)lane->tail + 1, sizeof(struct ref));
            pthread_mutex_unlock(&store->lock);
        }
        store->layout->insert(store, &message, &lane->refs[lane->tail]);
        lane->tail++;
        touched[i] = id;
    }
}

static void publish_committed(struct store *store, const uint32_t *touched, uint32_t count)
{
    pthread_mutex_lock(&store->lock);
    for (uint32_t i = 0; i < count; i++)
        store->lanes[touched[i]].committed++;
    store->stored += count;
    pthread_cond_signal(&store->committed);
    pthread_mutex_unlock(&store->lock);
}

/* Takes what the consumer has read, up to a bound: the acks that gathered during the last commit.
 */
static uint64_t apply_acks(struct store *store, struct consumer *consumer, uint64_t most)
{
    uint64_t acked = 0;
    struct stretch taken[ACK_MESSAGES_MAX];
    size_t used = 0;
    pthread_mutex_lock(&consumer->lock);
    while (consumer->ring_used > 0 && acked < most && acked < ACK_MESSAGES_MAX) {
        taken[used] = consumer->ring[consumer->ring_head];
        acked += taken[used++].count;
        consumer->ring_head = (consumer->ring_head + 1) % RING_SLOTS;
        consumer->ring_used--;
    }
    consumer->ring_messages -= acked;
    pthread_cond_signal(&consumer->changed);
    pthread_mutex_unlock(&consumer->lock);
    for (size_t i = 0; i < used; i++) {
        store->lanes[taken[i].lane].head = taken[i].first + taken[i].count;
        store->layout->ack(store, taken[i].lane, taken[i].first, taken[i].count);
    }
    return acked;
}

static void seal_and_commit(struct store *store)
{
    if (store->layout->seal)
        store->layout->seal(store);
    store_commit(store);
}

/* Larger slices once the debt is four times what it may be at leisure: so it is bounded. */
static uint64_t reclaim_slice(const struct store *store)
{
    uint64_t rows = store->options->reclaim_rows;
    return store->debt > 4 * (uint64_t)store->options->reclaim_from ? 4 * rows : rows;
}

/* One batch: inserts, acks if there is a consumer, and a slice of reclaim. */
static uint64_t run_batch(struct store *store, struct generator *generator, uint32_t inserts,
                          struct consumer *consumer, uint64_t acks_max)
{
    uint32_t *touched = malloc((inserts + 1) * sizeof(uint32_t));
    if (!touched)
        die("out of memory");
    store_begin(store);
    uint64_t start = thread_cpu_ns();
    insert_messages(store, generator, inserts, touched);
    store->insert_ns += thread_cpu_ns() - start;
    store->inserted += inserts;
    uint64_t acked = consumer ? apply_acks(store, consumer, acks_max) : 0;
    if (store->layout->reclaim && store->debt > 0)
        store->layout->reclaim(store, reclaim_slice(store), store->options->reclaim_from);
    seal_and_commit(store);
    if (store->layout->committed)
        store->layout->committed(store);
    publish_committed(store, touched, inserts);
    store->stored -= acked;
    free(touched);
    return acked;
}

static void preload(struct store *store, struct generator *generator, uint64_t count)
{
    uint32_t limit = batch_limit(store, generator->body_bytes);
    for (uint64_t done = 0; done < count; done += limit)
        run_batch(store, generator, count - done < limit ? (uint32_t)(count - done) : limit, NULL,
                  0);
}

/* --- the consumer's side */

static bool next_stretch(struct consumer *consumer, uint32_t *cursor, struct stretch *stretch)
{
    struct store *store = consumer->store;
    uint32_t most = store->options->page_in_messages;
    uint32_t lanes = store->lane_count - consumer->first_lane;
    for (uint32_t i = 0; i < lanes; i++) {
        uint32_t id = consumer->first_lane + (*cursor + i) % lanes;
        struct lane *lane = &store->lanes[id];
        uint64_t ready = lane->committed - lane->read;
        if (ready == 0)
            continue;
        *stretch = (struct stretch){id, (uint32_t)(ready < most ? ready : most), lane->read};
        lane->read += stretch->count;
        *cursor = id - consumer->first_lane + 1;
        return true;
    }
    return false;
}

static bool random_stretch(struct consumer *consumer, uint64_t *random, struct stretch *stretch)
{
    struct store *store = consumer->store;
    uint32_t id = (uint32_t)(random_next(random) % store->lane_count);
    struct lane *lane = &store->lanes[id];
    uint64_t count = store->options->page_in_messages;
    if (count > lane->committed)
        count = lane->committed;
    if (count == 0)
        return false;
    *stretch =
        (struct stretch){id, (uint32_t)count, random_next(random) % (lane->committed - count + 1)};
    return true;
}

static void hand_over(struct consumer *consumer, const struct stretch *stretch)
{
    pthread_mutex_lock(&consumer->lock);
    while (consumer->ring_messages + stretch->count > RING_MESSAGES && !consumer->stop)
        pthread_cond_wait(&consumer->changed, &consumer->lock);
    for (uint32_t done = 0; done < stretch->count && consumer->ring_used < RING_SLOTS;) {
        uint32_t part = stretch->count - done < 64 ? stretch->count - done : 64;
        size_t slot = (consumer->ring_head + consumer->ring_used++) % RING_SLOTS;
        consumer->ring[slot] = (struct stretch){stretch->lane, part, stretch->first + done};
        consumer->ring_messages += part;
        done += part;
    }
    pthread_cond_signal(&consumer->changed);
    pthread_mutex_unlock(&consumer->lock);
}

static void *consumer_main(void *argument)
{
    struct consumer *consumer = argument;
    struct store *store = consumer->store;
    struct stretch stretch = {0, 0, 0};
    uint32_t cursor = 0;
    uint64_t random = 7;
    for (;;) {
        pthread_mutex_lock(&store->lock);
        while (!consumer->stop &&
               !(consumer->random_reads ? random_stretch(consumer, &random, &stretch)
                                        : next_stretch(consumer, &cursor, &stretch)))
            if (!consumer->random_reads)
                pthread_cond_wait(&store->committed, &store->lock);
        pthread_mutex_unlock(&store->lock);
        if (consumer->stop)
            return NULL;
        uint64_t start = now_ns();
        reader_page_in(&consumer->reader, stretch.lane, stretch.first, consumer->refs,
                       stretch.count);
        samples_add(&consumer->latencies, now_ns() - start);
        if (!consumer->random_reads)
            hand_over(consumer, &stretch);
    }
}

static void consumer_start(struct consumer *consumer, struct store *store, uint32_t first_lane,
                           bool random_reads)
{
    memset(consumer, 0, sizeof(*consumer));
    consumer->store = store;
    consumer->first_lane = first_lane;
    consumer->random_reads = random_reads;
    pthread_mutex_init(&consumer->lock, NULL);
    pthread_cond_init(&consumer->changed, NULL);
    consumer->refs = calloc(store->options->page_in_messages, sizeof(struct ref));
    reader_open(&consumer->reader, store);
    if (!consumer->refs || pthread_create(&consumer->thread, NULL, consumer_main, consumer) != 0)
        die("cannot start a thread");
}

static void consumer_stop(struct consumer *consumer)
{
    pthread_mutex_lock(&consumer->store->lock);
    pthread_mutex_lock(&consumer->lock);
    consumer->stop = true;
    pthread_cond_broadcast(&consumer->changed);
    pthread_cond_broadcast(&consumer->store->committed);
    pthread_mutex_unlock(&consumer->lock);
    pthread_mutex_unlock(&consumer->store->lock);
    pthread_join(consumer->thread, NULL);
    reader_close(&consumer->reader);
    free(consumer->refs);
}

/* The writer has nothing to do without acks: it sleeps until the consumer has read something. */
static void await_acks(struct consumer *consumer)
{
    pthread_mutex_lock(&consumer->lock);
    while (consumer->ring_used == 0)
        pthread_cond_wait(&consumer->changed, &consumer->lock);
    pthread_mutex_unlock(&consumer->lock);
}

/* --- measuring */

struct clock {
    uint64_t wall_ns, processor_ns, finishes;
};

static struct clock clock_start(struct store *store)
{
    store->commits.used = 0;
    store->wal_pages_max = 0;
    store->insert_ns = store->inserted = 0;
    return (struct clock){now_ns(), cpu_ns(), store->finishes};
}

static void take_figures(struct store *store, const struct clock *clock, uint64_t messages,
                         struct figures *figures)
{
    double seconds = (double)(now_ns() - clock->wall_ns) / 1e9;
    figures->layout = store->layout->name;
    figures->lanes = store->lane_count;
    figures->seconds = seconds;
    figures->per_second = (double)messages / seconds;
    figures->cpu_us = (double)(cpu_ns() - clock->processor_ns) / 1e3 / (double)messages;
    figures->commit_ms_p50 = (double)samples_quantile(&store->commits, 0.5) / 1e6;
    figures->commit_ms_p99 = (double)samples_quantile(&store->commits, 0.99) / 1e6;
    figures->commit_ms_max = (double)samples_quantile(&store->commits, 1) / 1e6;
    if (store->inserted > 0)
        figures->insert_us = (double)store->insert_ns / 1e3 / (double)store->inserted;
    figures->debt = store->debt;
    figures->wal_mib = (double)store_wal_bytes(store) / 1048576;
    figures->finishes = store->finishes - clock->finishes;
}

static void take_page_in(struct consumer *consumer, double seconds, struct figures *figures)
{
    figures->page_in_per_second = (double)consumer->reader.messages / seconds;
    figures->page_in_us_p50 = (double)samples_quantile(&consumer->latencies, 0.5) / 1e3;
    figures->page_in_us_p99 = (double)samples_quantile(&consumer->latencies, 0.99) / 1e3;
    figures->page_in_us_max = (double)samples_quantile(&consumer->latencies, 1) / 1e3;
    free(consumer->latencies.values);
}

/* What is left when the traffic has stopped; a packed segment with a live message stays. */
static void pay_debt(struct store *store, struct figures *figures)
{
    uint64_t start = now_ns(), before;
    do {
        before = store->debt;
        if (before == 0 || !store->layout->reclaim)
            break;
        store_begin(store);
        store->layout->reclaim(store, 4096, 0);
        seal_and_commit(store);
        if (store->layout->committed)
            store->layout->committed(store);
    } while (store->debt < before);
    figures->zero_seconds = (double)(now_ns() - start) / 1e9;
    store_begin(store);
    store_commit(store);
    sqlite3_wal_checkpoint_v2(store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    figures->file_mib = (double)store_file_bytes(store) / 1048576;
}

static bool is_late(const struct clock *clock, double seconds)
{
    return (double)(now_ns() - clock->wall_ns) / 1e9 > seconds;
}

static uint64_t fill(struct store *store, struct generator *generator, const struct scale *scale,
                     struct figures *figures)
{
    uint32_t limit = batch_limit(store, generator->body_bytes);
    uint64_t done = 0;
    struct clock clock = clock_start(store);
    for (; done < scale->fill_messages && !is_late(&clock, scale->phase_seconds_max); done += limit)
        run_batch(store, generator, limit, NULL, 0);
    take_figures(store, &clock, done, figures);
    figures->workload = "fill";
    figures->body_bytes = generator->body_bytes;
    figures->file_mib = (double)store_file_bytes(store) / 1048576;
    return done;
}

static void drain(struct store *store, struct generator *generator, uint64_t count,
                  const struct scale *scale, struct figures *figures)
{
    struct consumer *consumer = malloc(sizeof(*consumer));
    if (!consumer)
        die("out of memory");
    uint64_t acked = 0;
    struct clock clock = clock_start(store);
    consumer_start(consumer, store, 0, false);
    while (acked < count && !is_late(&clock, scale->phase_seconds_max)) {
        await_acks(consumer);
        acked += run_batch(store, generator, 0, consumer, UINT64_MAX);
    }
    take_figures(store, &clock, acked, figures);
    consumer_stop(consumer);
    take_page_in(consumer, figures->seconds, figures);
    figures->workload = "drain";
    figures->body_bytes = generator->body_bytes;
    pay_debt(store, figures);
    free(consumer);
}

void workload_fill_drain(const struct options *options, const struct layout *layout, uint32_t lanes,
                         uint32_t body_bytes, const struct scale *scale,
                         struct figures *fill_figures, struct figures *drain_figures)
{
    struct store store;
    struct generator generator;
    generator_init(&generator, body_bytes);
    store_open(&store, options, layout, lanes);
    uint64_t count = fill(&store, &generator, scale, fill_figures);
    drain(&store, &generator, count, scale, drain_figures);
    store_close(&store);
    free(generator.body);
}

void workload_steady(const struct options *options, const struct layout *layout, uint32_t lanes,
                     uint32_t body_bytes, const struct scale *scale, struct figures *figures)
{
    struct store store;
    struct generator generator;
    struct consumer *consumer = malloc(sizeof(*consumer));
    if (!consumer)
        die("out of memory");
    generator_init(&generator, body_bytes);
    store_open(&store, options, layout, lanes);
    preload(&store, &generator, scale->backlog_messages);
    uint32_t limit = batch_limit(&store, body_bytes);
    uint64_t acked = 0;
    struct clock clock = clock_start(&store);
    consumer_start(consumer, &store, 0, false);
    while (!is_late(&clock, scale->steady_seconds)) {
        bool full = store.stored >= scale->backlog_messages + 4 * (uint64_t)limit;
        if (full)
            await_acks(consumer);
        uint32_t inserts = full ? 0 : limit;
        uint64_t have = store.stored + inserts;
        uint64_t acks_max = have > scale->backlog_messages ? have - scale->backlog_messages : 0;
        acked += run_batch(&store, &generator, inserts, consumer, acks_max);
    }
    take_figures(&store, &clock, acked, figures);
    consumer_stop(consumer);
    take_page_in(consumer, figures->seconds, figures);
    figures->workload = "steady";
    figures->body_bytes = body_bytes;
    pay_debt(&store, figures);
    store_close(&store);
    free(consumer);
    free(generator.body);
}

void workload_page_in(const struct options *options, const struct layout *layout, uint32_t lanes,
                      uint32_t body_bytes, const struct scale *scale, struct figures *figures)
{
    struct store store;
    struct generator generator;
    struct consumer *consumer = malloc(sizeof(*consumer));
    if (!consumer)
        die("out of memory");
    generator_init(&generator, body_bytes);
    store_open(&store, options, layout, lanes);
    preload(&store, &generator, 4 * scale->backlog_messages);
    uint32_t limit = batch_limit(&store, body_bytes);
    uint64_t written = 0;
    struct clock clock = clock_start(&store);
    consumer_start(consumer, &store, 0, true);
    for (; !is_late(&clock, scale->page_in_seconds); written += limit)
        run_batch(&store, &generator, limit, NULL, 0);
    take_figures(&store, &clock, written, figures);
    consumer_stop(consumer);
    take_page_in(consumer, figures->seconds, figures);
    figures->workload = "page-in";
    figures->body_bytes = body_bytes;
    figures->file_mib = (double)store_file_bytes(&store) / 1048576;
    store_close(&store);
    free(consumer);
    free(generator.body);
}

/* A flow that is consumed at once, in which one message of a hundred goes to a lane that nobody
 * consumes. */
void workload_straggle(const struct options *options, const struct layout *layout, uint32_t lanes,
                       uint32_t body_bytes, const struct scale *scale, struct figures *figures)
{
    struct store store;
    struct generator generator;
    struct consumer *consumer = malloc(sizeof(*consumer));
    if (!consumer)
        die("out of memory");
    generator_init(&generator, body_bytes);
    generator.straggle = 100;
    store_open(&store, options, layout, lanes + 1);
    uint32_t limit = batch_limit(&store, body_bytes);
    uint64_t written = 0, backlog_max = 4 * (uint64_t)limit;
    struct clock clock = clock_start(&store);
    consumer_start(consumer, &store, 1, false);
    while (written < scale->fill_messages && !is_late(&clock, scale->phase_seconds_max)) {
        bool full = store.stored >= backlog_max + store.lanes[0].tail;
        if (full)
            await_acks(consumer);
        run_batch(&store, &generator, full ? 0 : limit, consumer, UINT64_MAX);
        written += full ? 0 : limit;
    }
    take_figures(&store, &clock, written, figures);
    consumer_stop(consumer);
    take_page_in(consumer, figures->seconds, figures);
    figures->workload = "straggle";
    figures->lanes = lanes;
    figures->body_bytes = body_bytes;
    pay_debt(&store, figures);
    store_close(&store);
    free(consumer);
    free(generator.body);
}
