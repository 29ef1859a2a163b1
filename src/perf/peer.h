/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_PERF_PEER_H
#define LEVERET_PERF_PEER_H

#include "perf/frames.h"
#include "perf/options.h"

enum { PEER_CHANNEL = 1 };

struct ssl_st;

/* A connection with one open channel. Blocking until peer_set_nonblocking; used by one thread. */
struct peer {
    int fd;
    struct ssl_st *tls; /* owned; NULL without TLS */
    uint32_t frame_max;
    uint8_t *in; /* owned */
    size_t in_start;
    size_t in_end;
    size_t in_capacity_bytes;
    bool is_readable;
    bool is_writable;
};

/* Connects, logs in and opens the channel; ends the process when any of it fails. */
void peer_open(struct peer *peer, const struct options *options);

/* Says goodbye, waits a moment for the answer, frees everything. */
void peer_close(struct peer *peer);

/* For a peer without a connection, {0} at first: connects without waiting for it, and sends nothing
 * yet. The number is that of dial(). */
void peer_redial(struct peer *peer, const struct options *options, unsigned number);

/* Frees everything without a word. */
void peer_abandon(struct peer *peer);

/* Closes the connection without a word; what was read stays allocated for the next. */
void peer_hang_up(struct peer *peer);

void peer_set_nonblocking(struct peer *peer, bool is_nonblocking);

/* Sends the request, empties it, and waits for reply; the frame is valid until the next read. */
struct frame peer_call(struct peer *peer, struct frames *request, uint32_t reply);

/* Writes all of it; for blocking peers. */
void peer_send(struct peer *peer, const uint8_t *data, size_t bytes);

/* Writes what the socket takes and clears is_writable when that was not all. */
size_t peer_write(struct peer *peer, const uint8_t *data, size_t bytes);

/* Reads once; clears is_readable when nothing more was there. Invalidates earlier frames. */
void peer_read(struct peer *peer);

/* Takes the next whole frame out of what was read; false when there is none. */
bool peer_next(struct peer *peer, struct frame *frame);

/* What any connection may be sent at any time: errors end the process, notices are printed. */
void peer_handle_other(const struct frame *frame);

#endif
