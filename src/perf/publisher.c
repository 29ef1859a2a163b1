/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that publishes.
 *
 * Its message is encoded once and copied side by side until a batch is full. From then on
 * publishing a batch means to overwrite in each copy what changes (the sequence number, the time,
 * with several routing keys six digits of it) and to hand the whole to one send. Only when
 * the last byte of a batch is with the kernel are its copies written to again, so a short write
 * needs no bookkeeping but an offset.
 *
 * Confirms may come singly or cumulatively and in any order. A ring of flags over the delivery tags
 * from the lowest unconfirmed one tells which are settled, so that each message is counted once and
 * a tag that is confirmed twice or was never published is noticed.
 */
#include "perf/publisher.h"

#include "perf/fail.h"
#include "perf/topology.h"

#include <stdlib.h>
#include <string.h>

enum { BATCH_BYTES = 64 * 1024, RING_FACTOR = 16, TIMED_BATCHES_PER_S = 1000 };

static unsigned first_key(const struct publisher *publisher)
{
    return publisher->number % options_keys(publisher->run->options);
}

static void encode_images(struct publisher *publisher, const struct options *options)
{
    char exchange[TOPOLOGY_NAME_BYTES], key[TOPOLOGY_NAME_BYTES];
    struct frames frames = {0};
    bool has_header = options->exchange_type == EXCHANGE_HEADERS;
    topology_exchange_name(options, exchange);
    topology_routing_key(options, first_key(publisher), key);
    struct frames_message message = {.exchange = exchange,
                                     .routing_key = key,
                                     .header_name = has_header ? topology_header : NULL,
                                     .body_bytes = options->size_bytes,
                                     .frame_max = publisher->actor.peer.frame_max,
                                     .is_persistent = options->is_persistent};
    frames_put_message(&frames, &message, &publisher->offsets);
    publisher->digits_at =
        (has_header ? publisher->offsets.header_value : publisher->offsets.routing_key) +
        strlen(key) - TOPOLOGY_DIGITS;
    publisher->image_bytes = frames.bytes;
    publisher->image_count = frames.bytes < BATCH_BYTES ? BATCH_BYTES / frames.bytes : 1;
    publisher->images = fail_calloc(publisher->image_count, frames.bytes);
    for (size_t i = 0; i < publisher->image_count; i++)
        memcpy(publisher->images + i * frames.bytes, frames.data, frames.bytes);
    frames_fini(&frames);
}

static void select_confirms(struct publisher *publisher, unsigned window)
{
    struct frames request = {0};
    frames_begin_method(&request, PEER_CHANNEL, CONFIRM_SELECT);
    frames_put_u8(&request, 0);
    frames_end(&request);
    peer_call(&publisher->actor.peer, &request, CONFIRM_SELECT_OK);
    frames_fini(&request);
    uint64_t ring = 1;
    while (ring < (uint64_t)window * RING_FACTOR)
        ring *= 2;
    publisher->ring_mask = ring - 1;
    publisher->is_settled = fail_calloc(ring, 1);
    if (publisher->run->options->has_latency)
        publisher->sent_ns = fail_calloc(ring, sizeof *publisher->sent_ns);
}

static void note_confirm_latency(struct publisher *publisher, uint64_t tag)
{
    const struct run *run = publisher->run;
    uint64_t sent_ns = publisher->sent_ns[tag & publisher->ring_mask];
    if (atomic_load_explicit(&run->is_measuring, memory_order_relaxed) &&
        sent_ns >= run_get(&run->start_ns))
        histogram_add(&publisher->confirm_latency, publisher->now_ns - sent_ns);
}

static void settle(struct publisher *publisher, uint64_t tag)
{
    if (tag < publisher->lowest_unconfirmed || tag > publisher->submitted ||
        publisher->is_settled[tag & publisher->ring_mask])
        fail("delivery tag %llu was confirmed twice or never published", (unsigned long long)tag);
    publisher->is_settled[tag & publisher->ring_mask] = 1;
    publisher->confirmed++;
    if (publisher->sent_ns != NULL)
        note_confirm_latency(publisher, tag);
}

static void pass_settled(struct publisher *publisher)
{
    while (publisher->is_settled[publisher->lowest_unconfirmed & publisher->ring_mask]) {
        publisher->is_settled[publisher->lowest_unconfirmed & publisher->ring_mask] = 0;
        publisher->lowest_unconfirmed++;
    }
}

