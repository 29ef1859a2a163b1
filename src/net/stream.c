/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One interface for plain sockets and TLS, so that a connection does not know which it has, except
 * where TLS must wait for the opposite direction of the socket: then read_wants_write or
 * write_wants_read says so, and whoever owns the events acts on it.
 *
 * A plain read or write is one system call for all parts. TLS has no such thing: parts go through
 * one by one until the socket has no more, in records of at most 16 KiB.
 */
#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void stream_init(struct stream *stream, int fd, struct tls_stream *tls)
{
    *stream = (struct stream){.fd = fd, .tls = tls};
}

void stream_avoid_pacing(struct stream *stream)
{
    static const char plain[] = "reno"; /* which every Linux has, and lets everybody use */
    (void)setsockopt(stream->fd, IPPROTO_TCP, TCP_CONGESTION, plain, sizeof plain - 1);
}

void stream_close(struct stream *stream)
{
    if (stream->fd < 0)
        return;
    tls_stream_free(stream->tls);
    close(stream->fd);
    *stream = (struct stream){.fd = -1};
}

void stream_end(struct stream *stream)
{
    if (stream->tls != NULL)
        tls_end(stream->tls);
    shutdown(stream->fd, SHUT_WR);
}

static bool is_transient(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static ssize_t result_of(ssize_t size)
{
    if (size >= 0)
        return size;
    return is_transient(errno) ? STREAM_AGAIN : STREAM_FAILED;
}

/* What was moved by all calls together, or what the first one said. */
static ssize_t sum_of(size_t moved, ssize_t last)
{
    return moved > 0 ? (ssize_t)moved : last;
}

static ssize_t read_tls(struct stream *stream, const struct iovec *parts, int count)
{
    size_t moved = 0;
    ssize_t size = STREAM_AGAIN;
    for (int i = 0; i < count; i++) {
        for (size_t at = 0; at < parts[i].iov_len; at += (size_t)size) {
            size = tls_read(stream->tls, (char *)parts[i].iov_base + at, parts[i].iov_len - at,
                            &stream->read_wants_write);
            if (size <= 0)
                return sum_of(moved, size);
            moved += (size_t)size;
        }
    }
    return sum_of(moved, size);
}

ssize_t stream_read(struct stream *stream, const struct iovec *parts, int count)
{
    if (stream->tls != NULL)
        return read_tls(stream, parts, count);
    if (count == 1)
        return result_of(read(stream->fd, parts->iov_base, parts->iov_len));
    return result_of(readv(stream->fd, parts, count));
}

static ssize_t write_tls(struct stream *stream, const struct iovec *parts, int count)
{
    size_t moved = 0;
    ssize_t size = STREAM_AGAIN;
    for (int i = 0; i < count; i++) {
        for (size_t at = 0; at < parts[i].iov_len; at += (size_t)size) {
            size = tls_write(stream->tls, (const char *)parts[i].iov_base + at,
                             parts[i].iov_len - at, &stream->write_wants_read);
            if (size <= 0)
                return sum_of(moved, size);
            moved += (size_t)size;
        }
    }
    return sum_of(moved, size);
}

ssize_t stream_write(struct stream *stream, const struct iovec *parts, int count)
{
    if (stream->tls != NULL)
        return write_tls(stream, parts, count);
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                             .msg_iovlen = (size_t)count};
    return result_of(sendmsg(stream->fd, &message, MSG_NOSIGNAL));
}

bool stream_has_input(const struct stream *stream)
{
    return stream->tls != NULL && tls_has_input(stream->tls);
}

const char *stream_failure(const struct stream *stream)
{
    if (stream->tls != NULL)
        return tls_failure(stream->tls);
    return strerror(errno);
}
