/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets to the broker, also more of them than one address has ports.
 *
 * Between two addresses there are about 28,000 ports for a client, and one that was closed stays
 * taken for a minute. Whoever holds 50,000 connections, or opens and closes thousands a second,
 * needs more addresses; towards a broker on this machine the whole of 127.0.0.0/8 is there for it.
 * IP_BIND_ADDRESS_NO_PORT leaves the choice of the port to connect(), which knows that only the
 * whole of both addresses and ports has to be unique.
 *
 * The address that answered the first call is kept: looking a name up costs more than to connect.
 */
#include "perf/dial.h"

#include "perf/fail.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The first source is 127.0.0.1, which every broker takes for local. */
enum { SOURCES = 200 };

static struct sockaddr_storage broker;
static socklen_t broker_bytes;

static bool is_loopback(const struct sockaddr_in *address)
{
    return address->sin_family == AF_INET && ntohl(address->sin_addr.s_addr) >> 24 == 127;
}

static void bind_source(int fd, unsigned number)
{
    struct sockaddr_in source = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK + number % SOURCES)};
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&source, sizeof source) != 0)
        fail_errno("bind");
}

void dial_avoid_pacing(int fd)
{
    static const char plain[] = "reno";
    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, plain, sizeof plain - 1);
}

static int connect_socket(const struct sockaddr *address, socklen_t bytes, unsigned number,
                          bool is_nonblocking)
{
    int type = SOCK_STREAM | SOCK_CLOEXEC | (is_nonblocking ? SOCK_NONBLOCK : 0);
    int fd = socket(address->sa_family, type, 0);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        fail_errno("too many connections");
    if (fd < 0)
        return -1;
    if (is_loopback((const struct sockaddr_in *)address)) {
        bind_source(fd, number);
        dial_avoid_pacing(fd);
    }
    if (connect(fd, address, bytes) != 0 && errno != EINPROGRESS) {
        int reason = errno;
        close(fd);
        errno = reason;
        return -1;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

static int look_up_and_connect(const struct options *options)
{
    char port[16];
    snprintf(port, sizeof port, "%u", options->port);
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    int failure = getaddrinfo(options->host, port, &hints, &found);
    if (failure != 0)
        fail("%s: %s", options->host, gai_strerror(failure));
    int fd = -1;
    for (struct addrinfo *at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = connect_socket(at->ai_addr, at->ai_addrlen, 0, false);
        memcpy(&broker, at->ai_addr, at->ai_addrlen);
        broker_bytes = at->ai_addrlen;
    }
    freeaddrinfo(found);
    return fd;
}

int dial(const struct options *options, unsigned number, bool is_nonblocking)
{
    int fd = broker_bytes == 0
                 ? look_up_and_connect(options)
                 : connect_socket((struct sockaddr *)&broker, broker_bytes, number, is_nonblocking);
    if (fd < 0)
        fail("cannot connect to %s:%u: %s", options->host, options->port, strerror(errno));
    return fd;
}
