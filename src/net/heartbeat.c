/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time: heartbeats and the deadline of the current state, looked at about four times a second.
 *
 * A look at a connection that waits costs little but the memory that it brings into the cache, and
 * with tens of thousands of them that was milliseconds in which nobody was served. So each has a
 * time at which something may be due, in a heap of its host. What comes earlier than that says so
 * (heartbeat_look_at); what comes later, or never, is found out at the next look.
 *
 * As RabbitMQ does, a heartbeat is sent when nothing was written for half of the interval, and a
 * peer is given up when nothing was read from it at two looks in a row, an interval apart; any byte
 * counts. While nothing is read because the connection is blocked or has to wait, silence is our
 * own doing and says nothing about the peer; we go on sending. A peer that does not take its output
 * has to show life all the same: bytes that arrive and wait in the socket are enough.
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "net/net_internal.h"

enum {
    missed_max = 2,
    slack_ms = 125, /* half of what lies between two looks: a check is not put off to the next */
};

void heartbeat_look_at(struct connection *connection, uint64_t due_ms)
{
    struct heap_node *node = &connection->look;
    if (!heap_node_is_set(node) || due_ms < node->key)
        heap_set(&connection->host->looks, node, due_ms);
}

void heartbeat_set_deadline(struct connection *connection, uint64_t deadline_ms)
{
    connection->deadline_ms = deadline_ms;
    heartbeat_look_at(connection, deadline_ms);
}

void heartbeat_accepted(struct connection *connection)
{
    const struct net_settings *settings = connection->host->settings;
    uint64_t now_ms = connection->host->now_ms;
    connection->accepted_ms = now_ms;
    connection->deadline_ms = UINT64_MAX;
    if (settings->handshake_timeout_ms < UINT64_MAX - now_ms)
        heartbeat_set_deadline(connection, now_ms + settings->handshake_timeout_ms);
    if (connection->is_tls)
        heartbeat_look_at(connection, now_ms + settings->tls_handshake_timeout_ms);
}

void heartbeat_note_output(struct connection *connection)
{
    if (output_is_large(&connection->output))
        heartbeat_look_at(connection, connection->host->now_ms + slack_ms);
}

void heartbeat_start(struct connection *connection)
{
    uint64_t interval_ms = connection->heartbeat_s * UINT64_C(1000);
    uint64_t now_ms = connection->host->now_ms;
    connection->heartbeat = (struct heartbeat){
        .send_check_ms = now_ms + interval_ms / 2,
        .read_check_ms = now_ms + interval_ms,
        .written_bytes = connection->output.queued_bytes,
        .read_bytes = connection->read_bytes,
    };
    if (interval_ms > 0)
        heartbeat_look_at(connection, connection->heartbeat.send_check_ms - slack_ms);
}

static void check_send(struct connection *connection, uint64_t now_ms)
{
    struct heartbeat *heartbeat = &connection->heartbeat;
    struct output *output = &connection->output;
    if (output->written_bytes == heartbeat->written_bytes && output_unwritten(output) == 0) {
        size_t before = output->data.size;
        amqp_frame_write_heartbeat(&output->data);
        output_appended(output, before);
        connection_mark_dirty(connection);
    }
    /* The heartbeat itself is no traffic: the next one is due half an interval later. */
    heartbeat->written_bytes = output->queued_bytes;
    heartbeat->send_check_ms = now_ms + connection->heartbeat_s * UINT64_C(500);
}

/* Nothing is read from a peer that takes no output, but it must go on saying something. */
static bool has_more_waiting(struct connection *connection)
{
    int before = connection->heartbeat.waiting_bytes, now = 0;
    if (connection->read_pauses != PAUSE_OUTPUT || connection->is_tls)
        return connection->read_pauses != 0;
    if (ioctl(connection->stream.fd, FIONREAD, &now) != 0)
        now = 0;
    connection->heartbeat.waiting_bytes = now;
    return now != before;
}

