/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LEVERET_NET_STREAM_H
#define LEVERET_NET_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "net/tls.h"

/* The bytes of one nonblocking socket, plain or through TLS. Used by one thread at a time. */
struct stream {
    int fd;                 /* owned; -1 once closed */
    struct tls_stream *tls; /* owned; NULL: plain */
    bool read_wants_write;  /* TLS only: reading goes on when the socket takes bytes */
    bool write_wants_read;  /* TLS only: writing goes on when the socket has bytes */
};

enum {
    STREAM_END = 0,    /* the peer ended the stream */
    STREAM_AGAIN = -1, /* the socket has, or takes, nothing at the moment */
    STREAM_FAILED = -2 /* broken; stream_failure says why */
};

/* Takes both. */
void stream_init(struct stream *stream, int fd, struct tls_stream *tls);
/* For a peer on this machine. Some systems' congestion control, such as bbr, paces: it parts what
 * is sent into pieces of 64 KiB with a timer before each. Inside a machine it would find out
 * nothing. */
void stream_avoid_pacing(struct stream *stream);
/* Closes the socket at once; harmless when it is closed. */
void stream_close(struct stream *stream);
/* Tells the peer that nothing more comes; what it sends can still be read. */
void stream_end(struct stream *stream);

/* Bytes read into the parts, in order (at least 1), or STREAM_*. */
ssize_t stream_read(struct stream *stream, const struct iovec *parts, int count);
/* Bytes written (at least 1), or STREAM_AGAIN or STREAM_FAILED. After STREAM_AGAIN the next call
 * starts with the same bytes. */
ssize_t stream_write(struct stream *stream, const struct iovec *parts, int count);

/* Has the stream read bytes ahead, of which the socket knows nothing any more? */
bool stream_has_input(const struct stream *stream);

/* Why the last call failed, as text for the log; valid until the next call of this thread. */
const char *stream_failure(const struct stream *stream);

#endif
