/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: socket or TLS on it, handshake, calls, and the read buffer that frames are looked
 * at in.
 *
 * The buffer holds at least two frames of the negotiated size, so that a frame that is cut at its
 * end is moved to the front and completed by the next read; then no frame is ever put together from
 * parts, and parsing needs neither copy nor allocation. Set-up and tear-down are blocking calls,
 * one after the other, because they are not measured; the measured part switches the socket to
 * non-blocking and is driven by worker.c.
 */
#include "perf/peer.h"

#include "perf/dial.h"
#include "perf/fail.h"
#include "perf/handshake.h"
#include "perf/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME_MAX = 131072, IN_BYTES = 2 * FRAME_MAX, GOODBYE_MS = 5000 };

void peer_set_nonblocking(struct peer *peer, bool is_nonblocking)
{
    int flags = fcntl(peer->fd, F_GETFL);
    flags = is_nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (fcntl(peer->fd, F_SETFL, flags) != 0)
        fail_errno("fcntl");
}

size_t peer_write(struct peer *peer, const uint8_t *data, size_t bytes)
{
    ssize_t written = peer->tls != NULL ? tls_write(peer->tls, data, bytes)
                                        : send(peer->fd, data, bytes, MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN && errno != EINTR) {
        /* The broker's reason, if it gave one, stands in front of the reset. */
        peer_read(peer);
        for (struct frame frame; peer_next(peer, &frame);)
            peer_handle_other(&frame);
        fail_errno("cannot write");
    }
    size_t taken = written < 0 ? 0 : (size_t)written;
    if (taken < bytes)
        peer->is_writable = false;
    return taken;
}

void peer_send(struct peer *peer, const uint8_t *data, size_t bytes)
{
    for (size_t sent = 0; sent < bytes;)
        sent += peer_write(peer, data + sent, bytes - sent);
}

void peer_read(struct peer *peer)
{
    size_t rest = peer->in_end - peer->in_start;
    if (rest > 0 && peer->in_start > 0)
        memmove(peer->in, peer->in + peer->in_start, rest);
    peer->in_start = 0;
    peer->in_end = rest;
    size_t room = peer->in_capacity_bytes - rest;
    if (room == 0)
        fail("a frame larger than was negotiated");
    ssize_t got = peer->tls != NULL ? tls_read(peer->tls, peer->in + rest, room)
                                    : recv(peer->fd, peer->in + rest, room, 0);
    if (got == 0)
        fail("the broker closed the connection");
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        fail_errno("cannot read");
    /* TLS gives one record at a time, so a short read does not tell that there is no more. */
    if (peer->tls != NULL ? got < 0 : got < (ssize_t)room)
        peer->is_readable = false;
    peer->in_end += got < 0 ? 0 : (size_t)got;
}

bool peer_next(struct peer *peer, struct frame *frame)
{
    switch (frame_parse(peer->in + peer->in_start, peer->in_end - peer->in_start, frame)) {
    case FRAME_WHOLE:
        peer->in_start += frame_bytes(frame);
        return true;
    case FRAME_PARTIAL:
        return false;
    case FRAME_MALFORMED:
        break;
    }
    fail("the broker sent something that is no frame");
}

static _Noreturn void fail_closed(const char *what, const struct frame *frame)
{
    if (frame->payload_bytes < 7 || frame->payload_bytes < 7U + frame->payload[6])
        fail("the broker closed the %s", what);
    fail("the broker closed the %s: %u %.*s", what, load_u16(frame->payload + 4),
         (int)frame->payload[6], (const char *)frame->payload + 7);
}

