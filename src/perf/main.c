/* SPDX-License-Identifier: Apache-2.0 */
/*
 * leveret-perf: puts load on an AMQP 0-9-1 broker and tells what came of it.
 *
 * The phases of a run, in order: declare the queues, empty; connect everybody; with --standing
 * fill the backlog and wait until it is safe; subscribe the consumers, let the publishers go;
 * discard the warm-up; measure; stop publishing and let the consumers take the rest; verify that
 * what was delivered is what was published; remove the queues.
 *
 * All the work is done by the workers (worker.c); the main thread only sleeps, turns the switches
 * of struct run and takes two snapshots of its counters, whose difference is the result.
 */
#include "perf/churn.h"
#include "perf/consumer.h"
#include "perf/fail.h"
#include "perf/idle.h"
#include "perf/live.h"
#include "perf/ping.h"
#include "perf/publisher.h"
#include "perf/relay.h"
#include "perf/report.h"
#include "perf/topology.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct snapshot {
    uint64_t now_ns;
    uint64_t published;
    uint64_t confirmed;
    uint64_t delivered;
    double cpu_s;
};

struct load {
    struct options options;
    struct run run;
    struct peer control;
    struct publisher *publishers; /* owned */
    struct consumer *consumers;   /* owned */
    uint64_t found;               /* messages that stood in the queues at the start */
};

enum { POLL_NS = 5000000, SECOND_NS = 1000000000 };

static struct snapshot take_snapshot(const struct run *run)
{
    return (struct snapshot){.now_ns = run_clock_ns(),
                             .published = run_get(&run->published),
                             .confirmed = run_get(&run->confirmed),
                             .delivered = run_get(&run->delivered),
                             .cpu_s = run_cpu_s()};
}

static void sleep_ns(uint64_t ns)
{
    struct timespec length = {.tv_sec = (time_t)(ns / SECOND_NS),
                              .tv_nsec = (long)(ns % SECOND_NS)};
    nanosleep(&length, NULL);
}

/* Once a second, when it is asked for. */
static void print_second(const struct run *run, struct snapshot *last)
{
    if (!live_is_due(run->options, last->now_ns))
        return;
    struct snapshot now = take_snapshot(run);
    double seconds = (double)(now.now_ns - last->now_ns) / SECOND_NS;
    live_print(run->options, "published %.0f/s confirmed %.0f/s delivered %.0f/s cores %.2f",
               (double)(now.published - last->published) / seconds,
               (double)(now.confirmed - last->confirmed) / seconds,
               (double)(now.delivered - last->delivered) / seconds,
               (now.cpu_s - last->cpu_s) / seconds);
    *last = now;
}

static void sleep_seconds(const struct run *run, double seconds)
{
    uint64_t end_ns = run_clock_ns() + (uint64_t)(seconds * SECOND_NS);
    struct snapshot last = take_snapshot(run);
    for (uint64_t now_ns; (now_ns = run_clock_ns()) < end_ns;) {
        uint64_t left_ns = end_ns - now_ns;
        sleep_ns(left_ns < SECOND_NS ? left_ns : SECOND_NS);
        print_second(run, &last);
    }
}

static void wait_until_reached(const struct run *run, const _Atomic uint64_t *counter,
                               uint64_t goal)
{
    uint64_t patience_ns = (uint64_t)(run->options->patience_s * SECOND_NS);
    uint64_t begin_ns = run_clock_ns();
    struct snapshot last = take_snapshot(run);
    while (run_get(counter) < goal) {
        uint64_t moved_ns = run_get(&run->progress_ns);
        if (moved_ns < begin_ns)
            moved_ns = begin_ns;
        if (run_clock_ns() > moved_ns + patience_ns)
            return; /* What is missing is told by the verification. */
        sleep_ns(POLL_NS);
        print_second(run, &last);
    }
}

static void wait_until_settled(const struct run *run)
{
    uint64_t submitted = run_get(&run->submitted);
    wait_until_reached(run, &run->published, submitted);
    if (run->options->confirm_window != 0)
        wait_until_reached(run, &run->confirmed, submitted);
}

/* Publisher number i's share when total messages are dealt out. */
static uint64_t share_of(uint64_t total, unsigned publishers, unsigned number)
{
    return total / publishers + (number < total % publishers);
}

static void set_limits(struct load *load, uint64_t total)
{
    for (unsigned i = 0; i < load->options.publishers; i++)
        publisher_set_limit(&load->publishers[i], share_of(total, load->options.publishers, i));
}

