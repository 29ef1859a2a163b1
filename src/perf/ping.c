/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The latency of an idle broker: never more than one message on its way.
 *
 * Blocking sockets and no epoll: the generator's own part of the figure is one send, one recv and
 * one wake-up, the same for every broker. With --rate there is a pause between messages, so that
 * the broker has gone to sleep each time, as an idle one does. What is waited for is either the
 * delivery or, where nobody consumes, the confirm: the other would be a further message on its way,
 * so --ping takes no --confirm and no --ack, and --ping-confirm has no consumer.
 */
#include "perf/ping.h"

#include <errno.h>
#include <time.h>

static void sleep_until(uint64_t when_ns)
{
    struct timespec when = {.tv_sec = (time_t)(when_ns / 1000000000U),
                            .tv_nsec = (long)(when_ns % 1000000000U)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR) {
    }
}

static void ping_once(struct run *run, struct publisher *publisher, struct consumer *consumer)
{
    const uint8_t *message = publisher_stamp_one(publisher, run_clock_ns());
    uint64_t delivered = consumer->delivered;
    peer_send(&publisher->actor.peer, message, publisher->image_bytes);
    atomic_fetch_add(&run->published, 1);
    atomic_fetch_add(&run->published_sum, publisher->submitted); /* Its number is 0. */
    while (consumer->delivered == delivered)
        consumer_read(consumer);
}

static void ping_confirm_once(struct run *run, struct publisher *publisher)
{
    const uint8_t *message = publisher_stamp_one(publisher, run_clock_ns());
    peer_send(&publisher->actor.peer, message, publisher->image_bytes);
    atomic_fetch_add(&run->published, 1);
    while (publisher->confirmed < publisher->submitted)
        publisher_read_confirms(publisher);
}

void ping_run(struct run *run, struct publisher *publisher, struct consumer *consumer)
{
    const struct options *options = run->options;
    uint64_t pause_ns = options->rate_per_s == 0 ? 0 : 1000000000U / options->rate_per_s;
    uint64_t start_ns = run_clock_ns();
    uint64_t measure_ns = start_ns + (uint64_t)(options->warmup_s * 1e9);
    uint64_t end_ns = measure_ns + (uint64_t)(options->time_s * 1e9);
    if (consumer != NULL)
        consumer_subscribe(consumer);
    for (uint64_t now_ns = start_ns; now_ns < end_ns; now_ns = run_clock_ns()) {
        atomic_store(&run->is_measuring, now_ns >= measure_ns);
        if (consumer != NULL)
            ping_once(run, publisher, consumer);
        else
            ping_confirm_once(run, publisher);
        if (pause_ns != 0)
            sleep_until(now_ns + pause_ns);
    }
}