static void settle_up_to(struct publisher *publisher, uint64_t tag)
{
    if (tag > publisher->submitted)
        settle(publisher, tag);
    for (uint64_t at = publisher->lowest_unconfirmed; at <= tag; at++)
        if (!publisher->is_settled[at & publisher->ring_mask])
            settle(publisher, at);
}

/* Tag 0 with the multiple bit stands for everything so far. */
static void handle_confirm(struct publisher *publisher, const struct frame *frame, bool is_nack)
{
    if (publisher->is_settled == NULL || frame->payload_bytes < 13)
        fail("unexpected confirm");
    uint64_t tag = load_u64(frame->payload + 4);
    uint64_t before = publisher->confirmed;
    if (frame->payload[12] & 1)
        settle_up_to(publisher, tag == 0 ? publisher->submitted : tag);
    else
        settle(publisher, tag);
    pass_settled(publisher);
    if (is_nack)
        atomic_fetch_add(&publisher->run->nacked, publisher->confirmed - before);
}

void publisher_read_confirms(struct publisher *publisher)
{
    struct peer *peer = &publisher->actor.peer;
    struct run *run = publisher->run;
    uint64_t before = publisher->confirmed;
    peer_read(peer);
    publisher->now_ns = run_clock_ns();
    for (struct frame frame; peer_next(peer, &frame);) {
        uint32_t method = frame.type == FRAME_METHOD ? frame_method(&frame) : 0;
        if (method == BASIC_ACK || method == BASIC_NACK)
            handle_confirm(publisher, &frame, method == BASIC_NACK);
        else
            peer_handle_other(&frame);
    }
    if (publisher->confirmed == before)
        return;
    atomic_fetch_add(&run->confirmed, publisher->confirmed - before);
    run_progress(run, publisher->now_ns);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t confirm_allowance(const struct publisher *publisher, unsigned window)
{
    uint64_t unconfirmed = publisher->submitted - publisher->confirmed;
    uint64_t span = publisher->submitted + 1 - publisher->lowest_unconfirmed;
    if (unconfirmed >= window || span >= publisher->ring_mask)
        return 0;
    return least(window - unconfirmed, publisher->ring_mask - span);
}

static uint64_t in_flight_allowance(const struct run *run)
{
    uint64_t submitted = atomic_load(&run->submitted);
    if (submitted < run->filled)
        return run->filled - submitted;
    uint64_t ahead = (submitted - run->filled) * run->copies;
    uint64_t behind = atomic_load(&run->delivered);
    uint64_t max = run->options->in_flight_max;
    if (ahead < behind + max)
        return (behind + max - ahead) / run->copies;
    return 0;
}

/* What the rate allows by now; if nothing, the time at which it allows the next. */
static uint64_t rate_allowance(struct publisher *publisher, const struct options *options)
{
    double per_ns = (double)options->rate_per_s / options->publishers / 1e9;
    double elapsed_ns = (double)(run_clock_ns() - publisher->rate_start_ns);
    uint64_t due = publisher->rate_base + (uint64_t)(elapsed_ns * per_ns) + 1;
    if (due > publisher->submitted)
        return due - publisher->submitted;
    double step = (double)options->rate_per_s / options->publishers / TIMED_BATCHES_PER_S;
    double next = (double)(publisher->submitted - publisher->rate_base) + (step > 1 ? step : 0);
    publisher->actor.deadline_ns = publisher->rate_start_ns + (uint64_t)(next / per_ns) + 1;
    return 0;
}

static size_t allowance(struct publisher *publisher)
{
    const struct run *run = publisher->run;
    const struct options *options = run->options;
    uint64_t limit = atomic_load(&publisher->limit);
    if (publisher->submitted >= limit)
        return 0;
    uint64_t count = least(limit - publisher->submitted, publisher->image_count);
    if (options->confirm_window != 0)
        count = least(count, confirm_allowance(publisher, options->confirm_window));
    if (options->in_flight_max != 0)
        count = least(count, in_flight_allowance(run));
    if (count > 0 && options->rate_per_s != 0)
        count = least(count, rate_allowance(publisher, options));
    return (size_t)count;
}

static void write_digits(uint8_t *at, unsigned value)
{
    for (int i = TOPOLOGY_DIGITS - 1; i >= 0; i--, value /= 10)
        at[i] = (uint8_t)('0' + value % 10);
}

static void stamp(struct publisher *publisher, uint8_t *image, uint64_t now_ns)
{
    const struct options *options = publisher->run->options;
    uint64_t sequence = ++publisher->submitted;
    if (publisher->key_count > 1)
        write_digits(image + publisher->digits_at,
                     first_key(publisher) +
                         (unsigned)(sequence % publisher->key_count) * options->publishers);
    if (publisher->sent_ns != NULL)
        publisher->sent_ns[sequence & publisher->ring_mask] = now_ns;
    if (options->size_bytes >= RUN_SEQUENCE_BYTES)
        store_u64(image + publisher->offsets.body,
                  (uint64_t)publisher->number << RUN_SEQUENCE_BITS | sequence);
    if (options->size_bytes >= RUN_STAMP_BYTES)
        store_u64(image + publisher->offsets.body + RUN_SEQUENCE_BYTES, now_ns);
}

const uint8_t *publisher_stamp_one(struct publisher *publisher, uint64_t now_ns)
{
    stamp(publisher, publisher->images, now_ns);
    return publisher->images;
}

/* The sum of the first words of count messages that follow upon number first - 1. */
static uint64_t sum_of(const struct publisher *publisher, uint64_t first, uint64_t count)
{
    uint64_t word = (uint64_t)publisher->number << RUN_SEQUENCE_BITS | first;
    uint64_t steps = count % 2 == 0 ? count / 2 * (count - 1) : (count - 1) / 2 * count;
    return word * count + steps;
}

static void prepare_batch(struct publisher *publisher, size_t count)
{
    struct run *run = publisher->run;
    uint64_t now_ns = run_clock_ns();
    uint8_t *image = publisher->images;
    uint64_t first = publisher->submitted + 1;
    for (size_t i = 0; i < count; i++, image += publisher->image_bytes)
        stamp(publisher, image, now_ns);
    publisher->batch_bytes = count * publisher->image_bytes;
    publisher->batch_sent_bytes = 0;
    publisher->batch_counted = 0;
    atomic_fetch_add(&run->submitted, count);
    atomic_fetch_add(&run->published_sum, sum_of(publisher, first, count));
}

static void write_batch(struct publisher *publisher)
{
    struct run *run = publisher->run;
    publisher->batch_sent_bytes +=
        peer_write(&publisher->actor.peer, publisher->images + publisher->batch_sent_bytes,
                   publisher->batch_bytes - publisher->batch_sent_bytes);
    uint64_t whole = publisher->batch_sent_bytes / publisher->image_bytes;
    atomic_fetch_add(&run->published, whole - publisher->batch_counted);
    publisher->batch_counted = whole;
    run_progress(run, run_clock_ns());
}

/* With a full window a confirm is next, which the socket tells. */
static enum turn idle_turn(const struct publisher *publisher)
{
    unsigned window = publisher->run->options->confirm_window;
    if (publisher->actor.peer.is_readable)
        return TURN_AGAIN;
    return window != 0 && confirm_allowance(publisher, window) == 0 ? TURN_SOCKET : TURN_WAIT;
}

static enum turn take_turn(struct actor *actor)
{
    struct publisher *publisher = (struct publisher *)actor;
    if (actor->peer.is_readable)
        publisher_read_confirms(publisher);
    if (publisher->batch_sent_bytes == publisher->batch_bytes) {
        size_t count = allowance(publisher);
        if (count == 0)
            return idle_turn(publisher);
        prepare_batch(publisher, count);
    }
    if (actor->peer.is_writable)
        write_batch(publisher);
    return actor->peer.is_writable || actor->peer.is_readable ? TURN_AGAIN : TURN_SOCKET;
}

void publisher_set_limit(struct publisher *publisher, uint64_t limit)
{
    atomic_store(&publisher->limit, limit);
    worker_wake(publisher->actor.worker);
}

void publisher_init(struct publisher *publisher, struct run *run, unsigned number)
{
    const struct options *options = run->options;
    const unsigned keys = options_keys(options);
    *publisher =
        (struct publisher){.number = number,
                           .key_count = (keys - number % keys - 1) / options->publishers + 1,
                           .run = run,
                           .lowest_unconfirmed = 1};
    publisher->actor.take_turn = take_turn;
    if (options->exchange_type == EXCHANGE_FANOUT)
        publisher->key_count = 1;
    peer_open(&publisher->actor.peer, options);
    encode_images(publisher, options);
    if (options->confirm_window != 0)
        select_confirms(publisher, options->confirm_window);
}

void publisher_fini(struct publisher *publisher)
{
    if (publisher->batch_sent_bytes < publisher->batch_bytes)
        peer_abandon(&publisher->actor.peer); /* The broker would take a goodbye for the rest. */
    else
        peer_close(&publisher->actor.peer);
    free(publisher->images);
    free(publisher->is_settled);
    free(publisher->sent_ns);
}
