/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time: heartbeats and the deadline of the current state, looked at about four times a second.
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

static void check_tls(struct connection *connection, uint64_t now_ms)
{
    uint64_t timeout_ms = connection->host->settings->tls_handshake_timeout_ms;
    if (connection->state == STATE_HEADER && !tls_is_handshaken(connection->stream.tls) &&
        now_ms - connection->accepted_ms >= timeout_ms)
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

void heartbeat_tick(struct connection *connection)
{
    uint64_t now_ms = connection->host->now_ms;
    if (connection->state == STATE_GONE)
        return;
    if (now_ms >= connection->deadline_ms) {
        on_deadline(connection);
        return;
    }
    check_pending(connection);
    if (connection->is_tls)
        check_tls(connection, now_ms);
    if (has_heartbeats(connection) && now_ms + slack_ms >= connection->heartbeat.send_check_ms)
        check_send(connection, now_ms);
    if (has_heartbeats(connection) && now_ms >= connection->heartbeat.read_check_ms)
        check_read(connection, now_ms);
    if (connection->state != STATE_GONE)
        output_trim(&connection->output);
}
