/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What it costs to be there: very many connections, each with a channel and a consumer, or very
 * many queues, that are made and then left alone while somebody looks at the broker's memory.
 *
 * That they are all there is told by one line; then nothing happens until the input ends or a
 * signal comes. Of a connection only the socket is kept, so that the generator needs little itself,
 * and at the end each is asked whether the broker is still there.
 */
#include "perf/idle.h"

#include "perf/consumer.h"
#include "perf/dialog.h"
#include "perf/fail.h"
#include "perf/handshake.h"
#include "perf/live.h"
#include "perf/report.h"
#include "perf/tls.h"
#include "perf/topology.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { QUEUES_AT_ONCE = 500, POLL_NS = 20000000 };

struct idle {
    const struct options *options; /* borrowed: lives in main */
    struct run run;
    struct worker worker;
    struct peer control;
    struct opener *openers; /* owned */
    struct peer *held;      /* owned: connections, without what they read into */
    unsigned started;
    _Atomic unsigned held_count;
};

/* Opens one connection after the other. */
struct opener {
    struct dialog dialog;
    struct idle *idle; /* borrowed: lives in idle_run */
};

static void open_next(struct opener *opener)
{
    struct idle *idle = opener->idle;
    peer_redial(&opener->dialog.actor.peer, idle->options, idle->started++);
}

static void on_opened(struct dialog *dialog)
{
    struct opener *opener = (struct opener *)dialog;
    struct idle *idle = opener->idle;
    unsigned number = atomic_load(&idle->held_count);
    worker_forget(&idle->worker, &dialog->actor);
    idle->held[number] = dialog->actor.peer;
    idle->held[number].in = NULL;
    atomic_store(&idle->held_count, number + 1);
    run_progress(&idle->run, run_clock_ns());
    if (idle->started == idle->options->count) {
        dialog->is_over = true;
        return;
    }
    open_next(opener);
    worker_watch(&idle->worker, &dialog->actor);
    dialog_restart(dialog);
}

static void start_opener(struct idle *idle, unsigned number)
{
    struct opener *opener = &idle->openers[number];
    struct dialog *dialog = &opener->dialog;
    char queue[TOPOLOGY_NAME_BYTES];
    topology_queue_name(idle->options, number % idle->options->queues, queue);
    opener->idle = idle;
    dialog_init(dialog, idle->options, on_opened);
    dialog_add_handshake(dialog, idle->control.frame_max);
    handshake_put_channel(&dialog->script);
    dialog_add_step(dialog, CHANNEL_OPEN_OK);
    consumer_put_consume(&dialog->script, queue, "0", idle->options->ack_every == 0);
    dialog_add_step(dialog, BASIC_CONSUME_OK);
    open_next(opener);
    worker_add(&idle->worker, &dialog->actor);
}

static void wait_until_open(struct idle *idle)
{
    const struct options *options = idle->options;
    uint64_t patience_ns = (uint64_t)(options->patience_s * 1e9), last_ns = run_clock_ns();
    atomic_store(&idle->run.progress_ns, last_ns);
    while (atomic_load(&idle->held_count) < options->count) {
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
        if (run_clock_ns() > run_get(&idle->run.progress_ns) + patience_ns)
            fail("no answer, with %u connections open", atomic_load(&idle->held_count));
        if (!live_is_due(options, last_ns))
            continue;
        live_print(options, "%u connections", atomic_load(&idle->held_count));
        last_ns = run_clock_ns();
    }
    live_end();
}

static void open_connections(struct idle *idle)
{
    const struct options *options = idle->options;
    const unsigned count = (unsigned)options->count;
    const unsigned openers = options->clients < count ? options->clients : count;
    topology_declare(&idle->control, options);
    idle->run.options = options;
    idle->run.workers = &idle->worker;
    idle->run.worker_count = 1;
    idle->held = fail_calloc(count, sizeof *idle->held);
    idle->openers = fail_calloc(openers, sizeof *idle->openers);
    worker_init(&idle->worker, &idle->run, openers);
    for (unsigned i = 0; i < openers; i++)
        start_opener(idle, i);
    worker_start(&idle->worker);
    wait_until_open(idle);
    worker_stop(&idle->worker);
    for (unsigned i = 0; i < openers; i++) {
        free(idle->openers[i].dialog.actor.peer.in);
        dialog_fini(&idle->openers[i].dialog);
    }
    worker_fini(&idle->worker);
    free(idle->openers);
}

/* With TLS there may be something to read: tickets, which nobody needs. */
static bool is_alive(const struct peer *peer)
{
    char byte;
    ssize_t got = recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 ? errno == EAGAIN : got > 0 && peer->tls != NULL;
}

/* Says goodbye without waiting for the answer. */
static unsigned close_connections(struct idle *idle)
{
    struct frames goodbye = {0};
    unsigned lost = 0;
    handshake_put_close(&goodbye);
    for (unsigned i = 0; i < idle->held_count; i++)
        lost += !is_alive(&idle->held[i]);
    for (unsigned i = 0; i < idle->held_count; i++) {
        struct peer *peer = &idle->held[i];
        if (is_alive(peer))
            peer_write(peer, goodbye.data, goodbye.bytes);
        peer_hang_up(peer);
    }
    frames_fini(&goodbye);
    free(idle->held);
    return lost;
}

/* Many requests under way and one answer for all of them. */
static void for_queues(struct idle *idle, bool is_delete)
{
    struct frames request = {0};
    const unsigned count = (unsigned)idle->options->count;
    uint64_t last_ns = run_clock_ns();
    for (unsigned i = 0; i < count; i++) {
        char name[TOPOLOGY_NAME_BYTES];
        bool is_waited_for = i + 1 == count || (i + 1) % QUEUES_AT_ONCE == 0;
        topology_queue_name(idle->options, i, name);
        if (is_delete)
            topology_put_delete(&request, name, is_waited_for);
        else
            topology_put_declare(&request, idle->options, name, is_waited_for);
        if (is_waited_for)
            peer_call(&idle->control, &request, is_delete ? QUEUE_DELETE_OK : QUEUE_DECLARE_OK);
        if (is_waited_for && live_is_due(idle->options, last_ns)) {
            live_print(idle->options, "%u queues %s", i + 1, is_delete ? "deleted" : "declared");
            last_ns = run_clock_ns();
        }
    }
    live_end();
    frames_fini(&request);
}

static void on_signal(int number)
{
    (void)number; /* It interrupted the read, which is all it is for. */
}

static void wait_for_the_end(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    for (char bytes[256]; read(STDIN_FILENO, bytes, sizeof bytes) > 0;) {
    }
}

int idle_run(const struct options *options)
{
    static struct idle idle;
    idle.options = options;
    peer_open(&idle.control, options);
    topology_delete(&idle.control, options);
    uint64_t begin_ns = run_clock_ns();
    if (options->idle == IDLE_QUEUES)
        for_queues(&idle, false);
    else
        open_connections(&idle);
    report_print_held(options, (double)(run_clock_ns() - begin_ns) / 1e9);
    wait_for_the_end();
    unsigned lost = options->idle == IDLE_CONNECTIONS ? close_connections(&idle) : 0;
    if (options->idle == IDLE_QUEUES && !options->keeps_queues)
        for_queues(&idle, true);
    if (options->idle == IDLE_CONNECTIONS && !options->keeps_queues)
        topology_delete(&idle.control, options);
    peer_close(&idle.control);
    report_print_lost(options, lost);
    return lost == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
