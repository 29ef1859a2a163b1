/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to come and go: connections, channels, queues or bindings that are made and removed
 * again, as often as it goes.
 *
 * Each of the clients has one thing of its own, makes it, waits for the answer, removes it, waits
 * for the answer, and begins anew; that is a cycle, and its time is taken. What is measured is
 * therefore a rate at a known number of clients. At the end each finishes the cycle that it is in,
 * so nothing is left behind.
 */
#include "perf/churn.h"

#include "perf/dialog.h"
#include "perf/fail.h"
#include "perf/handshake.h"
#include "perf/live.h"
#include "perf/report.h"
#include "perf/topology.h"

#include <stdlib.h>
#include <time.h>

enum { POLL_NS = 5000000 };

struct churner {
    struct dialog dialog;
    struct churn *churn; /* borrowed: lives in churn_run */
    unsigned dialled;    /* the number of its connection among all clients' */
    uint64_t begun_ns;
    struct histogram latency;
};

struct churn {
    const struct options *options; /* borrowed: lives in main */
    struct run run;
    struct peer control;
    struct churner *churners; /* owned */
    _Atomic uint64_t cycles;
    _Atomic unsigned busy_count; /* clients that go on */
    _Atomic bool is_stopping;
};

static void count_cycle(struct churner *churner)
{
    struct run *run = &churner->churn->run;
    uint64_t now_ns = run_clock_ns();
    atomic_fetch_add(&churner->churn->cycles, 1);
    if (atomic_load(&run->is_measuring) && churner->begun_ns >= run_get(&run->start_ns))
        histogram_add(&churner->latency, now_ns - churner->begun_ns);
    churner->begun_ns = now_ns;
    run_progress(run, now_ns);
}

static void connect_anew(struct churner *churner)
{
    const struct options *options = churner->churn->options;
    churner->dialled += options->clients;
    peer_redial(&churner->dialog.actor.peer, options, churner->dialled);
    worker_watch(churner->dialog.actor.worker, &churner->dialog.actor);
}

static void on_cycle_end(struct dialog *dialog)
{
    struct churner *churner = (struct churner *)dialog;
    bool is_connection = dialog->options->churn == CHURN_CONNECTIONS;
    count_cycle(churner);
    if (is_connection)
        peer_hang_up(&dialog->actor.peer);
    if (atomic_load(&churner->churn->is_stopping)) {
        dialog->is_over = true;
        atomic_fetch_sub(&churner->churn->busy_count, 1);
        return;
    }
    if (is_connection)
        connect_anew(churner);
    dialog_restart(dialog);
}

static void write_script(struct churner *churner, unsigned number)
{
    struct dialog *dialog = &churner->dialog;
    const struct options *options = dialog->options;
    char queue[TOPOLOGY_NAME_BYTES];
    topology_queue_name(options, number, queue);
    switch (options->churn) {
    case CHURN_CONNECTIONS:
        dialog_add_handshake(dialog, churner->churn->control.frame_max);
        handshake_put_close(&dialog->script);
        dialog_add_step(dialog, CONNECTION_CLOSE_OK);
        break;
    case CHURN_CHANNELS: /* The one that its connection has is closed first. */
        handshake_put_channel_close(&dialog->script);
        dialog_add_step(dialog, CHANNEL_CLOSE_OK);
        handshake_put_channel(&dialog->script);
        dialog_add_step(dialog, CHANNEL_OPEN_OK);
        break;
    case CHURN_QUEUES:
        topology_put_declare(&dialog->script, options, queue, true);
        dialog_add_step(dialog, QUEUE_DECLARE_OK);
        topology_put_delete(&dialog->script, queue, true);
        dialog_add_step(dialog, QUEUE_DELETE_OK);
        break;
    case CHURN_BINDINGS: /* Above those that topology_declare() made. */
        topology_put_bind(&dialog->script, options, options_keys(options) + number, true);
        dialog_add_step(dialog, QUEUE_BIND_OK);
        topology_put_unbind(&dialog->script, options, options_keys(options) + number);
        dialog_add_step(dialog, QUEUE_UNBIND_OK);
        break;
    case CHURN_NONE:
        break;
    }
}

static void start_churner(struct churn *churn, unsigned number)
{
    struct churner *churner = &churn->churners[number];
    struct peer *peer = &churner->dialog.actor.peer;
    churner->churn = churn;
    churner->dialled = number;
    dialog_init(&churner->dialog, churn->options, on_cycle_end);
    write_script(churner, number);
    if (churn->options->churn == CHURN_CONNECTIONS)
        peer_redial(peer, churn->options, number);
    else
        peer_open(peer, churn->options);
    worker_add(&churn->run.workers[number % churn->run.worker_count], &churner->dialog.actor);
}

