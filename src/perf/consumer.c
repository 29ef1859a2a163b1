/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection that consumes, and checks what it gets.
 *
 * Frames are evaluated where they were read; of a body only the first 16 bytes are looked at. The
 * clock is read once per read of the socket: all that one read brought was delivered at that time.
 *
 * What is checked: delivery tags count up by one; the numbers of one publisher in one queue rise
 * unless the message says that it was delivered before; and, over all consumers together, count and
 * sum of the messages' first words equal those of the publishers, which neither loss nor doubling
 * nor both leave so.
 *
 * Acks cover EVERY messages each and follow from two numbers (delivered, acked), so nothing is
 * remembered when a socket is full or when --standing holds them back until as many were published.
 */
#include "perf/consumer.h"

#include "perf/fail.h"
#include "perf/topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ACKS_BYTES_MAX = 64 * 1024, DRAIN_SOURCES = 1024, NO_ACK = 2 };

static void set_prefetch(struct consumer *consumer, unsigned prefetch)
{
    struct frames request = {0};
    frames_begin_method(&request, PEER_CHANNEL, BASIC_QOS);
    frames_put_u32(&request, 0);
    frames_put_u16(&request, (uint16_t)prefetch);
    frames_put_u8(&request, 0);
    frames_end(&request);
    peer_call(&consumer->actor.peer, &request, BASIC_QOS_OK);
    frames_fini(&request);
}

static void finish_message(struct consumer *consumer)
{
    consumer->delivered++;
    consumer->redelivered += consumer->delivery.is_redelivered;
    if (consumer->head_bytes < RUN_SEQUENCE_BYTES)
        return;
    uint64_t word = load_u64(consumer->head);
    uint64_t source = word >> RUN_SEQUENCE_BITS;
    consumer->sum += word;
    if (source < consumer->source_count) {
        uint64_t *last = &consumer->last_sequence[consumer->slot * consumer->source_count + source];
        uint64_t sequence = word & ((UINT64_C(1) << RUN_SEQUENCE_BITS) - 1);
        if (sequence <= *last)
            consumer->disordered += !consumer->delivery.is_redelivered;
        else
            *last = sequence;
    }
    if (consumer->is_measuring && consumer->head_bytes >= RUN_STAMP_BYTES) {
        uint64_t sent_ns = load_u64(consumer->head + RUN_SEQUENCE_BYTES);
        if (sent_ns >= consumer->start_ns)
            histogram_add(&consumer->latency, consumer->now_ns - sent_ns);
    }
}

/* A consumer's tag is the index of the queue among its queues. */
static unsigned slot_of(const struct consumer *consumer)
{
    unsigned slot = 0;
    for (unsigned i = 0; i < consumer->delivery.consumer_tag_bytes; i++)
        slot = slot * 10 + (unsigned)(consumer->delivery.consumer_tag[i] - '0');
    if (slot >= consumer->queue_count)
        fail("a delivery for a consumer that does not exist");
    return slot;
}

static void handle_deliver(struct consumer *consumer, const struct frame *frame)
{
    uint64_t expected = consumer->delivered + 1;
    if (!frame_delivery(frame, &consumer->delivery) || consumer->body_left != 0)
        fail("malformed delivery");
    if (consumer->delivery.delivery_tag != expected)
        fail("delivery tag %llu where %llu was due",
             (unsigned long long)consumer->delivery.delivery_tag, (unsigned long long)expected);
    if (consumer->queue_count > 1)
        consumer->slot = slot_of(consumer);
    consumer->head_bytes = 0;
}

static void handle_header(struct consumer *consumer, const struct frame *frame)
{
    if (frame->payload_bytes < 14)
        fail("malformed header");
    consumer->body_left = load_u64(frame->payload + 4);
    if (consumer->body_left == 0)
        finish_message(consumer);
}

static void handle_body(struct consumer *consumer, const struct frame *frame)
{
    if (frame->payload_bytes > consumer->body_left)
        fail("a body longer than its header says");
    unsigned room = RUN_STAMP_BYTES - consumer->head_bytes;
    unsigned taken = frame->payload_bytes < room ? frame->payload_bytes : room;
    memcpy(consumer->head + consumer->head_bytes, frame->payload, taken);
    consumer->head_bytes += taken;
    consumer->body_left -= frame->payload_bytes;
    if (consumer->body_left == 0)
        finish_message(consumer);
}

static void handle_method(struct consumer *consumer, const struct frame *frame)
{
    uint32_t method = frame_method(frame);
    if (method == BASIC_DELIVER)
        handle_deliver(consumer, frame);
    else if (method == BASIC_CANCEL)
        fail("the broker cancelled a consumer");
    else if (method != BASIC_CONSUME_OK)
        peer_handle_other(frame);
}

static void publish_counters(struct consumer *consumer)
{
    struct run *run = consumer->run;
    if (consumer->delivered == consumer->counted)
        return;
    atomic_fetch_add(&run->delivered_sum, consumer->sum);
    atomic_fetch_add(&run->redelivered, consumer->redelivered);
    atomic_fetch_add(&run->disordered, consumer->disordered);
    atomic_fetch_add(&run->delivered, consumer->delivered - consumer->counted);
    consumer->counted = consumer->delivered;
    consumer->sum = consumer->redelivered = consumer->disordered = 0;
    run_progress(run, consumer->now_ns);
}