static void let_go(struct load *load)
{
    uint64_t now_ns = run_clock_ns();
    uint64_t total =
        load->options.count == 0 ? UINT64_C(1) << 60 : load->options.count + load->run.filled;
    for (unsigned i = 0; i < load->options.publishers; i++) {
        load->publishers[i].rate_start_ns = now_ns;
        load->publishers[i].rate_base = share_of(load->run.filled, load->options.publishers, i);
    }
    set_limits(load, load->options.publishers == 0 ? 0 : total);
}

/* As fast as it goes, whatever the rate of the measured part. */
static void fill_backlog(struct load *load)
{
    if (load->options.standing == 0)
        return;
    set_limits(load, load->options.standing);
    wait_until_reached(&load->run, &load->run.submitted, load->options.standing);
    wait_until_settled(&load->run);
    uint64_t safe =
        run_get(load->options.confirm_window == 0 ? &load->run.published : &load->run.confirmed);
    if (safe != load->options.standing)
        fail("the backlog could not be filled");
}

static uint64_t expected_deliveries(const struct load *load)
{
    if (load->options.consumers == 0)
        return 0;
    uint64_t published = run_get(&load->run.published);
    return load->options.is_drain ? load->found : published * load->run.copies;
}

static void stop_publishing(struct load *load)
{
    set_limits(load, 0);
    atomic_store(&load->run.acks_freely, true);
    for (unsigned i = 0; i < load->run.worker_count; i++)
        worker_wake(&load->run.workers[i]);
}

static void subscribe_all(struct load *load)
{
    for (unsigned i = 0; i < load->options.consumers; i++)
        consumer_subscribe(&load->consumers[i]);
}

static void finish_deliveries(struct load *load)
{
    wait_until_settled(&load->run);
    wait_until_reached(&load->run, &load->run.delivered, expected_deliveries(load));
}

static void measure_time(struct load *load, struct snapshot *begin, struct snapshot *end)
{
    sleep_seconds(&load->run, load->options.warmup_s);
    atomic_store(&load->run.is_measuring, true);
    *begin = take_snapshot(&load->run);
    sleep_seconds(&load->run, load->options.time_s);
    *end = take_snapshot(&load->run);
    atomic_store(&load->run.is_measuring, false);
    stop_publishing(load);
    finish_deliveries(load);
}

/* Ends with the last thing that moved, not with the poll that noticed. */
static void measure_count(struct load *load, struct snapshot *end)
{
    uint64_t goal = load->options.count + load->run.filled;
    if (!load->options.is_drain)
        wait_until_reached(&load->run, &load->run.submitted, goal);
    atomic_store(&load->run.acks_freely, true);
    stop_publishing(load);
    finish_deliveries(load);
    *end = take_snapshot(&load->run);
    end->now_ns = run_get(&load->run.progress_ns);
}

static void run_load(struct load *load, struct snapshot *begin, struct snapshot *end)
{
    bool has_count = load->options.count != 0 || load->options.is_drain;
    for (unsigned i = 0; i < load->run.worker_count; i++)
        worker_start(&load->run.workers[i]);
    fill_backlog(load);
    *begin = take_snapshot(&load->run);
    atomic_store(&load->run.start_ns, begin->now_ns);
    atomic_store(&load->run.is_measuring, has_count);
    subscribe_all(load);
    let_go(load);
    if (has_count)
        measure_count(load, end);
    else
        measure_time(load, begin, end);
    for (unsigned i = 0; i < load->run.worker_count; i++)
        worker_stop(&load->run.workers[i]);
}

static void run_ping(struct load *load, struct snapshot *begin, struct snapshot *end)
{
    *begin = take_snapshot(&load->run);
    ping_run(&load->run, &load->publishers[0], load->options.is_ping ? &load->consumers[0] : NULL);
    *end = take_snapshot(&load->run);
}

static void place(struct load *load, struct actor *actor, unsigned worker)
{
    worker_add(&load->run.workers[worker % load->run.worker_count], actor);
}

