/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening sockets. Every address of the machine means one IPv6 socket that takes IPv4 too, or an
 * IPv4 socket where the system has no IPv6.
 */
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/xmalloc.h"
#include "config/config.h"

struct listener {
    int fd;
    struct acceptor acceptor;
};

/* --- binding */

static bool parse_address(const char *address, uint16_t port, struct sockaddr_storage *result,
                          socklen_t *size)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)result;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)result;
    memset(result, 0, sizeof *result);
    if (address != NULL && inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
        *size = sizeof *v4;
        return true;
    }
    if (inet_pton(AF_INET6, address != NULL ? address : "::", &v6->sin6_addr) != 1)
        return false;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    *size = sizeof *v6;
    return true;
}

static void set_option(int fd, int level, int option, int value)
{
    /* A system that does not know an option still has a socket that works. */
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

/* Those of the sockets that will be accepted: Linux has them inherit all of these. Buffer sizes
 * must be known before the handshake of TCP anyway, which negotiates the window. */
static void set_inherited_options(int fd, const struct config_socket_options *options)
{
    if (options->recbuf_bytes > 0)
        set_option(fd, SOL_SOCKET, SO_RCVBUF, (int)options->recbuf_bytes);
    if (options->sndbuf_bytes > 0)
        set_option(fd, SOL_SOCKET, SO_SNDBUF, (int)options->sndbuf_bytes);
    if (options->nodelay)
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (options->keepalive)
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    /* With a timeout, Linux's close sends what is left as it does without the option, and waits for
     * that: a reactor would stand still, and nothing be won. */
    if (options->linger_on && options->linger_timeout_s == 0) {
        struct linger linger = {.l_onoff = 1};
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
}

static void set_listen_options(int fd, int family, bool is_dual)
{
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, !is_dual);
}

/* The socket, or -1 with errno. */
static int bind_address(const char *address, uint16_t port,
                        const struct config_socket_options *options)
{
    struct sockaddr_storage storage;
    socklen_t size;
    if (!parse_address(address, port, &storage, &size)) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set_listen_options(fd, storage.ss_family, address == NULL);
    set_inherited_options(fd, options);
    if (bind(fd, (const struct sockaddr *)&storage, size) == 0 &&
        listen(fd, (int)options->backlog) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

struct listener *listener_new(const char *address, uint16_t port,
                              const struct config_socket_options *options,
                              char reason[LISTENER_REASON_SIZE])
{
    int fd = bind_address(address, port, options);
    if (fd < 0 && address == NULL && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
        fd = bind_address("0.0.0.0", port, options);
    if (fd < 0) {
        snprintf(reason, LISTENER_REASON_SIZE, "cannot listen on %s port %u: %s",
                 address != NULL ? address : "any address,", port, strerror(errno));
        return NULL;
    }
    struct listener *listener = xcalloc(1, sizeof *listener);
    listener->fd = fd;
    listener->acceptor = (struct acceptor){.fd = fd, .what = "connections"};
    return listener;
}

struct listener *listener_new_lasting(const char *address, uint16_t port,
                                      const struct config_socket_options *options,
                                      char reason[LISTENER_REASON_SIZE])
{
    struct config_socket_options lasting = *options;
    lasting.linger_on = false;
    return listener_new(address, port, &lasting, reason);
}

void listener_free(struct listener *listener)
{
    if (listener == NULL)
        return;
    acceptor_stop(&listener->acceptor);
    close(listener->fd);
    free(listener);
}

bool listener_is_started(const struct listener *listener)
{
    return listener->acceptor.is_started;
}

int listener_give_away(struct listener *listener)
{
    int fd = listener->fd;
    free(listener);
    return fd;
}

uint16_t listener_port(const struct listener *listener)
{
    struct sockaddr_storage storage;
    socklen_t size = sizeof storage;
    CHECK(getsockname(listener->fd, (struct sockaddr *)&storage, &size) == 0);
    if (storage.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&storage)->sin_port);
    return ntohs(((struct sockaddr_in6 *)&storage)->sin6_port);
}

/* --- accepting */

void listener_start(struct listener *listener, struct event_base *base,
                    acceptor_on_accept *on_accept, acceptor_on_trouble *on_trouble, void *context)
{
    listener->acceptor.on_accept = on_accept;
    listener->acceptor.context = context;
    listener->acceptor.on_trouble = on_trouble;
    listener->acceptor.trouble_context = context;
    acceptor_start(&listener->acceptor, base);
}
