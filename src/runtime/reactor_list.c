/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a reactor knows of its connections, for lists: it is asked by tasks, a few slots at a time,
 * between which it serves its sockets. Slots never move, so that a connection that stays is told of
 * once.
 */
#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "http/http_peer.h"
#include "net/tls.h"
#include "runtime/reactor_internal.h"

/* Connections, of which some have certificates to be put into words; and slots, mostly empty. */
enum { SLICE_CONNECTIONS = 32, SLICE_SLOTS = 1024 };

struct question {
    struct task task;
    struct reactor *reactor;
    struct status_rows *rows;
    size_t next; /* slot */
    bool is_done;
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool is_answered;
};

static void keep(struct status_rows *rows, const struct slot *slot, const struct gate *gate)
{
    struct connection_status status;
    struct tls_status tls = {.key_exchange = NULL};
    connection_describe(slot->connection, &status);
    if (connection_tls(slot->connection) != NULL)
        tls_describe(connection_tls(slot->connection), &tls);
    const struct http_peer peer = {
        .gate = gate,
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
}

static void answer(struct task *task)
{
    struct question *question = container_of(task, struct question, task);
    const struct reactor *reactor = question->reactor;
    size_t count = 0, end = question->next + SLICE_SLOTS;
    for (;
         question->next < reactor->slot_count && question->next < end && count < SLICE_CONNECTIONS;
         question->next++) {
        const struct slot *slot = &reactor->slots[question->next];
        if (slot->connection == NULL || connection_session(slot->connection) == NULL)
            continue;
        keep(question->rows, slot, connection_gate(slot->connection)->gate);
        count++;
    }
    pthread_mutex_lock(&question->mutex);
    question->is_done = question->next >= reactor->slot_count;
    question->is_answered = true;
    pthread_cond_signal(&question->answered);
    pthread_mutex_unlock(&question->mutex);
}

void reactor_list(struct reactor *reactor, struct status_rows *rows)
{
    struct question question = {.task = {.run = answer}, .reactor = reactor, .rows = rows};
    CHECK(pthread_mutex_init(&question.mutex, NULL) == 0);
    CHECK(pthread_cond_init(&question.answered, NULL) == 0);
    while (!question.is_done) {
        question.is_answered = false;
        mailbox_post_task(reactor->mailbox, &question.task);
        pthread_mutex_lock(&question.mutex);
        while (!question.is_answered)
            pthread_cond_wait(&question.answered, &question.mutex);
        pthread_mutex_unlock(&question.mutex);
    }
    pthread_cond_destroy(&question.answered);
    pthread_mutex_destroy(&question.mutex);
}
