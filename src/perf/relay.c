/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What leveret-perf could measure at most: a "broker" that only turns each basic.publish into a
 * basic.deliver and passes header and body on, without queues, routing, or anything that could
 * wait.
 *
 * The figure of a broker means something only if it is well below what the generator reaches here,
 * on the same machine with the same options; bench/README.md states both. The relay is a process of
 * its own, so that processor time is accounted to the right side, and it knows the order in which
 * main.c connects: control, publisher, consumer. Blocking sockets suffice, because leveret-perf
 * itself never blocks.
 */
#include "perf/relay.h"

#include "perf/dial.h"
#include "perf/fail.h"
#include "perf/peer.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IN_BYTES = 256 * 1024, PROTOCOL_HEADER_BYTES = 8 };

static const struct {
    uint32_t request;
    uint32_t reply;
    uint16_t channel;
    uint8_t argument_bytes;
    const char *arguments;
} replies[] = {
    {CONNECTION_START_OK, CONNECTION_TUNE, 0, 8, "\0\1\0\2\0\0\0\0"},
    {CONNECTION_OPEN, CONNECTION_OPEN_OK, 0, 1, "\0"},
    {CONNECTION_CLOSE, CONNECTION_CLOSE_OK, 0, 0, ""},
    {CHANNEL_OPEN, CHANNEL_OPEN_OK, PEER_CHANNEL, 4, "\0\0\0\0"},
    {QUEUE_DELETE, QUEUE_DELETE_OK, PEER_CHANNEL, 4, "\0\0\0\0"},
    {QUEUE_DECLARE, QUEUE_DECLARE_OK, PEER_CHANNEL, 9, "\0\0\0\0\0\0\0\0\0"},
    {BASIC_CONSUME, BASIC_CONSUME_OK, PEER_CHANNEL, 2,
     "\1"
     "0"},
};

static void answer(struct peer *peer, uint32_t method)
{
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        if (replies[i].request != method)
            continue;
        struct frames reply = {0};
        frames_begin_method(&reply, replies[i].channel, replies[i].reply);
        frames_put_bytes(&reply, replies[i].arguments, replies[i].argument_bytes);
        frames_end(&reply);
        peer_send(peer, reply.data, reply.bytes);
        frames_fini(&reply);
    }
}

static void serve_until(struct peer *peer, uint32_t last)
{
    for (;;) {
        for (struct frame frame; peer_next(peer, &frame);) {
            uint32_t method = frame.type == FRAME_METHOD ? frame_method(&frame) : 0;
            answer(peer, method);
            if (method == last)
                return;
        }
        peer_read(peer);
    }
}

static void send_start(struct peer *peer)
{
    struct frames start = {0};
    frames_begin_method(&start, 0, CONNECTION_START);
    frames_put_u16(&start, 9); /* version 0-9 */
    frames_put_u32(&start, 0);
    frames_put_long_string(&start, "PLAIN", 5);
    frames_put_long_string(&start, "en_US", 5);
    frames_end(&start);
    peer_send(peer, start.data, start.bytes);
    frames_fini(&start);
}

static void accept_peer(struct peer *peer, int listener)
{
    *peer = (struct peer){.fd = accept(listener, NULL, NULL),
                          .in = fail_calloc(1, IN_BYTES),
                          .in_capacity_bytes = IN_BYTES};
    if (peer->fd < 0)
        fail_errno("the relay cannot accept");
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    dial_avoid_pacing(peer->fd);
    while (peer->in_end < PROTOCOL_HEADER_BYTES)
        peer_read(peer);
    peer->in_start = PROTOCOL_HEADER_BYTES;
    send_start(peer);
    serve_until(peer, CHANNEL_OPEN);
}

static void put_delivery(struct frames *out, const struct frame *publish, uint64_t delivery_tag)
{
    frames_begin_method(out, PEER_CHANNEL, BASIC_DELIVER);
    frames_put_short_string(out, "0");
    frames_put_u64(out, delivery_tag);
    frames_put_u8(out, 0);
    /* Exchange and routing key stand alike in both, behind the first two and before the last byte.
     */
    frames_put_bytes(out, publish->payload + 6, publish->payload_bytes - 7);
    frames_end(out);
}

/* True when the publisher said goodbye. */
static bool relay_frame(struct peer *publisher, struct frames *out, const struct frame *frame,
                        uint64_t *delivery_tag)
{
    if (frame->type != FRAME_METHOD) {
        frames_put_bytes(out, frame->payload - FRAME_HEAD_BYTES, frame_bytes(frame));
        return false;
    }
    if (frame_method(frame) == BASIC_PUBLISH) {
        put_delivery(out, frame, ++*delivery_tag);
        return false;
    }
    answer(publisher, frame_method(frame));
    return frame_method(frame) == CONNECTION_CLOSE;
}

static void relay_messages(struct peer *publisher, struct peer *consumer)
{
    struct frames out = {0};
    uint64_t delivery_tag = 0;
    for (bool is_over = false; !is_over;) {
        peer_read(publisher);
        for (struct frame frame; !is_over && peer_next(publisher, &frame);)
            is_over = relay_frame(publisher, &out, &frame, &delivery_tag);
        peer_send(consumer, out.data, out.bytes);
        out.bytes = 0;
    }
    frames_fini(&out);
}

static void relay(int listener)
{
    struct peer control, publisher, consumer;
    accept_peer(&control, listener);
    serve_until(&control, QUEUE_DECLARE);
    accept_peer(&publisher, listener);
    accept_peer(&consumer, listener);
    serve_until(&consumer, BASIC_CONSUME);
    relay_messages(&publisher, &consumer);
    serve_until(&consumer, CONNECTION_CLOSE);
    serve_until(&control, CONNECTION_CLOSE);
}

unsigned relay_start(pid_t *process)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 ||
        listen(listener, 4) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        fail_errno("the relay cannot listen");
    *process = fork();
    if (*process < 0)
        fail_errno("fork");
    if (*process == 0) {
        relay(listener);
        _exit(EXIT_SUCCESS);
    }
    close(listener);
    return ntohs(address.sin_port);
}

void relay_join(pid_t process)
{
    waitpid(process, NULL, 0);
}
