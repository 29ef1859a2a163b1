/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection: socket, handshake, calls, and the read buffer that frames are looked at in.
 *
 * The buffer holds at least two frames of the negotiated size, so that a frame that is cut at its
 * end is moved to the front and completed by the next read; then no frame is ever put together from
 * parts, and parsing needs neither copy nor allocation. Set-up and tear-down are blocking calls,
 * one after the other, because they are not measured; the measured part switches the socket to
 * non-blocking and is driven by worker.c.
 *
 * Heartbeats are switched off: a run is watched by its own patience, and a generator that spends
 * time on timers measures them.
 */
#include "perf/peer.h"

#include "perf/fail.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FRAME_MAX = 131072, IN_BYTES = 2 * FRAME_MAX, GOODBYE_MS = 5000 };

static int connect_to(const struct options *options)
{
    char port[16];
    snprintf(port, sizeof port, "%u", options->port);
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    int failure = getaddrinfo(options->host, port, &hints, &found);
    if (failure != 0)
        fail("%s: %s", options->host, gai_strerror(failure));
    int fd = -1;
    for (struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, at->ai_protocol);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd < 0)
        fail("cannot connect to %s:%u: %s", options->host, options->port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

void peer_set_nonblocking(struct peer *peer, bool is_nonblocking)
{
    int flags = fcntl(peer->fd, F_GETFL);
    flags = is_nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (fcntl(peer->fd, F_SETFL, flags) != 0)
        fail_errno("fcntl");
}

size_t peer_write(struct peer *peer, const uint8_t *data, size_t bytes)
{
    ssize_t written = send(peer->fd, data, bytes, MSG_NOSIGNAL);
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
    ssize_t got = recv(peer->fd, peer->in + rest, room, 0);
    if (got == 0)
        fail("the broker closed the connection");
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        fail_errno("cannot read");
    if (got < (ssize_t)room)
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

static void put_capability(struct frames *table, const char *name)
{
    frames_put_short_string(table, name);
    frames_put_u8(table, 't');
    frames_put_u8(table, 1);
}

static void put_client_properties(struct frames *request)
{
    struct frames capabilities = {0}, table = {0};
    put_capability(&capabilities, "basic.nack");
    put_capability(&capabilities, "publisher_confirms");
    put_capability(&capabilities, "connection.blocked");
    put_capability(&capabilities, "consumer_cancel_notify");
    put_capability(&capabilities, "authentication_failure_close");
    frames_put_short_string(&table, "product");
    frames_put_u8(&table, 'S');
    frames_put_long_string(&table, "leveret-perf", strlen("leveret-perf"));
    frames_put_short_string(&table, "capabilities");
    frames_put_u8(&table, 'F');
    frames_put_long_string(&table, capabilities.data, capabilities.bytes);
    frames_put_long_string(request, table.data, table.bytes);
    frames_fini(&capabilities);
    frames_fini(&table);
}

static void put_start_ok(struct frames *request, const struct options *options)
{
    struct frames response = {0};
    frames_put_u8(&response, 0);
    frames_put_bytes(&response, options->user, strlen(options->user));
    frames_put_u8(&response, 0);
    frames_put_bytes(&response, options->password, strlen(options->password));
    frames_begin_method(request, 0, CONNECTION_START_OK);
    put_client_properties(request);
    frames_put_short_string(request, "PLAIN");
    frames_put_long_string(request, response.data, response.bytes);
    frames_put_short_string(request, "en_US");
    frames_end(request);
    frames_fini(&response);
}

static void put_tune_ok_and_open(struct frames *request, const struct peer *peer,
                                 const struct options *options)
{
    frames_begin_method(request, 0, CONNECTION_TUNE_OK);
    frames_put_u16(request, PEER_CHANNEL);
    frames_put_u32(request, peer->frame_max);
    frames_put_u16(request, 0);
    frames_end(request);
    frames_begin_method(request, 0, CONNECTION_OPEN);
    frames_put_short_string(request, options->vhost);
    frames_put_u8(request, 0);
    frames_put_u8(request, 0);
    frames_end(request);
}

static void handshake(struct peer *peer, const struct options *options)
{
    static const uint8_t protocol_header[] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};
    struct frames request = {0};
    frames_put_bytes(&request, protocol_header, sizeof protocol_header);
    peer_call(peer, &request, CONNECTION_START);
    put_start_ok(&request, options);
    struct frame tune = peer_call(peer, &request, CONNECTION_TUNE);
    if (tune.payload_bytes < 12)
        fail("connection.tune is cut short");
    uint32_t offered = load_u32(tune.payload + 6);
    peer->frame_max = offered == 0 || offered > FRAME_MAX ? FRAME_MAX : offered;
    put_tune_ok_and_open(&request, peer, options);
    peer_call(peer, &request, CONNECTION_OPEN_OK);
    frames_begin_method(&request, PEER_CHANNEL, CHANNEL_OPEN);
    frames_put_short_string(&request, "");
    frames_end(&request);
    peer_call(peer, &request, CHANNEL_OPEN_OK);
    frames_fini(&request);
}

void peer_open(struct peer *peer, const struct options *options)
{
    *peer = (struct peer){.fd = connect_to(options),
                          .in_capacity_bytes = IN_BYTES,
                          .in = fail_calloc(1, IN_BYTES),
                          .is_writable = true,
                          .is_readable = true};
    handshake(peer, options);
}

/* Deliveries and confirms may still be on their way: they are skipped, errors are no longer news.
 */
static void await_goodbye(struct peer *peer)
{
    for (struct pollfd poller = {.fd = peer->fd, .events = POLLIN};
         poll(&poller, 1, GOODBYE_MS) == 1;) {
        peer_read(peer);
        for (struct frame frame; peer_next(peer, &frame);)
            if (frame.type == FRAME_METHOD && frame_method(&frame) == CONNECTION_CLOSE_OK)
                return;
    }
}

void peer_close(struct peer *peer)
{
    struct frames request = {0};
    frames_begin_method(&request, 0, CONNECTION_CLOSE);
    frames_put_u16(&request, 200);
    frames_put_short_string(&request, "done");
    frames_put_u32(&request, 0);
    frames_end(&request);
    peer_set_nonblocking(peer, false);
    peer_send(peer, request.data, request.bytes);
    await_goodbye(peer);
    frames_fini(&request);
    close(peer->fd);
    free(peer->in);
}