void peer_handle_other(const struct frame *frame)
{
    if (frame->type == FRAME_HEARTBEAT)
        return;
    uint32_t method = frame->type == FRAME_METHOD ? frame_method(frame) : 0;
    switch (method) {
    case CONNECTION_CLOSE:
        fail_closed("connection", frame);
    case CHANNEL_CLOSE:
        fail_closed("channel", frame);
    case CONNECTION_BLOCKED:
        fputs("leveret-perf: the broker blocked a publisher\n", stderr);
        return;
    case CONNECTION_UNBLOCKED:
        fputs("leveret-perf: the broker unblocked a publisher\n", stderr);
        return;
    default:
        fail("unexpected frame of type %u, method %u.%u", frame->type, method >> 16,
             method & 0xffff);
    }
}

static struct frame wait_for(struct peer *peer, uint32_t reply)
{
    for (;;) {
        struct frame frame;
        while (peer_next(peer, &frame)) {
            if (frame.type == FRAME_METHOD && frame_method(&frame) == reply)
                return frame;
            peer_handle_other(&frame);
        }
        peer_read(peer);
    }
}

struct frame peer_call(struct peer *peer, struct frames *request, uint32_t reply)
{
    peer_send(peer, request->data, request->bytes);
    request->bytes = 0;
    return wait_for(peer, reply);
}

static void shake_hands(struct peer *peer, const struct options *options)
{
    struct frames request = {0};
    handshake_put_protocol(&request);
    peer_call(peer, &request, CONNECTION_START);
    handshake_put_start_ok(&request, options);
    struct frame tune = peer_call(peer, &request, CONNECTION_TUNE);
    if (tune.payload_bytes < 12)
        fail("connection.tune is cut short");
    uint32_t offered = load_u32(tune.payload + 6);
    peer->frame_max = offered == 0 || offered > FRAME_MAX ? FRAME_MAX : offered;
    handshake_put_open(&request, options, peer->frame_max);
    peer_call(peer, &request, CONNECTION_OPEN_OK);
    handshake_put_channel(&request);
    peer_call(peer, &request, CHANNEL_OPEN_OK);
    frames_fini(&request);
}

void peer_open(struct peer *peer, const struct options *options)
{
    *peer = (struct peer){.fd = dial(options, 0, false),
                          .in_capacity_bytes = IN_BYTES,
                          .in = fail_calloc(1, IN_BYTES),
                          .is_writable = true,
                          .is_readable = true};
    if (options->is_tls)
        peer->tls = tls_new(options, peer->fd);
    shake_hands(peer, options);
}

void peer_redial(struct peer *peer, const struct options *options, unsigned number)
{
    *peer = (struct peer){.fd = dial(options, number, true),
                          .in_capacity_bytes = IN_BYTES,
                          .in = peer->in == NULL ? fail_calloc(1, IN_BYTES) : peer->in,
                          .is_writable = true};
    if (options->is_tls)
        peer->tls = tls_new(options, peer->fd);
}

void peer_hang_up(struct peer *peer)
{
    if (peer->tls != NULL)
        tls_free(peer->tls);
    peer->tls = NULL;
    close(peer->fd);
}

void peer_abandon(struct peer *peer)
{
    peer_hang_up(peer);
    free(peer->in);
}

static bool has_said_goodbye(struct peer *peer)
{
    for (peer->is_readable = true; peer->is_readable;) {
        peer_read(peer);
        for (struct frame frame; peer_next(peer, &frame);)
            if (frame.type == FRAME_METHOD && frame_method(&frame) == CONNECTION_CLOSE_OK)
                return true;
    }
    return false;
}

/* Deliveries and confirms may still be on their way: they are skipped, errors are no longer news.
 */
static void await_goodbye(struct peer *peer)
{
    struct pollfd poller = {.fd = peer->fd, .events = POLLIN};
    peer_set_nonblocking(peer, true);
    while (!has_said_goodbye(peer) && poll(&poller, 1, GOODBYE_MS) == 1) {
    }
}

void peer_close(struct peer *peer)
{
    struct frames request = {0};
    handshake_put_close(&request);
    peer_set_nonblocking(peer, false);
    peer_send(peer, request.data, request.bytes);
    await_goodbye(peer);
    frames_fini(&request);
    peer_abandon(peer);
}