/* With several threads the first half is for publishers, the rest for consumers. */
static void start_actors(struct load *load)
{
    struct run *run = &load->run;
    unsigned actors = load->options.publishers + load->options.consumers;
    run->worker_count = load->options.threads;
    run->workers = fail_calloc(run->worker_count, sizeof *run->workers);
    for (unsigned i = 0; i < run->worker_count; i++)
        worker_init(&run->workers[i], run, actors);
    unsigned half = run->worker_count / 2, rest = run->worker_count - half;
    for (unsigned i = 0; i < load->options.publishers; i++)
        place(load, &load->publishers[i].actor, half == 0 ? 0 : i % half);
    for (unsigned i = 0; i < load->options.consumers; i++)
        place(load, &load->consumers[i].actor, half + i % rest);
}

static bool is_one_at_a_time(const struct options *options)
{
    return options->is_ping || options->is_confirm_ping;
}

static void open_all(struct load *load)
{
    const struct options *options = &load->options;
    peer_open(&load->control, options);
    if (options->fill == 0 && !options->is_drain)
        topology_delete(&load->control, options);
    load->found = topology_declare(&load->control, options);
    load->publishers = fail_calloc(options->publishers, sizeof *load->publishers);
    load->consumers = fail_calloc(options->consumers, sizeof *load->consumers);
    for (unsigned i = 0; i < options->publishers; i++)
        publisher_init(&load->publishers[i], &load->run, i);
    for (unsigned i = 0; i < options->consumers; i++)
        consumer_init(&load->consumers[i], &load->run, i);
    if (!is_one_at_a_time(options))
        start_actors(load);
}

static void close_all(struct load *load)
{
    for (unsigned i = 0; i < load->options.publishers; i++)
        publisher_fini(&load->publishers[i]);
    for (unsigned i = 0; i < load->options.consumers; i++)
        consumer_fini(&load->consumers[i]);
    for (unsigned i = 0; i < load->run.worker_count; i++)
        worker_fini(&load->run.workers[i]);
    if (!load->options.keeps_queues)
        topology_delete(&load->control, &load->options);
    peer_close(&load->control);
    free(load->publishers);
    free(load->consumers);
    free(load->run.workers);
}

static bool is_sum_right(const struct load *load)
{
    if (load->options.is_drain || load->options.consumers == 0 ||
        load->options.size_bytes < RUN_SEQUENCE_BYTES)
        return true;
    return run_get(&load->run.published_sum) * load->run.copies ==
           run_get(&load->run.delivered_sum);
}

static void fill_report(struct report *report, const struct load *load,
                        const struct snapshot *begin, const struct snapshot *end)
{
    const struct run *run = &load->run;
    *report = (struct report){.seconds = (double)(end->now_ns - begin->now_ns) / SECOND_NS,
                              .published = end->published - begin->published,
                              .confirmed = end->confirmed - begin->confirmed,
                              .delivered = end->delivered - begin->delivered,
                              .cpu_s = end->cpu_s - begin->cpu_s,
                              .published_total = run_get(&run->published),
                              .confirmed_total = run_get(&run->confirmed),
                              .nacked_total = run_get(&run->nacked),
                              .delivered_total = run_get(&run->delivered),
                              .expected_total = expected_deliveries(load),
                              .redelivered_total = run_get(&run->redelivered),
                              .disordered_total = run_get(&run->disordered),
                              .is_sum_right = is_sum_right(load)};
    if (!load->options.has_latency)
        return;
    for (unsigned i = 0; i < load->options.consumers; i++)
        histogram_merge(&report->latency, &load->consumers[i].latency);
    for (unsigned i = 0; i < load->options.publishers; i++)
        histogram_merge(&report->confirm_latency, &load->publishers[i].confirm_latency);
}

/* A connection is a descriptor; thousands are wanted. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    static struct load load;
    static struct report report;
    struct snapshot begin, end;
    options_parse(&load.options, argc, argv);
    raise_descriptor_limit();
    if (load.options.churn != CHURN_NONE)
        return churn_run(&load.options);
    if (load.options.idle != IDLE_NONE)
        return idle_run(&load.options);
    pid_t relay = 0;
    if (load.options.is_ceiling)
        load.options.port = relay_start(&relay);
    load.run.options = &load.options;
    load.run.copies = options_copies(&load.options);
    load.run.filled = load.options.standing;
    open_all(&load);
    if (is_one_at_a_time(&load.options))
        run_ping(&load, &begin, &end);
    else
        run_load(&load, &begin, &end);
    fill_report(&report, &load, &begin, &end);
    close_all(&load);
    if (load.options.is_ceiling)
        relay_join(relay);
    live_end();
    report_print(&report, &load.options);
    return report_is_ok(&report, &load.options) ? EXIT_SUCCESS : EXIT_FAILURE;
}