void consumer_read(struct consumer *consumer)
{
    struct peer *peer = &consumer->actor.peer;
    peer_read(peer);
    consumer->now_ns = run_clock_ns();
    consumer->start_ns = run_get(&consumer->run->start_ns);
    consumer->is_measuring =
        atomic_load_explicit(&consumer->run->is_measuring, memory_order_relaxed);
    for (struct frame frame; peer_next(peer, &frame);) {
        switch (frame.type) {
        case FRAME_METHOD:
            handle_method(consumer, &frame);
            break;
        case FRAME_HEADER:
            handle_header(consumer, &frame);
            break;
        case FRAME_BODY:
            handle_body(consumer, &frame);
            break;
        default:
            peer_handle_other(&frame);
        }
    }
    publish_counters(consumer);
}

/* With --standing a message may be acked when one has been published (and confirmed) for it. */
static bool may_ack(const struct run *run)
{
    const struct options *options = run->options;
    if (options->standing == 0 || atomic_load(&run->acks_freely))
        return true;
    uint64_t safe = atomic_load(options->confirm_window == 0 ? &run->published : &run->confirmed);
    return safe - run->filled >= atomic_load(&run->acked) + options->ack_every;
}

static bool has_acks_due(const struct consumer *consumer)
{
    unsigned every = consumer->run->options->ack_every;
    return every != 0 && consumer->delivered - consumer->acked >= every;
}

static void encode_acks(struct consumer *consumer)
{
    unsigned every = consumer->run->options->ack_every;
    while (has_acks_due(consumer) && consumer->acks.bytes < ACKS_BYTES_MAX &&
           may_ack(consumer->run)) {
        consumer->acked += every;
        atomic_fetch_add(&consumer->run->acked, every);
        frames_put_ack(&consumer->acks, consumer->acked, every > 1);
    }
}

static void write_acks(struct consumer *consumer)
{
    if (consumer->acks.bytes == 0 || !consumer->actor.peer.is_writable)
        return;
    consumer->acks_sent_bytes +=
        peer_write(&consumer->actor.peer, consumer->acks.data + consumer->acks_sent_bytes,
                   consumer->acks.bytes - consumer->acks_sent_bytes);
    if (consumer->acks_sent_bytes == consumer->acks.bytes)
        consumer->acks.bytes = consumer->acks_sent_bytes = 0;
}

static enum turn take_turn(struct actor *actor)
{
    struct consumer *consumer = (struct consumer *)actor;
    if (actor->peer.is_readable)
        consumer_read(consumer);
    encode_acks(consumer);
    write_acks(consumer);
    if (actor->peer.is_readable)
        return TURN_AGAIN;
    return has_acks_due(consumer) ? TURN_WAIT : TURN_SOCKET;
}

void consumer_put_consume(struct frames *request, const char *queue, const char *tag,
                          bool needs_no_ack)
{
    frames_begin_method(request, PEER_CHANNEL, BASIC_CONSUME);
    frames_put_u16(request, 0);
    frames_put_short_string(request, queue);
    frames_put_short_string(request, tag);
    frames_put_u8(request, needs_no_ack ? NO_ACK : 0);
    frames_put_u32(request, 0);
    frames_end(request);
}

static void consume(struct consumer *consumer, unsigned slot)
{
    const struct options *options = consumer->run->options;
    char queue[TOPOLOGY_NAME_BYTES], tag[16];
    struct frames request = {0};
    topology_queue_name(options, consumer->number % options->queues + slot * options->consumers,
                        queue);
    snprintf(tag, sizeof tag, "%u", slot);
    consumer_put_consume(&request, queue, tag, options->ack_every == 0);
    peer_send(&consumer->actor.peer, request.data, request.bytes);
    frames_fini(&request);
}

void consumer_subscribe(struct consumer *consumer)
{
    for (unsigned slot = 0; slot < consumer->queue_count; slot++)
        consume(consumer, slot);
}

void consumer_init(struct consumer *consumer, struct run *run, unsigned number)
{
    const struct options *options = run->options;
    unsigned first = number % options->queues;
    *consumer = (struct consumer){
        .run = run,
        .number = number,
        .queue_count = (options->queues - first - 1) / options->consumers + 1,
        .source_count = options->publishers == 0 ? DRAIN_SOURCES : options->publishers};
    consumer->actor.take_turn = take_turn;
    consumer->last_sequence =
        fail_calloc((size_t)consumer->queue_count * consumer->source_count, sizeof(uint64_t));
    peer_open(&consumer->actor.peer, options);
    if (options->prefetch != 0)
        set_prefetch(consumer, options->prefetch);
}

/* What was delivered and not acked yet is acked, so that the broker does not take it back. */
void consumer_fini(struct consumer *consumer)
{
    peer_set_nonblocking(&consumer->actor.peer, false);
    if (consumer->run->options->ack_every != 0 && consumer->acked < consumer->delivered)
        frames_put_ack(&consumer->acks, consumer->delivered, true);
    if (consumer->acks.bytes > 0)
        peer_send(&consumer->actor.peer, consumer->acks.data + consumer->acks_sent_bytes,
                  consumer->acks.bytes - consumer->acks_sent_bytes);
    peer_close(&consumer->actor.peer);
    frames_fini(&consumer->acks);
    free(consumer->last_sequence);
}