static void open_all(struct churn *churn)
{
    const struct options *options = churn->options;
    struct run *run = &churn->run;
    peer_open(&churn->control, options);
    topology_delete(&churn->control, options);
    if (options->churn == CHURN_BINDINGS)
        topology_declare(&churn->control, options);
    run->options = options;
    run->worker_count = options->threads;
    run->workers = fail_calloc(run->worker_count, sizeof *run->workers);
    for (unsigned i = 0; i < run->worker_count; i++)
        worker_init(&run->workers[i], run, options->clients);
    churn->churners = fail_calloc(options->clients, sizeof *churn->churners);
    for (unsigned i = 0; i < options->clients; i++)
        start_churner(churn, i);
}

static void close_all(struct churn *churn)
{
    for (unsigned i = 0; i < churn->options->clients; i++) {
        struct dialog *dialog = &churn->churners[i].dialog;
        if (churn->options->churn == CHURN_CONNECTIONS)
            free(dialog->actor.peer.in);
        else
            peer_close(&dialog->actor.peer);
        dialog_fini(dialog);
    }
    for (unsigned i = 0; i < churn->run.worker_count; i++)
        worker_fini(&churn->run.workers[i]);
    topology_delete(&churn->control, churn->options);
    peer_close(&churn->control);
    free(churn->run.workers);
    free(churn->churners);
}

static void sleep_ns(uint64_t ns)
{
    nanosleep(&(struct timespec){.tv_sec = (time_t)(ns / 1000000000U),
                                 .tv_nsec = (long)(ns % 1000000000U)},
              NULL);
}

static void sleep_seconds(const struct churn *churn, double seconds)
{
    uint64_t last_ns = run_clock_ns(), end_ns = last_ns + (uint64_t)(seconds * 1e9);
    uint64_t last = run_get(&churn->cycles);
    for (uint64_t now_ns; (now_ns = run_clock_ns()) < end_ns;) {
        sleep_ns(end_ns - now_ns < 1000000000U ? end_ns - now_ns : 1000000000U);
        if (!live_is_due(churn->options, last_ns))
            continue;
        uint64_t cycles = run_get(&churn->cycles);
        double elapsed_s = (double)(run_clock_ns() - last_ns) / 1e9;
        live_print(churn->options, "%.0f cycles/s", (double)(cycles - last) / elapsed_s);
        last = cycles;
        last_ns = run_clock_ns();
    }
}

static void wait_for_churners(struct churn *churn)
{
    uint64_t patience_ns = (uint64_t)(churn->options->patience_s * 1e9);
    uint64_t end_ns = run_clock_ns() + patience_ns;
    atomic_store(&churn->is_stopping, true);
    while (atomic_load(&churn->busy_count) > 0) {
        if (run_clock_ns() > end_ns)
            fail("%u clients got no answer", atomic_load(&churn->busy_count));
        sleep_ns(POLL_NS);
    }
}

static void measure(struct churn *churn, struct churn_report *report)
{
    struct run *run = &churn->run;
    sleep_seconds(churn, churn->options->warmup_s);
    uint64_t begin = run_get(&churn->cycles), begin_ns = run_clock_ns();
    double begin_cpu_s = run_cpu_s();
    atomic_store(&run->start_ns, begin_ns);
    atomic_store(&run->is_measuring, true);
    sleep_seconds(churn, churn->options->time_s);
    atomic_store(&run->is_measuring, false);
    report->cycles = run_get(&churn->cycles) - begin;
    report->seconds = (double)(run_clock_ns() - begin_ns) / 1e9;
    report->cpu_s = run_cpu_s() - begin_cpu_s;
}

int churn_run(const struct options *options)
{
    static struct churn churn;
    static struct churn_report report;
    churn.options = options;
    open_all(&churn);
    atomic_store(&churn.busy_count, options->clients);
    for (unsigned i = 0; i < churn.run.worker_count; i++)
        worker_start(&churn.run.workers[i]);
    measure(&churn, &report);
    wait_for_churners(&churn);
    for (unsigned i = 0; i < churn.run.worker_count; i++)
        worker_stop(&churn.run.workers[i]);
    for (unsigned i = 0; i < options->clients; i++)
        histogram_merge(&report.latency, &churn.churners[i].latency);
    close_all(&churn);
    live_end();
    report_print_churn(&report, options);
    return report.cycles > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