static void check_read(struct connection *connection, uint64_t now_ms)
{
    struct heartbeat *heartbeat = &connection->heartbeat;
    bool is_silent =
        connection->read_bytes == heartbeat->read_bytes && !has_more_waiting(connection);
    heartbeat->missed_count = is_silent ? heartbeat->missed_count + 1 : 0;
    heartbeat->read_bytes = connection->read_bytes;
    heartbeat->read_check_ms = now_ms + connection->heartbeat_s * UINT64_C(1000);
    if (heartbeat->missed_count >= missed_max)
        connection_gone(connection, CONNECTION_NOTE_WARNING, "missed heartbeats from client");
}

static bool has_heartbeats(const struct connection *connection)
{
    return connection->heartbeat_s > 0 && connection->state >= STATE_OPEN &&
           connection->state <= STATE_RUNNING;
}

static void on_deadline(struct connection *connection)
{
    bool is_handshake = connection->state < STATE_RUNNING;
    bool is_silent = (connection->state == STATE_HEADER || connection->state == STATE_PROXY) &&
                     connection->read_bytes == 0;
    connection_gone(connection, is_silent ? CONNECTION_NOTE_INFO : CONNECTION_NOTE_WARNING,
                    is_handshake ? "timeout of the handshake" : NULL);
}

static bool awaits_tls(const struct connection *connection)
{
    return connection->is_tls && connection->state <= STATE_HEADER &&
           !tls_is_handshaken(connection->stream.tls);
}

static uint64_t tls_deadline_ms(const struct connection *connection)
{
    return connection->accepted_ms + connection->host->settings->tls_handshake_timeout_ms;
}

static void check_tls(struct connection *connection, uint64_t now_ms)
{
    if (connection->state == STATE_HEADER && awaits_tls(connection) &&
        now_ms >= tls_deadline_ms(connection))
        connection_gone(connection, CONNECTION_NOTE_WARNING, "timeout of the TLS handshake");
}

/* Nothing is read while the host works on a login: a client that has gone would stay until the end
 * of handshake_timeout, and what is done for it with it. */
static void check_pending(struct connection *connection)
{
    char octet;
    ssize_t size = 0;
    if ((connection->read_pauses & PAUSE_PENDING) == 0 || connection->rest.size > 0)
        return;
    size = recv(connection->stream.fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
        connection_gone(connection, CONNECTION_NOTE_WARNING,
                        "client closed TCP connection during the handshake");
}

static uint64_t earlier(uint64_t one_ms, uint64_t other_ms)
{
    return one_ms < other_ms ? one_ms : other_ms;
}

/* When something may be due, after the checks were done. */
static uint64_t next_look_ms(const struct connection *connection)
{
    uint64_t soon_ms = connection->host->now_ms + slack_ms;
    uint64_t due_ms = connection->deadline_ms;
    if ((connection->read_pauses & PAUSE_PENDING) != 0 || output_is_large(&connection->output))
        due_ms = earlier(due_ms, soon_ms);
    if (awaits_tls(connection)) {
        uint64_t end_ms = tls_deadline_ms(connection);
        due_ms = earlier(due_ms, end_ms > soon_ms ? end_ms : soon_ms);
    }
    if (has_heartbeats(connection)) {
        due_ms = earlier(due_ms, connection->heartbeat.send_check_ms - slack_ms);
        due_ms = earlier(due_ms, connection->heartbeat.read_check_ms);
    }
    return due_ms;
}

static void check_all(struct connection *connection)
{
    uint64_t now_ms = connection->host->now_ms;
    if (now_ms >= connection->deadline_ms) {
        on_deadline(connection);
        return;
    }
    check_pending(connection);
    check_tls(connection, now_ms);
    if (has_heartbeats(connection) && now_ms + slack_ms >= connection->heartbeat.send_check_ms)
        check_send(connection, now_ms);
    if (has_heartbeats(connection) && now_ms >= connection->heartbeat.read_check_ms)
        check_read(connection, now_ms);
    if (connection->state != STATE_GONE)
        output_trim(&connection->output);
}

void heartbeat_tick(struct connection *connection)
{
    struct heap *looks = &connection->host->looks;
    if (connection->state != STATE_GONE)
        check_all(connection);
    uint64_t due_ms = connection->state != STATE_GONE ? next_look_ms(connection) : UINT64_MAX;
    if (due_ms != UINT64_MAX)
        heap_set(looks, &connection->look, due_ms);
    else
        heap_remove(looks, &connection->look);
}
