/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reactor knows of its connections, for lists and samplings: it is asked by tasks, a few
 * slots at a time, between which it serves its sockets. Slots never move, so that a connection that
 * stays is told of once.
 */
#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "http/http_peer.h"
#include "net/tls.h"
#include "runtime/reactor_internal.h"

/* Slots, mostly empty, and what is done about connections: a copy of one, of which some have
 * certificates to be put into words, is much beside a look at its counters. */
enum {
    LOOK_COST = 1,
    VISIT_COST = 4,
    COPY_COST = 16,
    SLICE_COST = 32 * COPY_COST,
    SLICE_SLOTS = 1024,
};

struct question {
    struct task task;
    struct reactor *reactor;
    /* About a slot with a connection that is in a vhost; how much of a slice that was. */
    size_t (*look)(void *context, struct slot *slot);
    void *context;
    size_t next; /* slot */
    bool is_done;
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool is_answered;
};

static size_t keep(void *context, struct slot *slot)
{
    struct status_rows *rows = context;
    struct connection_status status;
    struct tls_status tls = {.key_exchange = NULL};
    connection_describe(slot->connection, &status);
    if (connection_tls(slot->connection) != NULL)
        tls_describe(connection_tls(slot->connection), &tls);
    const struct http_peer peer = {
        .gate = connection_gate(slot->connection)->gate,
        .number = slot->number,
        .connected_ms = slot->connected_ms,
        .name = bytes_of_text(status.name),
        .user = bytes_of_text(status.user),
        .state = bytes_of_text(status.state),
        .client_name = bytes_of_text(status.client_name),
        .mechanism = bytes_of_text(status.mechanism),
        .peer_host = bytes_of_text(status.peer_host),
        .host = bytes_of_text(status.host),
        .client_properties = status.client_properties,
        .peer_port = status.peer_port,
        .port = status.port,
        .channel_max = status.channel_max,
        .heartbeat_s = status.heartbeat_s,
        .frame_max = status.frame_max,
        .is_tls = status.is_tls,
        .protocol = status.is_tls ? bytes_of_text(tls.protocol) : bytes_of(NULL, 0),
        .key_exchange = status.is_tls ? bytes_of_text(tls.key_exchange) : bytes_of(NULL, 0),
        .cipher = status.is_tls ? bytes_of_text(tls.cipher) : bytes_of(NULL, 0),
        .hash = status.is_tls ? bytes_of_text(tls.hash) : bytes_of(NULL, 0),
        .subject = buffer_bytes(&tls.subject),
        .issuer = buffer_bytes(&tls.issuer),
        .validity = buffer_bytes(&tls.validity),
        .read_bytes = status.read_bytes,
        .written_bytes = status.written_bytes,
        .unwritten_bytes = status.unwritten_bytes,
        .reads = status.read_count,
        .writes = status.write_count,
    };
    http_peer_keep(rows, &peer);
    tls_status_fini(&tls);
    return COPY_COST;
}

bool reactor_count_octets(struct slot *slot)
{
    const struct octets now = connection_octets(slot->connection), former = slot->counted;
    const struct octets more = {now.read - former.read, now.written - former.written};
    if (more.read == 0 && more.written == 0)
        return false;
    gate_add_octets(connection_gate(slot->connection)->gate, &more);
    slot->counted = now;
    return true;
}

static size_t sample(void *context, struct slot *slot)
{
    struct connection_samples *samples = context;
    bool is_new = slot->counted.read == 0 && slot->counted.written == 0;
    if (!reactor_count_octets(slot))
        return LOOK_COST;
    samples->items =
        xgrow(samples->items, &samples->capacity, samples->count + 1, sizeof samples->items[0]);
    samples->items[samples->count++] =
        (struct connection_sample){slot->number, slot->counted, is_new};
    return LOOK_COST;
}

struct visitor {
    void (*visit)(void *context, const struct connection_traffic *traffic);
    void *context;
};

static size_t look_at_traffic(void *context, struct slot *slot)
{
    const struct visitor *visitor = context;
    struct connection_status status;
    connection_describe(slot->connection, &status);
    const struct connection_traffic traffic = {
        .gate = connection_gate(slot->connection)->gate,
        .name = bytes_of_text(status.name),
        .read_bytes = status.read_bytes,
        .written_bytes = status.written_bytes,
        .reads = status.read_count,
        .writes = status.write_count,
    };
    visitor->visit(visitor->context, &traffic);
    return VISIT_COST;
}

static void answer(struct task *task)
{
    struct question *question = container_of(task, struct question, task);
    const struct reactor *reactor = question->reactor;
    size_t cost = 0, end = question->next + SLICE_SLOTS;
    for (; question->next < reactor->slot_count && question->next < end && cost < SLICE_COST;
         question->next++) {
        struct slot *slot = &reactor->slots[question->next];
        if (slot->connection != NULL && connection_session(slot->connection) != NULL)
            cost += question->look(question->context, slot);
    }
    pthread_mutex_lock(&question->mutex);
    question->is_done = question->next >= reactor->slot_count;
    question->is_answered = true;
    pthread_cond_signal(&question->answered);
    pthread_mutex_unlock(&question->mutex);
}

/* Waits until the reactor has looked at some more of its slots, from *next on. False: there are no
 * more. */
static bool ask(struct reactor *reactor, size_t *next,
                size_t (*look)(void *context, struct slot *slot), void *context)
{
    struct question question = {.task = {.run = answer},
                                .reactor = reactor,
                                .look = look,
                                .context = context,
                                .next = *next};
    CHECK(pthread_mutex_init(&question.mutex, NULL) == 0);
    CHECK(pthread_cond_init(&question.answered, NULL) == 0);
    mailbox_post_task(reactor->mailbox, &question.task);
    pthread_mutex_lock(&question.mutex);
    while (!question.is_answered)
        pthread_cond_wait(&question.answered, &question.mutex);
    pthread_mutex_unlock(&question.mutex);
    pthread_cond_destroy(&question.answered);
    pthread_mutex_destroy(&question.mutex);
    *next = question.next;
    return !question.is_done;
}

void reactor_list(struct reactor *reactor, struct status_rows *rows)
{
    for (size_t next = 0; ask(reactor, &next, keep, rows);)
        ;
}

void reactor_sample(struct reactor *reactor, struct connection_samples *samples)
{
    for (size_t next = 0; ask(reactor, &next, sample, samples);)
        ;
}

bool reactor_visit_traffic(struct reactor *reactor, size_t *slot,
                           void (*visit)(void *context, const struct connection_traffic *traffic),
                           void *context)
{
    struct visitor visitor = {visit, context};
    return ask(reactor, slot, look_at_traffic, &visitor);
}
